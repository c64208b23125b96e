"""A file as a release of 2.x (2.0.12 to 2.0.26) keeps it, in the shapes that its schema and published sessions have:
fresh, and migrated from 1.x, where the columns stand in another order. The preview lacks all that is here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.events import LogEntry, SourceError
from tests.adapter.follower import Follower
from tests.adapter.reference_2x import NO_TOKENS, Asked, Call, Step, Tokens
from tests.adapter.seen_2x import Seen
from tests.adapter.writer_2x import Writer2x, call, counters
from tui.model.records import Session
from tui.model.status.state import session_state
from tui.model.store.store import Store

NOW = 1_796_000_000_000
"""The clock of the writer (ms)."""
MODEL = {"id": "big-1", "providerID": "acme", "variant": "default"}


@pytest.fixture(params=["", "plain"], ids=["fresh", "migrated"])
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Writer2x]:
    with Writer2x(tmp_path / "opencode.db", beside=request.param, ms=NOW) as writer:
        yield writer


def said(*content: Any, completed: int = NOW + 900, **fields: Any) -> dict[str, Any]:
    """A step as 2.0.26 writes it when it has ended: the provider was done before the tools were."""
    return {
        "time": {"created": NOW, "streamed": NOW + 500, "completed": completed},
        "agent": "build",
        "model": MODEL,
        "content": list(content),
        "snapshot": {"start": "a" * 40, "end": "b" * 40, "files": []},
        "finish": "stop",
        "rawFinish": "end_turn",
        "cost": 0.5,
        "tokens": counters(100),
        **fields,
    }


def ended(name: str, status: str = "completed", **state: Any) -> dict[str, Any]:
    """A call that was handed to its tool and is over; providers leave things of their own in it."""
    made = call(status, name, created=NOW + 100, ran=NOW + 200, completed=NOW + 300, **state)
    return {**made, "providerState": {"signature": "x"}, "native": {"id": "toolu_1"}}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


async def shown(opencode: Writer2x) -> Seen:
    """What is made of the file; nothing in it is complained of."""
    seen = await Seen.of(opencode.path)
    loud = [log for session in seen.store.sessions.values() for log in session.logs.values()]
    assert [log.message for log in loud if log.severity in ("WRN", "ERR")] == []
    return seen


def state_of(store: Store, session_id: str, after_s: int = 1) -> str:
    found = next(one for one in store.sessions.values() if one.id == session_id)
    return session_state(store, found, (NOW + 1000 * after_s) * 1000).name


def in_model(seen: Seen, session_id: str) -> Session:
    return next(one for one in seen.store.sessions.values() if one.id == session_id)


async def test_a_step_with_everything_that_only_releases_write(opencode: Writer2x) -> None:
    session = opencode.session(None, cost=0.75, tokens_input=150, tokens_output=8)
    asked = opencode.prompt(session, "Please.")
    read = ended(
        "read",
        input={"path": "a.py"},
        content=[text("Read file a.py, lines 1-1\n1: pass")],
        metadata={"truncated": False},
    )
    shell = ended(
        "shell",
        input={"command": "false"},
        content=[text("oh"), text("Command exited with code 1.")],
        metadata={"truncated": False, "exit": 1, "status": "exited"},
    )
    thought = {
        "type": "reasoning",
        "text": "Hm.",
        "providerState": {"x": 1},
        "time": {"created": NOW, "completed": NOW + 50},
    }
    step = opencode.add(session, "assistant", said(thought, text("Done."), read, shell))
    seen = await shown(opencode)
    found = seen.sessions()[session]
    assert found.prompts == [Asked(asked, "Please.", False)]
    assert found.steps == [
        Step(
            step,
            "assistant",
            "completed",
            "build",
            "big-1",
            "acme",
            "stop",
            "",
            Tokens(100),
            0.5,
            [
                Call("read", "completed", {"path": "a.py"}, ["Read file a.py, lines 1-1\n1: pass"]),
                Call("shell", "completed", {"command": "false"}, ["oh", "Command exited with code 1."]),
            ],
            [("reasoning", "Hm."), ("text", "Done.")],
        )
    ]
    # More than the step: the title was asked for.
    assert (found.cost, found.tokens) == (0.75, Tokens(150, 8))
    row = in_model(seen, session)
    assert (row.agent, row.model, row.provider_alias) == ("build", "big-1", "acme"), "the row names none"
    assert row.name, "a session without a title has a name all the same"


async def test_the_model_has_answered_and_its_tools_run_on(opencode: Writer2x) -> None:
    session = opencode.session()
    opencode.prompt(session)
    opencode.begin(session)
    running = call("running", "shell", created=NOW + 100, ran=NOW + 200, input={"command": "make"}, metadata={})
    data = said(text("I build it."), running)
    for name in ("finish", "rawFinish", "cost", "tokens"):
        del data[name]
    del data["time"]["completed"]
    opencode.add(session, "assistant", data)
    seen = await shown(opencode)
    (step,) = seen.sessions()[session].steps
    assert (step.status, step.texts) == ("running", [("text", "I build it.")])
    assert step.calls == [Call("shell", "running", {"command": "make"}, [])]
    (turn,) = in_model(seen, session).turns.values()
    assert [op.status for op in turn.ops.values() if op.kind == "text"] == ["completed"]
    assert state_of(seen.store, session) == "tool"


async def test_sub_agents_whose_results_are_wrapped_and_whose_failures_name_them_in_words(opencode: Writer2x) -> None:
    parent = opencode.session("Delegates")
    done = opencode.session("Look", parent, agent="explore")
    failed = opencode.session("Fail", parent, agent="general")
    opencode.prompt(parent)
    wrapped = f'<subagent sessionID="{done}" state="completed">\nIt is there.\n</subagent>'
    first = ended(
        "subagent",
        input={"agent": "explore", "description": "Look", "prompt": "Look."},
        content=[text(wrapped)],
        metadata={"sessionID": done, "status": "completed"},
    )
    words = f"Provider request failed (sessionID: {failed})"
    second = ended(
        "subagent",
        "error",
        input={"agent": "general", "description": "Fail", "prompt": "Fail."},
        error={"type": "tool.execution", "message": words},
        metadata={"sessionID": failed, "status": "failed"},
    )
    opencode.add(parent, "assistant", said(first, second, finish="tool-calls"))
    (step,) = (await shown(opencode)).sessions()[parent].steps
    assert [(c.child, c.status, c.output, c.error) for c in step.calls or ()] == [
        (done, "completed", [wrapped], ""),
        (failed, "failed", [], words),
    ]


@pytest.mark.parametrize(
    ("outcome", "wanted"), [("succeeded", "idle"), ("failed", "failed"), ("interrupted", "aborted"), ("shutdown", "")]
)
async def test_each_end_of_a_turn_and_the_claim_that_a_shutdown_keeps(
    opencode: Writer2x, outcome: str, wanted: str
) -> None:
    session = opencode.session()
    opencode.prompt(session)
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        opencode.begin(session)
        opencode.add(session, "assistant", said(text("Done.")))
        opencode.end(session, outcome)
        await follower.equals_cold_load()
        found = state_of(follower.store, session)
        if wanted:
            assert found == wanted
        else:
            # A turn is claimed, and no end of it was written: another server may have it, or goes on with it.
            assert found not in ("idle", "failed", "aborted", "completed")
        loud = [event for event in follower.of(LogEntry) if event.severity in ("WRN", "ERR")]
        assert loud + follower.of(SourceError) == []
    ends = opencode.run("SELECT json_extract(data, '$.outcome') FROM session_message WHERE type = 'idle'")
    assert ends == ([[outcome]] if wanted else [])


async def test_what_waits_in_the_inbox_is_shown_until_it_is_taken_up(opencode: Writer2x) -> None:
    session = opencode.session()
    first = opencode.prompt(session, "one")
    opencode.add(session, "assistant", said(text("Done.")))
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        steers = opencode.admit(session, {"text": "two"})
        queued = opencode.admit(session, {"text": "three"}, delivery="queue")
        await follower.equals_cold_load()
        found = (await shown(opencode)).sessions()[session]
        assert [(waits.id, waits.text, waits.delivery) for waits in found.waits] == [
            (steers, "two", "steer"),
            (queued, "three", "queue"),
        ]
        assert [prompt.id for prompt in found.prompts] == [first]
        for later, (message, words) in enumerate(((steers, "two"), (queued, "three")), 1):
            opencode.promote(session, message, {"text": words, "time": {"created": NOW + later}})
        await follower.equals_cold_load()
    found = (await shown(opencode)).sessions()[session]
    assert found.waits == []
    assert [prompt.text for prompt in found.prompts] == ["one", "two", "three"]


async def test_a_fork_copies_rows_under_new_ids_and_begins_at_nothing(opencode: Writer2x) -> None:
    source = opencode.session("The source", cost=0.5, tokens_input=100)
    asked = opencode.prompt(source, "one")
    step = opencode.add(source, "assistant", said(text("Done.")))
    opencode.ms = NOW + 5000
    boundary = json.dumps({"type": "message", "messageID": step})
    fork = opencode.session("The source (fork #1)", fork_session_id=source, fork_boundary=boundary)
    opencode.ms = NOW
    for seq, key in ((4, asked), (5, step)):
        ((kind, data),) = opencode.run(f"SELECT type, data FROM session_message WHERE id = '{key}'")
        opencode.add(fork, kind, data, f"{key}_{seq}")
    found = (await shown(opencode)).sessions()
    assert (found[fork].fork_of, found[fork].cost, found[fork].tokens) == (source, 0.0, NO_TOKENS)
    assert [one.id for one in found[fork].steps] == [f"{step}_5"]
    assert found[fork].steps[0].tokens == found[source].steps[0].tokens == Tokens(100)
    assert (found[source].cost, found[source].tokens) == (0.5, Tokens(100))


async def test_rows_that_only_releases_have_are_read_and_are_no_prompts_of_the_user(opencode: Writer2x) -> None:
    session = opencode.session()
    first = opencode.prompt(session, "one")
    step = opencode.add(session, "assistant", said(text("I plan."), finish="tool-calls"))
    times = {"time": {"created": NOW}}
    reminder = opencode.add(session, "synthetic", {"text": "Stay in plan mode.", **times})
    opencode.add(session, "system", {"text": "Tools were renamed: bash is shell.", **times})
    opencode.add(session, "agent-switched", {"agent": "plan", "previous": "build", **times})
    opencode.add(session, "location-switched", {"location": {"directory": "/elsewhere"}, **times})
    summary = opencode.add(
        session,
        "compaction",
        {
            "status": "completed",
            "reason": "auto",
            "summary": "So far.",
            "recent": "",
            "model": MODEL,
            "cost": 0.25,
            "tokens": counters(900),
            "time": {"created": NOW, "completed": NOW + 10},
        },
    )
    found = (await shown(opencode)).sessions()[session]
    assert found.prompts == [Asked(first, "one", False), Asked(reminder, "Stay in plan mode.", True)]
    assert [(one.id, one.kind, one.status, one.tokens, one.cost) for one in found.steps] == [
        (step, "assistant", "completed", Tokens(100), 0.5),
        (summary, "compaction", "completed", Tokens(900), 0.25),
    ]
    assert found.steps[1].texts == [("text", "So far.")]


async def test_a_step_that_a_dead_server_left_is_closed_by_the_next_and_was_never_completed(opencode: Writer2x) -> None:
    session = opencode.session()
    opencode.prompt(session, "one")
    opencode.begin(session)
    stale = ended(
        "shell",
        "error",
        input={"command": "make"},
        error={"type": "aborted", "message": "Tool execution interrupted: shell"},
    )
    data = said(stale, completed=NOW + 60_000)
    for name in ("finish", "rawFinish", "cost", "tokens"):
        del data[name]
    del data["time"]["streamed"]
    dead = opencode.add(session, "assistant", data)
    opencode.prompt(session, "go on")
    following = said(text("Done."))
    following["time"] = {"created": NOW + 60_000, "completed": NOW + 61_000}
    opencode.add(session, "assistant", following)
    opencode.ms = NOW + 61_000
    opencode.end(session, "succeeded")
    seen = await shown(opencode)
    left, after = seen.sessions()[session].steps
    assert (left.id, left.status, left.finish, left.tokens, left.cost) == (dead, "aborted", "", NO_TOKENS, 0.0)
    assert [(c.status, c.error) for c in left.calls or ()] == [("cancelled", "Tool execution interrupted: shell")]
    assert (after.status, state_of(seen.store, session, 62)) == ("completed", "idle")
    assert seen.ended[dead].end_ts < (NOW + 60_000) * 1000
