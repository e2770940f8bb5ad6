"""Whether HTML is well-formed, and needs nothing but itself."""

import re
from html.parser import HTMLParser

VOID = {"br", "img"}
INLINE = {"span", "summary", "th"}
"""Elements of ours that hold text and other inline elements only."""
BLOCKS = {"div", "table", "details", "pre", "style"}
KNOWN = VOID | INLINE | BLOCKS | {"thead", "tbody", "tr", "td"}
PARENTS = {"tr": {"thead", "tbody"}, "td": {"tr"}, "th": {"tr"}, "thead": {"table"}, "tbody": {"table"}}
PARENTS |= {"summary": {"details"}}
ATTRIBUTES = {"class", "open", "scope", "colspan", "alt", "src", "width", "height"}


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts.append(" ")
        names = [name for name, _ in attrs]
        if tag not in KNOWN:
            self.faults.append(f"unknown element {tag}")
        if set(names) - ATTRIBUTES or len(set(names)) < len(names):
            self.faults.append(f"attributes {names} of {tag}")
        parent = self.open[-1] if self.open else None
        if tag in PARENTS and parent not in PARENTS[tag]:
            self.faults.append(f"{tag} in {parent}")
        if tag in BLOCKS and any(each in INLINE for each in self.open):
            self.faults.append(f"{tag} inside of {self.open}")
        if tag == "img":
            given = dict(attrs)
            if not given.get("alt") or not re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", given["src"] or ""):
                self.faults.append(f"image {str(given)[:80]}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.texts.append(" ")
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes another element")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            if "url(" in data or "@import" in data:
                self.faults.append("the style needs other files")
            return
        if "<" in data or "&" in data:
            self.faults.append(f"text that is not escaped: {data[:60]!r}")
        self.texts.append(data)

    def handle_entityref(self, name: str) -> None:
        self.texts.append({"amp": "&", "lt": "<", "gt": ">", "quot": '"'}[name])

    def handle_charref(self, name: str) -> None:
        self.texts.append(chr(int(name[1:], 16) if name.startswith("x") else int(name)))

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl!r}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"instruction {data!r}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"declaration {data!r}")


def checked(html: str) -> _Checker:
    checker = _Checker()
    checker.feed(html)
    checker.close()
    if checker.open:
        checker.faults.append(f"never closed: {checker.open}")
    return checker


def faults_of(html: str) -> list[str]:
    """Return what is wrong with HTML."""
    return checked(html).faults


def text_of(html: str) -> str:
    """Return the text that a reader sees, once sections are open."""
    return "".join(checked(html).texts)
