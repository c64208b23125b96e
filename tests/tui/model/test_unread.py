"""What is said of a session is the same before and after its turns have been read."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, failed, prompt, session, store_of, turn, turn_end
from tui.commands.listing import listing
from tui.commands.tree_json import tops, tree_objects, tree_text
from tui.model.filter.cards import Index, card_of
from tui.model.filter.language import parse, search
from tui.model.records import ChangeSet, Row, session_key
from tui.model.status.counts import Tally
from tui.model.status.state import session_state
from tui.model.store.store import Store
from tui.model.sums.timing import duration
from tui.model.tree.seek import failures
from tui.model.tree.sorting import Arrangement, place
from tui.render.rows.tree_row import cells_of

KEY = (SOURCE, "s1")
NOW = at(100)
NOTHING_ENDED = {"status": "running"}


class Said(NamedTuple):
    """All that names the state of a session, in the places that do."""

    state: str
    glyph: str
    words: frozenset[str]
    found: dict[str, bool]
    status: str
    listed: str
    line: str
    failed_today: int
    fails: bool


def said(store: Store) -> Said:
    only = store.sessions[KEY]
    index = Index(store)
    index.fill(NOW)
    cells = cells_of(store, Row(session_key(only), 0, "closed"), NOW)
    return Said(
        state=session_state(store, only, NOW).name,
        glyph=cells.glyph + cells.role,
        words=card_of(store, only, NOW).words,
        found={
            name: bool(search(parse(f"is:{name}", NOW), index.cards.values()).cards)
            for name in ("aborted", "failed", "idle")
        },
        status=next(tree_objects(store, tops(store), NOW))["status"],
        listed=listing(store, [only], NOW, [])["sessions"][0]["state"],
        line=next(tree_text(store, tops(store), NOW)).partition("  [")[0],
        failed_today=Tally(store).update(ChangeSet(roots={KEY}, dirty=set()), NOW).failed_today,
        fails=bool(failures(store, only)),
    )


ENDS = [
    ("MessageAbortedError", "aborted", "aborted"),
    ("aborted", "aborted", "aborted"),
    ("APIError", "failed", "failed"),
]


@pytest.mark.parametrize(("error", "status", "name"), ENDS, ids=[end[0] for end in ENDS])
def test_how_a_session_ended_is_the_same_before_and_after_it_is_read(error: str, status: str, name: str) -> None:
    final = failed(error=error)
    store = store_of(session(title="A run"), final)
    before = said(store)
    assert (before.state, before.status, before.listed) == (name, name, name)
    assert before.found == {"aborted": name == "aborted", "failed": name == "failed", "idle": False}
    assert before.failed_today == before.fails == (name == "failed")
    store.apply([session(title="A run"), final, prompt("u1"), turn("a1", prompt_id="u1")])
    store.apply([turn_end("a1", ts=9, status=status, error=error)])
    store.mark_loaded(*KEY)
    assert said(store) == before
    store.unload(*KEY)
    assert said(store) == before


def test_why_it_was_stopped_is_told_before_it_is_read() -> None:
    told = replace(failed(error="MessageAbortedError"), error_message="The operation was aborted.")
    store = store_of(session(), told)
    state = session_state(store, store.sessions[KEY], NOW)
    assert (state.reason, state.since, state.inferred) == ("The operation was aborted.", at(9), False)
    wordless = store_of(session(), failed(error="aborted"))
    assert session_state(wordless, wordless.sessions[KEY], NOW).reason == "stopped by the user"


IDLE = {"idle_ts": at(9)}


@pytest.mark.parametrize("end", [NOTHING_ENDED, {"finish": "tool-calls"}, {"finish": "stop"}])
@pytest.mark.parametrize(
    ("outcome", "error", "name"), [("interrupted", "aborted", "aborted"), ("failed", "failed", "failed")]
)
def test_an_end_that_2x_wrote_down_is_the_same_before_and_after(
    outcome: str, error: str, name: str, end: dict[str, Any]
) -> None:
    row: list[Event] = [session(title="A run", extras={**IDLE, "idle_outcome": outcome}), failed(error=error)]
    store = store_of(*row)
    before = said(store)
    assert (before.state, before.status) == (name, name)
    store.apply([*row, turn("a1"), *([] if end is NOTHING_ENDED else [turn_end("a1", ts=9, **end)])])
    # What is open or done in its turns has not failed, so a jump to failures finds nothing in them.
    assert said(store)._replace(fails=before.fails) == before


ROW = {"time_updated": at(2.5), "ended_ts": at(69)}
STEP = [prompt("u1"), turn("a1", prompt_id="u1"), turn_end("a1", ts=69)]


def took(store: Store) -> tuple[str, int, int]:
    """What its line says, what it is put in order by, and its newest activity."""
    only = store.sessions[KEY]
    cells = cells_of(store, Row(session_key(only), 0, "closed"), NOW)
    group = place(store, only, None, Arrangement("duration"))
    return cells.columns["took"], int(-group[2]), listing(store, [only], NOW, [])["sessions"][0]["last_ts"]


def test_how_long_a_session_took_is_the_same_before_and_after_it_is_read() -> None:
    row = session(extras=ROW)
    store = store_of(row)
    before = took(store)
    assert before == ("1m08", at(68), at(69))
    store.expect(*KEY)
    store.apply([row, *STEP[:2]])
    assert took(store) == before
    store.apply(STEP[2:])
    store.mark_loaded(*KEY)
    assert took(store) == before
    store.unload(*KEY)
    assert took(store) == before


def test_how_long_a_session_took_that_nobody_has_looked_at_is_not_said() -> None:
    store = store_of(session(extras={"time_updated": at(2.5)}))
    assert took(store)[:2] == ("", 0)
    # Whoever tells no end with the row has told the turns.
    store.apply(STEP)
    assert took(store)[:2] == ("1m08", at(68))


def test_an_answer_that_goes_on_takes_the_end_back_and_its_own_counts() -> None:
    store = store_of(session(extras=ROW), *STEP)
    more = [session(extras={"time_updated": at(80)}), prompt("u2", 80), turn("a2", 2, 81, "u2")]
    store.apply(more)
    assert store.sessions[KEY].answered_ts == 0
    store.apply([session(extras={"time_updated": at(80), "ended_ts": at(95)}), turn_end("a2", 2, 95)])
    assert took(store)[1:] == (at(94), at(95))


def test_an_answer_that_never_ended_took_until_it_was_last_written() -> None:
    open_turn = turn("a1", extras={"time_updated": at(30)})
    store = store_of(session(), open_turn)
    assert duration(store.sessions[KEY]) == at(29)


def test_what_a_fork_copied_took_no_time_of_the_fork() -> None:
    row = session(ts=90, session_kind="fork", extras={"ended_ts": at(69)})
    store = store_of(row)
    assert took(store)[:2] == ("", 0)
    store.apply([row, *STEP])
    assert took(store)[:2] == ("", 0)


def test_a_reverted_session_is_idle_before_and_after() -> None:
    row: list[Event] = [session(title="A run", extras={"revert_message_id": "u1"}), failed()]
    store = store_of(*row)
    assert session_state(store, store.sessions[KEY], NOW).name == "idle"
    store.apply([*row, turn("a1"), turn_end("a1", status="failed", error="APIError")])
    assert session_state(store, store.sessions[KEY], NOW).name == "idle"
