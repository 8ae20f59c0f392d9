"""Declared parameters as options of the command line: their names, help, values and completion."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter as Argument
from inspect import Signature, getdoc, signature
from typing import Any, Final

import typer
from rich.markup import escape

from service.errors import ParameterError, UsageError
from service.parameters import Parameter
from service.query.filters import PRICE_FORM, SIZE_FORM, TIME_FORM, WORDS_FORM

Completer = Callable[..., list[str]]
"""As typer has it: what it is handed depends on the types of its arguments."""
Pairs = Sequence[tuple[str, str]]
"""Names of parameters and what is given for them, as in the query of a URL."""
Panels = Mapping[str, Iterable[Parameter[Any]]]
"""Parameters under the headings of a command's help."""

_NAMES: Final = {"q": ("--q", "-q"), "fields": ("--columns",)}
_FORMS: Final = {SIZE_FORM: "SIZE", PRICE_FORM: "PRICE", TIME_FORM: "TIME", WORDS_FORM: "WORD,…"}
"""What many options take is told once."""


def option(name: str) -> str:
    """What a parameter is called here: `minContext` → `--min-context`."""
    return _names(name)[0]


def _names(name: str) -> Sequence[str]:
    kebab = re.sub(r"(?<=[a-z])([A-Z])", r"-\1", name).lower()
    return _NAMES.get(name, (f"--{kebab}",))


def with_options(
    command: Callable[..., None], panels: Panels, completed: Mapping[str, Completer]
) -> Callable[..., None]:
    """A command that takes these parameters as options, each under a heading of its help.

    `command` gets what is asked as its first argument, and its own options as they are. What it
    refuses is told by the option's name: raises UsageError. Values are completed as is said for a
    parameter of that name, else by its words.
    """
    declared = {
        one.name: _option(one, panel, completed.get(one.name) or _completer(one))
        for panel, some in panels.items()
        for one in some
    }

    def wrapper(**given: Any) -> None:  # noqa: ANN401 — of any option
        pairs = [pair for name in declared for pair in _pairs(name, given.pop(name))]
        try:
            command(pairs, **given)
        except ParameterError as error:  # its sentence begins with the parameter's own name
            said = error.detail.removeprefix(error.parameter).lstrip("= ")
            raise UsageError(option(error.parameter), said) from None

    _, *own = signature(command).parameters.values()
    parameters = [one for some in panels.values() for one in some]
    wrapper.__doc__ = f"{getdoc(command)}\n\n{_forms(parameters)}."
    wrapper.__signature__ = Signature([*declared.values(), *own])  # type: ignore[attr-defined]
    return wrapper


def _option(parameter: Parameter[Any], panel: str, completer: Completer) -> Argument:
    info = typer.Option(
        None,
        *_names(parameter.name),
        metavar=_metavar(parameter),
        help=_help(parameter),
        autocompletion=completer,
        rich_help_panel=panel,
    )
    annotation = list[str] | None if parameter.is_many else str | None
    return Argument(parameter.name, Argument.KEYWORD_ONLY, default=info, annotation=annotation)


def _metavar(parameter: Parameter[Any]) -> str:
    if parameter.schema.get("type") == "integer":
        return "N"
    known = _FORMS.get(parameter.accepts, "WORD" if parameter.words else "TEXT")
    return _FORMS[WORDS_FORM] if parameter.is_many else known


def _help(parameter: Parameter[Any]) -> str:
    """What it means, and what it takes where that is not told once for many."""
    means = re.sub(r"`(\w+)`", lambda match: option(match[1]), parameter.meaning)
    takes = parameter.accepts.removeprefix(f"{WORDS_FORM}: ")
    takes = "" if takes in _FORMS else f": {takes}"
    return escape(f"{means[0].upper()}{means[1:]}{takes}.")


def _forms(parameters: Iterable[Parameter[Any]]) -> str:
    """What the forms are that these take."""
    taken = [parameter.accepts for parameter in parameters]
    forms = [form for form in _FORMS if any(accepts.startswith(form) for accepts in taken)]
    return escape("; ".join(f"{_FORMS[form]} is {form}" for form in forms))


def _completer(parameter: Parameter[Any]) -> Completer:
    """By its words; in a list with commas, the last one."""

    def complete(incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",") if parameter.is_many else ("", "", "")
        chosen = before.split(",")
        return [f"{before}{comma}{word}" for word in parameter.words if word not in chosen]

    return complete


def _pairs(name: str, given: str | list[str] | None) -> Pairs:
    texts = given if isinstance(given, list) else [] if given is None else [given]
    return [(name, text) for text in texts]
