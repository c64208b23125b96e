"""The lines of a timeline as they stand on the screen."""

from __future__ import annotations

from tui.model.records import Op, Prompt, Session, Turn
from tui.model.store.store import Store
from tui.model.timeline.lines import Line as TimeLine
from tui.model.timeline.lines import Timeline
from tui.render.lines import Line, Span, pad, plain, width_of
from tui.render.timeline.bars import Scale, Window, axis_line, bar, columns, head, legend, name, slowest_words, words
from tui.text.moments import clock, date_and_time


def scale_of(made: Timeline, window: Window, width: int) -> Scale:
    """How the time in a window lies in the bars of lines of so many cells."""
    return Scale(made.axis, window, columns(width).bar)


def axis_row(scale: Scale, width: int, *, letters: bool, now: bool, note: str = "") -> Line:
    """The axis, in so many cells; a note stands in front of it."""
    cells = columns(width)
    return [
        (pad(note, cells.name), "warn" if note else "dim"),
        (" ", "text"),
        *axis_line(scale, letters=letters, now=now),
    ]


def row(line: TimeLine, scale: Scale, width: int, *, letters: bool) -> Line:
    """One line: its name, its bar, and as much as there is room for of what is to be said of it."""
    cells = columns(width)
    return [
        *head(line, cells.name, pad, letters=letters),
        (" ", "text"),
        *bar(line, scale, letters=letters),
        (" ", "text"),
        *words(line, letters=letters),
    ]


def about(line: TimeLine, *, letters: bool) -> Line:
    """What the line of the cursor is, whole, with when it began and ended."""
    node = line.node
    began, ended = date_and_time(line.start), clock(line.stop)
    when = f"{began} – {'now' if line.goes_on else ended}" if line.stop > line.start or line.goes_on else began
    role = {Prompt: "key", Session: "strong", Turn: "strong", Op: "strong"}[type(node)]
    said = words(line, letters=letters)
    spans: list[Span] = [(" ", "text"), (name(line), role), (f"  {when}  ", "dim"), *said]
    return spans


def foot(store: Store, made: Timeline, width: int, *, letters: bool) -> Line:
    """What the fills mean, and which call was the slowest of all where there is room for it."""
    spans: list[Span] = [(" ", "text"), *legend(made, letters=letters)]
    owner = store.session_of(made.slowest.key) if made.slowest is not None else None
    if owner is not None and made.slowest is not None:
        slowest = f"slowest: {slowest_words(owner, made.slowest)}"
        if width_of(spans) + len(plain([(slowest, "dim")])) < width:
            spans.append((slowest, "text"))
    return spans
