"""What an expression of PromQL names: metrics, the labels asked of each, the labels grouped by."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

VARIABLES: Final[Mapping[str, str]] = {
    "$__rate_interval": "5m",
    "$__interval": "15m",
    "$job": "model-catalog",
    "$instance": ".*",
}
"""Grafana's, each with what it may stand for."""

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_SELECTOR: Final = re.compile(rf"([a-zA-Z_:][\w:]*)\s*\{{((?:[^}}\"]|{_STRING})*)\}}")
_MATCHER: Final = re.compile(rf"(\w+)\s*(?:=~|!~|!=|=)\s*({_STRING})")
_GROUPING: Final = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\b(?:\s*\(([^)]*)\))?"
)
_BESIDE: Final = re.compile(rf"{_STRING}|\[[^]]*\]|\boffset\s+\w+|\b\d[\w.]*")
_NAME: Final = re.compile(r"[a-zA-Z_:][\w:]*(?!\s*\()\b(?!\s*\()")
_WORDS: Final = frozenset({"and", "or", "unless", "bool", "inf", "nan"})


@dataclass
class Named:
    """The names in one expression."""

    metrics: set[str] = field(default_factory=set)
    matched: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """By metric and label, the values asked for: each alternative of a plain regular expression."""
    grouped: set[str] = field(default_factory=set)


def filled(expression: str) -> str:
    """The expression with every variable of Grafana's replaced."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def names(expression: str) -> Named:
    """Everything that it names."""
    found = Named()
    text = filled(expression)
    for metric, matchers in _SELECTOR.findall(text):
        found.metrics.add(metric)
        values = found.matched.setdefault(metric, {})
        for label, value in _MATCHER.findall(matchers):
            values.setdefault(label, set()).update(_alternatives(value[1:-1]))
    text = _SELECTOR.sub(" ", text)
    for labels in _GROUPING.findall(text):
        found.grouped.update(label.strip() for label in labels.split(",") if label.strip())
    text = _BESIDE.sub(" ", _GROUPING.sub(" ", text))
    found.metrics.update(name for name in _NAME.findall(text) if name not in _WORDS)
    return found


def _alternatives(value: str) -> Sequence[str]:
    """What can be held to known values; a pattern with more than alternatives cannot."""
    return [] if re.search(r"[.*+\[\]()^$?]", value) else value.split("|")
