"""Agents at work in a database, seeded: prompts, steps, calls and sub-agents begin and end in any order that they
can."""

from __future__ import annotations

import random
from pathlib import Path

from tests.adapter.opencode_writer import OpencodeWriter, answer, tool

MAX_SESSIONS = 6


class Agent:
    """A session at work: its open step, and what that has open."""

    def __init__(self, session_id: str, parent: Agent | None = None) -> None:
        self.id = session_id
        self.parent = parent
        self.prompt = ""
        self.step = ""
        self.began = 0
        self.is_closing = False
        """Whether its step has its `step-finish`, and not its end yet."""
        self.is_done = False
        self.calls: dict[str, tuple[str, int, str]] = {}
        """Open calls by their part: name, beginning, and the session that they started."""


class Work:
    """The writer and its dice; its clock is its own and moves with every write."""

    def __init__(self, path: Path, version: str = "1.18.33", seed: int = 1, *, events: bool = True) -> None:
        self.dice = random.Random(seed)
        self.opencode = OpencodeWriter(path, version, events=events, ms=1_796_000_000_000)
        self.agents = [Agent(self.opencode.session()) for _ in range(3)]

    def close(self) -> None:
        """Ends the writer."""
        self.opencode.close()

    def steps(self, count: int) -> None:
        """So many writes."""
        for _ in range(count):
            self.write(self.dice.choice(self.agents))

    def leave(self) -> None:
        """Leaves all sessions as they are, for ever, and begins others."""
        self.agents = [Agent(self.opencode.session()) for _ in range(2)]

    def tick(self) -> int:
        """Lets the clock move on; the time now, ms."""
        assert self.opencode.ms is not None
        self.opencode.ms += self.dice.randrange(1, 2_000)
        return self.opencode.ms

    def write(self, agent: Agent) -> None:
        """What comes next in a session."""
        now, dice = self.tick(), self.dice
        if not agent.step:
            if agent.is_done:
                return
            if len(self.agents) < MAX_SESSIONS and agent.parent is None and dice.random() < 0.2:
                self.agents.append(Agent(self.opencode.session()))
            if not agent.prompt:
                agent.prompt = self.opencode.user(agent.id, f"prompt {now}", created=now)
            agent.step, agent.began = self.opencode.assistant(agent.id, agent.prompt), now
        elif agent.calls and dice.random() < 0.7:
            self.end_call(agent, dice.choice(list(agent.calls)), now)
        elif agent.is_closing:
            self.end_step(agent, now)
        elif not agent.calls and dice.random() < 0.6:
            # opencode writes this first, and the message itself when all else is done.
            agent.is_closing = True
            self.opencode.part(agent.step, {"type": "step-finish", "reason": "stop", "tokens": {"input": 100}})
        elif len(agent.calls) < 3:
            self.begin_call(agent, now)

    def begin_call(self, agent: Agent, now: int) -> None:
        """A call, now and then one that starts a sub-agent."""
        name, child, metadata = "bash", "", {}
        if agent.parent is None and self.dice.random() < 0.15 and len(self.agents) < 4 * MAX_SESSIONS:
            name, child = "task", self.opencode.session("A sub-agent", parent=agent.id)
            metadata = {"sessionId": child}
            self.agents.append(Agent(child, agent))
        state = {"metadata": metadata, "time": {"start": now}}
        part = self.opencode.part(agent.step, tool("running", name, **state))
        agent.calls[part] = name, now, child

    def end_call(self, agent: Agent, part: str, now: int) -> None:
        """The end of a call; that of a sub-agent comes when it has nothing open."""
        name, began, child = agent.calls[part]
        if child and not any(other.is_done for other in self.agents if other.id == child):
            return
        times = {"time": {"start": began, "end": now}}
        metadata = {"metadata": {"sessionId": child} if child else {"exit": 0}}
        if self.dice.random() < 0.2:
            ended = tool("error", name, error="no such file", **metadata, **times)
        else:
            ended = tool("completed", name, output="done", **metadata, **times)
        self.opencode.part(agent.step, ended, part)
        del agent.calls[part]

    def end_step(self, agent: Agent, now: int) -> None:
        """The end of a step, and mostly of the answer to its prompt."""
        more = self.dice.random() < 0.4
        data = answer(agent.began, agent.prompt, completed=now, tokens=100, finish="tool-calls" if more else "stop")
        if self.dice.random() < 0.1:
            more = False
            data |= {"error": {"name": "APIError", "data": {"message": "the provider said no"}}}
        self.opencode.message(agent.id, data, agent.step, created=agent.began)
        agent.step, agent.is_closing = "", False
        if not more:
            agent.prompt, agent.is_done = "", agent.parent is not None
