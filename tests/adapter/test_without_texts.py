"""Sessions read without references to texts, as `tree` reads them: everything else is told as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.events import Event, PayloadRef, SessionStarted, TurnFinalized
from adapter.local import OpencodeSource
from adapter.pace import at_once
from tests.adapter import corpus
from tui.model.store.store import Store


async def _both(path: Path) -> list[tuple[list[Event], list[Event]]]:
    async with OpencodeSource(path, clock=lambda: corpus.NOW, inline=True) as source:
        ids = [row.session_id for row in await source.catalogue() if isinstance(row, SessionStarted)]
        return [(await source.load(name), await source.load(name, texts=False)) for name in ids]


def both(name: str, directory: Path) -> list[tuple[list[Event], list[Event]]]:
    """Each session of a dump, with and without texts."""
    return at_once(_both(corpus.build(name, directory / "opencode.db")))


def newest(events: list[Event]) -> list[int]:
    """The newest time that is known of each session."""
    store = Store()
    store.apply(events)
    return [session.last_ts for session in store.sessions.values()]


@pytest.mark.parametrize("name", [*corpus.NAMES, *corpus.NAMES_2X])
def test_without_texts_only_references_of_answers_that_have_ended_are_missing(name: str, tmp_path: Path) -> None:
    for whole, without in both(name, tmp_path):
        left = iter(without)
        kept = next(left, None)
        ended = {event.message_id for event in whole if isinstance(event, TurnFinalized)}
        for event in whole:
            if event == kept:
                kept = next(left, None)
                continue
            assert isinstance(event, PayloadRef)
            assert event.message_id in ended
            assert event.payload_kind != "user_prompt"
        assert kept is None
        assert newest(without) == newest(whole)


def test_without_texts_a_third_of_the_events_is_spared(tmp_path: Path) -> None:
    ((whole, without),) = both("1.18.33/tools", tmp_path)
    references = sum(isinstance(event, PayloadRef) for event in whole)
    assert references > len(whole) / 4
    assert [event.payload_kind for event in without if isinstance(event, PayloadRef)] == ["user_prompt"]
