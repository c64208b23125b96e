"""The view as a function: events and times in, frames out; nothing is drawn and nobody waits."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import Event, SessionFinalized, SessionRemoved
from tests.tui import story
from tests.tui.stage import health
from tests.tui.states import asked, begun
from tests.tui.story import NOW, SOURCE, Step, at, prompt, session
from tui.model.records import Key
from tui.model.status.notices import words
from tui.model.store.store import Store
from tui.model.tree.headings import name as band_name
from tui.model.tree.sorting import Arrangement
from tui.render.bars import filter_line
from tui.render.bars.status import Status, status_line
from tui.view import Frame, View

NOW_US = NOW * 1_000_000
SECOND = 1_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
DAY = 24 * HOUR


class Scene:
    """A view with a window of some rows, and the time."""

    def __init__(self, *events: Event, height: int = 10, notify: bool = False, started: int = NOW_US) -> None:
        self.store = Store()
        self.view = View(self.store, started, notify=notify)
        self.view.resized(height)
        self.now = started
        self.feed(*events)

    def feed(self, *events: Event, loaded: str = "") -> Frame:
        """Events arrive; with `loaded` they are all there is of that session."""
        if loaded:
            self.store.expect(SOURCE, loaded)
        changes = self.store.apply(events)
        if loaded:
            more = self.store.mark_loaded(SOURCE, loaded)
            changes.roots |= more.roots
            changes.dirty |= more.dirty
        return self.view.apply(changes, self.now)

    def later(self, microseconds: int) -> Frame:
        self.now += microseconds
        return self.view.tick(self.now)

    @property
    def rows(self) -> list[str]:
        return [self.view.rows.row(n).key.id for n in range(len(self.view.rows))]


def old(count: int, ago: float = 9000) -> list[Event]:
    return [session(f"ses_old_{n:02}", f"Old session {n:02}", ago + n) for n in range(count)]


def call_that_may_wait(session_id: str = "ses_perm") -> list[Event]:
    step = begun(session_id, 0).op("tool", "bash", 0, None, label="rm -rf build/")
    return [*asked(session_id, "Clean the build directory", 1, "there are 40 GB in it"), *step.events]


class TestTimeOutOfSight:
    def test_a_session_that_begins_to_wait_is_counted_titled_told_and_found(self) -> None:
        scene = Scene(*old(80), notify=True)
        scene.view.edge(True)
        scene.feed(*call_that_may_wait())
        assert scene.view.summary.waiting == 0
        assert not any(key.session_id == "ses_perm" for key in scene.view.place.keys_in_sight())
        frames = [scene.later(SECOND) for _ in range(4)]
        assert scene.view.summary.waiting == 1
        assert (0, 1) in [frame.title for frame in frames]
        assert any(frame.status for frame in frames)
        assert [words(frame.notices) for frame in frames if frame.notices] == [
            "waiting for you: Clean the build directory"
        ]
        frame = scene.view.find("waiting", True, scene.now)
        assert frame.moved
        assert scene.view.cursor is not None
        assert scene.view.cursor.session_id == "ses_perm"

    def test_under_a_filter_that_hides_it_it_is_counted_and_one_that_asks_for_it_gets_it(self) -> None:
        scene = Scene(*old(3))
        scene.view.filter("is:waiting", scene.now)
        scene.feed(*call_that_may_wait())
        assert scene.rows == []
        frame = scene.later(5 * SECOND)
        assert frame.rows
        assert scene.rows[0] == "ses_perm"
        scene.view.filter("old", scene.now)
        assert scene.view.summary.waiting == 1

    def test_a_filter_asked_for_again_knows_what_time_has_done_while_none_was_on(self) -> None:
        scene = Scene(*old(3))
        scene.feed(*call_that_may_wait())
        scene.view.filter("is:waiting", scene.now)
        scene.view.filter("", scene.now)
        scene.later(5 * SECOND)
        scene.view.filter("is:waiting", scene.now)
        assert scene.rows[0] == "ses_perm"

    def test_the_detail_of_what_goes_on_is_told_anew_each_second_and_of_what_is_over_each_minute(self) -> None:
        scene = Scene(*story.everything())
        scene.view.select(Key(SOURCE, "session", "ses_retry", "ses_retry"))
        assert scene.later(SECOND).detail
        scene = Scene(*story.others(), started=NOW_US - NOW_US % MINUTE + SECOND)
        assert not scene.later(SECOND).detail
        assert scene.later(MINUTE).detail

    def test_the_detail_of_an_old_session_is_left_alone_while_another_one_is_new(self) -> None:
        scene = Scene(*old(2), started=NOW_US - NOW_US % MINUTE + SECOND)
        scene.view.select(Key(SOURCE, "session", "ses_old_01", "ses_old_01"))
        scene.feed(session("ses_new", "New", (NOW_US - scene.now) / SECOND))
        assert not scene.later(SECOND).detail
        scene.view.select(Key(SOURCE, "session", "ses_new", "ses_new"))
        assert scene.later(SECOND).detail


class TestReading:
    def test_it_is_given_up_when_what_is_open_fills_the_memory(self) -> None:
        scene = Scene(*old(9), *story.everything())
        scene.view.filter("tool:bash", scene.now)
        unread = len(scene.view.finder.unread)
        assert unread >= 9
        scene.view.budget.ops = 10_000
        frame = scene.view.read_all()
        assert len(frame.load) == 3
        scene.view.budget.ops = 1
        names = [name for _, name in frame.load]
        frames = [scene.feed(loaded=name) for name in names]
        assert [frame.load for frame in frames] == [[]] * 3
        # It waits for those that are on their way out, and then nothing more can go.
        assert scene.view.reading.on
        gone = [key for frame in frames for key in frame.release]
        remarks = [scene.view.apply(scene.store.unload(*key), scene.now).remark for key in gone]
        assert [remark for remark in remarks if remark] == [
            "memory is full of sessions that are open: no more are read"
        ]
        assert not scene.view.reading.on
        assert len(scene.view.finder.unread) == unread - 3


class TestTheClock:
    def test_it_is_ticked_each_second_while_something_is_open_and_each_minute_else(self) -> None:
        scene = Scene(*story.others())
        assert not scene.view.busy
        assert scene.view.patience_s(NOW_US) == 60 - NOW % 60
        scene.feed(*call_that_may_wait())
        assert scene.view.busy
        assert scene.view.patience_s(NOW_US) == 1
        assert scene.view.patience_s(NOW_US + 300_000) == 0.7

    def test_ages_that_are_said_in_seconds_are_told_each_second(self) -> None:
        scene = Scene(*story.others())
        assert not scene.view.busy
        scene.feed(session("ses_new", "Just over", 5))
        assert scene.view.patience_s(scene.now) <= 1
        scene.later(50 * SECOND)
        assert scene.view.busy
        scene.later(10 * SECOND)
        assert not scene.view.busy

    def test_a_machine_that_was_asleep_is_told_the_time_at_once(self) -> None:
        scene = Scene(*story.others())
        for later in (HOUR, -2 * HOUR):
            assert scene.view.patience_s(scene.now) >= 1
            scene.now += later
            assert scene.view.patience_s(scene.now) < 0.1
            scene.later(0)
        assert scene.view.patience_s(scene.now) >= 1

    def test_what_was_left_behind_long_ago_keeps_nobody_awake(self) -> None:
        scene = Scene(*call_that_may_wait())
        scene.later(DAY)
        assert scene.view.rows.live == {}
        assert not scene.view.busy
        # The clock was wrong, and is put right.
        scene.later(-DAY)
        assert scene.view.busy

    def test_midnight_makes_today_another_day(self) -> None:
        scene = Scene(session("ses_a", "Costly", 100, extras={"cost": 5.0}))
        assert scene.view.summary.cost_today == 5.0
        before_midnight = NOW_US - NOW_US % DAY + DAY - SECOND
        scene.later(before_midnight - scene.now)
        assert scene.view.summary.cost_today == 5.0
        assert scene.view.patience_s(scene.now) == 1
        assert scene.later(SECOND).status
        assert scene.view.summary.cost_today == 0.0

    def test_a_filter_of_the_last_hour_ages(self) -> None:
        scene = Scene(session("ses_a", "Fresh", 100))
        scene.view.filter("since:1h", scene.now)
        assert scene.rows == ["ses_a"]
        frame = scene.later(2 * HOUR)
        assert frame.rows
        assert frame.heading
        assert scene.rows == []

    def test_after_a_night_of_suspend_one_tick_is_enough(self) -> None:
        scene = Scene(*call_that_may_wait(), notify=True)
        scene.view.filter("is:waiting", scene.now)
        frame = scene.later(6 * HOUR)
        assert scene.view.summary.waiting == 1
        assert frame.notices
        assert scene.rows[0] == "ses_perm"

    def test_a_clock_that_is_set_back_makes_what_was_over_go_on_again(self) -> None:
        scene = Scene(*story.running_sub_agent(), notify=True)
        assert scene.view.summary.running == 1
        scene.later(5 * HOUR)
        assert scene.view.summary.running == 0
        scene.later(-5 * HOUR)
        assert scene.view.summary.running == 1
        scene.feed(*call_that_may_wait())
        scene.later(20 * SECOND)
        scene.later(-10 * SECOND)
        # The last notice lies in the future, and holds no other one up.
        assert scene.feed(*call_that_may_wait("ses_other")).notices


class TestAges:
    def key(self, session_id: str) -> Key:
        return Key(SOURCE, "session", session_id, session_id)

    def test_a_second_makes_the_youngest_look_older_and_what_is_at_work_and_no_other_row(self) -> None:
        scene = Scene(*at_work("ses_a", "A"), session("ses_new", "New", 5), *old(6))
        scene.later(SECOND)
        frame = scene.later(SECOND)
        assert not frame.rows
        assert {key.session_id for key in frame.aged} == {"ses_a", "ses_new"}

    def test_who_is_older_than_a_minute_looks_older_by_the_minute(self) -> None:
        scene = Scene(session("ses_a", "A", 118), session("ses_b", "B", 150), started=NOW_US + 10 * SECOND)
        scene.later(0)
        assert scene.later(SECOND).aged == set()
        # B is three minutes old after 20 s, A only two since 10 s ago.
        assert scene.later(20 * SECOND).aged == {self.key("ses_b")}

    def test_what_only_time_has_made_an_orphan_is_drawn_as_one_and_then_left_alone(self) -> None:
        scene = Scene(*call_that_may_wait(), *old(2))
        # By name, so that its row stays where it is; with a sub-agent, so that its age says another minute later.
        scene.view.arrange(Arrangement(order="name"))
        scene.view.select(self.key("ses_perm"))
        scene.view.fold()
        scene.now += 31 * SECOND
        scene.feed(session("ses_kid", "Kid", -30, parent_id="ses_perm"))
        scene.now = NOW_US
        scene.later(12 * HOUR - 3 * SECOND)
        drawn = []
        for _ in range(6):
            frame = scene.later(SECOND)
            drawn.append((scene.view.rows.anything_open, frame.rows, self.key("ses_perm") in frame.aged))
        assert drawn == [(True, False, True)] * 2 + [(False, False, True)] + [(False, False, False)] * 3

    def test_a_line_that_is_cut_or_stands_again_is_a_moment_to_look_at_all_rows(self) -> None:
        scene = Scene(*old(6), started=NOW_US - NOW_US % MINUTE)
        scene.later(SECOND)
        for cut_us in (scene.now, 0):
            scene.store.lose_sight(SOURCE, cut_us)
            assert scene.view.heard({SOURCE: health(looked=float(NOW))}, scene.now).rows
            assert not scene.view.heard({SOURCE: health(looked=float(NOW))}, scene.now).rows

    def test_a_clock_that_is_set_back_is_a_moment_to_look_at_all_rows(self) -> None:
        scene = Scene(*old(6))
        scene.later(SECOND)
        assert scene.later(-2 * SECOND).rows


class TestFreshness:
    def test_what_nobody_has_looked_at_for_a_while_is_not_live(self) -> None:
        scene = Scene()
        scene.view.heard({SOURCE: health(looked=float(NOW))}, scene.now)
        assert scene.view.summary.stale_s == 0
        assert scene.view.patience_s(scene.now) == 15
        assert not scene.later(14 * SECOND).status
        assert scene.later(SECOND).status
        assert scene.view.summary.stale_s == 15
        assert scene.view.patience_s(scene.now) == 1
        scene.view.heard({SOURCE: health(looked=NOW + 15.0)}, scene.now)
        assert scene.view.summary.stale_s == 0

    def test_a_look_of_long_ago_that_arrives_now_is_as_old_as_it_is(self) -> None:
        scene = Scene()
        scene.view.heard({SOURCE: health(looked=NOW - 100.0)}, scene.now)
        assert scene.view.summary.stale_s == 100

    def test_a_clock_ahead_of_ours_or_set_back_makes_nothing_fresh_for_longer(self) -> None:
        scene = Scene()
        scene.view.heard({SOURCE: health(looked=NOW + 3600.0)}, scene.now)
        scene.later(20 * SECOND)
        assert scene.view.summary.stale_s == 20
        scene.view.heard({SOURCE: health(looked=NOW + 20.0)}, scene.now)
        scene.later(-HOUR)
        assert scene.view.summary.stale_s == 0
        scene.later(20 * SECOND)
        assert scene.view.summary.stale_s == 20

    def test_which_machine_it_is_that_was_not_looked_at_is_said(self) -> None:
        scene = Scene()
        old = health(looked=NOW - 20.0, host="box")
        scene.view.heard({SOURCE: health(looked=float(NOW)), "via:box": old}, scene.now)
        assert (scene.view.summary.stale_s, scene.view.summary.stale_host) == (20, "box")
        bar = "".join(text for text, _ in status_line(Status(healths=(old,), summary=scene.view.summary), 120))
        assert "last look at box 20s ago" in bar

    def test_a_source_in_trouble_says_so_itself(self) -> None:
        scene = Scene()
        scene.view.heard({SOURCE: health(state="error", looked=NOW - 100.0)}, scene.now)
        assert scene.view.summary.stale_s == 0


class TestListing:
    def bar(self, scene: Scene) -> str:
        status = Status(healths=scene.view.sources.healths, summary=scene.view.summary)
        return "".join(text for text, _ in status_line(status, 120))

    def heading(self, scene: Scene) -> str:
        view = scene.view
        return "".join(text for text, _ in filter_line.count(view.finder, view.rows.total, view.sources.is_listing))

    def test_the_newest_of_many_sessions_are_not_said_to_be_all(self) -> None:
        scene = Scene(*old(12))
        frame = scene.view.heard({SOURCE: health(looked=float(NOW), listing=True)}, scene.now)
        assert frame.heading
        assert frame.status
        assert self.heading(scene) == " Sessions 12+"
        assert "reading" in self.bar(scene)
        assert "0 at work" not in self.bar(scene)
        frame = scene.view.heard({SOURCE: health(looked=float(NOW))}, scene.now)
        assert frame.heading
        assert frame.status
        assert self.heading(scene) == " Sessions 12"
        assert "0 at work" in self.bar(scene)

    def test_of_a_line_that_tells_how_many_are_still_to_come_there_are_counts_meanwhile(self) -> None:
        scene = Scene(*old(12))
        scene.view.heard({SOURCE: health(looked=float(NOW), listing=True, unread=1)}, scene.now)
        assert self.heading(scene) == " Sessions 12+"
        assert "0 at work" in self.bar(scene)
        assert "reading, 1 session to go" in self.bar(scene)

    def test_a_database_that_cannot_be_read_any_more_keeps_no_count_of_others_back(self) -> None:
        scene = Scene(*old(12))
        gone = health(looked=float(NOW), listing=True, state="error", message="it has gone")
        scene.view.heard({SOURCE: health(looked=float(NOW)), "other": gone}, scene.now)
        assert scene.view.summary.known
        assert self.heading(scene) == " Sessions 12+"

    def test_before_every_database_has_told_something_there_is_no_count(self) -> None:
        scene = Scene(*old(12))
        scene.view.sources.expected = 2
        scene.view.heard({SOURCE: health(looked=float(NOW))}, scene.now)
        assert "0 at work" not in self.bar(scene)
        gone = health(looked=float(NOW), state="waiting", message="there is none")
        scene.view.heard({SOURCE: health(looked=float(NOW)), "other": gone}, scene.now)
        assert "0 at work" in self.bar(scene)

    def test_a_filter_says_that_there_are_more_too(self) -> None:
        scene = Scene(*old(12))
        scene.view.heard({SOURCE: health(looked=float(NOW), listing=True)}, scene.now)
        scene.view.filter("nobody", scene.now)
        assert self.heading(scene) == " Sessions 0 of 12+"


class TestFailures:
    def answered(self, session_id: str, ago: float, *, fails: bool) -> list[Event]:
        step = Step(session_id, 1, f"usr_{session_id}", ago)
        ending: dict[str, Any] = {"status": "failed", "error": ("Error", "no")} if fails else {}
        step.op("tool", "bash", ago, 0.5, label="make", **ending)
        step.end(ago - 1, story.Usage(input=5), 0, 0.1, finish="stop")
        asked_for = prompt(session_id, f"usr_{session_id}", "Do it.", ago + 1)
        return [session(session_id, session_id, ago + 2), asked_for, *step.events]

    def test_that_nothing_has_failed_is_said_of_what_was_read(self) -> None:
        scene = Scene(session("ses_a", "A", 100), session("ses_b", "B", 200))
        assert scene.view.find("failed", True, scene.now).remark == "none of these 2 sessions has been read yet"
        scene.feed(*self.answered("ses_a", 90, fails=False), loaded="ses_a")
        words = "nothing has failed in the 1 of 2 sessions that were read"
        assert scene.view.find("failed", True, scene.now).remark == words
        scene.view.filter("ses_a", scene.now)
        assert scene.view.find("failed", True, scene.now).remark == "nothing has failed in what the filter shows"
        scene.view.filter("B", scene.now)
        assert scene.view.find("failed", True, scene.now).remark == "this session has not been read yet"
        scene.view.filter("", scene.now)
        scene.feed(*self.answered("ses_b", 190, fails=False), loaded="ses_b")
        assert scene.view.find("failed", True, scene.now).remark == "nothing has failed here"

    def test_what_failed_in_a_session_that_was_given_back_is_found_and_read_again(self) -> None:
        scene = Scene(*old(3))
        events = self.answered("ses_bad", 90, fails=True)
        scene.feed(*events, loaded="ses_bad")
        scene.view.apply(scene.store.unload(SOURCE, "ses_bad"), scene.now)
        frame = scene.view.find("failed", True, scene.now)
        assert frame.load == [(SOURCE, "ses_bad")]
        assert scene.view.cursor == Key(SOURCE, "session", "ses_bad", "ses_bad")
        scene.feed(*events, loaded="ses_bad")
        assert scene.view.cursor is not None
        assert scene.view.cursor.kind == "op"


class TestWhatIsNew:
    def test_a_session_that_is_only_read_now_is_not(self) -> None:
        scene = Scene(*old(12), height=4)
        scene.view.move(1)
        key = Key(SOURCE, "session", "ses_old_01", "ses_old_01")
        scene.view.select(key)
        frame = scene.view.deeper()
        assert frame.load == [(SOURCE, "ses_old_01")]
        steps = [event for n in range(6) for event in Step("ses_old_01", n + 1, "usr_o", 8900 - n).events]
        before = len(scene.view.rows)
        scene.feed(prompt("ses_old_01", "usr_o", "Do it.", 8950), *steps, loaded="ses_old_01")
        assert len(scene.view.rows) > before
        assert (scene.view.new.above, scene.view.new.below) == (0, 0)

    def test_what_begins_in_a_session_that_is_read_is_until_it_has_been_seen(self) -> None:
        scene = Scene(*old(12), height=4)
        first = begun("ses_run", 50).op("tool", "bash", 49, 48, label="make")
        scene.feed(*asked("ses_run", "At work", 55, "Build it."), *first.events, loaded="ses_run")
        scene.view.edge(True)
        assert (scene.view.new.above, scene.view.new.below) == (0, 0)
        later = Step("ses_run", 2, "usr_ses_run", 5).op("tool", "bash", 4, None, label="make test")
        scene.feed(*later.events)
        assert scene.view.new.above >= 2
        above = scene.view.new.above
        scene.view.select(Key(SOURCE, "turn", "ses_run", "msg_ses_run_2"))
        assert scene.view.new.above < above
        scene.view.edge(False)
        assert (scene.view.new.above, scene.view.new.below) == (0, 0)

    def test_rows_in_sight_and_rows_that_were_unfolded_are_not(self) -> None:
        scene = Scene(*old(3), height=20)
        scene.view.move(1)
        scene.now += 10 * SECOND
        scene.feed(session("ses_new", "New", -5))
        assert len(scene.view.rows) == 4
        assert (scene.view.new.above, scene.view.new.below) == (0, 0)
        scene = Scene(*story.everything(), height=3)
        scene.view.edge(False)
        for _ in range(4):
            scene.view.cycle()
            assert (scene.view.new.above, scene.view.new.below) == (0, 0)

    def test_a_new_session_above_is_seen_while_nothing_is_scrolled(self) -> None:
        scene = Scene(*old(12), height=5)
        scene.view.move(2)
        cursor = scene.view.cursor
        scene.now += 10 * SECOND
        scene.feed(session("ses_new", "New", -5))
        assert scene.view.place.top == 0
        assert scene.rows[0] == "ses_new"
        assert scene.view.cursor == cursor
        assert scene.view.new.above == 0
        # The cursor never leaves the window for it.
        scene.view.move(1)
        assert scene.view.place.at == 4
        scene.feed(session("ses_newer", "Newer", -6))
        assert (scene.view.place.top, scene.view.place.at) == (1, 5)
        assert scene.view.new.above == 1

    def test_where_the_list_is_scrolled_rows_stay_in_their_line_and_new_ones_are_counted(self) -> None:
        scene = Scene(*old(30), height=5)
        scene.view.move(20)
        place = scene.view.place
        line = place.at - place.top
        scene.now += 100 * SECOND
        frame = scene.feed(*(session(f"ses_new_{n}", "New", -n - 1) for n in range(7)))
        assert place.at - place.top == line
        assert frame.status
        assert scene.view.new.above == 7

    def test_so_many_that_they_are_not_known_one_by_one_are_counted_until_their_end_is_seen(self) -> None:
        scene = Scene(*old(30), height=5)
        scene.view.move(20)
        scene.now += 1000 * SECOND
        scene.feed(*(session(f"ses_new_{n:03}", "New", -n - 1) for n in range(500)))
        assert scene.view.new.above == 500
        scene.view.edge(False)
        assert scene.view.new.above == 0


class TestFilterAndOrder:
    def test_what_a_filter_leaves_in_a_folded_heading_is_another_list_too(self) -> None:
        scene = Scene(*old(3))
        scene.view.arrange(Arrangement(grouping="projects"))
        scene.view.edge(False)
        scene.view.fold()
        assert len(scene.view.rows) == 1
        rows, three = scene.view.rows, {(SOURCE, f"ses_old_{n:02}") for n in range(3)}
        rows.keep(three)
        assert rows.keep(three - {(SOURCE, "ses_old_01")})
        assert not rows.keep(three - {(SOURCE, "ses_old_01")})

    def test_a_filter_brings_the_cursor_into_sight_wherever_the_list_was(self) -> None:
        scene = Scene(*old(60), session("ses_new", "New", 10))
        scene.view.edge(True)
        assert scene.view.place.top > 0
        scene.view.filter("Old", scene.now)
        scene.view.filter("Old session", scene.now)
        assert scene.view.place.in_sight(scene.view.place.at)
        scene.view.edge(True)
        scene.view.filter("session 0", scene.now)
        assert scene.view.place.in_sight(scene.view.place.at)

    @pytest.mark.parametrize("order", ["cost", "name"])
    def test_the_cursor_stays_on_its_node_in_another_order(self, order: str) -> None:
        scene = Scene(*old(12), height=5)
        scene.view.move(3)
        cursor = scene.view.cursor
        frame = scene.view.arrange(Arrangement(order))  # type: ignore[arg-type]
        assert frame.rows
        assert frame.heading
        assert scene.view.cursor == cursor
        assert scene.view.place.in_sight(scene.view.place.at)

    def test_a_filter_that_hides_the_cursor_leads_to_the_top_and_home_again(self) -> None:
        scene = Scene(*old(12), height=5)
        scene.view.move(3)
        home = scene.view.cursor
        scene.view.filter('"session 07"', scene.now)
        assert scene.view.cursor == Key(SOURCE, "session", "ses_old_07", "ses_old_07")
        scene.view.filter("", scene.now, home)
        assert scene.view.cursor == home

    def test_a_frame_says_no_more_than_what_is_different(self) -> None:
        scene = Scene(*story.others())
        assert scene.feed(*story.others()) == Frame()
        frame = scene.view.move(1)
        assert frame.moved
        assert len(frame.dirty) == 2
        assert frame == Frame(moved=True, dirty=frame.dirty)


def test_follow_stays_on_the_newest_until_a_key_moves_and_says_that_it_paused() -> None:
    scene = Scene(*story.everything())
    assert scene.view.follow(True).status
    assert scene.view.cursor is not None
    assert scene.view.cursor.session_id == "ses_find"
    scene.feed(*call_that_may_wait("ses_newer"))
    assert scene.view.cursor.session_id == "ses_newer"
    assert scene.view.move(1).status
    assert (scene.view.summary.following, scene.view.summary.paused) == (False, True)
    assert at(0) == NOW_US


def test_a_prompt_that_the_cursor_is_in_does_not_fold_when_the_next_one_is_asked() -> None:
    first = Step("ses_a", 1, "usr_1", 40).op("tool", "bash", 39, 1, label="make")
    scene = Scene()
    scene.feed(session("ses_a", "A", 60), prompt("ses_a", "usr_1", "one", 50), *first.events, loaded="ses_a")
    scene.view.rows.open(Key(SOURCE, "session", "ses_a", "ses_a"))
    call = next(row for row in scene.rows if row.endswith(":tool"))
    scene.view.select(Key(SOURCE, "op", "ses_a", call))
    second = Step("ses_a", 2, "usr_2", 9).op("tool", "bash", 8, None, label="make test")
    scene.feed(prompt("ses_a", "usr_2", "two", 10), *second.events)
    assert scene.view.cursor is not None
    assert scene.view.cursor.id == call
    # Who is somewhere else has the list as short as it was.
    scene.view.select(Key(SOURCE, "prompt", "ses_a", "usr_2"))
    scene.feed(prompt("ses_a", "usr_3", "three", 5), *Step("ses_a", 3, "usr_3", 4).events)
    assert call not in scene.rows


def at_work(session_id: str, title: str, ago: float = 20) -> list[Event]:
    step = Step(session_id, 1, f"usr_{session_id}", ago - 2)
    return [session(session_id, title, ago), prompt(session_id, f"usr_{session_id}", "Do it.", ago - 1), *step.events]


def the_end(session_id: str, ago: float = 0, **ending: Any) -> list[Event]:
    step = Step(session_id, 1, f"usr_{session_id}", 18)
    return step.end(ago, story.Usage(input=5), 0, 0.1, finish="stop", **ending).events


class TestNews:
    """What has ended and nobody has looked at since is for a person, wherever the notice of it goes."""

    BANDS = Arrangement(grouping="bands")

    def scene(self, *names: str, notify: bool = False) -> Scene:
        events = [event for name in names for event in at_work(name, f"At {name}")]
        scene = Scene(*old(5), *events, notify=notify, started=NOW_US - 30 * SECOND)
        scene.now = NOW_US
        scene.view.arrange(self.BANDS)
        scene.view.select(Key(SOURCE, "session", "ses_old_03", "ses_old_03"))
        scene.view.rest()
        return scene

    def bands(self, scene: Scene) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for n in range(len(scene.view.rows)):
            key = scene.view.rows.row(n).key
            if key.kind == "heading":
                found[band_name(key)] = []
            elif key.kind == "session":
                found[list(found)[-1]].append(key.id)
        return found

    @pytest.mark.parametrize("notify", [True, False])
    def test_what_has_finished_stands_for_you_until_the_cursor_rests_elsewhere(self, notify: bool) -> None:
        scene = self.scene("ses_a", "ses_b", notify=notify)
        assert self.bands(scene)["at work"] == ["ses_a", "ses_b"]
        frame = scene.feed(*the_end("ses_a"))
        assert words(frame.notices) == ("finished: At ses_a" if notify else "")
        scene.feed(*the_end("ses_b"))
        assert self.bands(scene)["for you"] == ["ses_a", "ses_b"]
        assert scene.view.summary.waiting == 0, "nobody waits for an answer"
        scene.view.select(Key(SOURCE, "session", "ses_b", "ses_b"))
        at = scene.view.place.at
        scene.later(SECOND)
        scene.view.rest()
        scene.later(SECOND)
        assert scene.view.place.at == at
        assert self.bands(scene)["for you"] == ["ses_a", "ses_b"]
        scene.view.select(Key(SOURCE, "session", "ses_old_03", "ses_old_03"))
        scene.later(SECOND)
        assert self.bands(scene)["for you"] == ["ses_a", "ses_b"], "who only passes by moves nothing"
        frame = scene.view.rest()
        assert frame.rows
        assert self.bands(scene)["for you"] == ["ses_a"]
        assert self.bands(scene)["earlier"][0] == "ses_b"
        assert scene.view.cursor == Key(SOURCE, "session", "ses_old_03", "ses_old_03")

    def test_what_ends_under_a_resting_cursor_has_been_looked_at(self) -> None:
        scene = self.scene("ses_a")
        scene.view.select(Key(SOURCE, "session", "ses_a", "ses_a"))
        scene.view.rest()
        scene.feed(*the_end("ses_a"))
        assert "for you" not in self.bands(scene)

    def test_what_ends_while_nobody_has_pressed_a_key_waits_for_the_first_one(self) -> None:
        scene = Scene(*at_work("ses_a", "A"), *at_work("ses_b", "B", 25), started=NOW_US - 30 * SECOND)
        scene.now = NOW_US
        scene.view.arrange(self.BANDS)
        scene.view.rest()
        for name in ("ses_a", "ses_b"):
            scene.feed(*the_end(name))
            scene.view.rest()
            scene.later(SECOND)
        assert self.bands(scene) == {"for you": ["ses_a", "ses_b"]}
        assert scene.view.seen.changed(scene.store.sessions[SOURCE, "ses_a"])
        # Who picks a tab looks at the row of the cursor.
        scene.view.stay()
        scene.later(SECOND)
        assert not scene.view.seen.changed(scene.store.sessions[SOURCE, "ses_a"])
        scene.view.move(1)
        scene.view.rest()
        assert self.bands(scene) == {"for you": ["ses_b"], "earlier": ["ses_a"]}

    def test_the_key_for_what_is_for_a_person_walks_all_of_it(self) -> None:
        scene = self.scene("ses_a", "ses_b")
        scene.feed(*call_that_may_wait("ses_q"), *the_end("ses_a"), *the_end("ses_b"))
        scene.later(5 * SECOND)
        assert self.bands(scene)["for you"] == ["ses_q", "ses_a", "ses_b"]
        found = []
        for _ in range(3):
            scene.view.find("waiting", True, scene.now)
            assert scene.view.cursor is not None
            found.append(scene.view.cursor.session_id)
        assert found == ["ses_q", "ses_a", "ses_b"]

    def test_all_of_it_can_be_taken_for_looked_at_but_who_waits(self) -> None:
        scene = self.scene("ses_a", "ses_b", "ses_c")
        scene.feed(*the_end("ses_a"), *the_end("ses_b"))
        scene.feed(session("ses_ask", "Ask", 30), *call_that_may_wait("ses_ask"))
        scene.later(10 * SECOND)
        assert self.bands(scene)["for you"] == ["ses_ask", "ses_a", "ses_b"]
        fresh = [one for one in scene.store.sessions.values() if scene.view.seen.changed(one)]
        assert len(fresh) > 2
        frame = scene.view.look_at_all()
        assert frame.rows
        assert frame.remark.endswith("sessions marked as looked at")
        assert self.bands(scene)["for you"] == ["ses_ask"]
        assert self.bands(scene)["at work"] == ["ses_c"]
        assert not any(scene.view.seen.changed(one) for one in scene.store.sessions.values())
        assert scene.view.cursor == Key(SOURCE, "session", "ses_old_03", "ses_old_03")
        scene.feed(*the_end("ses_c"))
        assert self.bands(scene)["for you"] == ["ses_ask", "ses_c"]
        assert scene.view.look_at_all().remark == "1 session marked as looked at"
        assert scene.view.look_at_all().remark == "nothing new: all marked as looked at"

    def test_what_goes_on_or_is_put_aside_or_gone_is_no_news(self) -> None:
        scene = self.scene("ses_a", "ses_b", "ses_c")
        for name in ("ses_a", "ses_b", "ses_c"):
            scene.feed(*the_end(name))
        assert self.bands(scene)["for you"] == ["ses_a", "ses_b", "ses_c"]
        scene.feed(
            prompt("ses_a", "usr_2", "And now?", 0),
            *Step("ses_a", 2, "usr_2", 0).events,
            session("ses_b", "At ses_b", 20, extras={"archived_ts": NOW_US}),
            SessionFinalized(source=SOURCE, ts=NOW_US, session_id="ses_b", status="completed", end_ts=NOW_US),
            SessionRemoved(source=SOURCE, ts=NOW_US, session_id="ses_c"),
        )
        bands = self.bands(scene)
        assert "for you" not in bands
        assert bands["at work"] == ["ses_a"]
        assert "ses_b" in bands["earlier"]

    def test_what_failed_is_news_and_what_was_over_when_the_program_started_is_not(self) -> None:
        scene = self.scene("ses_a")
        scene.feed(*the_end("ses_a", status="failed", error=("APIError", "overloaded")))
        assert self.bands(scene)["for you"] == ["ses_a"]
        scene = Scene(*at_work("ses_a", "A", 300), *the_end("ses_a", 200))
        scene.view.arrange(self.BANDS)
        assert list(self.bands(scene)) == ["earlier"]

    def test_a_sub_agent_that_failed_is_no_news_while_its_caller_works(self) -> None:
        scene = self.scene("ses_a")
        scene.view.notices.ended.add((SOURCE, "ses_a"))
        scene.later(SECOND)
        assert "for you" not in self.bands(scene)

    def test_it_is_still_news_after_an_error_of_our_own(self) -> None:
        scene = self.scene("ses_a")
        scene.feed(*the_end("ses_a"))
        scene.view.rebuild(scene.now)
        assert self.bands(scene)["for you"] == ["ses_a"]


class TestOrder:
    def costs(self, count: int = 60) -> list[Event]:
        """The newest session is the cheapest."""
        sums = [{"cost": n / 10, "usage": story.Usage(input=5)} for n in range(count)]
        return [session(f"ses_{n:02}", f"Session {n:02}", 9000 + n, extras=extras) for n, extras in enumerate(sums)]

    def test_who_has_not_moved_yet_sees_what_is_first_in_the_new_order(self) -> None:
        scene = Scene(*self.costs())
        scene.view.sort()
        assert scene.view.rows.arrangement.order == "cost"
        assert (scene.view.cursor, scene.view.place.at, scene.view.place.top) == (
            Key(SOURCE, "session", "ses_59", "ses_59"),
            0,
            0,
        )
        scene.view.group()
        assert scene.view.place.top == 0
        assert scene.view.cursor == Key(SOURCE, "session", "ses_59", "ses_59")

    def test_the_cursor_stays_on_its_session_and_in_its_line(self) -> None:
        scene = Scene(*self.costs())
        scene.view.move(25)
        line = scene.view.place.at - scene.view.place.top
        scene.view.sort()
        assert scene.view.cursor == Key(SOURCE, "session", "ses_25", "ses_25")
        assert scene.view.place.at - scene.view.place.top == line

    def test_a_cursor_that_was_scrolled_out_of_sight_is_brought_back_into_it(self) -> None:
        scene = Scene(*self.costs())
        scene.view.move(3)
        scene.view.scrolled(40, by_hand=True)
        scene.view.sort()
        assert scene.view.cursor == Key(SOURCE, "session", "ses_03", "ses_03")
        assert scene.view.place.in_sight(scene.view.place.at)


class TestFoldingAll:
    def shown(self, scene: Scene) -> list[str]:
        return [scene.view.rows.row(n).key.kind for n in range(len(scene.view.rows))]

    def test_sessions_first_then_every_heading_and_then_these_open_again(self) -> None:
        scene = Scene(*old(4), *call_that_may_wait(), *at_work("ses_a", "A"))
        scene.view.arrange(Arrangement(grouping="bands"))
        scene.view.jump(Key(SOURCE, "session", "ses_a", "ses_a"))
        scene.view.fold()
        assert "prompt" in self.shown(scene)
        folded = ["heading", "session", "session", "heading", *["session"] * 4]
        frame = scene.view.fold_all()
        assert (self.shown(scene), frame.remark) == (folded, "")
        frame = scene.view.fold_all()
        assert (self.shown(scene), frame.remark) == (["heading", "heading"], "every heading: folded")
        assert scene.view.cursor is not None
        assert band_name(scene.view.cursor) == "at work"
        frame = scene.view.fold_all()
        assert (self.shown(scene), frame.remark) == (folded, "every heading: open")

    def test_on_a_heading_it_is_about_headings_at_once(self) -> None:
        scene = Scene(*old(4), *at_work("ses_a", "A"))
        scene.view.arrange(Arrangement(grouping="projects"))
        assert "prompt" in self.shown(scene)
        scene.view.edge(False)
        scene.view.fold_all()
        assert self.shown(scene) == ["heading"]

    def test_in_one_plain_list_there_are_no_headings_to_fold(self) -> None:
        scene = Scene(*old(4))
        assert scene.view.fold_all().remark == ""
        assert self.shown(scene) == ["session"] * 4


def test_who_picks_a_tab_before_there_are_rows_looks_at_the_first_session_that_comes() -> None:
    scene = Scene()
    scene.view.stay()
    scene.feed(*old(3))
    assert scene.view.cursor is not None
    assert (scene.view.cursor.kind, scene.view.cursor.id) == ("session", "ses_old_00")
    # From then on the row is held.
    scene.view.stay()
    scene.feed(session("ses_new", "New", 1))
    assert scene.view.cursor.id == "ses_old_00"
