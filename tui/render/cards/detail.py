"""The Overview of a node: every fact the model has about it, one labelled line each, only where there is a fact."""

from __future__ import annotations

from tui.model.records import Key, Op, Prompt, Session, Turn
from tui.model.status import state
from tui.model.status.last_words import last_words
from tui.model.status.table import ACTIVE
from tui.model.store.store import Store
from tui.model.sums import rollup
from tui.model.tree.children import called, outline
from tui.model.tree.names import prompt_words, step_name
from tui.model.tree.thoughts import as_one, first_words, texts_of, thought_of, thoughts
from tui.render import numbers
from tui.render.cards.labelled import (
    error_lines,
    model_words,
    money_line,
    payload_lines,
    row,
    state_line,
    time_lines,
    usage_lines,
)
from tui.render.cards.session_card import session_card
from tui.render.glyphs import mark
from tui.render.lines import Line
from tui.render.rows import summaries
from tui.render.rows.heading import heading_card
from tui.text import sanitize


def overview(store: Store, key: Key, now_us: int, width: int = 80) -> list[Line]:
    """The facts of the node as lines; empty when the node is gone. What is a table fits the width."""
    if key.kind == "heading":
        return heading_card(store, key, now_us)
    session = store.session_of(key)
    if session is None:
        return []
    if key.kind == "session":
        return session_card(store, session, now_us, width)
    if key.kind == "prompt" and (prompt := store.prompt(key)) is not None:
        return _prompt(store, session, prompt, now_us)
    if key.kind == "turn" and (turn := store.turn(key)) is not None:
        return _turn(store, session, turn, now_us)
    if key.kind == "op" and (op := store.op(key)) is not None:
        return _op(store, session, op, now_us)
    return []


def _prompt(store: Store, session: Session, prompt: Prompt, now_us: int) -> list[Line]:
    now = state.prompt_state(store, session, prompt, now_us)
    usage, added, cost = rollup.prompt_usage(store, session, prompt.message_id)
    turns = [turn for turn in session.turns.values() if turn.prompt_id == prompt.message_id]
    lines: list[Line] = [
        [(prompt_words(prompt), "strong")],
        [(" · ".join(part for part in (prompt.agent, prompt.model) if part), "dim")],
        [],
        state_line(now, now_us),
    ]
    if prompt.synthetic:
        lines.append(row("origin", "written by opencode, not by a person"))
    lines.append(row("holds", numbers.plural(len(turns), "step")))
    lines += _money(store, session, turns, cost)
    lines += usage_lines(usage, added)
    lines += time_lines(prompt.ts, max((turn.end_ts for turn in turns), default=0), now_us, now.name in ACTIVE)
    return lines + payload_lines(sorted(prompt.payloads.values(), key=lambda text: text.kind != "user_prompt"))


def _money(store: Store, session: Session, turns: list[Turn], cost: float) -> list[Line]:
    """What the steps of a prompt, or one, cost: where its calls started sub-agents, with them too."""
    below = rollup.called_by(store, session, {turn.message_id for turn in turns})
    if below.sessions:
        return [money_line(cost, below.cost, below.sessions, doubt="?" if below.doubt.cost else "")]
    return [row("money", numbers.money(cost))] if cost else []


def _turn(store: Store, session: Session, turn: Turn, now_us: int) -> list[Line]:
    now = state.turn_state(store, session, turn, now_us)
    lines: list[Line] = [
        [(step_name(turn).capitalize(), "strong"), (f"  {summaries.turn_words(turn)}", "text")],
        [(" · ".join(part for part in (turn.agent, model_words(turn.model, turn.provider_alias)) if part), "dim")],
        [],
        state_line(now, now_us),
    ]
    lines += [row("finish", turn.finish)] if turn.finish else []
    lines += error_lines(turn.error_class, turn.error_message)
    lines += _money(store, session, [turn], turn.cost)
    lines += usage_lines(turn.usage, outline(store, session).growth.get(turn.message_id, 0))
    context = max((op.context_used for op in turn.ops.values()), default=0)
    lines += [row("context", f"{numbers.tokens(context)} tokens went out")] if context else []
    lines += time_lines(turn.start_ts, turn.end_ts, now_us, now.name in ACTIVE)
    tools = sum(op.kind == "tool" for op in turn.ops.values())
    lines += [row("holds", numbers.plural(tools, "tool call"))] if tools else []
    lines.append(row("message", (sanitize.label(turn.message_id), "dim")))
    said = [
        *(as_one(texts) for parts in thoughts(turn) if (texts := texts_of(parts))),
        *texts_of([op for op in turn.ops.values() if op.kind not in ("tool", "reasoning")]),
    ]
    return lines + payload_lines([*turn.payloads.values(), *sorted(said, key=lambda text: text.order)])


def _op(store: Store, session: Session, op: Op, now_us: int) -> list[Line]:
    turn = session.turns.get(op.message_id)
    parts = thought_of(turn, op) if turn is not None else [op]
    last = parts[-1]
    now = state.op_state(store, session, last, now_us)
    head = summaries.op_summary(op, first_words(parts))
    lines: list[Line] = [head, [], state_line(now, now_us)]
    lines += error_lines(op.error_class, op.error_message)
    if op.title and op.title != op.label:
        lines.append(row("title", op.title))
    if isinstance(op.extras.get("exit"), int):
        code = op.extras["exit"]
        lines.append(row("exit", (str(code), "bad" if code else "good")))
    if op.extras.get("saved_output"):
        lines.append(row("cut", "opencode keeps the whole output for a week: v on Output opens it, S saves it"))
    change = [span for span in summaries.tail(op) if span[1] in ("added", "removed")]
    lines += [row("changed", *((text.strip() + " ", role) for text, role in change))] if change else []
    lines += [row("todo", progress)] if (progress := summaries.todo_progress(op)) else []
    child = called(store, session, op)
    if child is not None:
        lines += _child_lines(store, child, now_us)
    elif op.tool == "task" and op.child_session_id and (session.source, op.child_session_id) not in store.sessions:
        # Other tools may name any session; only of a task is it certain that it started one.
        lines.append(row("sub-agent", (f"{sanitize.label(op.child_session_id)} is not in the database", "dim")))
    lines += [row("money", numbers.money(op.cost))] if op.cost else []
    lines += usage_lines(op.usage)
    lines += time_lines(parts[0].start_ts, last.end_ts, now_us, now.name in ACTIVE)
    sizes = [
        f"{word} {numbers.size(count)}" for word, count in (("in", op.bytes_in), ("out", op.bytes_out)) if count >= 0
    ]
    lines += [row("bytes", "   ".join(sizes))] if sizes else []
    lines.append(row("part", (sanitize.label(op.part_id), "dim")))
    texts = texts_of(parts)
    return lines + payload_lines([as_one(texts)] if len(parts) > 1 and texts else texts)


def _child_lines(store: Store, child: Session, now_us: int) -> list[Line]:
    now = state.session_state(store, child, now_us)
    look = mark(now.name)
    tree = rollup.subtree(store, child)
    who = " · ".join(part for part in (child.agent, model_words(child.model, child.provider_alias)) if part)
    calls = [op for turn in child.turns.values() for op in turn.ops.values() if op.kind == "tool"]
    failed = sum(op.status == "failed" for op in calls)
    counts = [numbers.plural(len(child.turns), "step"), numbers.plural(len(calls), "tool call")]
    if len(child.prompts) > 1:
        counts.insert(0, numbers.plural(len(child.prompts), "prompt"))
    below = f"   with {numbers.plural(tree.sessions - 1, 'sub-agent')} of its own" if tree.sessions > 1 else ""
    lines = [
        row("sub-agent", child.name),
        row("", (who, "dim")),
        row("", (f"{look.glyph} {look.word}", look.role), f" {now.subject}" if now.subject else ""),
        row("", ", ".join(counts), *([(f" ({failed} failed)", "bad")] if failed else [])),
        row("", f"{numbers.tokens(tree.usage.total)} tokens   {numbers.money(tree.cost) or '$0'}", (below, "dim")),
    ]
    prompt = next(reversed(child.prompts.values()), None)
    lines += [row("asked", prompt_words(prompt))] if prompt is not None else []
    said = last_words(store, child)
    lines += [row("said last" if now.name in ACTIVE else "answered", said)] if said else []
    return lines
