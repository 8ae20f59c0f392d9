"""The page of one model: what it is, how it came to be so, and how it is used. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Unpack
from urllib.parse import urlencode

from service.catalog import Catalog, Origin, Pricing, Row, Status
from service.errors import MAX_SHOWN
from service.fields import FIELDS
from service.pages import site
from service.pages.about import About
from service.pages.cells import cut, name_of, path_of, short
from service.pages.past import Past, history
from service.pages.telling import (
    GROUPS,
    LABELS,
    Told,
    day_text,
    told,
    unit,
)
from service.pages.usage import Place, uses
from service.pages.usage import told as parted

_LONG_NAME: Final = 90
_LONG_TEXT: Final = 700
_TITLE: Final = 120

_HINTED: Final = frozenset(
    {
        *("contextWindow", "servedContextWindow", "maxTokens", "pricing", "moderated"),
        *("mayTrainOnPrompts", "structuredOutput", "origin", "default"),
    }
)
"""Fields of which a label does not say enough."""
_ONLY_WHERE_SET: Final = frozenset({"missingSince", "removedAt"})
_APART: Final = frozenset({"description", "name"})
"""Those that have a place of their own."""
_GLANCE: Final = ("contextWindow", "maxTokens", "cost.input", "cost.output")


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of the model."""

    path: str
    label: str
    told: Told
    unit: str
    hint: str


def page(
    row: Row,
    past: Past | None,
    place: Place,
    *,
    catalog: Catalog,
    root: str,
    **about: Unpack[About],
) -> bytes:
    """HTML. `past` is None where the history cannot be read now.

    `about` is what every page says of itself.
    """
    used, unused = parted(uses(row, place))
    said = row.model
    return site.render(
        "model.html",
        root=root,
        said=said,
        title=cut(said.name, _TITLE),
        has_long_name=len(said.name) > _LONG_NAME,
        has_long_text=len(said.description or "") > _LONG_TEXT,
        address=path_of(row, catalog),
        query=urlencode({"model": said.ref.replace(",", "*")}),
        others=urlencode({"author": said.author or ""}),
        compare=urlencode({"ids": name_of(row, catalog)}),
        state=_state(row),
        signs=_signs(row),
        served=_served(row),
        glance=[_fact(path, row) for path in _GLANCE],
        groups=[
            (group, [_fact(path, row) for path in group.paths if _is_shown(path, row)])
            for group in GROUPS
        ],
        is_removed=row.is_removed,
        used=used,
        unused=unused,
        **history(past, catalog.updated_at),
        **about,
    )


def no_such(
    wanted: str,
    near: Sequence[Row],
    *,
    catalog: Catalog,
    root: str,
    **about: Unpack[About],
) -> bytes:
    """The page of a model that there is not, and those that are called almost so."""
    return site.render(
        "no-model.html",
        root=root,
        wanted=cut(wanted, MAX_SHOWN),
        near=[(name_of(row, catalog), path_of(row, catalog)) for row in near],
        **about,
    )


# ── the present ───────────────────────────────────────────────────────────────────────────────


def _fact(path: str, row: Row) -> Fact:
    hint = FIELDS[path].meaning if path in _HINTED else ""
    return Fact(path, LABELS[path], told(path, row), unit(path), hint)


def _is_shown(path: str, row: Row) -> bool:
    return path not in _APART and (path not in _ONLY_WHERE_SET or FIELDS[path].get(row) is not None)


def _served(row: Row) -> str:
    """What the gateway's first provider accepts, where that is less than the model can hold."""
    whole, served = row.model.context_window, row.model.served_context_window
    return short(served) if served and whole and served < whole else ""


def _state(row: Row) -> tuple[str, str]:
    """The status as a word, and as a sentence where there is more to say."""
    life = row.life
    match life.status:
        case Status.MISSING if life.missing_since:
            since = day_text(life.missing_since)
            return life.status, f"Missing from the gateway's list since {since}; still served."
        case Status.REMOVED if life.removed_at:
            at = day_text(life.removed_at)
            return life.status, f"Removed at {at}: no longer on offer, and kept here for ever."
        case status:
            return status, ""


def _signs(row: Row) -> list[tuple[str, str]]:
    """What to notice at once: words, and how much they matter."""
    said = row.model
    found = [
        (said.free is True, "free", "good"),
        (row.is_default, "default", "good"),
        (row.origin is Origin.FALLBACK, "not listed by the gateway: the fallback", "plain"),
        (said.pricing is Pricing.DYNAMIC, "price depends on the request", "warn"),
        (said.may_train_on_prompts is True, "may train on prompts", "warn"),
    ]
    signs = [(text, tone) for holds, text, tone in found if holds]
    if said.expires_at:
        signs.append((f"to be retired {day_text(said.expires_at)}", "warn"))
    return signs
