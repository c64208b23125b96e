"""What each patch of Textual (`tui/textual_patches`) is worth alone: a table in Markdown, from one run.

The whole app at 120x40 does the same again and again, in turns with all patches, with each one turned off and the
others on, and with none. Ratios are those of CPU, each against its own turn with all patches; counters are means of one
action, and the same on any machine. Textual's compiled geometry, which is loaded once or not at all, is compared by
processes in turns, where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tests.bench.frames import Terminal, app_on_terminal, cost, press, quiet
from tests.bench.table import machine
from tests.tui.stage import feed
from tests.tui.story import session
from tui.app import ViewerApp
from tui.textual_patches import stock
from tui.textual_patches.kept_lines import KeptLines

SESSIONS = 600
"""More than a screen, so that the tree has its scroll bar."""
WITH_ALL, WITH_NONE = "all patches", "none of them"
SETTINGS: dict[str, frozenset[str]] = {
    WITH_ALL: frozenset(),
    **{f"without `{name}`": frozenset({name}) for name in sorted(stock.PATCHES)},
    WITH_NONE: stock.PATCHES,
}
"""What is turned off, by what the table calls it."""
COUNTERS = ("bytes", "lines", "layouts")
"""Bytes to the terminal, lines that the compositor asks widgets for, layouts of the screen."""


class Cost(NamedTuple):
    """What an action cost: CPU in ms, and the counters."""

    cpu: float
    counters: dict[str, float]


class Counting(Counter[str]):
    """Counts lines and layouts from when it is made."""

    def __init__(self) -> None:
        super().__init__()
        for kind in (Widget, KeptLines):
            self._count_lines(kind)
        lay_out = Screen._refresh_layout

        def noted(screen: Screen[Any], *arguments: Any, **options: Any) -> None:
            self["layouts"] += 1
            lay_out(screen, *arguments, **options)

        Screen._refresh_layout = noted  # type: ignore[method-assign]

    def _count_lines(self, kind: type[Widget]) -> None:
        render_lines = kind.render_lines

        def noted(widget: Widget, crop: Region) -> list[Strip]:
            # Without its patch a widget that keeps its lines passes the call on.
            if kind is KeptLines or not isinstance(widget, KeptLines):
                self["lines"] += crop.height
            return render_lines(widget, crop)

        kind.render_lines = noted  # type: ignore[method-assign]

    async def cost(self, act: Callable[[], object]) -> Cost:
        """What an action costs, the mean of twice: some go there and back. Once before that, which may have to make
        again what was not needed with other patches."""
        await cost(act)
        self.clear()
        written = Terminal.written
        cpu = sum([(await cost(act)).cpu for _ in range(2)]) / 2
        self["bytes"] = Terminal.written - written
        return Cost(cpu, {name: self[name] / 2 for name in COUNTERS})


Measured = dict[str, dict[str, list[Cost]]]
"""By action and setting, one for each turn."""


async def measure(turns: int, settings: dict[str, frozenset[str]]) -> Measured:
    """Does everything in so many turns."""
    counting = Counting()
    async with app_on_terminal() as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        feed(app, [session(f"ses_more_{number}", f"More {number}", 20_000 + number) for number in range(SESSIONS)])
        numbers = itertools.count()

        def rename() -> None:
            """Two rows in sight, far from each other."""
            rows = [app.main.rows.row(app.view.place.top + y).key.session_id for y in (2, 30)]
            feed(app, [session(name, f"Renamed {next(numbers)}", 20_000 + int(name[9:])) for name in rows])

        def insert() -> None:
            """A session above all that is in sight."""
            feed(app, [session(f"ses_new_{next(numbers)}", "Newer", 100)])

        def keys(*names: str) -> Callable[[], None]:
            """One after the other, one each time."""
            ring = itertools.cycle(names)
            return lambda: press(app, next(ring))

        actions: dict[str, tuple[str, Callable[[], None]]] = {
            "a row": ("g", keys("j", "k")),
            "from end to end": ("g", keys("G", "g")),
            "two renamed": ("G", rename),
            "one more above": ("G", insert),
            "a letter": ("slash", keys("7", "backspace")),
        }
        taken: Measured = {}
        gc.collect()
        gc.freeze()
        for name, (begin, act) in actions.items():
            await pilot.press(begin)
            await quiet()
            # Where the first time leaves the window every other one begins.
            await counting.cost(act)
            taken[name] = {setting: [] for setting in settings}
            for _ in range(turns):
                for setting, off in settings.items():
                    stock.OFF.clear()
                    stock.OFF.update(off)
                    taken[name][setting].append(await counting.cost(act))
        stock.OFF.clear()
    return taken


def compiled(turns: int, processes: int) -> dict[str, float]:
    """CPU of each action with Textual's compiled geometry, as a ratio to that without: the least of all turns and
    processes, because what else the machine does only adds to it."""
    least: dict[str, dict[str, float]] = {"0": {}, "1": {}}
    for _ in range(processes):
        for switch, known in least.items():
            command = [sys.executable, "-m", "tests.bench", "patches", "--child", "--turns", str(turns)]
            environment = os.environ | {"TEXTUAL_SPEEDUPS": switch}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
            for action, cpu in json.loads(done.stdout).items():
                known[action] = min(cpu, known.get(action, cpu))
    return {action: cpu / least["0"][action] for action, cpu in least["1"].items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--turns", type=int, default=15, help="of each action (default: %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=6, help="with and without compiled geometry (default: %(default)s)"
    )
    parser.add_argument("--child", action="store_true", help="measures one process with all patches and prints JSON")


def run(arguments: argparse.Namespace) -> None:
    """Runs all and prints the table."""
    if arguments.child:
        alone = asyncio.run(measure(arguments.turns, {WITH_ALL: frozenset()}))
        print(json.dumps({name: min(one.cpu for one in taken[WITH_ALL]) for name, taken in alone.items()}))
        return
    print(f"{machine()}\n")
    measured = asyncio.run(measure(arguments.turns, SETTINGS))
    print("| | " + " | ".join(f"{name}: CPU | {' | '.join(COUNTERS)}" for name in measured) + " |")
    print("|---" * (1 + (1 + len(COUNTERS)) * len(measured)) + "|")
    for setting in SETTINGS:
        cells = []
        for taken in measured.values():
            ratios = [one.cpu / its.cpu for one, its in zip(taken[setting], taken[WITH_ALL], strict=True)]
            if setting == WITH_ALL:
                cells.append(f"{statistics.median(one.cpu for one in taken[setting]):.1f} ms")
            else:
                cells.append(f"{statistics.median(ratios):.2f}")
            cells += [f"{statistics.fmean(one.counters[name] for one in taken[setting]):.4g}" for name in COUNTERS]
        print(f"| {setting} | {' | '.join(cells)} |", flush=True)
    if importlib.util.find_spec("textual_speedups") is not None:
        ratios_of = compiled(arguments.turns, arguments.processes)
        print(
            "\nwith `textual-speedups`, CPU: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios_of.items())
        )
    print(f"\nload average after: {' '.join(f'{value:.1f}' for value in os.getloadavg())}")
