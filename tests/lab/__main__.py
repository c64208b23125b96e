"""`python -m tests.lab --live 120`: keep a real opencode busy, to look at what the program makes of it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
import time
from pathlib import Path

from tests.lab.driver import Lab, LabError, scratch_lab
from tests.lab.driver_2x import Lab2x
from tests.lab.scenarios import SCENARIOS

MIXTURE = "tools,task,think,fail,task2,todo,files,plain,unicode,big,parallel,nested"
MIXTURE_2X = "tools,task,think,fail,task2,files,plain,unicode,taskdrip,parallel,background,nested,shellback"
PROMPTS_PER_SESSION = 4


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The arguments; ends with a usage message for an unknown scenario."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--live", type=float, default=120, metavar="SECONDS", help="for how long")
    parser.add_argument("--delay", type=float, default=0.05, metavar="SECONDS", help="per streamed word")
    parser.add_argument("--workers", type=int, default=1, help="sessions at once")
    parser.add_argument("--opencode", choices=("1", "2"), default="1", help="which major version (default: 1)")
    parser.add_argument("--scenario", help="names with commas, repeated in turn")
    parser.add_argument("--root", type=Path, help="a directory to keep (default: temporary, removed at the end)")
    arguments = parser.parse_args(argv)
    arguments.lab = Lab2x if arguments.opencode == "2" else Lab
    mixture = MIXTURE_2X if arguments.opencode == "2" else MIXTURE
    arguments.names = (arguments.scenario or mixture).split(",")
    unknown = [name for name in arguments.names if name not in SCENARIOS]
    if unknown:
        parser.error("no such scenario: " + ", ".join(unknown))
    return arguments


def work(lab: Lab, number: int, names: list[str], until: float) -> None:
    """Prompt one session after the other until the time is over."""
    count, session = 0, ""
    while time.monotonic() < until:
        if count % PROMPTS_PER_SESSION == 0:
            session = lab.session()
        name = names[(count + number) % len(names)]
        print(f"{time.strftime('%H:%M:%S')} worker {number} session {session} lab:{name}", flush=True)
        try:
            lab.prompt(session, f"lab:{name} live prompt {count} of worker {number}")
        except LabError as error:
            print(f"worker {number}: {error}", flush=True)
        count += 1


def main(argv: list[str] | None = None) -> None:
    """Print the database's path, then a line per prompt. Asked to end it ends opencode, as with ctrl+c."""
    arguments = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        if arguments.root:
            lab = stack.enter_context(arguments.lab(arguments.root.resolve(), delay=arguments.delay))
        else:
            lab = stack.enter_context(scratch_lab(arguments.lab, delay=arguments.delay))
        print(f"db: {lab.db}", flush=True)
        stack.enter_context(lab.serve())
        until = time.monotonic() + arguments.live
        workers = [
            threading.Thread(target=work, args=(lab, number, arguments.names, until), daemon=True)
            for number in range(arguments.workers)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
