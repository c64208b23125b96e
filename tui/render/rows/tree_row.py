"""What one row of the tree says; how it stands at a width is in `columns.py`.

Everything is a function of the model, the row and `now_us`; no clock is read here.
"""

from __future__ import annotations

from adapter.events import Usage
from tui.model.records import Op, Row, Session, Turn
from tui.model.status import state
from tui.model.status.life import runner
from tui.model.status.outcome import went_wrong
from tui.model.status.state import State
from tui.model.status.table import ACTIVE, WAITING, WORKING
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.sums.copied import uncounted
from tui.model.sums.timing import ended
from tui.model.tree.children import called, outline
from tui.model.tree.names import prompt_name, prompt_words, step_name
from tui.model.tree.sorting import project
from tui.model.tree.thoughts import first_words, thought_of
from tui.render import numbers, processes
from tui.render.glyphs import GLYPHS, mark
from tui.render.lines import Span
from tui.render.rows import summaries
from tui.render.rows.columns import IO_WIDTH, MONEY_WIDTH, Cells
from tui.render.rows.doing import act_words, doing, failures, state_words, went_wrong_below
from tui.render.sparkline import sparkline
from tui.text.moments import duration, short_age

CURVE = 8
"""Steps in the curve of a context: as many as its column has cells."""


def under_filter(cells: Cells, row: Row, matched: bool, below: int) -> Cells:
    """A session's cells while a filter is on: one that only leads to a match is dim, and says when folded how many of
    the sessions `below` match."""
    flags = list(cells.flags)
    if below and row.fold == "closed":
        flags.append((f"  {below:,} below", "accent"))
    words = cells.words if matched else [(text, "dim") for text, _ in cells.words]
    return cells._replace(words=words, flags=flags)


def cells_of(store: Store, row: Row, now_us: int) -> Cells:
    """What the row says about its node; a node that has just gone leaves an empty row until the next layout."""
    session = store.session_of(row.key)
    if session is None:
        return _GONE
    # Of what nobody sees any more no time goes on.
    now_us = state.seen_at(store, session, now_us)
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


def elapsed(start_us: int, end_us: int) -> str:
    """The time between two moments, or nothing when one of them is not known."""
    return duration(end_us - start_us) if 0 < start_us < end_us else ""


def io(usage: Usage) -> str:
    """Tokens in and out as billed: `38k/1.2k`."""
    if not usage.total:
        return ""
    return f"{numbers.tokens(usage.context)}/{numbers.tokens(rollup.written(usage))}"


def _time(store: Store, session: Session, now: State, now_us: int) -> tuple[str, str]:
    """The time column of a session, and its role: how long it has been at work, or has waited or been silent; of one
    in which nothing goes on, how long ago that was."""
    if now.name in WAITING or now.name == "stalled":
        return elapsed(now.since, now_us), mark(now.name).role
    if now.name in ACTIVE:
        began = max((prompt.ts for prompt in session.prompts.values() if not prompt.waits), default=session.start_ts)
        return elapsed(began, now_us), "active"
    return short_age(now_us - rollup.subtree(store, session).last_ts), "dim"


def _session(store: Store, session: Session, row: Row, now_us: int) -> Cells:
    owner, now = _shown_state(store, session, row, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    told = doing(store, owner, now, now_us)
    words: list[Span] = [(session.name, "strong" if row.depth == 0 else "text")]
    if session.host and row.depth == 0:
        words.insert(0, (f"{session.host} ", "accent"))
    if owner is not session:
        words.append((f" › {owner.agent or owner.name}", "dim"))
    flags: list[Span] = [("  fork", "dim")] if session.kind == "fork" else []
    flags += told.flags
    if row.fold == "closed" and not any(text.startswith(f"  {mark('failed').glyph}") for text, _ in told.flags):
        flags += went_wrong_below(store, session)
    time, role = _time(store, session, now, now_us)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": session.agent,
            "model": session.model,
            "context": _curve(session, running),
            "project": project(session.cwd) if row.depth == 0 else "",
            "time": time,
            "took": "" if running else elapsed(session.start_ts, _ended(store, session)),
            **_sums(store, session, rollup.subtree(store, session)),
        },
        running,
        flags,
        told.words,
        facts=processes.facts(runner(store, session)) if running and row.depth == 0 else (),
        aligned=True,
        time_role=role,
        head=told.head,
    )


def _ended(store: Store, session: Session) -> int:
    """When it ended (µs), also of one that was given back."""
    kept = store.given_back.get(session.key)
    return ended(session) or (kept.ended if kept is not None else 0)


def _sums(store: Store, session: Session, tree: rollup.Subtree) -> dict[str, str]:
    """Tokens and money of a session with its sub-agents, and what it cost without them, where it has any. A question
    mark says that opencode's own sum is less than the steps prove."""
    mine = rollup.own(store, session)
    own = _money(mine.cost, mine.doubt) if tree.sessions > 1 else ""
    return {"io": _tokens(tree.usage, tree.doubt), "own": own, "cost": _money(tree.cost, tree.doubt)}


def _with_called(store: Store, session: Session, turns: list[Turn], usage: Usage, cost: float) -> dict[str, str]:
    """The same of a prompt or a step: with the sub-agents that its calls started."""
    below = rollup.called_by(store, session, {turn.message_id for turn in turns})
    return {
        "io": _tokens(rollup.total([usage, below.usage]), below.doubt),
        "own": numbers.money(cost) if below.sessions else "",
        "cost": _money(cost + below.cost, below.doubt),
    }


def _tokens(usage: Usage, doubt: rollup.Doubt) -> str:
    return numbers.doubted(io(usage) or "0/0", IO_WIDTH) if doubt.tokens else io(usage)


def _money(cost: float, doubt: rollup.Doubt) -> str:
    text = numbers.money(cost)
    return numbers.doubted(text or "$0", MONEY_WIDTH) if doubt.cost else text


def _curve(session: Session, running: bool) -> str:
    """How the context of a session at work went over its last steps: tokens come once a step, so there is no rate."""
    return sparkline(rollup.contexts(session, CURVE), CURVE) if running else ""


def _shown_state(store: Store, session: Session, row: Row, now_us: int) -> tuple[Session, State]:
    """The session's own state, or what is most urgent of all that its folded row hides, where somebody has to see it;
    and whose it is. What a session says because a sub-agent waits is the sub-agent's."""
    now = state.session_state(store, session, now_us)
    if now.name not in ACTIVE:
        return session, now
    owner, loud = state.loudest(store, session, now_us)
    if loud.name in WORKING:
        return session, now
    if row.fold == "closed":
        return owner, loud
    return owner if (loud.name, loud.subject) == (now.name, now.subject) else session, now


def _prompt(store: Store, session: Session, row: Row, now_us: int) -> Cells:
    prompt = store.prompt(row.key)
    if prompt is None:
        return _GONE
    now = state.prompt_state(store, session, prompt, now_us)
    running = now.name in ACTIVE
    usage, added, cost = rollup.prompt_usage(store, session, prompt.message_id)
    turns = outline(store, session).answers.get(prompt.message_id, [])
    ends = [turn.end_ts for turn in turns]
    end = now_us if running else max(ends, default=0)
    words: list[Span] = [(prompt_words(prompt), "dim" if prompt.synthetic else "text")]
    if "notice" in prompt.extras or prompt.waits:
        words.insert(0, (f"{prompt_name(prompt)}  ", "dim"))
    files = prompt.extras.get("attachments")
    flags: list[Span] = [(f"  +{numbers.plural(files, 'file')}", "dim")] if isinstance(files, int) and files else []
    if uncounted(session, prompt):
        flags.append(("  copied", "dim"))
    rest: list[Span] = []
    if row.fold == "closed":
        flags += went_wrong_below(store, session, prompt.message_id)
        if running:
            steps = {turn.message_id for turn in turns}
            rest.append((f"  {act_words(store, session, now, now_us, steps)}", mark(now.name).role))
    return Cells(
        GLYPHS.prompt,
        mark(now.name).role if running or now.name == "failed" else "accent",
        words,
        {
            "time": elapsed(prompt.ts, end),
            "delta": numbers.delta(added),
            **_with_called(store, session, turns, usage, cost),
        },
        running,
        flags,
        rest,
        time_role="active" if running else "dim",
    )


def _turn(store: Store, session: Session, turn: Turn, row: Row, now_us: int) -> Cells:
    now = state.turn_state(store, session, turn, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    words: list[Span] = [(step_name(turn), "text")]
    flags: list[Span] = [("  copied", "dim")] if uncounted(session, turn) else []
    rest: list[Span] = []
    if running and now.name != "tool":
        rest.append((f"  {act_words(store, session, now, now_us, {turn.message_id})}", look.role))
    if row.fold == "closed":
        flags += failures(sum(op.kind == "tool" and went_wrong(op) for op in turn.ops.values()))
    if turn.error_message or turn.error_class:
        rest.append((f"  {summaries.error_of(turn)}", "bad"))
    said = summaries.turn_words(turn)
    if said:
        rest.append((f"  {said}", "dim"))
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": turn.agent if turn.agent != session.agent else "",
            "model": turn.model if turn.model != session.model else "",
            "time": elapsed(turn.start_ts, now_us if running else turn.end_ts),
            "delta": numbers.delta(outline(store, session).growth.get(turn.message_id, 0)),
            **_with_called(store, session, [turn], turn.usage, turn.cost),
        },
        running,
        flags,
        rest,
        time_role="active" if running else "dim",
    )


def _op(store: Store, session: Session, op: Op, row: Row, now_us: int) -> Cells:
    child = called(store, session, op)
    if child is not None:
        return _sub_agent(store, session, op, child, row, now_us)
    turn = session.turns.get(op.message_id)
    parts = thought_of(turn, op) if turn is not None else [op]
    last = parts[-1]
    now = state.op_state(store, session, last, now_us)
    look = mark(now.name)
    running = now.name in ACTIVE
    words, flags = summaries.op_summary(op, first_words(parts)), summaries.tail(op)
    if now.inferred or now.name in ("waiting", "permission", "stalled"):
        flags.append((f"  {state_words(now, op.name)}", look.role))
    if op.kind in ("text", "reasoning") and not running:
        return Cells(" ", "dim", words, {"time": elapsed(op.start_ts, last.end_ts)}, False)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "time": elapsed(op.start_ts, now_us if running else last.end_ts),
            "io": io(op.usage),
            "cost": numbers.money(op.cost),
        },
        running,
        flags,
        summaries.rest(op),
        time_role="active" if running else "dim",
    )


def _sub_agent(store: Store, session: Session, op: Op, child: Session, row: Row, now_us: int) -> Cells:
    """A `task` call and the session that it started, as one row: the call's words, the child's numbers."""
    now = state.op_state(store, session, op, now_us)
    running = now.name in ACTIVE
    # A `session` op alone has the description of its call for a name.
    name = op.name if op.kind == "tool" else op.tool or "task"
    words: list[Span] = [(name, "accent"), ("  ", "text"), (summaries.subject_of(op) or child.title, "text")]
    flags, rest, head, time_role = summaries.tail(op), summaries.rest(op), 0, "dim"
    time = elapsed(op.start_ts or child.start_ts, op.end_ts or ended(child))
    if running:
        owner, now = _shown_state(store, child, row, now_us)
        told = doing(store, owner, now, now_us)
        flags, rest, head = [*told.flags, *flags], [*told.words, *rest], told.head
        time, time_role = elapsed(op.start_ts or child.start_ts, now_us), "active"
    if row.fold == "closed":
        flags += went_wrong_below(store, child)
    look = mark(now.name)
    return Cells(
        look.glyph,
        look.role,
        words,
        {
            "agent": child.agent,
            "model": child.model,
            "context": _curve(child, running),
            "time": time,
            **_sums(store, child, rollup.subtree(store, child)),
        },
        running,
        flags,
        rest,
        time_role=time_role,
        head=head,
    )
