"""One line a session for pipes."""

from __future__ import annotations

import pytest

from tests.tui.model.builders import at, session, store_of
from tui.commands.listing import in_order, listing_text

EVIL = "a\x1b]52;c;AAAA\x07\x9b31m\u202eb\n\u2028c"


@pytest.mark.parametrize("evil", ["session_id", "title", "slug", "agent", "model", "cwd"])
def test_every_column_is_one_harmless_piece_of_the_line(evil: str) -> None:
    fields = {"session_id": "s2", "agent": "build", "model": "m", "cwd": "/p", **{evil: EVIL}}
    store = store_of(session("s1", title="one"), session(ts=2, **fields))  # type: ignore[arg-type]
    lines = list(listing_text(store, in_order(store, set(store.sessions)), at(10)))
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines), lines
    assert "AAAA" not in lines[0]
    assert "ab c" in lines[0]
