"""The Overview of a node: every fact the model has about it, one labelled line each, only where there is a fact."""

from __future__ import annotations

import datetime

from adapter.events import Usage
from tui.model import rollup, state
from tui.model.layout import called
from tui.model.nodes import Key, Op, Payload, Prompt, Session, Turn
from tui.model.outline import outline
from tui.model.state import State
from tui.model.store import Store
from tui.model.urgency import ACTIVE
from tui.render import numbers, summaries
from tui.render.glyphs import UNICODE, Glyphs, mark
from tui.render.lines import Line, Span

LABEL_WIDTH = 10
"""Cells of the names at the left; values that go on do so behind them."""


def overview(store: Store, key: Key, now_us: int, glyphs: Glyphs = UNICODE) -> list[Line]:
    """The facts of the node as lines; empty when the node is gone."""
    session = store.session_of(key)
    if session is None:
        return []
    if key.kind == "session":
        return _session(store, session, now_us, glyphs)
    if key.kind == "prompt" and (prompt := store.prompt(key)) is not None:
        return _prompt(store, session, prompt, now_us, glyphs)
    if key.kind == "turn" and (turn := store.turn(key)) is not None:
        return _turn(store, session, turn, now_us, glyphs)
    if key.kind == "op" and (op := store.op(key)) is not None:
        return _op(store, session, op, now_us, glyphs)
    return []


def moment(ts: int) -> str:
    """A moment (µs UTC) as local date and time."""
    return datetime.datetime.fromtimestamp(ts / 1e6).strftime("%Y-%m-%d %H:%M:%S") if ts > 0 else ""


def _row(label: str, *spans: Span | str) -> Line:
    """A labelled line; plain strings are ordinary text."""
    return [
        (label.ljust(LABEL_WIDTH), "dim"),
        *((span, "text") if isinstance(span, str) else span for span in spans),
    ]


def _state_line(now: State, now_us: int, glyphs: Glyphs) -> Line:
    look = mark(now.name, glyphs)
    word = look.word + ("?" if now.inferred else "")
    if now.name == "failed":
        return _row("state", (f"{look.glyph} {word}", look.role))  # the lines of the error follow
    since = f" for {numbers.duration(now_us - now.since)}" if now.since > 0 and now.name in ACTIVE else ""
    why = f"  {now.reason}" if now.reason else ""
    subject = f" {now.subject}" if now.subject else ""
    return _row("state", (f"{look.glyph} {word}", look.role), subject + since, (why, "dim"))


def _usage_lines(usage: Usage, added: int = 0) -> list[Line]:
    if not usage.total:
        return []
    spans: list[Span | str] = [f"in {numbers.tokens(usage.input)}"]
    if usage.cache_read or usage.cache_write:
        share = numbers.percent(usage.cache_read, usage.context)
        spans.append(f"   cache {numbers.tokens(usage.cache_read)} ({share})")
        if usage.cache_write:
            spans.append(f"   written {numbers.tokens(usage.cache_write)}")
    spans.append(f"   out {numbers.tokens(usage.output)}")
    if usage.reasoning:
        spans.append(f"   reasoning {numbers.tokens(usage.reasoning)}")
    lines = [_row("tokens", *spans)]
    if added:
        lines.append(_row("added", (numbers.delta(added), "accent"), " to the context"))
    return lines


def _error_lines(error_class: str, error_message: str) -> list[Line]:
    if not (error_class or error_message):
        return []
    lines: list[Line] = [_row("error", (error_class or "failed", "bad"))]
    if error_message:
        lines.append(_row("", (error_message, "bad")))
    return lines


def _payload_lines(payloads_: list[Payload]) -> list[Line]:
    lines: list[Line] = []
    for payload in payloads_:
        label = "texts" if not lines else ""
        size = numbers.size(payload.size) or "size unknown"
        preview = f"  {payload.preview}" if payload.preview else ""
        lines.append(_row(label, payload.kind.replace("_", " "), (f"  {size}{preview}", "dim")))
    return lines


def _model(model: str, alias: str) -> str:
    return f"{model} ({alias})" if model and alias else model or alias


def _times(start: int, end: int, now_us: int, running: bool) -> list[Line]:
    lines: list[Line] = []
    if start > 0:
        lines.append(_row("started", moment(start)))
    stop = now_us if running else end
    if stop >= start > 0:
        ended = "" if running else f"   ended {moment(stop)}"
        lines.append(_row("time", numbers.duration(stop - start), (ended, "dim")))
    return lines


def _session(store: Store, session: Session, now_us: int, glyphs: Glyphs) -> list[Line]:
    now = state.session_state(store, session, now_us)
    usage, cost, whence = rollup.own(store, session)
    tree = rollup.subtree(store, session)
    who = " · ".join(part for part in (session.agent, _model(session.model, session.provider_alias)) if part)
    lines: list[Line] = [
        [(session.title or session.id, "strong")],
        [(who, "dim")],
        [],
        _state_line(now, now_us, glyphs),
    ]
    lines += _error_lines(session.error_class, session.error_message)
    if tree.cost or cost:
        money: list[Span | str] = [f"own {numbers.money(cost) or '$0'}"]
        others = tree.sessions - 1
        if others > 0:
            money.append(f"   sub-agents {numbers.money(tree.cost - cost) or '$0'} ({others})")
            money.append((f"   total {numbers.money(tree.cost)}", "strong"))
        if session.kind == "fork":
            money.append(("   a fork: includes what it copied", "dim"))
        lines.append(_row("money", *money))
    lines += _usage_lines(usage)
    if usage.total and whence in ("steps", "messages"):
        lines.append(_row("", (f"added up from {whence}: the session row has no totals", "dim")))
    lines += _times(session.start_ts, max(session.last_ts, session.updated_ts), now_us, now.name in ACTIVE)
    added, removed = session.extras.get("additions"), session.extras.get("deletions")
    if added or removed:
        files = session.extras.get("files")
        changed = f"{numbers.plural(files, 'file')} " if isinstance(files, int) else ""
        lines.append(_row("changed", changed, (f"+{added or 0}", "added"), (f" -{removed or 0}", "removed")))
    if session.loaded:
        counts = f"{numbers.plural(len(session.prompts), 'prompt')}, {numbers.plural(len(session.turns), 'step')}"
        lines.append(_row("holds", counts))
    else:
        lines.append(_row("holds", ("not read yet: open it to read it", "dim")))
    lines += [_row("directory", session.cwd)] if session.cwd else []
    lines += [_row("version", f"opencode {session.version}")] if session.version else []
    lines.append(_row("resume", f"opencode -s {session.id}"))
    for log in sorted(session.logs.values(), key=lambda log: log.ts):
        role = {"ERR": "bad", "WRN": "warn"}.get(log.severity, "dim")
        lines.append(_row("note", (f"{log.severity} ", role), log.message))
    return lines


def _prompt(store: Store, session: Session, prompt: Prompt, now_us: int, glyphs: Glyphs) -> list[Line]:
    now = state.prompt_state(store, session, prompt, now_us)
    usage, added, cost = rollup.prompt_usage(store, session, prompt.message_id)
    turns = [turn for turn in session.turns.values() if turn.prompt_id == prompt.message_id]
    lines: list[Line] = [
        [(summaries.prompt_words(prompt), "strong")],
        [(" · ".join(part for part in (prompt.agent, prompt.model) if part), "dim")],
        [],
        _state_line(now, now_us, glyphs),
    ]
    if prompt.synthetic:
        lines.append(_row("origin", "written by opencode, not by a person"))
    lines.append(_row("holds", numbers.plural(len(turns), "step")))
    lines += [_row("money", numbers.money(cost))] if cost else []
    lines += _usage_lines(usage, added)
    lines += _times(prompt.ts, max((turn.end_ts for turn in turns), default=0), now_us, now.name in ACTIVE)
    return lines + _payload_lines(list(prompt.payloads.values()))


def _turn(store: Store, session: Session, turn: Turn, now_us: int, glyphs: Glyphs) -> list[Line]:
    now = state.turn_state(store, session, turn, now_us)
    lines: list[Line] = [
        [(f"Step {turn.seq}", "strong"), (f"  {summaries.turn_words(turn)}", "text")],
        [(" · ".join(part for part in (turn.agent, _model(turn.model, turn.provider_alias)) if part), "dim")],
        [],
        _state_line(now, now_us, glyphs),
    ]
    lines += [_row("finish", turn.finish)] if turn.finish else []
    lines += _error_lines(turn.error_class, turn.error_message)
    lines += [_row("money", numbers.money(turn.cost))] if turn.cost else []
    lines += _usage_lines(turn.usage, outline(store, session).growth.get(turn.message_id, 0))
    context = max((op.context_used for op in turn.ops.values()), default=0)
    lines += [_row("context", f"{numbers.tokens(context)} tokens went out")] if context else []
    lines += _times(turn.start_ts, turn.end_ts, now_us, now.name in ACTIVE)
    tools = sum(op.kind == "tool" for op in turn.ops.values())
    lines += [_row("holds", numbers.plural(tools, "tool call"))] if tools else []
    lines.append(_row("message", (turn.message_id, "dim")))
    said = [payload for op in turn.ops.values() if op.kind != "tool" for payload in op.payloads.values()]
    return lines + _payload_lines([*turn.payloads.values(), *said])


def _op(store: Store, session: Session, op: Op, now_us: int, glyphs: Glyphs) -> list[Line]:
    now = state.op_state(store, session, op, now_us)
    head = summaries.op_summary(op, glyphs)
    lines: list[Line] = [head, [], _state_line(now, now_us, glyphs)]
    lines += _error_lines(op.error_class, op.error_message)
    if op.title and op.title != op.label:
        lines.append(_row("title", op.title))
    if isinstance(op.extras.get("exit"), int):
        code = op.extras["exit"]
        lines.append(_row("exit", (str(code), "bad" if code else "good")))
    change = [span for span in summaries.tail(op) if span[1] in ("added", "removed")]
    lines += [_row("changed", *((text.strip() + " ", role) for text, role in change))] if change else []
    lines += [_row("todo", progress)] if (progress := summaries.todo_progress(op)) else []
    child = called(store, session, op)
    if child is not None:
        lines += _child_lines(store, child, now_us, glyphs)
    elif op.child_session_id:
        lines.append(_row("sub-agent", (f"{op.child_session_id} is not in the database", "dim")))
    lines += [_row("money", numbers.money(op.cost))] if op.cost else []
    lines += _usage_lines(op.usage)
    lines += _times(op.start_ts, op.end_ts, now_us, now.name in ACTIVE)
    sizes = [
        f"{word} {numbers.size(count)}" for word, count in (("in", op.bytes_in), ("out", op.bytes_out)) if count >= 0
    ]
    lines += [_row("bytes", "   ".join(sizes))] if sizes else []
    lines.append(_row("part", (op.part_id, "dim")))
    return lines + _payload_lines(list(op.payloads.values()))


def _child_lines(store: Store, child: Session, now_us: int, glyphs: Glyphs) -> list[Line]:
    now = state.session_state(store, child, now_us)
    look = mark(now.name, glyphs)
    tree = rollup.subtree(store, child)
    who = " · ".join(part for part in (child.agent, _model(child.model, child.provider_alias)) if part)
    return [
        _row("sub-agent", child.title or child.id),
        _row("", (who, "dim")),
        _row("", (f"{look.glyph} {look.word}", look.role), f" {now.subject}" if now.subject else ""),
        _row("", f"{numbers.money(tree.cost) or '$0'}   {numbers.tokens(tree.usage.total)} tokens"),
    ]
