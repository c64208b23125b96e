"""The texts of a row of `message` or `part` that a search looks through."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.opencode.json import Malformed
from adapter.opencode.searchable import Searchable, arguments_text, files_of_call, held, lines
from adapter.opencode.v1.rows import (
    AssistantMessage,
    FilePart,
    Message,
    Part,
    PatchPart,
    ReasoningPart,
    RetryPart,
    SubtaskPart,
    TextPart,
    ToolPart,
    decode_metadata,
)


def texts_of_message(message: Message | Malformed) -> Iterator[Searchable]:
    """What a message says itself: how it failed."""
    if isinstance(message, AssistantMessage) and message.error is not None:
        yield Searchable("error", "error.data.message", message.error.message)


def texts_of_part(part: Part | Malformed, *, of_user: bool, files: bool) -> Iterator[Searchable]:
    """The texts of a part; one of a user's message is a prompt. With `files` the names of files that a
    call is about are told beside its arguments, which hold most of them."""
    match part:
        case TextPart():
            yield Searchable("prompt" if of_user else "answer", "text", part.text or "")
        case ReasoningPart():
            yield Searchable("reasoning", "text", part.text or "")
        case ToolPart():
            yield from _texts_of_call(part, files)
        case PatchPart():
            yield Searchable("file", "files", lines(part.files or ()))
        case FilePart():
            # The url of a pasted picture is the picture.
            url = part.url or ""
            yield Searchable("file", "filename", lines([part.filename, "" if url.startswith("data:") else url]))
        case SubtaskPart():
            yield Searchable("prompt", "prompt", part.prompt or "")
            yield Searchable("call", "description", lines([part.command, part.description]))
        case RetryPart():
            yield Searchable("error", "error.data.message", part.error.message if part.error else "")
        case _:
            return


def _texts_of_call(part: ToolPart, files: bool) -> Iterator[Searchable]:
    state = part.state
    if state is None:
        yield Searchable("call", "tool", part.tool or "")
        return
    metadata = decode_metadata(state.metadata)
    yield Searchable("call", "state.title", " ".join(filter(None, (part.tool, state.title))))
    yield Searchable("input", "state.input", arguments_text(state.input))
    if state.output:
        yield Searchable("output", "state.output", state.output)
    else:
        # What a process has printed so far.
        yield Searchable("output", "state.metadata.output", held(metadata.output))
    yield Searchable("error", "state.error", state.error or "")
    if files:
        yield Searchable("file", "state.input", files_of_call(state.input, metadata))
