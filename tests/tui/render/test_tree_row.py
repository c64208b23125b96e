"""Rows of the tree as plain text at several widths."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.style import Style

from adapter.events import Event, Usage
from tests.tui import story
from tests.tui.stage import health
from tests.tui.story import NOW, SOURCE, Step, prompt, session
from tui.model.filter.active_filter import Finder
from tui.model.records import Key, Row
from tui.model.store.store import Store
from tui.render.bars.breadcrumb import breadcrumb, databases
from tui.render.lines import ROLES, plain
from tui.render.rows.columns import columns_for, fold_span, heading, laid_out
from tui.render.rows.tree_row import cells_of, under_filter

STYLES = {role: Style() for role in ROLES}
NOW_US = NOW * 1_000_000


def store_of(events: list[Event]) -> Store:
    """A store that holds these events, every session whole."""
    store = Store()
    store.apply(events)
    return store


def drawn(store: Store, row: Row, width: int) -> str:
    """The row as text, checked to be exactly as wide as asked."""
    parts = laid_out(cells_of(store, row, NOW_US), row, width, STYLES)
    text = "".join(segment.text for segment in parts)
    assert cell_len(text) == width
    return text


def squeezed(text: str) -> str:
    """The text with one space where there are several."""
    return " ".join(text.split())


def key(kind: str, session_id: str, node: str) -> Key:
    return Key(SOURCE, kind, session_id, node)


RETRY = Row(key("session", "ses_retry", "ses_retry"), 0, "open")
PROMPT = Row(key("prompt", "ses_retry", "usr_1"), 1, "open")
STEP = Row(key("turn", "ses_retry", "msg_ses_retry_1"), 2, "open")
BASH = Row(key("op", "ses_retry", "prt_ses_retry_1_3:tool"), 3, "")
EDIT = Row(key("op", "ses_retry", "prt_ses_retry_2_2:tool"), 3, "")
TODO = Row(key("op", "ses_retry", "prt_ses_retry_2_3:tool"), 3, "")
GREP = Row(key("op", "ses_retry", "prt_ses_retry_2_4:tool"), 3, "")
TASK = Row(key("op", "ses_retry", "prt_ses_retry_3_2:tool"), 3, "closed")


def test_a_session_row_at_120_columns() -> None:
    assert drawn(store_of(story.running_sub_agent()), RETRY, 120) == (
        " ▾ ◐ Fix the flaky retry test   1 agent  grep retry(                        build      app          4m09"
        "          $0.77 "
    )


def test_rows_below_a_session_at_80_columns() -> None:
    store = store_of(story.running_sub_agent())
    assert [drawn(store, row, 80) for row in (PROMPT, STEP, BASH, EDIT, TODO, GREP, TASK)] == [
        "   ▾ ❯ make the retry test stable                                  4m09   $0.77 ",
        "     ▾ ✓ step 1  Let me look at the failing test first              15s   $0.21 ",
        "         ✗ bash  npm test -- retry  exit 1                         9.1s         ",
        "         ✓ edit  src/retry.ts  +12 -4                              0.2s         ",
        "         ✓ todowrite  3/5 done  Reset the counter                  0.1s         ",
        "         ✓ grep  backoff(  17 hits                                 0.3s         ",
        "       ▸ ● task  find every caller  grep retry(                    3m41         ",
    ]


def test_the_state_is_still_there_when_the_title_has_to_be_cut() -> None:
    step = Step("ses_x", 1, "usr_x", 9).op("tool", "bash", 8, None, label="make", running=True)
    store = store_of(
        [session("ses_x", "A title much longer than there is room for in a narrow tree", 10), *step.events]
    )
    text = drawn(store, Row(key("session", "ses_x", "ses_x"), 0, "closed"), 60)
    assert "…  bash make" in text


def test_a_sub_agent_row_joins_the_call_and_its_session() -> None:
    text = drawn(store_of(story.running_sub_agent()), TASK, 120)
    assert "● task  find every caller  grep retry(" in text
    assert "explore" in text
    assert "3m41" in text


def test_a_failed_session_says_why_and_one_not_read_shows_its_own_sums() -> None:
    store = store_of(story.others())
    failed = drawn(store, Row(key("session", "ses_bad", "ses_bad"), 0, "closed"), 100)
    assert "✗ Nightly report APIError: overloaded" in squeezed(failed)
    lexer = drawn(store, Row(key("session", "ses_lexer", "ses_lexer"), 0, "closed"), 160)
    assert "9.0k/800" in lexer
    assert "$0.12" in lexer


@pytest.mark.parametrize(
    ("tokens", "cost", "says"),
    [
        (1010, 0.03, "1.0k/10   $0.03?"),
        (1, 0.5, "1/0?   $0.50"),
        (0, 0.03, "0/0?   $0.03?"),
        (1, 0.0, "1/0?      $0?"),
        (9000, 0.5, "9.0k/0   $0.50"),
    ],
)
def test_a_sum_below_what_the_steps_prove_has_a_question_mark(tokens: int, cost: float, says: str) -> None:
    usage = Usage(input=1000, output=10) if tokens == 1010 else Usage(input=tokens)
    row = session("ses_x", "A run", 100, extras={"usage": usage, "cost": cost})
    step = Step("ses_x", 1, "usr_x", 90).end(80, Usage(input=1000, output=10), 1000, 0.45)
    text = drawn(store_of([row, *step.events]), Row(key("session", "ses_x", "ses_x"), 0, "closed"), 160)
    assert squeezed(says) in squeezed(text)


def test_a_doubt_is_shown_whatever_the_sum() -> None:
    row = session("ses_x", "A run", 100, extras={"cost": 0.03})
    step = Step("ses_x", 1, "usr_x", 90).end(80, Usage(input=1000, output=10), 1000, 456_789.0)
    for cost, says in ((123.45, "$123?"), (99.5, "$99.50?"), (5200.0, "$5.2k?"), (123_400.0, "$123k?")):
        events = [replace(row, extras={"cost": cost}), *step.events]
        text = drawn(store_of(events), Row(key("session", "ses_x", "ses_x"), 0, "closed"), 120)
        assert f" {says} " in text


@pytest.mark.parametrize("width", [60, 80, 120, 200, 250])
def test_columns_line_up_and_only_the_least_useful_are_missing(width: int) -> None:
    names = [column.name for column in columns_for(width)]
    order = ("agent", "model", "context", "project", "time", "took", "io", "delta", "own", "cost")
    assert names == [name for name in order if name in names]
    assert {"time", "cost"} <= set(names)
    wider = [column.name for column in columns_for(width + 40)]
    assert set(names) <= set(wider)
    assert cell_len(plain(heading(width, [(" Sessions ", "dim"), ("3", "strong")]))) == width


def test_the_columns_of_a_narrow_and_a_wide_tree() -> None:
    assert [column.name for column in columns_for(60)] == ["time", "cost"]
    assert [column.name for column in columns_for(80)] == ["project", "time", "cost"]
    assert [column.name for column in columns_for(120)] == ["agent", "project", "time", "took", "cost"]


@pytest.mark.parametrize("width", [20, 60, 80, 120, 200])
@pytest.mark.parametrize(
    "title",
    [
        "日本語のとても長いタイトルで幅が足りないのでどこかで切られる必要がある文章",
        "👩‍👩‍👧‍👦 family 🇩🇪 flag ❤️ heart and more words to make it long enough to be cut somewhere",
        "מימין לשמאל זה כותרת ארוכה מאוד שצריך לחתוך באמצע כדי שתתאים",
        "e\u0301" * 60,
        "[/foo] [red]x[/] \x1b[31mred \x1b]52;c;eA==\x07 \u202eevil",
    ],
)
def test_a_row_is_exactly_as_wide_as_the_tree_whatever_the_title(title: str, width: int) -> None:
    store = store_of([session("ses_x", title, 100)])
    text = drawn(store, Row(key("session", "ses_x", "ses_x"), 0, "closed"), width)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_deep_row_keeps_room_for_its_words() -> None:
    store = store_of(story.running_sub_agent())
    assert "npm test" in drawn(store, Row(BASH.key, 60, ""), 100)


def test_a_long_state_leaves_half_of_the_room_to_the_title() -> None:
    step = Step("ses_x", 1, "usr_x", 9).op("tool", "bash", 8, None, label="make " * 40, running=True)
    store = store_of([session("ses_x", "A short title", 10), *step.events])
    assert "A short title  bash make make" in drawn(store, Row(key("session", "ses_x", "ses_x"), 0, "closed"), 80)


def test_a_row_whose_node_is_gone_is_empty() -> None:
    assert drawn(Store(), RETRY, 60).strip() == "▾"


def test_the_fold_marker_can_be_hit_and_nothing_else() -> None:
    assert 1 in fold_span(RETRY, 80)
    assert 3 in fold_span(PROMPT, 80)
    assert 5 not in fold_span(PROMPT, 80)
    assert not fold_span(BASH, 80)


@pytest.mark.parametrize(("width", "deepest"), [(60, 8), (80, 10), (120, 15), (250, 30)])
def test_a_wide_tree_indents_more_levels_and_the_marker_is_hit_where_it_is_drawn(width: int, deepest: int) -> None:
    store = store_of(story.running_sub_agent())
    at = [drawn(store, replace(TASK, depth=depth), width).index("▸") for depth in range(50)]
    assert at == [1 + 2 * min(depth, deepest) for depth in range(50)]
    assert all(at[depth] in fold_span(replace(TASK, depth=depth), width) for depth in range(50))


def test_a_question_shows_that_it_waits_and_an_inference_has_a_question_mark() -> None:
    asking = Step("ses_q", 1, "usr_q", 60).op("tool", "question", 50, None, label="Overwrite config?")
    store = store_of([session("ses_q", "Rename", 70), *asking.events])
    text = drawn(store, Row(key("session", "ses_q", "ses_q"), 0, "closed"), 80)
    assert "? Rename Overwrite config?" in squeezed(text)
    stuck = Step("ses_p", 1, "usr_p", 60).op("tool", "bash", 50, None, label="rm -rf build")
    store = store_of([session("ses_p", "Clean", 70), *stuck.events])
    text = drawn(store, Row(key("session", "ses_p", "ses_p"), 0, "closed"), 80)
    assert "? Clean may bash rm -rf build ?" in squeezed(text)


def test_a_question_shows_its_words_on_the_line_of_its_session() -> None:
    asking = Step("ses_q", 1, "usr_q", 60).op("tool", "question", 50, None, label="Overwrite config?")
    store = store_of([session("ses_q", "Rename", 70), *asking.events])
    assert "Overwrite config?" in drawn(store, Row(key("session", "ses_q", "ses_q"), 0, "closed"), 80)


def test_a_question_that_perhaps_nobody_hears_answered_has_its_doubt_on_the_line() -> None:
    asking = Step("ses_q", 1, "usr_q", 2_000).op("tool", "question", 1_990, None, label="Overwrite config?")
    store = store_of([session("ses_q", "Rename", 2_010), *asking.events])
    text = drawn(store, Row(key("session", "ses_q", "ses_q"), 0, "closed"), 80)
    assert "? Rename waiting? Overwrite config?" in squeezed(text)


def test_a_model_at_work_shows_the_last_words_of_its_agent() -> None:
    first = Step("ses_w", 1, "usr_w", 60).op("text", "", 59, 1, label="Now the tests")
    first.end(55, Usage(input=5), 5, 0.1)
    second = Step("ses_w", 2, "usr_w", 50).op("reasoning", "", 49, None)
    store = store_of([session("ses_w", "Port", 70), *first.events, *second.events])
    text = drawn(store, Row(key("session", "ses_w", "ses_w"), 0, "closed"), 80)
    assert "Port thinking Now the tests" in squeezed(text)


def test_the_words_of_the_answer_to_an_older_prompt_say_nothing_of_the_newest() -> None:
    first = Step("ses_w", 1, "usr_w", 60).op("text", "", 59, 1, label="Both of them failed.")
    first.end(55, Usage(input=5), 5, 0.1)
    asked = [session("ses_w", "Port", 70), prompt("ses_w", "usr_w", "Look", 65), *first.events]
    asked.append(prompt("ses_w", "usr_v", "Mend them", 50))
    second = Step("ses_w", 3, "usr_v", 50).op("text", "", 49, None)
    row = Row(key("session", "ses_w", "ses_w"), 0, "closed")
    assert "Both" not in drawn(store_of([*asked, *second.events]), row, 80)
    assert "Both" not in drawn(store_of(asked), row, 80)
    third = Step("ses_w", 3, "usr_v", 50).op("text", "", 49, 1, label="One is done")
    third.end(47, Usage(input=5), 5, 0.1)
    fourth = Step("ses_w", 4, "usr_v", 46).op("reasoning", "", 45, None)
    assert "One is done" in drawn(store_of([*asked, *third.events, *fourth.events]), row, 80)


def test_a_session_that_goes_round_in_circles_says_so() -> None:
    events: list[Event] = [session("ses_l", "Loop", 70)]
    for seq in range(1, 6):
        took = None if seq == 5 else 1
        events += Step("ses_l", seq, "usr_l", 70 - seq).op("tool", "grep", 69 - seq, took, label="x").events
    text = drawn(store_of(events), Row(key("session", "ses_l", "ses_l"), 0, "closed"), 80)
    assert "● Loop ↻5 grep x app" in squeezed(text)


@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_sessions_can_be_told_apart_whatever_their_states_say(width: int) -> None:
    """Ten cells of a title are seen, and behind a cut flag stands no second cut."""
    slow = Step("ses_s", 1, "usr_s", 1200).op("tool", "bash", 1190, None, label="echo started; sleep 900", running=True)
    store = store_of([session("ses_s", "Lab slowtool with a long name", 1210), *slow.events])
    row = Row(key("session", "ses_s", "ses_s"), 0, "closed")
    text = drawn(store, row, width)
    assert "Lab slowt" in text
    assert "long:" not in text, "its time says it"
    cells = cells_of(store, row, NOW_US)._replace(
        flags=[("  stopped by the filter of the provider, so to say", "warn")]
    )
    line = "".join(segment.text for segment in laid_out(cells, row, width, STYLES))
    assert "……" not in line
    assert "Lab slowt" in line


def test_an_answer_that_was_cut_says_so_on_session_and_step() -> None:
    step = Step("ses_c", 1, "usr_c", 60).op("text", "", 59, 1, label="This answer is too")
    step.end(50, Usage(input=5), 5, 0.1, finish="length")
    store = store_of([session("ses_c", "Cut", 70), *step.events])
    assert 'Cut cut at the limit "This answer is too"' in squeezed(
        drawn(store, Row(key("session", "ses_c", "ses_c"), 0, "closed"), 100)
    )
    assert "⊘ step 1" in drawn(store, Row(key("turn", "ses_c", "msg_ses_c_1"), 2, "closed"), 100)
    finder = Finder(store)
    finder.ask("is:truncated", NOW_US)
    assert set(finder.matches) == {(SOURCE, "ses_c")}


def test_a_session_that_changed_has_a_mark_in_front() -> None:
    cells = cells_of(store_of(story.others()), Row(key("session", "ses_bad", "ses_bad"), 0, "closed"), NOW_US)
    row = Row(key("session", "ses_bad", "ses_bad"), 0, "closed")
    for fresh, start in ((False, " ▸"), (True, "∙▸")):
        line = "".join(part.text for part in laid_out(cells._replace(fresh=fresh), row, 80, STYLES))
        assert line.startswith(start)
        assert cell_len(line) == 80


def test_under_a_filter_what_only_leads_to_a_match_is_dim_and_counts_it() -> None:
    row = Row(key("session", "ses_bad", "ses_bad"), 0, "closed")
    cells = cells_of(store_of(story.others()), row, NOW_US)
    led = under_filter(cells, row, False, 2)
    assert {role for _, role in led.words} == {"dim"}
    assert led.flags[-1] == ("  2 below", "accent")
    assert under_filter(cells, row, True, 0) == cells._replace(flags=list(cells.flags))


@pytest.mark.parametrize("width", [30, 60, 120])
def test_the_line_of_the_place_fits_and_keeps_both_ends(width: int) -> None:
    store = store_of(story.running_sub_agent())
    line = breadcrumb(store, key("op", "ses_find", "prt_ses_find_1_2:tool"), width)
    assert cell_len(plain(line)) <= width
    assert plain(line).startswith(" Fix")
    assert plain(line).rstrip().endswith("grep retry(")
    assert plain(breadcrumb(store, None, width)).strip() == ""


def test_of_several_databases_the_line_of_the_place_says_which() -> None:
    one, two = health(source=SOURCE, path="/home/ada/opencode.db"), health(source="b", path="/home/ada/opencode-dev.db")
    assert databases([one]) == {}
    assert databases([one, two]) == {SOURCE: "opencode.db", "b": "opencode-dev.db"}
    copy = health(source="c", path="/mnt/\x1b[31mold/opencode.db")
    assert databases([one, two, copy]) == {
        SOURCE: "ada/opencode.db",
        "b": "ada/opencode-dev.db",
        "c": "old/opencode.db",
    }
    store, cursor = store_of(story.running_sub_agent()), key("op", "ses_find", "prt_ses_find_1_2:tool")
    for width in (40, 60, 120):
        line = plain(breadcrumb(store, cursor, width, "ada/opencode.db"))
        assert cell_len(line) <= width
        assert line.startswith(" ada/")
        assert " › Fix" in line
        assert " › grep" in line


def test_a_session_that_waits_for_its_sub_agent_says_what_that_does_folded_or_open() -> None:
    store = store_of(story.running_sub_agent())
    for fold, failures in (("open", ""), ("closed", "  ✗1")):
        words = f"◐ Fix the flaky retry test{failures}  1 agent  grep retry("
        assert squeezed(words) in squeezed(drawn(store, Row(RETRY.key, 0, fold), 120))


def test_a_written_file_says_what_was_added_and_an_empty_todo_list_says_nothing() -> None:
    step = Step("ses_x", 1, "usr_x", 9).op("tool", "write", 8, 1, label="new.txt", additions=3)
    step.op("tool", "todowrite", 7, None, label="", todos=[0, 0])
    store = store_of([session("ses_x", "x", 10), *step.events])
    rows = [drawn(store, Row(key("op", "ses_x", f"prt_ses_x_1_{n}:tool"), 2, ""), 80).split() for n in (1, 2)]
    assert rows[0][:4] == ["✓", "write", "new.txt", "+3"]
    assert rows[1][1] == "todowrite"
    assert "0/0" not in rows[1]


def test_what_a_todo_list_gave_up_does_not_count_as_done() -> None:
    step = Step("ses_x", 1, "usr_x", 9)
    step.op("tool", "todowrite", 7, None, label="the last one", todos=[1, 3], todos_cancelled=1)
    store = store_of([session("ses_x", "x", 10), *step.events])
    shown = drawn(store, Row(key("op", "ses_x", "prt_ses_x_1_1:tool"), 2, ""), 100)
    assert "1/3 done, 1 cancelled" in shown


def test_a_step_at_work_names_the_agents_that_it_has_called_and_no_others() -> None:
    """One that an earlier step has put into the background is that step's."""
    first = Step("ses_p", 1, "usr_p", 100).op("tool", "task", 99, 1, child="ses_one", label="one", background=True)
    first.end(97, Usage(input=1), 1, 0)
    second = Step("ses_p", 2, "usr_p", 60).op("tool", "task", 59, None, child="ses_two", label="two")
    events: list[Event] = [session("ses_p", "P", 120, updated=1), prompt("ses_p", "usr_p", "ask", 101)]
    for name, ago in (("ses_one", 98), ("ses_two", 58)):
        child = Step(name, 1, "", ago).op("tool", "bash", ago, None, label=f"make {name}", running=True)
        events += [session(name, name, ago, parent_id="ses_p", updated=1), *child.events]
    store = store_of([*events, *first.events, *second.events])
    step = squeezed(drawn(store, Row(key("turn", "ses_p", "msg_ses_p_2"), 2, "open"), 160))
    assert "1 agent bash make ses_two" in step
    assert "ses_one" not in step
    whole = squeezed(drawn(store, Row(key("prompt", "ses_p", "usr_p"), 1, "closed"), 160))
    assert "2 agents" in whole
