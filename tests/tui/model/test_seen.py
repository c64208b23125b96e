"""What counts as changed since the last look."""

from __future__ import annotations

from tests.tui.model.builders import SOURCE, at, session, store_of, turn
from tui.model.status.unread import Seen


def test_what_was_there_at_the_start_is_no_news_and_what_comes_later_is_until_it_is_looked_at() -> None:
    store = store_of(session("s1", 10), session("s2", 20))
    seen = Seen(store, at(50))
    first, second = store.sessions[SOURCE, "s1"], store.sessions[SOURCE, "s2"]
    assert not seen.changed(first)
    assert not seen.look(first)
    store.apply([turn("a1", 1, 60)])
    assert seen.changed(first)
    assert not seen.changed(second)
    assert seen.look(first)
    assert not seen.changed(first)
    assert not seen.look(first)
    store.apply([turn("a2", 2, 70)])
    assert seen.changed(first)


def test_news_of_a_sub_agent_mark_its_tree_and_a_look_at_it_clears_both() -> None:
    store = store_of(session("s1", 10), session("kid", 11, parent_id="s1"), session("other", 12, parent_id="s1"))
    seen = Seen(store, at(50))
    top, kid, other = (store.sessions[SOURCE, name] for name in ("s1", "kid", "other"))
    store.apply([turn("b1", 1, 60, session_id="kid")])
    assert (seen.changed(top), seen.changed(kid), seen.changed(other)) == (True, True, False)
    assert seen.look(kid)
    assert (seen.changed(top), seen.changed(kid)) == (False, False)


def test_what_was_committed_before_the_look_and_arrives_after_it_is_news() -> None:
    store = store_of(session("s1", 60))
    seen = Seen(store, at(50))
    one = store.sessions[SOURCE, "s1"]
    assert seen.look(one)
    store.apply([turn("a1", 1, 60.001)])
    assert seen.changed(one)
