"""THE table of tools: what each is called in which version, and what a call of it is about: a line, a few numbers.

Inputs and metadata by tool: packages/opencode/src/tool/*.ts as bundled in 1.18.33, and packages/core/src/tool of 2.x;
older names of the same fields: the corpus. Nothing here trusts a shape: arguments come from a language model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from adapter.events import LABEL_LIMIT
from adapter.opencode.json import NOTHING, Row, text_size

Scalar = str | int | float | bool | None


class FileChange(msgspec.Struct, frozen=True, gc=False):
    """One file of an edit or patch, named by one of three keys; `patch` is a unified diff, the texts before and after
    it are skipped."""

    filePath: Any = None
    relativePath: Any = None
    file: Any = None
    additions: Any = None
    deletions: Any = None
    patch: msgspec.Raw = NOTHING

    @property
    def name(self) -> str:
        """The shortest name it has, "" without one."""
        names = (self.relativePath, self.filePath, self.file)
        return next((name for name in names if isinstance(name, str) and name), "")


class Patch(NamedTuple):
    """A unified diff of one file: its field in the metadata, its bytes, the name of the file."""

    field: str
    size: int
    name: str


_SAVED = re.compile(r"[/\\\\]tool-output[/\\\\](tool_[A-Za-z0-9]{1,64})\Z")
"""How opencode calls a file with a whole output (tool/truncate.ts), on POSIX and on Windows."""
Loose = FileChange | list[Any] | Scalar


class Named(msgspec.Struct, frozen=True, gc=False):
    """A session by either of the keys that name one."""

    sessionId: Any = None
    sessionID: Any = None


class CallMetadata(Row, frozen=True, gc=False):
    """What tools say about a call beside its output. MCP servers and plugins may put anything here, so no field is
    narrower than JSON. `exit` is null when bash was aborted, and unset before it has ended."""

    exit: Any = msgspec.UNSET
    truncated: Any = None
    outputPath: Any = None
    background: Any = None
    interrupted: Any = None
    filediff: Loose = None
    files: list[Loose] | dict[str, Any] | Scalar = None
    count: Any = None
    matches: Any = None
    sessionId: Any = None
    sessionID: Any = None
    metadata: Named | list[Any] | Scalar = None

    @property
    def saved_output(self) -> str:
        """The name of the file in opencode's `tool-output` that holds an output which it cut; "" where it names none.
        Its directory is that of the machine that ran it, and anybody's who can write the row."""
        found = _SAVED.search(self.outputPath) if isinstance(self.outputPath, str) else None
        return found[1] if found else ""

    @property
    def changes(self) -> list[FileChange]:
        """The files that the call changed."""
        files = self.files if isinstance(self.files, list) else []
        return [change for change in (self.filediff, *files) if isinstance(change, FileChange)]

    @property
    def patches(self) -> list[Patch]:
        """The diffs of single files, where there are any."""
        if self.filediff is None and self.files is None:
            return []
        files = self.files if isinstance(self.files, list) else []
        changes = [("filediff", self.filediff), *((f"files.{at}", change) for at, change in enumerate(files))]
        found = [(at, change, text_size(change.patch)) for at, change in changes if isinstance(change, FileChange)]
        return [Patch(f"{at}.patch", size, short(change.name)) for at, change, size in found if size]


Label = Callable[[Any, CallMetadata, str], str]
"""(arguments, metadata, title) -> the call in a few words, "" when they say nothing."""
Facts = Callable[[dict[str, Any], Any, CallMetadata], None]
"""(extras, arguments, metadata): adds numbers that are worth a column."""


GENERIC_KEYS = ("command", "query", "path", "filePath", "url", "name", "title", "description", "pattern", "id")


class Tool(NamedTuple):
    """A tool that opencode brings: its canonical name, which is that of 1.18; what other versions call it; the
    arguments that say what a call is about, the most telling first; or functions for what is less simple.
    `titled`: opencode's own title of the result is a shorter name for it."""

    name: str
    keys: tuple[str, ...] = GENERIC_KEYS
    others: tuple[str, ...] = ()
    label: Label | None = None
    facts: Facts | None = None
    titled: bool = False


SESSION_ID = "ses_"
"""What the id of a session begins with."""


def session_named(metadata: CallMetadata, own: str) -> str:
    """The session that a call names as the one it started, "" for none. Any tool may: plugins start sub-agents as
    opencode's own `task` does, or keep the metadata of a call of theirs in their own. Whether it is a child of the
    session `own` only the session rows know."""
    nested = metadata.metadata
    if metadata.sessionId is metadata.sessionID is nested is None:
        return ""
    inner = (nested.sessionId, nested.sessionID) if isinstance(nested, Named) else ()
    for value in (metadata.sessionId, metadata.sessionID, *inner):
        if isinstance(value, str) and value.startswith(SESSION_ID) and value not in (SESSION_ID, own):
            return value
    return ""


def short(text: str) -> str:
    """At most LABEL_LIMIT characters of a text, verbatim: a label never carries a payload."""
    return text[:LABEL_LIMIT]


def _text(mapping: Any, keys: tuple[str, ...]) -> str:
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


def _todos(arguments: Any) -> list[dict[str, Any]]:
    return [todo for todo in _list(arguments, "todos") if isinstance(todo, dict)]


def _question_label(arguments: Any, metadata: CallMetadata, title: str) -> str:
    questions = _list(arguments, "questions")
    return _text(questions[0], ("question", "header")) if questions else ""


def _question_facts(out: dict[str, Any], arguments: Any, metadata: CallMetadata) -> None:
    out["questions"] = len(_list(arguments, "questions"))


def _patch_label(arguments: Any, metadata: CallMetadata, title: str) -> str:
    return ", ".join(filter(None, (change.name for change in metadata.changes))) or title


def _todo_label(arguments: Any, metadata: CallMetadata, title: str) -> str:
    active = (todo for todo in _todos(arguments) if todo.get("status") == "in_progress")
    return _text(next(active, None), ("content",))


def _todo_facts(out: dict[str, Any], arguments: Any, metadata: CallMetadata) -> None:
    todos = _todos(arguments)
    states = [todo.get("status") for todo in todos]
    out["todos"] = [states.count("completed"), len(todos)]
    if "cancelled" in states:
        out["todos_cancelled"] = states.count("cancelled")


def _exit(out: dict[str, Any], arguments: Any, metadata: CallMetadata) -> None:
    if metadata.exit is not msgspec.UNSET:
        out["exit"] = _count(metadata.exit)


def _hits(out: dict[str, Any], arguments: Any, metadata: CallMetadata) -> None:
    for value in (metadata.count, metadata.matches):
        if _count(value) is not None:
            out["hits"] = value


def _written(out: dict[str, Any], arguments: Any, metadata: CallMetadata) -> None:
    content = arguments.get("content") if isinstance(arguments, dict) else None
    if isinstance(content, str):
        out["additions"] = content.count("\n") + (not content.endswith("\n") and bool(content))


BASH, TASK = "bash", "task"
TABLE = (
    Tool(BASH, ("command",), ("shell",), facts=_exit),
    Tool("read", ("filePath", "path"), titled=True),
    Tool("edit", ("filePath", "path"), titled=True),
    Tool("multiedit", ("filePath",)),
    Tool("write", ("filePath", "path"), facts=_written, titled=True),
    Tool("apply_patch", others=("patch",), label=_patch_label),
    Tool("glob", ("pattern",), facts=_hits),
    Tool("grep", ("pattern",), facts=_hits),
    Tool("list", ("path",)),
    Tool(TASK, ("description", "prompt"), ("subagent",)),
    Tool("todowrite", label=_todo_label, facts=_todo_facts),
    Tool("todoread"),
    Tool("webfetch", ("url",)),
    Tool("websearch", ("query",)),
    Tool("codesearch", ("query",)),
    Tool("skill", ("name", "id")),
    Tool("question", label=_question_label, facts=_question_facts),
    Tool("plan_exit"),
    Tool("plan_enter"),
    Tool("lsp", ("operation",)),
    Tool("execute", ("code",)),
    Tool("batch"),
    Tool("invalid", ("tool",)),
    Tool("StructuredOutput"),
    Tool("list_mcp_resources", facts=_hits),
    Tool("list_mcp_resource_templates"),
    Tool("read_mcp_resource", ("uri",)),
)
BY_NAME = {name: tool for tool in TABLE for name in (tool.name, *tool.others)}
"""The tools that opencode brings, by every name they have; others are a plugin's or of an MCP server."""


@lru_cache(maxsize=1_000)
def tool_of(name: str) -> Tool:
    """The tool of this name in any version; one that opencode does not bring is known by its name alone."""
    return BY_NAME.get(name) or Tool(name)


def namespace_of(name: str, servers: frozenset[str]) -> str:
    """The configured MCP server whose tool this is, as it stands in the name; "" for a tool of opencode or a plugin,
    and where nothing is configured.

    opencode calls a tool `<server>_<tool>`, with `_` for what is not a letter, digit, `_` or `-` (mcp/index.ts). Both
    may hold underscores, so the longest server that fits is the one.
    """
    if name in BY_NAME:
        return ""
    return next((prefix[:-1] for prefix in _prefixes(servers) if name.startswith(prefix) and name != prefix), "")


@lru_cache(maxsize=256)
def _prefixes(servers: frozenset[str]) -> tuple[str, ...]:
    prefixes = {re.sub(r"[^A-Za-z0-9_-]", "_", server) + "_" for server in servers if server}
    return tuple(sorted(prefixes, key=lambda prefix: (-len(prefix), prefix)))


def label(tool: Tool, arguments: Any, metadata: CallMetadata, title: str) -> str:
    """The call in a few words: the command, the path, the question, ...; "" while nothing is known."""
    if tool.label is not None:
        return short(tool.label(arguments, metadata, title))
    if title and tool.titled and not title.startswith("Invalid"):
        # opencode's title of these is the path relative to the worktree, shorter than the argument.
        return short(title)
    found = _text(arguments, tool.keys)
    if not found and isinstance(arguments, dict):
        found = next((v for v in arguments.values() if isinstance(v, str) and v), "")
    return short(found or title)


def about(tool: Tool, arguments: Any, metadata: CallMetadata, title: str, phase: str) -> dict[str, Any]:
    """The extras of a call: `label`, `phase`, and numbers worth a column: `exit`, `additions`, `deletions`, `todos`
    ([done, total]), `todos_cancelled` (of that total), `hits`, `truncated`, `saved_output` (where the whole is, then),
    `background`, `interrupted`, `questions`.
    Only what the row really says."""
    out: dict[str, Any] = {"label": label(tool, arguments, metadata, title), "phase": phase}
    if metadata.truncated is True:
        out["truncated"] = True
        if metadata.saved_output:
            out["saved_output"] = metadata.saved_output
    if metadata.background is True:
        out["background"] = True
    if metadata.interrupted is True:
        out["interrupted"] = True
    if metadata.filediff is not None or metadata.files is not None:
        counted = [change for change in metadata.changes if _count(change.additions) is not None]
        if counted:
            out["additions"] = sum(_count(change.additions) or 0 for change in counted)
            out["deletions"] = sum(_count(change.deletions) or 0 for change in counted)
    if tool.facts is not None:
        tool.facts(out, arguments, metadata)
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
