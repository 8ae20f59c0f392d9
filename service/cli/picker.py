"""What `pick --interactive` does: one model is chosen by hand from a list that typing narrows."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from prompt_toolkit import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import AfterInput, BeforeInput
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import is_dumb_terminal

from service.catalog import Row, utc_now
from service.cli import console, reading
from service.cli.options import Pairs
from service.config import Settings
from service.errors import UsageError
from service.parameters import Asked
from service.query.pick import LIMIT, PICK, PREFER, Choice, Preference
from service.query.shelf import Shelf

LEFT, NOTHING_FITS = 1, 3
_LINES: Final = 12
_STEPS: Final = {
    ("up", "c-p"): -1,
    ("down", "c-n"): 1,
    ("pageup",): -_LINES,
    ("pagedown",): _LINES,
}
_HINT: Final = "type some of its name; up and down move, Enter chooses, Esc leaves"
_ESCAPE_SECONDS: Final = 0.05
"""So long after a byte that also begins what other keys send it is the key Esc itself."""
_STYLE: Final = Style.from_dict({"at": "reverse", "dim": "ansibrightblack"})


def pick(chosen: Settings, pairs: Pairs) -> int:
    """Let a person choose among the models that fit; print its ref. Returns the exit code."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or is_dumb_terminal():
        raise UsageError("--interactive", "there is no terminal to choose on")
    asked = Asked(pairs, PICK)
    choice = Choice.read(asked)
    shelf = Shelf(reading.catalog(chosen))
    choice = replace(
        choice,
        prefer=choice.prefer if PREFER in asked else Preference.GATEWAY_PREFERRED,
        limit=choice.limit if LIMIT in asked else len(shelf.rows),
    )
    fit = [shelf.places[one["ref"]] for one in choice.pick(shelf, utc_now())["data"]]
    if not fit:
        console.print_note("no model fits; without --interactive it is told what rules them out")
        return NOTHING_FITS
    ref = _Picker(shelf, fit).ask()
    if ref is None:
        return LEFT
    console.print_line(ref)
    return 0


class _Picker:
    """What is typed, the models that it leaves, the best first, and the one that is pointed at."""

    def __init__(self, shelf: Shelf, places: Sequence[int]) -> None:
        self._shelf = shelf
        self._places = places
        self._found = places
        self._at = 0
        self._heading, self._lines = _in_columns({place: shelf.rows[place] for place in places})
        self._typed = Buffer(multiline=False, on_text_changed=self._narrow)

    def ask(self) -> str | None:
        """The ref of the model that is chosen; None where the person leaves."""
        around = [BeforeInput("model: "), AfterInput(self._hint, style="class:dim")]
        lines = FormattedTextControl(self._shown, get_cursor_position=self._pointed_at)
        parts = [
            Window(BufferControl(self._typed, around), height=1),
            Window(FormattedTextControl(self._told), height=1, style="class:dim"),
            Window(lines, height=Dimension(max=_LINES)),
        ]
        application = Application[str | None](
            layout=Layout(HSplit(parts)),
            key_bindings=self._keys(),
            style=_STYLE,
            erase_when_done=True,
            # Of all this, the output has the ref alone: model=$(model-catalog pick -i)
            output=create_output(sys.stderr),
        )
        application.ttimeoutlen = _ESCAPE_SECONDS
        return application.run()

    def _narrow(self, typed: Buffer) -> None:
        """By what was typed; the models that fit it best come first."""
        scores = self._shelf.search.scores(typed.text) if typed.text.strip() else None
        self._found = self._places if scores is None else _by_fit(self._places, scores)
        self._at = 0

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        for names, step in _STEPS.items():
            for name in names:
                keys.add(name)(partial(self._step, step))

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            if self._found:
                event.app.exit(result=self._shelf.rows[self._found[self._at]].model.ref)

        @keys.add("escape", eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("c-c")
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=KeyboardInterrupt)

        return keys

    def _step(self, step: int, _: KeyPressEvent) -> None:
        self._at = max(0, min(self._at + step, len(self._found) - 1))

    # ── what is seen ──────────────────────────────────────────────────────────────────────────

    @property
    def _first(self) -> int:
        """The first of the models that are shown."""
        return max(0, min(self._at - _LINES // 2, len(self._found) - _LINES))

    def _pointed_at(self) -> Point:
        return Point(0, self._at - self._first)

    def _hint(self) -> str:
        return "" if self._typed.text else _HINT

    def _told(self) -> str:
        count = f"  {len(self._found)} of {len(self._places)}"
        return count + self._heading[len(count) :]

    def _shown(self) -> StyleAndTextTuples:
        first = self._first
        shown: StyleAndTextTuples = [
            ("", f"  {self._lines[place]}\n") for place in self._found[first : first + _LINES]
        ]
        if shown:
            at = self._at - first
            shown[at] = ("class:at", f"> {self._lines[self._found[self._at]]}\n")
        return shown


def _by_fit(places: Sequence[int], scores: Mapping[int, float]) -> Sequence[int]:
    return sorted((place for place in places if place in scores), key=lambda one: -scores[one])


def _in_columns(rows: Mapping[int, Row]) -> tuple[str, Mapping[int, str]]:
    """The line of headings, which leaves room at its beginning, and a line for each model."""
    width = max(len(row.model.id) for row in rows.values())

    def line(*cells: str) -> str:
        model_id, context, begin, end, name = cells
        return f"{model_id:<{width}}  {context:>7}  {begin:>7}  {end:>7}  {name}"

    lines = {place: line(*_cells(row)) for place, row in rows.items()}
    return f"  {line('', 'context', 'in $/M', 'out $/M', '')}", lines


def _cells(row: Row) -> Sequence[str]:
    said = row.model
    usd = console.price(said.cost.input), console.price(said.cost.output)
    return (said.id, console.size(said.context_window), *usd, console.inline(said.name))
