"""How a call ended, as far as that is more than its status: a command's exit code is part of what happened."""

from __future__ import annotations

from tui.model.records import Op


def exit_code(op: Op) -> int | None:
    """The exit code of a command that has ended, None where there is none."""
    code = op.extras.get("exit")
    return code if isinstance(code, int) and not isinstance(code, bool) and op.status != "running" else None


def went_wrong(op: Op) -> bool:
    """Whether a call failed, or the command that it ran did: opencode calls a call completed whatever the command
    said."""
    # Of nearly every call there is no code to be looked at, and a session has thousands.
    return op.status == "failed" or (op.status == "completed" and bool(op.extras.get("exit")) and bool(exit_code(op)))
