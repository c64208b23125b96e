"""Rows of every kind at every width, with the scripts that take two cells, none, or run the other way: as wide as the
tree by two independent tables, and the columns where the heading has them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.style import Style
from wcwidth import wcswidth

from adapter.events import Event, Usage
from tests.tui import story
from tests.tui.render.test_tree_row import NOW_US, key, store_of
from tests.tui.story import Step, prompt, session
from tui.model.records import Key, Row
from tui.model.store.store import Store
from tui.model.tree.headings import Sum, heading_key
from tui.render.lines import ROLES, plain
from tui.render.rows.columns import Cells, columns_for, heading, laid_out
from tui.render.rows.heading import heading_cells
from tui.render.rows.tree_row import cells_of

WIDTHS = (60, 80, 100, 120, 160, 200, 250)
STYLES = {role: Style() for role in ROLES}
TEXTS = {
    "cjk": "日本語のとても長いタイトルで幅が足りないのでどこかで切られる必要がある文章です、かなり長い" * 2,
    "emoji": "👩‍👩‍👧‍👦 family 🇩🇪 flag ❤️ heart 🏳️‍🌈 rainbow 👍🏽 thumb and more words to be cut somewhere " * 2,
    "rtl": "מימין לשמאל זה כותרת ארוכה מאוד שצריך לחתוך באמצע כדי שתתאים לשורה אחת בלבד العربية أيضا " * 2,
    "combining": "e\u0301a\u0308o\u0302" * 60,
    "mixed": "a日b👩‍👧c\u0301d\u202ee\u200bf\tg\u3000h\uffa0i" * 12,
    "short": "ok",
}


def world(text: str) -> list[Event]:
    """A session of which every text is this one: prompt, step, calls of all kinds, a sub-agent, an error."""
    step = Step("ses_x", 1, "usr_x", 90).op("text", "", 89, 1, label=text)
    step.op("tool", "bash", 88, 1, label=text, extras={"exit": 1})
    step.op("tool", "edit", 87, 1, label=text, extras={"additions": 12, "deletions": 4})
    step.op("tool", "grep", 86, 1, label=text, extras={"hits": 17})
    step.op("tool", "task", 85, None, label=text, child="ses_kid", running=True)
    child = Step("ses_kid", 1, "usr_k", 80).op("tool", "question", 79, None, label=text)
    failed = Step("ses_bad", 1, "usr_b", 80).end(
        70, Usage(input=123_456, output=9_999), 1, 99.5, status="failed", error=(text, text)
    )
    return [
        session("ses_x", text, 100, agent=text, model=text, cwd=f"/{text}/{text}"),
        prompt("ses_x", "usr_x", text, 95),
        *step.events,
        session("ses_kid", text, 84, parent_id="ses_x", agent=text, model=text),
        prompt("ses_kid", "usr_k", text, 83),
        *child.events,
        session("ses_bad", text, 100),
        prompt("ses_bad", "usr_b", text, 95),
        *failed.events,
    ]


def rows_of(store: Store) -> list[tuple[Row, Cells]]:
    """Every kind of row of that session, at several depths, folded and open, and the heading of its project."""
    keys = [key("session", one.id, one.id) for one in store.sessions.values()]
    for one in store.sessions.values():
        keys += [key("prompt", one.id, each) for each in one.prompts]
        for turn in one.turns.values():
            keys.append(key("turn", one.id, turn.message_id))
            keys += [key("op", one.id, each) for each in turn.ops]
    found = []
    for depth, each in enumerate(keys):
        for fold in ("open", "closed", ""):
            row = Row(each, depth, fold)
            found.append((row, cells_of(store, row, NOW_US)))
    top: Key = heading_key("x\0" + next(iter(store.sessions.values())).cwd)
    sums = Sum(trees=12_345, cost=123_456.0, running=3, waiting=2)
    return [*found, (Row(top, 0, "open"), heading_cells(top, sums))]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_row_of_any_kind_is_exactly_as_wide_as_the_tree(name: str, width: int) -> None:
    store = store_of(world(TEXTS[name]))
    checked = rows_of(store)
    assert len({row.key.kind for row, _ in checked}) == 5
    for row, cells in checked:
        text = "".join(part.text for part in laid_out(cells, row, width, STYLES))
        assert cell_len(text) == width, text
        assert wcswidth(text) == width, text
        assert not set(text) & set("\u200d\u202e\u200b\ufe0f\t\x1b")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TEXTS)
def test_columns_stand_under_their_names_and_words_never_reach_into_them(name: str, width: int) -> None:
    store = store_of(world(TEXTS[name]))
    shown = columns_for(width)
    names = plain(heading(width, [(" Sessions 3 ", "dim")]))
    assert cell_len(names) == wcswidth(names) == width
    for row, cells in rows_of(store):
        marked = cells._replace(columns={column.name: "#" * column.width for column in shown})
        text = "".join(part.text for part in laid_out(marked, row, width, STYLES))
        end = len(text) - 1
        assert text[-1] == names[-1] == " "
        # Only one-cell characters stand in the columns here, so characters count cells from the right.
        for column in reversed(shown):
            assert text[end - column.width - 1 : end] == " " + "#" * column.width
            title = names[len(names) - len(text) + end - column.width : len(names) - len(text) + end]
            assert title.strip() == column.heading
            end -= column.width + 1


@pytest.mark.parametrize("width", WIDTHS)
def test_words_keep_room_and_more_columns_come_with_more_width(width: int) -> None:
    shown = [column.name for column in columns_for(width)]
    taken = sum(column.width + 1 for column in columns_for(width))
    assert width - 1 - taken >= min(column.words for column in columns_for(width))
    for wider in (one for one in WIDTHS if one > width):
        assert set(shown) <= {column.name for column in columns_for(wider)}
    assert ("own" in shown and "context" in shown) is (width >= 160)


def test_a_running_session_shows_the_curve_of_its_context_and_what_it_cost_itself() -> None:
    store = store_of(story.running_sub_agent())
    row = Row(key("session", "ses_retry", "ses_retry"), 0, "open")
    cells = cells_of(store, row, NOW_US)
    assert cells.columns["context"] == "▇█"
    assert (cells.columns["own"], cells.columns["cost"]) == ("$0.45", "$0.77")
    text = "".join(part.text for part in laid_out(cells, row, 160, STYLES))
    assert text.endswith(
        "  build      opus-4.5         ▇█       app          4m09           34k/611           $0.45   $0.77 "
    )


def test_what_is_over_has_no_curve_and_what_has_no_sub_agent_no_own_cost() -> None:
    store = store_of(story.others())
    for one in store.sessions.values():
        columns = cells_of(store, Row(key("session", one.id, one.id), 0, "closed"), NOW_US).columns
        assert (columns["context"], columns["own"]) == ("", "")
