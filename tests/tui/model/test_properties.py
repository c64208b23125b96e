"""What holds for any history: order and repeats do not matter, a followed store equals a fresh one, and the rows kept
up to date equal the rows laid out from scratch."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.events import Event, Usage
from tests.tui.model.builders import (
    SOURCE,
    at,
    failed,
    gone,
    key,
    log,
    op,
    op_end,
    op_gone,
    prompt,
    ref,
    session,
    snapshot,
    store_of,
    task,
    turn,
    turn_end,
    turn_gone,
)
from tui.model.records import ChangeSet, Key
from tui.model.store.store import Store
from tui.model.sums.rollup import subtree
from tui.model.tree import seek
from tui.model.tree.rows import VisibleRows

NOTHING = ChangeSet(roots=set(), dirty=set())

Group = list[Event]
"""Events about one node, whose order among themselves is part of the contract."""


def run(name: str, parent: str | None = None, child: str | None = None) -> list[Group]:
    """A session in groups: two prompts, three steps, calls, references, a remark, a failure in between."""
    s = {"session_id": name}
    groups: list[Group] = [
        [session(name, 1, parent_id=parent, title=f"title of {name}"), failed(name, 20)],
        [prompt(f"{name}.u1", 2, **s)],
        [prompt(f"{name}.u2", 30, **s)],
        [ref(f"{name}.file", f"{name}.u2", "attachment", 0, 30, turn_seq=0, field="url", **s)],
        [turn(f"{name}.a1", 1, 3, f"{name}.u1", **s), turn_end(f"{name}.a1", 1, 9, usage=Usage(input=5), **s)],
        [turn(f"{name}.a2", 2, 10, f"{name}.u1", **s), turn_end(f"{name}.a2", 2, 20, status="failed", error="E", **s)],
        [turn(f"{name}.a3", 3, 31, f"{name}.u2", **s)],
        [log("odd", ref=f"{name}.a1", **s)],
        [ref(f"{name}.patch", f"{name}.a1", "diff", 1, 9, field="files", **s)],
    ]
    for turn_seq in (1, 2, 3):
        where = {"turn_seq": turn_seq, **s}
        message, ts = f"{name}.a{turn_seq}", 3 + turn_seq * 9
        groups += [
            [
                op(f"{message}.l", message, "llm", 1, ts, **where),
                op_end(f"{message}.l", message, "llm", 1, ts, **where),
            ],
            [
                op(f"{message}.t", message, "tool", 2, ts, label="x", **where),
                ref(f"{message}.t", message, "tool_request", 2, ts, **where),
                op_end(f"{message}.t", message, "tool", 2, ts + 1, **where),
            ],
            [op(f"{message}.x", message, "text", 3, ts, **where)],
        ]
    if child:
        groups.append(task(f"{name}.task", f"{name}.a3", child, 4, turn_seq=3, ts=33, **s))
    return groups


FAMILY = [*run("s1", child="s2"), *run("s2", parent="s1", child="s3"), *run("s3", parent="s2")]


@given(st.randoms(use_true_random=False), st.integers(1, 8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_order_between_nodes_batches_and_repeats_do_not_matter(
    shuffle: random.Random, parts: int, repeat: bool
) -> None:
    groups = FAMILY * 2 if repeat else list(FAMILY)
    shuffle.shuffle(groups)
    events = [event for group in groups for event in group]
    store = Store()
    size = max(1, len(events) // parts)
    for start in range(0, len(events), size):
        store.apply(events[start : start + size])
    plain = store_of(*(event for group in FAMILY for event in group))
    assert snapshot(store) == snapshot(plain)
    tops = [subtree(item, item.sessions[SOURCE, "s1"]) for item in (store, plain)]
    assert tops[0] == tops[1]


# -- random histories -------------------------------------------------------------------------------------------

NAMES = ("s1", "s2", "s3")


class World:
    """What a database holds, as groups of events by node, and the events that each change of it sends."""

    def __init__(self) -> None:
        self.sessions: dict[str, Group] = {}
        self.turns: dict[tuple[str, str], Group] = {}
        self.parts: dict[tuple[str, str, str], Group] = {}
        self.clock = 10

    def cold(self) -> list[Event]:
        """Everything there is now, as a fresh load tells it."""
        groups = [*self.sessions.values(), *self.turns.values(), *self.parts.values()]
        return [event for group in groups for event in group]

    def put_session(self, name: str, parent: str | None, archived: bool) -> Group:
        self.clock += 1
        extras = {"archived_ts": at(5)} if archived else {}
        started = session(name, 1, parent_id=parent, title=f"t{self.clock}", extras=extras)
        self.sessions[name] = [started]
        return self.sessions[name]

    def put_prompt(self, name: str, number: int) -> Group:
        self.turns[name, f"u{number}"] = group = [prompt(f"{name}.u{number}", number * 10, session_id=name)]
        return group

    def put_turn(self, name: str, number: int, end: str) -> Group:
        self.clock += 1
        message = f"{name}.a{number}"
        group = [
            turn(message, number, number * 10 + 1, f"{name}.u{number}", session_id=name, agent=f"agent{self.clock}")
        ]
        if end:
            finish = "tool-calls" if end == "completed" else ""
            group.append(turn_end(message, number, number * 10 + 9, session_id=name, status=end, finish=finish))
        self.turns[name, f"a{number}"] = group
        return group

    def put_op(self, name: str, number: int, slot: int, kind: str, ended: bool, child: str) -> Group:
        if (name, f"a{number}") not in self.turns:
            return []
        self.clock += 1
        message, part = f"{name}.a{number}", f"{name}.p{number}{slot}"
        where = {"turn_seq": number, "session_id": name}
        ts = number * 10 + 2
        if kind == "task":
            kinds, group = ("session", "tool"), task(part, message, child, slot * 2, ts=ts, **where)
        else:
            kinds = (kind,)
            group = [op(part, message, kind, slot * 2 + 1, ts, label=f"l{self.clock}", running=True, **where)]
        group.append(ref(part, message, "tool_request", slot * 2 + 1, ts, **where))
        if ended:
            group += [
                op_end(part, message, each, slot * 2 + (each != "session"), ts + 1, usage=Usage(input=slot), **where)
                for each in kinds
            ]
        # A part keeps its kind in the database; another kind is another part, so the old one goes first.
        before = self.parts.get((name, f"a{number}", part))
        self.parts[name, f"a{number}", part] = group
        return [op_gone(part, message, name), *group] if before else group

    def remove_part(self, name: str, number: int, slot: int) -> Group:
        part = f"{name}.p{number}{slot}"
        found = self.parts.pop((name, f"a{number}", part), None)
        return [op_gone(part, f"{name}.a{number}", name)] if found else []

    def remove_message(self, name: str, which: str) -> Group:
        for place in [place for place in self.parts if place[:2] == (name, which)]:
            del self.parts[place]
        found = self.turns.pop((name, which), None)
        return [turn_gone(f"{name}.{which}", name)] if found else []

    def remove_session(self, name: str) -> Group:
        for memory in (self.turns, self.parts):
            for place in [place for place in memory if place[0] == name]:
                del memory[place]
        self.sessions.pop(name, None)
        return [gone(name)]


def steps() -> st.SearchStrategy[list[Callable[[World], Group]]]:
    names = st.sampled_from(NAMES)
    number, slot = st.integers(1, 3), st.integers(0, 3)
    kinds = st.sampled_from(["tool", "text", "llm", "task", "task"])
    ends = st.sampled_from(["", "completed", "failed"])
    one = st.one_of(
        st.tuples(st.just(World.put_session), names, st.sampled_from([None, *NAMES]), st.booleans()),
        st.tuples(st.just(World.put_prompt), names, number),
        st.tuples(st.just(World.put_turn), names, number, ends),
        st.tuples(st.just(World.put_op), names, number, slot, kinds, st.booleans(), names),
        st.tuples(st.just(World.put_op), names, number, slot, kinds, st.booleans(), names),
        st.tuples(st.just(World.remove_part), names, number, slot),
        st.tuples(st.just(World.remove_message), names, st.sampled_from(["u1", "u2", "a1", "a2", "a3"])),
        st.tuples(st.just(World.remove_session), names),
    )
    return st.lists(one.map(lambda step: lambda world: step[0](world, *step[1:])), min_size=1, max_size=40)


def known(world: World) -> list[Event]:
    """What a cold load tells: nothing of sessions without a row."""
    return [event for event in world.cold() if event.session_id in world.sessions]


@given(steps())
@settings(max_examples=150, deadline=None)
def test_following_any_history_ends_in_the_state_of_a_cold_load(history: list[Callable[[World], Group]]) -> None:
    world, store = World(), Store()
    for change in history:
        store.apply(change(world))
    cold = store_of(*known(world))
    for name in [name for _, name in store.sessions if name not in world.sessions]:
        store.apply([gone(name)])
    for item in (store, cold):
        for only in item.sessions.values():
            # Loaded is what was ever told, times are the newest ever told: both say more after a longer history.
            only.loaded, only.last_ts = True, 0
    assert snapshot(store) == snapshot(cold)
    for skey, only in store.sessions.items():
        other = cold.sessions[skey]
        assert store.call_key(only) == cold.call_key(other)
        assert [child.id for child in store.children_of(only)] == [child.id for child in cold.children_of(other)]
        assert store.links.top(skey) == cold.links.top(skey)
        assert subtree(store, only)[:3] == subtree(cold, other)[:3]


@given(steps(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_rows_kept_up_to_date_equal_rows_laid_out_afresh(
    history: list[Callable[[World], Group]], choice: random.Random
) -> None:
    world, store = World(), Store()
    rows = VisibleRows(store)
    now = at(40)
    for change in history:
        before = listed(rows)
        changed = rows.update(store.apply(change(world)), now)
        assert changed or listed(rows) == before
        if len(rows) and choice.random() < 0.6:
            fold_something(rows, choice)
        now += at(choice.choice([0, 0.1, 1, 120]))
        rows.update(NOTHING, now)
        fresh = VisibleRows(store, copy.deepcopy(rows.folds))
        fresh.update(NOTHING, now)
        assert listed(rows) == listed(fresh)
        assert [rows.index_of(rows.row(i).key) for i in range(len(rows))] == list(range(len(rows)))
        for i in range(len(rows)):
            above = rows.parent(rows.row(i).key)
            place = rows.index_of(above) if above else None
            if rows.row(i).depth:
                assert place is not None
                assert place < i
                assert rows.row(place).depth == rows.row(i).depth - 1
            else:
                assert above is None
        places = [seek.place(store, rows.row(i).key) for i in range(len(rows))]
        assert all(here < below for here, below in pairwise(places) if below)
        running = rows.newest_running()
        assert running is None or rows.index_of(running) is not None


def listed(rows: VisibleRows) -> list[bytes]:
    return [msgspec.json.encode(rows.row(i)) for i in range(len(rows))]


def fold_something(rows: VisibleRows, choice: random.Random) -> None:
    target: Key = rows.row(choice.randrange(len(rows))).key
    before = listed(rows)
    action = choice.choice(["toggle", "open", "close", "level"])
    if action == "level":
        changed = rows.set_level(target, choice.randint(0, 2))
    else:
        changed = getattr(rows, action)(target)
    assert changed == (listed(rows) != before)


def test_a_session_key_and_its_call_share_one_fold() -> None:
    store = store_of(*(event for group in FAMILY for event in group))
    rows = VisibleRows(store)
    rows.update(NOTHING, at(5000))
    rows.open(key("session", "s1"))
    call = key("op", "s1.task:tool")
    rows.open(call)
    assert rows.folds.chosen[key("session", "s2", "s2")]
    rows.close(key("session", "s2", "s2"))
    place = rows.index_of(call)
    assert place is not None
    assert rows.row(place).fold == "closed"
