"""What a model wrote, as a part of a document: its Markdown as HTML, or quoted in a document that is Markdown itself.

Both are for texts up to SIZE_LIMIT; nothing of a longer one, and nothing that could leave its place, is taken for
markup. To parse 1 kB takes 3 ms, the worst 100 kB that we know of three seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from tui.render.text.markdown_blocks import SIZE_LIMIT, blocks
from tui.render.text.markdown_names import INSIDE_BEFORE, INSIDE_BEHIND, NAME

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_TICKS = re.compile(r"`+")
_ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
_ACTIVE = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)")
"""What begins HTML, or an image that a reader would load."""
_MARK_IN_PATH = re.compile(r"(?<=/)\*+|\*+(?=/)|(?<=\w)\*(?=\w)")
_DEFINITION = re.compile(r"(\s*(?:>\s*|[-*+]\s+|\d{1,9}[.)]\s+)*)\[")
_BLOCK = re.compile(r"\s*(?:[-*+>|]|\d{1,9}[.)]|#{1,6})")
_INDENT = re.compile(r"[ \t]*")


def rendered(text: str) -> str | None:
    """The Markdown as HTML in which nothing runs and nothing loads; None for a text that is too long."""
    return _to_html().render(text) if len(text) <= SIZE_LIMIT else None


@cache
def _to_html() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable(["table", "strikethrough"])
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link)
    return parser


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An image is named and not shown: to load it would tell somebody that the document is read."""
    words = self.renderInlineAsText(tokens[index].children, options, env)
    return f'<span class="label">[image: {escape(words)} {escape(str(tokens[index].attrs["src"]))}]</span>'


def _link(self: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f'<a href="{escape(str(tokens[index].attrs["href"]))}" rel="noreferrer noopener">'


def _emphasis(state: StateInline, silent: bool) -> bool:
    """As markdown-it's own rule, but a mark inside of a name or a path is part of it, as on the screen."""
    from markdown_it.rules_inline.state_inline import Delimiter

    text, start = state.src, state.pos
    mark = text[start]
    if silent or mark not in "*_":
        return False
    if match := NAME.match(text, start):
        state.pending += match[0]
        state.pos = match.end()
        return True
    scanned = state.scanDelims(start, mark == "*")
    stop = start + scanned.length
    opens = scanned.can_open and not (mark == "*" and INSIDE_BEFORE.search(text[max(0, start - 1) : start]))
    closes = scanned.can_close and not INSIDE_BEHIND.match(text, stop)
    if mark == "*" and scanned.length == 1 and text[stop : stop + 1].isascii() and text[stop : stop + 1].isalnum():
        closes = False
    for _ in range(scanned.length):
        token = state.push("text", "", 0)
        token.content = mark
        place = len(state.tokens) - 1
        state.delimiters.append(Delimiter(ord(mark), scanned.length, place, -1, opens, closes))
    state.pos = stop
    return True


# -- quoted -----------------------------------------------------------------------------------------------------


def quoted(text: str) -> str | None:
    """The Markdown as a block quote that it cannot leave, without HTML, images and definitions of its own; None for a
    text that is too long, or of which that is not certain."""
    if len(text) > SIZE_LIMIT:
        return None
    inside = "\n".join(f"> {line}" if line else ">" for line in _harmless(text.split("\n")))
    return inside if _stays(inside) else None


def _harmless(lines: list[str]) -> list[str]:
    """The lines with all that is more than words and layout escaped; code is as it was."""
    pieces, _ = blocks(lines, len("\n".join(lines)))
    done: list[str] = []
    fenced = False
    for piece in pieces:
        if piece.kind in ("title", "underline", "verbatim"):
            continue
        done += _prose(lines[len(done) : piece.first])
        code = lines[len(done) : piece.stop]
        # Behind the mark of the quote a tab is narrower, and the code would be none.
        done += code if fenced or piece.kind != "code" else [_INDENT.sub(_spaces, line, count=1) for line in code]
        fenced = piece.kind == "open"
    return done + _prose(lines[len(done) :])


def _spaces(match: re.Match[str]) -> str:
    return match[0].expandtabs(4)


def _prose(lines: list[str]) -> list[str]:
    lines = [_DEFINITION.sub(r"\1\\[", line) if "]:" in line and _DEFINITION.match(line) else line for line in lines]
    found: list[str] = []
    paragraph: list[str] = []
    for line in lines:
        # Code may go over the end of a line, and never into another block.
        if paragraph and (not line.strip() or _BLOCK.match(line)):
            found += _escaped("\n".join(paragraph)).split("\n")
            paragraph = []
        paragraph.append(_INDENT.sub(_spaces, line, count=1))
    return found + _escaped("\n".join(paragraph)).split("\n") if paragraph else found


def _escaped(text: str) -> str:
    """A paragraph with what would be HTML or an image as the characters that it is written with, outside of code."""
    done: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "`":
            end = _end_of_code(text, at)
        elif match := _ESCAPED.match(text, at):
            end = match.end()
        elif _ACTIVE.match(text, at):
            done.append("\\")
            end = at + 1
        elif match := NAME.match(text, at) or _MARK_IN_PATH.match(text, at):
            done.append(match[0].replace("_", "\\_").replace("*", "\\*"))
            at = match.end()
            continue
        else:
            end = at + 1
        done.append(text[at:end])
        at = end
    return "".join(done)


def _end_of_code(text: str, at: int) -> int:
    """Behind the code that begins with ticks at a place; behind the ticks when no run of as many closes it."""
    run = _TICKS.match(text, at)
    assert run is not None
    return next((other.end() for other in _TICKS.finditer(text, run.end()) if len(other[0]) == len(run[0])), run.end())


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _stays(quote: str) -> bool:
    """Whether whoever reads it finds one quote and nothing active in it. Most texts have nothing that could be."""
    if not re.search(r"<|!\[|\]:", quote):
        return True
    env: dict[str, Any] = {}
    tokens = _reader().parse(quote, env)
    inner = {child.type for token in tokens for child in token.children or ()}
    return (
        [token.type for token in tokens if token.level == 0] == ["blockquote_open", "blockquote_close"]
        and not any(token.type == "html_block" for token in tokens)
        and not inner & {"html_inline", "image"}
        and not env.get("references")
    )
