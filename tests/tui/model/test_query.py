"""The language of the filter: every kind of term, what is said when nothing matches, completion, and what it costs."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from adapter.events import Event, Usage
from tests.tui.model.builders import SOURCE, at, failed, gone, op, prompt, session, store_of, task, turn, turn_end
from tui.model.filter.active_filter import Finder
from tui.model.filter.cards import Index
from tui.model.filter.language import Completion, complete, parse, search
from tui.model.store.store import Store

NOON = 1_790_000_000
"""2026-09-21, 14:13:20 UTC, in seconds; the tests run in UTC."""


def row(name: str, title: str, ago: float, **fields: Any) -> Event:
    extras = {"usage": Usage(input=fields.pop("tokens", 0)), "cost": fields.pop("cost", 0.0)}
    known = {"agent": "build", "model": "opus-4.5", "provider_alias": "anthropic", "cwd": "/home/ada/app"}
    return session(name, NOON - ago, title=title, extras=extras, **{**known, "version": "1.18.33", **fields})


def world() -> Store:
    """Six sessions: one runs a bash call by a sub-agent, one asks, one has failed, one of them is a fork."""
    return store_of(
        row("run", "Fix the flaky retry test", 100, cost=1.5, tokens=20_000, session_kind="root"),
        prompt("u1", NOON - 99, session_id="run"),
        turn("a1", 1, NOON - 98, "u1", session_id="run"),
        *task("t1", "a1", "kid", 1, session_id="run", ts=NOON - 97),
        row("kid", "find callers", 96, parent_id="run", session_kind="sub_agent", agent="explore", model="Haiku-4.5"),
        turn("b1", 1, NOON - 95, session_id="kid"),
        op("p1", "b1", "tool", 1, NOON - 10, session_id="kid", name="bash", running=True),
        row("ask", "Rename: keys", 50, cwd="/home/ada/website"),
        turn("c1", 1, NOON - 49, session_id="ask"),
        op("p2", "c1", "tool", 1, NOON - 40, session_id="ask", name="question"),
        row("bad", "Nightly report", 5000, cost=0.2, tokens=300, provider_alias="openai", model="gpt-5.4"),
        failed("bad", NOON - 4990),
        row("old", "Explain the lexer", 3 * 86_400, agent="plan", version="1.2.1"),
        row("fork", "Explain it again (fork #1)", 2 * 86_400, session_kind="fork"),
    )


def index_of(store: Store) -> Index:
    index = Index(store)
    index.fill(at(NOON))
    return index


def found(text: str) -> set[str]:
    hits = search(parse(text, at(NOON)), index_of(world()).cards.values())
    return {session_id for _, session_id in hits.cards}


ALL = {"run", "kid", "ask", "bad", "old", "fork"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("is:running", {"run", "kid"}),
        ("is:ru", {"run", "kid"}),
        ("IS:Waiting", {"ask"}),
        ("is:failed", {"bad"}),
        ("is:idle", {"old", "fork"}),
        ("is:subagent", {"kid"}),
        ("is:fork", {"fork"}),
        ("-is:idle", {"run", "kid", "ask", "bad"}),
        ("agent:build", {"run", "ask", "bad", "fork"}),
        ("agent:BUI -is:failed", {"run", "ask", "fork"}),
        ("model:opus", {"run", "ask", "old", "fork"}),
        ("model:haiku", {"kid"}),
        ("provider:openai", {"bad"}),
        ("dir:website", {"ask"}),
        ("version:1.2", {"old"}),
        ("tool:bash", {"kid"}),
        ("tool:bas", {"kid"}),
        ("cost>1", {"run"}),
        ("cost>=0.2 cost<$1.5", {"bad"}),
        ("cost<=.2 -cost<0.1", {"bad"}),
        ("tokens>10k", {"run"}),
        ("tokens<1k tokens>=300", {"bad"}),
        ("tokens<=0.3k is:failed", {"bad"}),
        ("since:10m", {"run", "kid", "ask"}),
        ("since:1d", {"run", "kid", "ask", "bad"}),
        ("since:2.5d", {"run", "kid", "ask", "bad", "fork"}),
        ("since:today", {"run", "kid", "ask", "bad"}),
        ("since:2026-09-19", {"run", "kid", "ask", "bad", "fork"}),
        ("explain", {"old", "fork"}),
        ("EXPLAIN lexer", {"old"}),
        ('"the lexer"', {"old"}),
        ('"lexer the"', set()),
        ("explain -lexer", {"fork"}),
        ('-"explain the"', ALL - {"old"}),
        ("rename:", {"ask"}),
        ("frt", {"run"}),
        ("cost>", ALL),
        ("-agent:", ALL),
        ("since:", ALL),
        ("-", ALL),
        ("since:2x", ALL),
        ("is:nonsense", ALL),
        ("cost:1", ALL),
    ],
)
def test_a_query_finds(text: str, names: set[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("query", ["größe", '"Die Größe"', "dir:größe", "agent:prüfer", "-dir:app", "dgrö"])
def test_letters_are_found_whichever_way_they_are_composed(query: str, stored: str, typed: str) -> None:
    words = {"title": "Die Größe ändern", "cwd": "/Users/eva/größe", "agent": "Prüfer"}
    form = {name: unicodedata.normalize(stored, text) for name, text in words.items()}
    index = index_of(store_of(row("macos", ago=3, **form), row("other", "Explain the lexer", 5)))
    assert search(parse(unicodedata.normalize(typed, query), at(NOON)), index.cards.values()).cards.keys() == {
        (SOURCE, "macos")
    }


@pytest.mark.parametrize("query", [f"since:{'9' * 320}d", f"since:{'9' * 12}d", f"since:{'9' * 5000}s"])
def test_a_time_of_any_length_is_a_time_or_a_remark(query: str) -> None:
    hits = search(parse(query, at(NOON)), index_of(world()).cards.values())
    assert len(hits.cards) == len(ALL)
    assert bool(hits.blame) == (len(query) > 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model:opus", ""),
        ("agent:nobody", "agent:nobody matches nothing"),
        ("model:opus agent:explore", "agent:explore matches nothing together with model:opus"),
        ("is:failed since:2x", "since:2x is no time: write 30m, 2h, 7d, 1w, today or 2026-01-31"),
        ("cost:1", "cost:1 is no comparison: write cost>1, cost<10k"),
        ("tool:grep", ""),
        ("tool:grep is:waiting", "is:waiting matches nothing together with tool:grep"),
        ("is:waiting tool:bash", "tool:bash matches nothing together with is:waiting"),
        ("xyzzy", "xyzzy matches nothing"),
        ("is:failed xyzzy", "xyzzy matches nothing"),
        ("agent:nobody agent:noone", "agent:nobody matches nothing"),
        ("agnt:build", "agnt: no such field; did you mean agent:"),
        ("-agnt:build", "agnt: no such field; did you mean agent:"),
        ('modl:"opus 4"', "modl: no such field; did you mean model:"),
        ("Cots>1", "cots> no such field; did you mean cost>"),
        (
            "speed:",
            "speed: no such field; there are is: agent: model: tool: dir: host: provider: version: cost> tokens> "
            "since: text: file:",
        ),
        ("agent>build", "agent>build is no comparison: write agent:build"),
        ("rename:", ""),
        ("-rename:", ""),
        ('"agnt:build"', '"agnt:build" matches nothing'),
    ],
)
def test_the_term_to_blame_is_named(text: str, words: str) -> None:
    assert search(parse(text, at(NOON)), index_of(world()).cards.values()).blame == words


def test_an_unknown_state_names_the_known_ones() -> None:
    blame = search(parse("is:bogus", at(NOON)), index_of(world()).cards.values()).blame
    assert blame.startswith("is:bogus is no state: running, ")
    assert "subagent" in blame


def test_a_field_that_does_not_exist_hides_nothing_and_is_one_when_a_title_has_it() -> None:
    assert found("agnt:build") == found("-agnt:build") == ALL
    assert found("rename:") == {"ask"}
    assert found("-rename:") == ALL - {"ask"}


def test_a_word_that_no_title_holds_is_said_to_be_looked_for_letter_by_letter() -> None:
    hits = search(parse("frt", at(NOON)), index_of(world()).cards.values())
    assert hits.loosely == ("frt",)
    assert search(parse("retry", at(NOON)), index_of(world()).cards.values()).loosely == ()


@pytest.mark.parametrize(
    ("text", "start", "choices"),
    [
        ("a", 0, ["agent:"]),
        ("is:running mo", 11, ["model:"]),
        ("-ag", 1, ["agent:"]),
        ("agent:", 0, ["agent:build", "agent:explore", "agent:plan"]),
        ("agent:pl", 0, ["agent:plan", "agent:explore"]),
        ("agent:x", 0, ["agent:explore"]),
        ("tool:", 0, ["tool:bash", "tool:question", "tool:task"]),
        ("dir:", 0, ["dir:app", "dir:website"]),
        ("is:wa", 0, ["is:waiting"]),
        ("since:t", 0, ["since:today"]),
        ("cost>", 0, []),
        ("nothing like it", 13, []),
    ],
)
def test_a_word_is_completed(text: str, start: int, choices: list[str]) -> None:
    assert complete(text, len(text), index_of(world())) == Completion(start, choices)


def test_a_value_with_spaces_is_completed_in_quotes() -> None:
    index = index_of(store_of(row("s", "t", 1, agent="my agent")))
    assert complete("agent:m", 7, index).choices == ['agent:"my agent"']
    assert len(search(parse('agent:"my agent"', at(NOON)), index.cards.values()).cards) == 1


def test_a_value_that_comes_and_goes_with_its_session_is_offered_meanwhile() -> None:
    store = world()
    finder = Finder(store)
    choices = [finder.complete("agent:", 6, at(NOON)).choices]
    for event in (row("new", "x", 5, agent="zoe"), gone("new")):
        finder.update(store.apply([event]), at(NOON))
        choices.append(finder.complete("agent:", 6, at(NOON)).choices)
    assert choices == [BOTH, [*BOTH, "agent:zoe"], BOTH]


BOTH = ["agent:build", "agent:explore", "agent:plan"]


class TestFinder:
    def test_a_sub_agent_that_matches_keeps_the_tree_of_its_root(self) -> None:
        finder = Finder(world())
        finder.ask("agent:explore", at(NOON))
        assert finder.matches == {(SOURCE, "kid")}
        assert finder.trees == {(SOURCE, "run"): 1}

    def test_it_follows_changes_at_the_cost_of_what_changed(self) -> None:
        store = world()
        store.apply([row(f"more{n}", "one more", 7000 + n) for n in range(2000)])
        finder = Finder(store)
        finder.ask("is:waiting", at(NOON))
        cost = finder.searched
        answer = [op("p2", "c1", "tool", 1, NOON - 40, session_id="ask", name="question", label="x")]
        assert not finder.update(store.apply(answer), at(NOON))
        ends = [turn_end("c1", 1, NOON - 1, session_id="ask", status="aborted")]
        assert finder.update(store.apply(ends), at(NOON))
        assert finder.trees == {}
        assert finder.update(store.apply([row("new", "x", 5), turn("d", 1, NOON - 4, session_id="new"),
                                          op("q", "d", "tool", 1, NOON - 3, session_id="new", name="question")]),
                             at(NOON))  # fmt: skip
        assert finder.trees == {(SOURCE, "new"): 1}
        assert finder.searched - cost <= 6

    def test_time_alone_ends_a_match(self) -> None:
        finder = Finder(world())
        finder.ask("is:running", at(NOON))
        assert not finder.tick(at(NOON + 1))
        assert finder.tick(at(NOON + 86_400))
        assert finder.matches == set()
        finder.ask("since:3h", at(NOON))
        assert (SOURCE, "bad") in finder.matches
        assert finder.tick(at(NOON + 2 * 3600))
        assert (SOURCE, "bad") not in finder.matches

    def test_sessions_that_go_no_longer_match(self) -> None:
        store = world()
        finder = Finder(store)
        finder.ask("nightly", at(NOON))
        assert finder.update(store.apply([gone("bad")]), at(NOON))
        assert finder.matches == set()

    def test_nobody_who_does_not_filter_pays_for_it(self) -> None:
        store = world()
        finder = Finder(store)
        assert not finder.update(store.apply([row("new", "x", 5)]), at(NOON))
        assert not finder.tick(at(NOON))
        assert (finder.searched, finder.index.cards) == (0, {})
        finder.ask("x", at(NOON))
        finder.ask("", at(NOON))
        assert not finder.on
