"""A transcript that was kept up to date over any history is the one that is made of what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.model.builders import SOURCE, at, op, prompt, session, store_of, turn
from tests.tui.model.test_properties import Group, World, steps
from tui.model.store.store import Store
from tui.render.lines import Line
from tui.render.reading.conversation import Conversation
from tui.render.reading.passage_text import Drawing, Read


def told(conversation: Conversation) -> list[tuple[str, int, list[Line]]]:
    """Every passage with its lines."""
    return [(one.kind, one.depth, list(conversation.shown(one))) for one in conversation.passages]


def anew(conversation: Conversation) -> Conversation:
    """The same place in the same session, made of the store alone."""
    fresh = Conversation(conversation.store, conversation.how)
    for passage in conversation.everything():
        if conversation.is_open(passage):
            fresh.open(passage)
    fresh.read(conversation.root)
    return fresh


@given(steps(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_transcript_kept_up_to_date_equals_one_made_anew(
    history: list[Callable[[World], Group]], choice: random.Random
) -> None:
    world, store = World(), Store()
    conversation = Conversation(store, Drawing(60, at(40)))
    for change in history:
        conversation.changed(store.apply(change(world)).dirty)
        if conversation.session is None and store.sessions:
            conversation.read((SOURCE, choice.choice(sorted(store.sessions))[1]))
        if conversation.passages and choice.random() < 0.4:
            conversation.open(choice.choice(conversation.passages), choice.random() < 0.7)
        if choice.random() < 0.3:
            conversation.resize(Drawing(choice.choice([20, 60, 100]), at(40), choice.random() < 0.5))
        fresh = anew(conversation)
        assert told(conversation) == told(fresh)
        while conversation.settle(0, 10_000):
            pass
        assert len(conversation) == sum(len(lines) for _, _, lines in told(conversation))
        spots = [conversation.spot(line) for line in range(len(conversation))]
        assert [conversation.index_of(spot) for spot in spots if spot is not None] == list(range(len(conversation)))


@pytest.mark.parametrize("later", [3, 3_000, 100_000])
def test_time_that_passes_leaves_a_transcript_as_one_made_anew(later: float) -> None:
    store = store_of(session("s1"), prompt("u1", ts=20), turn("a1", 1, 21, "u1"), op("p1", "a1", "tool", 2, 22))
    conversation = Conversation(store, Drawing(60, at(40)))
    conversation.read((SOURCE, "s1"))
    assert told(conversation)
    conversation.tick(at(40 + later))
    fresh = Conversation(store, conversation.how)
    fresh.read(conversation.root)
    assert told(conversation) == told(fresh)
    conversation.tick(at(41 + later))
    assert told(conversation) == told(anew(conversation))


def test_texts_out_of_sight_are_given_back_and_read_again() -> None:
    store = Store()
    conversation = Conversation(store, Drawing(60, at(40)))
    for number in range(1_000):
        conversation.deliver(f"slot {number}", Read(None, "gone"))
    assert len(conversation.texts) < 1_000
    assert "slot 999" in conversation.texts
