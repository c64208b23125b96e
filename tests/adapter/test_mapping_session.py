"""Session rows: kinds, roots, and how a session stands."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.events import SessionFinalized, SessionStarted
from adapter.opencode.rows import session_row
from adapter.opencode.schema import SESSION_COLUMNS
from adapter.opencode.sessions import MAX_DEPTH, LastAnswer, map_session, root_of
from tests.adapter.rows import SOURCE


def events(last: LastAnswer | None = None, **columns: Any) -> list[Any]:
    row = {"id": "ses_1", "title": "A session", "time_created": 1, "time_updated": 2, **columns}
    return map_session(SOURCE, session_row(tuple(row.get(name) for name in SESSION_COLUMNS)), "ses_0", last)


def started(**columns: Any) -> SessionStarted:
    found = events(**columns)[0]
    assert isinstance(found, SessionStarted)
    return found


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({}, "root"),
        ({"parent_id": "ses_0"}, "sub_agent"),
        ({"parent_id": ""}, "root"),
        ({"title": "Fix it (fork #2)"}, "fork"),
        ({"title": "Fix it (fork #2)", "agent": "build", "model": '{"id":"m"}'}, "fork"),
        ({"title": "(fork #2) of it"}, "root"),
        ({"title": "Fix (fork #1)", "parent_id": "ses_0"}, "sub_agent"),
    ],
)
def test_a_session_is_a_root_a_sub_agent_or_certainly_a_fork(columns: dict[str, Any], kind: str) -> None:
    assert started(**columns).session_kind == kind


@pytest.mark.parametrize(
    ("columns", "agent"),
    [
        ({"agent": "plan"}, "plan"),
        ({"title": "Look (@explore subagent)", "parent_id": "ses_0"}, "explore"),
        ({"title": "Look (@explore subagent)"}, ""),
        ({"title": "Look (@explore subagent)", "parent_id": "ses_0", "agent": "general"}, "general"),
    ],
)
def test_the_agent_is_the_columns_or_before_1_14_the_titles(columns: dict[str, Any], agent: str) -> None:
    assert started(**columns).agent == agent


def test_the_model_is_taken_apart() -> None:
    found = started(model='{"id":"claude-x","providerID":"anthropic"}')
    assert (found.model, found.provider_alias, found.provider) == ("claude-x", "anthropic", "anthropic")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"id":7}', '{"id":null}'])
def test_a_broken_model_is_none(text: str) -> None:
    assert started(model=text).model == ""


def test_times_are_in_microseconds() -> None:
    found = started(time_created=1_700_000_000_123, time_updated=1_700_000_000_456, time_archived=1_700_000_000_789)
    assert found.ts == 1_700_000_000_123_000
    assert found.extras["time_updated"] == 1_700_000_000_456_000
    assert found.extras["archived_ts"] == 1_700_000_000_789_000


@pytest.mark.parametrize(
    ("revert", "target"),
    [
        ('{"messageID":"msg_1","snapshot":"x"}', "msg_1"),
        ("{", None),
        ("[]", None),
        ('{"messageID":7}', None),
        ("", None),
    ],
)
def test_a_pending_revert_names_its_message(revert: str, target: str | None) -> None:
    assert started(revert=revert).extras.get("revert_message_id") == target


# -- how it stands

FAILED = LastAnswer("APIError", "no", 7)
CLEAN = LastAnswer("", "", 8)


def test_a_running_session_has_no_final() -> None:
    assert [type(event) for event in events()] == [SessionStarted]
    assert [type(event) for event in events(CLEAN)] == [SessionStarted]


def test_an_archived_session_is_completed() -> None:
    final = events(time_archived=9)[1]
    assert (final.status, final.end_ts) == ("completed", 9000)


def test_a_session_fails_with_its_last_answer_and_a_clean_one_takes_that_back() -> None:
    final = events(FAILED)[1]
    assert (final.status, final.error_class, final.error_message, final.end_ts) == ("failed", "APIError", "no", 7000)
    assert not [event for event in events(CLEAN) if isinstance(event, SessionFinalized)]


def test_an_archived_session_that_failed_is_archived() -> None:
    assert events(FAILED, time_archived=9)[1].status == "completed"


def test_a_failure_without_a_time_ends_when_the_row_was_touched() -> None:
    assert events(LastAnswer("APIError", "no", 0))[1].end_ts == 2000


def test_the_end_of_the_newest_answer_is_told_where_it_is_known() -> None:
    assert events(CLEAN)[0].extras["ended_ts"] == 8000
    assert events(FAILED, time_archived=9)[0].extras["ended_ts"] == 7000
    for unknown in (None, LastAnswer(), LastAnswer("APIError", "no", 0)):
        assert "ended_ts" not in events(unknown)[0].extras


@pytest.mark.parametrize(
    ("columns", "apart"),
    [
        ({"version": "1.18.33"}, False),
        ({"version": "1.18.33", "storage": "both"}, False),
        ({}, False),
        ({"version": "1.18.33", "storage": "v2"}, True),
        ({"version": "0.0.0-next-16350", "storage": "both"}, False),
        ({"version": "0.0.0-next-16350", "storage": "preview"}, True),
        ({"version": "1.18.33", "storage": "preview"}, True),
    ],
)
def test_of_2x_it_is_told_that_the_columns_are_no_sum_of_the_steps(columns: dict[str, Any], apart: bool) -> None:
    assert started(**columns).extras.get("sums_apart", False) is apart


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"version": "2.0.26", "storage": "v2"}, True),
        ({"version": "0.0.0-next-16350", "storage": "preview"}, True),
        ({"version": "1.18.33", "storage": "preview"}, False),
        ({"version": "1.18.33", "storage": "both"}, False),
    ],
)
def test_nothing_is_a_sum_in_2x_and_unknown_before(columns: dict[str, Any], told: bool) -> None:
    zeros = dict.fromkeys(("cost", "tokens_input", "tokens_output"), 0)
    assert ("usage" in started(**columns, **zeros).extras) is told


# -- roots


@pytest.mark.parametrize(
    ("parents", "root"),
    [
        ({"a": None}, "a"),
        ({"a": "b", "b": "c", "c": None}, "c"),
        ({"a": "gone"}, "a"),
        ({"a": "b", "b": "gone"}, "b"),
        ({"a": "a"}, "a"),
        ({"a": "b", "b": "c", "c": "b"}, "c"),
        ({"a": ""}, "a"),
        ({}, "a"),
    ],
)
def test_the_root_is_the_top_of_what_is_there(parents: dict[str, str | None], root: str) -> None:
    assert root_of("a", parents) == root


def test_every_member_of_a_cycle_has_a_root() -> None:
    parents = {"a": "b", "b": "c", "c": "a"}
    assert {root_of(name, parents) for name in parents} <= set(parents)


def test_a_chain_without_end_ends() -> None:
    parents: dict[str, str | None] = {str(n): str(n + 1) for n in range(10_000)}
    assert int(root_of("0", parents)) == MAX_DEPTH
