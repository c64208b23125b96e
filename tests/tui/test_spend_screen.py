"""`$`: what sessions cost, as a user meets it; what is read for it, and when."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from adapter.contract import Batch, Spending, SpentStep
from adapter.events import Event, SessionStarted, Usage
from tests.tui.conftest import Recording
from tests.tui.judge import MARK, judge
from tests.tui.stage import FakeSource, feed, health, playing, screen_text, until
from tests.tui.story import NOW, SOURCE, at, session
from tests.tui.test_palette import ask
from tui.app import ViewerApp
from tui.screens.main import MainScreen
from tui.screens.spend import SpendScreen

DAY = 86_400


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.pop("TZ", None)
    time.tzset()


def money(cost: float, tokens: int) -> dict[str, object]:
    none = dict.fromkeys(("output", "reasoning", "cache_read", "cache_write"), 0)
    return {"usage": {"input": tokens, **none}, "cost": cost}


def events() -> list[Event]:
    """A session of three days, which has to be read, one of today with a sub-agent, and one without a price."""
    return [
        session("ses_long", "Port it", 3 * DAY, updated=DAY, cwd="/home/me/arm", extras=money(6.0, 600)),
        session("ses_today", "Fix it", 600, cwd="/home/me/app", extras=money(2.0, 200)),
        session("ses_child", "Find it", 500, parent_id="ses_today", cwd="/home/me/app", extras=money(0.5, 50)),
        session("ses_local", "At home", 900, cwd="/home/me/app", model="llama", extras=money(0.0, 5000)),
    ]


def step(name: str, ago: float, cost: float, tokens: int, *calls: str, model: str = "opus-4.5") -> SpentStep:
    return SpentStep(name, at(ago), model, "anthropic", "build", Usage(tokens), cost, calls)


def a_source() -> FakeSource:
    source = FakeSource()
    steps = [step("a", 3 * DAY - 60, 4.0, 400, "bash", "read"), step("b", DAY, 2.0, 200, model="haiku")]
    source.spent = {
        "ses_long": Spending("ses_long", steps, Usage(600), 6.0),
        "ses_today": Spending("ses_today", [step("c", 600, 1.9, 200, "task")], Usage(200), 2.0),
        "ses_child": Spending("ses_child", [step("d", 500, 0.5, 50, "grep")], Usage(50), 0.5),
        "ses_local": Spending("ses_local", [step("e", 900, 0.0, 5000, model="llama")], Usage(5000), 0.0),
    }
    source.first = [Batch(events(), health())]
    return source


async def opened(app: ViewerApp, pilot: object) -> SpendScreen:
    await until(pilot, lambda: len(app.store.sessions) >= 4)  # type: ignore[arg-type]
    await pilot.press("dollar_sign")  # type: ignore[attr-defined]
    assert isinstance(app.screen, SpendScreen)
    await until(pilot, lambda: app.main.spend is not None and app.main.spend.looking.tables.read)  # type: ignore[arg-type]
    await pilot.pause()  # type: ignore[attr-defined]
    return app.screen


def words(app: ViewerApp) -> str:
    return "\n".join(screen_text(app))


async def test_all_tables_are_side_by_side_and_add_up() -> None:
    async with playing(source=a_source()) as (app, pilot):
        await opened(app, pilot)
        text = words(app)
        assert "$8.50" in text
        for title in ("by day", "by model", "by project", "by agent", "by tool", "by session"):
            assert title in text
        for figure in ("$2.50", "$4.00", "$2.00", "no price: 5.0k tokens of llama", "beside the steps: $0.10"):
            assert figure in text
        assert "not read yet" not in text


async def test_what_is_added_up_before_all_sessions_are_there_is_not_taken_for_all() -> None:
    source = a_source()
    source.first = []
    source.spans_of = {one.session_id: (one.ts, one.ts) for one in events() if isinstance(one, SessionStarted)}
    async with playing(source=source) as (app, pilot):
        await pilot.press("dollar_sign")
        await until(pilot, lambda: app.main.spend is not None and not app.main.spend.looking.awaits)
        await pilot.pause()
        assert "reading the sessions" in screen_text(app)[1]
        assert "nothing was spent" not in words(app)
        feed(app, events())
        await until(pilot, lambda: "$8.50" in words(app))
        assert "reading the sessions" not in words(app)


async def test_a_row_narrows_the_others_and_escape_takes_it_away_then_closes() -> None:
    async with playing(source=a_source()) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("right", "right", "enter")
        await pilot.pause()
        assert "project: arm" in words(app)
        assert "$6.00" in screen_text(app)[1]
        assert list(screen.looking.tables.rows["session"]) == [(SOURCE, "ses_long")]
        await pilot.press("escape")
        assert not screen.looking.chips
        assert app.screen is screen
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, MainScreen)
        assert app.main.spend is None


async def test_enter_on_a_session_goes_to_it() -> None:
    async with playing(source=a_source()) as (app, pilot):
        await opened(app, pilot)
        await pilot.press("left", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, MainScreen)
        assert app.main.view.cursor is not None
        assert app.main.view.cursor.session_id == "ses_today"


async def test_ranges_and_the_days_before() -> None:
    async with playing(source=a_source()) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("R")
        assert screen.looking.span.name == "yesterday"
        assert "$2.00" in screen_text(app)[1]
        await pilot.press("left_square_bracket")
        assert screen.looking.tables.total.cost == 0
        await pilot.press("r", "r", "r", "r")
        assert screen.looking.span.name == "all time"
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert "all time has no days" in words(app)


async def test_any_range_can_be_typed() -> None:
    async with playing(source=a_source()) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("slash", *"soon r", "enter")
        await pilot.pause()
        assert "soon is no day" in words(app)
        assert app.focused is screen.typed
        await pilot.press(*["backspace"] * 6, *"2026-09-18", "enter")
        await pilot.pause()
        assert screen.looking.span.length == 1
        assert "$4.00" in screen_text(app)[1]
        await pilot.press("slash", "x", "escape")
        await pilot.pause()
        assert screen.looking.span.length == 1
        assert not screen.typed.display
        await pilot.press("slash", *"2026-09", "enter")
        assert screen.looking.tables.total.cost == 8.5


async def test_on_a_narrow_terminal_one_table_is_in_sight() -> None:
    async with playing(source=a_source(), size=(80, 24)) as (app, pilot):
        await opened(app, pilot)
        assert "by day" in words(app)
        assert "by model" not in words(app)
        await pilot.press("tab")
        await pilot.pause()
        assert "by model" in words(app)
        assert "opus-4.5" in words(app)
        assert "by day" not in words(app)


async def test_figures_follow_the_store_and_rest_when_nothing_changes() -> None:
    source = a_source()
    async with playing(source=source) as (app, pilot):
        screen = await opened(app, pilot)
        asked = list(source.asked)
        feed(app, events())
        assert screen._due is None
        source.spent["ses_today"] = Spending("ses_today", [step("c", 600, 3.0, 300, "task")], Usage(300), 3.0)
        feed(app, [session("ses_today", "Fix it", 600, cwd="/home/me/app", extras=money(3.0, 300))])
        assert screen._due is not None
        await until(pilot, lambda: screen.looking.tables.total.cost == 9.5 and screen.looking.tables.read)
        assert source.asked[len(asked) :] == ["ses_today"]


async def test_what_cannot_be_read_is_said_and_costs_only_itself() -> None:
    source = a_source()

    async def spending(session_ids: list[str], *, calls: bool = True) -> list[Spending]:
        raise ValueError("the file is locked")

    source.spending = spending  # type: ignore[method-assign, assignment]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) >= 4)
        await pilot.press("dollar_sign")
        await until(pilot, lambda: "the file is locked" in words(app))
        assert "$2.50" in screen_text(app)[1]


async def test_the_palette_takes_it_away_and_opens_it_again() -> None:
    async with playing(source=a_source()) as (app, pilot):
        first = await opened(app, pilot)
        await ask(pilot, "what sessions cost")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SpendScreen) and app.screen is not first)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.spend is None)
        await opened(app, pilot)


async def test_closing_gives_the_reading_up() -> None:
    source = a_source()
    ended: list[str] = []

    async def spending(session_ids: list[str], *, calls: bool = True) -> list[Spending]:
        import asyncio

        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")
        return []

    source.spending = spending  # type: ignore[method-assign, assignment]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) >= 4)
        await pilot.press("dollar_sign")
        await until(pilot, lambda: "reading 0 of 1 session that spans days, $6.00" in words(app))
        await pilot.press("dollar_sign")
        await until(pilot, lambda: ended == ["given up"])


@pytest.mark.parametrize("size", [(200, 60), (120, 40), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_picture(size: tuple[int, int], snap_compare: object) -> None:
    source = a_source()
    app = ViewerApp([source], clock=lambda: NOW)

    async def run(pilot: object) -> None:
        await opened(app, pilot)

    assert snap_compare(app, run_before=run, terminal_size=size)  # type: ignore[operator]


HOSTILE = f"\x1b[{MARK}m\x1b]52;c;{MARK}\x07\x9b{MARK}m\u202e[bold]x[/bold]"


async def test_names_of_strangers_are_harmless_bytes_and_no_markup(terminal: type[Recording]) -> None:
    source = a_source()
    source.first = [
        Batch([session("ses_x", HOSTILE, 60, cwd=f"/{HOSTILE}", agent=HOSTILE, extras=money(1.0, 10))], health())
    ]
    evil = SpentStep("x", at(60), HOSTILE, HOSTILE, HOSTILE, Usage(10), 1.0, (HOSTILE,))
    source.spent = {"ses_x": Spending("ses_x", [evil], Usage(10), 1.0)}
    async with playing(source=source, size=(200, 60)) as (app, pilot):
        await until(pilot, lambda: bool(app.store.sessions))
        await pilot.press("dollar_sign")
        await until(pilot, lambda: app.main.spend is not None and app.main.spend.looking.tables.read)
        # A name narrows, and stands in the head.
        await pilot.press("right", "enter")
        await pilot.pause()
        assert words(app).count("[bold]x[/bold]") >= 5
    assert "[bold]x[/bold]" in judge("".join(terminal.written))
