"""A call may name any session: only one that is there, and a child of the call's session, hangs under it."""

from __future__ import annotations

import pytest

from tests.tui.model.builders import SOURCE, op, session, turn
from tui.model.records import Key, Op, Session
from tui.model.status.at_work import running_tool
from tui.model.status.state import op_state
from tui.model.store.store import Store
from tui.model.tree.folds import Folds
from tui.model.tree.layout import called, lay_out
from tui.render.cards import detail
from tui.render.lines import plain

NOW = 3_600_000_000


def store_with(named: str, tool: str = "call_omo_agent", *others: object) -> tuple[Store, Session, Op]:
    """A session `ses_a` with one running call of a plugin that names a session."""
    store = Store()
    store.apply([session("ses_a"), *others])  # type: ignore[list-item]
    shared = {"session_id": "ses_a", "child": named, "name": tool, "label": "look around"}
    store.apply([turn("msg_1", session_id="ses_a"), op("prt_1", "msg_1", "session", 1, **shared)])  # type: ignore[arg-type]
    store.apply([op("prt_1", "msg_1", "tool", 2, **shared)])  # type: ignore[arg-type]
    top = store.sessions[SOURCE, "ses_a"]
    return store, top, top.turns["msg_1"].ops["prt_1:tool"]


def test_a_child_hangs_under_the_call_of_any_tool() -> None:
    store, top, call = store_with("ses_b", "call_omo_agent", session("ses_b", parent_id="ses_a", title="B"))
    child = called(store, top, call)
    assert child is not None
    assert child.id == "ses_b"


@pytest.mark.parametrize(
    "others",
    [
        (),
        (session("ses_b", title="a stranger"),),
        (session("ses_c"), session("ses_b", parent_id="ses_c", title="another one's child")),
    ],
)
def test_a_session_that_is_not_there_or_is_no_child_hangs_nowhere(others: tuple[object, ...]) -> None:
    store, top, call = store_with("ses_b", "call_omo_agent", *others)
    assert called(store, top, call) is None
    rows = lay_out(store, top, Folds(), {(SOURCE, "ses_a")}).rows
    assert [row.key.id for row in rows] == ["ses_a", "msg_1", "prt_1:tool"]
    words = [plain(line) for line in detail.overview(store, Key(SOURCE, "op", "ses_a", "prt_1:tool"), NOW)]
    assert not [line for line in words if "sub-agent" in line]


def test_a_task_whose_session_is_not_there_says_so() -> None:
    store, _, _ = store_with("ses_b", "task")
    words = [plain(line) for line in detail.overview(store, Key(SOURCE, "op", "ses_a", "prt_1:tool"), NOW)]
    assert [line for line in words if "ses_b is not in the database" in line]


def test_a_name_that_is_no_child_does_not_hide_that_a_call_waits_for_permission() -> None:
    store, top, call = store_with("ses_b", "edit")
    assert running_tool(store, top, call, NOW).name == op_state(store, top, call, NOW).name
    assert "has not begun" in running_tool(store, top, call, NOW).reason
