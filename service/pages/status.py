"""The page of the service: how fresh the catalog is, what the refreshes did, and why. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from service.catalog import Outcome, Reason, Refresh
from service.dialects import DIALECTS
from service.dialects.native import time_text
from service.pages import site
from service.pages.changes import model_address

Json = Mapping[str, Any]
Log = Sequence[tuple[int, Refresh]]
"""Refreshes with their numbers, newest first."""

REASONS: Final[Mapping[Reason, str]] = {
    Reason.FIRST: "the first list of this gateway was read and stored",
    Reason.CHANGES: "the gateway's list had changed, and the catalog follows it",
    Reason.REORDERED: "the list was the same but for its order",
    Reason.SAME_CONTENT: "the list came whole and says what was known already",
    Reason.VALIDATORS_MATCH: "the gateway said that its list is the one we have",
    Reason.SHRINK: "over half of the active models would go missing, so the list is held until it "
    "has been seen three times in a row or an operator accepts it",
    Reason.DNS: "the gateway's name could not be resolved",
    Reason.CONNECT: "no connection to the gateway could be made",
    Reason.TLS: "the gateway's certificate or encryption could not be trusted",
    Reason.TIMEOUT: "the gateway took longer than a refresh may take",
    Reason.TRUNCATED: "the answer broke off before its end",
    Reason.PROTOCOL: "the answer was not HTTP",
    Reason.REDIRECT: "the gateway pointed elsewhere, which is not followed: the key stays at home",
    Reason.AUTH: "the gateway refused the key, or wants one",
    Reason.NOT_FOUND: "there is no list at the gateway's address",
    Reason.RATE_LIMITED: "the gateway asked to be left alone for a while",
    Reason.SERVER_ERROR: "the gateway itself failed",
    Reason.STATUS: "the gateway answered with a status that says nothing about a list",
    Reason.UNASKED_304: "the gateway said “not modified” without having been asked",
    Reason.ENCODING: "the answer's compression could not be undone",
    Reason.TOO_LARGE: "the answer was larger than what is read",
    Reason.EMPTY_BODY: "the answer was empty",
    Reason.CHARSET: "the answer's characters could not be read",
    Reason.NOT_JSON: "the answer was not JSON",
    Reason.SCHEMA: "the answer was JSON, but had no list of models in it",
    Reason.EMPTY: "the list had no models",
    Reason.MALFORMED_RATIO: "too many entries of the list could not be used",
    Reason.TOO_MANY: "the list was many times longer than any before",
    Reason.STORAGE: "the list was good, but could not be stored",
    Reason.INTERNAL: "a defect of this service; its log tells more",
}
"""Why a refresh ended as it did, as the rest of a sentence."""

SIGNS: Final[Mapping[Outcome, str]] = {
    Outcome.UPDATED: "+",
    Outcome.UNCHANGED: "=",
    Outcome.NOT_MODIFIED: "=",
    Outcome.HELD: "‖",
    Outcome.REJECTED: "×",  # noqa: RUF001 — a cross
    Outcome.FAILED: "!",
}
_OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.UPDATED: "updated",
    Outcome.UNCHANGED: "unchanged",
    Outcome.NOT_MODIFIED: "not modified",
    Outcome.HELD: "held",
    Outcome.REJECTED: "rejected",
    Outcome.FAILED: "failed",
}
_SPANS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_SECOND_UNIT_BELOW: Final = 10
"""Of a span of fewer units, the next smaller unit is worth telling, too."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How things are, in a sentence."""

    level: str
    """`good`, `warn` or `bad`."""
    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One refresh of the timeline."""

    outcome: str
    sign: str
    at: str
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Run:
    """Refreshes in a row that ended alike; the newest stands for them."""

    anchors: Sequence[str]
    """Those of all of them."""
    outcome: str
    sign: str
    label: str
    count: int
    at: str
    until: str
    since: str
    reason: str
    detail: str
    last: Refresh


@dataclass(frozen=True, slots=True)
class Told:
    """What one format tells, and what it leaves out."""

    title: str
    name: str
    address: str
    readers: str
    told: int
    omitted: int


def page(
    status: Json,
    log: Log,
    *,
    older: int | None,
    is_first: bool,
    failure: str,
    now: datetime,
    address: str,
    version: str,
) -> bytes:
    """The page, complete. `failure` says why there is no log, where there is none.

    `address` is where a person asks this service.
    """
    return site.render(
        "status.html",
        root="./",
        version=version,
        status=status,
        source=status["sources"][0],
        verdict=verdict(status, now),
        next_refresh=_next(status["sources"][0], now),
        cells=[_cell(number, one) for number, one in reversed(log)],
        runs=list(_runs(log)),
        tally=_tally(log),
        address=address,
        older=older,
        is_first=is_first,
        failure=failure,
        formats=_formats(status),
        age=None if status["ageSeconds"] is None else f"{span(status['ageSeconds'])} ago",
        last=_last(status["sources"][0], now),
        model_address=lambda name: model_address(name, f"{status['sources'][0]['source']}/{name}"),
        is_stale=status["stale"],
    )


# ── how it is ─────────────────────────────────────────────────────────────────────────────────


def verdict(status: Json, now: datetime) -> Verdict:
    """What a person wants to know first."""
    source, age = status["sources"][0], status["ageSeconds"]
    last, storage = source["lastRefresh"], status["storage"]
    said = []
    if age is None:
        level, title = "warn", "Not checked yet"
        said.append("No good list of the gateway has been read yet; what was known is served.")
    elif status["stale"]:
        level, title = "bad", "Stale"
        said.append(f"The last good check was {span(age)} ago: prices and models may have moved.")
    else:
        level, title = "good", "Fresh"
        said.append(f"The catalog is as the gateway told it {span(age)} ago.")
    if last and not Outcome(last["outcome"]).is_good:
        level = "warn" if level == "good" else level
        said.append(_sentence(last["outcome"], last["reason"], now, last["at"]))
    if storage["state"] != "ok":
        level = "bad"
        said.append(f"The database is {storage['state'].replace('_', ' ')}: {storage['advice']}.")
    if source["refreshing"]:
        said.append("A refresh is under way.")
    return Verdict(level, title, said)


@dataclass(frozen=True, slots=True)
class Last:
    """The last refresh, in short."""

    outcome: str
    sign: str
    label: str
    reason: str
    ago: str


def _last(source: Json, now: datetime) -> Last | None:
    last = source["lastRefresh"]
    if last is None:
        return None
    outcome = Outcome(last["outcome"])
    reason = REASONS[Reason(last["reason"])]
    return Last(outcome, SIGNS[outcome], _OUTCOMES[outcome], reason, _ago(last["at"], now))


def _sentence(outcome: str, reason: str, now: datetime, at: str) -> str:
    label = _OUTCOMES[Outcome(outcome)]
    return f"The last refresh, {_ago(at, now)}, was {label}: {REASONS[Reason(reason)]}."


def _next(source: Json, now: datetime) -> str:
    """When the next one is due."""
    if source["nextRefresh"] is None:
        return "none is planned"
    seconds = (datetime.fromisoformat(source["nextRefresh"]) - now).total_seconds()
    return f"in {span(seconds)}" if seconds >= 1 else "now"


def _ago(at: str, now: datetime) -> str:
    seconds = (now - datetime.fromisoformat(at)).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 1 else "just now"


def span(seconds: float) -> str:
    """`4 minutes`, `1 hour 20 minutes`, `12 days`."""
    left, said = round(seconds), list[str]()
    for size, name in _SPANS:
        count, left = divmod(left, size)
        if count:
            said.append(f"{count} {name}{'' if count == 1 else 's'}")
        if said and (len(said) > 1 or count >= _SECOND_UNIT_BELOW or name in {"minute", "second"}):
            break
    return " ".join(said) or "less than a second"


# ── the log ───────────────────────────────────────────────────────────────────────────────────


def _cell(number: int, one: Refresh) -> Cell:
    at = time_text(one.at) or ""
    text = f"{_moment(one.at)}: {_OUTCOMES[one.outcome]}, {REASONS[one.reason]}"
    return Cell(one.outcome, SIGNS[one.outcome], at, text, _anchor(number))


def _runs(log: Log) -> Sequence[Run]:
    return [_run(list(group)) for _, group in groupby(log, key=_likeness)]


def _likeness(one: tuple[int, Refresh]) -> object:
    _, refresh = one
    return refresh.outcome, refresh.reason, refresh.detail, refresh.revision


def _run(group: Log) -> Run:
    newest, oldest = group[0][1], group[-1][1]
    return Run(
        anchors=[_anchor(number) for number, _ in group],
        outcome=newest.outcome,
        sign=SIGNS[newest.outcome],
        label=_OUTCOMES[newest.outcome],
        count=len(group),
        at=time_text(newest.at) or "",
        until=_moment(newest.at),
        since=_moment(oldest.at) if len(group) > 1 else "",
        reason=_capital(REASONS[newest.reason]),
        detail=newest.detail or "",
        last=newest,
    )


def _tally(log: Log) -> Sequence[tuple[str, str, str, int]]:
    """How often each outcome was: what the signs mean, at the same time."""
    counts = {outcome: sum(one.outcome is outcome for _, one in log) for outcome in Outcome}
    return [(o, SIGNS[o], _OUTCOMES[o], count) for o, count in counts.items() if count]


def _anchor(number: int) -> str:
    return f"refresh-{number}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


# ── the formats ───────────────────────────────────────────────────────────────────────────────


def _formats(status: Json) -> Sequence[Told]:
    total = status["models"].get("total", 0)
    return [
        Told(
            title=dialect.title,
            name=dialect.name,
            address=dialect.endpoints[0].paths[0].removeprefix("/"),
            readers=dialect.readers,
            told=total - status["omitted"].get(dialect.name, 0),
            omitted=status["omitted"].get(dialect.name, 0),
        )
        for dialect in DIALECTS
    ]
