"""A writer that does anything at any time, seeded: every version of 1.x here, 2.x in `chaos_2x.py`."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.adapter.opencode_writer import OpencodeWriter, answer, tool
from tests.adapter.writer import Writer

MAX_SESSIONS = 5
PART_KINDS = 11
PROMPT_KINDS = (0, 7, 8, 9, 10)
"""Those of a user's message: text, file, compaction, unknown, broken."""
MAX_MESSAGES = 30


class Kind(msgspec.Struct, frozen=True):
    """A way to write. `pruned`: the feed is cut now and then, `silent`: and switched off, so that only the regular
    comparison of everything finds out. `wrap`: ids pass their wrap in the middle. `notify`: the system tells of
    writes."""

    version: str = "1.18.33"
    events: bool = True
    pruned: bool = False
    silent: bool = False
    wrap: bool = False
    notify: bool = True


KINDS = {
    "1.18": Kind(),
    "1.18 across the wrap of ids": Kind(wrap=True),
    "1.18 without notifications": Kind(notify=False),
    "1.18 with a feed that is cut": Kind(pruned=True),
    "1.18 with a feed that is cut and silent": Kind(pruned=True, silent=True),
    "1.15": Kind("1.15.13", events=False),
    "1.15 without notifications": Kind("1.15.13", events=False, notify=False),
    "1.2 across the wrap of ids": Kind("1.2.1", events=False, wrap=True),
}


class Chaos:
    """The writer and its dice. Its clock is the wall clock, moved forward where a test would have to wait, and stands
    still half of the time, so that many rows are written in one millisecond."""

    def __init__(self, path: Path, kind: Kind, seed: int) -> None:
        self.kind = kind
        self.dice = random.Random(seed)
        self.skew_s = 0.0
        self.done: list[str] = []
        self.kinds: dict[str, int] = {}
        self.answers: set[str] = set()
        self.todos = itertools.count()
        self.opencode = OpencodeWriter(path, kind.version, events=kind.events, ms=0)
        if kind.wrap:
            self.opencode.id_shift_ms = 2**36 - time.time_ns() // 1_000_000 % 2**36 - 100
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

    @property
    def notify(self) -> bool:
        """Whether the system tells of writes."""
        return self.kind.notify

    def settle(self) -> None:
        """Lets the time pass after which everything is looked at; what no feed tells is looked for after a while of
        activity."""
        # A row that was rewritten within its millisecond leaves no trace where no feed tells of it: it is found by the
        # comparison of all content.
        unfed = self.kind.silent or not self.kind.events
        self.skew_s += 61.0 if unfed else 0.5
        if unfed:
            self.unrelated()

    def steps(self, count: int) -> None:
        """Does so many things."""
        for _ in range(count):
            self.step()

    def step(self) -> None:
        """Does one thing."""
        if self.dice.random() < 0.5:
            self.tick()
        choices: dict[Callable[[], object], int] = {
            self.insert_part: 12,
            self.rewrite_part: 14,
            self.begin_answer: 4,
            self.rewrite_message: 6,
            self.prompt: 3,
            self.burst: 2,
            self.remove_part: 2,
            self.remove_message: 2,
            self.new_session: 2,
            self.remove_session: 1,
            self.fork: 1,
            self.revert_and_prompt: 1,
            self.change_row: 2,
            self.change_type: 1,
            self.change_role: 1,
            self.unrelated: 1,
            self.checkpoint: 2,
            self.restart: 1,
            **({self.prune: 2} if self.kind.pruned else {}),
            **({self.silence: 2} if self.kind.silent else {}),
        }
        what = self.dice.choices(list(choices), list(choices.values()))[0]
        self.done.append(what.__name__)
        what()

    # -- pieces of steps

    def any_message(self) -> str:
        """A message, rather a new one."""
        if not self.opencode.messages:
            self.begin_answer()
        messages = list(self.opencode.messages)
        return self.dice.choice(messages[-3:] if self.dice.random() < 0.6 else messages)

    def any_session(self) -> str:
        """A session, rather a new one."""
        if not self.opencode.sessions:
            return self.opencode.session()
        return self.dice.choice(self.opencode.sessions)

    def any_part(self, kind: int) -> object:
        """What a part of a kind may hold at some time."""
        text = "".join(self.dice.choices("abc", k=self.dice.randrange(4)))
        end = {"end": 2} if text else {}
        status = self.dice.choice(["pending", "running", "completed", "error"])
        child = {"metadata": {"sessionId": self.any_session()}} if self.dice.random() < 0.7 else {}
        return [
            {"type": "text", "text": text, "time": {"start": 1, **end}},
            {"type": "reasoning", "text": text, "time": {"start": 1, **end}},
            {"type": "step-start"},
            {"type": "step-finish", "reason": "stop", "tokens": {"input": self.dice.randrange(1000)}},
            tool(status, output=text, error=text, metadata={"output": text}),
            tool(status, "task", **child),
            {"type": "patch", "files": [text]},
            {"type": "file", "mime": "image/png", "url": f"data:{text}"},
            {"type": "compaction", "auto": True},
            {"type": f"new in {text}"},
            "{broken",
        ][kind]

    def new_part(self, message: str) -> tuple[str, object, str]:
        """Arguments of a new part."""
        kind = self.dice.choice(range(PART_KINDS) if message in self.answers else PROMPT_KINDS)
        part = self.opencode._id("prt")
        self.kinds[part] = kind
        return message, self.any_part(kind), part

    # -- steps

    def insert_part(self) -> None:
        self.opencode.part(*self.new_part(self.any_message()))

    def rewrite_part(self) -> None:
        parts = [part for part in self.opencode.parts if part in self.kinds]
        if not parts:
            return self.insert_part()
        part = self.dice.choice(parts[-4:] if self.dice.random() < 0.6 else parts)
        self.opencode.part(self.opencode.parts[part], self.any_part(self.kinds[part]), part)

    def change_type(self) -> None:
        """Opencode never does; another tool may."""
        parts = [part for part in self.opencode.parts if part in self.kinds]
        if not parts:
            return self.insert_part()
        part = self.dice.choice(parts)
        message = self.opencode.parts[part]
        self.kinds[part] = self.dice.choice(range(PART_KINDS) if message in self.answers else PROMPT_KINDS)
        self.opencode.part(message, self.any_part(self.kinds[part]), part)

    def change_role(self) -> None:
        """A row that is broken for a while, or turns out to be something else."""
        message = self.any_message()
        role = self.dice.choice(["user", "assistant", "someone"])
        self.opencode.message(self.opencode.messages[message], {"role": role, "time": {"created": 1}}, message)
        (self.answers.add if role == "assistant" else self.answers.discard)(message)

    def begin_answer(self) -> None:
        self.answers.add(self.opencode.assistant(self.any_session(), next(reversed(self.opencode.messages), "")))

    def rewrite_message(self) -> None:
        answers = [message for message in self.opencode.messages if message in self.answers]
        if not answers:
            return self.begin_answer()
        message = self.dice.choice(answers[-3:] if self.dice.random() < 0.6 else answers)
        error = {"error": {"name": "APIError", "data": {"message": "no"}}} if self.dice.random() < 0.3 else {}
        data = answer(1, completed=self.dice.choice([0, 2, 3]), tokens=self.dice.randrange(500), finish="stop", **error)
        self.opencode.message(self.opencode.messages[message], data, message)

    def prompt(self) -> None:
        self.opencode.user(self.any_session(), self.dice.choice(["", "Go on.", "Stop."]))

    def burst(self) -> None:
        message = self.any_message()
        statements = [self.opencode.part_statements(*self.new_part(message)) for _ in range(self.dice.randrange(2, 30))]
        self.opencode.commit(*[statement for one in statements for statement in one])

    def remove_part(self) -> None:
        if self.opencode.parts:
            self.opencode.remove_part(self.dice.choice(list(self.opencode.parts)))

    def remove_message(self) -> None:
        if self.opencode.messages:
            self.opencode.remove_message(self.dice.choice(list(self.opencode.messages)))

    def new_session(self) -> None:
        parent = self.any_session() if self.dice.random() < 0.5 else None
        self.opencode.session(f"Number {len(self.done)}", parent)
        if len(self.opencode.sessions) > MAX_SESSIONS or len(self.opencode.messages) > MAX_MESSAGES:
            self.opencode.remove_session(self.opencode.sessions[0])

    def remove_session(self) -> None:
        if len(self.opencode.sessions) > 1:
            self.opencode.remove_session(self.any_session())

    def fork(self) -> None:
        if len(self.opencode.messages) < MAX_MESSAGES:
            self.opencode.fork(self.any_session())

    def revert_and_prompt(self) -> None:
        session = self.any_session()
        mine = [message for message, owner in self.opencode.messages.items() if owner == session]
        for message in mine[len(mine) // 2 :]:
            self.opencode.remove_message(message)
        self.opencode.user(session, "Another way.")

    def change_row(self) -> None:
        columns = self.dice.choice([{"title": f"Title {len(self.done)}"}, {"time_archived": self.opencode.ms}])
        self.opencode.change_session(self.any_session(), **columns)

    def unrelated(self) -> None:
        statement = "INSERT INTO todo (session_id, content, status, priority, position, time_created, time_updated)"
        row = (self.any_session(), "think", "pending", "low", next(self.todos), 1, 1)
        self.opencode.commit((f"{statement} VALUES (?, ?, ?, ?, ?, ?, ?)", row))

    def checkpoint(self) -> None:
        self.opencode.run(f"PRAGMA wal_checkpoint({self.dice.choice(['PASSIVE', 'TRUNCATE'])})")

    def restart(self) -> None:
        end = self.opencode.kill if self.dice.random() < 0.5 else self.opencode.close
        end()
        Writer.__init__(self.opencode, self.opencode.path)

    def prune(self) -> None:
        where = self.dice.choice(["", f" WHERE seq % 2 = {self.dice.randrange(2)}", " WHERE rowid < 50"])
        self.opencode.commit((f"DELETE FROM event{where}", ()))

    def silence(self) -> None:
        self.opencode.events = not self.opencode.events
