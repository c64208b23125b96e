"""The status bar, the health pane, the footer and the help, as text."""

from __future__ import annotations

import msgspec
import pytest
from rich.cells import cell_len

from adapter.health import Interruption
from tests.tui.stage import health
from tests.tui.story import NOW
from tui.config.bindings import key_groups
from tui.model.status.counts import Counts
from tui.render.bars import keys
from tui.render.bars.health import Lags, health_lines, sessions_line
from tui.render.bars.help import help_lines
from tui.render.bars.status import Status, count_at, problem_lines, status_line
from tui.render.lines import plain

FULL = Status(
    paths=("/home/ada/.local/share/opencode/opencode.db",),
    healths=(health(),),
    lags=Lags(12, 30, 4, 9),
    running=3,
    waiting=1,
    failed=2,
    cost_today=4.12,
    following=True,
    new_below=5,
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


EVERYTHING = FULL._replace(stuck=1, looping=1, following=False, new_below=0)


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


def test_problems_are_clean_lines_folded_to_the_width() -> None:
    lines = problem_lines([health(state="waiting", message="looked at \x1b[31m/a;\nwaiting")], "", 120)
    assert [plain(line) for line in lines] == [" ! looked at /a; waiting"]
    assert problem_lines([health()], "", 120) == []
    assert len(problem_lines([], "word " * 30, 60)) > 1


def test_health_says_where_the_numbers_come_from() -> None:
    shown = health(missing_columns=["session.cost"], event_bytes=3_000_000)
    text = [plain(line) for line in health_lines(shown, Lags(12, 30, 4, 9, [5, 40, 10]))]
    assert text == [
        "Store    ● /data/opencode.db  v1 1.18.33  4.1 MB (events 68%)  WAL 117 kB"
        "  7 sessions  42 messages  180 parts  999 events",
        "         migration 20260622202450_simplify · 9f3a21c0 (38 applied)   missing session.cost"
        "   changes by event feed",
        "Viewer   12 ms behind (worst 40ms) ▁█▂  painted 4 ms later   reads up to 6 ms   opened read-only"
        "   61 statements/min   last change 14:13:16",
        "Warnings none",
    ]


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


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("bar", [keys.TREE, keys.DETAIL, keys.DETAIL_ALONE])
def test_the_footer_always_has_help_and_quit(bar: tuple[keys.Shown, ...], width: int) -> None:
    text = plain(keys.key_line(bar, width))
    assert "? help" in text
    assert "q quit" in text
    assert cell_len(text) <= width


def test_the_footer_of_the_help_names_no_key_that_only_closes_it() -> None:
    assert plain(keys.key_line(keys.HELP, 80)).split() == ["↑↓", "scroll", "esc", "back"]


def test_the_way_back_from_the_detail_is_there_on_the_smallest_terminal() -> None:
    assert "esc back" in plain(keys.key_line(keys.DETAIL_ALONE, 60))


def test_the_help_has_every_binding_with_words() -> None:
    text = "\n".join(plain(line) for line in help_lines(key_groups()))
    for _, entries in key_groups():
        for _, words in entries:
            assert words
            assert words in text


def test_a_backup_is_not_in_the_bar() -> None:
    paths = ("/data/opencode.db", "/data/opencode-next.db")
    live, copy = health(path=paths[0]), health(source="b", path=paths[1], backup=True, state="error", message="No.")
    text = plain(status_line(Status(paths=paths, healths=(live, copy)), 160))
    assert "opencode-viewer  /data/opencode.db " in text
    assert "● live" in text
    both = (live, msgspec.structs.replace(copy, backup=False))
    assert "2 databases" in plain(status_line(Status(paths=paths, healths=both), 160))
    assert any("a backup, not live" in plain(line) for line in health_lines(msgspec.structs.replace(copy, state="ok")))
