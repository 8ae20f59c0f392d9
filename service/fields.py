"""The fields of a model as it is served, each declared once: path, meaning, form, topic. Pure.

Changes, sorting, columns, filters and the schema of the OpenAPI document are made from this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from service.catalog import Origin, Pricing, Row, Status


class Topic(StrEnum):
    """What a field is about."""

    PRICE = "price"
    LIMITS = "limits"
    CAPABILITIES = "capabilities"
    IDENTITY = "identity"
    LIFECYCLE = "lifecycle"


class Form(StrEnum):
    """What a field's value is, where it is known."""

    TEXT = "text"
    TEXTS = "texts"
    FLAG = "flag"
    TOKENS = "tokens"
    USD = "usd"
    COUNT = "count"
    TIME = "time"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `path` is its place in a model's JSON: `cost.input`."""

    path: str
    meaning: str
    form: Form
    get: Callable[[Row], Any]
    topic: Topic | None = None
    """What a difference of it is news about; None where it is nobody's news."""
    is_known: bool = False
    """Whether it is never null."""
    words: tuple[str, ...] = ()
    """All the values there are, where they can be told."""

    @property
    def is_list(self) -> bool:
        """Whether its value is a list of words."""
        return self.form is Form.TEXTS


def _fields() -> Mapping[str, Field]:
    text, texts, flag, tokens = Form.TEXT, Form.TEXTS, Form.FLAG, Form.TOKENS
    usd, count, time, day = Form.USD, Form.COUNT, Form.TIME, Form.DAY
    identity, capabilities, limits = Topic.IDENTITY, Topic.CAPABILITIES, Topic.LIMITS
    price, lifecycle = Topic.PRICE, Topic.LIFECYCLE
    per_mtok, per_one = "USD per million tokens", "USD per one"
    table: list[tuple[str, Form, str, Topic | None, str]] = [
        ("ref", text, "model.ref", None, "the model's name across all sources: source/id"),
        ("source", text, "model.source", None, "the gateway that lists it"),
        ("id", text, "model.id", None, "its id at that gateway"),
        ("name", text, "model.name", identity, "its name for people, without marketing"),
        ("author", text, "model.author", identity, "who made it: its id up to the first slash"),
        ("description", text, "model.description", identity, "what its makers say of it"),
        ("badges", texts, "model.badges", None, "marketing that stood behind the name"),
        ("input", texts, "model.input", capabilities, "kinds of input that it takes"),
        ("output", texts, "model.output", capabilities, "kinds of output that it makes"),
        ("reasoning", flag, "model.reasoning", capabilities, "whether it can reason"),
        (
            "reasoningEfforts",
            texts,
            "model.reasoning_efforts",
            capabilities,
            "how hard it can be asked to reason",
        ),
        ("tools", flag, "model.tools", capabilities, "whether it can call tools"),
        (
            "structuredOutput",
            flag,
            "model.structured_output",
            capabilities,
            "whether it can keep to a JSON Schema",
        ),
        (
            "contextWindow",
            tokens,
            "model.context_window",
            limits,
            "tokens that the model itself can hold",
        ),
        (
            "servedContextWindow",
            tokens,
            "model.served_context_window",
            limits,
            "tokens that the gateway's first provider accepts",
        ),
        ("maxTokens", tokens, "model.max_tokens", limits, "tokens of the longest answer"),
        ("cost.input", usd, "model.cost.input", price, f"price of input, {per_mtok}"),
        ("cost.output", usd, "model.cost.output", price, f"price of output, {per_mtok}"),
        (
            "cost.cacheRead",
            usd,
            "model.cost.cache_read",
            price,
            f"price of input read from a cache, {per_mtok}",
        ),
        (
            "cost.cacheWrite",
            usd,
            "model.cost.cache_write",
            price,
            f"price of input written to a cache, {per_mtok}",
        ),
        ("cost.reasoning", usd, "model.cost.reasoning", price, f"price of reasoning, {per_mtok}"),
        ("cost.image", usd, "model.cost.image", price, f"price of images, {per_one}"),
        ("cost.request", usd, "model.cost.request", price, f"price of requests, {per_one}"),
        ("cost.webSearch", usd, "model.cost.web_search", price, f"price of searches, {per_one}"),
        (
            "pricing",
            text,
            "model.pricing",
            price,
            "fixed: both prices are known; dynamic: they depend on the request; unknown",
        ),
        ("free", flag, "model.free", price, "whether it costs nothing"),
        (
            "supportedParameters",
            texts,
            "model.supported_parameters",
            capabilities,
            "parameters that a request may have",
        ),
        ("tokenizer", text, "model.tokenizer", identity, "the family of its tokenizer"),
        ("moderated", flag, "model.moderated", capabilities, "whether requests are moderated"),
        (
            "mayTrainOnPrompts",
            flag,
            "model.may_train_on_prompts",
            capabilities,
            "whether prompts may be trained on",
        ),
        ("huggingFaceId", text, "model.hugging_face_id", identity, "its name at Hugging Face"),
        ("family", text, "model.family", identity, "the family it belongs to"),
        ("created", time, "model.created", identity, "when it came out"),
        ("knowledgeCutoff", day, "model.knowledge_cutoff", identity, "until when it knows"),
        ("expiresAt", time, "model.expires_at", lifecycle, "when it is to be retired"),
        (
            "status",
            text,
            "life.status",
            lifecycle,
            "active; missing: absent from the last good list, and still served; removed",
        ),
        ("missingSince", time, "life.missing_since", None, "since when it is absent"),
        ("removedAt", time, "life.removed_at", None, "when it was taken for removed"),
        ("origin", text, "origin", identity, "who says that it exists"),
        ("default", flag, "is_default", None, "whether it is for users who name none"),
        ("preferredIndex", count, "model.preferred_index", None, "its place among those preferred"),
        ("firstSeen", time, "life.first_seen", None, "when it was first seen"),
        ("updatedAt", time, "life.updated_at", None, "when it last changed"),
        ("revision", count, "life.revision", None, "the revision that made it what it is"),
    ]
    return {
        path: Field(
            path=path,
            meaning=meaning,
            form=form,
            get=attrgetter(attribute),
            topic=topic,
            is_known=path in _ALWAYS_KNOWN,
            words=_WORDS.get(path, ()),
        )
        for path, form, attribute, topic, meaning in table
    }


_ALWAYS_KNOWN: Final = frozenset(
    {"ref", "source", "id", "name", "badges", "input", "output", "pricing", "status", "origin"}
    | {"default", "firstSeen", "updatedAt", "revision"}
)
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "pricing": tuple(Pricing),
    "status": tuple(Status),
    "origin": tuple(Origin),
}

FIELDS: Final = _fields()
"""Every field by its path, in the order of a model's JSON."""


def paths_under(name: str) -> tuple[str, ...]:
    """The paths that a path or the beginning of one names: `cost` is all of `cost.*`."""
    return tuple(path for path in FIELDS if name in {path, path.partition(".")[0]})
