"""What prompts and steps are called: in 2.x a summary, a command of the user's and a notice are rows like any other."""

from __future__ import annotations

from tui.model.records import Op, Prompt, Turn


def step_name(turn: Turn) -> str:
    """`step 3`, or what else a row of 2.x is."""
    if "compaction" in turn.extras:
        return f"compaction {turn.extras['compaction']}".rstrip()
    if turn.extras.get("by_user"):
        return "command"
    return f"step {turn.seq}"


_DELIVERIES = {"steer": "waits for the next step", "queue": "waits for the end of the turn"}
_SOURCES = {"shell": "command", "subagent": "sub-agent"}


def prompt_name(prompt: Prompt) -> str:
    """`prompt`; for what it waits; or what opencode told the model itself: `notice`, `command completed`, `sub-agent
    failed`."""
    if prompt.waits:
        return _DELIVERIES.get(str(prompt.extras.get("delivery")), "waits")
    if "notice" not in prompt.extras:
        return "prompt"
    source = str(prompt.extras["notice"])
    if not source:
        return "notice"
    return f"{_SOURCES.get(source, source)} {prompt.extras.get('notice_state') or 'notice'}"


def call_note(op: Op) -> str:
    """What is to be said of a call beside its subject: that it went on in the background when it had ended (2.x)."""
    of_2x = "told_as" in op.extras or "child_agent" in op.extras
    return "in the background" if of_2x and op.extras.get("background") else ""


def prompt_words(prompt: Prompt) -> str:
    """The first words of a prompt, or what it is when it has none."""
    if prompt.label:
        return prompt.label
    return "(compaction)" if prompt.extras.get("compaction") else "(no text)"
