"""Where flags are told: in words on the Overview, in brief on the line of a session at work."""

from __future__ import annotations

from adapter.events import Event, Usage
from tests.tui.model.builders import at, key, op, prompt, session, store_of, turn, turn_end
from tui.model.records import Row
from tui.render.cards.detail import overview
from tui.render.lines import plain
from tui.render.rows.tree_row import cells_of

FULL: list[Event] = [
    session(),
    prompt("u1", 2),
    turn("a1", 1, 3, "u1"),
    turn_end("a1", 1, 5, usage=Usage(input=900, output=10), finish="tool-calls"),
]
LONG: list[Event] = [*FULL, turn("a2", 2, 6, "u1"), op("p2", "a2", "tool", 1, 7, turn_seq=2, name="webfetch")]
RETRYING: list[Event] = [
    session(),
    prompt("u1", 2),
    turn("a1", 1, 3, "u1", extras={"retry": 3, "retry_at": at(60), "retry_error": "overloaded"}),
]
WHOLE = key("session", "s1", "s1")


def told(events: list[Event], now: float, window: int = 1000) -> tuple[list[str], str]:
    """The flags and the state of the Overview, and the note on the session's line."""
    store = store_of(*events)
    store.limits = lambda provider, model: window
    lines = [plain(line) for line in overview(store, WHOLE, at(now))]
    cells = cells_of(store, Row(WHOLE, 0, "open"), at(now))
    note = plain([*cells.flags, *cells.rest])
    return [line for line in lines if line.startswith(("flag", "state"))], note


def test_a_session_at_work_has_its_flags_on_its_line_and_their_reasons_in_the_overview() -> None:
    # A sign of life from the call, or nothing would be believed any more.
    alive = op("p2", "a2", "tool", 1, 7, turn_seq=2, name="webfetch", time_updated=at(700))
    lines, note = told([*LONG, alive], 701)
    assert lines[1:] == [
        "flag      long  webfetch has run for 11m34",
        "flag      full  91 % of its context of 1,000 tokens is used: compacted soon",
    ]
    assert note == "  long: webfetch 11m34  context 91 %  webfetch"


def test_an_idle_session_tells_a_full_context_in_the_overview_alone() -> None:
    idle = [*FULL[:-1], turn_end("a1", 1, 5, usage=Usage(input=900, output=10))]
    lines, note = told(idle, 9)
    assert lines[1:] == ["flag      full  91 % of its context of 1,000 tokens is used: compacted soon"]
    assert note == ""
    assert told(idle, 9, window=0)[0][1:] == []


def test_a_retry_is_told_with_what_it_waits_for() -> None:
    lines, note = told(RETRYING, 48)
    assert note == "  retrying"
    assert lines[0].endswith("retrying, attempt 3, next in 12s: overloaded")
