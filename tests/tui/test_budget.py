"""The app gives back what nobody looks at, and reads it again when somebody does."""

from __future__ import annotations

import pytest

from adapter.events import Event, Usage
from tests.tui.stage import Batch, FakeSource, playing, screen_text, until
from tests.tui.story import SOURCE, Step, prompt, session


def ended(session_id: str, ago: float) -> list[Event]:
    """A session of five calls that has ended, with its sums in its row."""
    step = Step(session_id, 1, f"usr_{session_id}", ago - 2)
    for n in range(5):
        step.op("tool", "bash", ago - 3 - n, 0.5, label=f"make {session_id}-{n}")
    step.end(ago - 9, Usage(input=10), 10, 0.1, finish="stop")
    row = session(session_id, f"Ended {session_id}", ago, extras={"usage": Usage(input=10), "cost": 0.1})
    return [row, prompt(session_id, f"usr_{session_id}", "Do it.", ago - 1), *step.events]


async def test_a_row_that_was_given_back_says_what_it_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource()
    step = Step("ses_bad", 1, "usr_bad", 9_000)
    step.op("tool", "bash", 8_990, 0.5, label="make test", status="failed", error=("Error", "no"))
    step.op("text", "", 8_980, 0.5, label="The tests do not pass yet.")
    step.end(8_970, Usage(input=10), 10, 0.1, finish="stop")
    row = session("ses_bad", "Bad", 9_010, extras={"usage": Usage(input=10), "cost": 0.1})
    bad = [row, prompt("ses_bad", "usr_bad", "Do it.", 9_001), *step.events]
    source.first = [Batch([*bad, *ended("ses_2", 5_000)], loaded=["ses_bad", "ses_2"])]
    async with playing(source=source, size=(160, 40)) as (app, pilot):

        def shown() -> str:
            return next(line for line in screen_text(app) if " Bad " in line)

        await until(pilot, lambda: len(app.store.sessions) == 2 and "✗1" in shown())
        said = '✗1  "The tests do not pass yet."'
        assert said in shown()
        before = shown()
        assert " 40s " in before, "how long it took"
        source.send(Batch([], released=["ses_bad"]))
        await until(pilot, lambda: not app.store.sessions[SOURCE, "ses_bad"].loaded)
        await pilot.pause()
        assert shown() == before
        # While it is read again its first messages are not taken for all.
        source.send(Batch(bad[:2], begun=["ses_bad"]))
        await until(pilot, lambda: app.store.sessions[SOURCE, "ses_bad"].partial)
        await pilot.pause()
        assert said in shown()


async def test_the_oldest_goes_and_comes_back_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource()
    events = [event for n in range(3) for event in ended(f"ses_{n}", 10_000 - n * 1000)]
    source.first = [Batch(events, loaded=["ses_0", "ses_1", "ses_2"])]
    async with playing(source=source) as (app, pilot):
        monkeypatch.setattr(app.view.budget, "ops", 12)
        await until(pilot, lambda: len(app.store.sessions) == 3)
        # Everything stands on one screen: as long as it can be seen, it stays.
        await pilot.pause()
        assert source.released == []
        monkeypatch.setattr(app.view, "trees_in_sight", lambda: {(SOURCE, "ses_2")})
        source.send(Batch(ended("ses_3", 5000), loaded=["ses_3"]))
        await until(pilot, lambda: source.released == ["ses_0", "ses_1", "ses_3"])
        source.send(Batch([], released=["ses_0", "ses_1"]))
        await until(pilot, lambda: not app.store.sessions[SOURCE, "ses_0"].loaded)
        assert any("Ended ses_0" in line for line in screen_text(app))
        assert source.requested == []
        await pilot.press("G", "enter")
        await until(pilot, lambda: source.requested == ["ses_0"])
        source.send(Batch(ended("ses_0", 10_000), loaded=["ses_0"]))
        await until(pilot, lambda: any("make ses_0-4" in line for line in screen_text(app)))


async def test_one_that_was_opened_on_its_way_out_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource()
    source.first = [Batch([*ended("ses_0", 9000), *ended("ses_1", 5000)], loaded=["ses_0", "ses_1"])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) == 2)
        monkeypatch.setattr(app.view.budget, "ops", 6)
        monkeypatch.setattr(app.view, "trees_in_sight", lambda: {(SOURCE, "ses_1")})
        source.send(Batch([session("ses_2", "Another", 100)]))
        await until(pilot, lambda: source.released == ["ses_0"])
        await pilot.press("G", "enter")
        assert source.requested == []
        source.send(Batch([], released=["ses_0"]))
        await until(pilot, lambda: source.requested == ["ses_0"])


async def test_what_goes_while_a_filter_is_on_still_matches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource()
    source.first = [Batch([*ended("ses_0", 9000), *ended("ses_1", 5000)], loaded=["ses_0", "ses_1"])]
    async with playing(source=source) as (app, pilot):
        await until(pilot, lambda: len(app.store.sessions) == 2)
        app.main.filter("tool:bash")
        monkeypatch.setattr(app.view.budget, "ops", 1)
        monkeypatch.setattr(app.view, "trees_in_sight", lambda: set[object]())
        source.send(Batch([session("ses_2", "Another", 100)]))
        await until(pilot, lambda: sorted(source.released) == ["ses_0", "ses_1"])
        source.send(Batch([], released=["ses_0", "ses_1"]))
        await until(pilot, lambda: not app.store.sessions[SOURCE, "ses_1"].loaded)
        assert {name for _, name in app.main.finder.matches} == {"ses_0", "ses_1"}
