"""What sessions cost: days, shares, forks, what no step tells of, narrowing."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.contract import Spending, SpentStep
from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, op, session, store_of, turn, turn_end
from tui.model.records import Session
from tui.model.spend.book import BESIDE, NOT_READ, Sum, of_row, of_steps, shared, sum_of
from tui.model.spend.days import RANGES, Days, Range, between, date, named
from tui.model.spend.ledger import MEASURES, Ledger, Measure, Place, Tables
from tui.model.spend.looking import Looking
from tui.model.store.store import Store
from tui.render.spend.words import Names, notes

BERLIN = ZoneInfo("Europe/Berlin")
UTC = Days(datetime.UTC)
HOUR = 3_600_000_000
EVER = named("all time", UTC.of(at(0)))


def moment(text: str) -> int:
    """µs UTC of a moment as it is written."""
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1e6)


def day(text: str) -> int:
    return datetime.date.fromisoformat(text).toordinal()


def columns(cost: float, **tokens: int) -> dict[str, object]:
    return {
        "usage": {"input": 0, "output": 0, "reasoning": 0, "cache_read": 0, "cache_write": 0} | tokens,
        "cost": cost,
    }


def a_session(cost: float | None = None, start: str = "2026-03-01T12:00+00:00", **fields: object) -> Session:
    usage = None if cost is None else Usage(100)
    return Session(SOURCE, "s1", "s1", start_ts=moment(start), usage=usage, cost=cost, **fields)  # type: ignore[arg-type]


def a_step(when: str, cost: float = 1.0, *calls: str, model: str = "big", message_id: str = "") -> SpentStep:
    return SpentStep(message_id or when, moment(when), model, "acme", "build", Usage(100), cost, calls)


# --- days


@pytest.mark.parametrize(
    ("before", "behind", "on"),
    [
        ("2026-03-29T22:59:59+01:00", "2026-03-30T00:00+02:00", "2026-03-30"),
        ("2026-10-25T23:59:59+01:00", "2026-10-26T00:00+01:00", "2026-10-26"),
        ("2026-10-24T23:59:59+02:00", "2026-10-25T00:00+02:00", "2026-10-25"),
    ],
)
def test_a_day_begins_at_the_users_midnight_also_over_a_change_of_the_clocks(before: str, behind: str, on: str) -> None:
    days = Days(BERLIN)
    assert (days.of(moment(before)), days.of(moment(behind))) == (day(on) - 1, day(on))


@given(st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2037, 12, 31), timezones=st.timezones()))
@settings(max_examples=60, deadline=None)
def test_a_moment_is_on_the_day_that_its_own_clock_shows(when: datetime.datetime) -> None:
    known = int(when.timestamp() * 1e6)
    assert Days(when.tzinfo).of(known) == datetime.datetime.fromtimestamp(known / 1e6, when.tzinfo).toordinal()


def test_the_day_of_25_hours_is_one_day() -> None:
    days = Days(BERLIN)
    first = moment("2026-10-25T00:00+02:00")
    assert {days.of(first + hours * HOUR) for hours in range(25)} == {day("2026-10-25")}


def test_ranges_are_whole_days_and_move_by_their_length() -> None:
    today = day("2026-11-27")
    assert [(date(one.first), date(one.last)) for one in (named(name, today) for name in RANGES[:5])] == [
        ("2026-11-27", "2026-11-27"),
        ("2026-11-26", "2026-11-26"),
        ("2026-11-21", "2026-11-27"),
        ("2026-10-29", "2026-11-27"),
        ("2026-11-01", "2026-11-27"),
    ]
    assert named("7 days", today).moved(-1)[1:] == (day("2026-11-14"), day("2026-11-20"))
    assert named("all time", today).moved(-1) == named("all time", today)


def test_a_range_in_words() -> None:
    today = day("2026-11-27")

    def bounds(since: str, until: str = "") -> object:
        found = between(since, until, today)
        return found if isinstance(found, str) else (found.first, found.last)

    assert bounds("7d", "today") == (today - 6, today)
    assert bounds("2w", "yesterday") == (today - 13, today - 1)
    assert bounds("2026-02", "2026-02") == (day("2026-02-01"), day("2026-02-28"))
    assert bounds("2026-12", "2026-12") == (day("2026-12-01"), day("2026-12-31"))
    assert "no day" in str(bounds("soon"))
    assert "is after" in str(bounds("today", "yesterday"))
    assert "no day" in str(bounds("2026-02-30"))


# --- one session


@given(
    st.lists(st.sampled_from(["bash", "read", "edit"]), max_size=12),
    st.lists(st.integers(0, 10**9), min_size=5, max_size=5),
    st.floats(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_shares_of_a_step_are_all_of_it(calls: list[str], figures: list[int], cost: float) -> None:
    whole, found = sum_of(Usage(*figures), cost), Sum()
    for _, share in shared(sum_of(Usage(*figures), cost), calls):
        found.add(share)
    assert found.cost == pytest.approx(whole.cost)
    found.cost = whole.cost
    assert found == whole


def test_the_money_of_a_step_is_shared_among_its_calls() -> None:
    spent = Spending("s1", [a_step("2026-03-01T12:00+00:00", 0.9, "bash", "read", "bash")], Usage(100), 0.9)
    cells = {cell.tool: cell.sum for cell in of_steps(a_session(0.9), spent, UTC).cells}
    assert cells["bash"].cost == pytest.approx(0.6)
    assert cells["read"].cost == pytest.approx(0.3)
    assert (cells["bash"].input, cells["read"].input) == (66, 34)


step_lists = st.lists(
    st.builds(
        SpentStep,
        message_id=st.uuids().map(str),
        ts=st.integers(moment("2026-02-20T00:00+00:00"), moment("2026-03-20T00:00+00:00")),
        model=st.sampled_from(["big", "small", ""]),
        provider_alias=st.sampled_from(["acme", ""]),
        agent=st.sampled_from(["build", "plan"]),
        usage=st.builds(Usage, st.integers(0, 5000), st.integers(0, 500)),
        cost=st.sampled_from([0.0, 0.1, 0.25, 3.0]),
        calls=st.lists(st.sampled_from(["bash", "read"]), max_size=3).map(tuple),
    ),
    max_size=8,
)


@given(step_lists, st.integers(0, 20_000), st.sampled_from([0.0, 0.1, 2.0, 40.0]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_cells_are_in_sum_what_the_row_says_whatever_the_steps_are(
    steps: list[SpentStep], tokens: int, cost: float, apart: bool
) -> None:
    one = a_session(cost, extras={"sums_apart": True} if apart else {})
    book = of_steps(one, Spending("s1", steps, Usage(tokens), cost), UTC)
    total = Sum()
    for cell in book.cells:
        total.add(cell.sum)
    assert total.cost == pytest.approx(cost, abs=1e-6)
    assert total.tokens == tokens
    # The row alone says the same.
    assert sum(cell.sum.cost for cell in of_row(one, 1).cells) == pytest.approx(cost)


def test_without_columns_the_steps_are_what_counts() -> None:
    book = of_steps(a_session(None), Spending("s1", [a_step("2026-03-01T12:00+00:00", 0.5)]), UTC)
    assert [(cell.sum.cost, cell.model) for cell in book.cells] == [(0.5, "acme/big")]


def test_a_fork_does_not_count_what_it_copied() -> None:
    steps = [a_step("2026-02-27T12:00+00:00", 2.0), a_step("2026-03-01T13:00+00:00", 0.5)]
    of_1x = of_steps(a_session(2.5, kind="fork"), Spending("s1", steps, Usage(200), 2.5), UTC)
    of_2x = of_steps(
        a_session(0.5, kind="fork", extras={"sums_apart": True}), Spending("s1", steps, Usage(100), 0.5), UTC
    )
    for book in (of_1x, of_2x):
        assert [cell.sum.cost for cell in book.cells] == [0.5]
        assert book.copied.cost == 2.0
        assert (book.first, book.last) == (day("2026-03-01"), day("2026-03-01"))


def test_what_no_step_tells_of_is_named_and_on_the_first_day() -> None:
    spent = Spending("s1", [a_step("2026-03-02T12:00+00:00", 0.5)], Usage(150), 0.6)
    book = of_steps(a_session(0.6), spent, UTC)
    (beside,) = [cell for cell in book.cells if cell.model == BESIDE]
    assert (beside.day, beside.sum.tokens) == (day("2026-03-01"), 50)
    assert beside.sum.cost == pytest.approx(0.1)


# --- all of them


def two_days() -> list[Event]:
    """A session over two days and one of one day with a sub-agent, in a store that knows their rows alone."""
    return [
        session("long", at_day(0), cwd="/data/app", extras=columns(3.0, input=300) | {"time_updated": at(at_day(1))}),
        session("short", at_day(1), cwd="/data/web", model="m1", extras=columns(1.0, input=10)),
        session("child", at_day(1), parent_id="short", cwd="/data/web", extras=columns(0.25, input=5)),
    ]


def at_day(number: int) -> float:
    """Seconds of the builders' clock."""
    return number * 86_400 + 3_600


def a_ledger(events: list[Event]) -> tuple[Ledger, Range]:
    ledger = Ledger(store_of(*events), UTC)
    return ledger, EVER


def test_a_row_suffices_for_one_day_and_the_others_wait_to_be_read() -> None:
    ledger, span = a_ledger(two_days())
    left = ledger.left(span)
    assert [key[1] for key in left.needed] == ["long"]
    assert {key[1] for key in left.others} == {"short", "child"}
    assert left.money.cost == 3.0
    tables = ledger.tables(span, {})
    assert tables.total.cost == 1.25
    assert not tables.read
    assert set(tables.rows["tool"]) == {NOT_READ}
    assert tables.rows["session"] == {(SOURCE, "short"): Sum(1.25, 15)}


def test_read_sessions_are_counted_where_their_steps_were() -> None:
    ledger, span = a_ledger(two_days())
    begin = ledger.store.sessions[SOURCE, "long"].start_ts
    steps = [
        SpentStep("a", begin, "big", "acme", "build", Usage(100), 1.0, ("bash",)),
        SpentStep("b", begin + 86_400_000_000, "small", "acme", "plan", Usage(200), 2.0),
    ]
    ledger.take(SOURCE, ["long", "short", "child"], [Spending("long", steps, Usage(300), 3.0)])
    first = ledger.days.of(begin)
    tables = ledger.tables(span, {})
    assert tables.read
    assert ledger.left(span).needed == ledger.left(span).others == []
    assert {place: amount.cost for place, amount in tables.rows["day"].items()} == {first: 1.0, first + 1: 3.25}
    assert ledger.tables(Range("", first, first), {}).total.cost == 1.0
    only = ledger.tables(span, {"model": "acme/small"})
    assert (only.total.cost, set(only.rows["day"]), set(only.rows["agent"])) == (2.0, {first + 1}, {"plan"})
    # The table that was narrowed by shows all of its rows.
    assert {"acme/small", "acme/big"} <= set(only.rows["model"])
    assert ledger.tables(span, {"model": "acme/small", "tool": "bash"}).total == Sum()
    assert set(ledger.tables(span, {"project": "/data/web"}).rows["session"]) == {(SOURCE, "short")}


def test_a_change_is_counted_and_what_did_not_change_is_no_work() -> None:
    ledger, span = a_ledger(two_days())
    assert ledger.tables(span, {}).total.cost == 1.25
    same = ledger.store.apply(two_days())
    assert not ledger.changed(same)
    more = ledger.store.apply([session("short", at_day(1), cwd="/data/web", model="m1", extras=columns(1.5, input=10))])
    assert ledger.changed(more)
    assert ledger.tables(span, {}).total.cost == 1.75


def test_what_changes_while_it_is_read_is_read_again() -> None:
    ledger, span = a_ledger(two_days())
    ledger.asking([(SOURCE, "short")])
    changes = ledger.store.apply([session("short", at_day(1), model="m1", extras=columns(1.5, input=10))])
    ledger.changed(changes)
    ledger.take(SOURCE, ["short"], [Spending("short", [], Usage(10), 1.0)])
    assert (SOURCE, "short") in ledger.left(span).others


def test_of_a_session_that_is_open_the_steps_in_memory_are_taken() -> None:
    events = [
        session("s1", at_day(0), extras=columns(0.5, input=10)),
        turn("a1", ts=at_day(0) + 1),
        op("p1", "a1", "tool", 1, name="bash", tool="bash"),
        turn_end("a1", ts=at_day(0) + 5, usage=Usage(10), cost=0.5),
    ]
    store = store_of(*events)
    store.mark_loaded(SOURCE, "s1")
    ledger = Ledger(store, UTC)
    tables = ledger.tables(EVER, {})
    assert tables.read
    assert set(tables.rows["tool"]) == {"bash"}


def test_a_copy_in_another_file_is_left_out_and_said() -> None:
    store = Store()
    store.copies.prefer([SOURCE, "opencode:/other.db"])
    first = session("s1", at_day(0), extras=columns(2.0, input=10))
    older = msgspec.structs.replace(first, source="opencode:/other.db", extras=columns(1.5, input=8))
    store.apply([first, older])
    tables = Ledger(store, UTC).tables(EVER, {})
    assert (tables.total.cost, tables.elsewhere.cost) == (2.0, 1.5)
    assert any("$1.50 in older copies" in words for words in notes(tables, Names(store), ()))


def test_what_has_no_price_is_named_and_not_guessed() -> None:
    store = store_of(
        session("s1", at_day(0), model="local", provider_alias="home", extras=columns(0.0, input=1_200_000))
    )
    tables = Ledger(store, UTC).tables(EVER, {})
    assert tables.unpriced == {"home/local": 1_200_000}
    assert notes(tables, Names(store, tables.rows["model"]), ()) == ["no price: 1.2M tokens of local"]


# --- the screen's state


def test_rows_narrow_and_widen_and_cursors_stay_on_their_rows() -> None:
    store = store_of(*two_days())
    looking = Looking(store, at(at_day(1)), UTC)
    assert looking.rows["day"][0][0] == looking.today
    assert len(looking.rows["day"]) == 7
    looking.move("project", 5)
    assert looking.narrow("project")
    assert looking.tables.total.cost == 1.25
    assert looking.widen()
    assert not looking.widen()
    looking.next_range(-1)
    assert looking.span.name == "yesterday"
    assert looking.tables.rows["session"] == {}


def test_at_midnight_the_range_moves() -> None:
    looking = Looking(store_of(*two_days()), at(at_day(1)), UTC)
    assert not looking.tick(at(at_day(1)) + HOUR)
    assert looking.tick(at(at_day(2)))
    assert looking.span.last == looking.today


def test_pages_are_read_one_after_the_other_and_what_cannot_be_read_is_not_asked_again() -> None:
    looking = Looking(store_of(*two_days()), at(at_day(1)), UTC)
    progress = looking.reading
    assert progress is not None
    assert (progress.done, progress.total, progress.needed) == (0, 1, True)
    page = looking.next_page()
    assert page is not None
    # First what the money needs, and nothing else with it.
    assert page == (SOURCE, ["long"])
    assert looking.reading == progress
    looking.take(*page, None, "it is locked")
    looking.plan()
    page = looking.next_page()
    assert page is not None
    assert set(page[1]) == {"short", "child"}
    looking.take(*page, [])
    looking.plan()
    assert looking.next_page() is None
    assert looking.problem == "it is locked"


def test_what_is_beside_the_steps_is_said_when_all_of_it_is_known() -> None:
    beside = Sum(cost=0.5, input=100)
    nothing: dict[Measure, dict[Place, Sum]] = {measure: {} for measure in MEASURES}
    tables = Tables(Sum(), nothing, {}, 2, Sum(), Sum(), beside, Sum(), 0, 0, True)
    assert any("beside the steps: $0.50" in words for words in notes(tables, Names(Store()), ()))
    assert notes(tables._replace(read=False), Names(Store()), ()) == []
