"""What is looked at of a timeline: it follows the cursor and now, and stands still where the user has gone away."""

from __future__ import annotations

from tests.tui.model.builders import (
    at,
    gone,
    key,
    op,
    op_end,
    prompt,
    session,
    store_of,
    task,
    turn,
    turn_end,
    turn_gone,
)
from tests.tui.model.test_timeline import FAMILY, NOW
from tui.model.records import Key
from tui.model.store.store import Store
from tui.model.timeline.lines import FEW_STEPS
from tui.model.timeline.sight import Sight

LIVE = [session(), prompt("u1", 400), turn("a1", ts=401, prompt_id="u1"), turn_end("a1", ts=440)]


def sight_of(store: Store, node: Key | None = None, now_us: int = NOW) -> Sight:
    sight = Sight(store)
    sight.turn_to(node or key("session", "s1"), now_us)
    return sight


def on(sight: Sight) -> str:
    assert sight.line is not None
    return sight.line.key.id


def test_it_is_of_the_whole_tree_and_the_cursor_is_at_the_node() -> None:
    store = store_of(*FAMILY)
    sight = sight_of(store, key("op", "r1:tool", "s4"))
    assert sight.subject == key("session", "s1")
    assert on(sight) == "q1:tool"
    sight.turn_to(key("op", "p1:tool"), NOW)
    assert on(sight) == "a1"
    assert not sight.moved


def test_nothing_is_shown_of_nothing() -> None:
    sight = sight_of(store_of(*FAMILY))
    sight.turn_to(None, NOW)
    assert (sight.timeline, sight.line, sight.window) == (None, None, (0, 1))
    sight.move(1)
    sight.zoom(True)
    sight.scroll(1)
    sight.narrow(NOW)
    sight.fold(NOW)
    assert not sight.next_of("failure", True)
    assert not sight.changed({key("turn", "a1")}, NOW)


def test_what_others_do_changes_nothing_here() -> None:
    store = store_of(*FAMILY, session("s9", 5))
    sight = sight_of(store)
    assert not sight.changed(store.apply([turn("z1", ts=6, session_id="s9")]).dirty, NOW)
    assert sight.changed(store.apply([turn("a2", 2, ts=40)]).dirty, NOW)


def test_zooming_keeps_the_bar_of_the_cursor_in_sight_and_ends_with_all_of_the_time() -> None:
    sight = sight_of(store_of(*FAMILY))
    whole = sight.window
    sight.go(4)
    for _ in range(2):
        sight.zoom(True)
    start, stop = sight.window
    assert sight.zoomed
    assert (stop - start) * 4 == (whole[1] - whole[0])
    assert sight.timeline is not None
    assert sight.line is not None
    assert start < sight.timeline.axis.place(sight.line.stop)
    assert stop > sight.timeline.axis.place(sight.line.start)
    for _ in range(2):
        sight.zoom(False)
    assert (sight.window, sight.zoomed) == (whole, False)


def test_a_line_that_is_out_of_sight_in_time_comes_into_it() -> None:
    store = store_of(session(), *(event for n in range(9) for event in (turn(f"a{n}", n, n * 9), turn_end(f"a{n}", n, n * 9 + 8))))  # fmt: skip  # noqa: E501
    sight = sight_of(store)
    sight.go(0)
    for _ in range(3):
        sight.zoom(True)
    assert sight.window[1] < at(20)
    sight.go(8)
    assert sight.timeline is not None
    assert sight.window[0] <= sight.timeline.axis.place(at(72)) <= sight.window[1]


def test_scrolling_stays_on_the_axis() -> None:
    sight = sight_of(store_of(*FAMILY))
    sight.scroll(1)
    assert not sight.zoomed
    sight.zoom(True)
    length = sight.window[1] - sight.window[0]
    for steps in (-99, 99):
        sight.scroll(steps)
        start, stop = sight.window
        assert stop - start == length
    assert sight.timeline is not None
    assert sight.window[1] == sight.timeline.axis.length


def test_the_right_edge_goes_along_with_now_until_one_scrolls_away_from_it() -> None:
    store = store_of(*LIVE, turn("a2", 2, 445, "u1"), op("p1", "a2", ts=450, name="bash", running=True))
    sight = sight_of(store, now_us=at(460))
    assert sight.at_now
    sight.go(99)
    sight.zoom(True)
    sight.scroll(99)
    assert sight.at_now
    before = sight.window
    assert sight.tick(at(470))
    assert sight.window == (before[0] + at(10), before[1] + at(10))
    sight.scroll(-1)
    assert not sight.at_now
    before = sight.window
    assert sight.tick(at(480))
    assert sight.window == before


def test_what_is_over_does_not_change_with_time() -> None:
    assert not sight_of(store_of(*FAMILY)).tick(NOW + at(1))


def test_at_the_end_of_what_goes_on_the_cursor_goes_along_and_elsewhere_it_stays() -> None:
    store = store_of(*LIVE, turn("a2", 2, 445, "u1"))
    sight, above = sight_of(store, now_us=at(450)), sight_of(store, now_us=at(450))
    sight.go(99)
    above.go(1)
    dirty = store.apply([turn_end("a2", 2, 455), turn("a3", 3, 456, "u1")]).dirty
    assert sight.changed(dirty, at(457))
    assert above.changed(dirty, at(457))
    assert (on(sight), on(above)) == ("a3", "a1")


def test_one_line_alone_and_back() -> None:
    sight = sight_of(store_of(*FAMILY))
    sight.go(3)
    sight.narrow(NOW)
    assert sight.narrowed
    assert sight.timeline is not None
    assert [line.key.id for line in sight.timeline.lines] == ["c1", "q1:tool"]
    assert sight.timeline.axis.first == at(6)
    sight.narrow(NOW)
    assert not sight.narrowed
    assert on(sight) == "p3:tool"


def test_who_goes_elsewhere_in_the_tree_sees_the_whole_again() -> None:
    sight = sight_of(store_of(*FAMILY))
    sight.go(3)
    sight.narrow(NOW)
    sight.turn_to(key("turn", "c1", "s3"), NOW)
    assert sight.narrowed
    sight.turn_to(key("turn", "b1", "s2"), NOW)
    assert not sight.narrowed


def test_what_is_narrowed_to_and_goes_gives_way_to_the_whole() -> None:
    store = store_of(session(), turn("a1", ts=3), turn_end("a1"), turn("a2", 2, 6), turn_end("a2", 2, 9))
    sight = sight_of(store)
    sight.go(1)
    sight.narrow(NOW)
    gone = store.apply([turn_gone("a2")])
    assert sight.changed(gone.dirty | {key("session", "s1")}, NOW)
    assert not sight.narrowed
    assert on(sight) == "a1"


def test_failures_are_walked_over_the_end() -> None:
    store = store_of(
        session(), turn("a1", ts=3), op("p1", "a1", ts=4), op_end("p1", "a1", ts=5, status="failed"), turn_end("a1"),
        turn("a2", 2, 6), turn_end("a2", 2, 7), turn("a3", 3, 8), turn_end("a3", 3, 9, status="failed", error="E"),
    )  # fmt: skip
    sight = sight_of(store)
    visited = []
    for _ in range(3):
        assert sight.next_of("failure", True)
        visited.append(on(sight))
    assert visited == ["a3", "a1", "a3"]
    assert sight.next_of("failure", False)
    assert on(sight) == "a1"


def test_of_a_long_session_the_newest_prompt_is_open_and_the_one_that_is_looked_for() -> None:
    events = [session()]
    for number in range(3):
        events.append(prompt(f"u{number}", number * 1000 + 1))
        for step in range(FEW_STEPS // 2):
            name = f"a{number}.{step}"
            seq = number * 100 + step
            events += [turn(name, seq, number * 1000 + 2 + step, f"u{number}")]
            events += [turn_end(name, seq, number * 1000 + 2.5 + step)]
    sight = sight_of(store_of(*events), now_us=at(9000))
    assert sight.timeline is not None
    assert [line.fold for line in sight.timeline.lines if line.kind == "prompt"] == ["closed", "closed", "open"]
    sight.turn_to(key("turn", "a0.5"), at(9000))
    assert on(sight) == "a0.5"
    assert [line.fold for line in sight.timeline.lines if line.kind == "prompt"] == ["open", "closed", "open"]


def test_changes_that_nobody_told_of_are_made_up_for() -> None:
    store = store_of(session(), turn("a1", ts=3), turn_end("a1", ts=5))
    sight = sight_of(store)
    store.apply([turn("a1", ts=3), turn_end("a1", ts=8)])
    sight.turn_to(key("turn", "a1"), NOW, missed=True)
    assert sight.line is not None
    assert sight.line.stop == at(8)


def test_prompts_are_walked_over_the_end() -> None:
    store = store_of(*FAMILY, prompt("u2", 60), turn("a2", 2, 61, "u2"), turn_end("a2", 2, 62))
    sight = sight_of(store, key("turn", "a1"))
    for expected in ("u2", "u1"):
        assert sight.next_of("prompt", True)
        assert on(sight) == expected
    assert sight.next_of("prompt", False)
    assert on(sight) == "u2"


def test_a_session_that_goes_takes_its_timeline_along() -> None:
    store = store_of(*FAMILY)
    sight = sight_of(store)
    assert sight.changed(store.apply([gone("s1"), gone("s2"), gone("s3"), gone("s4")]).dirty, NOW)
    assert sight.timeline is None
    assert not sight.tick(NOW + 1)


def test_a_session_that_comes_to_hang_under_another_is_shown_there() -> None:
    store = store_of(*FAMILY)
    sight = sight_of(store, key("turn", "c1", "s3"))
    dirty = store.apply([session("s0", 1), session("s1", 1, parent_id="s0", title="below")]).dirty
    assert sight.changed(dirty, NOW)
    assert sight.subject == key("session", "s0", "s0")


def test_agents_may_be_nested_as_deep_as_a_stranger_likes() -> None:
    events = []
    for depth in range(400):
        events += [session(f"d{depth}", depth + 1, parent_id=f"d{depth - 1}" if depth else None)]
        events += [turn(f"t{depth}", ts=depth + 2, session_id=f"d{depth}")]
        events += task(f"p{depth}", f"t{depth}", f"d{depth + 1}", ts=depth + 2, session_id=f"d{depth}")
    sight = sight_of(store_of(*events), key("session", "d0", "d0"))
    assert sight.timeline is not None
    assert len(sight.timeline.lines) == 400
    sight.turn_to(key("turn", "t399", "d399"), NOW)
    assert sight.at == 399
