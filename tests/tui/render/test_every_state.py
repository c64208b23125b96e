"""A row in every state there is, as plain text at every width: what it is and what it is called is never cut away, what
state it is in is cut last, and no row is wider than its tree."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from adapter.events import Event, SessionStarted
from tests.tui import states, story
from tests.tui.render.test_row_widths import WIDTHS
from tests.tui.render.test_tree_row import NOW_US, STYLES, key, store_of
from tests.tui.states import asked, begun, top
from tests.tui.story import session
from tui.model.records import Key, Row
from tui.model.status import state
from tui.model.status.table import BY_NAME, ORDER, StateName
from tui.model.status.thresholds import MINUTE, SECOND
from tui.model.store.store import Store
from tui.render import glyphs
from tui.render.rows.columns import laid_out
from tui.render.rows.tree_row import cells_of

HOUR = 60 * MINUTE
LONG = " and what else there is to be said of it in a title that no screen has the room for" * 3


class Case(NamedTuple):
    """Something in a state: the row of it, what it is called, and how its words begin, which no width may cut off."""

    events: list[Event]
    row: Key
    name: str
    words: str


def of_session(session_id: str, name: str, words: str, events: list[Event] | None = None) -> Case:
    return Case(events or states.every_state(), top(session_id), name, words)


def suspended() -> list[Event]:
    return [session("ses_halt", "Move the archive", 60, extras={"suspended": True, "claimed_ts": story.at(50)})]


def ended_call(status: str) -> Case:
    step = begun("ses_call", 60).op("tool", "bash", 50, 9, status=status, label="make", running=True)
    events = [*asked("ses_call", "Call it", 70, "now"), *step.events]
    return Case(events, key("op", "ses_call", "prt_ses_call_1_1:tool"), "bash", "make")


CASES: dict[StateName, Case] = {
    "archived": of_session("ses_old", "Rename the config keys", "", story.others()),
    "completed": ended_call("completed"),
    "idle": of_session("ses_done", "Explain the lexer", ""),
    "cancelled": ended_call("cancelled"),
    "truncated": ended_call("truncated"),
    "aborted": of_session("ses_stop", "Delete the old branches", "aborted"),
    "suspended": of_session("ses_halt", "Move the archive", "suspended", suspended()),
    "failed": of_session("ses_fail", "Translate the manual", "Provider"),
    "orphaned": of_session("ses_lost", "Train the classifier", "orphaned?"),
    "delegating": of_session("ses_n0", "Review the release", "1 agent", states.nested()),
    "between": of_session("ses_next", "Bump the dependencies", "between steps"),
    "starting": of_session("ses_again", "Summarise the incident", "retrying"),
    "compacting": of_session("ses_pack", "Port the physics engine", "compacting"),
    "thinking": of_session("ses_think", "Prove the invariant", "thinking"),
    "writing": of_session("ses_write", "Rewrite the parser", "writing"),
    "tool": of_session("ses_loop", "Fix the linter", "↻5 bash  ✗4 bash"),
    "stalled": of_session("ses_stall", "Search the archive", "silent, grep"),
    "permission": of_session("ses_perm", "Clean the build directory", "may bash"),
    "waiting": of_session("ses_keys", "Rename the config keys", "Three services"),
}


def painted(store: Store, row: Key, width: int, now_us: int = NOW_US) -> str:
    """The folded row as text."""
    line = Row(row, 0, "closed")
    return "".join(part.text for part in laid_out(cells_of(store, line, now_us), line, width, STYLES))


def state_of(store: Store, row: Key, now_us: int = NOW_US) -> str:
    """The state that the model has for the node of a row."""
    found = store.session_of(row)
    assert found is not None
    if (turn := store.turn(row)) is not None:
        return state.turn_state(store, found, turn, now_us).name
    if (op := store.op(row)) is not None:
        return state.op_state(store, found, op, now_us).name
    return state.session_state(store, found, now_us).name


def renamed(events: list[Event]) -> list[Event]:
    """The same with titles that do not fit."""
    return [replace(one, title=one.title + LONG) if isinstance(one, SessionStarted) else one for one in events]


def test_there_is_a_row_in_each_state() -> None:
    assert set(CASES) == set(ORDER)
    assert {name: state_of(store_of(case.events), case.row) for name, case in CASES.items()} == {
        name: name for name in ORDER
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("long", [False, True], ids=["", "with a long title"])
def test_a_row_says_what_it_is_called_and_its_state_at_every_width(name: StateName, width: int, long: bool) -> None:
    case, look = CASES[name], BY_NAME[name]
    text = painted(store_of(renamed(case.events) if long else case.events), case.row, width)
    assert cell_len(text) == width
    assert text.startswith(f" ▸ {look.glyph} {case.name[:6]}")
    assert f"  {case.words}" in text
    # In ASCII it is the same, cell for cell.
    plain = glyphs.plain(text)
    assert plain.isascii()
    assert len(plain) == width
    assert plain.startswith(f" > {look.ascii} {case.name[:6]}")
    assert glyphs.plain(case.words) in plain


@pytest.mark.parametrize("name", ORDER)
def test_a_name_of_everyday_length_is_whole_from_100_columns(name: StateName) -> None:
    case = CASES[name]
    for width in WIDTHS[2:]:
        assert f" {case.name} " in painted(store_of(case.events), case.row, width)


AGES = {
    "ses_done": {0: "2h", 30 * MINUTE: "2h", HOUR: "3h", 24 * HOUR: "1d"},
    "ses_perm": {0: "31s", 5 * SECOND: "36s", HOUR: "1h00"},
    "ses_think": {0: "59s", SECOND: "1m00"},
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("session_id", AGES)
def test_the_time_of_a_row_goes_on_whatever_happened_meanwhile(session_id: str, width: int) -> None:
    store = store_of(states.every_state())
    for passed, shown in AGES[session_id].items():
        text = painted(store, top(session_id), width, NOW_US + passed)
        assert f" {shown} " in text, text


@pytest.mark.parametrize("width", WIDTHS)
def test_time_alone_leads_from_one_state_to_the_next_and_a_clock_set_back_returns(width: int) -> None:
    call = begun("ses_go", 0).op("tool", "bash", 0, None, label="rm -rf build/")
    store = store_of([*asked("ses_go", "Clean the build", 1, "there are 40 GB in it"), *call.events])
    row = top("ses_go")
    way = [(0, "●", "bash rm"), (3 * SECOND, "?", "may bash"), (13 * HOUR, "☓", "orphaned?")]
    for passed, glyph, words in [*way, *reversed(way)]:
        text = painted(store, row, width, NOW_US + passed)
        assert text.startswith(f" ▸ {glyph} Clean")
        assert f"  {words}" in text
    step = begun("ses_ask", 0)
    store = store_of([*asked("ses_ask", "Ask the model", 1, "now"), *step.events])
    way = [(0, "●", "starting"), (4 * MINUTE, "!", "silent"), (11 * MINUTE, "☓", "orphaned?")]
    for passed, glyph, words in [*way, *reversed(way)]:
        text = painted(store, top("ses_ask"), width, NOW_US + passed)
        assert text.startswith(f" ▸ {glyph} Ask")
        assert f"  {words}" in text
