"""A database over a line is what it is here: live, whole after every cut, and nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.contract import BadReference, Batch, Hit, Source, SourceMissing, SourceUnavailable
from adapter.events import SessionRemoved, SessionStarted, SourceError, SourceProgress
from adapter.local import OpencodeSource
from adapter.pattern import BadPattern
from adapter.remote import line as lines
from tests.adapter.follower import Follower, differences, eventually
from tests.adapter.opencode_writer import OpencodeWriter, tool
from tests.adapter.remote.wire import Cable, found_at, host, remote
from tests.adapter.writer_2x import Writer2x, step
from tests.adapter.writer_preview import WriterPreview


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is cut is tried again at once."""
    monkeypatch.setattr(lines, "PAUSES_S", (0.0,))


@pytest.fixture
def opencode(tmp_path: Path) -> Iterator[OpencodeWriter]:
    with OpencodeWriter(tmp_path / "opencode.db") as writer:
        yield writer


def a_session(opencode: OpencodeWriter, title: str) -> str:
    """A session with a prompt and an answer of three parts."""
    session = opencode.session(title)
    prompt = opencode.user(session, f"Please do {title}.")
    answer = opencode.assistant(session, prompt)
    opencode.part(answer, {"type": "step-start"})
    opencode.part(answer, {"type": "text", "text": f"I do {title}."})
    opencode.part(answer, tool("completed", input={"command": "ls"}, output=f"file of {title}", title="ls"))
    return session


async def test_what_is_told_over_a_line_is_what_a_cold_load_gives(opencode: OpencodeWriter) -> None:
    sessions = [a_session(opencode, f"number {n}") for n in range(5)]
    cable = Cable(found_at(opencode.path))
    async with Follower(opencode.path, source=remote(cable)) as follower:
        await follower.loaded(*sessions)
        await follower.equals_cold_load()
        late = a_session(opencode, "what comes later")
        await follower.loaded(late)
        await follower.equals_cold_load()
        opencode.remove_session(sessions[0])
        await follower.until(lambda: follower.session(sessions[0]) is None)
        await follower.equals_cold_load()
        assert {event.source for event in follower.events} == {"via:box"}


async def test_sessions_are_told_as_they_come_and_until_the_last_one_how_many_are_missing(
    opencode: OpencodeWriter,
) -> None:
    for number in range(450):
        opencode.session(f"number {number}")
    async with Follower(opencode.path, source=remote(Cable(found_at(opencode.path)))) as follower:
        await follower.until(lambda: len(follower.of(SessionStarted)) >= 450)
        told, missing = 0, []
        for batch in follower.batches:
            told += sum(isinstance(event, SessionStarted) for event in batch.events)
            if 60 < told < 450:
                missing.append((450 - told, batch.health.unread))
                assert batch.health.listing
        assert len(missing) >= 3, "the catalogue came at once"
        assert all(left <= unread for left, unread in missing), missing
        await follower.until(lambda: not follower.batches[-1].health.unread)
        assert not follower.batches[-1].health.listing
        await follower.equals_cold_load()


@pytest.mark.parametrize("writer", [Writer2x, WriterPreview], ids=["release of 2.x", "preview of 2.x"])
async def test_what_was_told_in_part_before_a_cut_is_told_anew(
    writer: type[Writer2x | WriterPreview], tmp_path: Path
) -> None:
    with writer(tmp_path / "opencode.db", ms=1_795_000_000_000) as opencode:
        # Long ago, so that nothing reads it by itself.
        session = opencode.session("Long")
        prompts: list[str] = []
        for n in range(30):
            prompts.append(opencode.prompt(session, f"Prompt {n}"))
            for _ in range(4):
                said = {"type": "text", "text": "y" * 3000}
                opencode.add(session, "assistant", step(said, created=n, completed=n + 10, tokens=10))
        opencode.ms = 1_795_500_000_000
        for n in range(5):
            opencode.prompt(opencode.session(f"Other {n}"))
        opencode.ms = None
        cable = Cable(found_at(opencode.path))
        source = remote(cable)
        noted = source._noted

        def cut_behind_the_beginning(batch: Batch, stale: dict[str, int]) -> Batch:
            if session in batch.begun and cable.lives == 1:
                cable.flowing.clear()
                cable.cut()
            return noted(batch, stale)

        source._noted = cut_behind_the_beginning  # type: ignore[method-assign]
        async with Follower(opencode.path, source=source) as follower:
            await follower.until(lambda: any(isinstance(event, SourceProgress) for event in follower.events))
            source.request(session)
            await follower.until(lambda: any(session in batch.begun for batch in follower.batches))
            opencode.go_back_to(prompts[2])
            cable.flowing.set()
            await follower.until(lambda: any(session in batch.loaded for batch in follower.batches))
            await follower.equals_cold_load()
            here = follower.session(session)
            assert here is not None
            assert list(here.prompts) == prompts[:2]


async def test_a_line_that_is_cut_comes_back_and_goes_on_behind_its_cursor(opencode: OpencodeWriter) -> None:
    sessions = [a_session(opencode, f"number {n}") for n in range(5)]
    cable = Cable(found_at(opencode.path))
    async with Follower(opencode.path, source=remote(cable)) as follower:
        await follower.loaded(*sessions)
        await follower.equals_cold_load()
        await follower.until(lambda: bool(follower.of(SessionStarted)) and cursor(follower))
        before = len(follower.batches)
        cable.cut()
        await follower.until(lambda: any(batch.health.state == "waiting" for batch in follower.batches[before:]))
        opencode.user(sessions[1], "One more thing.")
        new = a_session(opencode, "while nobody looked")
        await follower.loaded(new)
        await follower.equals_cold_load()
        told = {
            event.session_id
            for batch in follower.batches[before:]
            for event in batch.events
            if isinstance(event, SessionStarted)
        }
        assert told == {sessions[1], new}, "the catalogue was told once more"
        assert cable.lives == 2
        assert follower.batches[-1].health.state == "ok"


def cursor(follower: Follower) -> bool:
    """Whether the newest batch with events has a cursor."""
    return any(getattr(event, "cursor", "") for event in follower.batches[-1].events)


async def test_what_was_deleted_while_the_line_was_cut_is_gone(opencode: OpencodeWriter) -> None:
    sessions = [a_session(opencode, f"number {n}") for n in range(5)]
    cable = Cable(found_at(opencode.path))
    async with Follower(opencode.path, source=remote(cable)) as follower:
        await follower.loaded(*sessions)
        await follower.equals_cold_load()
        cable.flowing.clear()
        cable.cut()
        opencode.remove_session(sessions[2])
        a_session(opencode, "a new one")
        cable.flowing.set()
        await follower.until(lambda: follower.session(sessions[2]) is None)
        await follower.equals_cold_load()
        await follower.until(lambda: all(map(follower._has, [one for one in sessions if one != sessions[2]])))


async def test_a_cut_at_any_byte_loses_nothing_and_doubles_nothing(opencode: OpencodeWriter) -> None:
    sessions = [a_session(opencode, f"number {n}") for n in range(3)]
    measure = Cable(found_at(opencode.path))
    async with Follower(opencode.path, source=remote(measure)) as follower:
        await follower.loaded(*sessions)
        await follower.equals_cold_load()
    # What is cut anywhere in a line is a line that has not come.
    places = {end + more for end in measure.ends for more in (-1, 0, 1)} | {0, 1}
    assert len(places) > 30
    for at in sorted(places):
        cable = Cable(found_at(opencode.path))
        cable.cut_at = at
        async with Follower(opencode.path, source=remote(cable)) as follower:
            await follower.loaded(*sessions)
            await follower.equals_cold_load()
            assert cable.lives > 1 or cable.came <= at, at


async def test_while_the_line_is_cut_what_was_known_stays_and_the_reason_is_told(opencode: OpencodeWriter) -> None:
    session = a_session(opencode, "a long one")
    there = True

    def find() -> list[OpencodeSource]:
        if not there:
            raise OSError("gone")
        return [OpencodeSource(opencode.path, watch=False)]

    cable = Cable(find)
    source = remote(cable)
    line = source._line
    async with Follower(opencode.path, source=source) as follower:
        await follower.loaded(session)
        there = False
        cable.cut()
        await follower.until(lambda: follower.batches[-1].health.state == "waiting")
        health = follower.batches[-1].health
        assert "the line is cut" in health.message
        assert "not live since" in health.message
        assert health.cut == line.down_since > 0
        assert health.host == "box"
        assert health.path == f"box:{opencode.path}"
        assert len(follower.of(SourceError)) == 1
        assert follower.session(session) is not None
        assert not follower.of(SessionRemoved)
        with pytest.raises(SourceUnavailable, match="box: the"):
            await follower.source.payload("opencode-sqlite://?part_id=x&field=")
        there = True
        await follower.until(lambda: follower.batches[-1].health.state == "ok")
        assert follower.batches[-1].health.cut == 0


async def test_all_that_is_asked_of_a_database_here_can_be_asked_of_one_there(opencode: OpencodeWriter) -> None:
    session = a_session(opencode, "a thing")
    here, there = OpencodeSource(opencode.path, watch=False), remote(Cable(found_at(opencode.path)))
    async with here, there:
        await eventually(lambda: there._line.is_up)
        mine, far = await here.load(session), await there.load(session)
        assert [type(event) for event in mine] == [type(event) for event in far]
        assert [told(event) for event in await here.catalogue()] == [told(event) for event in await there.catalogue()]
        assert await there.load("ses_none") == []
        assert await here.spans() == await there.spans()
        assert await here.spending([session]) == await there.spending([session])
        assert (await here.probe()).counts == (await there.probe()).counts
        uri = next(uri for event in mine if "output" in (uri := getattr(event, "uri", "")))
        assert await here.payload(uri) == await there.payload(uri)
        assert (await there.payload(uri, limit=4)).truncated
        assert await pages(here, "thing") == await pages(there, "thing") != []
        assert await pages(there, "thing", only=set()) == []
        with pytest.raises(BadReference):
            await there.payload("nothing")
        with pytest.raises(BadPattern):
            await pages(there, "re:(")
        assert await streamed(there) == await streamed(here) != []
        assert [batch.health.state async for batch in there.glance()]


async def streamed(source: Source) -> list[str]:
    """What a stream tells, but for where it is."""
    events = [event async for batch in source.stream() for event in batch.events]
    return [told(event) for event in events if not isinstance(event, SourceProgress)]


def told(event: object) -> str:
    """An event without what is of its source and of the moment."""
    return repr(event).replace("via:box", "").split("source=")[1].split(",", 1)[1].split("cursor=")[0].split("ts=")[-1]


async def pages(source: Source, pattern: str, only: set[str] | None = None) -> list[Hit]:
    """What a search finds."""
    return [hit async for page in source.search(pattern, only) for hit in page.hits]


async def test_a_text_of_many_pieces_comes_whole(opencode: OpencodeWriter) -> None:
    session = opencode.session("Long")
    answer = opencode.assistant(session)
    text = "äß🙂x" * 300_000
    part = opencode.part(answer, {"type": "text", "text": text})
    there = remote(Cable(found_at(opencode.path)))
    async with there:
        await eventually(lambda: there._line.is_up)
        found = await there.payload(f"opencode-sqlite://?part_id={part}&field=text")
        assert found.text == text
        assert found.size == len(text.encode())


async def test_who_does_not_take_in_what_comes_holds_up_nobody_else(opencode: OpencodeWriter) -> None:
    for number in range(40):
        session = opencode.session(f"Session {number}")
        for _ in range(20):
            opencode.part(opencode.assistant(session), {"type": "text", "text": "word " * 50})
    part = opencode.part(opencode.assistant(session), {"type": "text", "text": "here"})
    cable = Cable(found_at(opencode.path))
    there = remote(cable)
    async with there:
        await eventually(lambda: there._line.is_up)
        slow = there.stream()
        assert await anext(slow)
        came = cable.came
        found = await there.payload(f"opencode-sqlite://?part_id={part}&field=text")
        assert found.text == "here"
        # No more than its window is on the way for one that nobody takes in.
        for _ in range(20):
            await there.spans()
        assert cable.came - came < 2 * lines.WINDOW
        rest = [event async for batch in slow for event in batch.events]
        assert len({event.session_id for event in rest if isinstance(event, SessionStarted)}) >= 39


async def test_a_search_that_is_stopped_is_stopped_there_too(opencode: OpencodeWriter) -> None:
    a_session(opencode, "thing")
    cable = Cable(found_at(opencode.path))
    there = remote(cable)
    async with there:
        await eventually(lambda: there._line.is_up)
        search = there.search("thing")
        await anext(search)
        await search.aclose()  # type: ignore[attr-defined]
        assert any(json.loads(line)["is"] == "cancel" for line in cable.asked)
        assert await pages(there, "thing")


async def test_databases_that_come_later_and_several_are_told_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "opencode.db", tmp_path / "opencode-beta.db"
    there = host(Cable(found_at(first, second)))
    source = there.sources()[0]
    async with source:
        await eventually(lambda: there.line.is_up)
        with pytest.raises(SourceMissing, match="box: there is no opencode database there"):
            await source.probe()
        with OpencodeWriter(first), OpencodeWriter(second):
            pass
        await eventually(lambda: len(there.sources()) == 2)
        assert [one.source for one in there.sources()] == ["via:box", f"via:box:{second}"]
        assert [str(one.path) for one in there.sources()] == [f"box:{first}", f"box:{second}"]
        assert (await there.sources()[1].probe()).path == f"box:{second}"


async def test_times_are_those_of_the_clock_here(opencode: OpencodeWriter) -> None:
    session = a_session(opencode, "a thing")
    for ahead in (3600.0, -3600.0, 0.5):
        cable = Cable(found_at(opencode.path), clock=lambda ahead=ahead: 1_790_000_000.0 + ahead)
        there = host(cable, clock=lambda: 1_790_000_000.0).sources()[0]
        async with OpencodeSource(opencode.path, watch=False) as here, there:
            await eventually(lambda there=there: there._line.is_up)
            mine, far = await here.load(session), await there.load(session)
            moved = 0 if abs(ahead) < 2 else int(ahead * 1e6)
            assert [event.ts - moved for event in mine] == [event.ts for event in far]
            assert (await there.probe()).ahead_s == moved / 1e6
            (first, last), (first_there, last_there) = (await here.spans())[session], (await there.spans())[session]
            assert (first - moved, last - moved) == (first_there, last_there)


async def test_two_that_follow_one_database_by_one_line_are_refused(opencode: OpencodeWriter) -> None:
    a_session(opencode, "a thing")
    cable = Cable(found_at(opencode.path))
    there = remote(cable)
    async with Follower(opencode.path, source=there) as follower:
        await follower.until(lambda: bool(follower.of(SessionStarted)))
        with pytest.raises(SourceUnavailable, match="followed already"):
            async for _ in there.glance():
                pass
        assert not differences(follower.store, follower.store)


async def test_a_line_is_closed_with_the_last_source_that_wants_it(opencode: OpencodeWriter) -> None:
    a_session(opencode, "a thing")
    cable = Cable(found_at(opencode.path))
    there = remote(cable)
    async with there:
        async with there:
            await eventually(lambda: there._line.is_up)
        assert there._line.is_up
    assert not there._line.is_up
    assert cable.child is not None
    assert cable.child.over.is_set()
    with pytest.raises(SourceUnavailable, match="closed"):
        await there.probe()
    async with there:
        await eventually(lambda: there._line.is_up)
        await there.probe()
    assert len(asyncio.all_tasks()) == 1
