"""The page of the API: an OpenAPI document as people read it. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.pages import site

Json = Mapping[str, Any]

MANY: Final = 8
"""From so many parameters on, they are shown when they are asked for."""
_METHODS: Final = ("get", "post")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of the table of parameters."""

    name: str
    place: str
    meaning: str
    accepts: str
    example: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Response:
    """A status, what it means, and the headers that come with it."""

    status: str
    meaning: str
    content_types: Sequence[str]
    schema: str
    headers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One path and method."""

    name: str
    method: str
    path: str
    summary: str
    note: str
    aliases: Sequence[str]
    parameters: Sequence[Parameter]
    responses: Sequence[Response]
    sample: str
    example: str
    is_protected: bool

    @property
    def has_many(self) -> bool:
        """Whether its parameters would push everything else out of sight."""
        return len(self.parameters) >= MANY


@dataclass(frozen=True, slots=True)
class Section:
    """The operations of one tag."""

    name: str
    anchor: str
    meaning: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Group:
    """Sections that belong together."""

    name: str
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the table of a schema."""

    path: str
    form: str
    meaning: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Schema:
    """The members of an object."""

    name: str
    meaning: str
    members: Sequence[Member]


def page(document: Json, version: str) -> bytes:
    """The page, complete."""
    reader = _Reader(document)
    return site.render(
        "reference.html",
        root="./",
        version=version,
        about=document["info"]["description"],
        groups=reader.groups(),
        schemas=reader.schemas(),
    )


class _Reader:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._operations = [
            (path, method, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in _METHODS
        ]

    # ── operations ────────────────────────────────────────────────────────────────────────────

    def groups(self) -> list[Group]:
        """All that is to be told, in order."""
        meanings = {tag["name"]: tag["description"] for tag in self._document["tags"]}
        return [
            Group(
                group["name"],
                [self._section(name, meanings[name]) for name in group["tags"]],
            )
            for group in self._document["x-tagGroups"]
        ]

    def _section(self, name: str, meaning: str) -> Section:
        anchor = "-".join(name.lower().replace(",", "").replace(".", "-").split())
        operations = [
            self._operation(path, method, operation)
            for path, method, operation in self._operations
            if operation["tags"] == [name] and "x-alias-of" not in operation
        ]
        return Section(name, anchor, meaning, operations)

    def _operation(self, path: str, method: str, said: Json) -> Operation:
        name = said["operationId"]
        good = self._resolved(said["responses"]["200"])
        return Operation(
            name=name,
            method=method.upper(),
            path=path,
            summary=said["summary"],
            note=said.get("description", ""),
            aliases=[p for p, _, other in self._operations if other.get("x-alias-of") == name],
            parameters=[*self._parameters(said), *self._posted(said)],
            responses=[
                self._response(status, self._resolved(response))
                for status, response in said["responses"].items()
            ],
            sample=said["x-codeSamples"][0]["source"],
            example=_example(good),
            is_protected=bool(said.get("security")),
        )

    def _parameters(self, said: Json) -> Iterator[Parameter]:
        for parameter in map(self._resolved, said.get("parameters", ())):
            yield Parameter(
                name=parameter["name"],
                place=parameter["in"],
                meaning=parameter["x-meaning"],
                accepts=parameter["x-accepts"],
                example=_text(parameter.get("example", "")),
                is_required=parameter.get("required", False),
            )

    def _posted(self, said: Json) -> Iterator[Parameter]:
        content = said.get("requestBody", {}).get("content", {})
        for media in content.values():
            for name, member in media["schema"]["properties"].items():
                yield Parameter(name, "body", member["description"], "text", "", is_required=False)

    def _response(self, status: str, said: Json) -> Response:
        content = said.get("content", {})
        schemas = (media["schema"].get("$ref", "") for media in content.values())
        return Response(
            status=status,
            meaning=said["description"],
            content_types=list(content),
            schema=_last(next(schemas, "")),
            headers=[
                (name, self._resolved(header)["description"])
                for name, header in said.get("headers", {}).items()
            ],
        )

    def _resolved(self, said: Json) -> Json:
        """What stands where a reference points to."""
        if "$ref" not in said:
            return said
        found: Any = self._document
        for step in said["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return self._resolved(found)

    # ── schemas ───────────────────────────────────────────────────────────────────────────────

    def schemas(self) -> list[Schema]:
        """Every shape that answers have."""
        return [
            Schema(name, said["description"], list(_members(said)))
            for name, said in self._document["components"]["schemas"].items()
        ]


def _members(said: Json, before: str = "") -> Iterator[Member]:
    """The members of an object, and those of objects inside that have no name of their own."""
    for name, member in said.get("properties", {}).items():
        path = f"{before}{name}"
        words = [str(word) for word in member.get("enum", ()) if word is not None]
        yield Member(path, _form(member), member.get("description", ""), words)
        yield from _below(member, path)


def _below(member: Json, path: str) -> Iterator[Member]:
    yield from _members(member, f"{path}.")
    if isinstance(items := member.get("items"), Mapping):
        yield from _below(items, f"{path}[]")


def _form(said: Json) -> str:
    """A type in words: `text or null`."""
    if "$ref" in said:
        return _last(said["$ref"])
    if "anyOf" in said:
        return " or ".join(_form(one) for one in said["anyOf"])
    if "const" in said:
        return f"“{said['const']}”"
    types = said.get("type", "anything")
    return " or ".join(_word(one, said) for one in ([types] if isinstance(types, str) else types))


def _word(kind: str, said: Json) -> str:
    match kind, said:
        case "array", {"items": items}:
            return f"list of {_form(items)}"
        case "string", {"format": "date-time"}:
            return "time"
        case "string", {"format": "date"}:
            return "date"
        case "object", {"additionalProperties": values}:
            return f"object of {_form(values)}"
        case _:
            return {"string": "text", "boolean": "flag"}.get(kind, kind)


def _example(response: Json) -> str:
    for media in response.get("content", {}).values():
        if "example" in media:
            example = media["example"]
            return example if isinstance(example, str) else _pretty(example)
    return ""


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _text(example: object) -> str:
    return ",".join(map(str, example)) if isinstance(example, list) else str(example)


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
