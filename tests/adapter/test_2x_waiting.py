"""Prompts of 2.x that wait to be taken up: rows of another table, until they become rows of the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.local import OpencodeSource
from tests.adapter.follow.helpers import at_rest, noting_statements
from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x, call, step
from tests.adapter.writer_preview import WriterPreview
from tui.commands.tree_json import tops, tree_objects, tree_text
from tui.model.records import Session
from tui.model.status.state import prompt_state, session_state

TEXT = {"type": "text", "text": "Hello."}
RUNNING = call("running", ran=1200, input={"command": "sleep 45"}, metadata={})


@pytest.fixture(params=[WriterPreview, Writer2x], ids=["preview", "released"])
def opencode(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path / "opencode.db") as writer:
        yield writer


def prompts(session: Session | None) -> list[tuple[str, bool, str]]:
    assert session is not None
    return [(one.label, one.waits, one.extras.get("delivery", "")) for one in session.prompts.values()]


def claim(opencode: Any, session_id: str) -> None:
    """A turn begins, as either version writes it."""
    if isinstance(opencode, WriterPreview):
        opencode.execution(session_id, "started")
    else:
        opencode.change_session(session_id, time_suspended=now_ms())


async def test_a_new_session_shows_the_prompt_that_waits(opencode: Any) -> None:
    session = opencode.session()
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        found = follower.session(session)
        assert found is not None
        assert session_state(follower.store, found, now_ms() * 1000).reason == "no prompt yet"
        waiting = opencode.admit(session, {"text": "Go."})
        await follower.until(lambda: bool(found.prompts))
        await follower.equals_cold_load()
        assert prompts(found) == [("Go.", True, "steer")]
        assert "a prompt has waited for" in session_state(follower.store, found, now_ms() * 1000).reason
        opencode.promote(session, waiting, {"text": "Go.", "time": {"created": now_ms()}})
        await follower.equals_cold_load()
        assert prompts(found) == [("Go.", False, "")]
        opencode.add(session, "assistant", step(TEXT, created=now_ms()))
        await follower.equals_cold_load()
        assert [turn.prompt_id for turn in found.turns.values()] == [waiting]


async def test_prompts_wait_beside_a_turn_and_are_taken_up_in_their_order(opencode: Any) -> None:
    session = opencode.session()
    first = opencode.prompt(session, "First.")
    claim(opencode, session)
    running = opencode.add(session, "assistant", step(RUNNING, created=now_ms()))
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        steers = opencode.admit(session, {"text": "Steer."})
        queued = opencode.admit(
            session, {"text": "Later.", "files": [{"mime": "text/plain", "data": "eA=="}]}, "user", "queue"
        )
        opencode.admit(session, {}, "compaction", None)
        opencode.admit(session, {"text": "<x>", "description": "A notice"}, "synthetic", "queue")
        await follower.equals_cold_load()
        found = follower.session(session)
        assert found is not None
        assert prompts(found) == [
            ("First.", False, ""),
            ("Steer.", True, "steer"),
            ("Later.", True, "queue"),
            ("", True, ""),
            ("A notice", True, "queue"),
        ]
        # What waits is nobody's prompt: the turn that runs is what the session does.
        assert session_state(follower.store, found, now_ms() * 1000).name == "tool"
        state = prompt_state(follower.store, found, found.prompts[steers], now_ms() * 1000)
        assert (state.name, state.subject) == ("starting", "waits")
        lines = [
            line.strip()[2:].split("  ")[0] for line in tree_text(follower.store, tops(follower.store), now_ms() * 1000)
        ]
        assert lines[-4:] == [
            "waits for the next step: Steer.",
            "waits for the end of the turn: Later.",
            "waits: (compaction)",
            "waits for the end of the turn: A notice",
        ]
        # The turn goes on: its steps answer the first prompt, then the one that steers.
        opencode.rewrite(running, step(TEXT, created=now_ms(), completed=now_ms(), finish="tool-calls"))
        opencode.add(session, "assistant", step(TEXT, created=now_ms(), completed=now_ms(), finish="tool-calls"))
        await follower.equals_cold_load()
        opencode.promote(session, steers, {"text": "Steer.", "time": {"created": now_ms()}})
        opencode.add(session, "assistant", step(TEXT, created=now_ms(), completed=now_ms()))
        await follower.equals_cold_load()
        file = {"mime": "text/plain", "data": "eA=="}
        opencode.promote(session, queued, {"text": "Later.", "files": [file], "time": {"created": now_ms()}})
        await follower.equals_cold_load()
        opencode.add(session, "assistant", step(TEXT, created=now_ms(), completed=now_ms()))
        await follower.equals_cold_load()
        assert [turn.prompt_id for turn in found.turns.values()] == [first, first, steers, queued]
        assert [payload.kind for payload in found.prompts[queued].payloads.values()] == ["user_prompt", "attachment"]


async def test_a_prompt_that_is_taken_back_is_gone(opencode: Any) -> None:
    session = opencode.session()
    opencode.prompt(session, "First.")
    one, other = (opencode.admit(session, {"text": text}, "user", "queue") for text in ("One.", "Other."))
    table = "session_pending" if isinstance(opencode, WriterPreview) else "session_inbox"
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        for message_id in (one, other):
            gone = (f"DELETE FROM {table} WHERE id = ?", [message_id])
            moved = ("UPDATE event_sequence SET seq = seq + 1 WHERE aggregate_id = ?", [session])
            opencode.commit(gone, moved)
            await follower.equals_cold_load()
        assert prompts(follower.session(session)) == [("First.", False, "")]


async def test_the_text_is_found_while_it_waits_and_after(opencode: Any) -> None:
    session = opencode.session()
    waiting = opencode.admit(session, {"text": "A long prompt."})
    store = await cold_store(opencode.path)
    (found,) = store.sessions.values()
    (uri,) = found.prompts[waiting].payloads
    async with OpencodeSource(opencode.path) as source:
        assert (await source.payload(uri)).text == "A long prompt."
        opencode.promote(session, waiting, {"text": "A long prompt.", "time": {"created": now_ms()}})
        assert (await source.payload(uri)).text == "A long prompt."


async def test_a_prompt_that_waits_while_no_turn_is_going_on(tmp_path: Path) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        session = opencode.session()
        opencode.prompt(session)
        opencode.execution(session, "started")
        opencode.add(session, "assistant", step(TEXT, created=now_ms(), completed=now_ms()))
        opencode.execution(session, "succeeded")
        opencode.admit(session, {"text": "Later."})
        store = await cold_store(opencode.path)
        (found,) = store.sessions.values()
        state = session_state(store, found, now_ms() * 1000)
        assert (state.name, "no turn is going on that would take it up" in state.reason) == ("idle", True)
        assert "  … waits for the next step: Later." in list(tree_text(store, tops(store), now_ms() * 1000))
        (told,) = list(tree_objects(store, tops(store), now_ms() * 1000))
        assert [(one["label"], one["delivery"]) for one in told["waiting"]] == [("Later.", "steer")]


async def test_an_old_session_in_which_a_prompt_waits_is_read(opencode: Any) -> None:
    for number in range(5):
        opencode.ms = now_ms() - 86_400_000 + number * 1000
        session = opencode.session()
        opencode.prompt(session)
        opencode.add(session, "assistant", step(TEXT, completed=2000))
    oldest = opencode.sessions[0]
    opencode.admit(oldest, {"text": "Later."})
    async with Follower(opencode.path) as follower:
        await follower.until(lambda: (one := follower.session(oldest)) is not None and one.whole)
        assert prompts(follower.session(oldest))[1] == ("Later.", True, "steer")


async def test_a_prompt_that_is_taken_up_does_not_read_its_session_again(
    opencode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opencode.ms = now_ms() - 3_600_000
    session = opencode.session()
    for number in range(200):
        opencode.add(session, "assistant", step(TEXT, completed=2000, tokens=number))
    opencode.ms = None
    waiting = opencode.admit(session, {"text": "Go."})
    async with Follower(opencode.path) as follower:
        await follower.loaded(session)
        await follower.equals_cold_load()
        await at_rest(follower)
        statements = noting_statements(monkeypatch)
        opencode.promote(session, waiting, {"text": "Go.", "time": {"created": now_ms()}})
        await follower.until(lambda: prompts(follower.session(session)) == [("Go.", False, "")])
        data = [asked.rows for asked in statements if '"data"' in asked.sql and "session_message" in asked.sql]
        # Once because it is new, and once more because what was written just now is looked at again.
        assert 1 <= sum(data) <= 2
        await follower.equals_cold_load()


@pytest.mark.parametrize("data", ["{", "[]", '"x"', '{"files": 3, "text": {}}'])
async def test_a_waiting_row_that_is_nonsense_costs_itself(opencode: Any, data: str) -> None:
    session = opencode.session()
    opencode.prompt(session, "First.")
    opencode.admit(session, data)
    opencode.admit(session, {"text": "Last."})
    store = await cold_store(opencode.path)
    (found,) = store.sessions.values()
    assert [one.label for one in found.prompts.values() if one.label in ("First.", "Last.")] == ["First.", "Last."]
    assert any(log.severity == "WRN" for log in found.logs.values())
