"""`python -m tests.lab.pictures`: makes the pictures of the README from the demo, by way of the real app.

Needs resvg-py, which nothing else here does, to turn Textual's SVG into PNG.
"""

from __future__ import annotations

import asyncio
import re
import sys
from importlib import import_module
from pathlib import Path

from adapter.local import OpencodeSource
from tui.app import ViewerApp
from tui.demo.player import Player

ASSETS = Path(__file__).parent.parent.parent / "assets"
SIZE = (120, 36)
FONT = "DejaVu Sans Mono"
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


def to_png(svg: str) -> bytes:
    """The SVG as a PNG of its own size, in a font that is on this machine instead of one from the network. Raises
    SystemExit where the program that draws it is missing."""
    try:
        draw_svg = import_module("resvg_py").svg_to_bytes
    except ImportError:
        raise SystemExit("needs resvg-py (pip install resvg-py) and the font DejaVu Sans Mono") from None
    own = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", FONT)
    return bytes(draw_svg(svg_string=own, monospace_family=FONT))


def main() -> None:
    """Writes the picture into assets/, or where the first argument says; further arguments are keys to press first."""
    png = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ASSETS / "demo.png"
    keys = sys.argv[2:] or ["r", "p", "p"]
    png.parent.mkdir(parents=True, exist_ok=True)
    png.write_bytes(to_png(asyncio.run(draw(keys))))
    print(f"{png}: {png.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
