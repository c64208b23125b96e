"""The texts of a document, read from the database one at a time, and what is left of them when they are redacted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from adapter.contract import PayloadError, PayloadText
from tui.model.records import Payload, Session
from tui.model.tree.thoughts import joined
from tui.text import sanitize

REDACTED = "(redacted)"
"""Stands for every piece of free text in a redacted document."""
UNLIMITED = 1 << 62


class Text(msgspec.Struct, frozen=True):
    """A payload in a document: `size` in bytes of the whole, -1 unknown; `text` None when it was redacted or cannot be
    read; `note` says in words whatever is missing."""

    kind: str
    format: str
    uri: str
    size: int
    text: str | None
    truncated: bool = False
    note: str = ""


class Texts:
    """Reads payloads with `fetch(uri, limit in bytes)`; what of one is beyond `limit` bytes is cut with a note, unless
    that is 0. With `redact` nothing is read at all. `titles` are those of the sessions as they came, by id: the model
    has them as a screen needs them."""

    def __init__(
        self,
        fetch: Callable[[str, int], Awaitable[PayloadText]],
        limit: int,
        *,
        redact: bool,
        titles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._fetch = fetch
        self._limit = limit
        self._titles = titles
        self.redact = redact

    def title(self, session: Session) -> str:
        """The title of a session in one line."""
        words = " ".join(sanitize.outside(self._titles.get(session.id, "")).split())
        return self.free(words if 0 < len(words) <= sanitize.LABEL_LIMIT else session.title)

    def free(self, text: str) -> str:
        """A piece of free text from the model: a title, a label, a directory, an error message."""
        return REDACTED if text and self.redact else text

    async def read_all(self, payloads: Sequence[Payload]) -> Text:
        """What is behind several references as one text. Raises SourceUnavailable."""
        found = [await self.read(payload) for payload in payloads]
        if len(found) == 1:
            return found[0]
        there = [text.text for text in found if text.text is not None]
        sizes = [text.size for text in found]
        return msgspec.structs.replace(
            found[0],
            size=-1 if min(sizes) < 0 else sum(sizes),
            text=joined(there) if there else None,
            truncated=any(text.truncated for text in found),
            note=next((text.note for text in found if text.note), ""),
        )

    async def read(self, payload: Payload) -> Text:
        """A payload as it stands in the database, or why it does not stand here. Raises SourceUnavailable."""
        known = Text(payload.kind, payload.format, payload.uri, payload.size, None)
        if self.redact:
            return msgspec.structs.replace(known, note="redacted")
        try:
            found = await self._fetch(payload.uri, self._limit or UNLIMITED)
        except PayloadError as error:
            return msgspec.structs.replace(known, note=f"not readable: {error}")
        note = f"cut: {len(found.text.encode()):,} of {found.size:,} bytes, see --max-text" if found.truncated else ""
        return msgspec.structs.replace(known, size=found.size, text=found.text, truncated=found.truncated, note=note)
