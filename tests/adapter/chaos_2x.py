"""A writer of 2.x that does anything at any time, seeded; beside 1.x a release also imports sessions and prompts old
ones, and the preview goes on in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.adapter.writer import Writer
from tests.adapter.writer_2x import Writer2x, call, step
from tests.adapter.writer_preview import WriterPreview

KINDS_2X: dict[str, tuple[type[Writer2x], str]] = {
    "2.x": (Writer2x, ""),
    "2.x beside 1.x": (Writer2x, "task"),
    "preview of 2.x": (WriterPreview, ""),
    "preview of 2.x in a file of 1.18": (WriterPreview, "given-task.opened"),
}
"""Who writes, and the dump of 1.18.33 that it found, "" for a new file."""
TYPES = (
    "user", "assistant", "assistant", "assistant", "synthetic", "shell", "compaction", "idle", "system", "skill",
    "agent-switched", "model-switched", "new",
)  # fmt: skip
NOT_IN_THE_PREVIEW = ("idle", "system", "new")
MAX_SESSIONS = 6
MAX_ROWS = 40
MAX_WAITING = 8


class Chaos2x:
    """The writer and its dice, with a clock as that of `chaos.Chaos`."""

    notify = True

    def __init__(self, path: Path, kind: tuple[type[Writer2x], str], seed: int) -> None:
        writer, beside = kind
        self.dice = random.Random(seed)
        self.skew_s = 0.0
        self.done: list[str] = []
        self.opencode = writer(path, beside=beside, ms=0)
        self.released = writer is Writer2x
        old = beside and self.released
        self.old = [name for (name,) in self.opencode.run("SELECT id FROM session")] if old else []
        self.types = TYPES if self.released else tuple(kind for kind in TYPES if kind not in NOT_IN_THE_PREVIEW)
        self.rows: dict[str, str] = dict(self.opencode.kinds)
        self.waiting: dict[str, tuple[str, str]] = {}
        """Of each prompt that waits its session and type."""
        self.last = ""
        """The row that was rewritten last; often it is again, in the same millisecond."""
        self.tick()
        self.opencode.session()

    def clock(self) -> float:
        """Unix seconds."""
        return time.time() + self.skew_s

    def monotonic(self) -> float:
        """The seconds that pauses are counted in; they move forward with the clock."""
        return time.monotonic() + self.skew_s

    def tick(self) -> None:
        """Lets the writer's clock move on."""
        self.opencode.ms = max(int(self.clock() * 1000), (self.opencode.ms or 0) + 1)

    def settle(self) -> None:
        """Lets the time pass after which everything is looked at."""
        self.skew_s += 0.5

    def steps(self, count: int) -> None:
        """Does so many things."""
        for _ in range(count):
            if self.dice.random() < 0.5:
                self.tick()
            choices: dict[Callable[[], object], int] = {
                self.append: 12,
                self.rewrite: 16,
                self.go_back: 2,
                self.new_session: 2,
                self.remove_session: 1,
                self.fork: 1,
                self.change_row: 2,
                self.admit: 3,
                self.promote: 3,
                self.begin: 3,
                self.end: 3,
                self.checkpoint: 2,
                self.restart: 1,
                **({self.bring_over: 1, self.prompt_the_old: 2, self.write_the_old: 4} if self.old else {}),
            }
            what = self.dice.choices(list(choices), list(choices.values()))[0]
            self.done.append(what.__name__)
            what()

    def any_session(self) -> str:
        """A session, rather a new one."""
        return self.dice.choice(self.opencode.sessions) if self.opencode.sessions else self.opencode.session()

    def data(self, kind: str) -> Any:
        """What a row of a type may hold at some time."""
        words = "".join(self.dice.choices("abc", k=self.dice.randrange(4)))
        if kind == "assistant":
            return self.answer(words)
        if self.dice.random() < 0.03:
            return "{broken"
        return {
            "text": words,
            "name": words,
            "command": words,
            "reason": "auto",
            "summary": words,
            "status": self.dice.choice(["running", "completed", "failed", "exited"]),
            "outcome": self.dice.choice(["succeeded", "failed", "interrupted"]),
            "agent": words,
            "model": {"id": words, "providerID": "mock"},
            "files": [{"mime": "image/png", "name": words}] if self.dice.random() < 0.3 else [],
            "time": {"created": 5},
        }

    def answer(self, words: str) -> dict[str, Any]:
        """An answer of a few pieces in any state."""
        pieces = [
            {"type": "text", "text": words},
            {"type": "reasoning", "text": words, "time": {"created": 1}},
            call(self.dice.choice(["streaming", "running", "completed", "error"]), content=[]),
            call(
                self.dice.choice(["running", "completed"]),
                "subagent",
                metadata={"sessionID": self.any_session()} if self.dice.random() < 0.7 else {},
            ),
            {"type": f"new in {words}"},
        ]
        error = {"error": {"type": "provider", "message": words}} if self.dice.random() < 0.2 else {}
        return step(
            *self.dice.choices(pieces, k=self.dice.randrange(5)),
            completed=self.dice.choice([0, 0, 2000]),
            tokens=self.dice.randrange(500),
            **error,
        )

    # -- steps

    def append(self) -> None:
        if len(self.rows) >= MAX_ROWS:
            return self.go_back()
        kind = self.dice.choice(self.types)
        self.rows[self.opencode.add(self.any_session(), kind, self.data(kind))] = kind

    def rewrite(self) -> None:
        if not self.rows:
            return self.append()
        if self.last not in self.rows or self.dice.random() < 0.6:
            self.last = self.dice.choice(list(self.rows)[-4:] if self.dice.random() < 0.6 else list(self.rows))
        self.opencode.rewrite(self.last, self.data(self.rows[self.last]))

    def go_back(self) -> None:
        if self.rows:
            self.opencode.go_back_to(self.dice.choice(list(self.rows)))
            self.forget_what_is_gone()

    def forget_what_is_gone(self) -> None:
        alive = {name for (name,) in self.opencode.run("SELECT id FROM session_message")}
        self.rows = {row: kind for row, kind in self.rows.items() if row in alive}

    def new_session(self) -> None:
        if len(self.opencode.sessions) >= MAX_SESSIONS:
            return self.remove_session()
        parent = self.any_session() if self.dice.random() < 0.5 else None
        self.opencode.session(f"Number {len(self.done)}", parent)

    def remove_session(self) -> None:
        if len(self.opencode.sessions) > 1:
            session = self.any_session()
            self.opencode.remove_session(session)
            self.waiting = {message: what for message, what in self.waiting.items() if what[0] != session}
            self.forget_what_is_gone()

    def fork(self) -> None:
        """Copies with ids and a row of seq of their own."""
        if len(self.opencode.sessions) < MAX_SESSIONS:
            source = self.any_session()
            rows = self.opencode.run(
                f"SELECT type, data FROM session_message WHERE session_id = '{source}' ORDER BY seq"
            )
            copy = self.opencode.session("A session (fork #1)", fork_session_id=source)
            for kind, data in rows[: MAX_ROWS - len(self.rows)]:
                self.rows[self.opencode.add(copy, kind, data)] = kind

    def change_row(self) -> None:
        spent = self.dice.randrange(1000)
        columns: list[dict[str, Any]] = [
            {"title": f"Title {len(self.done)}"},
            {"time_archived": self.opencode.ms},
            # A title was asked for: that is in no step.
            {"tokens_input": spent, "cost": spent / 1e6},
            {"revert": self.dice.choice([None, '{"messageID":"msg_gone","files":[]}'])},
        ]
        if self.released:
            columns.append({"title": None})
        self.opencode.change_session(self.any_session(), **self.dice.choice(columns))

    def admit(self) -> None:
        """A prompt begins to wait; one compaction in a session at most."""
        session, kind = self.any_session(), self.dice.choice(["user", "user", "synthetic", "compaction"])
        if len(self.waiting) < MAX_WAITING and (kind != "compaction" or (session, kind) not in self.waiting.values()):
            delivery = None if kind == "compaction" else self.dice.choice(["steer", "queue"])
            data = {} if kind == "compaction" else {"text": f"Waits since {len(self.done)}"}
            self.waiting[self.opencode.admit(session, data, kind, delivery)] = (session, kind)

    def promote(self) -> None:
        if self.waiting and len(self.rows) < MAX_ROWS:
            message = self.dice.choice(list(self.waiting))
            session, kind = self.waiting.pop(message)
            self.opencode.promote(session, message, self.data(kind), kind)
            self.rows[message] = kind

    def begin(self) -> None:
        self.opencode.begin(self.any_session())

    def end(self) -> None:
        outcome = self.dice.choice(["succeeded", "failed", "interrupted", "shutdown"])
        self.opencode.end(self.any_session(), outcome)
        self.rows |= {row: "idle" for row, kind in self.opencode.kinds.items() if kind == "idle"}
        self.forget_what_is_gone()

    def checkpoint(self) -> None:
        self.opencode.run(f"PRAGMA wal_checkpoint({self.dice.choice(['PASSIVE', 'TRUNCATE'])})")

    def restart(self) -> None:
        end = self.opencode.kill if self.dice.random() < 0.5 else self.opencode.close
        end()
        Writer.__init__(self.opencode, self.opencode.path)

    def bring_over(self) -> None:
        """2.x imports a session of 1.x."""
        session = self.dice.choice(self.old)
        if session not in self.opencode.sessions:
            ((updated,),) = self.opencode.run(f"SELECT time_updated FROM session WHERE id = '{session}'")
            self.opencode.session("Imported", id=session, time_updated=updated)
            self.rows[self.opencode.add(session, "user", self.data("user"))] = "user"

    def prompt_the_old(self) -> None:
        """1.x goes on with a session; if 2.x has it, too, it is that of 1.x from now on."""
        statement = "UPDATE session SET time_updated = max(time_updated + 1, ?) WHERE id = ?"
        self.opencode.commit((statement, [self.opencode.ms, self.dice.choice(self.old)]))

    def write_the_old(self) -> None:
        """1.x rewrites a part; the number of its session moves and the feed says nothing."""
        self.tick()
        session = self.dice.choice(self.old)
        parts = self.opencode.run(f"SELECT id FROM part WHERE session_id = '{session}'")
        data = f'{{"type":"text","text":"{len(self.done)}"}}'
        statement = "UPDATE part SET data = ?, time_updated = ? WHERE id = ?"
        self.opencode.commit(
            (statement, [data, self.opencode.ms, self.dice.choice(parts)[0]]), *self.opencode._move(session, "")
        )
