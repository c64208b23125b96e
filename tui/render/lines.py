"""A line of styled text before it meets a terminal, and the one place that fits text to an exact number of cells.

A span names a *role* ("good", "dim", ...), never a colour: the widget that draws looks the roles up in its theme.
All text here has passed `tui.text.sanitize`, so it holds neither joiners nor variation selectors and its width is the
sum of its characters' widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len, split_text
from rich.segment import Segment
from rich.style import Style

Span = tuple[str, str]
"""Text and the name of its role."""

Line = Sequence[Span]

ROLES = (
    *("text", "strong", "dim", "active", "good", "warn", "bad", "accent", "key", "tab"),
    *("added", "removed", "added-word", "removed-word"),
    *("em", "code", "heading", "match", "match-here"),
)
"""Every role a span may have; the app has a component class `line--ROLE` for each."""


_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Regional indicators: two of them are a flag."""


def text_width(text: str) -> int:
    """The cells that a text takes. Nearly all is ASCII, of which no table has to be asked."""
    return len(text) if text.isascii() else cell_len(text)


def fit(text: str, width: int) -> str:
    """`text` in at most `width` cells, a cut marked with …; a wide character is never halved."""
    if width <= 0:
        return ""
    # No character is narrower than 0 cells, and four of them a cell is more than any script needs: measuring
    # the whole of a line of 20 000 characters for 80 cells of it would cost most of a frame.
    head = text[: width * 4 + 1]
    if len(head) == len(text) and text_width(text) <= width:
        return text
    if cell_len(head) < width:
        return head + "…"
    cut = split_text(head, width - 1)[0].rstrip()
    # Half a flag is one cell wide in one terminal and two in the next.
    halves = len(cut) - len(cut.rstrip(_FLAG_LETTERS))
    return cut[: len(cut) - halves % 2] + "…"


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` cut or filled up with spaces to exactly `width` cells, flush right when asked."""
    text = fit(text, width)
    space = " " * (width - text_width(text))
    return space + text if right else text + space


def segments(line: Line, width: int, styles: Mapping[str, Style], start: int = 0) -> list[Segment]:
    """The cells from `start` on as segments of exactly `width` cells; where the line goes on beyond, a … stands."""
    drawn: list[Segment] = []
    skip, room = start, width
    if width <= 0:
        return drawn
    for text, role in line:
        if skip:
            cells = cell_len(text)
            if cells <= skip:
                skip -= cells
                continue
            text = split_text(text, skip)[1]
            skip = 0
        if not text:
            continue
        # Nearly every span is like this, and a screen of rows has 400 of them.
        if text.isascii() and len(text) <= room > 0:
            drawn.append(Segment(text, styles[role]))
            room -= len(text)
            continue
        if room == 0:
            drawn[-1] = Segment(pad(drawn[-1].text + text, cell_len(drawn[-1].text)), drawn[-1].style)
            break
        shown = fit(text, room)
        drawn.append(Segment(shown, styles[role]))
        room -= text_width(shown)
        if shown != text:
            break
    if room:
        drawn.append(Segment(" " * room, styles["text"]))
    return drawn


def width_of(line: Line) -> int:
    """The cells a line takes."""
    return sum([len(text) if text.isascii() else cell_len(text) for text, _ in line])


def cut(line: Line, room: int) -> Line:
    """The line in at most `room` cells, a cut marked with …."""
    if width_of(line) <= room:
        return line
    spans: list[Span] = []
    for text, role in line:
        if width_of([(text, role)]) >= room:
            # Also where it just fits: there is more behind it.
            return [*spans, (fit(f"{text}…", room), role)]
        spans.append((text, role))
        room -= width_of(spans[-1:])
    return spans


def spread(left: Line, right: Line, width: int) -> Line:
    """Two lines in one of `width` cells: `right` at its end and never cut for `left`."""
    right = cut(right, width)
    left = cut(left, max(0, width - width_of(right) - (2 if right else 0)))
    return [*left, (" " * (width - width_of(left) - width_of(right)), "dim"), *right]


def plain(line: Line) -> str:
    """The text of a line without its roles."""
    return "".join(text for text, _ in line)


def wrap(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells, broken at a space where one is near, leading space kept."""
    pieces: list[str] = []
    while cell_len(text) > width > 1:
        head = split_text(text[: width * 4 + 1], width)[0]
        if not text.startswith(head):
            head = head[:-1]  # a wide character lies across the border: split_text puts a space in its place
        space = len(head) if text[len(head)] == " " else head.rfind(" ", len(head) // 2)
        if space > 0 and head[:space].strip():
            pieces.append(head[:space].rstrip(" "))
            text = text[space + 1 :]
        else:
            pieces.append(text[: max(1, len(head))])
            text = text[max(1, len(head)) :]
    return [*pieces, text]


def cut_out(line: Line, start: int, stop: int) -> list[Span]:
    """The characters from `start` to `stop` of a line, with their roles."""
    spans: list[Span] = []
    at = 0
    for text, role in line:
        part = text[max(0, start - at) : max(0, stop - at)]
        if part:
            spans.append((part, role))
        at += len(text)
        if at >= stop:
            break
    return spans


def marked(line: Line, ranges: Sequence[tuple[int, int]], role: str) -> list[Span]:
    """The line with the given ranges of characters, ascending, in another role."""
    spans: list[Span] = []
    at = 0
    for start, stop in ranges:
        spans += cut_out(line, at, start)
        spans += [(text, role) for text, _ in cut_out(line, start, stop)]
        at = stop
    return [*spans, *cut_out(line, at, sum(len(text) for text, _ in line))]


def folded(line: Line, width: int, indent: int) -> list[Line]:
    """A line in pieces of at most `width` cells, the later ones indented; spans stay whole where they can."""
    if width_of(line) <= width or width <= indent + 10:
        return [line]
    pieces: list[Line] = []
    current: list[Span] = []
    used = 0
    for text, role in line:
        if used + cell_len(text) > width and used > indent:
            pieces.append(current)
            current, used = [(" " * indent, "text")], indent
            text = text.lstrip(" ")
        while cell_len(text) > width - used:
            first, *rest = wrap(text, width - used)
            pieces.append([*current, (first, role)])
            current, used = [(" " * indent, "text")], indent
            text = text[len(first) :].lstrip(" ") if rest else ""
        current.append((text, role))
        used += cell_len(text)
    return [*pieces, current]
