"""One row of the tree at a width: indentation, fold marker, glyph, words, and columns on the right that line up.

Everything is a function of the model, the row and `now_us`; no clock is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style

from adapter.events import Usage
from tui.model import rollup, state
from tui.model.copied import uncounted
from tui.model.flags import flags
from tui.model.layout import called
from tui.model.names import prompt_name, prompt_words, step_name
from tui.model.nodes import Op, Row, Session, Turn
from tui.model.outline import outline
from tui.model.state import State
from tui.model.store import Store
from tui.model.timing import ended
from tui.model.urgency import ACTIVE, WAITING
from tui.render import numbers, summaries
from tui.render.glyphs import GLYPHS, mark
from tui.render.lines import Line, Span, fit, pad, segments, width_of
from tui.render.sparkline import sparkline

INDENT = 2
"""Cells a level of the tree is moved to the right."""

_DEEPEST = 8
"""Levels that are indented at any width. A wide tree indents more; rows that are deeper still stay at the last level,
so that sub-agents of sub-agents keep room for words."""

CURVE = 8
"""Steps in the curve of a context: as many as its column has cells."""


class Column(NamedTuple):
    """A column on the right: it appears while the words keep at least `words` cells."""

    name: str
    heading: str
    width: int
    words: int


_MONEY_WIDTH, _IO_WIDTH = 7, 10

# From the most to the least useful; the first that does not fit ends the list, so columns never swap places.
_BY_USE = (
    Column("cost", "cost", _MONEY_WIDTH, 20),
    Column("time", "time", 6, 26),
    Column("delta", "Δ", 7, 32),
    Column("io", "in/out", _IO_WIDTH, 42),
    Column("model", "model", 14, 48),
    Column("agent", "agent", 10, 52),
    Column("own", "own", _MONEY_WIDTH, 58),
    Column("context", "context", 8, 62),
)
_ORDER = ("agent", "model", "context", "time", "io", "delta", "own", "cost")
_LEFT = ("agent", "model", "context")


class Cells(NamedTuple):
    """What one row says, before it is laid out: glyph and role, words, a text per column, and a `note` (state, result,
    error) that is still there when the words have to be cut. `fresh`: changed since the user last looked."""

    glyph: str
    role: str
    words: Line
    columns: dict[str, str]
    running: bool
    note: Line = ()
    fresh: bool = False


def columns_for(width: int) -> tuple[Column, ...]:
    """The columns that a tree of that width shows, from left to right."""
    words = width - 1
    chosen: list[Column] = []
    for column in _BY_USE:
        words -= column.width + 1
        if words < column.words:
            break
        chosen.append(column)
    return tuple(sorted(chosen, key=lambda column: _ORDER.index(column.name)))


def _room(width: int) -> int:
    """The cells in front of the columns."""
    return width - 1 - sum(column.width + 1 for column in columns_for(width))


def _indent(row: Row, room: int) -> int:
    """The cells that a row is moved to the right: at most two fifths of the room, or _DEEPEST levels."""
    return INDENT * min(row.depth, max(_DEEPEST, room // (INDENT * 5 // 2)))


def heading(width: int, left: Line) -> Line:
    """The line above the tree: `left`, then the names of the columns."""
    shown, room = columns_for(width), _room(width)
    right = "".join(" " + pad(column.heading, column.width, right=column.name not in _LEFT) for column in shown)
    spans: list[Span] = []
    for text, role in left:
        spans.append((fit(text, room), role))
        room -= width_of(spans[-1:])
    return [*spans, (" " * room, "dim"), (right + " ", "dim")]


def fold_span(row: Row, width: int) -> range:
    """The cells of a row that fold it when clicked; empty when nothing is below it."""
    if not row.fold:
        return range(0)
    begin = 1 + _indent(row, _room(width))
    return range(begin - 1, begin + 2)


def laid_out(cells: Cells, row: Row, width: int, styles: Mapping[str, Style]) -> list[Segment]:
    """The row as segments of exactly `width` cells."""
    shown, room = columns_for(width), _room(width)
    fold = {"open": GLYPHS.fold_open, "closed": GLYPHS.fold_closed}.get(row.fold, " ")
    left: list[Span] = [
        (" " * _indent(row, room) + (GLYPHS.fresh if cells.fresh else " "), "accent"),
        (fold + " ", "dim"),
        (cells.glyph + " ", cells.role),
        *cells.words,
    ]
    space = max(0, room - width_of(left[:3]))
    note = min(width_of(cells.note), max(space - width_of(cells.words), space // 2))
    words = min(room - note, width_of(left))
    right: list[Span] = []
    for column in shown:
        text = cells.columns.get(column.name, "")
        role = "active" if column.name == "time" and cells.running else _COLUMN_ROLES.get(column.name, "dim")
        right.append((" " + pad(text, column.width, right=column.name not in _LEFT), role))
    return [
        *segments(left, words, styles),
        *segments(cells.note, room - words, styles),
        *segments([*right, (" ", "text")], width - room, styles),
    ]


def under_filter(cells: Cells, row: Row, matched: bool, below: int) -> Cells:
    """A session's cells while a filter is on: one that only leads to a match is dim, and says when folded how many of
    the sessions `below` match."""
    note = list(cells.note)
    if below and row.fold == "closed":
        note.append((f"  {below:,} below", "accent"))
    words = cells.words if matched else [(text, "dim") for text, _ in cells.words]
    return cells._replace(words=words, note=note)


_COLUMN_ROLES = {"cost": "text", "delta": "accent", "context": "active"}


def cells_of(store: Store, row: Row, now_us: int) -> Cells:
    """What the row says about its node; a node that has just gone leaves an empty row until the next layout."""
    session = store.session_of(row.key)
    if session is None:
        return _GONE
    if row.key.kind == "session":
        return _session(store, session, row, now_us)
    if row.key.kind == "prompt":
        return _prompt(store, session, row, now_us)
    if row.key.kind == "turn" and (turn := store.turn(row.key)) is not None:
        return _turn(store, session, turn, row, now_us)
    if row.key.kind == "op" and (op := store.op(row.key)) is not None:
        return _op(store, session, op, row, now_us)
    return _GONE


_GONE = Cells(" ", "dim", (), {}, False)


def state_words(now: State, session: Session | None = None) -> str:
    """The state in a few words: `bash npm test`, `stalled?`; the question mark says that it is inferred.

    With the session that it is the state of, a running tool is named with what it works on, a question with its words.
    """
    words = now.subject if now.name == "starting" and now.subject else mark(now.name).word
    if session is not None and now.subject and now.name in WAITING:
        return f"{words}{'?' if now.inferred else ''}: {now.subject}"
    if now.name == "tool":
        words = now.subject or words
        turn = state.newest_turn(session) if session is not None else None
        for op in state.open_ops(turn) if turn is not None else ():
            if op.name == now.subject and (subject := summaries.subject_of(op)):
                words = f"{op.name} {subject}"
    return words + "?" if now.inferred else words


def elapsed(start_us: int, end_us: int) -> str:
    """The time between two moments, or nothing when one of them is not known."""
    return numbers.duration(end_us - start_us) if 0 < start_us < end_us else ""


def io(usage: Usage) -> str:
    """Tokens in and out as billed: `38k/1.2k`."""
    if not usage.total:
        return ""
    return f"{numbers.tokens(usage.context)}/{numbers.tokens(usage.output + usage.reasoning)}"


def session_start(session: Session, running: bool) -> int:
    """When the work that the time column measures began: the last prompt of a running session, else its start."""
    if running and session.prompts:
        return max(prompt.ts for prompt in session.prompts.values())
    return session.start_ts


def _session(store: Store, session: Session, row: Row, now_us: int) -> Cells:
    owner, now = _shown_state(store, session, row, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    words: list[Span] = [(session.name, "strong" if row.depth == 0 else "text")]
    note: list[Span] = [("  fork", "dim")] if session.kind == "fork" else []
    if running or now.name == "orphaned":
        note.append((f"  {state_words(now, owner)}", look.role))
        note += _said(store, now, owner, now_us)
    elif now.name == "failed":
        note.append((f"  {now.reason or 'failed'}", "bad"))
    elif now.name == "aborted":
        note.append(("  aborted", "dim"))
    tree = rollup.subtree(store, session)
    end = now_us if running else ended(session)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": session.agent,
            "model": session.model,
            "context": _curve(session, running),
            "time": elapsed(session_start(session, running), end),
            **_sums(store, session, tree),
        },
        running,
        note,
    )


def _sums(store: Store, session: Session, tree: rollup.Subtree) -> dict[str, str]:
    """Tokens and money of a session with its sub-agents, and what it cost without them, where it has any. A question
    mark says that opencode's own sum is less than the steps prove."""
    mine = rollup.own(store, session)
    own = _money(mine.cost, mine.doubt) if tree.sessions > 1 else ""
    tokens = io(tree.usage)
    if tree.doubt.tokens:
        tokens = numbers.doubted(tokens or "0/0", _IO_WIDTH)
    return {"io": tokens, "own": own, "cost": _money(tree.cost, tree.doubt)}


def _money(cost: float, doubt: rollup.Doubt) -> str:
    text = numbers.money(cost)
    return numbers.doubted(text or "$0", _MONEY_WIDTH) if doubt.cost else text


def _curve(session: Session, running: bool) -> str:
    """How the context of a session at work went over its last steps: tokens come once a step, so there is no rate."""
    return sparkline(rollup.contexts(session, CURVE), CURVE) if running else ""


def _shown_state(store: Store, session: Session, row: Row, now_us: int) -> tuple[Session, State]:
    """The session's own state, or the most urgent one of all that its folded row hides; and whose it is. What a
    session says because a sub-agent does it is the sub-agent's."""
    now = state.session_state(store, session, now_us)
    if now.name not in ACTIVE:
        return session, now
    owner, loud = state.loudest(store, session, now_us)
    if row.fold == "closed":
        return owner, loud
    return owner if (loud.name, loud.subject) == (now.name, now.subject) else session, now


def _said(store: Store, now: State, session: Session, now_us: int) -> list[Span]:
    """What follows the state of a session at work: its flags, and its last words while it runs no tool that says what
    it does."""
    odd = flags(store, session, now_us, True) if now.name in ACTIVE else []
    spans: list[Span] = [(f"  {flag.brief}", "warn") for flag in odd]
    said = summaries.last_words(session) if now.name in _WORDLESS else ""
    return [*spans, (f"  {said}", "dim")] if said else spans


_WORDLESS = frozenset({"writing", "thinking", "starting", "between", "compacting"})


def _prompt(store: Store, session: Session, row: Row, now_us: int) -> Cells:
    prompt = store.prompt(row.key)
    if prompt is None:
        return _GONE
    now = state.prompt_state(store, session, prompt, now_us)
    running = now.name in ACTIVE
    usage, added, cost = rollup.prompt_usage(store, session, prompt.message_id)
    ends = [turn.end_ts for turn in outline(store, session).answers.get(prompt.message_id, ())]
    end = now_us if running else max(ends, default=0)
    words: list[Span] = [(prompt_words(prompt), "dim" if prompt.synthetic else "text")]
    if "notice" in prompt.extras:
        words.insert(0, (f"{prompt_name(prompt)}  ", "dim"))
    files = prompt.extras.get("attachments")
    note: list[Span] = [(f"  +{numbers.plural(files, 'file')}", "dim")] if isinstance(files, int) and files else []
    if uncounted(session, prompt):
        note.append(("  copied", "dim"))
    if row.fold == "closed" and running:
        note.append((f"  {state_words(now)}", mark(now.name).role))
    return Cells(
        GLYPHS.prompt,
        mark(now.name).role if running or now.name == "failed" else "accent",
        words,
        {
            "time": elapsed(prompt.ts, end),
            "io": io(usage),
            "delta": numbers.delta(added),
            "cost": numbers.money(cost),
        },
        running,
        note,
    )


def _turn(store: Store, session: Session, turn: Turn, row: Row, now_us: int) -> Cells:
    now = state.turn_state(store, session, turn, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    words: list[Span] = [(step_name(turn), "text")]
    note: list[Span] = []
    said = summaries.turn_words(turn)
    if running and now.name != "tool":
        words.append((f"  {state_words(now)}", look.role))
    if said:
        words.append((f"  {said}", "dim"))
    if uncounted(session, turn):
        note.append(("  copied", "dim"))
    if turn.error_message or turn.error_class:
        note.append((f"  {summaries.error_of(turn)}", "bad"))
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": turn.agent if turn.agent != session.agent else "",
            "model": turn.model if turn.model != session.model else "",
            "time": elapsed(turn.start_ts, now_us if running else turn.end_ts),
            "io": io(turn.usage),
            "delta": numbers.delta(outline(store, session).growth.get(turn.message_id, 0)),
            "cost": numbers.money(turn.cost),
        },
        running,
        note,
    )


def _op(store: Store, session: Session, op: Op, row: Row, now_us: int) -> Cells:
    child = called(store, session, op)
    if child is not None:
        return _sub_agent(store, session, op, child, row, now_us)
    now = state.op_state(store, session, op, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    words, note = summaries.op_summary(op), summaries.tail(op)
    if now.inferred or now.name in ("waiting", "permission", "stalled"):
        note.append((f"  {state_words(now)}", look.role))
    if op.kind in ("text", "reasoning") and not running:
        return Cells(" ", "dim", words, {"time": elapsed(op.start_ts, op.end_ts)}, False)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "time": elapsed(op.start_ts, now_us if running else op.end_ts),
            "io": io(op.usage),
            "cost": numbers.money(op.cost),
        },
        running,
        note,
    )


def _sub_agent(store: Store, session: Session, op: Op, child: Session, row: Row, now_us: int) -> Cells:
    """A `task` call and the session that it started, as one row: the call's words, the child's numbers."""
    now = state.op_state(store, session, op, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    # A `session` op alone has the description of its call for a name.
    name = op.name if op.kind == "tool" else op.tool or "task"
    words: list[Span] = [(name, "accent"), ("  ", "text"), (summaries.subject_of(op) or child.title, "text")]
    note: list[Span] = []
    if running:
        owner, inner = _shown_state(store, child, row, now_us)
        note.append((f"  {state_words(inner, owner)}", mark(inner.name).role))
        note += _said(store, inner, owner, now_us)
    note += summaries.tail(op)
    tree = rollup.subtree(store, child)
    end = now_us if running else op.end_ts or ended(child)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": child.agent,
            "model": child.model,
            "context": _curve(child, running),
            "time": elapsed(op.start_ts or child.start_ts, end),
            **_sums(store, child, tree),
        },
        running,
        note,
    )
