"""The language of the filter: parsing, searching, blaming the term that leaves nothing, and completing a word.

    is:running agent:build model:opus tool:bash dir:app host:box provider:anthropic version:1.18 cost>1 tokens>10k
    since:2d text:word file:name word "some words" -negated

All terms have to hold. One that is still being typed (`agent:`, `cost>`) or says nothing (`since:x`) holds for
everything, so that the list does not flicker; the latter tells its problem. A word that stands in no title at all is
looked for letter by letter, so that initials and left out letters find something.

What a session did is known when it has been read. Of one that has not, a term that asks for it says neither yes nor no;
and so do `text:` and `file:` of a session that has not been looked through (texts.py).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Sequence
from itertools import filterfalse
from typing import NamedTuple

from tui.model.filter.cards import READ_WORDS, WORDS, Card, Index
from tui.model.filter.folding import fold
from tui.model.filter.texts import LOOKED_FOR, NO_ANSWERS, Answers, Query, query_of
from tui.model.records import SessionKey
from tui.model.status.thresholds import MINUTE, SECOND

TEXTS = ("agent", "model", "tool", "dir", "host", "provider", "version")
NUMBERS = ("cost", "tokens")
TIMES = ("today", "1h", "1d", "7d", "30d")
FIELDS = ("is:", *(f"{name}:" for name in TEXTS), "cost>", "tokens>", "since:", *(f"{name}:" for name in LOOKED_FOR))
MEANINGS = {
    "is:": "in this state, with this flag, of this kind",
    "agent:": "an agent whose name holds it",
    "model:": "a model whose name holds it",
    "tool:": "has called it; known of sessions that were read",
    "dir:": "a directory whose path holds it",
    "host:": "on another machine whose name holds it",
    "provider:": "a provider whose name holds it",
    "version:": "a version of opencode that begins with it",
    "cost>": "US dollars, sub-agents included; also < >= <=",
    "tokens>": "sub-agents included; 10k, 2m; also < >= <=",
    "since:": "new since 30m, 2h, 7d, 1w, today, 2026-01-31",
    "text:": "any text in it holds this: enter looks for it",
    "file:": "a file it touched is called so: enter looks",
}
"""What each of the fields asks of a session."""
FORMS = {
    "word": "a title that holds it; else letter by letter",
    '"some words"': "a title that holds exactly this",
    "-not": "where the term behind it does not hold",
}
"""What else may stand in a query, as an example, and what it asks of a session."""

_TOKEN = re.compile(r'(?P<no>-?)(?:(?P<field>[A-Za-z]+)(?P<sign>:|<=|>=|<|>))?(?P<value>"[^"]*"?|\S*)')
_NUMBER = re.compile(r"\$?(\d+(?:\.\d*)?|\.\d+)([kmg]?)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_UNITS = {"s": SECOND, "m": MINUTE, "h": 60 * MINUTE, "d": 1440 * MINUTE, "w": 7 * 1440 * MINUTE}

LOOSE_FROM = 3
"""Letters from which a word is looked for letter by letter."""

Test = Callable[[Card], bool]


class Term(NamedTuple):
    """One condition: `source` as it was typed, `word` when it is free text that may be looked for letter by letter, as
    it is when `loose`, `problem` what is wrong with it. `part` is what one text of a card has to hold, if that is all.
    `unknown` is what is wrong with a word that looks like a field and is none, unless a title holds it. Of the cards
    for which `unsure` holds only reading the session can say whether the term does, or looking through it for `query`.
    """

    source: str
    test: Test
    negated: bool = False
    field: str = ""
    word: str = ""
    problem: str = ""
    part: str = ""
    loose: bool = False
    unknown: str = ""
    unsure: Test | None = None
    query: Query | None = None


class Found(NamedTuple):
    """The sessions that a query finds and the terms as they were used. `blame` says what is wrong with a term, or which
    one leaves nothing. `asked` counts the cards that a term was asked of. `unread` are the sessions that match or do
    not: only reading them can say."""

    cards: dict[SessionKey, Card]
    unread: dict[SessionKey, Card]
    terms: tuple[Term, ...]
    blame: str = ""
    asked: int = 0

    @property
    def loosely(self) -> tuple[str, ...]:
        """The words that were looked for letter by letter."""
        return tuple(term.word for term in self.terms if term.loose)


NOTHING_ASKED = Found({}, {}, ())


class Completion(NamedTuple):
    """What may replace the text from `start` to the cursor."""

    start: int
    choices: list[str]


def parse(text: str, now_us: int, answers: Answers = NO_ANSWERS) -> tuple[Term, ...]:
    """The terms of a query; `now_us` is what `since:` counts from, `answers` what is known of `text:` and `file:`."""
    return tuple(_term(match, now_us, answers) for match in _TOKEN.finditer(text) if match[0] not in ("", "-"))


def search(terms: Sequence[Term], cards: Collection[Card], known: Found = NOTHING_ASKED) -> Found:
    """The sessions for which all terms hold. Each term looks only at what those before it have left.

    `known` is the answer to an earlier query, kept up with the cards since: where nothing but what it found can match,
    as for one more letter of a word, only that is asked, by the terms that are new. A narrower query that finds nothing
    is asked of all cards again, because the term to blame is the first that leaves nothing.
    """
    used = tuple(_loosened(term, cards) for term in terms)
    blame = next((term.problem for term in used if term.problem), "")
    if known.cards and all(any(_implies(new, old) for new in used) for old in known.terms):
        new = [term for term in used if not any(_same(term, old) for old in known.terms)]
        left, asked, _ = _sift(new, list(known.cards.values()))
        if left:
            unread = _undecided(used, [*known.cards.values(), *known.unread.values()])
            return Found({card.key: card for card in left}, unread, used, blame, asked)
    left, asked, emptied = _sift(used, list(cards))
    unread = _undecided(used, cards)
    if emptied is not None and not unread:
        # A term is not to blame as long as reading may find something.
        while _undecided(used[: emptied + 1], cards):
            emptied += 1
        blame = _blame(used[emptied], used[:emptied], cards)
    return Found({card.key: card for card in left}, unread, used, blame, asked)


def _sift(terms: Sequence[Term], cards: list[Card]) -> tuple[list[Card], int, int | None]:
    """The cards for which the terms hold, how many cards that took, and the place of the first term that left none."""
    asked, left = 0, cards
    for number, term in enumerate(terms):
        if term.test is _everything:
            continue
        asked += len(left)
        before, left = left, list((filterfalse if term.negated else filter)(term.test, left))
        if term.unsure is not None:
            left = list(filterfalse(term.unsure, left))
        if before and not left:
            return left, asked, number
    return left, asked, None


def _implies(new: Term, old: Term) -> bool:
    """Whether the old term holds wherever the new one does. A time moves, so that what ends with it implies nothing,
    nor does what is still being looked for."""
    if old.test is _everything or _same(new, old):
        return True
    if not (new.part and old.part) or new.field != old.field or (new.loose and not old.loose):
        return False
    return new.part.startswith(old.part) if old.field == "version" else old.part in new.part


def _same(new: Term, old: Term) -> bool:
    if old.field == "since" or old.query is not None:
        return False
    return (new.source, new.loose, new.problem) == (old.source, old.loose, old.problem)


def accepts(terms: Sequence[Term], card: Card) -> bool:
    """Whether all terms hold for a card."""
    return all(
        term.test(card) is not term.negated and not (term.unsure is not None and term.unsure(card)) for term in terms
    )


def undecided(terms: Sequence[Term], card: Card) -> bool:
    """Whether only reading the session can say if all terms hold for its card."""
    return bool(_undecided(terms, (card,)))


def hold_loosely(terms: Sequence[Term], cards: Collection[Card]) -> bool:
    """Whether a title among these holds a word that was looked for letter by letter because no title did."""
    return any(term.word in card.title for term in terms if term.loose for card in cards)


def asked_of(terms: Sequence[Term], cards: Collection[Card]) -> int:
    """How many cards are left by the terms that can be answered without reading a session."""
    sure = [term for term in terms if term.unsure is None and term.test is not _everything]
    return sum(accepts(sure, card) for card in cards) if sure else len(cards)


def _undecided(terms: Sequence[Term], cards: Collection[Card]) -> dict[SessionKey, Card]:
    """The cards for which no term fails and at least one is unsure."""
    doubts = [term.unsure for term in terms if term.unsure is not None]
    if not doubts:
        return {}
    left = list(filter(doubts[0], cards)) if len(doubts) == 1 else [one for one in cards if any(d(one) for d in doubts)]
    for term in terms:
        test, unsure, negated = term.test, term.unsure, term.negated
        left = [card for card in left if (unsure is not None and unsure(card)) or test(card) is not negated]
    return {card.key: card for card in left}


def complete(text: str, cursor: int, index: Index) -> Completion:
    """What the word before the cursor may become: names of fields, or the known values of one."""
    start = max(text.rfind(" ", 0, cursor), text.rfind("\t", 0, cursor)) + 1
    if text.startswith("-", start):
        start += 1
    known = choices(text[start:cursor], index)
    return Completion(start, [re.sub(r"(\w+:)(.* .*)", r'\1"\2"', choice) for choice in known])


def choices(word: str, index: Index) -> list[str]:
    """What a word may become, those that begin with it first: names of fields, or one with each of its known values."""
    field, colon, value = fold(word).partition(":")
    if not colon:
        return [name for name in FIELDS if name.startswith(field) and name != field]
    if field == "is":
        values: Sequence[str] = WORDS
    elif field == "since":
        values = TIMES
    else:
        values = index.values(field) if field in TEXTS else ()
    value = value.strip('"')
    known = [name for name in values if name.startswith(value)]
    known += [name for name in values if value in name and not name.startswith(value)]
    return [f"{field}:{name}" for name in known]


def _term(match: re.Match[str], now_us: int, answers: Answers) -> Term:
    source, negated = match[0], bool(match["no"])
    field, sign = (match["field"] or "").lower(), match["sign"]
    if field in LOOKED_FOR and sign == ":":
        return _looked_for(source, negated, field, match["value"], answers)
    value = fold(match["value"].strip('"'))
    if field in (*TEXTS, "is", "since") and sign == ":":
        test, problem = _named(field, value, now_us)
        part = value if field in TEXTS and not negated else ""
        unsure = _unsure(field, value) if value and not problem else None
        negated = negated and bool(value) and not problem
        return Term(source, test, negated, field, problem=problem, part=part, unsure=unsure)
    if field in NUMBERS:
        test, problem = _number(field, sign, value)
        unsure = _not_summed if value and not problem else None
        return Term(source, test, negated and bool(value) and not problem, field, problem=problem, unsure=unsure)
    quoted = match["value"].startswith('"') and not field
    word = value if quoted else fold(source.lstrip("-") if negated else source)
    part = "" if negated else word
    unknown = _no_such(field, sign, value) if sign else ""
    return Term(
        source, lambda card: word in card.title, negated, word="" if quoted else part, part=part, unknown=unknown
    )


def _looked_for(source: str, negated: bool, field: str, value: str, answers: Answers) -> Term:
    """A term that only looking through a session answers."""
    if not value.strip('"'):
        return Term(source, _everything, field=field)
    query, problem = query_of(field, value)
    if query is None:
        return Term(source, _everything, field=field, problem=problem)
    answer = answers.of(query)
    return Term(
        source,
        lambda card: card.key in answer.found,
        negated,
        field,
        unsure=lambda card: card.key not in answer.looked,
        query=query,
    )


def _no_such(field: str, sign: str, value: str) -> str:
    """What is wrong with a field that does not exist, or is compared as it cannot be."""
    if field in (*TEXTS, *LOOKED_FOR, "is", "since"):
        return f"{field}{sign}{value} is no comparison: write {field}:{value}"
    from difflib import get_close_matches  # not needed by those who type well

    names = {name.rstrip(":>"): name for name in FIELDS}
    close = get_close_matches(field, names, n=1)
    meant = f"did you mean {names[close[0]]}" if close else f"there are {' '.join(FIELDS)}"
    return f"{field}{sign} no such field; {meant}"


def _named(field: str, value: str, now_us: int) -> tuple[Test, str]:
    if not value:
        return _everything, ""
    if field == "is":
        words = _words(value)
        if not words:
            return _everything, f"is:{value} is no state: {', '.join(WORDS)}"
        return (lambda card: not words.isdisjoint(card.words)), ""
    if field == "since":
        begin = since(value, now_us)
        if begin is None:
            return _everything, f"since:{value} is no time: write 30m, 2h, 7d, 1w, today or 2026-01-31"
        return (lambda card: card.last_ts >= begin), ""
    if field == "tool":
        return (lambda card: value in card.tools), ""
    if field == "agent":
        return (lambda card: value in card.agent), ""
    if field == "model":
        return (lambda card: value in card.model), ""
    if field == "provider":
        return (lambda card: value in card.provider), ""
    if field == "host":
        return (lambda card: value in card.host), ""
    if field == "version":
        return (lambda card: card.version.startswith(value)), ""
    return (lambda card: value in card.dir), ""


def _unsure(field: str, value: str) -> Test | None:
    """Of which cards a term of a field cannot be answered before the session is read."""
    if field == "tool":
        return lambda card: not card.read and value not in card.tools
    if field == "is":
        words = _words(value)
        return (lambda card: not card.read and words.isdisjoint(card.words)) if words & READ_WORDS else None
    if field == "agent":
        # Rows of old versions do not name it.
        return lambda card: not card.read and not card.agent
    if field == "model":
        return lambda card: not card.read and not card.model
    if field == "provider":
        return lambda card: not card.read and not card.provider
    return None


def _not_summed(card: Card) -> bool:
    return not card.summed


def _words(value: str) -> frozenset[str]:
    """The words behind `is:` that a value stands for, which may be the beginning of one."""
    return frozenset({value} if value in WORDS else {word for word in WORDS if word.startswith(value)})


def since(value: str, now_us: int) -> int | None:
    """The beginning (µs) of `2d`, `90m`, `today` or `2026-01-31` in local time; None when it is none of these, or more
    than a number can be."""
    if value == "today":
        today = datetime.datetime.fromtimestamp(now_us / 1e6).replace(hour=0, minute=0, second=0, microsecond=0)
        return int(today.timestamp() * 1e6)
    span = _SPAN.fullmatch(value)
    try:
        if span is not None:
            return now_us - int(float(span[1]) * _UNITS[span[2]])
        return int(datetime.datetime.fromisoformat(value).timestamp() * 1e6)
    except (ValueError, OverflowError, OSError):
        return None


def _number(field: str, sign: str, value: str) -> tuple[Test, str]:
    if not value:
        return _everything, ""
    number = _NUMBER.fullmatch(value)
    if number is None or sign == ":":
        return _everything, f"{field}{sign}{value} is no comparison: write {field}>1, {field}<10k"
    limit = float(number[1]) * _SCALES[number[2]]
    if field == "cost":
        tests: dict[str, Test] = {
            ">": lambda card: card.cost > limit,
            "<": lambda card: card.cost < limit,
            ">=": lambda card: card.cost >= limit,
            "<=": lambda card: card.cost <= limit,
        }
    else:
        tests = {
            ">": lambda card: card.tokens > limit,
            "<": lambda card: card.tokens < limit,
            ">=": lambda card: card.tokens >= limit,
            "<=": lambda card: card.tokens <= limit,
        }
    return tests[sign], ""


def _everything(_card: Card) -> bool:
    return True


def _loosened(term: Term, cards: Collection[Card]) -> Term:
    """A word that no title holds becomes its letters in this order, each run of letters as short as can be; one that
    looks like a field is told to be none."""
    written = term.source.lstrip("-").lower()
    if term.unknown and not any(written in card.title for card in cards):
        return Term(term.source, _everything, problem=term.unknown)
    if len(term.word) < LOOSE_FROM or any(term.word in card.title for card in cards):
        return term
    letters = re.compile("".join(f"[^{re.escape(letter)}]*{re.escape(letter)}" for letter in term.word))
    return term._replace(test=lambda card: letters.match(card.title) is not None, loose=True)


def _blame(term: Term, before: Sequence[Term], cards: Collection[Card]) -> str:
    if not _sift((term,), list(cards))[0]:
        return f"{term.source} matches nothing"
    return f"{term.source} matches nothing together with {' '.join(other.source for other in before)}"
