"""HTML read back by the standard library's parser: elements with their attributes and texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset({"meta", "link", "input", "img", "br", "wbr", "hr"})


@dataclass
class Element:
    """One element, and what is in it."""

    name: str
    attributes: Mapping[str, str]
    parts: "list[Element | str]" = field(default_factory=list)

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")

    @property
    def classes(self) -> set[str]:
        return set(self["class"].split())

    @property
    def text(self) -> str:
        """All texts in it, with one space where there is any."""
        return " ".join(self.raw_text.split())

    @property
    def raw_text(self) -> str:
        return "".join(part if isinstance(part, str) else part.raw_text for part in self.parts)

    def all(self, name: str = "", css_class: str = "", **attributes: str) -> "list[Element]":
        """Every element in it of that name and class, and with those attributes."""
        return [
            one
            for one in self.walk()
            if (not name or one.name == name)
            and (not css_class or css_class in one.classes)
            and all(one[key.replace("_", "-")] == value for key, value in attributes.items())
        ]

    def one(self, name: str = "", css_class: str = "", **attributes: str) -> "Element":
        """The only one of those."""
        found = self.all(name, css_class, **attributes)
        assert len(found) == 1, (name, css_class, attributes, len(found))
        return found[0]

    def walk(self) -> "Iterator[Element]":
        """Every element in it, in order; without recursion, as pages are walked a lot."""
        ahead = self.parts[::-1]
        while ahead:
            part = ahead.pop()
            if isinstance(part, Element):
                yield part
                ahead += part.parts[::-1]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> ends <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parse(body: bytes) -> Element:
    """The document; every element of it is closed where it should be."""
    reader = _Reader()
    reader.feed(body.decode())
    reader.close()
    assert len(reader.open) == 1, [one.name for one in reader.open]
    return reader.open[0]


def assert_inert(page: Element) -> None:
    """Nothing on it runs or is loaded but our own files, and no link leads to a script."""
    for one in page.walk():
        for attribute, value in one.attributes.items():
            assert not attribute.startswith("on"), (one.name, attribute)
            assert attribute != "style", one.name
            if attribute in {"href", "src", "action"}:
                assert ":" not in value.partition("/")[0], value
    for script in page.all("script"):
        assert "/static/" in script["src"] or script["src"].startswith("static/"), script
        assert not script.raw_text
    assert {one.name for one in page.walk()}.isdisjoint({"iframe", "object", "embed", "style"})
    ids = [one["id"] for one in page.walk() if one["id"]]
    assert len(ids) == len(set(ids))
