"""`python -m tests.lab.pictures`: makes the pictures of the README from the demo, by way of the real app.

Needs Chromium (any name it has on the path) to turn Textual's SVG into PNG: browsers draw box characters and wide
glyphs as terminals do.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from adapter.local import OpencodeSource
from tui.app import ViewerApp
from tui.demo.player import Player

ASSETS = Path(__file__).parent.parent.parent / "assets"
SIZE = (120, 36)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MOMENT_S = 24.5
"""Of the recording: two sub-agents have been started and one still runs, a read has failed, a question is open."""


async def draw(keys: list[str]) -> str:
    """Starts the app on the demo at its best moment, presses the keys, and returns what it shows as SVG."""
    with Player() as player:
        player.skip_to(MOMENT_S)
        app = ViewerApp([OpencodeSource(player.path)])
        async with app.run_test(size=SIZE) as pilot:
            async with asyncio.timeout(30):
                while not app.store.sessions or not all(session.turns for session in app.store.sessions.values()):
                    await pilot.pause(0.05)
            for key in keys:
                await pilot.press(key)
            await pilot.pause(0.5)
            return app.export_screenshot(title="opencode-viewer")


def browser() -> str:
    """The first browser on the path. Raises SystemExit when there is none."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found:
            return found
    raise SystemExit(f"needs one of {', '.join(BROWSERS)} on the path")


def to_png(svg: Path, png: Path) -> None:
    """Photographs the SVG in a headless browser, at its own size."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text())
    assert box, "Textual's SVG has a viewBox"
    width, height = (round(float(value)) for value in box.groups())
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--hide-scrollbars", "--force-device-scale-factor=1", f"--user-data-dir={profile}",
                f"--window-size={width},{height}", f"--screenshot={png}", svg.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )  # fmt: skip


def main() -> None:
    """Writes the picture into assets/, or where the first argument says; further arguments are keys to press first."""
    png = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ASSETS / "demo.png"
    keys = sys.argv[2:] or ["f"]
    png.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        svg = Path(directory) / "demo.svg"
        svg.write_text(asyncio.run(draw(keys)))
        to_png(svg, png)
    print(f"{png}: {png.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
