"""Every span of every dump against the model of the screen, which has another reader of the same events."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.events import Usage
from tests.adapter import corpus
from tests.tui.otlp.receiver import Collector, Received, send
from tui.model.records import Op, Session, Turn, turn_key
from tui.model.status.state import node_state, op_state
from tui.model.store.store import Store
from tui.model.sums.copied import own_turns

NOW_US = int(corpus.NOW * 1e6)


def model(name: str) -> Store:
    store = Store()
    loaded = corpus.load(name)
    store.apply(loaded.events)
    for session in list(store.sessions.values()):
        store.mark_loaded(session.source, session.id)
    return store


def by_user(turn: Turn) -> bool:
    return bool(turn.extras.get("by_user"))


def tools(turn: Turn) -> list[Op]:
    return [op for op in turn.ops.values() if op.kind == "tool"]


class Told:
    """What arrived, by the names of opencode."""

    def __init__(self, spans: list[Received]) -> None:
        assert len({span.id for span in spans}) == len(spans), "a span came twice"
        self.all = {span.id: span for span in spans}
        self.runs = {
            (s["gen_ai.conversation.id"], s["opencode.prompt.id"]): s for s in spans if s.operation == "invoke_agent"
        }
        self.steps = {s["opencode.message.id"]: s for s in spans if s.operation == "chat"}
        self.calls = {s["gen_ai.tool.call.id"]: s for s in spans if s.operation == "execute_tool"}
        assert len(self.runs) + len(self.steps) + len(self.calls) == len(spans)


@pytest.mark.parametrize("name", corpus.NAMES + corpus.NAMES_2X)
def test_every_span_is_what_the_model_says(name: str, tmp_path: Path) -> None:
    with Collector() as collector:
        status = send(collector, [corpus.build(name, tmp_path / "opencode.db")])
    assert status in (0, 1)  # 1: the dump has rows that cannot be read
    told, store = Told(collector.spans), model(name)
    steps, calls = 0, 0
    for session in store.sessions.values():
        own = own_turns(session)
        for turn in own:
            steps += check_step(store, session, turn, told)
            for op in tools(turn):
                calls += check_call(store, session, turn, op, told)
        check_sums(session, own, told)
    assert (steps, calls) == (len(told.steps), len(told.calls)), "more was told than there is"
    for key, run in told.runs.items():
        check_run(store, *key, run, told)
    check_one_root(told)


def check_step(store: Store, session: Session, turn: Turn, told: Told) -> int:
    span = told.steps.get(turn.message_id)
    if by_user(turn):
        assert span is None
        return 0
    state = node_state(store, turn_key(session, turn), NOW_US)
    assert state is not None
    if turn.status == "running":
        # Nothing that is still at work; what was left behind is said to have been.
        assert span is None or (span["opencode.status"], state.name) == ("orphaned", "orphaned")
        if span is None:
            assert state.name != "orphaned" or state.inferred
            return 0
        assert span.is_error is not bool(span.get("opencode.inferred"))
        assert bool(span.get("opencode.inferred")) is state.inferred
        return 1
    assert span is not None, f"the step {turn.message_id} is missing"
    assert span.start == turn.start_ts * 1000
    if turn.end_ts >= turn.start_ts:
        assert span.end == turn.end_ts * 1000
    else:
        assert span.get("opencode.end_unknown") or span.get("opencode.end_before_start")
    assert span["opencode.status"] == turn.status
    assert span.is_error is (turn.status in ("failed", "aborted"))
    assert span.name == f"chat {turn.model}".rstrip()
    if span.is_error:
        assert span["error.type"] == turn.error_class
        assert span.words
    usage = turn.usage
    assert span["gen_ai.usage.input_tokens"] == usage.context
    assert span.get("gen_ai.usage.cache_read.input_tokens", 0) == usage.cache_read
    assert span.get("gen_ai.usage.cache_creation.input_tokens", 0) == usage.cache_write
    assert span.get("gen_ai.usage.reasoning.output_tokens", 0) == usage.reasoning
    is_old = session.version.startswith(("1.2.", "1.3."))
    assert span["gen_ai.usage.output_tokens"] == usage.output + (0 if is_old else usage.reasoning)
    assert span["opencode.cost"] == turn.cost
    assert span.get("gen_ai.response.finish_reasons", []) == ([turn.finish] if turn.finish else [])
    assert span["gen_ai.conversation.id"] == session.id
    run = told.runs.get((session.id, turn.prompt_id or turn.message_id))
    if run is not None:
        assert (span.trace, span.parent) == (run.trace, run.id)
        assert run.start <= span.start
        assert span.end <= run.end
    return 1


def check_call(store: Store, session: Session, turn: Turn, op: Op, told: Told) -> int:
    span = told.calls.get(op.part_id)
    state = op_state(store, session, op, NOW_US)
    if op.status == "running":
        if span is None:
            assert state.name != "orphaned" or state.inferred
            return 0
        assert span["opencode.status"] == "orphaned"
        return 1
    assert span is not None, f"the call {op.part_id} is missing"
    assert span.name == f"execute_tool {op.name}"
    assert span.start == op.start_ts * 1000
    if op.end_ts >= op.start_ts:
        assert span.end == op.end_ts * 1000
    failed = op.status in ("failed", "cancelled") or bool(op.extras.get("exit"))
    assert span.is_error is failed
    if by_user(turn):
        assert span.parent == b""
    elif (step := told.steps.get(turn.message_id)) is not None:
        assert (span.trace, span.parent) == (step.trace, step.id)
    return 1


def check_sums(session: Session, own: list[Turn], told: Told) -> None:
    spans = [told.steps[turn.message_id] for turn in own if turn.message_id in told.steps]
    total = sum((turn.usage for turn in own), Usage())
    assert sum(span.get("gen_ai.usage.input_tokens", 0) for span in spans) == total.context
    assert sum(span.get("opencode.cost", 0.0) for span in spans) == pytest.approx(sum(turn.cost for turn in own))


def check_run(store: Store, session_id: str, run_id: str, run: Received, told: Told) -> None:
    session = next(session for session in store.sessions.values() if session.id == session_id)
    assert run["session.id"] == session.root_id
    turns = [turn for turn in own_turns(session) if (turn.prompt_id or turn.message_id) == run_id]
    assert turns
    assert run["opencode.steps"] == len(turns)
    agent = turns[-1].agent or session.agent
    assert run.get("gen_ai.agent.name", "") == agent
    assert all(turn.status != "running" or turn.message_id in told.steps for turn in turns)
    prompt = session.prompts.get(run_id)
    assert run.start == min([turns[0].start_ts, *([prompt.ts] if prompt else [])]) * 1000
    caller = store.task_op_of(session)
    if session.parent_id is None:
        assert run.parent == b""
    elif run.parent and caller is not None and caller.part_id in told.calls:
        assert any(call.id == run.parent and call.trace == run.trace for call in told.calls.values())
    names = [
        op.part_id
        for other in store.sessions.values()
        if other.id == session.parent_id
        for turn in other.turns.values()
        for op in turn.ops.values()
        if op.child_session_id == session_id
    ]
    if names:
        assert run.parent or run.links, "a sub-agent stands beside the call that started it"


def check_one_root(told: Told) -> None:
    roots: dict[bytes, int] = {}
    for span in told.all.values():
        if not span.parent:
            roots[span.trace] = roots.get(span.trace, 0) + 1
        elif span.parent in told.all:
            above = told.all[span.parent]
            assert above.trace == span.trace
    assert all(count == 1 for count in roots.values())
