"""What 2.x itself says of whether a session is at work: the claim and the idle columns of released 2.x, and the events
about turns of its preview. It outranks whatever the rows of the steps look like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.events import SessionFinalized
from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, call, step
from tests.adapter.writer_preview import WriterPreview
from tui.model.records import Session, turn_key
from tui.model.status.state import State, is_open, node_state, session_state
from tui.model.store.store import Store

TEXT = {"type": "text", "text": "Hello."}
RUNNING = call("running", ran=1200, input={"command": "sleep 45"}, metadata={})
STOPPED = {"type": "aborted", "message": "Step interrupted"}
MINUTE = 60_000_000


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Writer2x]:
    """Fresh file of 2.0.x."""
    with Writer2x(tmp_path / "opencode.db") as opencode:
        yield opencode


@pytest.fixture
def preview(tmp_path: Path) -> Iterator[WriterPreview]:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        yield opencode


def only(store: Store) -> Session:
    (session,) = store.sessions.values()
    return session


async def state_of(path: Path, later_us: int = 1_000_000) -> State:
    """What the only session does, so long after the newest time that it names."""
    store = await cold_store(path)
    return session_state(store, only(store), now_ms() * 1000 + later_us)


def asked(opencode: Any, *answers: Any) -> str:
    session_id: str = opencode.session()
    opencode.prompt(session_id)
    for answer in answers:
        opencode.add(session_id, "assistant", answer)
    return session_id


# -- released 2.x


async def test_a_claim_says_that_a_turn_goes_on_where_no_row_is_open(released: Writer2x) -> None:
    session = asked(released, step(TEXT, created=now_ms(), completed=now_ms()))
    async with Follower(released.path) as follower:
        await follower.loaded(session)
        found = follower.session(session)
        assert found is not None
        assert session_state(follower.store, found, now_ms() * 1000).reason.startswith("it answered")
        released.change_session(session, time_suspended=now_ms())
        await follower.equals_cold_load()
        state = session_state(follower.store, found, now_ms() * 1000 + 2 * MINUTE)
        assert (state.name, state.inferred) == ("between", False)
        assert "the next step has not begun for 2m" in state.reason
        assert session_state(follower.store, found, now_ms() * 1000 + 20 * MINUTE).name == "orphaned"
        assert is_open(found)
        ended = now_ms()
        released.change_session(session, time_suspended=None, time_idle=ended, idle_outcome="succeeded")
        await follower.equals_cold_load()
        assert session_state(follower.store, found, now_ms() * 1000).name == "idle"
        assert not is_open(found)


async def test_without_a_claim_an_open_step_is_nobodys(released: Writer2x) -> None:
    session = asked(released, step(RUNNING))
    released.change_session(session, time_suspended=now_ms())
    assert (await state_of(released.path)).name == "tool"
    released.change_session(session, time_suspended=None)
    state = await state_of(released.path)
    assert (state.name, state.inferred) == ("orphaned", False)
    assert "no turn is going on" in state.reason
    store = await cold_store(released.path)
    found = only(store)
    (turn,) = found.turns.values()
    assert node_state(store, turn_key(found, turn), 10**16).name == "orphaned"  # type: ignore[union-attr]


async def test_a_session_whose_server_was_stopped_is_no_aborted_one(released: Writer2x) -> None:
    asked(released, step(TEXT, created=now_ms(), completed=now_ms() + 5, finish="error", error=STOPPED))
    assert (await state_of(released.path)).name == "aborted"
    released.change_session(released.sessions[0], time_suspended=now_ms() - 5000, resume_attempts=2)
    state = await state_of(released.path)
    assert (state.name, state.inferred) == ("suspended", True)
    store = await cold_store(released.path)
    found = only(store)
    assert (found.final_status, found.extras["resume_attempts"]) == ("", 2)
    # What failed before the turn that goes on now is its past.
    released.change_session(released.sessions[0], time_suspended=now_ms() + 60_000)
    assert (await state_of(released.path)).name == "between"


async def test_a_claim_of_a_session_that_is_not_read_makes_it_be_read(released: Writer2x) -> None:
    """However old it is: what a dead server left, and what runs in silence."""
    released.ms = now_ms() - 86_400_000
    sessions = [asked(released, step(TEXT, completed=2000)) for _ in range(5)]
    released.change_session(sessions[0], time_suspended=released.ms)
    async with Follower(released.path) as follower:
        await follower.until(lambda: (one := follower.session(sessions[0])) is not None and one.whole)


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "interrupted"])
async def test_the_outcome_of_a_turn_is_the_state_of_the_session(released: Writer2x, outcome: str) -> None:
    session = asked(released, step(RUNNING))
    released.add(session, "idle", {"outcome": outcome, "time": {"created": now_ms()}})
    released.change_session(session, time_idle=now_ms(), idle_outcome=outcome)
    names = {"succeeded": "idle", "failed": "failed", "interrupted": "aborted"}
    assert (await state_of(released.path)).name == names[outcome]


async def test_columns_are_read_by_name_in_whatever_order_a_migration_left_them(tmp_path: Path) -> None:
    with Writer2x(tmp_path / "opencode.db") as opencode:
        session = asked(opencode, step(RUNNING))
        opencode.change_session(session, time_suspended=now_ms(), fork_session_id="ses_x")
        fresh = only(await cold_store(opencode.path))
        names = [row[1] for row in opencode.run("PRAGMA table_info(session_v2)")]
        others = ", ".join(["id", *sorted(set(names) - {"id"}, reverse=True)])
        opencode.run(f"CREATE TABLE migrated AS SELECT {others} FROM session_v2")
        opencode.run("PRAGMA foreign_keys=OFF")
        opencode.run("DROP TABLE session_v2")
        opencode.run("ALTER TABLE migrated RENAME TO session_v2")
        assert [row[1] for row in opencode.run("PRAGMA table_info(session_v2)")] != names
        assert only(await cold_store(opencode.path)).extras == fresh.extras


async def test_a_command_of_the_user_runs_without_a_claim(released: Writer2x) -> None:
    session = asked(released, step(TEXT, completed=2000))
    released.change_session(session, time_idle=now_ms(), idle_outcome="succeeded")
    command = {"shellID": "sh_1", "command": "make", "status": "running", "time": {"created": now_ms()}}
    released.add(session, "shell", command)
    assert (await state_of(released.path)).name == "tool"
    assert is_open(only(await cold_store(released.path)))


# -- the preview


async def test_in_the_preview_events_say_it(preview: WriterPreview) -> None:
    session = asked(preview)
    preview.execution(session, "started")
    async with Follower(preview.path) as follower:
        await follower.loaded(session)
        await follower.equals_cold_load()
        found = follower.session(session)
        assert found is not None
        assert found.extras["claimed"] is True
        assert "resume_attempts" not in found.extras
        message = preview.add(session, "assistant", step(TEXT, created=now_ms()))
        preview.rewrite(message, step(TEXT, created=now_ms(), completed=now_ms(), finish="tool-calls"))
        await follower.equals_cold_load()
        later = now_ms() * 1000 + 2 * MINUTE
        assert session_state(follower.store, found, later).name == "between"
        preview.execution(session, "succeeded")
        await follower.until(lambda: found.extras.get("claimed") is False)
        assert found.extras["idle_outcome"] == "succeeded"
        assert session_state(follower.store, found, later).name == "idle"
        await follower.equals_cold_load()


async def test_in_the_preview_a_graceful_stop_is_a_pause(preview: WriterPreview) -> None:
    stopped = step(TEXT, created=now_ms(), completed=now_ms(), finish="error", error=STOPPED)
    session = asked(preview, stopped)
    preview.execution(session, "started")
    async with Follower(preview.path) as follower:
        await follower.loaded(session)
        preview.change_session(session, time_suspended=now_ms())
        preview.execution(session, "interrupted", reason="shutdown")
        await follower.equals_cold_load()
        found = follower.session(session)
        assert found is not None
        state = session_state(follower.store, found, now_ms() * 1000)
        assert (state.name, state.inferred) == ("suspended", False)
        assert "the next start goes on with it" in state.reason
        assert follower.of(SessionFinalized) == [] or found.final_status == ""
        preview.change_session(session, time_suspended=None)
        preview.execution(session, "started")
        await follower.equals_cold_load()
        assert session_state(follower.store, found, now_ms() * 1000).name != "suspended"


async def test_a_stop_during_a_retry_leaves_a_step_that_nobody_works_on(preview: WriterPreview) -> None:
    session = asked(preview, step(created=now_ms()))
    preview.execution(session, "started")
    assert (await state_of(preview.path)).name == "starting"
    preview.execution(session, "interrupted", reason="shutdown")
    assert (await state_of(preview.path)).name == "aborted"


async def test_an_event_feed_that_was_emptied_says_nothing(preview: WriterPreview) -> None:
    session = asked(preview, step(TEXT, completed=2000))
    preview.execution(session, "started")
    preview.commit(("DELETE FROM event", []))
    assert "claimed" not in only(await cold_store(preview.path)).extras
