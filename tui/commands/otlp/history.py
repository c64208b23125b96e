"""What the events say of one session, as far as spans are made of it: prompts, steps, calls, and which are over.

The texts of the model (tui/model) are made for a screen; here everything is as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from adapter.events import (
    Event,
    OpFinalized,
    OpRemoved,
    OpStarted,
    PayloadRef,
    SessionFinalized,
    SessionRemoved,
    SessionStarted,
    TurnFinalized,
    TurnRemoved,
    TurnStarted,
)
from tui.model.status.state import GO_ON

Fate = Literal["open", "ended", "left", "left?"]
"""How a step or a call stands: it goes on, has ended, was left behind for certain (opencode itself says that nothing
goes on), or so it seems (a later step of the session has ended, and steps follow one another)."""

_STOPS = ("PermissionRejected", "QuestionDismissed")
"""Error classes of a call behind which opencode stops, unless the person said what to do instead."""


class Call(msgspec.Struct):
    """A tool call: how it began and ended, and where its texts are, by kind and then by reference: a result of 2.x
    may have several."""

    began: OpStarted
    end: OpFinalized | None = None
    texts: dict[str, dict[str, PayloadRef]] = {}


class Step(msgspec.Struct):
    """An assistant message: its calls by their part, and its texts and thoughts by theirs."""

    began: TurnStarted
    end: TurnFinalized | None = None
    calls: dict[str, Call] = {}
    texts: dict[str, PayloadRef] = {}

    @property
    def by_user(self) -> bool:
        """Whether it is a command of the user's, which no model asked for."""
        return bool(self.began.extras.get("by_user"))

    @property
    def is_closing(self) -> bool:
        """Whether its end is told and not written yet: when it was, and what it cost, is still to come."""
        return bool(self.began.extras.get("closing"))

    @property
    def run_id(self) -> str:
        """What names the run that it belongs to: the message of its prompt, or where nothing says that, its own."""
        return self.began.prompt_id or self.began.message_id


class Run(msgspec.Struct):
    """What answers one prompt: its steps in order. `over` when nothing of it goes on and its last step is the end;
    `is_certain` is False where that only seems so."""

    id: str
    prompt: PayloadRef | None
    steps: list[Step]
    over: bool = False
    is_certain: bool = True

    @property
    def start(self) -> int:
        """When the prompt was given (µs), or the first step began where that is earlier or nothing else is known."""
        first = self.steps[0].began.ts
        return min(self.prompt.ts, first) if self.prompt is not None else first

    def is_about(self, messages: set[str]) -> bool:
        """Whether one of these messages is its prompt or a step of it."""
        return self.id in messages or any(step.began.message_id in messages for step in self.steps)


class History:
    """One session. `texts` says whether it is kept where the texts of steps and calls are."""

    def __init__(self, *, texts: bool = False) -> None:
        self.session: SessionStarted | None = None
        self.archived = False
        self.prompts: dict[str, PayloadRef] = {}
        self.steps: dict[str, Step] = {}
        self.is_partial = False
        """Whether the rest of it is still to come."""
        self._texts = texts

    @property
    def size(self) -> int:
        """How many records it holds."""
        return len(self.prompts) + sum(1 + len(step.calls) + len(step.texts) for step in self.steps.values())

    def apply(self, events: Iterable[Event]) -> bool:
        """Takes events of this session. False when they are about a step that is not known here."""
        complete = True
        steps = self.steps
        # The most frequent kinds first.
        for event in events:
            if isinstance(event, OpStarted):
                complete = self._call_began(event) and complete
            elif isinstance(event, OpFinalized):
                if event.op_kind == "tool" and (step := steps.get(event.message_id)) is not None:
                    call = step.calls.get(event.part_id)
                    if call is not None:
                        call.end = event
            elif isinstance(event, PayloadRef):
                self._refer(event)
            elif isinstance(event, TurnStarted):
                known = steps.get(event.message_id)
                if known is None:
                    steps[event.message_id] = Step(event, None, {}, {})
                else:
                    known.began, known.end = event, None
            elif isinstance(event, TurnFinalized):
                if (step := steps.get(event.message_id)) is not None:
                    step.end = event
            else:
                self._rare(event)
        return complete

    def _call_began(self, event: OpStarted) -> bool:
        step = self.steps.get(event.message_id)
        if step is None:
            return False
        if event.op_kind == "tool":
            # Told anew it is told whole, with its end and where its texts are.
            step.calls[event.part_id] = Call(event, None, {})
        elif step.texts:
            step.texts.pop(event.part_id, None)
        return True

    def _refer(self, event: PayloadRef) -> None:
        kind = event.payload_kind
        if kind == "user_prompt":
            self.prompts[event.message_id] = event
        elif self._texts and (step := self.steps.get(event.message_id)) is not None:
            if kind in ("llm_response", "llm_reasoning"):
                step.texts[event.part_id] = event
            elif kind in ("tool_request", "tool_response") and (call := step.calls.get(event.part_id)) is not None:
                call.texts.setdefault(kind, {})[event.uri] = event

    def _rare(self, event: Event) -> None:
        match event:
            case SessionStarted():
                # Without a final behind it an earlier one no longer holds.
                self.session, self.archived = event, False
            case SessionFinalized():
                self.archived = event.status == "completed"
            case OpRemoved():
                if (step := self.steps.get(event.message_id)) is not None:
                    step.calls.pop(event.part_id, None)
                    step.texts.pop(event.part_id, None)
            case TurnRemoved():
                self.steps.pop(event.message_id, None)
                self.prompts.pop(event.message_id, None)
            case SessionRemoved():
                self.session, self.archived = None, False
                self.steps.clear()
                self.prompts.clear()
            case _:
                pass

    # -- what follows from it

    def own_steps(self) -> list[Step]:
        """The steps in order, without those that a fork took over: they are older than the session, and spans of its
        original (as tui/model/sums/copied.py)."""
        steps = list(self.steps.values())
        session = self.session
        if session is not None and session.session_kind == "fork":
            steps = [step for step in steps if step.began.ts >= session.ts]
        return sorted(steps, key=lambda step: step.began.turn_seq)

    def runs(self, fates: Fates | None = None) -> list[Run]:
        """The runs, in the order in which they began, and whether they are over."""
        fates = fates or Fates(self)
        runs: dict[str, Run] = {}
        for step in self.own_steps():
            run = runs.get(step.run_id)
            if run is None:
                run = runs[step.run_id] = Run(step.run_id, self.prompts.get(step.run_id), [])
            run.steps.append(step)
        found = list(runs.values())
        begun = -1  # the highest number of a step of a run behind the one that is looked at
        for run in reversed(found):
            self._judge(run, fates, begun)
            if not run.steps[0].by_user:
                begun = max(begun, run.steps[-1].began.turn_seq)
        return found

    def _judge(self, run: Run, fates: Fates, begun: int) -> None:
        last = run.steps[-1]
        how = {fates.step(step) for step in run.steps}
        how |= {fates.call(step, call) for step in run.steps for call in step.calls.values()}
        if "open" in how:
            return
        run.is_certain = "left?" not in how
        end, extras = last.end, self.session.extras if self.session is not None else {}
        is_end = end is None or end.status != "completed" or end.finish not in GO_ON
        if is_end or begun > last.began.turn_seq or self.archived or extras.get("claimed") is False:
            run.over = True
        elif end is not None and extras.get("idle_outcome") and int(extras.get("idle_ts", 0)) >= end.ts:
            run.over = not extras.get("claimed")
        elif any(_stops(call) for call in last.calls.values()):
            run.over, run.is_certain = True, False

    def calls(self) -> Iterator[tuple[Step, Call]]:
        """All calls with their steps."""
        for step in self.steps.values():
            for call in step.calls.values():
                yield step, call


class Fates:
    """How the steps and calls of a session stand."""

    def __init__(self, history: History) -> None:
        session = history.session
        self._is_unclaimed = session is not None and session.extras.get("claimed") is False
        ended = [
            step.began.turn_seq
            for step in history.steps.values()
            if step.end is not None and not step.by_user and not step.is_closing
        ]
        self._ended = max(ended, default=0)

    def step(self, step: Step) -> Fate:
        """How a step stands."""
        if step.end is not None and not (step.is_closing and self._unended(step) == "open"):
            return "ended"
        return self._unended(step)

    def call(self, step: Step, call: Call) -> Fate:
        """How a call stands."""
        if call.end is not None:
            return "ended"
        if step.end is not None and step.end.status != "completed":
            return "left?"
        return self._unended(step)

    def _unended(self, step: Step) -> Fate:
        # A command of the user's runs beside the steps, and no claim is about it.
        if step.by_user:
            return "open"
        if self._is_unclaimed:
            return "left"
        return "left?" if step.began.turn_seq < self._ended else "open"


def _stops(call: Call) -> bool:
    """Whether a person refused it without saying what to do instead (as tui/model/status/state.py)."""
    return call.end is not None and call.end.error_class in _STOPS and "feedback" not in call.end.error_message
