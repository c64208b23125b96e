"""The command that leads to the far end: all that it said is there when it has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from adapter.remote import child as module
from adapter.remote.child import start


async def test_what_a_command_says_at_its_very_end_is_heard() -> None:
    for number in range(30):
        child = await start(["sh", "-c", f"echo 'no such container {number}' >&2; exit 3"])
        assert await child.readline() == b""
        assert (await child.status(), child.said) == (3, f"no such container {number}\n")
        await child.end()


async def test_one_that_has_left_something_behind_is_waited_for_no_longer() -> None:
    began = time.monotonic()
    child = await start(["sh", "-c", "sleep 600 >/dev/null & echo $!; echo said >&2"])
    left = int(await child.readline())
    try:
        assert (await child.status(), child.said) == (0, "said\n")
        await child.end()
        assert time.monotonic() - began < 2 * module.END_S
    finally:
        os.kill(left, signal.SIGKILL)
    assert len(asyncio.all_tasks()) == 1
