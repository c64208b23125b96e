"""What a filter cannot say of sessions that have not been read: said, and read when asked for."""

from __future__ import annotations

from typing import Any

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, store_of, turn, turn_end
from tui.model.filter.active_filter import Finder
from tui.model.filter.reading import AT_ONCE, PATIENCE, Reading
from tui.model.store.store import Store

NOW = at(1000)


def row(name: str, ts: float, **extras: Any) -> Event:
    """A session of which only the row is known."""
    return session(name, ts, title=f"Session {name}", agent="build", extras={"usage": Usage(input=5), **extras})


def content(name: str, tool: str, calls: int = 1) -> list[Event]:
    """What it did: so many equal calls of one tool."""
    events = [prompt(f"u_{name}", 1, session_id=name), turn(f"m_{name}", 1, 2, f"u_{name}", session_id=name)]
    for number in range(calls):
        place = {"part_id": f"p_{name}_{number}", "message_id": f"m_{name}", "session_id": name}
        events += [op(seq=number + 1, ts=3, name=tool, label="make", **place), op_end(seq=number + 1, ts=4, **place)]
    return [*events, turn_end(f"m_{name}", 1, 5, session_id=name)]


def asked(store: Store, text: str) -> Finder:
    finder = Finder(store)
    finder.ask(text, NOW)
    return finder


def read(finder: Finder, name: str, events: list[Event]) -> None:
    finder.update(finder.store.apply(events), NOW)
    finder.update(finder.store.mark_loaded(SOURCE, name), NOW)


def names(keys: Any) -> set[str]:
    return {session_id for _, session_id in keys}


def test_a_session_that_has_not_been_read_neither_matches_nor_does_not() -> None:
    store = store_of(row("old", 1), row("new", 2), row("read", 3), *content("read", "bash"))
    for text, matching in (("tool:bash", {"read"}), ("-tool:bash", set()), ("tool:grep", set())):
        finder = asked(store, text)
        assert (names(finder.matches), names(finder.unread), finder.read) == (matching, {"old", "new"}, 1)
        assert finder.found.blame == ""
    for text in ("is:looping", "-is:looping", "is:full"):
        assert names(asked(store, text).unread) == {"old", "new"}
    for text in ("is:idle", "agent:build", "cost<1", "tokens>1", "session", "since:1d"):
        assert names(asked(store, text).unread) == set()


def test_what_needs_no_reading_says_which_need_not_be_read() -> None:
    store = store_of(row("old", 1), row("new", 2), row("read", 3), *content("read", "bash"))
    finder = asked(store, "tool:bash new")
    assert (names(finder.matches), names(finder.unread), finder.read) == (set(), {"new"}, 0)
    finder.ask("tool:bash new x", NOW)
    assert names(finder.unread) == set()
    assert finder.found.blame == "x matches nothing"


def test_numbers_that_only_the_steps_of_an_old_session_tell_are_not_taken_for_nothing() -> None:
    old = session("old", 1, title="Old", agent="")
    finder = asked(store_of(old, row("new", 2, cost=0.5)), "cost<1")
    assert (names(finder.matches), names(finder.unread)) == ({"new"}, {"old"})
    finder.ask("agent:build", NOW)
    assert (names(finder.matches), names(finder.unread)) == ({"new"}, {"old"})
    read(
        finder,
        "old",
        [turn("m_old", 1, 2, session_id="old", agent="build"), turn_end("m_old", 1, 3, cost=2.0, session_id="old")],
    )
    finder.ask("cost>1", NOW)
    assert (names(finder.matches), names(finder.unread)) == ({"old"}, set())


def test_what_has_been_read_is_still_known_when_it_is_given_back() -> None:
    store = store_of(row("bash", 1), row("loop", 2), row("grep", 3))
    store.apply([*content("bash", "bash"), *content("loop", "read", calls=5), *content("grep", "grep")])
    for name in ("bash", "loop", "grep"):
        store.mark_loaded(SOURCE, name)
    before = asked(store, "tool:bash")
    for name in ("bash", "loop", "grep"):
        before.update(store.unload(SOURCE, name), NOW)
    # One filter that was on, and one that was not asked for before all was given back.
    for finder in (before, Finder(store)):
        for text, matching in (("tool:bash", {"bash"}), ("-tool:bash", {"loop", "grep"}), ("is:looping", {"loop"})):
            finder.ask(text, NOW)
            assert (names(finder.matches), names(finder.unread)) == (matching, set())
    # It goes on with another call: what it was before says nothing any more.
    more = content("grep", "bash")
    read(before, "grep", more)
    before.ask("tool:bash", NOW)
    assert names(before.matches) == {"bash", "grep"}


def test_the_newest_are_asked_for_first_and_few_at_once() -> None:
    store = store_of(*(row(f"s{number}", number) for number in range(6)))
    finder = asked(store, "tool:bash")
    reading = Reading(store, finder)
    assert not reading.on
    assert reading.more(NOW, room=True) == []
    reading.begin()
    assert AT_ONCE == 3
    assert [name for _, name in reading.more(NOW, room=True)] == ["s5", "s4", "s3"]
    assert reading.more(NOW, room=True) == []
    read(finder, "s4", content("s4", "bash"))
    assert [name for _, name in reading.more(NOW, room=True)] == ["s2"]
    assert (reading.read, reading.total) == (1, 6)
    # A change told the next one whole meanwhile: it needs no reading.
    read(finder, "s1", content("s1", "grep"))
    for name in ("s5", "s3", "s2"):
        read(finder, name, content(name, "bash"))
    assert [name for _, name in reading.more(NOW, room=True)] == ["s0"]
    read(finder, "s0", content("s0", "grep"))
    assert reading.more(NOW, room=True) == []
    assert not reading.on
    assert names(finder.matches) == {"s2", "s3", "s4", "s5"}


def test_without_room_nothing_is_asked_for_and_what_does_not_come_is_given_up() -> None:
    store = store_of(*(row(f"s{number}", number) for number in range(5)))
    reading = Reading(store, asked(store, "tool:bash"))
    reading.begin()
    assert reading.more(NOW, room=False) == []
    assert reading.on
    assert len(reading.more(NOW, room=True)) == AT_ONCE
    assert reading.more(NOW + PATIENCE - 1, room=True) == []
    assert [name for _, name in reading.more(NOW + PATIENCE, room=True)] == ["s1", "s0"]
    assert reading.more(NOW + 2 * PATIENCE, room=True) == []
    assert not reading.on


def test_what_is_stopped_can_be_begun_again() -> None:
    store = store_of(*(row(f"s{number}", number) for number in range(5)))
    finder = asked(store, "tool:bash")
    reading = Reading(store, finder)
    reading.begin()
    reading.more(NOW, room=True)
    reading.stop()
    assert not reading.on
    assert reading.more(NOW, room=True) == []
    read(finder, "s4", content("s4", "bash"))
    reading.begin()
    assert reading.total == 4
    assert [name for _, name in reading.more(NOW, room=True)] == ["s3", "s2", "s1"]
