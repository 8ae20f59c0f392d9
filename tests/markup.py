"""HTML as a browser would read it, as far as tests of pages ask: elements, their words, links."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, Self

_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)


@dataclass
class Element:
    """An element, its attributes, and what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words in it, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for one in self.inside:
            yield from (one,) if isinstance(one, str) else one._texts()

    @property
    def all(self) -> Iterator["Element"]:
        """Every element in it, in order; without recursion, as pages are walked a lot."""
        ahead = self.inside[::-1]
        while ahead:
            one = ahead.pop()
            if isinstance(one, Element):
                yield one
                ahead += one.inside[::-1]

    def find(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Elements with these attributes; a class counts among others. `class_` is `class`."""
        wanted = {name.rstrip("_").replace("_", "-"): text for name, text in attributes.items()}
        return [one for one in self.all if (not tag or one.tag == tag) and one.has(wanted)]

    def one(self, tag: str = "", **attributes: str) -> "Element":
        """The only one like that."""
        (found,) = self.find(tag, **attributes)
        return found

    def has(self, wanted: dict[str, str]) -> bool:
        mine = self.attributes
        return all(
            text in mine.get("class", "").split() if name == "class" else mine.get(name) == text
            for name, text in wanted.items()
        )

    @property
    def hrefs(self) -> list[str]:
        """Where its links lead."""
        return [one.attributes["href"] for one in self.find("a") if "href" in one.attributes]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(made)
        if tag not in _VOID:
            self._open.append(made)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open[-1].tag == tag, f"</{tag}> where <{self._open[-1].tag}> is open"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)

    def whole(self) -> Self:
        self.close()
        assert self._open == [self.root], f"never closed: {[one.tag for one in self._open[1:]]}"
        return self


def read(body: bytes) -> Element:
    """The document. Its elements must be closed in the order in which they were opened."""
    reader = _Reader()
    reader.feed(body.decode())
    return reader.whole().root


def assert_inert(page: Element) -> None:
    """Nothing in it runs, but what is loaded from our own files; no id is there twice."""
    ids = [one.attributes["id"] for one in page.all if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.all:
        names = {name for name in one.attributes if name.startswith("on") or name == "style"}
        assert not names, one
        for name in ("href", "src", "action"):
            address = one.attributes.get(name, "")
            assert (
                not address.partition("/")[0].lower().strip().startswith(("javascript:", "data:"))
            )
        if one.tag == "script":
            assert one.attributes["src"].startswith(("./static/", "../static/"))
            assert not one.inside
        assert one.tag not in {"style", "iframe", "object", "embed", "base"}
