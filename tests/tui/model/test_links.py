"""Parents and children: any order of arrival, cycles, great depth."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from tui.model.records import SessionKey
from tui.model.store.links import Links

SOURCE = "s"


def node(name: str) -> SessionKey:
    return (SOURCE, name)


def links_of(edges: dict[str, str | None]) -> Links:
    links = Links()
    for name, parent in edges.items():
        links.place(node(name), node(parent) if parent else None)
    return links


def shape(links: Links, names: str) -> dict[str, tuple[str, set[str]]]:
    return {name: (links.top(node(name))[1], {child[1] for child in links.children(node(name))}) for name in names}


def test_the_top_is_the_last_known_parent() -> None:
    links = links_of({"c": "b", "b": "missing", "d": "c"})
    assert links.top(node("d")) == node("b")
    assert list(links.above(node("d"))) == [node("c"), node("b")]
    assert links.parent(node("b")) is None


def test_a_parent_that_appears_takes_over_and_both_tops_are_named() -> None:
    links = links_of({"c": "b", "d": "c"})
    assert links.top(node("d")) == node("c")
    assert links.place(node("b"), None) >= {node("c"), node("b")}
    assert links.top(node("d")) == node("b")


def test_a_parent_that_goes_leaves_tops() -> None:
    links = links_of({"a": None, "b": "a", "c": "a"})
    assert links.top(node("b")) == node("a")
    assert links.remove(node("a")) == {node("a"), node("b"), node("c")}
    assert links.remove(node("a")) == set()


def test_placing_again_is_nothing_new() -> None:
    links = links_of({"a": None, "b": "a"})
    assert links.place(node("b"), node("a")) == set()


def test_a_session_that_names_itself_is_its_own_top_and_has_no_child() -> None:
    links = links_of({"a": "a"})
    assert links.top(node("a")) == node("a")
    assert links.children(node("a")) == []
    assert list(links.above(node("a"))) == []


def test_a_cycle_is_cut_once_and_loses_nobody() -> None:
    links = links_of({"a": "c", "b": "a", "c": "b", "d": "a"})
    tops = {links.top(node(name)) for name in "abcd"}
    assert tops == {node("c")}
    reached, stack = set(), [node("c")]
    while stack:
        current = stack.pop()
        assert current not in reached
        reached.add(current)
        stack.extend(links.children(current))
    assert reached == {node(name) for name in "abcd"}


def test_a_cycle_that_is_broken_becomes_a_chain() -> None:
    links = links_of({"a": "b", "b": "a"})
    assert links.top(node("a")) == node("b")
    links.place(node("b"), None)
    assert list(links.above(node("a"))) == [node("b")]


def test_two_thousand_levels_are_walked_without_recursion() -> None:
    links = links_of({str(n): str(n - 1) if n else None for n in range(2000)})
    assert links.top(node("1999")) == node("0")
    assert sum(1 for _ in links.above(node("1999"))) == 1999


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, *"abcdef"])), max_size=25),
    st.randoms(use_true_random=False),
)
def test_any_history_ends_in_the_shape_of_its_last_edges(
    steps: list[tuple[str, str | None]], choice: random.Random
) -> None:
    links = Links()
    final: dict[str, str | None] = {}
    for name, parent in steps:
        if parent == "f":  # stands for a removal, so that histories with and without them are made
            links.remove(node(name))
            final.pop(name, None)
        else:
            links.place(node(name), node(parent) if parent else None)
            final[name] = parent
        # Asking in between fills the memory of tops, which the next step has to correct.
        links.top(node(choice.choice("abcdef")))
    names = list(final)
    choice.shuffle(names)
    fresh = links_of({name: final[name] for name in names})
    known = "".join(names)
    assert shape(links, known) == shape(fresh, known)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([None, *"abcdef"]), max_size=6))
def test_every_session_is_reached_from_exactly_one_top(edges: dict[str, str | None]) -> None:
    links = links_of(edges)
    tops = {links.top(node(name)) for name in edges}
    reached: list[SessionKey] = []
    stack = list(tops)
    for _ in itertools.repeat(None, 100):
        if not stack:
            break
        current = stack.pop()
        reached.append(current)
        stack.extend(links.children(current))
    assert sorted(reached) == sorted(node(name) for name in edges)
