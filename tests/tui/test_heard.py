"""What a widget asks for or tells is heard, whoever's turn it is when it does so."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.message import Message

import tui
from tests.tui import story
from tests.tui.stage import Batch, FakeSource, playing, screen_text, until
from tests.tui.story import SOURCE
from tui.app import ViewerApp
from tui.config.settings import Memory
from tui.model.records import Key
from tui.render.cards.tabs import KEYS
from tui.textual_patches.told import Told
from tui.widgets import detail

CALL = Key(SOURCE, "op", "ses_retry", "prt_ses_retry_1_3:tool")


def shown(app: ViewerApp) -> str:
    return "\n".join(screen_text(app))


def is_read(app: ViewerApp) -> bool:
    """Whether every text of the tab is there, of the row under the cursor."""
    here, texts = app.main.detail, app.main.detail.tabs.get(app.main.detail.tab, [])
    return here.key == app.main.sessions.cursor and not here._asked and all(t.slot in here._texts for t in texts)


@pytest.mark.parametrize("tab", ["Overview", "Input", "Output", "Raw"])
async def test_each_row_that_the_cursor_moves_to_after_a_rest_has_its_texts(
    tab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "FETCH_AFTER", 0.001)
    events = story.everything()
    async with playing(events, source=FakeSource(story.texts(events))) as (app, pilot):
        app.main.sessions.select(Key(SOURCE, "session", "ses_retry", "ses_retry"))
        await pilot.press(KEYS[tab])
        seen = 0
        for key in "jjjjjjkkk":
            await pilot.press(key)
            await until(pilot, lambda: is_read(app))
            assert "loading" not in shown(app)
            seen += app.main.detail.tab == tab
        assert seen > 0


async def test_a_tab_picked_before_the_first_row_is_there_has_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detail, "FETCH_AFTER", 0.001)
    events = story.everything()
    source = FakeSource(story.texts(events))
    async with playing(source=source) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: source.following)
        source.send(Batch(events))
        await until(pilot, lambda: app.main.detail.tab == "Input" and is_read(app))
        assert "loading" not in shown(app)


async def test_a_session_opened_in_the_turn_of_the_screen_is_asked_for() -> None:
    events = [event for event in story.others() if getattr(event, "session_id", "") == "ses_old"]
    source = FakeSource()
    async with playing(events, source=source) as (app, pilot):
        await until(pilot, lambda: source.following)
        app.main.call_later(app.main.action_cycle)
        await until(pilot, lambda: bool(source.requested))
        assert source.requested == ["ses_old"]


async def test_a_choice_made_in_the_turn_of_the_screen_is_remembered() -> None:
    memory = Memory()
    async with playing(story.everything(), memory=memory) as (app, pilot):
        before = memory.settings.tree_width
        app.main.call_later(app.main.panes.widen, 5)
        await until(pilot, lambda: memory.settings.tree_width != before)


class Probe(Told):
    """Says something to all above."""


async def test_a_message_climbs_to_the_app_whoever_has_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Message] = []
    monkeypatch.setattr(ViewerApp, "on_probe", lambda app, message: heard.append(message), raising=False)
    async with playing() as (app, pilot):
        view = app.main.detail.view
        turns = [view, *view.ancestors, app.main.sessions]
        for count, turn in enumerate(turns, 1):
            with turn._context():
                view.post_message(Probe())
            await until(pilot, lambda count=count: len(heard) == count)  # type: ignore[misc]
        await pilot.pause()
        assert len(heard) == len(turns)


def own_messages() -> Iterator[type[Message]]:
    """Every kind of message that our modules define."""
    for module in pkgutil.walk_packages([str(Path(tui.__file__).parent)], "tui."):
        if module.name != "tui.__main__":
            importlib.import_module(module.name)
    kinds = [Message]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("tui."):
            yield kind


def test_every_message_of_ours_is_one_that_climbs_to_the_app() -> None:
    found = set(own_messages())
    assert len(found) > 10
    assert not {kind.__qualname__ for kind in found if not issubclass(kind, Told)}
