"""What the 2.0 preview counts in the columns of a session, which are no sum of its steps; what health says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.local import OpencodeSource
from tests.adapter.follower import Follower, cold_store
from tests.adapter.writer_2x import Writer2x, step
from tests.adapter.writer_preview import WriterPreview
from tui.commands.doctor import lines
from tui.commands.tree_json import tops, tree_text
from tui.model.sums.rollup import NO_DOUBT, own, subtree
from tui.render.bars.health import health_lines
from tui.render.lines import plain

TEXT = {"type": "text", "text": "Hello."}


def described(opencode: WriterPreview) -> tuple[str, str]:
    """A session with a title request of 208 tokens, and a fork of it that has done nothing."""
    original = opencode.session("Original", cost=0.00768, tokens_input=1208)
    opencode.prompt(original, "Say hello.")
    opencode.add(original, "assistant", step(TEXT, completed=2000, tokens=1000))
    later = opencode._now() + 5000
    fork = opencode.session("Original (fork #1)", fork_session_id=original, fork_seq=2, time_created=later)
    opencode.prompt(fork, "Say hello.")
    opencode.add(fork, "assistant", step(TEXT, completed=2000, tokens=1000))
    return original, fork


async def test_the_columns_are_the_truth_and_nothing_disagrees(tmp_path: Path) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        original, fork = described(opencode)
        async with Follower(opencode.path) as follower:
            await follower.loaded(original, fork)
            assert (await follower.source.probe()).disagreeing == {}
            await follower.equals_cold_load()
    async with OpencodeSource(opencode.path) as source:
        async for _ in source.stream():
            pass
        assert source.health().disagreeing == {}


async def test_a_fork_begins_at_nothing_with_steps_that_are_marked_as_copied(tmp_path: Path) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        _, fork = described(opencode)
        store = await cold_store(opencode.path)
        session = next(one for one in store.sessions.values() if one.id == fork)
        assert (own(store, session).usage.total, own(store, session).cost) == (0, 0.0)
        assert (subtree(store, session).cost, own(store, session).doubt) == (0.0, NO_DOUBT)
        told = list(tree_text(store, tops(store), 10**15))
        assert [line for line in told if "copied" in line] == [
            "  ✓ prompt: Say hello.  copied  in 1000 out 0 $0.0010",
            "    ✓ step 1  Hello.  copied  in 1000 out 0 $0.0010",
        ]


@pytest.mark.parametrize(("version", "total"), [("1.18.33", 1000), ("0.0.0-next-16350", 0)])
async def test_columns_without_anything_are_unknown_only_of_a_session_of_1x(
    tmp_path: Path, version: str, total: int
) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        session_id = opencode.session(version=version)
        opencode.add(session_id, "assistant", step(TEXT, completed=2000, tokens=1000))
        store = await cold_store(opencode.path)
        (session,) = store.sessions.values()
        assert own(store, session).usage.total == total


async def test_health_calls_the_storage_what_it_is_and_counts_its_rows(tmp_path: Path) -> None:
    with WriterPreview(tmp_path / "opencode.db") as opencode:
        described(opencode)
        async with OpencodeSource(opencode.path) as source:
            health = await source.probe()
    assert (health.family, health.strategy) == ("preview", "event feed")
    assert health.counts == {"sessions": 2, "messages": 0, "parts": 0, "session_messages": 4, "events": 6}
    line = plain(health_lines(health)[0])
    assert "2.0 preview (session) 0.0.0-next-16350  " in line
    assert line.endswith("2 sessions and sub-agents  4 session_messages  6 events")
    text = lines(health)
    assert any(said.endswith("2.0 preview (session), opencode 0.0.0-next-16350") for said in text)
    assert any(said.endswith("2 sessions, 4 session_messages, 6 events") for said in text)


@pytest.mark.parametrize(
    ("beside", "family", "words"),
    [("", "v2", "2.x (session_v2), opencode"), ("plain", "v1+v2", "2.x beside 1.x (session_v2, session), opencode")],
)
async def test_a_file_of_released_2x_is_called_so(tmp_path: Path, beside: str, family: str, words: str) -> None:
    with Writer2x(tmp_path / "opencode.db", beside=beside) as opencode:
        opencode.session()
        async with OpencodeSource(opencode.path) as source:
            health = await source.probe()
    assert health.family == family
    assert any(words in said for said in lines(health))
    assert any(", 0 messages" in said for said in lines(health)) is False
