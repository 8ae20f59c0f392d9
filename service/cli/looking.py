"""What the commands that look at models do: a list, one model, a pick."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from service.catalog import Catalog, utc_now
from service.cli import console, reading
from service.cli.columns import USUAL, columns_of, print_choices, print_models
from service.cli.options import Pairs, option
from service.config import Settings
from service.dialects import native
from service.parameters import Asked
from service.query.listing import Form, listing
from service.query.names import find
from service.query.pick import PICK, PREFER, Choice
from service.query.question import CURSOR, QUERY, Mark, Question
from service.query.shelf import Shelf

Json = dict[str, Any]

NOTHING_FITS: Final = 3


def show(chosen: Settings, model: str, *, as_json: bool) -> None:
    """Print one model."""
    row = find(reading.catalog(chosen), model)
    if as_json:
        console.print_json(native.model(row))
    else:
        console.print_model(row)


# ── a list ────────────────────────────────────────────────────────────────────────────────────


def list_models(chosen: Settings, pairs: Pairs, *, form: str, at: str | None) -> None:
    """Print the models that are asked for: as the API tells them in that form, else in columns."""
    question = Question.read(Asked(pairs, QUERY))
    shelf = Shelf(_catalog(chosen, at))
    if not form:
        _print_page(shelf, question)
        return

    def address(mark: Mark) -> str:
        return f"/catalog/models?{urlencode([*pairs, (CURSOR.name, str(mark))])}"

    body = listing(shelf, question, Form[form.upper()], now=utc_now(), address=address).body
    console.print_bytes(body + b"\n" if form == "json" else body)


def _catalog(chosen: Settings, at: str | None) -> Catalog:
    if at is None:
        return reading.catalog(chosen)
    return reading.catalog_at(chosen, reading.moment_of("--at", at))


def _print_page(shelf: Shelf, question: Question) -> None:
    page = question.page(shelf, utc_now())
    if not page.places:
        console.print_note("no model fits; `model-catalog pick` tells what rules them out")
        return
    rows = [shelf.rows[place] for place in page.places]
    left_out = print_models(rows, columns_of(question.fields) or USUAL)
    of_them = f"{len(rows)} of " if len(rows) < page.total else ""
    models = console.many(page.total, "model")
    room = f"; no room for {', '.join(left_out)}" if left_out else ""
    console.print_remark(f"{of_them}{models}, revision {shelf.catalog.revision}{room}")


# ── a pick ────────────────────────────────────────────────────────────────────────────────────


def pick(chosen: Settings, pairs: Pairs, *, as_json: bool) -> int:
    """Print the best models for what is needed, why, and what leaves few. Returns the exit code."""
    choice = Choice.read(Asked(pairs, PICK))
    shelf = Shelf(reading.catalog(chosen))
    found = choice.pick(shelf, utc_now())
    if as_json:
        console.print_bytes(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
    else:
        _print_pick(shelf, choice, found)
    return 0 if found["data"] else NOTHING_FITS


def _print_pick(shelf: Shelf, choice: Choice, found: Json) -> None:
    told, total = found["data"], found["total"]
    of_all = f"{found['considered']} in revision {found['revision']}"
    if told:
        rows = [shelf.rows[shelf.places[one["ref"]]] for one in told]
        costs = [choice.mix.cost(row.model.cost) for row in rows]
        print_choices(rows, costs, [one["reasons"] for one in told])
        console.print_remark(f"{len(told)} of {total} that fit, of {of_all}")
        console.print_remark(f"cost: USD for {choice.mix} tokens")
    if total < choice.limit:
        console.print_line("the others are ruled out:" if told else f"none fits, of {of_all}:")
        for line in _ruled_out(found):
            console.print_line(console.inline(f"  {line}"))


def _ruled_out(found: Json) -> Iterator[str]:
    """`--tools true rules out 67 (4 as unknown); without it 3 more would fit`, a line a need."""
    needs = [one for one in found["ruledOut"] if one["models"]]
    for one in needs:
        is_preference = one["parameter"] == PREFER.name
        need = _preference(one, found["prefer"]) if is_preference else _need(one)
        unknown = f" ({one['unknown']} as unknown)" if one["unknown"] and not is_preference else ""
        more = f"; without it {one['alone']} more would fit" if one["alone"] else ""
        yield f"{need} rules out {one['models']}{unknown}{more}"
    if not any(one["alone"] for one in needs):
        yield "to give up one of these is not enough"


def _need(one: Json) -> str:
    """What is needed, as it is typed."""
    return f"{option(one['parameter'])} {one['need'].partition('=')[2]}"


def _preference(one: Json, name: str) -> str:
    """The same of what comes first, which cannot be told of a model of which nobody knows it."""
    return f"{option(PREFER.name)} {name}, for which {one['need'].replace(' is ', ' has to be ')},"
