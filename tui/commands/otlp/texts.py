"""The texts of spans (`--payloads`), in the form of the conventions: messages with parts, as JSON.

Of what goes to a model stands what is new with a step: the prompt, then the results of the calls of the step before.
The whole history would be in every step again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from adapter.contract import PayloadError, PayloadText
from adapter.events import PayloadRef
from tui.commands.otlp.history import Call
from tui.commands.otlp.spans import Planned, clean

TEXT_LIMIT = 32_000
"""Bytes of one text."""
SPAN_LIMIT = 256_000
"""Bytes of all texts of one span; collectors refuse requests of some megabytes, and a request has hundreds of spans."""


class Texts:
    """Reads texts with `fetch(uri, limit in bytes)` and puts them on spans."""

    def __init__(self, fetch: Callable[[str, int], Awaitable[PayloadText]]) -> None:
        self._fetch = fetch
        self._left = SPAN_LIMIT
        self._cut = 0

    async def put(self, planned: Planned) -> int:
        """Puts its texts on a span; how many bytes they are. What was cut, or cannot be read, is said in their place.
        Raises SourceUnavailable."""
        wanted, attributes = planned.wanted, planned.attributes
        if wanted is None:
            return 0
        self._left, self._cut = SPAN_LIMIT, 0
        if wanted.call is not None:
            if (arguments := await self._of_call(wanted.call, "tool_request")) is not None:
                attributes[gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS] = arguments
            if (result := await self._of_call(wanted.call, "tool_response")) is not None:
                attributes[gen_ai.GEN_AI_TOOL_CALL_RESULT] = result
        else:
            inputs: list[dict[str, Any]] = []
            if wanted.prompt is not None and (prompt := await self._read(wanted.prompt)) is not None:
                inputs.append({"role": "user", "parts": [{"type": "text", "content": prompt}]})
            results = [part for call in wanted.results if (part := await self._result(call)) is not None]
            if results:
                inputs.append({"role": "tool", "parts": results})
            parts: list[dict[str, Any]] = []
            for ref in wanted.answers:
                if (text := await self._read(ref)) is not None:
                    kind = "reasoning" if ref.payload_kind == "llm_reasoning" else "text"
                    parts.append({"type": kind, "content": text})
            parts += [await self._request(call) for call in wanted.calls]
            if inputs:
                attributes[gen_ai.GEN_AI_INPUT_MESSAGES] = _json(inputs)
            if parts:
                message = {"role": "assistant", "parts": parts, "finish_reason": clean(wanted.finish) or "unknown"}
                attributes[gen_ai.GEN_AI_OUTPUT_MESSAGES] = _json([message])
        if self._cut:
            attributes["opencode.texts.cut"] = self._cut
        return SPAN_LIMIT - self._left

    async def _request(self, call: Call) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "tool_call", "id": clean(call.began.part_id), "name": clean(call.began.name)}
        arguments = await self._of_call(call, "tool_request")
        if arguments is not None:
            try:
                part["arguments"] = msgspec.json.decode(arguments)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                part["arguments"] = arguments  # it was cut, or is no JSON
        return part

    async def _result(self, call: Call) -> dict[str, Any] | None:
        text = await self._of_call(call, "tool_response")
        if text is None:
            return None
        return {"type": "tool_call_response", "id": clean(call.began.part_id), "response": text}

    async def _of_call(self, call: Call, kind: str) -> str | None:
        found = [text for ref in call.texts.get(kind, {}).values() if (text := await self._read(ref)) is not None]
        return "\n".join(found) if found else None

    async def _read(self, ref: PayloadRef) -> str | None:
        """A text, or why it does not stand here; None of a prompt without one."""
        if ref.size < 0 and ref.payload_kind == "user_prompt":
            return None
        limit = min(TEXT_LIMIT, self._left)
        try:
            found = await self._fetch(ref.uri, max(limit, 1))
        except PayloadError as error:
            return f"(not readable: {clean(str(error))})"
        text = clean(found.text if limit else "")
        self._left -= min(self._left, len(text.encode()))
        if found.truncated or not limit:
            self._cut += 1
            text += f"… (cut: {len(text.encode()):,} of {found.size:,} bytes)"
        return text


def _json(messages: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(messages).decode()
