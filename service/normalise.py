"""Stage 2, bytes → models: an OpenRouter-compatible list, entry by entry. Pure.

Nothing an entry holds can make this raise: a value that breaks a rule becomes None and is counted,
and an entry without a usable id is rejected alone. Only a body that is no list at all is refused.
"""

import codecs
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Final, TypeGuard, TypeVar

import orjson

from service.catalog import EFFORTS, MODALITIES, Cost, Listing, Model, Pricing, Reason, Reject
from service.errors import UnbelievableError

NORMALISER: Final = 2
"""Raised when the rules change, so that the next refresh asks for the whole list again."""

MAX_ID_LENGTH: Final = 256
MAX_TOKENS: Final = 2**53
"""Beyond it JSON readers that use doubles (every browser) round the number."""
MAX_USD: Final = Decimal(1_000_000)
"""Per million tokens (or per one): more is absurd."""
MAX_REJECTED_RATIO: Final = 0.2
MAX_ENTRIES: Final = 50_000
PIECE_BYTES: Final = 256 * 1024
MIN_BODY_LENGTH: Final = 100
"""No list with an entry is shorter."""

MAX_INDEX: Final = 2**31 - 1
MAX_INT_DIGITS: Final = 40
MAX_WORD_LENGTH: Final = 100
MAX_HINT_LENGTH: Final = 4096
"""Of one variant, as JSON: the longest that is known has 70 characters."""
MAX_HINT_LEVELS: Final = 6
"""Of objects and lists in one another, and of what is in them; known are 3."""
MAX_BRACKETS: Final = 8
"""Brackets looked at in the end of a name: each costs a copy of it."""
MAX_UNREAD_KEYS: Final = 100
"""Distinct unread keys that are reported; a gateway could send any number."""

_T = TypeVar("_T")
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_NEVER: Final = date(2098, 12, 31)
"""What the gateway sends as an expiry that is not planned."""

_EXACT: Final = Context(prec=MAX_WORD_LENGTH)
"""As many digits as the text of a price may have; the default context rounds to 28."""

_MARKETING: Final = re.compile(
    r"""\$+ | new | (up\ to\ )?\d{1,3}\s?%\ off | lowest\ price | retir(es|ed|ing)\b.*
      | (on\ )?sale | limited[\ -]time(\ offer)?""",
    re.VERBOSE | re.IGNORECASE,
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ISO_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d(T[0-9:.]+(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_BIDI_CONTROLS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


# ── the body ──────────────────────────────────────────────────────────────────────────────────


def normalise(body: bytes, source: str) -> Listing:
    """Read a gateway's list.

    Raises UnbelievableError when the body is not a JSON object with a non-empty `data` list, or
    when over 20 % of its entries are unusable.
    """
    tally = _Tally()
    models: dict[str, Model] = {}
    entries: dict[str, str] = {}
    rejects: list[Reject] = []
    duplicates = 0
    for index, (value, raw) in enumerate(_Reader(_text(body)).entries()):
        if index >= MAX_ENTRIES:
            raise UnbelievableError(Reason.TOO_MANY, f"more than {MAX_ENTRIES} entries")
        reason = _why_unusable(value)
        if reason is not None:
            rejects.append(Reject(index=index, reason=reason))
            continue
        if _id_of(value) in models:
            duplicates += 1
            continue
        entry = _Entry(value, tally)
        models[entry.id] = entry.to_model(source)
        entries[entry.id] = raw
    _refuse_unusable(len(models) + duplicates, len(rejects))
    return Listing(
        models=tuple(models.values()),
        entries=entries,
        rejects=tuple(rejects),
        bad_fields=tally.bad_fields,
        unread_keys=dict(tally.unread_keys.most_common(MAX_UNREAD_KEYS)),
        duplicates=duplicates,
    )


def reread(entries: Mapping[str, str], source: str) -> Mapping[str, Model]:
    """What today's rules make of entries that were kept, by id. What they refuse is left out."""
    tally = _Tally()
    models: dict[str, Model] = {}
    for model_id, raw in entries.items():
        value, _ = _scan(raw, 0)
        if _why_unusable(value) is None:
            models[model_id] = _Entry(value, tally).to_model(source)
    return models


def _refuse_unusable(usable: int, rejected: int) -> None:
    total = usable + rejected
    if not total:
        raise UnbelievableError(Reason.EMPTY, "the list has no entries")
    if rejected > total * MAX_REJECTED_RATIO:
        detail = f"{rejected} of {total} entries are unusable"
        raise UnbelievableError(Reason.MALFORMED_RATIO, detail)


def _text(body: bytes) -> str:
    """The body with one character a byte: no large string of wide characters is ever made.

    All of JSON's own signs are ASCII, so it can be walked so; what stands between them is decoded
    value by value.
    """
    _refuse_other_charsets(body)
    text = body.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    if len(text) < MIN_BODY_LENGTH and text.strip(" \t\n\r") in {"", "null"}:
        raise UnbelievableError(Reason.EMPTY_BODY, "the body is empty", is_transient=True)
    return text


def _refuse_other_charsets(body: bytes) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(body), PIECE_BYTES):  # in one piece it would delay readers
            decoder.decode(body[at : at + PIECE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnbelievableError(Reason.CHARSET, f"not UTF-8: {error.reason}") from None


# ── JSON, one entry at a time ─────────────────────────────────────────────────────────────────
# The standard library's scanner rather than orjson: it tells where a value ends, so that an entry
# can be kept exactly as received; it keeps integers beyond 64 bits apart from floats; and one entry
# at a time never holds the interpreter long enough to delay a reader.


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_INT_DIGITS else math.nan


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is beyond a double")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_scan = json.JSONDecoder(parse_int=_int, parse_float=_float, parse_constant=_no_constant).raw_decode
_skip_space = re.compile(r"[ \t\n\r]*").match


class _Reader:
    """Walks the top level of a JSON document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def entries(self) -> Iterator[tuple[object, str]]:
        """Each element of the `data` list with its exact text; the rest is checked to be JSON."""
        try:
            yield from self._document()
        except RecursionError:
            raise UnbelievableError(Reason.NOT_JSON, "nested too deeply") from None
        except ValueError as error:
            raise UnbelievableError(Reason.NOT_JSON, str(error)[:200]) from None

    def _document(self) -> Iterator[tuple[object, str]]:
        lists = 0
        if self._peek() != "{":
            self._value()
            self._end()
            raise UnbelievableError(Reason.SCHEMA, "the body is not an object")
        for key in self._keys():
            if key == "data" and self._peek() == "[":
                lists += 1
                yield from self._elements()
            else:
                self._value()
        self._end()
        if lists != 1:
            raise UnbelievableError(Reason.SCHEMA, f"the body has {lists or 'no'} `data` lists")

    def _keys(self) -> Iterator[object]:
        for _ in self._items("{", "}"):
            if self._peek() != '"':
                raise ValueError(f"expected a key at character {self._at}")
            key = self._value()
            self._take(":")
            yield key

    def _elements(self) -> Iterator[tuple[object, str]]:
        for _ in self._items("[", "]"):
            self._peek()
            start = self._at
            value = self._value()
            raw = self._text[start : self._at]
            if not raw.isascii():
                raw = raw.encode("latin-1").decode("utf-8")
                value, _ = _scan(raw, 0)
            yield value, raw

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self._peek() == closing:
            self._take(closing)
            return
        while True:
            yield
            if self._peek() != ",":
                break
            self._take(",")
        self._take(closing)

    def _peek(self) -> str:
        if space := _skip_space(self._text, self._at):
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise ValueError(f"expected {wanted!r} at character {self._at}")
        self._at += 1

    def _value(self) -> object:
        self._peek()
        value, self._at = _scan(self._text, self._at)
        return value

    def _end(self) -> None:
        if self._peek():
            raise ValueError(f"more text after the document, at character {self._at}")


# ── the wire ──────────────────────────────────────────────────────────────────────────────────


class _Tally:
    """What was odd in a body, by path."""

    def __init__(self) -> None:
        self.bad_fields: Counter[str] = Counter()
        self.unread_keys: Counter[str] = Counter()


class _BadValueError(ValueError):
    """A value that breaks its field's rule."""


class _Fields:
    """One JSON object of the gateway: reads each key by a rule, counts what is bad or unread."""

    def __init__(self, value: object, path: str, tally: _Tally) -> None:
        self._values: Mapping[str, object] = value if isinstance(value, dict) else {}
        self._path = path
        self._tally = tally
        self._read: set[str] = set()

    def get(self, key: str, rule: Callable[[object], _T | None]) -> _T | None:
        """The value by its rule; None where it is absent, null or bad."""
        self._read.add(key)
        value = self._values.get(key)
        if value is None:
            return None
        try:
            return rule(value)
        except _BadValueError:
            self._tally.bad_fields[self._path + key] += 1
            return None

    def words(self, key: str) -> tuple[str, ...] | None:
        """A list of short names, without duplicates; bad ones are dropped and counted."""
        values = self.get(key, _list)
        if values is None:
            return None
        good = [value for value in values if _is_word(value)]
        if len(good) < len(values):
            self._tally.bad_fields[self._path + key] += 1
        return tuple(dict.fromkeys(good))

    def objects(self, key: str) -> Mapping[str, Mapping[str, object]]:
        """Objects by short names; bad ones are dropped and counted."""
        values = self.get(key, _object) or {}
        good = {name: value for name, value in values.items() if _is_word(name) and _is_hint(value)}
        if len(good) < len(values):
            self._tally.bad_fields[self._path + key] += 1
        return good

    def fields(self, key: str) -> "_Fields":
        """The object under a key; an empty one where there is none."""
        return _Fields(self.get(key, _object), f"{self._path}{key}.", self._tally)

    def count_unread(self) -> None:
        """Count the keys that nobody asked for."""
        for key in self._values.keys() - self._read:
            self._tally.unread_keys[self._path + key if _is_word(key) else "(unprintable)"] += 1


class _Entry:
    """One usable entry of an OpenRouter-compatible list, with Kilo's own fields."""

    def __init__(self, value: object, tally: _Tally) -> None:
        self._entry = _Fields(value, "", tally)
        self._architecture = self._entry.fields("architecture")
        self._provider = self._entry.fields("top_provider")
        self._pricing = self._entry.fields("pricing")
        self._opencode = self._entry.fields("opencode")
        self._variants = self._opencode.objects("variants")
        self._reasoning = self._entry.fields("reasoning")
        self.id = self._entry.get("id", str) or ""

    def to_model(self, source: str) -> Model:
        """Our vocabulary, our units."""
        name, badges = self._name()
        cost, pricing = self._cost()
        parameters = self._entry.words("supported_parameters")
        model = Model(
            source=source,
            id=self.id,
            name=name,
            author=self._author(),
            description=self._entry.get("description", _text_value),
            badges=badges,
            input=self._modalities("input_modalities"),
            output=self._modalities("output_modalities"),
            reasoning=_any_of(parameters, "reasoning", "include_reasoning"),
            reasoning_efforts=self._efforts(),
            tools=_any_of(parameters, "tools"),
            structured_output=_any_of(parameters, "structured_outputs"),
            context_window=self._entry.get("context_length", _tokens),
            served_context_window=self._provider.get("context_length", _tokens),
            max_tokens=self._provider.get("max_completion_tokens", _tokens),
            cost=cost,
            pricing=pricing,
            free=self._free(cost),
            supported_parameters=None if parameters is None else tuple(sorted(parameters)),
            tokenizer=self._architecture.get("tokenizer", _text_value),
            moderated=self._provider.get("is_moderated", _flag),
            may_train_on_prompts=self._entry.get("mayTrainOnYourPrompts", _flag),
            hugging_face_id=self._entry.get("hugging_face_id", _text_value),
            family=self._opencode.get("family", _text_value),
            created=self._entry.get("created", _timestamp),
            knowledge_cutoff=self._entry.get("knowledge_cutoff", _day),
            expires_at=self._entry.get("expiration_date", _expiry),
            preferred_index=self._entry.get("preferredIndex", _index),
            hints=self._hints(),
        )
        for fields in (self._entry, self._architecture, self._provider, self._pricing):
            fields.count_unread()
        return model

    def _name(self) -> tuple[str, tuple[str, ...]]:
        name, badges = split_badges(self._entry.get("name", _line) or "")
        return name or self.id, badges

    def _author(self) -> str | None:
        author, slash, _ = self.id.partition("/")
        return author.removeprefix("~") or None if slash else None

    def _modalities(self, key: str) -> tuple[str, ...]:
        words = self._architecture.words(key) or ()
        return _in_order(map(str.lower, words), MODALITIES) or ("text",)

    def _efforts(self) -> tuple[str, ...] | None:
        """Kilo names them in `opencode.variants`, OpenRouter in `reasoning.supported_efforts`."""
        efforts = _variant_efforts(self._variants)
        return (
            _in_order(efforts or self._reasoning.words("supported_efforts") or (), EFFORTS) or None
        )

    def _hints(self) -> str | None:
        """What Kilo's clients read besides, in one form whatever the order of its keys.

        Well-formed is what the schema of its command line takes (7.7.7): one field that breaks it
        loses its users the whole list.
        """
        names = sorted(self._variants, key=self._place_of_variant)
        opencode = {
            "ai_sdk_provider": self._opencode.get("ai_sdk_provider", _word),
            "prompt": self._opencode.get("prompt", _word),
            "variants": {name: orjson.Fragment(_json(self._variants[name])) for name in names},
        }
        hints = {
            "autoRouting": self._entry.get("autoRouting", _routing),
            "opencode": {key: value for key, value in opencode.items() if value},
            "terminalBench": self._entry.get("terminalBench", _benchmark),
        }
        said = {key: value for key, value in hints.items() if value}
        return orjson.dumps(said).decode() if said else None

    def _place_of_variant(self, name: str) -> tuple[int, int, str]:
        """From the least thinking to the most, which is how pickers show them."""
        effort = _dig(self._variants[name], "reasoning", "effort")
        return _rank(effort), _rank(name), name

    def _cost(self) -> tuple[Cost, Pricing]:
        price = {key: self._pricing.get(name, rule) for key, (name, rule) in _PRICES.items()}
        cost = Cost(**{key: usd for key, usd in price.items() if usd != _DYNAMIC})
        if _DYNAMIC in price.values():
            return cost, Pricing.DYNAMIC
        is_fixed = cost.input is not None and cost.output is not None
        return cost, Pricing.FIXED if is_fixed else Pricing.UNKNOWN

    def _free(self, cost: Cost) -> bool | None:
        """Price 0 is not "free" by itself: the gateway's own word goes first."""
        said = self._entry.get("isFree", _flag)
        if said is not None or cost.input is None or cost.output is None:
            return said
        return cost.input == cost.output == 0


def _id_of(value: object) -> object:
    return value.get("id") if isinstance(value, dict) else None


def _why_unusable(value: object) -> str | None:
    if not isinstance(value, dict):
        return "not_an_object"
    model_id = _id_of(value)
    if not isinstance(model_id, str):
        return "no_id"
    if not 1 <= len(model_id) <= MAX_ID_LENGTH:
        return "id_length"
    if _has_unsafe(model_id) or not _BIDI_CONTROLS.isdisjoint(model_id):
        return "id_characters"
    return None


def split_badges(name: str) -> tuple[str, tuple[str, ...]]:
    """Take marketing out of the brackets a name ends in: `Opus (Fast) ($$$$)` → `Opus (Fast)`."""
    rest = name.strip()
    kept: list[str] = []
    badges: list[str] = []
    for _ in range(MAX_BRACKETS):
        if not rest.endswith(")") or (at := rest.rfind("(")) < 0:
            break
        suffix = rest[at + 1 : -1].strip()
        if _MARKETING.fullmatch(suffix):
            badges.append(suffix)
        else:
            kept.append(rest[at:])
        rest = rest[:at].rstrip()
    if not badges:
        return name.strip(), ()
    return " ".join([rest, *reversed(kept)]).strip(), tuple(reversed(badges))


def _any_of(parameters: Sequence[str] | None, *wanted: str) -> bool | None:
    return any(name in parameters for name in wanted) if parameters else None


def _variant_efforts(variants: Mapping[str, Mapping[str, object]]) -> list[str]:
    settings = [_dig(variant, "reasoning", "effort") for variant in variants.values()]
    return [effort for effort in settings if _is_word(effort)]


def _dig(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _rank(effort: object) -> int:
    return EFFORTS.index(effort) if effort in EFFORTS else len(EFFORTS)


def _in_order(words: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    """Without duplicates, the known ones in their order, then the others alphabetically."""
    found = set(words)
    return (*(word for word in order if word in found), *sorted(found.difference(order)))


# ── rules: a value that breaks one raises _BadValueError ──────────────────────────────────────


def _has_unsafe(text: str) -> bool:
    """Control characters and lone surrogates: nothing that a store or a terminal should see."""
    return not text.isprintable() and any(unicodedata.category(c) in {"Cc", "Cs"} for c in text)


def _is_word(value: object) -> TypeGuard[str]:
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_WORD_LENGTH
        and not value.isspace()
        and not _has_unsafe(value)
    )


def _is_hint(value: object) -> TypeGuard[Mapping[str, object]]:
    """An object that every reader of JSON can hold: short, flat, without a lone surrogate."""
    if not isinstance(value, dict) or not _is_shallow(value, MAX_HINT_LEVELS):
        return False
    try:
        text = _json(value)
    except ValueError:  # a number that is none
        return False
    return len(text) <= MAX_HINT_LENGTH and not _SURROGATE.search(text)


def _is_shallow(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(one, levels - 1) for one in inside)


def _json(value: object) -> str:
    """The same text for the same value."""
    return json.dumps(
        value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _BadValueError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _BadValueError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _BadValueError
    return value


def _word(value: object) -> str:
    if not _is_word(value):
        raise _BadValueError
    return value


def _routing(value: object) -> Mapping[str, object]:
    """Kilo's own routers: the models that they choose from, best first."""
    models = _object(value).get("models")
    if not isinstance(models, list) or any(_why_unusable({"id": name}) for name in models):
        raise _BadValueError
    return {"models": models} if models else {}


def _benchmark(value: object) -> Mapping[str, float]:
    """Results in Terminal-Bench: the share of tasks that were solved, and USD an attempt."""
    scores = _object(value)
    return {key: _number(scores.get(key)) for key in ("avgAttemptCostUsd", "overallScore")}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _BadValueError
    return float(value)


def _text_value(value: object) -> str | None:
    """Text that every store and every reader can hold; blank is unknown."""
    if not isinstance(value, str) or "\0" in value or _SURROGATE.search(value):
        raise _BadValueError
    return value if value.strip() else None


def _line(value: object) -> str | None:
    """Text of one line: CR, LF and other controls become spaces."""
    text = _text_value(value)
    return text and "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)


def _integer(value: object) -> int:
    """An integer, or one sent as a float (8192.0)."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _BadValueError
    return value


def _tokens(value: object) -> int:
    number = _integer(value)
    if not 0 < number <= MAX_TOKENS:
        raise _BadValueError
    return number


def _index(value: object) -> int:
    number = _integer(value)
    if not 0 <= number <= MAX_INDEX:
        raise _BadValueError
    return number


def _timestamp(value: object) -> datetime | None:
    """Unix seconds; 0 is how the gateway says "unknown"."""
    seconds = _integer(value)
    if seconds == 0:
        return None
    if not _EARLIEST <= seconds < _LATEST:
        raise _BadValueError
    return datetime.fromtimestamp(seconds, UTC)


def _day(value: object) -> date:
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise _BadValueError
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise _BadValueError from None


def _expiry(value: object) -> datetime | None:
    """A day, as the first instant of it."""
    day = _day(value)
    return None if day >= _NEVER else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _price(value: object) -> Decimal:
    """USD as a decimal string or as a JSON number, read as the decimal it was written as."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _BadValueError
    text = value if isinstance(value, str) else repr(value)
    if len(text) > MAX_WORD_LENGTH or not _DECIMAL.fullmatch(text):
        raise _BadValueError
    return Decimal(text)


_DYNAMIC: Final = -1.0
"""The gateway sends a negative price where it depends on the request."""


def _usd(price: Decimal) -> float:
    if price < 0:
        return _DYNAMIC
    nearest = float(price.copy_abs())  # abs() would round
    if price > MAX_USD or (price and not nearest):
        raise _BadValueError
    return nearest


def _usd_per_mtok(value: object) -> float:
    return _usd(_price(value).scaleb(6, _EXACT))


def _usd_per_one(value: object) -> float:
    return _usd(_price(value))


_PRICES: Final[Mapping[str, tuple[str, Callable[[object], float]]]] = {
    "input": ("prompt", _usd_per_mtok),
    "output": ("completion", _usd_per_mtok),
    "cache_read": ("input_cache_read", _usd_per_mtok),
    "cache_write": ("input_cache_write", _usd_per_mtok),
    "reasoning": ("internal_reasoning", _usd_per_mtok),
    "image": ("image", _usd_per_one),
    "request": ("request", _usd_per_one),
    "web_search": ("web_search", _usd_per_one),
}
