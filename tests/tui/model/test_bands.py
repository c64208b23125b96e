"""Bands: every top-level session stands in exactly one, by the most urgent of all that goes on in its tree."""

from __future__ import annotations

from adapter.events import Event
from tests.tui.model.builders import SOURCE, at, op, op_end, prompt, session, task, turn, turn_end
from tui.model.records import ChangeSet, Key
from tui.model.store.store import Store
from tui.model.tree import headings
from tui.model.tree.rows import VisibleRows
from tui.model.tree.sorting import Arrangement

NOTHING = ChangeSet(roots=set(), dirty=set())
MINUTE = 60


def working(name: str, ts: float, *, tool: str = "grep", parent: str | None = None, **extras: object) -> list[Event]:
    """A session whose only call is open."""
    where = {"session_id": name}
    return [
        session(name, ts, parent_id=parent),
        prompt(f"u-{name}", ts + 1, **where),
        turn(f"a-{name}", 1, ts + 2, f"u-{name}", **where),
        op(f"p-{name}", f"a-{name}", "tool", 1, ts + 3, name=tool, label="x", **where, **extras),
    ]


def done(name: str, ts: float) -> list[Event]:
    """A session that has answered."""
    return [
        *working(name, ts),
        op_end(f"p-{name}", f"a-{name}", "tool", 1, ts + 4, session_id=name),
        turn_end(f"a-{name}", 1, ts + 5, finish="stop", session_id=name),
    ]


def loop(name: str, ts: float) -> list[Event]:
    """A session that calls the same again and again."""
    events = [session(name, ts), prompt(f"u-{name}", ts, session_id=name)]
    for n in range(1, 6):
        where = {"turn_seq": n, "session_id": name}
        events.append(turn(f"a-{name}{n}", n, ts + n, f"u-{name}", session_id=name))
        events.append(
            op(f"p-{name}{n}", f"a-{name}{n}", "tool", 1, ts + n, name="bash", label="x", running=True, **where)
        )
        if n < 5:
            events.append(op_end(f"p-{name}{n}", f"a-{name}{n}", "tool", 1, ts + n + 0.5, **where))
            events.append(turn_end(f"a-{name}{n}", n, ts + n + 0.6, finish="tool-calls", session_id=name))
    return events


def banded(*events: Event, now: float) -> tuple[Store, VisibleRows]:
    store = Store()
    changes = store.apply(events)
    rows = VisibleRows(store)
    rows.arrange(Arrangement(grouping="bands"))
    rows.update(changes, at(now))
    return store, rows


def listed(rows: VisibleRows) -> list[str]:
    """The rows of the list: headings in brackets, sessions by their ids."""
    found = [rows.row(i) for i in range(len(rows))]
    return [f"[{headings.name(row.key)}]" if row.key.kind == "heading" else row.key.id for row in found]


WORLD = [
    *done("old", 10),
    *working("silent", 700),
    *working("busy", 995),
    *loop("round", 990),
    *working("asks", 900, tool="question"),
    *working("may", 950, tool="bash"),
]


def test_every_session_stands_in_one_band_and_an_empty_band_has_no_heading() -> None:
    _, rows = banded(*WORLD, now=1000)
    assert listed(rows) == [
        *("[for you]", "may", "asks"),
        *("[stuck and looping]", "round", "silent"),
        *("[at work]", "busy"),
        *("[earlier]", "old"),
    ]
    _, rows = banded(*done("old", 10), *working("busy", 995), now=1000)
    assert listed(rows) == ["[at work]", "busy", "[earlier]", "old"]


def test_time_alone_moves_a_silent_session_and_an_answer_brings_it_back() -> None:
    store, rows = banded(*working("s", 100), now=110)
    assert listed(rows) == ["[at work]", "s"]
    rows.update(NOTHING, at(110 + 4 * MINUTE))
    assert listed(rows) == ["[stuck and looping]", "s"]
    rows.update(store.apply([op_end("p-s", "a-s", "tool", 1, 400, session_id="s")]), at(401))
    assert listed(rows) == ["[at work]", "s"]
    rows.update(store.apply([turn_end("a-s", 1, 402, finish="stop", session_id="s")]), at(403))
    assert listed(rows) == ["[earlier]", "s"]


def test_a_question_deep_in_a_tree_puts_the_whole_tree_first_and_once() -> None:
    call = task("pt", "a-top", "kid", 2, session_id="top", ts=905)
    deeper = task("pt2", "a-kid", "deep", 2, session_id="kid", ts=906)
    events = [*working("top", 900), *call, *working("kid", 904, parent="top"), *deeper]
    events += [*working("deep", 905, tool="question", parent="kid"), *working("busy", 990)]
    _, rows = banded(*events, now=1000)
    assert listed(rows) == ["[for you]", "top", "[at work]", "busy"]
    assert rows.needs[SOURCE, "deep"] == "person"
    assert sum(rows.headings.sum_of(headings.heading_key(f"\x01{n}"))[2:].count(1) for n in range(4)) == 2


def test_in_bands_a_tree_is_one_row_until_somebody_opens_it() -> None:
    store, rows = banded(*working("s", 990), now=1000)
    assert [rows.row(i).fold for i in range(len(rows))] == ["open", "closed"]
    rows.arrange(Arrangement(grouping="plain"))
    assert len(rows) > 1, "in the plain list what is live opens by itself"
    rows.arrange(Arrangement(grouping="bands"))
    assert len(rows) == 2
    rows.open(Key(SOURCE, "session", "s", "s"))
    assert len(rows) > 2
    rows.update(store.apply([op_end("p-s", "a-s", "tool", 1, 1001, session_id="s")]), at(1001))
    assert len(rows) > 2


def test_a_folded_band_keeps_what_comes_to_it() -> None:
    store, rows = banded(*WORLD, now=1000)
    earlier = headings.heading_key("\x013")
    rows.close(earlier)
    assert listed(rows)[-1] == "[earlier]"
    rows.update(store.apply(done("new", 999.0)), at(1005))
    assert listed(rows)[-1] == "[earlier]"
    assert rows.headings.sum_of(earlier).trees == 2
    rows.open(earlier)
    assert listed(rows)[-3:] == ["[earlier]", "new", "old"]


def test_the_groupings_go_round() -> None:
    how = Arrangement("cost", "bands")
    assert how.next_grouping() == Arrangement("cost", "projects")
    assert how.next_grouping().next_grouping() == Arrangement("cost", "plain")
    assert how.next_grouping().next_grouping().next_grouping() == how
