"""What a start takes: counters of what Textual does for it, and an order in which nobody waits for another."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet

from tests.tui import story
from tests.tui.stage import Batch, FakeSource, screen_text, until
from tests.tui.story import NOW
from tui.app import ViewerApp
from tui.screens.main import MainScreen


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the styles were parsed anew, and put on a widget or on a part of one."""
    counts: Counter[str] = Counter()

    def counted(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counting(self: Any, *args: Any, **more: Any) -> Any:
            counts[name] += 1
            return original(self, *args, **more)

        monkeypatch.setattr(owner, name, counting)

    for owner, name in ((App, "refresh_css"), (Stylesheet, "parse"), (Stylesheet, "apply")):
        counted(owner, name)
    return counts


async def test_styles_are_parsed_once_and_put_on_few_nodes(done: Counter[str]) -> None:
    app = ViewerApp([], clock=lambda: NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert done["refresh_css"] == 1
        assert done["parse"] <= 6
        assert done["apply"] <= 114


async def test_what_was_read_while_the_screen_was_set_up_is_in_the_first_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = FakeSource()
    source.first = [Batch(list(story.everything()))]
    stand = MainScreen.on_mount

    async def late(self: MainScreen) -> None:
        # Never, if reading began only with the screen.
        await until(None, lambda: app.feed.arrivals.waiting)
        stand(self)

    first: list[list[str]] = []
    display = App._display

    def noted(self: App[None], screen: Any, update: Any) -> None:
        if update is not None and not first:
            first.append(screen_text(app))
        display(self, screen, update)

    monkeypatch.setattr(MainScreen, "on_mount", late)
    monkeypatch.setattr(App, "_display", noted)
    app = ViewerApp([source], clock=lambda: NOW)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.store.sessions) > 1)
        await pilot.pause()
        title = next(iter(app.store.sessions.values())).title
        assert any(title[:20] in line for line in first[0])
    await until(None, lambda: source.closed)
