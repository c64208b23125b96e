"""`python -m tests.lab.record OUT`: run the demo with the real opencode and record it.

Takes about a minute and a half. What is written holds nothing of this machine; that, and that the run told the
whole story, is checked before the file is written.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab.changes import Watcher
from tests.lab.config import model, provider
from tests.lab.demo_project import FILES
from tests.lab.demo_script import EXPLAIN, FIX, RENAME, DemoScript
from tests.lab.driver import Lab, scratch_lab
from tests.lab.opencode_binary import VERSION
from tui.demo.recording import Recording, encode

NEUTRAL_HOME = "/home/dev"
NEUTRAL_PROJECT = "/home/dev/retry-lab"
WORD_S = 0.028  # per streamed word: about what hosted models do
RENAME_AT_S = 7.0
EXPLAIN_AT_S = 16.0
SETTLE_S = 1.5  # opencode still writes a summary of the changes after the last answer


def demo_config(url: str) -> dict[str, Any]:
    """The scripted model under a vendor's name, with that vendor's prices, and a small model for exploring."""
    sonnet = model("Claude Sonnet 4.5", reasoning=True)
    haiku = model("Claude Haiku 4.5", reasoning=True, cost={"input": 1, "output": 5, "cache_read": 0.1})
    return {
        "provider": {"anthropic": provider("Anthropic", url, {"claude-sonnet-4-5": sonnet, "claude-haiku-4-5": haiku})},
        "model": "anthropic/claude-sonnet-4-5",
        "small_model": "anthropic/claude-haiku-4-5",
        "agent": {"explore": {"model": "anthropic/claude-haiku-4-5"}},
        "autoupdate": False,
        "share": "disabled",
        "formatter": False,
        "lsp": False,
        "permission": {"*": "allow"},
    }


def record() -> Recording:
    """One run of the demo. Raises LabError when opencode does not play along."""
    with scratch_lab(config=demo_config, files=FILES, delay=WORD_S) as lab:
        lab.model.script = DemoScript(lab.project)
        with lab.serve(OPENCODE_ENABLE_QUESTION_TOOL="1"):
            lab.api("GET", "/config")  # loads the project, so that its row stands before the run begins
            lab.wait_for("the project", lambda: lab.query("SELECT 1 FROM project WHERE id <> 'global'"))
            replacements = [
                (str(lab.project), NEUTRAL_PROJECT),
                (str(lab.home), NEUTRAL_HOME),
                (str(lab.root), NEUTRAL_HOME),
            ]
            watcher = Watcher(lab.db, replacements)
            watcher.start()
            drive(lab)
            return watcher.finish(VERSION)


def drive(lab: Lab) -> None:
    """Three people's worth of work; the question of the second session stays open."""
    started = time.monotonic()

    def prompt_at(seconds: float, text: str) -> str:
        time.sleep(max(0.0, started + seconds - time.monotonic()))
        session = lab.session()
        lab.prompt(session, text, wait=False)
        return session

    fix = prompt_at(0, FIX)
    prompt_at(RENAME_AT_S, RENAME)
    explain = prompt_at(EXPLAIN_AT_S, EXPLAIN)
    lab.wait_idle(explain)
    lab.wait_idle(fix)
    time.sleep(SETTLE_S)


STORY = {
    "a command that fails": r'"exit":1[,}]',
    "a tool that ends in an error": r'"status":"error"',
    "the numbers that the reproduction's answer names": r"4 of 10 runs break the limit",
    "ten green runs": r"run 10: OK",
    "a diff": r'"diff":"Index: ',
    "an open question": r'"tool":"question".*"status":"running"',
    "the last answer": r"no longer depends on luck",
}


def problems(recording: Recording, machine_words: list[str]) -> list[str]:
    """What is missing from the story, and what of this machine is left in it."""
    texts = [v for step in recording.steps for change in step.changes for v in change.values if isinstance(v, str)]
    missing = [f"missing: {what}" for what, pattern in STORY.items() if not any(re.search(pattern, t) for t in texts)]
    leak = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in machine_words))
    return missing + [f"of this machine: {text[:200]!r}" for text in texts if leak.search(text)]


def machine_words() -> list[str]:
    """What must not stand in a recording: places, names, addresses."""
    places = [tempfile.gettempdir(), str(Path.cwd()), str(Path.home()), sys.prefix, sys.base_prefix]
    words = [*places, "127.0.0.1", "localhost", socket.gethostname()]
    user = getpass.getuser()
    # As a bare word `root` is also a key of opencode's own rows.
    return words if user == "root" else [*words, user]


def main(argv: list[str] | None = None) -> int:
    """Record, check, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.record", description=__doc__)
    parser.add_argument("out", type=Path, help="usually tui/demo/recording.json.gz")
    out = parser.parse_args(argv).out
    recording = record()
    found = problems(recording, machine_words())
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    out.write_bytes(encode(recording))
    rows = sum(len(step.changes) for step in recording.steps)
    facts = {"seconds": recording.duration / 1000, "steps": len(recording.steps), "rows": rows}
    print(json.dumps({**facts, "bytes": out.stat().st_size}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
