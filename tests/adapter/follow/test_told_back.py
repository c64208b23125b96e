"""What was told and is so no more, or is so again: the tail ends where a cold load does."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.events import SessionFinalized
from tests.adapter.follow.helpers import Clocks, at_rest, quiet
from tests.adapter.follower import Follower
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.adapter.writer import now_ms
from tests.adapter.writer_2x import Writer2x


def title(follower: Follower, session: str) -> str:
    return getattr(follower.session(session), "title", "")


@pytest.mark.parametrize("kind", ["1.18.33", "1.15.13", "2.x"])
async def test_a_title_that_was_told_and_set_back_is_the_old_one(tmp_path: Path, kind: str) -> None:
    """The way back is a commit that neither a feed nor a number tells of."""
    path = tmp_path / "opencode.db"
    with Writer2x(path) if kind == "2.x" else OpencodeWriter(path, kind) as opencode:
        table = "session_v2" if kind == "2.x" else "session"
        session = opencode.session("X")
        async with quiet(Follower(path), session) as follower:
            for _ in range(3):
                opencode.change_session(session, title="Y")
                await follower.until(lambda: title(follower, session) == "Y")
                opencode.commit((f"UPDATE {table} SET title = 'X'", ()))
                await follower.until(lambda: title(follower, session) == "X")
            await follower.equals_cold_load()


@pytest.mark.parametrize("told", [True, False], ids=["one is told", "none is told"])
@pytest.mark.parametrize("version", ["1.18.33", "1.15.13"])
async def test_a_message_that_is_moved_to_another_session_is_in_that_one(
    tmp_path: Path, version: str, told: bool
) -> None:
    clocks = Clocks()
    with OpencodeWriter(tmp_path / "opencode.db", version) as opencode:
        one, other = opencode.session("One"), opencode.session("Other")
        moved = opencode.assistant(one, opencode.user(one), completed=1, finish="stop")
        opencode.part(moved, tool("completed", output="x"))
        opencode.user(other)
        opencode.assistant(one)
        follower = Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic)
        async with quiet(follower, one, other):
            opencode.commit(
                ("UPDATE message SET session_id = ? WHERE id = ?", (other, moved)),
                ("UPDATE part SET session_id = ? WHERE message_id = ?", (other, moved)),
                *(opencode._event(other, "message.updated.1", {"info": {"id": moved}}) if told else []),
            )
            clocks.pass_by(61.0)
            follower.nudge()
            await follower.equals_cold_load()
            mine, theirs = follower.session(one), follower.session(other)
            assert mine is not None
            assert theirs is not None
            assert moved not in mine.turns
            assert moved in theirs.turns


async def test_a_failed_session_that_is_renamed_without_an_event_stays_failed(tmp_path: Path) -> None:
    clocks = Clocks()
    with OpencodeWriter(tmp_path / "opencode.db", ms=now_ms() - 86_400_000) as opencode:
        error = {"name": "APIError", "data": {"message": "no"}}
        sessions = [opencode.session(f"Number {number}") for number in range(8)]
        for session in sessions:
            opencode.assistant(session, opencode.user(session), completed=1, error=error)
        opencode.ms = None
        async with Follower(opencode.path, clock=clocks.wall, monotonic=clocks.monotonic) as follower:
            await follower.until(lambda: follower.source.health().checked == 8)
            await at_rest(follower)
            renamed = next(key for key in sessions if not follower.session(key).loaded)  # type: ignore[union-attr]
            told = len(follower.events)
            opencode.commit(("UPDATE session SET title = 'Renamed' WHERE id = ?", (renamed,)))
            await follower.until(lambda: title(follower, renamed) == "Renamed")
            ends = [event for event in follower.events[told:] if isinstance(event, SessionFinalized)]
            assert [(event.session_id, event.status, event.error_class) for event in ends] == [
                (renamed, "failed", "APIError")
            ]
            await follower.equals_cold_load()
            assert {follower.session(key).final_status for key in sessions} == {"failed"}  # type: ignore[union-attr]
