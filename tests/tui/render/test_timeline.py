"""Timelines in cells: every bar is seen, an axis that jumps says so, no fill is told by colour alone, all fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.model.builders import at, key, op, op_end, prompt, session, store_of, task, turn, turn_end
from tests.tui.model.test_timeline import FAMILY, NOW, everything, sessions_, timeline, told
from tests.tui.test_hostile_text import WORST
from tui.model.records import Key, session_key
from tui.model.store.store import Store
from tui.model.timeline.axis import Axis
from tui.model.timeline.bars import Kind, Run
from tui.model.timeline.lines import Line as TimeLine
from tui.model.timeline.lines import Timeline, Timelines
from tui.render.lines import plain
from tui.render.timeline.bars import FAILED, FILLS, Scale, Window, axis_line, bar, columns, whole, words
from tui.render.timeline.rows import about, axis_row, foot, row, scale_of
from tui.render.timeline.text import timeline_lines


def drawn(store: Store, width: int = 70, folds: dict[Key, bool] | None = None, *, letters: bool = False) -> list[str]:
    return list(timeline_lines(store, timeline(store, folds=folds), width, letters=letters))


def bar_of(line: TimeLine, made: Timeline, cells: int, window: Window | None = None, *, letters: bool = False) -> str:
    return plain(bar(line, Scale(made.axis, window or whole(made.axis), cells), letters=letters))


def axis_of(axis: Axis, cells: int, window: Window | None = None, *, now: bool = False) -> str:
    return plain(axis_line(Scale(axis, window or whole(axis), cells), letters=False, now=now))


def test_the_picture() -> None:
    assert drawn(store_of(*FAMILY), 76) == [
        "s1  1970-01-01 00:00:02 UTC  slowest: bash 16s",
        "                    0s         10s         20s     29s",
        "▾ do it             ❯                                  29s",
        "  ▸ step 1           ▓▓▓███░░░░░░░░░░░░░░░░░░░░░░░░░░▓ model 3.0s  bash 3.0…",
        "    ▸ callers           ─▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓──             14s",
        "    ▸ bisect            ─▓▓▓░░░░░░░░░░░░░░░░░░░░░░▓▓─  24s  waited for its …",
        "      ▸ suite               ─▓▓██████████████████▓▓    19s  ✗1  slowest: ba…",
        "▓ model  █ tool  ░ waits for its agent  █ failed",
    ]


def test_letters_stand_for_the_fills_and_everything_of_ours_is_ascii() -> None:
    lines = drawn(store_of(*FAMILY), letters=True, folds=everything(store_of(*FAMILY)))
    assert all(line.isascii() for line in lines)
    text = "\n".join(lines)
    assert "mm" in text
    assert "ttt" in text
    assert "www" in text
    assert "XXX" in text
    assert lines[-1] == "m model  t tool  w waits for its agent  X failed"


def test_no_two_fills_look_alike_without_colour() -> None:
    every = [*FILLS.values(), FAILED]
    assert len({fill.letter for fill in every}) == len(every)
    assert all(len(fill.glyph) == len(fill.letter) == cell_len(fill.glyph) == 1 for fill in every)


def test_a_bar_that_is_shorter_than_a_cell_is_seen() -> None:
    store = store_of(
        session(), turn("a1", ts=0), turn_end("a1", ts=100_000), turn("a2", 2, ts=100_001),
        op("p1", "a2", ts=100_002), op_end("p1", "a2", ts=100_002), op("p2", "a2", seq=2, ts=100_002),
        op_end("p2", "a2", seq=2, ts=100_002.5), turn_end("a2", 2, ts=100_003),
    )  # fmt: skip
    made = timeline(store)
    assert [bar_of(line, made, 30).strip() for line in made.lines[1:]] == ["▓", "█", "█"]


def test_a_cell_shows_what_most_of_its_time_was() -> None:
    store = store_of(
        session(), turn("a1", ts=0), op("p1", "a1", ts=1), op_end("p1", "a1", ts=2), op("p2", "a1", seq=2, ts=10),
        op_end("p2", "a1", seq=2, ts=18), turn_end("a1", ts=20),
    )  # fmt: skip
    made = timeline(store)
    assert bar_of(made.lines[0], made, 2) == "▓█"
    assert bar_of(made.lines[0], made, 20) == "▓█▓▓▓▓▓▓▓▓████████▓▓"


def test_what_is_out_of_sight_says_on_which_side_it_is() -> None:
    made = timeline(store_of(session(), turn("a1", ts=0), turn_end("a1", ts=10)))
    assert bar_of(made.lines[0], made, 8, Window(at(20), at(30))) == "‹       "
    later = timeline(
        store_of(session(), turn("a1", ts=0), turn_end("a1", ts=4), turn("a2", 2, 6), turn_end("a2", 2, 9))
    )
    assert bar_of(later.lines[1], later, 8, Window(0, at(3))) == "       ›"


def test_the_axis_has_round_ticks_and_its_end() -> None:
    assert axis_of(Axis([(0, at(36))]), 40) == "0s         10s        20s        30s 36s"
    assert axis_of(Axis([(0, at(36))]), 40, Window(at(10), at(14))).split() == ["10s", "11s", "12s", "13s", "14s"]
    assert axis_of(Axis([(0, at(7200))]), 40, now=True).split() == ["0s", "30m", "1h", "1h30", "now"]
    assert axis_of(Axis([(0, 900_000)]), 30).split() == ["0s", "0.5s", "0.9s"]


def test_an_axis_that_jumps_says_by_how_much() -> None:
    axis = Axis([(0, at(60)), (at(3660), at(3700))])
    words = axis_of(axis, 60)
    assert "┊1h00 later" in words
    store = store_of(session(), turn("a1", ts=0), turn_end("a1", ts=60), turn("a2", 2, 3660), turn_end("a2", 2, 3700))
    assert "┊ nobody worked: left out" in drawn(store)[-1]
    assert "┊" in drawn(store)[1]


def test_who_was_waited_for_in_a_gap_is_seen_in_it() -> None:
    store = store_of(
        session(), turn("a1", ts=0), op("p1", "a1", ts=10, name="question"), op_end("p1", "a1", ts=9_000),
        turn_end("a1", ts=9_010),
    )  # fmt: skip
    made = timeline(store)
    assert "░" in bar_of(made.lines[0], made, 20)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([op("p1", "a1", ts=4), op_end("p1", "a1", ts=6)], "model 1.0s  read 2.0s"),
        ([op("p1", "a1", ts=4, name="bash", exit=2), op_end("p1", "a1", ts=6)], "model 1.0s  bash 2.0s  exit 2"),
        ([op("p1", "a1", ts=4), op_end("p1", "a1", ts=6, status="failed", error="E")], "model 1.0s  read 2.0s  ✗"),
        ([], "model 3.0s"),
    ],
)
def test_a_step_says_where_its_time_went(events: list[object], said: str) -> None:
    store = store_of(session(), turn("a1", ts=3), *events, turn_end("a1", ts=6))  # type: ignore[arg-type]
    assert plain(words(timeline(store).lines[0])) == said


def test_an_agent_says_what_was_slow_or_that_it_waited() -> None:
    made = timeline(store_of(*FAMILY))
    said = {line.key.id: plain(words(line)) for line in made.lines}
    assert said["p2:tool"] == "14s"
    assert said["p3:tool"] == "24s  waited for its agent"
    assert said["q1:tool"] == "19s  ✗1  slowest: bash 16s"


def test_a_call_says_how_it_failed() -> None:
    store = store_of(
        session(), turn("a1", ts=3), op("p1", "a1", ts=4, name="bash", exit=1), op_end("p1", "a1", ts=5),
        op("p2", "a1", seq=2, ts=4), op_end("p2", "a1", seq=2, ts=6, status="failed", error="NotFound"), turn_end("a1"),
    )  # fmt: skip
    assert [plain(words(line)) for line in timeline(store).lines[1:]] == ["1.0s  exit 1", "2.0s  NotFound"]


def test_the_line_of_the_cursor_is_told_whole() -> None:
    store = store_of(session(), turn("a1", ts=3), turn_end("a1", ts=6))
    told_ = plain(about(timeline(store).lines[0], letters=False))
    assert told_.startswith(" step 1  19")
    assert told_.endswith("model 3.0s")


@given(sessions_, st.integers(20, 140), st.integers(0, 10), st.integers(0, 10), st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_line_fits_and_every_bar_in_sight_is_seen(
    history: list[tuple[int, list[tuple[int, int | None, list[tuple[str, int, int | None, bool]]]]]],
    width: int,
    low: int,
    length: int,
    letters: bool,
) -> None:
    store = store_of(*(event for group in told(history) for event in group))
    for top in [store.sessions[each] for each in store.tops()]:
        made = timeline(store, session_key(top), everything(store))
        cells = columns(width)
        axis = made.axis
        window = Window(axis.length * low // 20, axis.length * min(20, low + length + 1) // 20)
        scale = scale_of(made, window, width)
        assert len(plain(axis_row(scale, width, letters=letters, now=False))) == cells.name + 1 + cells.bar
        for line in made.lines:
            shown = bar(line, scale, letters=letters)
            assert cell_len(plain(shown)) == cells.bar
            assert cell_len(plain(row(line, scale, width, letters=letters))) >= cells.name + 1 + cells.bar
            assert plain(shown).strip()


def test_what_a_stranger_wrote_is_text_in_cells() -> None:
    store = store_of(
        session(title=WORST, agent=WORST), prompt("u1", 2, WORST), turn("a1", ts=3, prompt_id="u1"),
        op("p1", "a1", ts=4, name=WORST, label=WORST), op_end("p1", "a1", ts=5, status="failed", error=WORST),
        *task("p2", "a1", "s2", 2), session("s2", 4, parent_id="s1", title=WORST, agent=WORST),
        turn_end("a1", ts=9),
    )  # fmt: skip
    made = Timelines(store).of(key("session", "s1"), NOW, everything(store))
    assert made is not None
    scale = scale_of(made, whole(made.axis), 100)
    lines = [plain(row(line, scale, 100, letters=False)) for line in made.lines]
    lines += [plain(about(line, letters=False)) for line in made.lines]
    lines += [*timeline_lines(store, made, 100, letters=False), plain(foot(store, made, 100, letters=False))]
    assert all(line.isprintable() for line in lines)
    assert not any(mark in line for line in lines for mark in "\x1b\x9b\u202e\u2066\u200b")


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 60), st.sampled_from(["model", "tool", "agent"])), min_size=40
    ),
    st.integers(1, 60),
    st.integers(0, 9),
    st.integers(1, 10),
)
@settings(max_examples=60, deadline=None)
def test_a_line_of_many_runs_looks_as_if_each_had_been_drawn(
    given_runs: list[tuple[int, int, Kind]], cells: int, low: int, length: int
) -> None:
    runs, at_ = [], 0
    for gap, took, kind in given_runs:
        at_ += gap
        runs.append(Run(at_, at_ + took, kind))
        at_ += took
    axis = Axis([(run.start * 10**5, run.stop * 10**5) for run in runs])
    runs = [Run(run.start * 10**5, run.stop * 10**5, run.kind) for run in runs]
    line = timeline(store_of(*FAMILY)).lines[2]._replace(runs=tuple(runs), start=runs[0].start, stop=runs[-1].stop)
    scale = Scale(axis, Window(axis.length * low // 10, axis.length * min(10, low + length) // 10), cells)
    one = plain(bar(line, scale, letters=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.render.timeline.bars.BLOCK", 10**6)
        assert plain(bar(line, scale, letters=False)) == one
