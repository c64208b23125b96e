"""What is painted bit by bit is what painting everything anew would give, whatever happens in whatever order."""

from __future__ import annotations

import random

import pytest
from textual._compositor import LayoutUpdate
from textual.widget import Widget

from adapter.events import Event, SessionStarted
from tests.tui import story
from tests.tui.conftest import Recording
from tests.tui.glass import Glass
from tests.tui.stage import feed, playing, until
from tests.tui.story import NOW, Step, prompt, session
from tui.app import ViewerApp

KEYS = [*"jjjkkkGgzzZsoefrw[]12314<+-H", "pagedown", "pageup", "space", "right", "left", "enter", "tab", "tab"]
KEYS += ["escape", "escape", "slash"]


def arrival(dice: random.Random, number: int, known: list[str]) -> list[Event]:
    """Something that opencode may write: another session, a new title, a prompt with its step, a step that goes on."""
    what, one, ago = dice.choice(["session", "title", "prompt", "step", "step"]), dice.choice(known), dice.randint(0, 9)
    if what == "session":
        known.append(f"ses_new_{number}")
        return [session(known[-1], f"New session {number}", dice.choice([0, 5, 300, 90_000]))]
    if what == "title":
        return [session(one, f"Title {number}", 500, updated=ago)]
    step = Step(one, 100 + number, f"usr_{number if what == 'prompt' else number - 1}", ago)
    for _ in range(dice.randint(1, 4)):
        took = dice.choice([None, 0.2, 0.2])
        step.op("tool", dice.choice(["bash", "read"]), ago, took, running=took is None, label=f"label {number}")
    asked = [prompt(one, f"usr_{number}", f"Prompt {number}", ago)] if what == "prompt" else []
    return [*asked, *step.events]


SOON_S = 1.0
"""What a timer puts off is to be painted within this; what takes words away again has longer."""


def at_rest(app: ViewerApp) -> bool:
    """Whether everything that is to be painted has been."""
    screen = app.screen
    waiting = {screen, *screen.walk_children(Widget), *screen._compositor.visible_widgets}  # the last have scroll bars
    # What is put off by a timer that ends, such as the next slice of a search, is to be painted, too. That of the
    # clock is always set.
    soon = [
        timer
        for pump in (app, *waiting)
        for timer in pump._timers
        if timer is not app.main._clock and timer._repeat == 0 and timer._interval < SOON_S
    ]
    put_off = any(timer._task is not None and not timer._task.done() for timer in soon)
    return (
        not put_off
        and not screen._dirty_widgets
        and not any(
            widget._repaint_required or widget._layout_required or not widget._message_queue.empty()
            for widget in waiting
        )
    )


def painted_anew(app: ViewerApp) -> Glass:
    """The screen as it is now, with nothing taken from what was drawn before."""
    for widget in app.screen._compositor.visible_widgets:
        widget.refresh()
    update = app.screen._compositor.render_update(full=True)
    assert isinstance(update, LayoutUpdate)
    glass = Glass()
    glass.write([update.render_segments(app.console)])
    return glass


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(120, 24), (90, 16)])
async def test_the_screen_is_what_painting_everything_anew_would_show(
    seed: int, size: tuple[int, int], terminal: type[Recording]
) -> None:
    dice = random.Random(f"{seed} {size}")
    moment = [float(NOW)]
    async with playing(story.everything(), size=size, clock=lambda: moment[0]) as (app, pilot):
        known = [event.session_id for event in story.everything() if isinstance(event, SessionStarted)]
        glass = Glass()
        done: list[str] = []
        for number in range(80):
            act = dice.choice(["key", "key", "arrival", "arrival", "time"])
            if act == "key":
                act = dice.choice(KEYS)
                await pilot.press(act)
            elif act == "arrival":
                feed(app, arrival(dice, number, known))
            else:
                moment[0] += dice.choice([0.4, 1, 30, 400])
                app.main.tick()
            done.append(act)
            if dice.random() < 0.3:
                await until(pilot, lambda: at_rest(app))
                glass.write(terminal.written)
                terminal.written.clear()
                assert glass.differences(painted_anew(app)) == [], " ".join(done)
        assert len(glass.cells) == size[0] * size[1]


async def test_the_cursor_is_drawn_where_it_goes_when_its_row_is_filtered_away(terminal: type[Recording]) -> None:
    async with playing([session(f"ses_{n}", f"Session {n}", 100 + n) for n in range(5)]) as (app, pilot):
        await pilot.press("G")
        app.main.filter("Session")
        await until(pilot, lambda: at_rest(app))
        app.main.filter('"Session 0"')
        assert len(app.main.rows) == 1
        await until(pilot, lambda: at_rest(app))
        glass = Glass()
        glass.write(terminal.written)
        assert glass.differences(painted_anew(app)) == []


async def test_a_line_is_as_wide_as_the_screen_when_something_new_is_painted_before_the_layout() -> None:
    async with playing(story.everything(), size=(90, 16)) as (app, pilot):
        compositor, bar = app.main._compositor, app.main.bar
        await until(pilot, lambda: at_rest(app))
        assert compositor.cuts
        bar.display = True
        # As when a widget that is not on the map is to be painted, and somebody asks for its place.
        compositor.update_widgets({bar.input})
        assert bar.input.region.width == 88
        glass = painted_anew(app)
        assert len(glass.cells) == 90 * 16
