"""A database in which every key of the program has something to do, written as opencode writes it."""

from __future__ import annotations

import time
from pathlib import Path

from tests.adapter.opencode_writer import OpencodeWriter, answer, tool

OLD_SESSIONS = 44
"""Sessions of long ago, more than a screen of rows: the program reads them only when they are opened."""
LINES = 120
"""Lines of the output of a command, more than a screen of text."""

HOUR_MS, MINUTE_MS, SECOND_MS = 3_600_000, 60_000, 1_000


def old(number: int) -> str:
    """The title of the numbered one of them, 1 being the newest."""
    return f"Old {number:02}"


def write(path: Path) -> None:
    """Everything at once, as of now: what waits, what is stuck, what runs with a sub-agent, what is over and what of
    it has been read by itself at the start."""
    now = int(time.time() * 1000)
    with OpencodeWriter(path) as opencode:
        for number in range(OLD_SESSIONS, 0, -1):
            opencode.ms = now - 30 * HOUR_MS - number * HOUR_MS
            _worked(opencode, old(number))
        opencode.ms = now - 4 * MINUTE_MS
        _runs(opencode, opencode.session("Stuck in a search"), "grep", {"pattern": "TODO"}, "TODO")
        opencode.ms = now - 2 * MINUTE_MS
        _worked(opencode, "Read one")
        opencode.ms = now - 40 * SECOND_MS
        _runs(opencode, opencode.session("Asks a question"), "question", _QUESTION, "Which way?")
        opencode.ms = now - 20 * SECOND_MS
        parent = opencode.session("Sends an agent")
        child = opencode.session("Find the callers", parent)
        _runs(opencode, parent, "task", {"description": "Find the callers"}, "Find the callers", sessionId=child)
        _runs(opencode, child, "bash", {"command": "sleep 600"}, "sleep 600", output="still looking\n")


_QUESTION = {"questions": [{"header": "Way", "question": "Which way?", "options": [{"label": "Left"}]}]}
_ANSWER = (
    "All is **done**.\n\n| file | "
    + "a wide column | " * 9
    + "\n"
    + "|---" * 10
    + "|\n| x | "
    + "cell | " * 8
    + "last |\n"
)
"""With a table that no pane has the room for."""
_DIFF = "--- a/new.txt\n+++ b/new.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n"


def _worked(opencode: OpencodeWriter, title: str) -> None:
    """A session of one step: a list of things to do, an edit, a command with a long output, one that fails."""
    ms = opencode.ms
    assert ms is not None
    session = opencode.session(title, time_updated=ms, cost=0.25)
    prompt = opencode.user(session, "Please do it.")
    message = opencode.assistant(session, prompt)
    output = "\n".join(f"line {number}" for number in range(1, LINES + 1))
    todos = {"todos": [{"content": "first thing", "status": "completed"}, {"content": "second", "status": "pending"}]}
    calls = [
        ("todowrite", todos, "2 todos", "[]", todos),
        ("edit", {"filePath": "new.txt", "oldString": "two", "newString": "TWO"}, "new.txt", "done", {"diff": _DIFF}),
        ("bash", {"command": "make all", "description": "Build"}, "Build", output, {"exit": 0}),
        ("bash", {"command": "make test", "description": "Test"}, "Test", "one test failed", {"exit": 1}),
    ]
    for name, given, shown, said, metadata in calls:
        times = {"start": ms, "end": ms + SECOND_MS}
        part = tool("completed", name, input=given, title=shown, output=said, metadata=metadata, time=times)
        opencode.part(message, part)
    opencode.part(message, {"type": "text", "text": _ANSWER, "time": {"start": ms, "end": ms}})
    opencode.message(session, answer(ms, prompt, completed=ms + 2 * SECOND_MS, tokens=4000, finish="stop"), message)


def _runs(opencode: OpencodeWriter, session: str, name: str, given: object, shown: str, **metadata: object) -> None:
    """A step in which one call goes on."""
    ms = opencode.ms
    message = opencode.assistant(session, opencode.user(session, "Please go on."))
    part = tool("running", name, input=given, title=shown, metadata=metadata, time={"start": ms})
    opencode.part(message, part)
