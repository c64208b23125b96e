"""How the scenarios are played: by the keyword `lab:NAME` in a prompt."""

from __future__ import annotations

import re
from typing import Any

from tests.lab.scenarios import SCENARIOS, SUMMARY, TITLES, usage_of
from tests.lab.script import Answer, Step, answers_after, http_error, own_request, text_of

KEYWORD = re.compile(r"lab:([a-z0-9-]+)")


class LabScript:
    """Answers by the keyword `lab:NAME` in the newest user message that has one, else as `plain`."""

    def answer(self, request: dict[str, Any], attempt: int) -> Answer:
        kind, (name, step) = own_request(request), position(request)
        step = 0 if kind != "step" else step
        return Answer(
            kind,
            name,
            step,
            plan(kind, name, step, attempt),
            usage_of(name if kind == "step" else kind, step),
        )


def position(request: dict[str, Any]) -> tuple[str, int]:
    """The scenario, and which of its steps comes next: the number of assistant messages since its keyword."""
    messages = request.get("messages", [])
    prompts = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    name, start = "plain", prompts[-1] if prompts else -1
    for at in reversed(prompts):
        known = [word for word in KEYWORD.findall(text_of(messages[at])) if word in SCENARIOS]
        if known:
            name, start = known[0], at
            break
    step = answers_after(messages, start)
    if prompts and prompts[-1] > start:
        newer = answers_after(messages, prompts[-1])
        if step - newer >= len(SCENARIOS[name][1]):
            # The scenario had ended before a newer prompt without keyword came: that one is plain.
            return "plain", newer
    return name, step


def plan(kind: str, name: str, step: int, attempt: int) -> Step:
    """The answer to the `attempt`-th (from 0) sending of one conversation."""
    if kind == "title":
        return Step(TITLES.get(name, f"Lab {name}"), reasoning="")
    if kind == "summary":
        return Step(SUMMARY, reasoning="")
    if name == "retry429" and attempt == 0:
        return Step(error=http_error(429, "mock: slow down", "rate_limit_exceeded", retry_after="1"))
    if name == "retry503" and attempt < 2:
        return Step(error=http_error(503, "mock: overloaded", "overloaded", retry_after="1"))
    if name == "retrylong":
        return Step(error=http_error(503, "mock: overloaded", "overloaded"))
    if name == "overflow" and attempt == 0:
        return Step(error=http_error(400, "mock: maximum context length exceeded", "context_length_exceeded"))
    steps = SCENARIOS[name][1]
    return steps[step] if step < len(steps) else Step("Nothing is left to do.")
