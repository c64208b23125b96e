"""The spans of a run, as the GenAI semantic conventions have them. Pure: a session and its place in, spans out.

**What is a trace.** One prompt of a person with everything that answers it: the agent span, its steps, their calls,
and under a call the sub-agent that it started, to any depth. Not a session: one lasts weeks and has thousands of
spans, it would have as many roots as prompts, and what shows traces wants one root, an end, and a size that it can
draw (Tempo and Jaeger have limits, Phoenix and Langfuse a line for each trace). What belongs together beyond that has
the same `session.id` (the root session, by which Phoenix and Langfuse group) and `gen_ai.conversation.id` (the session
itself).

    invoke_agent NAME      a run: from the prompt to the end of the last step that answers it
      chat MODEL           a step: one message of the model's, with what it was billed
        execute_tool NAME  a call
          invoke_agent …   the run of the sub-agent that the call started

A step stands for the request to the model and for the calls made of it, because opencode ends it when these have ended.

**When a span leaves.** A step and a call when they have ended; the agent span when no step or call of the run is open
and its last step is an end: it finished, failed or was stopped, or another prompt has been taken up since. Should the
same prompt be gone on with all the same, the agent span is sent again, under the same id, with its new end. What was
left behind leaves as well, with `opencode.status` `orphaned`: as an error where opencode itself says that nothing goes
on, else (a later step of the session has ended, and steps follow one another) with `opencode.inferred` and no error.
Of such a span the end is the last sign of it, and `opencode.end_unknown` says so.

**Ids** are made of opencode's (SHA-256 of kind, session and message or part; 16 and 8 bytes), never of the database's
path: what is sent twice, or from a copy of the file, is the same span.

**Attributes.** Those of the conventions for what they name, `opencode.*` for the rest (`opencode.cost`: US dollars).
Tokens and cost stand on `chat` spans alone, so that sums over a trace are right; input tokens count what was read from
and written to a cache, output tokens count reasoning, as the conventions ask. There is no `gen_ai.response.model`:
opencode writes down which model it asked for, and not which one answered. Nor a `gen_ai.agent.id`: an agent of
opencode's has its name alone. `gen_ai.tool.call.id` is the id of the part, as the provider's is not in the events.
Steps that a fork took over are spans of its original; the runs of a fork have a link to where it was made, where the
row says that (2.x).

In the package of the conventions all names of the GenAI part are marked as moved to a repository that has no package
yet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes import session_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from adapter.events import PayloadRef, SessionStarted, Usage
from tui import __version__
from tui.commands.otlp.history import Call, Fate, Fates, History, Run, Step

MAX_NS = 2**63 - 1
NAME_LIMIT = 200
"""Characters of a name: of an agent, a model, a tool. A span's name is a key, and opencode's are short."""
WORDS_LIMIT = 1_000
"""Characters of a title, a directory and an error message."""

PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure-cognitive-services": "azure.ai.openai",
    "google": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google-vertex-anthropic": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
"""Ids of providers in opencode (models.dev) that the conventions have another name for; others go as they are."""

_ERROR, _UNSET = StatusCode.ERROR, Status(StatusCode.UNSET)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_REASONING_IN_OUTPUT = re.compile(r"1\.[0-3](?:\.|$)")
"""Versions whose output tokens count reasoning already (adapter.events.Usage)."""


class Place(msgspec.Struct, frozen=True):
    """Where a run hangs: its trace, the span above it (0: it is the root), when the trace began (µs), and the trace and
    span that it is linked to."""

    trace: int
    parent: int
    began: int
    link: tuple[int, int] | None = None


class Wanted(msgspec.Struct):
    """The texts that a span gets: a run and a step messages, a call its arguments and its result."""

    prompt: PayloadRef | None = None
    results: list[Call] = []
    answers: list[PayloadRef] = []
    calls: list[Call] = []
    call: Call | None = None
    finish: str = ""


class Planned(msgspec.Struct):
    """A span that may leave. `attributes` are those of `span`, to be added to until then; `mark` tells whether it is
    as it was; `wanted` where its texts are."""

    span: ReadableSpan
    attributes: dict[str, Any]
    id: int
    mark: int
    wanted: Wanted | None = None


@lru_cache(maxsize=4096)
def span_id(kind: str, session_id: str, node_id: str) -> int:
    """The id of a span: of a `run` by its prompt, of a `step` by its message, of a `call` by its part."""
    return _number(f"span\0{kind}\0{session_id}\0{node_id}", 8)


@lru_cache(maxsize=1024)
def trace_id(session_id: str, run_id: str) -> int:
    """The id of the trace whose root is this run."""
    return _number(f"trace\0{session_id}\0{run_id}", 16)


@lru_cache(maxsize=64)
def _above(trace: int, own: int) -> SpanContext:
    """The context of a parent: calls of one step stand behind one another."""
    return SpanContext(trace, own, False, _SAMPLED)


def _number(words: str, size: int) -> int:
    digest = hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()
    # An id of zeros is none (W3C trace context).
    return int.from_bytes(digest[:size]) or 1


def clean(text: str, limit: int = 0) -> str:
    """A text as protobuf takes it: valid Unicode, without lone surrogates; with a limit its first characters."""
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def nanoseconds(ts: int) -> int:
    """Microseconds as nanoseconds that fit into 63 bits; what lies before 1970 is 0."""
    return min(max(ts, 0) * 1000, MAX_NS)


class CachedResource(Resource):
    """A resource that is hashed once: the encoder looks each span's up, and a resource writes itself as JSON for
    that."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.to_json())
        return self._hash


class CachedScope(InstrumentationScope):
    """The same of the scope."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.name, self.version))
        return self._hash


class Mapper:
    """Makes the spans of runs. With `payloads` it says where their texts are; with `redact` nothing that a person, a
    model or a tool wrote is in them (what goes and what stays is as in `export --redact`)."""

    def __init__(self, resource: Resource, *, payloads: bool = False, redact: bool = False) -> None:
        self._resource = CachedResource(resource.attributes, resource.schema_url)
        self._scope = CachedScope("opencode-viewer", __version__)
        self._payloads = payloads
        self._redact = redact

    def spans(self, history: History, run: Run, fates: Fates, place: Place, root_id: str) -> Iterator[Planned]:
        """The spans of a run that may leave. `root_id` is the session on top of this one."""
        session = history.session
        if session is None:
            return
        common = self._common(session, root_id)
        top = span_id("run", session.session_id, run.id)
        counts_reasoning = _REASONING_IN_OUTPUT.match(session.version) is not None
        before: Step | None = None
        for step in run.steps:
            # A command of the user's has no model and no agent: its call is the trace.
            above = 0 if step.by_user else span_id("step", session.session_id, step.began.message_id)
            for call in step.calls.values():
                if (fate := fates.call(step, call)) != "open":
                    yield self._call(session, common, step, call, fate, place, above or place.parent)
            if not step.by_user:
                if (fate := fates.step(step)) != "open":
                    yield self._step(common, run, step, before, fate, place, (above, top), counts_reasoning)
                before = step
        if run.over and not run.steps[0].by_user:
            yield self._run(session, common, run, fates, place, top)

    def _common(self, session: SessionStarted, root_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            gen_ai.GEN_AI_CONVERSATION_ID: clean(session.session_id, NAME_LIMIT),
            session_attributes.SESSION_ID: clean(root_id, NAME_LIMIT),
        }
        return found

    # -- the three kinds

    def _run(
        self, session: SessionStarted, common: dict[str, Any], run: Run, fates: Fates, place: Place, top: int
    ) -> Planned:
        last = run.steps[-1]
        agent = _agent(session, run.steps)
        attributes: dict[str, Any] = {gen_ai.GEN_AI_OPERATION_NAME: "invoke_agent", **common}
        if agent:
            attributes[gen_ai.GEN_AI_AGENT_NAME] = agent
        self._model(attributes, last)
        attributes["opencode.prompt.id"] = clean(run.id, NAME_LIMIT)
        attributes["opencode.session.kind"] = session.session_kind
        attributes["opencode.steps"] = len(run.steps)
        if session.version:
            attributes["opencode.version"] = clean(session.version, NAME_LIMIT)
        if session.parent_id:
            attributes["opencode.session.parent_id"] = clean(session.parent_id, NAME_LIMIT)
        fork = session.extras.get("fork_session_id")
        if isinstance(fork, str):
            attributes["opencode.session.fork_of"] = clean(fork, NAME_LIMIT)
        if run.prompt is not None and run.prompt.extras.get("synthetic"):
            attributes["opencode.prompt.synthetic"] = True
        if not self._redact:
            if session.title:
                attributes["opencode.session.title"] = clean(session.title, WORDS_LIMIT)
            if session.cwd:
                attributes["opencode.session.directory"] = clean(session.cwd, WORDS_LIMIT)
        how = {fates.step(step) for step in run.steps}
        how |= {fates.call(step, call) for step in run.steps for call in step.calls.values()}
        fate: Fate = "left?" if "left?" in how else "left" if "left" in how else "ended"
        if last.end is not None:
            # Something was left behind on the way, and the run has its end all the same.
            fate = "ended"
        if not run.is_certain:
            attributes["opencode.inferred"] = True
        status = self._outcome(attributes, fate, last.end.status if last.end else "", *_error(last), 0)
        end, is_known = run.start, True
        for step in run.steps:
            for ended, known in [_end(step), *map(_end, step.calls.values())]:
                if ended > end:
                    end, is_known = ended, known
        if not is_known:
            attributes["opencode.end_unknown"] = True
        wanted = None
        if self._payloads:
            wanted = Wanted(prompt=run.prompt, answers=_texts(last, "llm_response"), finish=_finish(last))
        name = f"invoke_agent {agent}" if agent else "invoke_agent"
        times = run.start, end
        return self._planned(name, top, place.parent, place, SpanKind.INTERNAL, attributes, status, times, wanted)

    def _step(
        self,
        common: dict[str, Any],
        run: Run,
        step: Step,
        before: Step | None,
        fate: Fate,
        place: Place,
        ids: tuple[int, int],
        counts_reasoning: bool,
    ) -> Planned:
        began, end = step.began, step.end
        attributes: dict[str, Any] = {gen_ai.GEN_AI_OPERATION_NAME: "chat", **common}
        self._model(attributes, step)
        if began.agent:
            attributes[gen_ai.GEN_AI_AGENT_NAME] = clean(began.agent, NAME_LIMIT)
        if end is not None:
            _count(attributes, end.usage, counts_reasoning)
            attributes["opencode.cost"] = end.cost
            if end.finish:
                attributes[gen_ai.GEN_AI_RESPONSE_FINISH_REASONS] = (clean(end.finish, NAME_LIMIT),)
        attributes["opencode.message.id"] = clean(began.message_id, NAME_LIMIT)
        if began.extras.get("summary"):
            attributes["opencode.compaction"] = True
        variant = began.extras.get("variant")
        if isinstance(variant, str) and variant:
            attributes["opencode.variant"] = clean(variant, NAME_LIMIT)
        status = self._outcome(attributes, fate, end.status if end else "", *_error(step), 0)
        ended, is_known = _end(step)
        if not is_known:
            attributes["opencode.end_unknown"] = True
        wanted = None
        if self._payloads:
            wanted = Wanted(
                prompt=run.prompt if before is None else None,
                results=_in_order(before.calls) if before is not None else [],
                answers=_texts(step, ""),
                calls=_in_order(step.calls),
                finish=_finish(step),
            )
        model = attributes.get(gen_ai.GEN_AI_REQUEST_MODEL)
        name = f"chat {model}" if model else "chat"
        times = began.ts, ended
        return self._planned(name, ids[0], ids[1], place, SpanKind.CLIENT, attributes, status, times, wanted)

    def _call(
        self,
        session: SessionStarted,
        common: dict[str, Any],
        step: Step,
        call: Call,
        fate: Fate,
        place: Place,
        above: int,
    ) -> Planned:
        began, end = call.began, call.end
        tool = clean(began.name, NAME_LIMIT)
        attributes: dict[str, Any] = {
            gen_ai.GEN_AI_OPERATION_NAME: "execute_tool",
            **common,
            gen_ai.GEN_AI_TOOL_NAME: tool,
            gen_ai.GEN_AI_TOOL_TYPE: "function",
            gen_ai.GEN_AI_TOOL_CALL_ID: clean(began.part_id, NAME_LIMIT),
        }
        if step.began.agent:
            attributes[gen_ai.GEN_AI_AGENT_NAME] = clean(step.began.agent, NAME_LIMIT)
        if began.tool and began.tool != began.name:
            attributes["opencode.tool"] = clean(began.tool, NAME_LIMIT)
        if began.namespace:
            attributes["opencode.mcp.server"] = clean(began.namespace, NAME_LIMIT)
        if began.child_session_id:
            attributes["opencode.child_session.id"] = clean(began.child_session_id, NAME_LIMIT)
        if step.by_user:
            attributes["opencode.by_user"] = True
        exit_code = began.extras.get("exit")
        code = exit_code if type(exit_code) is int and abs(exit_code) < MAX_NS else 0
        if code:
            attributes["opencode.exit_code"] = code
        if end is not None and end.bytes_out >= 0:
            attributes["opencode.output.bytes"] = min(end.bytes_out, MAX_NS)
        error_class, message = (end.error_class, end.error_message) if end is not None else ("", "")
        status = self._outcome(attributes, fate, end.status if end else "", error_class, message, code)
        ended, is_known = _end(call)
        if not is_known:
            attributes["opencode.end_unknown"] = True
        if self._payloads and (label := began.extras.get("label")) and isinstance(label, str):
            attributes["opencode.label"] = clean(label, WORDS_LIMIT)
        name = f"execute_tool {tool}" if tool else "execute_tool"
        own = span_id("call", session.session_id, began.part_id)
        wanted = Wanted(call=call) if self._payloads else None
        times = began.ts, ended
        return self._planned(name, own, above, place, SpanKind.INTERNAL, attributes, status, times, wanted)

    # -- what they have in common

    def _model(self, attributes: dict[str, Any], step: Step) -> None:
        began = step.began
        alias = began.provider_alias or began.provider
        if alias:
            attributes[gen_ai.GEN_AI_PROVIDER_NAME] = PROVIDERS.get(alias) or clean(alias, NAME_LIMIT)
        if began.model:
            attributes[gen_ai.GEN_AI_REQUEST_MODEL] = clean(began.model, NAME_LIMIT)

    def _outcome(
        self, attributes: dict[str, Any], fate: Fate, status: str, error_class: str, message: str, exit_code: int
    ) -> Status:
        """The status of a span; how it ended in opencode's words stands in its attributes. A command that says by its
        exit code that it failed has failed, though opencode calls the call completed (tui/model/status/outcome.py)."""
        if fate in ("left", "left?"):
            attributes["opencode.status"] = "orphaned"
            if fate == "left?":
                attributes["opencode.inferred"] = True
                return _UNSET
            attributes[error_attributes.ERROR_TYPE] = "orphaned"
            return Status(_ERROR, "never closed, and opencode says that nothing goes on")
        attributes["opencode.status"] = status
        if status == "completed" and exit_code:
            attributes[error_attributes.ERROR_TYPE] = "exit"
            return Status(_ERROR, f"exit {exit_code}")
        if status == "completed" or status == "truncated":
            return _UNSET
        kind = clean(error_class, NAME_LIMIT) or status or "_OTHER"
        attributes[error_attributes.ERROR_TYPE] = kind
        words = "" if self._redact else clean(message, WORDS_LIMIT)
        return Status(_ERROR, words or kind)

    def _planned(
        self,
        name: str,
        own: int,
        above: int,
        place: Place,
        kind: SpanKind,
        attributes: dict[str, Any],
        status: Status,
        times: tuple[int, int],
        wanted: Wanted | None,
    ) -> Planned:
        start, end = nanoseconds(times[0]), nanoseconds(times[1])
        if end < start:
            # Clocks go back, and times are anybody's data; a span that ends before it begins is refused or hidden.
            attributes["opencode.end_before_start"] = True
            end = start
        links: tuple[Link, ...] = ()
        if place.link is not None and name.startswith("invoke_agent"):
            links = (Link(SpanContext(*place.link, is_remote=True, trace_flags=_SAMPLED)),)
        span = ReadableSpan(
            name=name,
            context=SpanContext(place.trace, own, False, _SAMPLED),
            parent=_above(place.trace, above) if above else None,
            resource=self._resource,
            attributes=attributes,
            links=links,
            kind=kind,
            status=status,
            start_time=start,
            end_time=end,
            instrumentation_scope=self._scope,
        )
        mark = hash((start, end, status.description, place.trace, above, attributes.get("opencode.cost")))
        return Planned(span, attributes, own, mark, wanted)


def _count(attributes: dict[str, Any], usage: Usage, counts_reasoning: bool) -> None:
    attributes[gen_ai.GEN_AI_USAGE_INPUT_TOKENS] = usage.context
    attributes[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] = usage.output + (0 if counts_reasoning else usage.reasoning)
    if usage.cache_read:
        attributes[gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = usage.cache_read
    if usage.cache_write:
        attributes[gen_ai.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS] = usage.cache_write
    if usage.reasoning:
        attributes[gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] = usage.reasoning


def _agent(session: SessionStarted, steps: list[Step]) -> str:
    """Who answered: the agent of the newest step that names one."""
    name = next((step.began.agent for step in reversed(steps) if step.began.agent), session.agent)
    return clean(name, NAME_LIMIT)


def _error(step: Step) -> tuple[str, str]:
    return (step.end.error_class, step.end.error_message) if step.end is not None else ("", "")


def _end(node: Step | Call) -> tuple[int, bool]:
    """When a step or a call ended (µs), and whether that is known: else it is the last sign of it."""
    if node.end is not None:
        return (node.end.end_ts, True) if node.end.end_ts else (node.end.ts, False)
    written = node.began.extras.get("time_updated")
    return max(written if isinstance(written, int) else 0, node.began.ts), False


def _finish(step: Step) -> str:
    return step.end.finish if step.end is not None else ""


def _in_order(calls: Mapping[str, Call]) -> list[Call]:
    return sorted(calls.values(), key=lambda call: call.began.op_seq)


def _texts(step: Step, kind: str) -> list[PayloadRef]:
    """Where the texts of a step are, in order; with a kind those alone."""
    found = [ref for ref in step.texts.values() if not kind or ref.payload_kind == kind]
    return sorted(found, key=lambda ref: ref.op_seq)
