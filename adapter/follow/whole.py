"""A whole session as events, told once and not remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.events import Event, Usage
from adapter.follow.tracked import last_answer, map_rows
from adapter.opencode.rows import SessionRow
from adapter.opencode.sessions import LastAnswer, map_session, surplus
from adapter.opencode.storage import RawSession, decode_rows


class WholeSession:
    """Maps a session with its `row`, of which `raw` was read. `servers` are the MCP servers of its directory, `texts`
    is as for TurnFacts."""

    def __init__(
        self, source: str, row: SessionRow, raw: RawSession, servers: frozenset[str], texts: bool = True
    ) -> None:
        self._source = source
        self._row = row
        self._raw = raw
        self._servers = servers
        self._texts = texts
        self._answers: list[tuple[str, LastAnswer | None]] = []
        self._usages: list[Usage | None] = []

    def turns(self) -> Iterator[list[Event]]:
        """The events of its messages, one message after the other. What else there is to say is known behind them."""
        for _, _, mapped in map_rows(self._source, decode_rows(self._raw), self._servers, self._texts):
            self._answers.append((mapped.role, mapped.last))
            self._usages.append(mapped.usage)
            yield [event for group in mapped.groups.values() for event in group]

    def own(self, root_id: str) -> list[Event]:
        """The events of its row."""
        return map_session(self._source, self._row, root_id, last_answer(reversed(self._answers)))

    @property
    def surplus(self) -> int:
        """Tokens that its columns count more than its messages (sessions.surplus)."""
        return surplus(self._row, self._usages)
