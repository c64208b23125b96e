"""The beginning of a long session is told before the rest of it is read, and nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from adapter.contract import Batch
from adapter.events import Event, SessionFinalized, SessionStarted, SourceProgress, TurnRemoved, TurnStarted
from adapter.local import OpencodeSource
from adapter.opencode import storage
from adapter.opencode.storage import RawSession, read_beginning, read_whole
from tests.adapter import corpus
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tui.model.store.store import Store

STEPS = 12


@pytest.fixture(autouse=True)
def ten_messages_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LONG", 10)
    monkeypatch.setattr(storage, "BEGINNING", 4)


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        yield writer


@pytest.fixture
async def source(opencode: OpencodeWriter) -> AsyncIterator[OpencodeSource]:
    async with OpencodeSource(opencode.path) as found:
        yield found


def session(opencode: OpencodeWriter, steps: int = STEPS) -> str:
    """A session whose last step has failed."""
    made = opencode.session()
    prompt = opencode.user(made)
    for _ in range(steps - 1):
        opencode.part(opencode.assistant(made, prompt, completed=1, finish="stop"), tool("completed", output="x"))
    opencode.assistant(made, prompt, completed=1, error={"name": "APIError", "data": {"message": "no"}})
    return made


async def up_to_whole(source: OpencodeSource, session_id: str) -> list[Batch]:
    """The batches about a session, up to the one with which it is whole."""
    found: list[Batch] = []
    async with aclosing(source.tail()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            if any(getattr(event, "message_id", "") for event in batch.events):
                found.append(batch)
            if session_id in batch.loaded:
                return found
    raise AssertionError("the end was never told")


async def read(source: OpencodeSource, session_id: str) -> RawSession:
    """The rows of a session."""
    await source.open()
    return await source._database.read(lambda snapshot: read_whole(snapshot, source._database.schema, session_id))


async def read_first(source: OpencodeSource, session_id: str) -> RawSession | None:
    """The rows of its beginning."""
    await source.open()
    return await source._database.read(lambda snapshot: read_beginning(snapshot, source._database.schema, session_id))


async def begin(source: OpencodeSource, session_id: str) -> list[Event]:
    """What its beginning tells."""
    raw = await read_first(source, session_id)
    assert raw is not None
    source._follower.memory.begin(session_id, raw)
    return source._follower.memory.take()[0]


async def read_cold(path: Path, session_id: str) -> Store:
    """A model of a session that has been read at once."""
    loaded = Store()
    async with OpencodeSource(path) as cold:
        loaded.apply(await cold.load(session_id))
    return loaded


def of_turns(events: list[Event]) -> list[Event]:
    """Without what is told of the session itself, and how far it goes."""
    return [event for event in events if not isinstance(event, SessionStarted | SessionFinalized | SourceProgress)]


async def test_a_long_session_comes_in_two_batches_and_once(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    made = session(opencode)
    beginning, rest = await up_to_whole(source, made)
    assert (beginning.begun, beginning.loaded) == ([made], [])
    assert (rest.begun, rest.loaded) == ([], [made])
    # A cursor would say that all of it has been told.
    assert not any(isinstance(event, SourceProgress) for event in beginning.events)
    assert isinstance(rest.events[-1], SourceProgress)
    async with OpencodeSource(opencode.path) as cold:
        whole = await cold.load(made)
    assert of_turns([*beginning.events, *rest.events]) == of_turns(whole)
    assert (
        {event.message_id for event in whole if isinstance(event, TurnStarted)}
        > {event.message_id for event in beginning.events if isinstance(event, TurnStarted)}
        > set()
    )
    followed, loaded = Store(), Store()
    for events in (beginning.events, rest.events):
        followed.apply(events)
    loaded.apply(whole)
    assert followed.sessions == loaded.sessions
    assert followed.sessions[source.source, made].final_status == "failed"


async def test_a_short_session_comes_in_one(opencode: OpencodeWriter, source: OpencodeSource) -> None:
    assert len(await up_to_whole(source, session(opencode, 4))) == 1


async def test_who_stops_at_the_beginning_is_told_the_rest_the_next_time(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    made = session(opencode)
    book = source._follower.memory
    beginning = of_turns(await begin(source, made))
    assert book.tracked(made) is None
    await book.whole(made, await read(source, made))
    rest, loaded = book.take()
    async with OpencodeSource(opencode.path) as cold:
        assert [*beginning, *of_turns(rest)] == of_turns(await cold.load(made))
    assert loaded == [made]


async def test_what_a_beginning_told_is_taken_back_where_it_is_gone_at_the_next_read(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    """As where the file is replaced while a long session is read."""
    made = session(opencode)
    opencode.user(made)
    book = source._follower.memory
    followed = Store()
    followed.apply(await begin(source, made))
    assert len(followed.sessions[source.source, made].turns) > 1
    opencode.commit(("DELETE FROM part", ()), ("DELETE FROM message WHERE rowid < 4", ()))
    await book.whole(made, await read(source, made))
    followed.apply(book.take()[0])
    assert followed.sessions == (await read_cold(opencode.path, made)).sessions


async def test_what_is_known_already_is_not_told_from_its_beginning(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    made = session(opencode)
    book = source._follower.memory
    await book.whole(made, await read(source, made))
    book.take()
    assert book.has_emitted(made)
    assert await source._follower._begin(made) is False
    assert book.take() == ([], [])


async def test_a_message_that_comes_before_the_beginning_meanwhile_is_told_in_its_place(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    """As where a clock was set back."""
    made = session(opencode)
    followed = Store()
    followed.apply(await begin(source, made))
    opencode.message(made, {"role": "user", "time": {"created": 5}}, created=5)
    book = source._follower.memory
    await book.whole(made, await read(source, made))
    followed.apply(book.take()[0])
    assert followed.sessions == (await read_cold(opencode.path, made)).sessions


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
async def test_a_beginning_and_the_rest_are_the_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "LONG", 2)
    monkeypatch.setattr(storage, "BEGINNING", 1)
    path = corpus.build(name, tmp_path / "copy.db")
    async with OpencodeSource(path, watch=False) as source, OpencodeSource(path, watch=False) as cold:
        book, begun = source._follower.memory, 0
        for row in await source._session_rows():
            followed, loaded = Store(), Store()
            raw = await read_first(source, row.id)
            if raw is not None:
                book.begin(row.id, raw)
                followed.apply(book.take()[0])
                begun += 1
            await book.whole(row.id, await read(source, row.id))
            followed.apply(book.take()[0])
            loaded.apply(await cold.load(row.id))
            mine, right = (each.sessions[source.source, row.id] for each in (followed, loaded))
            assert (mine.turns, mine.prompts) == (right.turns, right.prompts)
    # 1.17.11 has rows of both tables in a session, which are in order when all of them are there.
    assert begun or name.startswith("1.17.11/") or name.endswith("/given-v2-api.opened")


# -- and nobody waits for its end


@pytest.fixture
def at_every_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses wherever there may be one, as on a machine on which a session of 10,000 rows takes seconds."""
    monkeypatch.setattr("adapter.pace.PAUSE_S", -1.0)
    monkeypatch.setattr("adapter.pace.SLICE_S", -1.0)


async def told_meanwhile(batches: AsyncIterator[Batch], long: str, is_it: Callable[[Event], bool]) -> bool:
    """Whether such an event comes before the end of the long session does."""
    async for batch in batches:
        if any(map(is_it, batch.events)):
            return long not in batch.loaded
        assert long not in batch.loaded
    raise AssertionError("the tail has ended")


@pytest.mark.usefixtures("at_every_turn")
async def test_what_is_committed_to_others_is_told_before_the_end_of_a_long_session(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    made, other = session(opencode, 600), opencode.session("other")
    async with aclosing(source.tail()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            if made in batch.begun:
                break
        prompt = opencode.user(other, "now")
        changed = opencode.part(
            next(m for m, owner in opencode.messages.items() if owner == made), {"type": "text", "text": "meanwhile"}
        )
        assert await told_meanwhile(batches, made, lambda event: getattr(event, "message_id", "") == prompt)
        # No cursor goes with what comes between the beginning and the end, and what changed of it meanwhile follows.
        held = True
        async for batch in batches:
            held = held and made not in batch.loaded
            assert not (held and any(isinstance(event, SourceProgress) for event in batch.events))
            if any(getattr(event, "part_id", "") == changed for event in batch.events):
                break
        assert not held


@pytest.mark.usefixtures("at_every_turn")
async def test_a_session_that_a_person_asks_for_does_not_wait_for_the_end_of_a_long_one(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    old = opencode.session("old", time_created=1, time_updated=1)
    opencode.commit(("UPDATE session SET time_updated = 1 WHERE id = ?", (old,)))
    prompt = opencode.user(old, "long ago")
    opencode.commit(("UPDATE session SET time_updated = 1 WHERE id = ?", (old,)))
    made = session(opencode, 600)
    async with aclosing(source.tail()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            if made in batch.begun:
                break
        source.request(old)
        assert await told_meanwhile(batches, made, lambda event: getattr(event, "message_id", "") == prompt)


@pytest.mark.usefixtures("at_every_turn")
async def test_what_waits_for_the_end_of_a_long_session_is_not_taken_for_removed_by_the_next_look(
    opencode: OpencodeWriter, source: OpencodeSource
) -> None:
    made = session(opencode, 600)
    last = next(reversed(opencode.messages))
    first = second = ""
    told: set[str] = set()
    async with aclosing(source.tail()) as batches:  # type: ignore[type-var]
        async for batch in batches:
            assert not any(isinstance(event, TurnRemoved) for event in batch.events)
            told |= {event.message_id for event in batch.events if isinstance(event, TurnStarted)}
            if made in batch.begun:
                opencode.part(last, {"type": "text", "text": "meanwhile"})
                first = opencode.assistant(made, completed=1, finish="stop")
            elif made in batch.loaded and not second:
                # Before what waited is read.
                assert source._follower._backlog
                second = opencode.assistant(made, completed=1, finish="stop")
            elif second in told:
                break
    assert first in told
