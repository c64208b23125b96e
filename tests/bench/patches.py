"""What each patch of Textual (`tui/textual_patches`) is worth alone: a table in Markdown, from one run.

A process for each setting, in turns: all patches, each one turned off with the others on, none, and all with Textual's
compiled geometry where that is installed. Each does the same in the whole app at 120x40. Ratios are those of CPU, of
medians; counters are means of one action and the same on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tests.bench.frames import Terminal, app_on_terminal, cost, history, press, quiet
from tests.bench.table import machine
from tests.tui.stage import feed
from tests.tui.story import session
from tui.app import ViewerApp
from tui.textual_patches.kept_lines import KeptLines
from tui.textual_patches.stock import PATCHES

SESSIONS = 600
"""More than a screen, so that the tree has its scroll bar; the first of them has 951 rows and is open."""
COMPILED = "TEXTUAL_SPEEDUPS"
"""Textual's own switch for its compiled geometry."""


class Counted(Counter[str]):
    """Bytes to the terminal, lines that the compositor asks widgets for, and layouts of the screen."""

    def begin(self) -> None:
        """Counts from now on."""
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


def settings() -> Iterator[tuple[str, dict[str, str]]]:
    """What is compared, by name, and the environment that makes it so; the first one is what the others are compared
    with."""
    yield "all patches", {"OPENCODE_VIEWER_STOCK": "", COMPILED: "0"}
    for name in sorted(PATCHES):
        yield f"without `{name}`", {"OPENCODE_VIEWER_STOCK": name, COMPILED: "0"}
    yield "without any", {"OPENCODE_VIEWER_STOCK": "1", COMPILED: "0"}
    if importlib.util.find_spec("textual_speedups") is not None:
        yield "all, and `textual-speedups`", {"OPENCODE_VIEWER_STOCK": "", COMPILED: "1"}


async def act(times: int) -> dict[str, dict[str, float]]:
    """Does everything so many times; CPU in ms, and the counters, by the name of the action."""
    results: dict[str, dict[str, float]] = {}
    counted = Counted()
    async with app_on_terminal() as pilot:
        app = pilot.app
        assert isinstance(app, ViewerApp)
        feed(app, history(0))
        feed(app, [session(f"ses_more_{number}", f"More {number}", 20_000 + number) for number in range(SESSIONS)])
        await pilot.press("g", "j", "j")
        await pilot.pause()
        await quiet()
        gc.collect()
        gc.freeze()
        counted.begin()
        numbers = itertools.count()

        def rename() -> None:
            """Two rows in sight, far from each other."""
            place = app.view.place
            rows = [app.main.rows.row(at).key.session_id for at in (place.top + 2, place.top + 30)]
            feed(app, [session(name, f"Renamed {next(numbers)}", 20_000 + int(name[9:])) for name in rows])

        def insert() -> None:
            """A session above all that is in sight."""
            feed(app, [session(f"ses_new_{next(numbers)}", "Newer", 100)])

        async def measure(name: str, acts: Callable[[], object]) -> None:
            await cost(acts)
            counted.clear()
            written, taken = Terminal.written, [await cost(acts) for _ in range(times)]
            results[name] = {
                "cpu": statistics.median(one.cpu for one in taken),
                "bytes": (Terminal.written - written) / times,
                **{what: counted[what] / times for what in ("lines", "layouts")},
            }

        await measure("row", lambda: press(app, "jk"[next(numbers) % 2]))
        await measure("page", functools.partial(press, app, "pagedown"))
        await pilot.press("G")
        await quiet()
        await measure("two renamed", rename)
        await measure("one more above", insert)
        await pilot.press("slash")
        await quiet()
        await measure("letter", functools.partial(press, app, "e"))
    return results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--rounds", type=int, default=5, help="processes of each setting (default: %(default)s)")
    parser.add_argument("--times", type=int, default=20, help="of each action (default: %(default)s)")
    parser.add_argument("--child", action="store_true", help="measures this process and prints JSON")


def one(times: int, environment: dict[str, str]) -> dict[str, dict[str, float]]:
    """What a process with this environment measures."""
    command = [sys.executable, "-m", "tests.bench", "patches", "--child", "--times", str(times)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr)
    results: dict[str, dict[str, float]] = json.loads(done.stdout)
    return results


def run(arguments: argparse.Namespace) -> None:
    """Runs all and prints the table."""
    if arguments.child:
        print(json.dumps(asyncio.run(act(arguments.times))))
        return
    print(f"{machine()}\n")
    compared = dict(settings())
    taken: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in compared}
    for _ in range(arguments.rounds):
        for name, environment in compared.items():
            taken[name].append(one(arguments.times, environment))
    basis = taken["all patches"]
    actions = list(basis[0])
    print("| | " + " | ".join(f"{name}: CPU | bytes | lines | layouts" for name in actions) + " |")
    print("|---" * (1 + 4 * len(actions)) + "|")
    for name, rounds in taken.items():
        cells = []
        for action in actions:
            # Against the same round: what else the machine does changes from one to the next.
            ratios = [mine[action]["cpu"] / its[action]["cpu"] for mine, its in zip(rounds, basis, strict=True)]
            cpu = statistics.median(mine[action]["cpu"] for mine in rounds)
            cells.append(f"{statistics.median(ratios):.2f}" + f" ({cpu:.1f} ms)" * (rounds is basis))
            cells += [f"{statistics.median(mine[action][what] for mine in rounds):.0f}" for what in ("bytes", "lines")]
            cells.append(f"{statistics.median(mine[action]['layouts'] for mine in rounds):.1f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"\nload average after: {' '.join(f'{value:.1f}' for value in os.getloadavg())}")
