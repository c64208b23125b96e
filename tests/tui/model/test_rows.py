"""The visible rows: what stands where, folds, live sessions, places, and what an update costs."""

from __future__ import annotations

import pytest

from adapter.events import Event
from tests.tui.model.builders import (
    SOURCE,
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
from tui.model.records import ChangeSet, Key
from tui.model.store.store import Store
from tui.model.tree.rows import VisibleRows

NOTHING = ChangeSet(roots=set(), dirty=set())
S1 = key("session", "s1")


def finished(session_id: str = "s1", ts: float = 1) -> list[Event]:
    """A session of two prompts: two steps with a call and a text each, then one of words only."""
    s = session_id
    return [
        session(s, ts, title=s),
        prompt(f"{s}.u1", ts + 1, session_id=s),
        *step(f"{s}.a1", 1, ts + 2, f"{s}.u1", s),
        *step(f"{s}.a2", 2, ts + 4, f"{s}.u1", s),
        prompt(f"{s}.u2", ts + 6, session_id=s),
        turn(f"{s}.a3", 3, ts + 7, f"{s}.u2", session_id=s),
        op(f"{s}.a3.l", f"{s}.a3", "llm", 1, ts + 7, turn_seq=3, session_id=s),
        op(f"{s}.a3.x", f"{s}.a3", "text", 2, ts + 7, turn_seq=3, session_id=s),
        op_end(f"{s}.a3.x", f"{s}.a3", "text", 2, ts + 8, turn_seq=3, session_id=s),
        turn_end(f"{s}.a3", 3, ts + 8, session_id=s),
    ]


def step(message: str, seq: int, ts: float, prompt_id: str, s: str = "s1") -> list[Event]:
    where = {"turn_seq": seq, "session_id": s}
    return [
        turn(message, seq, ts, prompt_id, session_id=s),
        op(f"{message}.l", message, "llm", 1, ts, **where),
        op(f"{message}.x", message, "text", 2, ts, **where),
        op(f"{message}.t", message, "tool", 3, ts, name="read", **where),
        op_end(f"{message}.x", message, "text", 2, ts + 1, **where),
        op_end(f"{message}.t", message, "tool", 3, ts + 1, **where),
        turn_end(message, seq, ts + 1, session_id=s),
    ]


def rows_of(store: Store, now: float = 1000) -> VisibleRows:
    rows = VisibleRows(store)
    rows.update(NOTHING, at(now))
    return rows


def shown(rows: VisibleRows) -> list[str]:
    signs = {"open": "-", "closed": "+", "": " "}
    return ["  " * row.depth + signs[row.fold] + row.key.id for row in map(rows.row, range(len(rows)))]


class TestShape:
    def test_a_finished_session_is_one_folded_line(self) -> None:
        assert shown(rows_of(store_of(*finished()))) == ["+s1"]

    def test_opened_it_shows_its_newest_prompt_with_the_calls_of_its_steps(self) -> None:
        rows = rows_of(store_of(*finished()))
        assert rows.open(S1)
        assert shown(rows) == ["-s1", "  +s1.u1", "  -s1.u2", "    +s1.a3"]
        rows.open(key("prompt", "s1.u1"))
        assert shown(rows) == [
            "-s1",
            "  -s1.u1",
            "    -s1.a1",
            "       s1.a1.t:tool",
            "    -s1.a2",
            "       s1.a2.t:tool",
            "  -s1.u2",
            "    +s1.a3",
        ]

    def test_opening_a_step_further_shows_its_words_and_closing_it_nothing(self) -> None:
        rows = rows_of(store_of(*finished()))
        rows.open(S1)
        rows.open(key("prompt", "s1.u1"))
        rows.open(key("turn", "s1.a1"))
        assert shown(rows)[2:5] == ["    -s1.a1", "       s1.a1.x:text", "       s1.a1.t:tool"]
        rows.close(key("turn", "s1.a1"))
        assert shown(rows)[2:4] == ["    +s1.a1", "    -s1.a2"]
        rows.open(key("turn", "s1.a1"))
        assert shown(rows)[2:4] == ["    -s1.a1", "       s1.a1.t:tool"]

    def test_a_step_of_words_only_opens_to_its_words(self) -> None:
        rows = rows_of(store_of(*finished()))
        rows.open(S1)
        rows.toggle(key("turn", "s1.a3"))
        assert shown(rows)[-2:] == ["    -s1.a3", "       s1.a3.x:text"]
        rows.toggle(key("turn", "s1.a3"))
        assert shown(rows)[-1] == "    +s1.a3"

    def test_a_step_that_is_one_model_call_has_no_fold(self) -> None:
        rows = rows_of(store_of(session(), turn("a1"), op("p1", "a1", "llm"), turn_end("a1")))
        rows.open(S1)
        assert shown(rows) == ["-s1", "   a1"]

    def test_turns_without_their_prompt_stand_among_the_prompts_by_time(self) -> None:
        rows = rows_of(store_of(*finished(), turn_gone("s1.u1")))
        rows.open(S1)
        assert [line.strip() for line in shown(rows) if line.startswith("  ") and line[2] != " "] == [
            "-s1.a1", "-s1.a2", "-s1.u2",
        ]  # fmt: skip

    def test_a_session_that_is_not_loaded_can_be_opened_and_wants_to_be_loaded(self) -> None:
        store = store_of(session())
        rows = rows_of(store)
        assert shown(rows) == ["+s1"]
        assert rows.wants_load(S1)
        rows.open(S1)
        assert shown(rows) == ["-s1"]
        changes = store.mark_loaded(SOURCE, "s1")
        rows.update(changes, at(1000))
        assert shown(rows) == [" s1"]
        assert not rows.wants_load(S1)


class TestSubAgents:
    def family(self) -> list[Event]:
        return [
            session(),
            prompt("u1", 2),
            turn("a1", 1, 3, "u1"),
            op("p0", "a1", "tool", 1, 4),
            *task("p1", "a1", "kid", 2),
            turn_end("a1", 1, 50),
            session("kid", 5, parent_id="s1", title="kid"),
            prompt("k1", 6, session_id="kid"),
            *step("b1", 1, 7, "k1", "kid"),
        ]

    def test_a_child_and_its_call_are_one_line_with_the_childs_steps_below(self) -> None:
        rows = rows_of(store_of(*self.family()))
        rows.open(S1)
        assert shown(rows)[-2:] == ["       p0:tool", "      +p1:tool"]
        rows.open(key("op", "p1:tool"))
        assert shown(rows)[-3:] == ["      -p1:tool", "        -b1", "           b1.t:tool"]
        assert rows.parent(key("turn", "b1", "kid")) == key("op", "p1:tool")
        assert rows.parent(key("op", "p1:tool")) == key("turn", "a1")

    def test_several_prompts_of_a_child_are_shown(self) -> None:
        rows = rows_of(store_of(*self.family(), prompt("k2", 20, session_id="kid")))
        rows.open(S1)
        rows.open(key("op", "p1:tool"))
        assert [line.strip() for line in shown(rows)[-4:]] == ["-k1", "-b1", "b1.t:tool", "k2"]
        assert rows.parent(key("turn", "b1", "kid")) == key("prompt", "k1", "kid")

    def test_every_name_of_a_called_session_finds_its_line(self) -> None:
        rows = rows_of(store_of(*self.family()))
        rows.open(S1)
        places = {
            rows.index_of(k) for k in (key("session", "kid", "kid"), key("op", "p1:session"), key("op", "p1:tool"))
        }
        assert places == {len(rows) - 1}

    def test_a_child_that_no_call_names_hangs_at_the_end_and_keeps_its_fold_when_one_does(self) -> None:
        events = self.family()
        calls = [event for event in events if getattr(event, "part_id", "") == "p1"]
        store = store_of(*(event for event in events if event not in calls))
        rows = rows_of(store)
        rows.open(S1)
        assert shown(rows)[-1] == "  +kid"
        assert rows.parent(key("session", "kid", "kid")) == S1
        rows.open(key("session", "kid", "kid"))
        rows.update(store.apply(calls), at(1000))
        assert [line.strip() for line in shown(rows)[-3:]] == ["-p1:tool", "-b1", "b1.t:tool"]
        rows.toggle(key("op", "p1:tool"))
        assert shown(rows)[-1].strip() == "+p1:tool"

    def test_an_older_call_of_a_resumed_task_only_mentions_it(self) -> None:
        store = store_of(*self.family(), turn("a2", 2, 30, "u1"), *task("p9", "a2", "kid", 1, turn_seq=2, ts=31))
        rows = rows_of(store)
        rows.open(S1)
        assert [line.strip() for line in shown(rows) if "p1" in line or "p9" in line] == ["p1:tool", "+p9:tool"]

    def test_a_call_wants_its_child_loaded(self) -> None:
        rows = rows_of(store_of(*self.family()[:8]))
        assert rows.wants_load(key("op", "p1:tool"))
        assert not rows.wants_load(key("op", "p0:tool"))

    def test_deep_nesting_and_a_cycle_of_parents_are_laid_out(self) -> None:
        chain = [session(f"s{n:04}", n, parent_id=f"s{(n - 1) % 2000:04}") for n in range(2000)]
        store = store_of(*chain)
        rows = rows_of(store)
        for n in range(2000):
            rows.folds.choose(key("session", f"s{n:04}", f"s{n:04}"), True)
        rows.open(key("session", "s0000", "s0000"))
        assert len(rows) == 2000
        assert sorted(rows.row(i).depth for i in range(2000)) == list(range(2000))


class TestLive:
    def running(self, ts: float = 10) -> list[Event]:
        return [
            session(ts=ts),
            prompt("u1", ts + 1),
            turn("a1", 1, ts + 2, "u1"),
            op("p1", "a1", "llm", 1, ts + 2),
            *task("p2", "a1", "kid", 2, ts=ts + 3),
            session("kid", ts + 3, parent_id="s1"),
            prompt("k1", ts + 3, session_id="kid"),
            turn("b1", 1, ts + 4, "k1", session_id="kid"),
            op("q1", "b1", "tool", 1, ts + 5, session_id="kid", name="grep"),
        ]

    def test_a_live_session_opens_down_to_the_running_call(self) -> None:
        rows = rows_of(store_of(*self.running()), now=20)
        assert [line.strip() for line in shown(rows)] == ["-s1", "-u1", "-a1", "-p2:tool", "-b1", "q1:tool"]
        assert rows.newest_running() == key("op", "q1:tool", "kid")
        assert [session_id for _, session_id in rows.live] == ["kid"]

    def test_what_the_user_closed_stays_closed(self) -> None:
        store = store_of(*self.running())
        rows = rows_of(store, now=20)
        rows.close(key("op", "p2:tool"))
        rows.update(store.apply([op("q2", "b1", "tool", 2, 17, session_id="kid", name="grep")]), at(20))
        assert shown(rows)[-1].strip() == "+p2:tool"
        assert rows.newest_running() == key("op", "p2:tool")
        rows.close(S1)
        rows.update(store.apply([turn("a2", 2, 18, "u1")]), at(20))
        assert shown(rows) == ["+s1"]

    def test_a_sub_agent_folds_when_it_is_done_and_its_top_stays_open(self) -> None:
        store = store_of(*self.running())
        rows = rows_of(store, now=20)
        ends = [
            op_end("q1", "b1", "tool", 1, 16, session_id="kid"),
            turn_end("b1", ts=17, session_id="kid"),
            op_end("p2", "a1", "session", 2, 18),
            op_end("p2", "a1", "tool", 3, 18),
            turn_end("a1", ts=19),
        ]
        assert rows.update(store.apply(ends), at(20))
        assert [line.strip() for line in shown(rows)] == ["-s1", "-u1", "-a1", "+p2:tool"]
        assert not rows.live
        assert rows.newest_running() is None

    def test_time_alone_ends_a_life(self) -> None:
        rows = rows_of(store_of(*self.running(), *finished("s2", 12)), now=20)
        assert shown(rows)[0] == "-s1"
        assert not rows.update(NOTHING, at(21))
        assert rows.update(NOTHING, at(2000))
        assert not rows.live
        assert rows.row(0).key.id == "s2"

    def test_an_open_text_is_followed_by_its_step_while_words_are_folded(self) -> None:
        rows = rows_of(store_of(session(), turn("a1"), op("p1", "a1", "text", 1, 4)), now=6)
        assert rows.newest_running() == key("turn", "a1")
        rows.set_level(key("turn", "a1"), 2)
        assert rows.newest_running() == key("op", "p1:text")

    def test_a_fresh_prompt_is_followed_before_its_answer(self) -> None:
        rows = rows_of(store_of(*finished(), prompt("u9", 20)), now=21)
        assert rows.newest_running() == key("prompt", "u9")
        assert rows.row(len(rows) - 1).key == key("prompt", "u9")


class TestOrder:
    def test_running_first_then_newest_activity(self) -> None:
        store = store_of(
            *finished("old", 1), *finished("new", 100), session("run", 50), prompt("r1", 51, session_id="run")
        )
        rows = rows_of(store, now=120)
        assert [rows.row(i).key.session_id for i in range(len(rows)) if rows.row(i).depth == 0] == ["run", "new", "old"]

    def test_running_sessions_keep_their_order_while_they_write(self) -> None:
        store = store_of(
            session("a"), prompt("ua", 2, session_id="a"), session("b"), prompt("ub", 3, session_id="b"),
        )  # fmt: skip
        rows = rows_of(store, now=10)
        order = [row.key.id for row in map(rows.row, range(len(rows))) if row.depth == 0]
        assert order == ["b", "a"]
        rows.update(store.apply([turn("a1", 1, 9, "ua", session_id="a")]), at(10))
        assert [row.key.id for row in map(rows.row, range(len(rows))) if row.depth == 0] == order

    def test_activity_of_a_child_moves_its_top(self) -> None:
        store = store_of(session("a", 1), session("b", 2), session("kid", 1, parent_id="a"))
        rows = rows_of(store)
        assert [row.key.id for row in map(rows.row, range(2))] == ["b", "a"]
        assert rows.update(store.apply([session("kid", 1, parent_id="a", extras={"time_updated": at(9)})]), at(1000))
        assert [row.key.id for row in map(rows.row, range(2))] == ["a", "b"]

    def test_a_top_that_goes_or_finds_its_parent_leaves_the_list(self) -> None:
        store = store_of(session("a"), session("b", 2, parent_id="p"))
        rows = rows_of(store)
        assert len(rows) == 2
        rows.update(store.apply([session("p", 3), gone("a")]), at(1000))
        assert shown(rows) == ["+p"]


class TestLevels:
    def test_levels_of_a_session(self) -> None:
        rows = rows_of(store_of(*finished()))
        rows.set_level(S1, 0)
        assert shown(rows) == ["-s1", "  +s1.u1", "  +s1.u2"]
        rows.set_level(S1, 2)
        assert [line.strip() for line in shown(rows)] == [
            "-s1",
            "-s1.u1",
            "-s1.a1",
            "s1.a1.x:text",
            "s1.a1.t:tool",
            "-s1.a2",
            "s1.a2.x:text",
            "s1.a2.t:tool",
            "-s1.u2",
            "-s1.a3",
            "s1.a3.x:text",
        ]

    def test_a_level_takes_back_what_was_chosen_below_it(self) -> None:
        rows = rows_of(store_of(*finished()))
        rows.open(S1)
        rows.close(key("prompt", "s1.u2"))
        rows.set_level(key("turn", "s1.a1"), 2)
        rows.set_level(key("prompt", "s1.u1"), 1)
        assert [line.strip() for line in shown(rows)][1:4] == ["-s1.u1", "-s1.a1", "s1.a1.t:tool"]
        assert shown(rows)[-1].strip() == "+s1.u2"
        rows.set_level(S1, 1)
        assert shown(rows)[-1].strip() == "+s1.a3"

    def test_the_memory_of_a_session_goes_with_it(self) -> None:
        store = store_of(*finished())
        rows = rows_of(store)
        rows.set_level(S1, 2)
        rows.close(key("prompt", "s1.u1"))
        rows.update(store.apply([gone()]), at(1000))
        assert len(rows) == 0
        assert not rows.folds.chosen
        assert not rows.folds.levels


class TestPlaces:
    def test_outside_of_the_list_there_is_no_row(self) -> None:
        rows = rows_of(store_of(session()))
        for i in (-1, 1):
            with pytest.raises(IndexError):
                rows.row(i)

    def test_nodes_that_are_folded_away_or_gone_have_no_place(self) -> None:
        rows = rows_of(store_of(*finished()))
        assert rows.index_of(key("prompt", "s1.u1")) is None
        assert rows.index_of(key("session", "never", "never")) is None
        assert rows.parent(key("op", "never:tool")) is None

    def test_every_row_is_found_where_it_stands_among_many_trees(self) -> None:
        events = [event for n in range(30) for event in finished(f"s{n:02}", n * 20 + 1)]
        rows = rows_of(store_of(*events))
        for n in range(0, 30, 3):
            rows.set_level(key("session", f"s{n:02}", f"s{n:02}"), 2)
        assert len(rows) == 30 + 10 * 10
        assert [rows.index_of(rows.row(i).key) for i in range(len(rows))] == list(range(len(rows)))


class TestCost:
    def big(self, n: int = 500) -> Store:
        return store_of(*(session(f"s{i:04}", i + 1) for i in range(n)))

    def test_a_change_lays_out_the_tree_it_touches_and_no_other(self) -> None:
        store = self.big()
        rows = rows_of(store)
        assert rows.laid_out == 500
        rows.update(store.apply([session("new", 5000)]), at(6000))
        assert rows.laid_out == 501
        assert rows.row(0).key.id == "new"

    def test_facts_lay_out_nothing_and_only_move(self) -> None:
        store = self.big()
        rows = rows_of(store)
        changes = store.apply([session("s0000", 1, title="t", extras={"time_updated": at(5000)})])
        assert rows.update(changes, at(6000))
        assert rows.laid_out == 500
        assert rows.row(0).key.id == "s0000"

    def test_nothing_new_costs_nothing_and_says_so(self) -> None:
        store = self.big()
        rows = rows_of(store)
        for now in (6000, 6000.5, 6001, 9000):
            assert not rows.update(NOTHING, at(now))
        assert rows.laid_out == 500

    def test_an_output_chunk_of_a_running_call_changes_no_row(self) -> None:
        store = store_of(session(), prompt("u1"), turn("a1", 1, 3, "u1"), op("p1", "a1", name="bash", running=True))
        rows = rows_of(store, now=5)
        laid_out = rows.laid_out
        changes = store.apply([op("p1", "a1", name="bash", running=True, output_bytes=10)])
        assert not rows.update(changes, at(5))
        assert rows.laid_out == laid_out

    def test_a_step_of_a_long_run_makes_its_own_rows_only(self) -> None:
        run = [event for n in range(1, 200) for event in step(f"a{n}", n, n * 2, "u1")]
        store = store_of(session(), prompt("u1", 1), *run, turn("a200", 200, 500, "u1"))
        rows = rows_of(store, now=501)
        assert len(rows) == 2 + 199 * 2 + 1
        last = rows.row(len(rows) - 1).key
        assert rows.index_of(last) == len(rows) - 1
        made = rows.made
        rows.update(store.apply([op("p9", "a200", "tool", 1, 501, turn_seq=200)]), at(501))
        assert rows.made - made == 4  # the session, its prompt, the step and the call
        assert rows.index_of(last) == len(rows) - 2
        assert rows.index_of(key("op", "p9:tool")) == len(rows) - 1

    def test_a_folded_tree_costs_one_row_however_large(self) -> None:
        store = store_of(session(), *(turn(f"a{n}", n, n + 2) for n in range(1, 2000)), turn_end("a1999", 1999, 3000))
        rows = rows_of(store, now=9000)
        assert len(rows) == 1
        assert (SOURCE, "s1") not in store.outlines


def test_a_key_of_another_source_is_another_session() -> None:
    rows = rows_of(store_of(session()))
    assert rows.index_of(Key("opencode:other", "session", "s1", "s1")) is None
