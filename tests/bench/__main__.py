"""`python -m tests.bench`: every target, measured, in one table; `python -m tests.bench NAME ...` for some of them.

Times of a shared machine mean little by themselves: ratios and counters do, and the load average that is printed with
them. Stores are made once, in a cache directory (8 GB; a store of 6 GB is left out with --quick).
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tui
from tests.bench import adapter, commands, frames, lines, otlp, patches, peers, processes, screen, search, soak, spend
from tests.bench.table import Line, machine, table

MEASUREMENTS: dict[str, Callable[[argparse.Namespace], Iterator[Line]]] = {
    "real": screen.real,
    "applied": frames.applied,
    "lag": screen.lag,
    "idle": screen.idle,
    "processes": processes.looks,
    "statements": frames.statements,
    "busy": screen.busy,
    "start": screen.start,
    "keys": screen.keys,
    "filter": frames.keystrokes,
    "open": screen.opening,
    "output": screen.output,
    "update": adapter.ratio,
    "events": commands.events,
    "otlp": otlp.otlp,
    "commands": commands.starts,
    "looks": commands.looks,
    "tree": frames.tree,
    "search": search.search,
    "timeline": frames.timeline,
    "transcript": frames.transcript,
    "spend": spend.spend,
    "lines": lines.lines,
}
PROGRAMS = {"soak": soak, "peers": peers, "adapter": adapter, "patches": patches}
"""What prints for itself, and has arguments of its own."""


def as_installed() -> None:
    """Compiles the code, as an installer or the first start does. Where bytecode is not to be written, as in many
    containers, every start would compile a checkout anew, and Textual not: 165 ms that no user pays."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("tui", "adapter"):
        compileall.compile_dir(Path(tui.__file__).parents[1] / package, quiet=1)


def measure(arguments: argparse.Namespace) -> int:
    """Measures one after the other, tells each line as it comes, and prints the table; 1 when a target is missed."""
    print(machine(), file=sys.stderr)
    before = machine()
    lines: list[Line] = []
    for name in arguments.names or MEASUREMENTS:
        began = time.monotonic()
        try:
            for line in MEASUREMENTS[name](arguments):
                print(table([line]).splitlines()[-1], file=sys.stderr, flush=True)
                lines.append(line)
        except Exception as error:
            # One that fails must not take the others with it; a line that is missing would look like a target met.
            print(f"FAILED {name}: {error!r}", file=sys.stderr)
            lines.append(Line(f"{name}: failed, see stderr", "counter", 1, 0))
        print(f"  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(f"before: {before}\nafter:  {machine()}\n\n{table(lines)}")
    return int(any(not line.met for line in lines))


def main() -> int:
    """Runs what the arguments ask for; the exit status."""
    as_installed()
    if len(sys.argv) > 1 and sys.argv[1] in PROGRAMS:
        program = PROGRAMS[sys.argv[1]]
        parser = argparse.ArgumentParser(prog=f"python -m tests.bench {sys.argv[1]}", description=program.__doc__)
        program.add_arguments(parser)
        return program.run(parser.parse_args(sys.argv[2:])) or 0
    raw = argparse.RawDescriptionHelpFormatter
    epilog = "measurements:\n" + "\n".join(f"  {name:12}{call.__doc__}" for name, call in MEASUREMENTS.items())
    epilog += "\nprograms of their own (with --help):\n"
    epilog += "\n".join(f"  {name:12}{(program.__doc__ or '').splitlines()[0]}" for name, program in PROGRAMS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, epilog=epilog, formatter_class=raw
    )
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], metavar="NAME", help="default: all")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs, no store of 6 GB")
    cache = Path(tempfile.gettempdir()) / "opencode-viewer-bench"
    parser.add_argument("--stores", type=Path, default=cache, help="where stores are kept (default: %(default)s)")
    return measure(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
