"""The texts of a row of `session_message` that a search looks through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapter.opencode.json import Malformed, first
from adapter.opencode.searchable import Searchable, arguments_text, files_of_call, held, lines
from adapter.opencode.v2.rows import (
    Assistant,
    Compaction,
    Failure,
    Idle,
    ReasoningItem,
    Result,
    SessionMessage,
    Shell,
    Skill,
    Synthetic,
    System,
    TextItem,
    ToolItem,
    User,
    Waiting,
    decode_attachment,
    decode_item,
    decode_output,
    decode_tool_metadata,
)


def texts_of_session_message(message: SessionMessage | Malformed, *, files: bool) -> Iterator[Searchable]:
    """The texts of a row; `node` names the piece of an answer as its events do (content.py). With `files` the
    names of files that a call is about are told beside its arguments, which hold most of them."""
    match message:
        case Assistant():
            yield from _answer(message, files)
        case User():
            yield Searchable("prompt", "text", message.text or "")
            yield from _files(message.files or ())
        case Waiting():
            yield Searchable("prompt", "text", lines([message.text, message.description]))
            yield from _files(message.files or ())
        case Synthetic() | System():
            yield Searchable("prompt", "text", lines([message.text, message.description]))
        case Skill():
            yield Searchable("prompt", "text", lines([message.name, message.text]))
        case Shell():
            yield Searchable("input", "command", message.command or "", "shell")
            raw = message.output
            output = held(decode_output(raw).output) if first(raw) == ord("{") else held(raw)
            yield Searchable("output", "output", output, "shell")
        case Compaction():
            yield Searchable("answer", "summary", message.summary or "")
            yield Searchable("error", "error.message", _words(message.error))
        case Idle():
            yield Searchable("error", "error.message", _words(message.error))
        case _:
            return


def _words(error: Failure | str | None) -> str:
    return error if isinstance(error, str) else (error.message or "") if error else ""


def _files(files: Sequence[msgspec.Raw]) -> Iterator[Searchable]:
    for index, raw in enumerate(files):
        file = decode_attachment(raw, index)
        uri = held(file.uri)
        names = lines([file.name, "" if uri.startswith("data:") else uri])
        yield Searchable("file", f"files.{index}.name", names, f"file{index}")


def _answer(message: Assistant, files: bool) -> Iterator[Searchable]:
    for index, raw in enumerate(message.content or ()):
        item = decode_item(raw)
        path = f"content.{index}"
        match item:
            case TextItem():
                yield Searchable("answer", f"{path}.text", item.text or "", f"text{index}")
            case ReasoningItem():
                yield Searchable("reasoning", f"{path}.text", item.text or "", f"reasoning{index}")
            case ToolItem():
                yield from _call(item, path, f"tool{index}", files)
            case _:
                continue
    snapshot = message.snapshot
    yield Searchable("file", "snapshot.files", lines((snapshot.files if snapshot else None) or ()))
    yield Searchable("error", "error.message", _words(message.error))
    yield Searchable("error", "retry.error.message", _words(message.retry.error if message.retry else None))


def _call(item: ToolItem, path: str, node: str, files: bool) -> Iterator[Searchable]:
    yield Searchable("call", f"{path}.name", item.name or "", node)
    state = item.state
    if state is None:
        return
    metadata = decode_tool_metadata(state)
    yield Searchable("input", f"{path}.state.input", arguments_text(state.input), node)
    for index, piece in enumerate(state.content or ()):
        if isinstance(piece, Result):
            yield Searchable("output", f"{path}.state.content.{index}.text", held(piece.text), node)
    if not state.content:
        where = "metadata" if state.metadata else "structured"
        yield Searchable("output", f"{path}.state.{where}.content", held(metadata.content), node)
    yield Searchable("error", f"{path}.state.error", _words(state.error), node)
    if files:
        yield Searchable("file", f"{path}.state.input", files_of_call(state.input, metadata), node)
