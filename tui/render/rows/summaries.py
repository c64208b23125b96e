"""What a tool call, a step or a prompt is, in one line: the words a person would look for.

The facts come from the adapter in `op.extras` (`label`, `title`, `exit`, `additions`, `deletions`, `todos`, `hits`),
already sanitised by the store; nothing here reads a payload.
"""

from __future__ import annotations

from tui.model.records import Op, Turn
from tui.model.status.outcome import exit_code
from tui.model.tree.names import call_note
from tui.render import numbers
from tui.render.glyphs import GLYPHS
from tui.render.lines import Span

_PATTERN_TOOLS = frozenset({"grep", "glob", "list"})


def op_summary(op: Op, thought: str = "") -> list[Span]:
    """Name and subject of an op: `bash  npm test`, `edit  src/retry.ts`, `todowrite  3/5 done`. The words of a thought
    may be those of several parts."""
    if op.kind == "text":
        return [(f"{GLYPHS.text} ", "dim"), (op.label or "writing", "dim")]
    if op.kind == "reasoning":
        return [(f"{GLYPHS.reasoning} ", "dim"), (thought or op.label or "thinking", "dim")]
    if op.kind == "compaction":
        return [(f"{GLYPHS.compaction} ", "dim"), (op.label or "context compacted", "dim")]
    name = f"{op.namespace}: {op.name}" if op.namespace else op.name or op.kind
    spans: list[Span] = [(name, "strong")]
    subject = subject_of(op)
    if subject:
        spans += [("  ", "text"), (subject, "text")]
    return spans


def subject_of(op: Op) -> str:
    """What the call is about: what the model said that its command is for, its label, else opencode's own title of the
    result."""
    if op.tool in ("todowrite", "todoread"):
        # The label is the item that is being worked on; opencode's title only counts what is left.
        return "  ".join(part for part in (todo_progress(op), op.label) if part) or op.title
    if described(op):
        return op.title
    return op.label or op.title


def todo_progress(op: Op) -> str:
    """`3/5 done`, `3/5 done, 1 cancelled` of a todo list, or nothing when the call does not say."""
    todos = op.extras.get("todos")
    if isinstance(todos, list | tuple) and len(todos) == 2 and todos[1]:
        cancelled = op.extras.get("todos_cancelled")
        given_up = f", {cancelled} cancelled" if isinstance(cancelled, int) and cancelled else ""
        return f"{todos[0]}/{todos[1]} done{given_up}"
    return ""


def tail(op: Op) -> list[Span]:
    """The result in a few characters after the subject: lines added and removed, hits, a bad exit code."""
    spans: list[Span] = []
    # A call that goes on may still be refused.
    written = op.status != "running"
    added, removed = (op.extras.get("additions"), op.extras.get("deletions")) if written else (None, None)
    if isinstance(added, int) and (added or removed):
        spans.append((f"  +{added}", "added"))
    if isinstance(removed, int) and (added or removed):
        # A file that was written whole does not say what it replaced.
        spans.append((f" -{removed}", "removed"))
    hits = op.extras.get("hits")
    if isinstance(hits, int) and op.tool in _PATTERN_TOOLS:
        spans.append((f"  {hits} hit" + ("" if hits == 1 else "s"), "dim"))
    if code := exit_code(op):
        spans.append((f"  exit {code}", "bad"))
    if note := call_note(op):
        spans.append((f"  {note}", "dim"))
    unread = op.extras.get("unread_bytes")
    if isinstance(unread, int) and op.status == "running":
        result = f"result of {numbers.size(unread)}" if unread else "result too large"
        spans.append((f"  {result}, not read", "dim"))
    return spans


def rest(op: Op) -> list[Span]:
    """What comes behind that and may be cut: the error, and the command of a call that is described in words."""
    spans: list[Span] = []
    if op.error_message or op.error_class:
        spans.append((f"  {error_of(op)}", "bad"))
    if described(op):
        spans.append((f"  {op.label}", "dim"))
    return spans


def described(op: Op) -> bool:
    """Whether the model said in words what a command is for: opencode takes that for its title."""
    return op.tool == "bash" and bool(op.label) and bool(op.title) and op.title != op.label


def error_of(node: Op | Turn) -> str:
    """The error in one line: its class only where the message does not say it already."""
    if not node.error_message:
        return node.error_class
    if not node.error_class or node.error_class in node.error_message:
        return node.error_message
    return f"{node.error_class}: {node.error_message}"


def turn_words(turn: Turn) -> str:
    """The first words of a step: its answer, else its thought."""
    for kind in ("text", "reasoning"):
        for op in turn.ops.values():
            if op.kind == kind and op.label:
                return op.label
    return ""
