"""What the demo's model says: three sessions in one small project, recognised by the text of their prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.demo_project import NEW_RETRY, NEW_TEST, OLD_RETRY, OLD_TEST, REPRODUCTION
from tests.lab.script import (
    Answer,
    Call,
    Step,
    Usage,
    answers_after,
    bash,
    own_request,
    read,
    task,
    text_of,
    todos,
)

CHARACTERS_PER_TOKEN = 4  # a rule of thumb for English and code; the recording needs plausible, not exact
FIRST_TOKEN_S = 0.9

FIX = (
    "The back-off test in tests/test_retry.py fails every now and then. Make the retry test stable, "
    "without making it slower and without weakening what it checks."
)
FIND_CALLERS = (
    "Find every caller of retry() in this project. For each one tell me which arguments it passes, so that "
    "I know whether the signature may change. Do not edit anything."
)
REPRODUCE = (
    "Write a small script scripts/repro_backoff.py that runs the failing case of test_backs_off_between_attempts "
    "ten times with fixed seeds, prints the time of each run, and says how many are too slow. Run it and report."
)
RENAME = "Rename the keys in settings.py to snake_case."
EXPLAIN = "What does the jitter argument of retry() change?"

RUN_UNTIL_FAILURE = "for n in 1 2 3 4 5 6; do python3 -m unittest -q || exit 1; done"
RUN_TEN_TIMES = 'for n in 1 2 3 4 5 6 7 8 9 10; do python3 -m unittest -q 2>&1 | tail -1 | sed "s/^/run $n: /"; done'


class Talk(NamedTuple):
    """One prompt and the answers to it; the title is what opencode's title request gets."""

    prompt: str
    title: str
    steps: tuple[Step, ...]


def say(text: str, *calls: Call, thought: str = "") -> Step:
    """A step that starts after the usual silence before a first token."""
    return Step(text, calls, reasoning=thought, latency=FIRST_TOKEN_S)


def talks(project: Path) -> tuple[Talk, ...]:
    """All prompts of the demo; file names are absolute, as models write them."""

    def file(name: str) -> str:
        return str(project / name)

    def edit(name: str, old: str, new: str) -> Call:
        return "edit", {"filePath": file(name), "oldString": old, "newString": new}

    def plan(*statuses: str) -> Call:
        contents = (
            "See the failure and measure how often it happens",
            "Let retry() take its sleep and its luck from outside",
            "Rewrite the back-off test without a clock",
            "Run the suite ten times",
        )
        return todos(*((content, status, "high") for content, status in zip(contents, statuses, strict=True)))

    fix = (
        say(
            "I'll read the test and the code under it first.",
            read(file("tests/test_retry.py")),
            read(file("retry.py")),
            thought="A test that fails now and then usually depends on time, order or randomness. The name says "
            "back-off, so I expect a measured sleep. I want to see the assertion before I run anything.",
        ),
        say(
            "The test measures real time with `time.monotonic()`, and the pauses are random. "
            "Let me run the suite until it fails.",
            bash(RUN_UNTIL_FAILURE, "Run the suite until it fails"),
            thought="The upper bound is 0.44 s. The pauses are 0.05, 0.1 and 0.2 s, each up to half longer, so the "
            "sum lies anywhere between 0.35 and 0.525 s. The bound is in the middle of that range: the test is "
            "a coin toss, not a check.",
        ),
        say(
            "It fails on the bound of 0.44 s. I make a plan and look whether the tests share a setup.",
            plan("in_progress", "pending", "pending", "pending"),
            read(file("tests/conftest.py")),
            thought="Before I change the signature of retry() I should know who calls it. And a reproduction with "
            "fixed seeds would show that the failure comes from the jitter and not from a slow machine. Maybe "
            "there is a shared fixture that already patches sleep.",
        ),
        say(
            "No shared setup. Two things can be done side by side: finding the callers, and a reproduction "
            "with fixed seeds.",
            task("Find callers of retry()", FIND_CALLERS, "explore"),
            task("Write a reproduction", REPRODUCE, "general"),
            thought="The two questions are independent, so I hand both to sub-agents and wait for their answers.",
        ),
        say(
            "Four of ten seeds break the limit, and both callers pass only keyword arguments: `retry()` may take "
            "`sleep` and pass the rest on to `delays()`.",
            edit("retry.py", OLD_RETRY, NEW_RETRY),
            plan("completed", "in_progress", "pending", "pending"),
            thought="worker.py passes attempts, base and errors; client.py only attempts. If retry() keeps attempts "
            "and errors and forwards everything else, neither of them changes. sleep gets a default of "
            "time.sleep, luck one of random.random, so nothing changes for them at run time either.",
        ),
        say(
            "Now the test can say exactly which pauses it expects.",
            edit("tests/test_retry.py", OLD_TEST, NEW_TEST),
            edit("tests/test_retry.py", "import time\nimport unittest", "import unittest"),
            thought="With luck fixed at 1.0 each pause is exactly one and a half times its base. That is a stronger "
            "check than the old one: it sees every single pause instead of their sum.",
        ),
        say(
            "Ten runs in a row, to be sure.",
            bash(RUN_TEN_TIMES, "Run the suite ten times"),
            plan("completed", "completed", "completed", "in_progress"),
        ),
        say("", plan("completed", "completed", "completed", "completed")),
        say(
            "## The retry test no longer depends on luck\n\n"
            "**Cause.** `test_backs_off_between_attempts` measured real time and demanded less than 0.44 s, while the "
            "jitter spreads the sum of the pauses over 0.35 to 0.525 s. With ten fixed seeds, 4 of 10 runs were too "
            "slow.\n\n"
            "**Change.**\n\n"
            "- `retry.py`: `retry()` takes `sleep`, `delays()` takes `luck`; the defaults are what was used before, so "
            "`client.py` and `worker.py` stay as they are.\n"
            "- `tests/test_retry.py`: the test records the pauses and compares all three of them.\n\n"
            "| | before | after |\n|---|---|---|\n| runs that fail | about 4 in 10 | 0 in 10 |\n"
            "| checks | a sum | every pause |\n\n"
            "```python\nretry(Flaky(9), attempts=4, sleep=slept.append, luck=lambda: 1.0)\n```\n\n"
            "The reproduction stays in `scripts/repro_backoff.py`; delete it when you no longer need it.",
            thought="All ten runs are green, and the suite is faster than before because this test no longer sleeps. "
            "I should name the cause, the change and what was not touched.",
        ),
    )
    callers = (
        say(
            "",
            bash("grep -rn 'retry(' --include='*.py' .", "Find calls of retry()"),
            read(file("client.py")),
            thought="I search for the calls and read the file that is most likely to use it.",
        ),
        say(
            "Two callers outside the tests. I read the second one and check the history.",
            read(file("worker.py")),
            bash("git log --oneline -- retry.py | cat", "History of retry.py"),
            thought="worker.py passes base as well. I have to see whether it is by name or by position.",
        ),
        say(
            "`retry()` has two callers outside the tests:\n\n"
            "- `client.py`, line 11: `attempts` by name.\n"
            "- `worker.py`, line 10: `attempts`, `base` and `errors`, all by name.\n\n"
            "Nobody passes an argument by position, so the order and number of the others may change."
        ),
    )
    reproduction = (
        say(
            "",
            ("write", {"filePath": file("scripts/repro_backoff.py"), "content": REPRODUCTION}),
            read(file("tests/test_retry.py")),
            thought="Ten seeds, one run each. I use the same number of attempts and the same limit as the test.",
        ),
        say(
            "Written. Now I run it.",
            bash("PYTHONPATH=. python3 scripts/repro_backoff.py", "Run the reproduction"),
            bash("python3 --version", "Version of Python"),
        ),
        say(
            "The script is `scripts/repro_backoff.py`. With seeds 0 to 9, 4 of 10 runs take longer than 0.44 s. "
            "The times are the sum of three pauses and repeat with each seed, so the jitter is the cause and the "
            "machine is not."
        ),
    )
    rename = (
        say(
            "I look at the keys and where they are used.",
            read(file("settings.py")),
            read(file("deploy/settings.json")),
            bash("grep -rn 'SETTINGS\\[' --include='*.py' .", "Find uses of the settings"),
            thought="Three keys in camel case. The module says that a JSON file may override them, so the names are "
            "an interface: whoever deploys this has a file with the old names.",
        ),
        say(
            "The deployed file overrides two of the keys under their old names, so I'd rather ask.",
            (
                "question",
                {
                    "questions": [
                        {
                            "question": "deploy/settings.json uses the old names. What should happen to them?",
                            "header": "Old keys",
                            "options": [
                                {"label": "Accept both", "description": "Old names work and give a warning"},
                                {"label": "Only new names", "description": "Rename them in the JSON file too"},
                            ],
                            "multiple": False,
                        }
                    ]
                },
            ),
            thought="Both ways are reasonable and I cannot see how many such files exist elsewhere.",
        ),
    )
    explain = (
        say(
            "",
            read(file("retry.py")),
            thought="A short question about one argument. The answer is in delays().",
        ),
        say(
            "`jitter` makes each pause longer by a random share of itself: with the default of 0.5 a pause of 0.1 s "
            "becomes anything from 0.1 to 0.15 s. It keeps many clients that failed at the same moment from "
            "trying again at the same moment. With `jitter=0` the pauses are exactly `base * factor**n`.",
            thought="pause * jitter * random: never shorter than the pause, at most half longer by default.",
        ),
    )
    return (
        Talk(FIX, "Make the retry test stable", fix),
        Talk(FIND_CALLERS, "Find callers", callers),
        Talk(REPRODUCE, "Write a reproduction", reproduction),
        Talk(RENAME, "Rename the settings keys", rename),
        Talk(EXPLAIN, "Explain the jitter argument", explain),
    )


class DemoScript:
    """Answers the prompts above; token counts are estimated from what is really sent."""

    def __init__(self, project: Path) -> None:
        self._talks = talks(project)

    def answer(self, request: dict[str, Any], attempt: int) -> Answer:
        """Raises LookupError for a prompt that is not part of the demo."""
        kind = own_request(request)
        talk, at = self._find(request["messages"])
        if kind != "step":
            what, step = Step(talk.title, reasoning="", latency=FIRST_TOKEN_S), 0
        else:
            step = answers_after(request["messages"], at)
            what = talk.steps[step]
        return Answer(kind, talk.title, step, what, estimated_usage(request, what))

    def _find(self, messages: list[dict[str, Any]]) -> tuple[Talk, int]:
        for at in range(len(messages) - 1, -1, -1):
            for talk in self._talks:
                if messages[at].get("role") == "user" and talk.prompt in text_of(messages[at]):
                    return talk, at
        raise LookupError("no prompt of the demo in this request")


def estimated_usage(request: dict[str, Any], what: Step) -> Usage:
    """Tokens by length. Cached is what the previous step of this conversation had sent: all before its answer."""
    messages = request["messages"]
    tools = json.dumps(request.get("tools") or [])
    answered = [at for at, message in enumerate(messages) if message.get("role") == "assistant"]
    cached = tokens(tools + json.dumps(messages[: answered[-1]])) if answered else 0
    reasoning = tokens(what.reasoning)
    visible = tokens(what.text) + sum(tokens(json.dumps(call)) for call in what.calls)
    return Usage(tokens(tools + json.dumps(messages)), cached, visible + reasoning, reasoning)


def tokens(text: str) -> int:
    """An estimate for a text."""
    return len(text) // CHARACTERS_PER_TOKEN
