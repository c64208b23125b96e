"""A session as it was lived: which passages there are, and in which order."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.events import Event
from tests.adapter import corpus
from tests.tui.model.builders import SOURCE, at, log, op, op_end, prompt, session, store_of, task, turn, turn_end
from tui.commands.export.blocks import Passage as Exported
from tui.commands.export.blocks import blocks
from tui.commands.export.texts import Texts
from tui.model.records import Key, op_id
from tui.model.store.store import Store
from tui.model.tree.children import called
from tui.model.tree.passages import Passage, Passages, changed_files, failed, place_of
from tui.render.reading.passage_text import wanted


def read(store: Store, root: str = "s1", *, everything: bool = True) -> list[Passage]:
    return list(chain.from_iterable(Passages(store).of(store.sessions[SOURCE, root], lambda _: everything)))


def kinds(store: Store, **options: bool) -> list[str]:
    return [f"{'·' * one.depth}{one.kind}" for one in read(store, **options)]


FAMILY: list[Event] = [
    session(title="Parent"), prompt("u1", 2), turn("a1", 1, 3, "u1"), op("r1", "a1", "reasoning", 1),
    *task("p2", "a1", "kid", 2), *task("p3", "a1", "kid2", 4),
    op("p4", "a1", "tool", 6, 4, name="bash", label="npm test"), op_end("p4", "a1", "tool", 6, 5), turn_end("a1", 1, 9),
    session("kid", 4, parent_id="s1", title="Child"), turn("b1", 1, 5, session_id="kid"),
    op("t1", "b1", "text", 1, session_id="kid"),
    session("kid2", 4, parent_id="s1", title="Child 2"), session("lost", 6, parent_id="s1", title="Nobody calls me"),
]  # fmt: skip


def whole(*events: Event) -> Store:
    """A store in which all sessions have been read."""
    store = store_of(*events)
    for source, session_id in list(store.sessions):
        store.mark_loaded(source, session_id)
    return store


def test_agents_that_are_called_side_by_side_stand_together_with_their_own_passages_inside() -> None:
    store = whole(*FAMILY)
    assert kinds(store, everything=False) == ["prompt", "thought", "agents", "call", "agent"]
    assert kinds(store) == ["prompt", "thought", "agents", "agent", "·answer", "agent", "call", "agent"]


def test_a_session_that_is_not_whole_says_so_at_its_end() -> None:
    store = store_of(*FAMILY)
    store.sessions[SOURCE, "s1"].partial = True
    assert kinds(store, everything=False)[-1] == "rest"


def test_what_the_adapter_remarks_stands_where_it_happened() -> None:
    store = whole(
        session(), prompt("u1", 2), turn("a1", 1, 3, "u1"), op("t1", "a1", "text", 1), turn_end("a1", 1, 4),
        log("retry 2: overloaded", "p9", ts=5), turn("a2", 2, 6, "u1"), op("t2", "a2", "text", 1),
    )  # fmt: skip
    assert kinds(store) == ["prompt", "answer", "remark", "answer"]


def test_a_step_that_ended_with_an_error_and_a_command_with_an_exit_code_are_failures() -> None:
    store = whole(
        session(), prompt("u1", 2), turn("a1", 1, 3, "u1"),
        op("p1", "a1", "tool", 1, name="bash", exit=2), op_end("p1", "a1", "tool", 1, 5),
        op("p2", "a1", "tool", 2, name="bash", exit=0), op_end("p2", "a1", "tool", 2, 5),
        turn_end("a1", 1, 9, status="failed", error="APIError"),
    )  # fmt: skip
    found = read(store)
    assert [one.kind for one in found if failed(store, one)] == ["call", "error"]
    assert [one.kind for one in found] == ["prompt", "call", "call", "error"]


def test_seven_hundred_parts_of_a_thought_are_one_passage() -> None:
    store = whole(session(), turn("a1", 1, 3), *(op(f"r{n}", "a1", "reasoning", n) for n in range(1, 715)))
    assert kinds(store) == ["thought"]


def test_a_change_in_a_step_is_seen_and_nothing_else_is_made_anew() -> None:
    store = whole(*FAMILY)
    passages = Passages(store)
    before = list(chain.from_iterable(passages.of(store.sessions[SOURCE, "s1"], lambda _: False)))
    changes = store.apply([op("p5", "a1", "tool", 7, 5, name="read")])
    passages.forget(changes.dirty)
    after = list(chain.from_iterable(passages.of(store.sessions[SOURCE, "s1"], lambda _: False)))
    assert [one for one in after if one not in before] == [Passage("call", Key(SOURCE, "op", "s1", "p5:tool"))]


def test_every_row_leads_to_its_passage() -> None:
    store = whole(*FAMILY)
    found = read(store)
    for kind, key_id, owner in (("op", "p4:tool", "s1"), ("prompt", "u1", "s1"), ("op", "t1:text", "kid")):
        key = Key(SOURCE, kind, owner, key_id)
        assert found[place_of(found, store, key)].key == key
    assert found[place_of(found, store, Key(SOURCE, "turn", "s1", "a1"))].kind == "thought"
    assert place_of(found, store, Key(SOURCE, "op", "s1", "gone:tool")) == -1


@given(st.lists(st.sampled_from(["text", "reasoning", "tool", "task"]), max_size=12))
def test_whatever_a_step_holds_each_call_text_and_thought_is_there_once(parts: list[str]) -> None:
    events: list[Event] = [session(), turn("a1", 1, 3)]
    for place, kind in enumerate(parts):
        if kind == "task":
            events += [
                *task(f"p{place}", "a1", f"kid{place}", 2 * place + 1),
                session(f"kid{place}", 4, parent_id="s1"),
            ]
        else:
            events.append(op(f"p{place}", "a1", kind, 2 * place + 1, name="bash"))
    store = whole(*events)
    thoughts = sum(kind == "reasoning" and (not n or parts[n - 1] != kind) for n, kind in enumerate(parts))
    found = Counter(one.kind for one in read(store))
    assert (found["answer"], found["thought"], found["call"], found["agent"]) == (
        parts.count("text"),
        thoughts,
        parts.count("tool"),
        parts.count("task"),
    )
    assert len({one.name for one in read(store)}) == len(read(store))


def texts_of_agents(store: Store) -> set[str]:
    """What was said to a sub-agent and what it answered: its own passages say that."""
    found: set[str] = set()
    for one in store.sessions.values():
        for step in one.turns.values():
            for each in step.ops.values():
                if called(store, one, each) is not None or op_id(each.part_id, "session") in step.ops:
                    found |= set(each.payloads)
            # Lists of files, which the calls that changed them show.
            found |= {payload.uri for payload in changed_files(step)}
    return found


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
def test_all_open_every_text_that_an_export_has_is_there_once(name: str) -> None:
    store = Store()
    store.apply(corpus.load(name).events)
    for source, session_id in list(store.sessions):
        store.mark_loaded(source, session_id)
    for key in [key for key in store.sessions if store.is_top(key)]:
        root = store.sessions[key]
        texts = Texts(lambda uri, limit: pytest.fail(uri), 0, redact=False)
        exported = Counter(
            payload.uri
            for block in blocks(store, root, texts, at(0))
            if isinstance(block, Exported)
            for payload in (block.payload, *block.more)
        )
        shown = Counter(
            uri
            for passage in chain.from_iterable(Passages(store).of(root, lambda _: True))
            for text in wanted(store, passage, True)
            for uri in (text.payload.uri, *text.more)
        )
        places = {
            (text.slot, text.payload.uri)
            for passage in chain.from_iterable(Passages(store).of(root, lambda _: True))
            for text in wanted(store, passage, True)
        }
        assert len(places) == len({slot for slot, _ in places}), "two texts in one place"
        aside = texts_of_agents(store)
        assert {uri: n for uri, n in shown.items() if uri not in aside} == {
            uri: n for uri, n in exported.items() if uri not in aside
        }
