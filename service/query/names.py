"""One model by its name. Pure."""

from service.catalog import Catalog, Row
from service.errors import UnknownModelError
from service.spelling import nearest


def find(catalog: Catalog, name: str) -> Row:
    """The model of that ref or id, removed ones too. Raises UnknownModelError."""
    if (row := catalog.find(name)) is None:
        known = [row.model.id for row in (*catalog.rows, *catalog.removed)]
        raise UnknownModelError(name, nearest(name, known))
    return row
