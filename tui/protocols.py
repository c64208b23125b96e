"""What feed and screen need of each other; tests bring their own. What a source is says `adapter.contract`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from adapter.contract import SearchPage, Spending
from adapter.health import Health
from tui.model.records import ChangeSet
from tui.render.cards import payload as payloads

PayloadDone = Callable[[payloads.Shown | None, str], None]
"""Gets the document, or None and the reason why there is none."""

PageFound = Callable[[str, SearchPage], None]
"""Gets the source and what was found in a piece of its sessions."""
SearchEnded = Callable[[str], None]
"""Gets why a search ended before its end, "" when everything was looked through."""
SpansDone = Callable[[Mapping[str, tuple[int, int]], str], None]
"""Gets the first and the last moment (µs UTC) by session, and the reason why there are none."""
SpendingDone = Callable[[Sequence[Spending] | None, str], None]
"""Gets what was read, or None and the reason why nothing was."""
GiveUp = Callable[[], None]


class Listener(Protocol):
    """Who is told, always on the UI loop."""

    def changed(self, changes: ChangeSet) -> bool:
        """The model changed; returns whether that led to something being drawn."""

    def health_changed(self, healths: dict[str, Health]) -> None:
        """The latest health of each source, after a batch or a probe."""

    def problem(self, text: str) -> None:
        """Something that a person should know; an empty text takes it back."""

    def fault(self, stage: str, error: Exception, sources: Collection[str] | None) -> None:
        """An error of our own at a stage of the way, in what these sources have brought, None for any of them. What
        they bring is dropped until they have been loaded anew."""

    def trouble(self, stage: str, error: BaseException) -> None:
        """An error of our own that costs what was asked for, or that its source comes back from by itself."""

    def loading_anew(self, source: str) -> None:
        """The model knows nothing of a source any more, and what comes from here on is all of it."""

    def after_paint(self, callback: Callable[[], None]) -> None:
        """Calls back when what has just been drawn is on its way to the terminal."""


class Requests(Protocol):
    """What the screen may ask for, on the UI loop; `Feed` in `tui/feed/worker.py` answers. Each is a call and none a
    message, so that nothing can be asked of nobody. What cannot be done is told to the listener as a problem."""

    @property
    def names(self) -> list[str]:
        """The sources that are followed, or will be."""

    def load(self, source: str, session_id: str) -> None:
        """The whole tree of a session; it arrives as changes."""

    def release(self, source: str, session_id: str) -> None:
        """All of a session but its row is not needed any more; that it is gone arrives as changes."""

    def payload(self, source: str, uri: str, look: str, done: PayloadDone, more: Sequence[str] = ()) -> None:
        """One text, ready to be drawn in a look; `done` is always called, with it or with the reason. What is behind
        the references in `more` goes on in it."""

    def beginning(self, source: str, uri: str, look: str, done: PayloadDone) -> None:
        """What a large text begins with, for a first look before all of it is read; `done` is always called, with
        nothing where that is not had soon."""

    def probe(self) -> None:
        """Fresh counts of every source; they arrive as healths."""

    def processes(self, sources: Collection[str]) -> None:
        """From now on the processes of these sources are looked at, and of no others; what is seen arrives as
        healths."""

    def look(self, source: str, done: Callable[[], None]) -> None:
        """The processes of a source as they are now; `done` is always called, behind what was seen."""

    def search(
        self,
        pattern: str,
        only: Mapping[str, Collection[str]],
        kinds: Collection[str],
        found: PageFound,
        ended: SearchEnded,
    ) -> Callable[[], None]:
        """Looks through the texts of sessions, by their sources; `found` is called with each piece and `ended` at last.
        What it returns stops the search at once: nothing of it comes after that."""

    def spans(self, source: str, done: SpansDone) -> None:
        """When the messages of each session of a source began; `done` is always called."""

    def spending(self, source: str, session_ids: Sequence[str], done: SpendingDone) -> GiveUp:
        """What sessions cost step by step; `done` is called with it or with the reason, unless it is given up, which
        stops the reading at once."""
