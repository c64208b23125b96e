"""Starts the app on real databases or on the demo."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from adapter.limits import ModelLimits
from adapter.locate import locate
from adapter.source import OpencodeSource
from tui.app import ViewerApp
from tui.demo.player import Player


def run(paths: Sequence[Path], *, demo: bool, demo_speed: float, notify: bool) -> None:
    """Runs the app until the user quits. `paths` empty means every database that opencode would use.

    Raises ValueError for a demo speed out of range.
    """
    if demo:
        run_demo(demo_speed, notify)
        return
    limits = ModelLimits(os.environ, Path.home())
    if paths:
        ViewerApp([OpencodeSource(path, watch=notify) for path in paths], limits=limits).run()
        return
    located = locate(os.environ, Path.home())

    def discover() -> list[OpencodeSource]:
        # A release channel's database that appears later is one more source.
        found = locate(os.environ, Path.home()).paths
        return [OpencodeSource(path, watch=notify) for path in found if os.path.exists(path)]

    sources = [OpencodeSource(path, watch=notify) for path in located.paths]
    waiting = not any(os.path.exists(path) for path in located.paths)
    problem = f"no opencode database yet: {located.note}; waiting for one" if waiting else ""
    ViewerApp(sources, problem=problem, discover=discover, limits=limits).run()


def run_demo(speed: float, notify: bool) -> None:
    """Plays the recorded run into a temporary database, which the ordinary tailer tails."""
    stop = threading.Event()
    with Player(speed=speed) as player:
        writer = threading.Thread(target=player.play, args=(stop,), name="demo", daemon=True)
        writer.start()
        try:
            ViewerApp([OpencodeSource(player.path, watch=notify)]).run()
        finally:
            stop.set()
            writer.join()
