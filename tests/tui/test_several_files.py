"""A session in two real files at once, both of which are watched: the row is the copy that goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapter.local import OpencodeSource
from tests.adapter import corpus
from tests.adapter.follower import Follower, apply, differences
from tests.adapter.opencode_writer import OpencodeWriter
from tests.adapter.writer import now_ms
from tests.tui.stage import screen_text, until
from tui.app import ViewerApp
from tui.feed import worker
from tui.model.records import Session
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list[OpencodeWriter]]:
    """Two files with the same session of long ago, which has a sub-agent, and who writes them."""
    paths = (tmp_path / "opencode.db", tmp_path / "opencode-next.db")
    with OpencodeWriter(paths[0], ms=1_700_000_000_000) as one, OpencodeWriter(paths[1], ms=1_700_000_000_000) as two:
        for opencode in (one, two):
            session = opencode.session("Both")
            opencode.assistant(session, opencode.user(session))
            opencode.user(opencode.session("Below", session))
            opencode.ms = None
        assert one.sessions == two.sessions
        yield [one, two]


@asynccontextmanager
async def watched(*paths: Path) -> AsyncIterator[tuple[Store, list[Follower]]]:
    """One model that follows two files."""
    followers = [Follower(path) for path in paths]
    store = followers[0].store
    for follower in followers:
        follower.store = store
        store.copies.prefer([follower.source.source])
    async with followers[0], followers[1]:
        yield store, followers


async def cold(*paths: Path) -> Store:
    """The model of both files as they are now."""
    store = Store()
    for path in paths:
        async with OpencodeSource(path, watch=False) as source:
            async for batch in source.stream():
                apply(store, source.source, batch)
    return store


def the(store: Store, session_id: str) -> Session:
    """The one row of an id."""
    (found,) = [session for (_, name), session in store.sessions.items() if name == session_id]
    return found


async def test_the_row_moves_with_its_sub_agent_to_the_file_in_which_it_goes_on(writers: list[OpencodeWriter]) -> None:
    paths = [opencode.path for opencode in writers]
    session, child = writers[0].sessions
    async with watched(*paths) as (store, followers):
        for follower in followers:
            follower.source.request(session)
        for follower in followers:
            await follower.until(lambda: len(store.copies.aside) == 2)
        assert the(store, session).source == the(store, child).source == followers[0].source.source
        for turn, at in enumerate((1, 0, 1)):
            opencode, follower = writers[at], followers[at]
            title = f"{opencode.path.name} {turn}"
            opencode.assistant(session, opencode.user(session, title))
            opencode.change_session(session, title=title, time_updated=now_ms())
            await follower.until(lambda words=title: the(store, session).title == words)  # type: ignore[misc]
            assert the(store, session).source == the(store, child).source == follower.source.source
            assert subtree(store, the(store, session)).sessions == 2
            fresh = await cold(*paths)
            await follower.until(
                lambda fresh=fresh: not differences(store, fresh),  # type: ignore[misc]
                lambda fresh=fresh: "\n".join(differences(store, fresh)),  # type: ignore[misc]
            )
            assert len(the(store, session).turns) == 2 + turn // 2


async def test_a_session_deleted_in_one_file_is_shown_from_the_other(writers: list[OpencodeWriter]) -> None:
    paths = [opencode.path for opencode in writers]
    session, child = writers[0].sessions
    async with watched(*paths) as (store, followers):
        for follower in followers:
            await follower.until(lambda: len(store.copies.aside) == 2)
        for session_id in (child, session):
            writers[0].remove_session(session_id)
        await followers[0].until(lambda: not store.copies.aside)
        assert {source for source, _ in store.sessions} == {followers[1].source.source}
        assert subtree(store, the(store, session)).sessions == 2


async def test_a_session_of_1x_that_went_on_in_the_file_of_a_2x_channel_is_there_once(tmp_path: Path) -> None:
    """What 1.18.33 left, and what the preview made of a copy of it."""
    old = corpus.build("1.18.33/task", tmp_path / "opencode.db")
    new = corpus.build(f"{corpus.PREVIEW}/given-task", tmp_path / "opencode-next.db")
    for paths in ((old, new), (new, old)):
        store = await cold(*paths)
        (top,) = [session for session in store.sessions.values() if session.title == "Lab tools"]
        # Its sub-agent's row is the same in both.
        assert [child.source for child in store.children_of(top)] == [top.source] == [f"opencode:{new}"]
        assert len(store.sessions) == 3
        assert len(store.copies.aside) == 2
        assert store.copies.outdated(store.sessions) == {f"opencode:{old}"}
        alone = await cold(new)
        assert subtree(store, top) == subtree(alone, the(alone, top.id))


async def test_the_screen_shows_one_row_and_no_backup_in_the_bar(
    writers: list[OpencodeWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "DISCOVER_EVERY", 0.01)
    live, backup = (OpencodeSource(opencode.path, backup=at > 0) for at, opencode in enumerate(writers))
    app = ViewerApp([live], discover=lambda: [backup])
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: len(app.store.copies.aside) == 2)
        await until(pilot, lambda: len(app.view.sources.healths) == 2)
        await pilot.pause()
        lines = screen_text(app)
        assert sum("Both" in line for line in lines[:20] if "●" in line or "◦" in line or "☓" in line) == 1
        assert [key[0] for key in app.view.rows.tops()] == [live.source]
        assert "databases" not in lines[0]

        def told() -> str:
            return "".join(line.partition("▏")[2].strip() for line in screen_text(app))

        # Not at once where the detail has just been drawn.
        await until(pilot, lambda: "opencode-next.dbthe same, as of 2023-11-1" in told())
        # It goes on in the other file, which was none.
        session = writers[1].sessions[0]
        writers[1].user(session, "Go on")
        writers[1].change_session(session, time_updated=now_ms())
        await until(pilot, lambda: [key[0] for key in app.view.rows.tops()] == [backup.source])
    assert app.view.fault == ""
