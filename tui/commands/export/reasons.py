"""Why a session is in its state, for a document: with moments in the place of ages, because it is read later than it
was made."""

from __future__ import annotations

from tui.model.status.at_work import State
from tui.text.moments import age, ago, utc


def dated(now: State, now_us: int) -> str:
    """The reason of a state as of `now_us`; how long ago it began, or for how long it has lasted, becomes when."""
    if not 0 < now.since <= now_us:
        return now.reason
    began, reason = utc(now.since), now.reason
    for passed in (age(now_us - now.since), ago(now_us - now.since)):
        reason = reason.replace(f"{passed} ago", f"at {began}").replace(f"for {passed}", f"since {began}")
    return reason
