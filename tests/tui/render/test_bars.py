"""The status bar, the health pane, the footer and the help, as text."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest
from rich.cells import cell_len

from adapter.health import Interruption
from tests.tui.stage import health
from tests.tui.story import NOW
from tui.config.bindings import EVERY, key_groups
from tui.model.filter import language
from tui.model.filter.cards import WORDS
from tui.model.status.counts import Counts
from tui.model.status.flags import MEANINGS
from tui.model.status.summary import Summary
from tui.model.status.table import FLAGS, TABLE
from tui.model.tree.under_cursor import Kind, UnderCursor
from tui.render.bars import keys
from tui.render.bars.health import Lags, fitting, health_lines, sessions_line
from tui.render.bars.help import help_lines, key_name, sections
from tui.render.bars.status import Status, count_at, problem_lines, status_line
from tui.render.lines import plain

FULL = Status(
    paths=("/home/ada/.local/share/opencode/opencode.db",),
    healths=(health(),),
    lags=Lags(12, 30, 4, 9),
    summary=Summary(running=3, waiting=1, failed=2, cost_today=4.12, following=True, new_below=5, known=True),
)


def test_the_bar_at_full_width() -> None:
    text = plain(status_line(FULL, 160))
    assert text.startswith(" opencode-viewer  /home/ada/.local/share/opencode/opencode.db   ")
    assert text.endswith("   5 new below   follow   ? 1 for you   ● 3 at work   ✗ 2 today   $4.12 today   ● 12 ms ")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_bar_fits_and_keeps_the_counts(width: int) -> None:
    text = plain(status_line(FULL, width))
    assert cell_len(text) == width
    assert "● 3 at work" in text or "●3" in text
    assert "? 1 for you" in text or "?1" in text
    assert "$4.12" in text


EVERYTHING = FULL._replace(summary=FULL.summary._replace(stuck=1, looping=1, following=False, new_below=0))


def test_every_count_has_words_where_there_is_room() -> None:
    assert plain(status_line(EVERYTHING, 120)) == (
        " opencode-viewer  opencode.db   "
        "   ? 1 for you   ! 1 stuck   ↻ 1 loop   ● 3 at work   ✗ 2 today   $4.12 today   ● 12 ms "
    )
    assert plain(status_line(EVERYTHING, 80)).endswith("?1  !1  ↻1  ●3  ✗2  $4.12  ● 12 ms ")
    assert "! 1" not in plain(status_line(FULL, 200))


def test_a_count_knows_what_it_counts() -> None:
    for width in (80, 120):
        text = plain(status_line(EVERYTHING, width))
        found = {count_at(EVERYTHING, width, text.index(glyph)) for glyph in "?!↻✗"}
        assert found == {"waiting", "stuck", "failed"}
        assert count_at(EVERYTHING, width, text.index("●")) == "running"
        assert count_at(EVERYTHING, width, text.index("$")) is None
        assert count_at(EVERYTHING, width, 2) is None


def test_the_worst_source_decides_the_dot() -> None:
    states = [health(), health(state="error", message="no")]
    assert "● error" in plain(status_line(FULL._replace(healths=tuple(states)), 160))
    assert "2 databases" in plain(status_line(FULL._replace(paths=("/a", "/b")), 160))


def test_a_backlog_stands_where_the_delay_does() -> None:
    behind = FULL._replace(behind=12_345)
    assert plain(status_line(behind, 160)).endswith("$4.12 today   ● catching up: 12k events ")
    assert plain(status_line(behind, 70)).endswith("$4.12  ● 12k behind ")
    # Whoever cannot be read at all is not catching up.
    assert "catching up" not in plain(status_line(behind._replace(healths=(health(state="error"),)), 160))


def test_what_is_still_to_be_read_stands_there_too() -> None:
    reading = FULL._replace(healths=(health(unread=39_488), health()))
    assert plain(status_line(reading, 160)).endswith("$4.12 today   ● reading, 39,488 sessions to go ")
    assert plain(status_line(reading, 70)).endswith("$4.12  ● 39k to go ")


def test_problems_are_clean_lines_folded_to_the_width() -> None:
    lines = problem_lines([health(state="waiting", message="looked at \x1b[31m/a;\nwaiting")], "", 120)
    assert [plain(line) for line in lines] == [" ! looked at /a; waiting"]
    assert problem_lines([health()], "", 120) == []
    assert len(problem_lines([], "word " * 30, 60)) > 1


def test_health_says_where_the_numbers_come_from() -> None:
    shown = health(missing_columns=["session.cost"], event_bytes=3_000_000, page_bytes=4_200_000)
    text = [plain(line) for line in health_lines(shown, Lags(12, 30, 4, 9, [5, 40, 10]))]
    assert text == [
        "Store    ● /data/opencode.db  v1 1.18.33  4.1 MB (events ~71%)  WAL 117 kB"
        "  7 sessions and sub-agents  42 messages  180 parts  999 events",
        "         migration 20260622202450_simplify · 9f3a21c0 (38 applied)   missing session.cost"
        "   changes by event feed",
        "Viewer   12 ms behind (worst 40ms) ▁█▂  painted 4 ms later   reads up to 6 ms   opened read-only"
        "   61 statements/min   last change 14:13:16",
        "Warnings none",
    ]


def test_of_another_day_the_last_change_has_its_date() -> None:
    for days, said in ((0, "last change 14:13:16"), (5, "last change 2026-09-16 14:13")):
        shown = health(last_change=NOW - 4 - days * 86_400.0, looked=float(NOW))
        assert any(plain(line).endswith(said) for line in health_lines(shown))


def test_the_sessions_of_the_health_are_those_of_the_bar() -> None:
    counts = Counts(running=3, stuck=1, looping=1, orphaned=4, failed_today=2)
    assert plain(sessions_line(counts)).rstrip() == (
        "Sessions ! 1 stuck   ↻ 1 looping   ● 3 at work   ☓ 4 orphaned   ✗ 2 failed today"
    )
    assert plain(sessions_line(Counts())) == "Sessions none at work, none waiting"


def test_health_of_a_source_that_is_not_there_is_short() -> None:
    text = [plain(line) for line in health_lines(health(state="waiting", message="no file", counts={}))]
    assert text[1] == "         no file"
    assert len(text) == 2


def test_health_tells_what_interrupted_the_reading_newest_first() -> None:
    words = ["/x was replaced", "/x is locked", "bad\x07 WAL", "no database at /x"]
    history = [Interruption(NOW + number, each) for number, each in enumerate(words)]
    gone = health(state="waiting", message="no database at /x", interruptions=4, history=history)
    text = [plain(line) for line in health_lines(gone)]
    assert text[2:] == [
        "Broken   14:13:23 no database at /x   4 times in all",
        "         14:13:22 bad\ufffd WAL",
        "         14:13:21 /x is locked",
    ]


def test_health_says_how_far_the_sums_differ_and_what_that_comes_of() -> None:
    odd = health(disagreeing={"ses_a": 30, "ses_b": -2, "ses_c": 1200}, retries=3)
    lines = [plain(line) for line in health_lines(odd)]
    assert "   3 retries" in lines[2]
    assert lines[3:5] == [
        "Sums     2 sessions count 1,230 tokens more than their messages   billed for messages that are gone",
        "Sums     1 session counts 2 tokens less than its messages   steps were never counted: a ? marks the sum",
    ]


def test_a_time_at_the_end_of_the_calendar_can_be_shown() -> None:
    assert any("last change" in plain(line) for line in health_lines(health(last_change=253_402_300_799.0)))


def test_warnings_are_counted_by_kind() -> None:
    text = [plain(line) for line in health_lines(health(warnings={"unknown_part": 1200, "bad\x07": 1}))]
    assert text[-2:] == ["Warnings 1 × bad\ufffd", "         1,200 × unknown_part"]


def test_a_missing_journal_is_said() -> None:
    assert any("no journal" in plain(line) for line in health_lines(health(migration_table="")))


ROWS = [
    UnderCursor(kind, fold, asks, failed)
    for kind in get_args(Kind)
    for fold in ("", "open", "closed")
    for asks in (False, True)
    for failed in (False, True)
]
PLACES = [
    *(
        keys.Context("tree", row, one_pane=one, following=on, filtered=on, waiting=on, stuck=on)
        for row in [None, *ROWS]
        for one in (False, True)
        for on in (False, True)
    ),
    *(
        keys.Context("detail", None, alone=alone, following=on, searched=on, folds=folds, cut=on)
        for alone in (False, True)
        for on in (False, True)
        for folds in (False, True)
    ),
    *(keys.Context("filter", completes=on) for on in (False, True)),
    keys.Context("search"),
]


def footer(width: int, *place: object, **more: object) -> str:
    """The keys of a place without the spaces between them."""
    return " ".join(plain(keys.key_line(keys.bar(keys.Context(*place, **more)), width)).split())  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [17, 40, 60, 80, 120, 320])
def test_the_footer_names_whole_keys_that_fit_whatever_the_place_and_width(width: int) -> None:
    for place in PLACES:
        bar = keys.bar(place)
        text = plain(keys.key_line(bar, width))
        assert cell_len(text) <= width
        named = [f"{one.key} {one.word}" for one in (*bar.keys, *bar.always)]
        shown = [part for part in re.split(r" {3,}", text.strip()) if part]
        assert set(shown) <= set(named)
        assert shown == [one for one in named if one in shown], "in their order"
        assert not bar.always or shown[-2:] == ["? help", "q quit"]
        if width == 320:
            assert shown == named


def test_no_key_is_named_twice_and_every_one_is_a_binding() -> None:
    ids = {binding.id for binding in EVERY}
    for place in PLACES:
        named = [one.key for one in keys.bar(place).keys]
        assert len(named) == len(set(named)), named
        assert {name for one in keys.bar(place).keys for name in one.ids} <= ids


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_help_and_quit_are_always_there_unless_letters_are_typed(width: int) -> None:
    for place in PLACES:
        text = plain(keys.key_line(keys.bar(place), width))
        assert ("? help   q quit" in text) == (place.pane in ("tree", "detail"))


@pytest.mark.parametrize(
    ("row", "first"),
    [
        (UnderCursor("heading", "open"), "↑↓ move space fold [ ] next heading"),
        (UnderCursor("session", "closed"), "↑↓ move ←→ fold enter open"),
        (UnderCursor("step", "open"), "↑↓ move ←→ fold enter close"),
        (UnderCursor("text"), "↑↓ move enter detail t read"),
        (UnderCursor("agent", "closed"), "↑↓ move ←→ fold enter into the agent"),
        (UnderCursor("text", below=True), "↑↓ move enter detail p out of the agent"),
        (UnderCursor("call", asks=True), "↑↓ move 2 question Y copy resume"),
        (UnderCursor("session", "closed", asks=True), "↑↓ move w the question Y copy resume"),
        (UnderCursor("call", failed=True, output=True), "↑↓ move 3 output e next failure"),
        (UnderCursor("call", failed=True), "↑↓ move e next failure enter detail"),
    ],
)
def test_the_footer_begins_with_what_the_row_is_good_for(row: UnderCursor, first: str) -> None:
    assert footer(200, "tree", row).startswith(first)
    assert footer(80, "tree", row).startswith(first)


def test_the_footer_follows_the_filter_following_and_who_waits() -> None:
    row = UnderCursor("session", "closed")
    assert "f stop following" in footer(80, "tree", row, following=True)
    assert "n next match esc no filter" in footer(120, "tree", row, filtered=True)
    assert "w for you ! stuck" in footer(120, "tree", row, waiting=True, stuck=True)
    assert "w for you" not in footer(200, "tree", row)
    assert footer(80, "filter", completes=True) == "tab complete enter keep esc no filter"
    assert footer(80, "filter") == "enter keep esc no filter"
    assert "enter detail" in footer(80, "tree", row, one_pane=True)


def test_the_footer_of_a_text_knows_its_search_its_folds_and_its_long_lines() -> None:
    assert footer(120, "detail").startswith("↑↓ scroll 1-6 tabs / search y copy W cut lines tab tree m zoom")
    assert footer(120, "detail", searched=True).startswith("↑↓ scroll n next hit esc end search")
    assert footer(120, "detail", folds=True).startswith("↑↓ scroll enter fold")
    cut = footer(120, "detail", cut=True)
    assert cut.startswith("↑↓ scroll ←→ sideways")
    assert "W break lines" in cut


def test_the_footer_of_the_help_names_no_key_that_only_closes_it() -> None:
    assert plain(keys.key_line(keys.HELP, 80)).split() == ["↑↓", "scroll", "esc", "back"]


def test_the_way_back_from_the_detail_is_there_on_the_smallest_terminal() -> None:
    assert "esc back" in footer(60, "detail", alone=True)


def help_words(width: int) -> str:
    """The help at a width, without what its lines and columns do to the spaces."""
    return " ".join("\n".join(plain(line) for line in help_lines(key_groups(), width)).split())


def test_the_help_has_every_binding_with_words() -> None:
    text = help_words(200)
    for _, entries in key_groups():
        for keys_, words in entries:
            assert words
            assert words.split()[0] in text
            assert all(key_name(key) in text for key in keys_.split(","))
    one = help_words(105)
    assert all(words in one for _, entries in key_groups() for _, words in entries)


def test_the_help_has_every_state_every_flag_and_every_term_of_a_filter_from_their_tables() -> None:
    text = help_words(105)
    for status in TABLE:
        assert f"{status.glyph} {status.word} {status.meaning or status.word}" in text
    for name in FLAGS:
        assert f"{name} {MEANINGS[name]}" in text
    for field in language.FIELDS:
        assert f"{field} {language.MEANINGS[field]}" in text
    for form, meaning in language.FORMS.items():
        assert f"{form} {meaning}" in text
    assert set(language.MEANINGS) == set(language.FIELDS)
    for word in WORDS:
        assert f" {word} " in text


@pytest.mark.parametrize(("width", "columns"), [(58, 1), (78, 1), (118, 2), (198, 3)])
def test_the_help_stands_in_as_many_columns_as_have_room(width: int, columns: int) -> None:
    lines = [plain(line) for line in help_lines(key_groups(), width)]
    assert max(cell_len(line) for line in lines) <= width
    titles = [section.title for section in sections(key_groups())]
    at = {line.find(title) for line in lines for title in titles if title in line} - {-1}
    places = {number * ((width - 2 * (columns - 1)) // columns + 2) for number in range(columns)}
    assert places <= at
    alone = len(help_lines(key_groups(), width // columns))
    assert len(lines) <= alone / columns * 1.35


def test_no_meaning_in_the_help_is_cut() -> None:
    every = sorted(" ".join(entry.meaning for section in sections(key_groups()) for entry in section.entries).split())
    for width in (58, 118, 198):
        text = help_words(width)
        assert "…" not in text
        assert not [word for word in every if len(word) < 20 and word not in text]


def test_a_backup_is_not_in_the_bar() -> None:
    paths = ("/data/opencode.db", "/data/opencode-next.db")
    live, copy = health(path=paths[0]), health(source="b", path=paths[1], backup=True, state="error", message="No.")
    text = plain(status_line(Status(paths=paths, healths=(live, copy)), 160))
    assert "opencode-viewer  /data/opencode.db " in text
    assert "● live" in text
    both = (live, msgspec.structs.replace(copy, backup=False))
    assert "2 databases" in plain(status_line(Status(paths=paths, healths=both), 160))
    assert any("a backup, not live" in plain(line) for line in health_lines(msgspec.structs.replace(copy, state="ok")))


def test_where_not_all_of_health_has_room_what_is_wrong_stays() -> None:
    healths = [health(path=f"/data/{n}.db", warnings={"damaged": 2} if n == 3 else {}) for n in range(4)]
    whole = fitting(healths, None, Counts(), 200, 100)
    assert len(whole) > 12
    assert "lines more" not in plain(whole[-1])
    few = [plain(line) for line in fitting(healths, None, Counts(), 200, 8)]
    assert len(few) == 8
    assert [n for n in range(4) if any(f"/data/{n}.db" in line for line in few)] == [0, 1, 2, 3]
    assert any("2 × damaged" in line for line in few)
    assert few[-2].startswith("Sessions")
    assert few[-1] == f"  and {len(whole) - 7} lines more: opencode-viewer doctor"
    assert [plain(line) for line in fitting([], None, Counts(), 80, 8)] == ["  Nothing has been read yet."]


def test_a_source_that_is_not_there_stays_when_the_numbers_of_others_have_no_room() -> None:
    gone = health(state="waiting", path="box", message="box: the machine cannot be reached", counts={})
    # At 80 columns the first row of each takes three lines.
    few = [plain(line) for line in fitting([health(), health(), gone], None, Counts(waiting=2), 78, 8)]
    assert any("cannot be reached" in line for line in few)
    assert few[-2].startswith("Sessions ? 2 for you")
    assert sum(line.startswith("Store") for line in few) == 3
