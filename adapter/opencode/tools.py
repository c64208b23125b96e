"""What a tool call is about, in one line and a few numbers.

Inputs and metadata by tool: packages/opencode/src/tool/*.ts as bundled in 1.18.33; older names of the same fields: the
corpus. Nothing here trusts a shape: arguments come from a language model.
"""

from __future__ import annotations

from typing import Any

import msgspec

from adapter.events import LABEL_LIMIT
from adapter.opencode.v1.rows import FileChange, Metadata

BUILT_IN = frozenset(
    {
        "bash", "read", "edit", "write", "apply_patch", "glob", "grep", "task", "todowrite", "todoread", "webfetch",
        "websearch", "skill", "question", "plan_exit", "plan_enter", "lsp", "execute", "invalid", "StructuredOutput",
        "list_mcp_resources", "list_mcp_resource_templates", "read_mcp_resource", "list", "codesearch", "batch",
        "multiedit", "patch",
    }
)  # fmt: skip

LABEL_KEYS = {
    "bash": ("command",),
    "read": ("filePath", "path"),
    "edit": ("filePath", "path"),
    "multiedit": ("filePath",),
    "write": ("filePath", "path"),
    "glob": ("pattern",),
    "grep": ("pattern",),
    "list": ("path",),
    "task": ("description", "prompt"),
    "webfetch": ("url",),
    "websearch": ("query",),
    "codesearch": ("query",),
    "skill": ("name", "id"),
    "lsp": ("operation",),
    "execute": ("code",),
    "invalid": ("tool",),
    "read_mcp_resource": ("uri",),
}
GENERIC_KEYS = (
    "command",
    "query",
    "path",
    "filePath",
    "url",
    "name",
    "title",
    "description",
    "pattern",
    "id",
)


def namespace_of(tool: str) -> str:
    """The MCP server of `<server>_<tool>`; "" for built-in tools and names without an underscore.

    Server and tool names may hold underscores themselves, so the split at the first one is the best there is.
    """
    if tool in BUILT_IN or "_" not in tool.strip("_"):
        return ""
    return tool.split("_", 1)[0]


def short(text: str) -> str:
    """At most LABEL_LIMIT characters of a text, verbatim: a label never carries a payload."""
    return text[:LABEL_LIMIT]


def _text(mapping: Any, *keys: str) -> str:
    if not isinstance(mapping, dict):
        return ""
    for key in keys:
        value = mapping.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _list(mapping: Any, key: str) -> list[Any]:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _changes(metadata: Metadata) -> list[FileChange]:
    files = metadata.files if isinstance(metadata.files, list) else []
    return [change for change in (metadata.filediff, *files) if isinstance(change, FileChange)]


def _name(change: FileChange) -> str:
    return next((name for name in (change.relativePath, change.filePath) if isinstance(name, str) and name), "")


def label(tool: str, arguments: Any, metadata: Metadata, title: str) -> str:
    """The call in a few words: the command, the path, the question, ...; "" while nothing is known."""
    if tool == "question":
        questions = _list(arguments, "questions")
        return short(_text(questions[0], "question", "header")) if questions else ""
    if tool in ("apply_patch", "patch"):
        names = map(_name, _changes(metadata))
        return short(", ".join(filter(None, names))) or short(title)
    if tool == "todowrite":
        active = [t for t in _list(arguments, "todos") if isinstance(t, dict) and t.get("status") == "in_progress"]
        return short(_text(active[0], "content")) if active else ""
    found = _text(arguments, *LABEL_KEYS.get(tool, GENERIC_KEYS))
    if not found and isinstance(arguments, dict):
        found = next((v for v in arguments.values() if isinstance(v, str) and v), "")
    if title and tool in ("read", "edit", "write") and not title.startswith("Invalid"):
        # opencode's title of these is the path relative to the worktree, shorter than the argument.
        found = title
    return short(found or title)


def facts(tool: str, arguments: Any, metadata: Metadata) -> dict[str, Any]:
    """Numbers worth a column: `exit`, `additions`, `deletions`, `todos` ([done, total]), `hits`, `truncated`,
    `background`, `interrupted`, `questions`. Only what the row really says."""
    out: dict[str, Any] = {}
    if tool == "bash" and metadata.exit is not msgspec.UNSET:
        out["exit"] = _count(metadata.exit)
    if metadata.truncated is True:
        out["truncated"] = True
    if metadata.background is True:
        out["background"] = True
    if metadata.interrupted is True:
        out["interrupted"] = True
    if metadata.filediff is not None or metadata.files is not None:
        counted = [change for change in _changes(metadata) if _count(change.additions) is not None]
        if counted:
            out["additions"] = sum(_count(change.additions) or 0 for change in counted)
            out["deletions"] = sum(_count(change.deletions) or 0 for change in counted)
    if tool in ("glob", "grep", "list_mcp_resources"):
        for value in (metadata.count, metadata.matches):
            if _count(value) is not None:
                out["hits"] = value
    elif tool == "todowrite":
        todos = [t for t in _list(arguments, "todos") if isinstance(t, dict)]
        done = sum(1 for t in todos if t.get("status") in ("completed", "cancelled"))
        out["todos"] = [done, len(todos)]
    elif tool == "question":
        out["questions"] = len(_list(arguments, "questions"))
    elif tool == "write" and isinstance(arguments, dict) and isinstance(arguments.get("content"), str):
        content = arguments["content"]
        out["additions"] = content.count("\n") + (not content.endswith("\n") and bool(content))
    return out


REJECTIONS = (
    ("The user rejected permission", "PermissionRejected"),
    ("The user dismissed this question", "QuestionDismissed"),
    ("Tool execution aborted", "Aborted"),
    ("Cancelled", "Aborted"),
    ("Task cancelled", "Aborted"),
)


def error_class(message: str) -> str:
    """A name for the error texts that opencode itself writes (1.18.33 processor.ts), else `ToolError`."""
    for start, name in REJECTIONS:
        if message.startswith(start):
            return name
    return "ToolError"
