"""A timeline in cells: the axis, the bar of a line, and the words beside it. Knows no terminal library, because the
commands without a screen draw the same.

Each fill has a shape of its own and a letter, so that none is told by its colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from tui.model.records import Op, Prompt, Session, Turn
from tui.model.status.outcome import exit_code
from tui.model.status.table import BY_NAME
from tui.model.timeline.axis import SECOND, Axis
from tui.model.timeline.bars import RANKS, Bar, Kind, Run
from tui.model.timeline.lines import Line as TimeLine
from tui.model.timeline.lines import Timeline
from tui.model.tree.names import prompt_name, prompt_words, step_name
from tui.render import numbers
from tui.text import sanitize
from tui.text.moments import duration, elapsed

Span = tuple[str, str]
"""As in `tui.render.lines`."""
Pad = Callable[[str, int], str]
"""Cuts a text, or fills it up, to so many cells."""


class Fill(NamedTuple):
    """How a kind of time is drawn: a glyph one cell wide, a letter, a role, and what it is."""

    glyph: str
    letter: str
    role: str
    word: str


FILLS: dict[Kind, Fill] = {
    "model": Fill("▓", "m", "accent", "model"),
    "tool": Fill("█", "t", "active", "tool"),
    "agent": Fill("░", "w", "dim", "waits for its agent"),
    "person": Fill("░", "?", "warn", "waits for you"),
    "retry": Fill("▒", "r", "warn", "retry"),
}
FAILED = Fill("█", "X", "bad", "failed")
AROUND = Fill("─", "-", "dim", "")
"""Between two steps of an agent."""
GAP = Fill("┊", ":", "dim", "")
"""Where the axis leaves out a time in which nobody worked."""
BEFORE, BEHIND = Fill("‹", "<", "dim", ""), Fill("›", ">", "dim", "")
"""All of a line is out of sight, on this side."""
PROMPT = Fill("❯", ">", "key", "")

STEPS = (
    *(SECOND // part for part in (1000, 500, 200, 100, 50, 20, 10, 5, 2)),
    *(SECOND * seconds for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)),
    *(SECOND * 3600 * hours for hours in (1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 2400)),
)
"""Distances (µs) that the ticks of an axis may have."""
TICK_CELLS = 9
"""Cells that two ticks are apart at least."""


class Window(NamedTuple):
    """The part of an axis that is in sight, from and to, as places on it."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Never 0."""
        return max(1, self.stop - self.start)

    def cell(self, place: int, cells: int) -> int:
        """The cell of so many in which a place is; outside of them where it is out of sight."""
        return (place - self.start) * cells // self.length


def whole(axis: Axis) -> Window:
    """All of an axis."""
    return Window(0, axis.length)


# -- the axis ---------------------------------------------------------------------------------------------------


def axis_line(scale: Scale, *, letters: bool, now: bool) -> list[Span]:
    """The ticks of an axis: time since the beginning, and since the last gap, whose length stands where it is left
    out. With `now` its right end is the present."""
    axis, window, cells = scale.axis, scale.window, scale.cells
    end = "now" if now else _end(axis, window)
    drawn = [" "] * cells
    roles = ["dim"] * cells
    for start, _ in axis.gaps:
        _put(drawn, roles, window.cell(axis.place(start), cells), GAP.letter if letters else GAP.glyph, "warn")
    for start, stop in axis.gaps:
        at, words = window.cell(axis.place(start), cells), duration(stop - start)
        for place, said in ((at + 1, f"{words} later"), (at + 1, words), (at - len(words), words)):
            if _put(drawn, roles, place, said, "warn"):
                break
    _put(drawn, roles, cells - len(end), end, "active" if now else "dim")
    for place, words in ticks(axis, window, cells // TICK_CELLS):
        _put(drawn, roles, window.cell(place, cells), words, "dim")
    return _joined(drawn, roles)


def ticks(axis: Axis, window: Window, most: int) -> Iterator[tuple[int, str]]:
    """Places for no more than about so many ticks, and what they are called: the time since the beginning, or since the
    last gap."""
    step = next((step for step in STEPS if step * max(1, most) >= window.length), window.length // max(1, most) + 1)
    first, last = axis.moment(window.start), axis.moment(window.stop)
    for begun, ended in axis.stretches():
        if ended < first or begun > last:
            continue
        tick = (max(0, first - begun) + step - 1) // step
        while begun + tick * step <= min(ended, last):
            yield axis.place(begun + tick * step), elapsed(tick * step)
            tick += 1


def _end(axis: Axis, window: Window) -> str:
    moment = axis.moment(window.stop)
    begun = max((start for start, _ in axis.stretches() if start <= moment), default=axis.first)
    return duration(moment - begun)


def _put(drawn: list[str], roles: list[str], at: int, words: str, role: str) -> bool:
    """Writes words where there is room for them and a blank on either side; whether there was."""
    if at < 0 or at + len(words) > len(drawn):
        return False
    beside = (drawn[at - 1 : at] or [" "]) + (drawn[at + len(words) : at + len(words) + 1] or [" "])
    if any(each != " " for each in drawn[at : at + len(words)]) or any(each not in " ┊:" for each in beside):
        return False
    drawn[at : at + len(words)] = words
    roles[at : at + len(words)] = [role] * len(words)
    return True


# -- a bar ------------------------------------------------------------------------------------------------------


class Scale:
    """An axis in a window of so many cells: which moment is in which cell. Made once for all bars of a frame."""

    def __init__(self, axis: Axis, window: Window, cells: int) -> None:
        self.axis = axis
        self.window = window
        self.cells = cells
        self.gaps = [(gap, at) for gap in axis.gaps if 0 <= (at := self.cell(gap.start)) < cells]
        self.first, self.last = axis.moment(window.start), axis.moment(window.stop)
        self.edges = [window.start + at * window.length // cells for at in range(cells + 1)]

    def cell(self, moment: int) -> int:
        """The cell of a moment; outside of them where it is out of sight."""
        return self.window.cell(self.axis.place(moment), self.cells)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """The first and the last cell of a time, which may be one and the same."""
        window, cells = self.window, self.cells
        low, high = self.axis.place(start), self.axis.place(stop)
        first = window.cell(low, cells)
        if first == cells and low <= window.stop:
            first = cells - 1  # the right edge belongs to the last cell
        return first, max(first, window.cell(high - 1, cells))


def bar(line: TimeLine, scale: Scale, *, letters: bool) -> list[Span]:
    """What of a line is in sight. A cell shows what most of its time was; what is shorter than a cell has one all the
    same."""
    cells = scale.cells
    drawn = [" "] * cells
    roles = ["text"] * cells

    def fill(at: int, how: Fill) -> None:
        drawn[at], roles[at] = how.letter if letters else how.glyph, how.role

    for _, at in scale.gaps:
        fill(at, GAP)
    first, last = scale.span(line.start, line.stop)
    if line.around:
        for at in range(max(0, first), min(cells, last + 1)):
            fill(at, AROUND)
    for at, how in _most(line, scale).items():
        fill(at, how)
    for gap, at in scale.gaps:
        # What was waited for meanwhile is more than the bit of it that is left.
        waited = next((run for run in line.runs if run.start <= gap.start and run.stop >= gap.stop), None)
        if waited is not None:
            fill(at, _look(waited.kind, waited.failed))
    if line.kind == "prompt" and 0 <= first < cells:
        fill(first, PROMPT)
    began_before = first < 0 and line.kind == "prompt" and not line.around
    if began_before or scale.axis.place(line.stop) < scale.window.start:
        fill(0, BEFORE)
    elif first >= cells:
        fill(cells - 1, BEHIND)
    return _joined(drawn, roles)


BLOCK = 16
"""Runs of a long line that are taken together where they lie in one cell."""
_Look = tuple[Kind, bool]
_Block = tuple[int, int, tuple[tuple[_Look, int], ...], tuple[Run, ...]]
"""From and to, how long each look is in it, and its runs."""


@lru_cache(maxsize=512)
def _blocks(runs: tuple[Run, ...]) -> list[_Block]:
    """Runs in blocks: a folded prompt of an hour has hundreds of them in two cells."""
    found: list[_Block] = []
    for begin in range(0, len(runs), BLOCK):
        some = runs[begin : begin + BLOCK]
        times: dict[_Look, int] = {}
        for start, stop, kind, failed in some:
            times[kind, failed] = times.get((kind, failed), 0) + stop - start
        found.append((some[0].start, max(run.stop for run in some), tuple(times.items()), some))
    return found


def _most(line: TimeLine, scale: Scale) -> dict[int, Fill]:
    """What each cell of a bar shows: of several the one that has most of it, of equals the one of the higher rank."""
    shares: dict[int, dict[_Look, int]] = {}
    if len(line.runs) <= 2 * BLOCK:
        _add(line.runs, scale, shares)
    else:
        for start, stop, times, runs in _blocks(line.runs):
            if stop < scale.first or start > scale.last:
                continue
            first, last = scale.span(start, stop)
            # In one cell, and none of it is cut out of the axis.
            if 0 <= first == last < scale.cells and scale.axis.place(stop) - scale.axis.place(start) == stop - start:
                share = shares.setdefault(first, {})
                for look, time in times:
                    share[look] = share.get(look, 0) + time
            else:
                _add(runs, scale, shares)
    return {at: _look(*max(share, key=lambda look: (share[look], RANKS[look[0]]))) for at, share in shares.items()}


def _add(runs: Sequence[Run], scale: Scale, shares: dict[int, dict[_Look, int]]) -> None:
    """Adds up how long each look is in each cell."""
    cells, edges, place = scale.cells, scale.edges, scale.axis.place
    start_of, length = scale.window.start, scale.window.length
    began, ended, cut = 1, 0, 0
    for start, stop, kind, failed in runs:
        if stop < scale.first or start > scale.last:
            continue
        if not began <= start <= stop <= ended:
            began, ended, cut = scale.axis.piece(start)
        if began <= start and stop <= ended:
            low, high = start - cut, stop - cut
        else:
            low, high = place(start), place(stop)
        first = (low - start_of) * cells // length
        last = max(first, (high - 1 - start_of) * cells // length)
        if first >= cells:
            if low > scale.window.stop:
                continue
            first = last = cells - 1
        elif last < 0:
            continue
        look = kind, failed
        if first == last:
            share = shares.setdefault(first, {})
            share[look] = share.get(look, 0) + high - low
            continue
        for at in range(max(0, first), min(cells, last + 1)):
            share = shares.setdefault(at, {})
            share[look] = share.get(look, 0) + min(high, edges[at + 1]) - max(low, edges[at])


def _look(kind: Kind, failed: bool) -> Fill:
    return FAILED if failed and kind in ("tool", "agent") else FILLS[kind]


def _joined(drawn: Sequence[str], roles: Sequence[str]) -> list[Span]:
    spans: list[Span] = []
    for character, role in zip(drawn, roles, strict=True):
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + character, role)
        else:
            spans.append((character, role))
    return spans


# -- the words --------------------------------------------------------------------------------------------------


def name(line: TimeLine) -> str:
    """What a line is: `step 3`, `bash  npm test`, the title of a sub-agent, the words of a prompt."""
    node = line.node
    if isinstance(node, Prompt):
        called = prompt_name(node)
        return prompt_words(node) if called == "prompt" else f"{called}: {prompt_words(node)}"
    if isinstance(node, Turn):
        return step_name(node)
    if isinstance(node, Session):
        return node.title or node.agent or sanitize.label(node.id)
    return call_name(node)


def call_name(op: Op) -> str:
    """A call with what it is about; of what is no call its kind and first words."""
    words = op.title if op.tool == "bash" and op.title else op.label or op.title
    if op.kind not in ("tool", "session"):
        return f"{op.kind}  {words}".rstrip()
    return f"{tool_name(op)}  {words}".rstrip()


def tool_name(op: Op) -> str:
    """The name of the tool that a call calls."""
    return f"{op.namespace}: {op.name}" if op.namespace else op.name or op.kind


def words(line: TimeLine, *, letters: bool = False) -> list[Span]:
    """What is to be said of a line beside its bar, the most telling first."""
    spans: list[Span] = []
    node = line.node
    if isinstance(node, Turn):
        spans += _step_words(line, node)
    else:
        spans.append((took(line), "text"))
    if isinstance(node, Op):
        spans += [(f"  {text}", role) for text, role in call_end(node, line)]
    elif line.failed > any(role == "bad" for _, role in spans):
        glyph = BY_NAME["failed"].ascii if letters else BY_NAME["failed"].glyph
        count = "" if isinstance(node, Turn) and line.failed == 1 else str(line.failed)
        spans.append((f"  {glyph}{count}", "bad"))
    if line.retried:
        spans.append((f"  {numbers.plural(line.retried, 'retry').replace('retrys', 'retries')}", "warn"))
    if isinstance(node, Session):
        spans += _agent_words(line, node)
    return spans


def took(line: TimeLine) -> str:
    """How long a line took; what goes on says so."""
    if line.kind == "prompt" and not line.fold:
        return ""
    return duration(line.took) + ("…" if line.goes_on else "")


def _step_words(line: TimeLine, turn: Turn) -> list[Span]:
    spans: list[Span] = []
    kinds = {kind: sum(run.stop - run.start for run in line.runs if run.kind == kind) for kind in FILLS}
    if kinds["model"] or not line.calls:
        spans.append((f"model {duration(kinds['model'])}", "text"))
    if line.node is turn and turn.extras.get("retry") and turn.status == "running":
        spans = [(f"retry {turn.extras['retry']}", "warn")]
    calls = [each for each in line.calls if each.kind != "agent"]
    agents = len(line.calls) - len(calls)
    if len(calls) == 1:
        op = turn.ops.get(calls[0].key.id)
        named = tool_name(op) if op is not None else "call"
        spans.append((f"  {named} {duration(calls[0].took)}{'…' if calls[0].goes_on else ''}", "text"))
        code = exit_code(op) if op is not None else None
        if code:
            spans.append((f"  exit {code}", "bad"))
    elif calls:
        spans.append((f"  {len(calls)} calls {duration(kinds['tool'] + kinds['person'])}", "text"))
    if agents:
        spans.append((f"  {numbers.plural(agents, 'agent')} {duration(kinds['agent'])}", "dim"))
    if spans and spans[0][0].startswith("  "):
        spans[0] = (spans[0][0].lstrip(), spans[0][1])
    return spans


def call_end(op: Op, line: TimeLine) -> list[Span]:
    """How a call ended where that is to be said."""
    code = exit_code(op)
    if code:
        return [(f"exit {code}", "bad")]
    if op.status == "failed":
        return [(op.error_message or op.error_class or "failed", "bad")]
    status = BY_NAME[line.state]
    if line.state in ("orphaned", "cancelled", "aborted", "stalled", "permission", "waiting"):
        return [(status.word, status.role)]
    return []


def _agent_words(line: TimeLine, session: Session) -> list[Span]:
    status = BY_NAME[line.state]
    if line.state in ("delegating", "orphaned", "aborted", "suspended", "stalled", "permission", "waiting"):
        return [(f"  {status.word}", status.role)]
    waited = sum(run.stop - run.start for run in line.runs if run.kind == "agent")
    if waited * 2 > line.took:
        return [("  waits for its agent" if line.goes_on else "  waited for its agent", "dim")]
    if line.slowest is not None:
        return [(f"  slowest: {slowest_words(session, line.slowest)}", "dim")]
    return []


def slowest_words(session: Session, call: Bar) -> str:
    """The slowest call: its tool and how long it took."""
    turns = session.turns.values()
    op = next((turn.ops[call.key.id] for turn in turns if call.key.id in turn.ops), None)
    return f"{tool_name(op) if op is not None else 'call'} {duration(call.took)}"


def legend(timeline: Timeline, *, letters: bool) -> list[Span]:
    """What the fills mean that are in the timeline."""
    kinds = {run.kind for line in timeline.lines for run in line.runs}
    spans: list[Span] = []
    for kind, how in FILLS.items():
        if kind in kinds:
            spans += [(how.letter if letters else how.glyph, how.role), (f" {how.word}  ", "dim")]
    if timeline.failed:
        spans += [(FAILED.letter if letters else FAILED.glyph, FAILED.role), (f" {FAILED.word}  ", "dim")]
    if timeline.axis.gaps:
        spans += [(GAP.letter if letters else GAP.glyph, "warn"), (" nobody worked: left out  ", "dim")]
    return spans


# -- a line -----------------------------------------------------------------------------------------------------


class Columns(NamedTuple):
    """Cells for the name, the bar and the words of a line; one blank is between them."""

    name: int
    bar: int
    words: int


def columns(width: int) -> Columns:
    """How so many cells are divided. A narrow pane gives the words up before the bar."""
    names = max(10, min(34, width * 26 // 100))
    said = max(0, min(34, width * 28 // 100))
    if said < 8:
        said = 0
    return Columns(names, max(4, width - names - said - 2), said)


def head(line: TimeLine, cells: int, pad: Pad, *, letters: bool) -> list[Span]:
    """Fold sign and name of a line, indented, in so many cells."""
    sign = {"open": "v" if letters else "▾", "closed": ">" if letters else "▸"}.get(line.fold, " ")
    deep = min(line.depth * 2, max(0, cells - 10))
    role = {"prompt": "key", "agent": "strong", "step": "text"}.get(line.kind, "text")
    if line.failed and line.kind == "call":
        role = "bad"
    return [(" " * deep, "text"), (f"{sign} ", "dim"), (pad(name(line), max(0, cells - deep - 2)), role)]
