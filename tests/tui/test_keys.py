"""The keys: bindings, help screen and README have to say the same."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual import events
from textual.binding import Binding
from textual.dom import DOMNode

import tui
from adapter.events import PayloadRef
from tests.tui import story
from tests.tui.stage import FakeSource, playing, until
from tests.tui.story import SOURCE, Step, prompt, session
from tui.app import ViewerApp
from tui.config.bindings import EVERY, by_id, key_groups
from tui.model.records import Key
from tui.render.bars import keys as footer
from tui.render.bars.help import key_name
from tui.render.text.document import Painted
from tui.textual_patches import keys_in_turn

BASH = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")
URI = "opencode-sqlite://?part_id=prt_ses_retry_1_3&field=state.output"
KINDS = {"bash": ("tool_request", "tool_response"), "edit": ("diff",), "todowrite": ("tool_request",)}
RETRY = Key(SOURCE, "session", "ses_retry", "ses_retry")
README = Path(__file__).parent.parent.parent / "README.md"


def documented() -> set[str]:
    """Every key in the first column of the README's table of keys."""
    table = README.read_text().split("| key | what it does |")[1].split("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}


OF_THEIR_OWN = (
    *("In a text", "In transcript and timeline", "In the timeline"),
    *("In the filter", "In the search", "In what sessions cost", "In the help"),
)


def bound() -> list[set[str]]:
    """The keys of each binding of the tree and the screen, as they are printed. Those of a text, a
    transcript, a timeline and of the filter are their own: the same keys mean what they mean there."""
    return [
        {key_name(key.strip()) for key in keys.split(",")}
        for name, entries in key_groups()
        if name not in OF_THEIR_OWN
        for keys, _ in entries
    ]


def test_the_readme_has_a_key_of_every_binding() -> None:
    assert [keys for keys in bound() if not keys & documented()] == []


def test_every_key_in_the_readme_is_bound() -> None:
    assert documented() - set().union(*bound()) == set()


def test_no_two_bindings_of_the_tree_and_the_screen_share_a_key() -> None:
    keys = [key for each in bound() for key in each]
    assert len(keys) == len(set(keys))


def test_no_two_bindings_of_one_place_share_a_key() -> None:
    for name, entries in key_groups():
        keys = [key.strip() for shown, _ in entries for key in shown.split(",")]
        assert len(keys) == len(set(keys)), name


def test_every_binding_that_a_part_of_the_program_has_is_in_the_help() -> None:
    known = {binding.id for binding in EVERY}
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name == "tui.__main__":
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, DOMNode) and kind.__module__.startswith("tui."):
                own = [one for one in vars(kind).get("BINDINGS", []) if isinstance(one, Binding)]
                assert {one.id for one in own} <= known, kind


def printed(shown: str) -> set[str]:
    """The keys that a footer means with what it prints: `↑↓`, `1-6`, `esc`."""
    if (span := re.fullmatch(r"(\d)-(\d)", shown)) is not None:
        return {str(digit) for digit in range(int(span[1]), int(span[2]) + 1)}
    return {"escape"} if shown == "esc" else set(shown) if not shown.isascii() else set(shown.split())


def footers() -> dict[str, tuple[footer.Shown, ...]]:
    """What footers show, by the name of the constant."""
    found = {name: (one,) if isinstance(one, footer.Shown) else one for name, one in vars(footer).items()}
    return {
        name: shown
        for name, shown in found.items()
        if isinstance(shown, tuple) and shown and all(isinstance(one, footer.Shown) for one in shown)
    }


FOOTERS = footers()


@pytest.mark.parametrize("name", FOOTERS)
def test_a_footer_prints_a_key_of_each_binding_that_it_stands_for(name: str) -> None:
    for shown in FOOTERS[name]:
        bindings = [by_id(each) for each in shown.ids]
        of_each = [{key_name(key.strip()) for key in binding.key.split(",")} for binding in bindings]
        assert all(names & printed(shown.key) for names in of_each), shown
        assert not of_each or printed(shown.key) <= set().union(*of_each), shown


@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        (("up", "k"), lambda _page, _at, _last: -1),
        (("down", "j"), lambda _page, _at, _last: 1),
        (("pageup", "ctrl+b"), lambda page, at, _last: -min(page, at)),
        (("pagedown", "pagedown"), lambda page, at, last: min(page, last - at)),
        (("home", "g"), lambda _page, at, _last: -at),
        (("end", "G"), lambda _page, at, last: last - at),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
async def test_each_key_moves_the_cursor_of_the_tree(keys: tuple[str, str], steps: Callable[..., int]) -> None:
    async with playing(story.everything(), size=(120, 12)) as (app, pilot):
        tree, rows = app.main.sessions, app.main.rows
        for key in keys:
            await pilot.press("g", *["j"] * 9)
            assert tree.cursor == rows.row(9).key
            await pilot.press(key)
            page = tree.size.height - 1
            assert 1 < page < len(rows) - 9, "a page is less than the way to the end"
            assert tree.cursor == rows.row(9 + steps(page, 9, len(rows) - 1)).key


@pytest.mark.parametrize(("opening", "closing"), [("right", "left"), ("l", "h")])
async def test_arrows_and_letters_open_and_close(opening: str, closing: str) -> None:
    async with playing(story.everything()) as (app, pilot):
        app.main.sessions.select(RETRY)
        opened = len(app.main.rows)
        await pilot.press(closing)
        assert len(app.main.rows) < opened
        await pilot.press(opening)
        assert len(app.main.rows) == opened
        await pilot.press(opening)
        assert app.main.sessions.cursor != RETRY
        await pilot.press(closing, closing)
        assert app.main.sessions.cursor == RETRY


async def test_each_key_moves_a_text() -> None:
    source = FakeSource({URI: "\n".join(f"{n} {'long ' * 60}" for n in range(200))})
    async with playing(story.everything(), source=source) as (app, pilot):
        app.main.sessions.select(BASH)
        await pilot.press("3", "tab")
        view = app.main.detail.view
        await until(pilot, lambda: len(view.lines) >= 200)

        async def after(key: str) -> tuple[int, int]:
            await pilot.press(key)
            await pilot.pause()
            return view.scroll_offset.y, view.offset_x

        end, page = view.max_scroll_y, view.size.height - 1
        for first, last in (("home", "end"), ("g", "G")):
            assert await after(last) == (end, 0)
            assert await after(first) == (0, 0)
        for up, down in (("up", "down"), ("k", "j")):
            assert await after(down) == (1, 0)
            assert await after(up) == (0, 0)
        for up, down in (("pageup", "pagedown"), ("ctrl+b", "space")):
            assert await after(down) == (page, 0)
            assert await after(up) == (0, 0)
        # What is a table already is not broken; it goes out of sight to the right.
        view.show(Painted([[("wide " * 60, "text")]]))
        for left, right in (("left", "right"), ("h", "l")):
            assert (await after(right))[1] > 0
            assert await after(left) == (0, 0)


@pytest.mark.parametrize(
    ("digit", "tab", "tool"),
    [
        ("2", "Input", "bash"),
        ("3", "Output", "bash"),
        ("4", "Diff", "edit"),
        ("5", "Todo", "todowrite"),
        ("6", "Raw", "bash"),
    ],
)
async def test_each_digit_shows_its_tab_and_1_the_overview(digit: str, tab: str, tool: str) -> None:
    step = Step("ses_k", 1, "usr_k", 20).op("tool", tool, 19, 1, label="it", refs=dict.fromkeys(KINDS[tool], "text"))
    events = [
        replace(event, format="diff") if isinstance(event, PayloadRef) and event.payload_kind == "diff" else event
        for event in [session("ses_k", "Keys", 30), prompt("ses_k", "usr_k", "go", 21), *step.events]
    ]
    async with playing(events) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "op", "ses_k", "prt_ses_k_1_1:tool"))
        await pilot.press(digit)
        assert app.main.detail.tab == tab
        await pilot.press("1")
        assert app.main.detail.tab == "Overview"


async def at_once(app: ViewerApp, keys: Sequence[events.Key]) -> None:
    """Sends keys as a terminal does that has them in one piece, and waits until the app has dealt with the last one."""
    assert app._driver is not None
    done = asyncio.Event()
    for message in (*keys, events.Callback(done.set)):
        app._driver.send_message(message)
    await done.wait()


def where(app: ViewerApp) -> tuple[str | None, str, str]:
    """What has the focus, the filter, and what is searched for in the text."""
    return app.focused.id if app.focused else None, app.main.finder.text, app.main.detail.view.words


NAMES = {"/": "slash", ">": "greater_than_sign", "-": "minus", "+": "plus", "[": "left_square_bracket", " ": "space"}


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
@pytest.mark.parametrize(
    "keys",
    [
        ["tab", *"/se"],
        [*"/ret", "enter", "tab", *"/s"],
        ["tab", *"/s", "enter", "/", "escape"],
        ["/", "a", "escape", "tab", *"/o"],
        ["tab", "tab", *"/b"],
        ["tab", *"6/s"],
        [*"/cost>0 -q+[/", "enter"],
    ],
    ids="".join,
)
async def test_keys_that_arrive_at_once_do_what_they_do_one_by_one(keys: list[str], size: tuple[int, int]) -> None:
    pressed = [events.Key(NAMES.get(key, key), key if len(key) == 1 else None) for key in keys]
    async with playing(story.everything(), size=size) as (app, pilot):
        for key in pressed:
            await pilot.press(key.key)
            await pilot.pause()
        expected = where(app)
    async with playing(story.everything(), size=size) as (app, pilot):
        await at_once(app, pressed)
        await pilot.pause()
        assert where(app) == expected


async def test_keys_wait_for_one_another_also_where_the_machine_is_slow() -> None:
    async with playing(story.everything(), size=(120, 40)) as (app, pilot):
        await pilot.press("tab", "slash")
        # The line takes a letter later than anybody waits between two keys.
        app.main.detail.words_input.call_later(asyncio.sleep, 0.6)
        await at_once(app, [events.Key("s", "s"), events.Key("escape", None)])
        taken = asyncio.Event()
        app.main.detail.words_input.call_later(taken.set)
        await taken.wait()
        await pilot.pause()
        assert where(app) == ("text", "", "")


async def test_a_key_does_not_wait_for_a_screen_that_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_in_turn, "LONGEST_S", 600.0)
    async with playing(story.everything(), size=(120, 40)) as (app, _):
        keys = ("question_mark", "escape", "question_mark", "escape", "tab")
        await at_once(app, [events.Key(key, None) for key in keys])
        assert where(app)[0] != "tree"


async def test_what_is_typed_into_a_line_is_not_taken_for_a_key() -> None:
    async with playing(story.everything(), size=(120, 40)) as (app, pilot):
        for key in "/cost>0 -q+[/":
            await pilot.press(NAMES.get(key, key))
        assert app.main.finder.text == app.main.bar.input.value == "cost>0 -q+[/"
