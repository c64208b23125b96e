"""An answer that was narrowed from the one before says what all sessions, asked anew, would have said."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, failed, gone, op, op_end, session, store_of, turn, turn_end
from tui.model.filter.active_filter import Finder
from tui.model.filter.language import accepts, parse, search, undecided
from tui.model.store.store import Store
from tui.model.tree.rows import VisibleRows

NOON = 1_790_000_000

PIECES = (
    *"aabbcc  x-:\"'",
    *("ab", "bc", "abc", "-a", '"a b"', "is:", "is:r", "un", "is:idle", "agent:b", "tool:ba", "version:1.", "18"),
    *("-tool:bash", "is:lo", "-is:looping", "-agent:a", "-cost<1"),
    *("cost>", "cost>0.5", "tokens<", "3", "since:", "since:2d", "since:1h", "is:zz"),
)
"""What is typed or pasted."""

WORDS = ("a", "ab", "abc", "cab", "-a", "agent:b", "version:1")


def row(dice: random.Random, number: int) -> Event:
    title = "".join(dice.choice("aabbc x") for _ in range(dice.randrange(8)))
    parent = f"s{dice.randrange(number)}" if number and dice.random() < 0.3 else None
    extras = dice.choice(({}, {"cost": dice.random(), "usage": Usage(input=dice.randrange(6))}))
    texts = {"agent": dice.choice(("build", "abc", "")), "version": dice.choice(("1.1", "1.18", "0.1.1"))}
    ago = dice.randrange(4 * 86_400)
    return session(f"s{number}", NOON - ago, title=title, parent_id=parent, extras=extras, **texts)


def change(dice: random.Random, sessions: int) -> list[Event]:
    """Something that happens to one of the sessions, or one more of them."""
    name = f"s{dice.randrange(sessions)}"
    message: dict[str, Any] = {"session_id": name}
    began = NOON - dice.randrange(7200)
    return dice.choice(
        (
            [row(dice, dice.randrange(sessions + 3))],
            [gone(name)],
            [failed(name, began)],
            [turn(f"{name}.m", 1, began, **message), op(f"{name}.p", f"{name}.m", "tool", 1, began, **message)],
            [
                turn(f"{name}.m", 1, began, **message),
                op(f"{name}.p", f"{name}.m", "tool", 1, began, name="bash", **message),
                op_end(f"{name}.p", f"{name}.m", "tool", 1, began + 1, **message),
                turn_end(f"{name}.m", 1, began + 2, **message),
            ],
        )
    )


def edited(dice: random.Random, text: str) -> str:
    """The text after one edit: mostly something typed at its end, as people do."""
    kind = dice.random()
    if kind < 0.6:
        return text + dice.choice(PIECES)
    at_place = dice.randrange(len(text) + 1)
    if kind < 0.75:
        return text[:at_place] + dice.choice(PIECES) + text[at_place:]
    if kind < 0.97:
        return text[:at_place] + text[at_place + dice.randrange(1, 4) :]
    return ""


def check(finder: Finder, text: str, now: int) -> None:
    """Holds what the finder has just answered against all cards asked anew."""
    whole = search(parse(text, now), finder.index.cards.values())
    found = finder.found
    assert found.cards == whole.cards
    assert found.unread == whole.unread
    assert [(term.source, term.loose) for term in found.terms] == [(term.source, term.loose) for term in whole.terms]
    assert (found.blame, found.loosely) == (whole.blame, whole.loosely)
    assert finder.trees == Counter(finder.store.links.top(key) for key in whole.cards)
    cards = [finder.index.cards[top] for top in finder.trees]
    assert finder.sum == (
        pytest.approx(sum(card.cost for card in cards), abs=1e-6),
        sum(not card.summed for card in cards),
    )


@given(st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_a_narrowed_answer_is_that_of_all_sessions_whatever_is_edited_and_happens_in_between(
    dice: random.Random,
) -> None:
    sessions = dice.randrange(1, 30)
    store = store_of(*(row(dice, number) for number in range(sessions)))
    finder, now, text = Finder(store), NOON, ""
    for _ in range(25):
        happens = dice.random()
        if happens < 0.2:
            finder.update(store.apply(change(dice, sessions)), at(now))
        elif happens < 0.35:
            now += dice.choice((1, 30, 90, 5000))
            finder.tick(at(now))
        terms, cards = finder.found.terms, finder.index.cards
        assert finder.sum.cost == pytest.approx(sum(cards[top].cost for top in finder.trees), abs=1e-6)
        assert finder.found.cards == {key: card for key, card in cards.items() if terms and accepts(terms, card)}
        assert finder.found.unread == {key: card for key, card in cards.items() if terms and undecided(terms, card)}
        text = edited(dice, text)
        finder.ask(text, at(now))
        if finder.on:
            check(finder, text, at(now))
        else:
            assert (finder.found.cards, finder.trees) == ({}, {})


def test_every_query_of_few_letters_is_narrowed_to_the_same_answer_from_every_other() -> None:
    dice = random.Random(5)
    finder = Finder(store_of(*(row(dice, number) for number in range(40))))
    texts = [" ".join(words) for count in (1, 2) for words in itertools.product(WORDS, repeat=count)]
    for before, after in itertools.product(texts, repeat=2):
        finder.ask(before, at(NOON))
        finder.ask(after, at(NOON))
        check(finder, after, at(NOON))


def test_a_word_that_begins_to_be_looked_for_letter_by_letter_finds_more_than_before() -> None:
    finder = Finder(store_of(session("s1", 1, title="abc-x"), session("s2", 2, title="a-b-c-x")))
    finder.ask("abc", at(NOON))
    assert finder.matches == {(SOURCE, "s1")}
    finder.ask("abcx", at(NOON))
    assert finder.matches == {(SOURCE, "s1"), (SOURCE, "s2")}


@pytest.fixture
def thousands() -> Store:
    return store_of(*(session(f"s{n}", n, title=f"Session {n}", extras={"cost": 0.5}) for n in range(7000)))


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ("session 69", "session 698", 239),
        ("session 69", "session 69 ", 0),
        ("69 cost<1", "69 cost<1 5", 239),
        ("s699", "s6991", 34),
        ("69", "6", 7000),
        ("69", "-69", 7000),
        ("69 since:7d", "69 since:7d 1", 7000 + 239 + 239),
    ],
)
def test_a_letter_more_asks_only_what_has_matched(thousands: Store, before: str, after: str, asked: int) -> None:
    finder = Finder(thousands)
    finder.ask(before, at(7000))
    cost = finder.searched
    finder.ask(after, at(7000))
    assert finder.searched - cost == asked


def test_the_trees_of_any_filter_stand_in_the_order_of_all(thousands: Store) -> None:
    rows = VisibleRows(thousands)
    rows.update(thousands.apply([]), at(7000))
    everything = rows.tops()
    for kept in (everything[::-1][:20], everything[::-2], everything[100:6000], [], [(SOURCE, "gone")]):
        rows.keep(set(kept))
        assert rows.tops() == [top for top in everything if top in set(kept)]
