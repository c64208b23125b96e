"""What the lab's opencode is configured with, and the files of its throwaway project."""

from __future__ import annotations

import struct
import zlib
from typing import Any

PRICES = {"input": 3, "output": 15, "cache_read": 0.3}  # dollars per million tokens


def model(name: str, **more: Any) -> dict[str, Any]:
    """A model entry with the lab's prices and a context of 200,000 tokens."""
    limits = {"context": 200_000, "output": 8_000}
    return {"name": name, "limit": limits, "tool_call": True, "cost": PRICES, **more}


def provider(name: str, url: str, models: dict[str, Any]) -> dict[str, Any]:
    """A provider that is the scripted model."""
    options = {"baseURL": url, "apiKey": "none"}
    return {"npm": "@ai-sdk/openai-compatible", "name": name, "options": options, "models": models}


def lab_config(url: str) -> dict[str, Any]:
    """Two providers with several models, every permission given, a nesting sub-agent, two commands."""
    sight = {"attachment": True, "modalities": {"input": ["text", "image"], "output": ["text"]}}
    mock = {
        "mock-1": model("Mock 1"),
        "mock-eye": model("Mock Eye", **sight),
        "gpt-5-mock": model("GPT 5 Mock"),
    }
    other = {
        "other-1": model("Other 1", cost={"input": 1, "output": 2, "cache_read": 0.1}),
        "free-1": {"name": "Free 1", "limit": {"context": 32_000, "output": 4_000}},
    }
    return {
        "provider": {
            "mock": provider("Mock", url, mock),
            "other": provider("Other", url.replace("/v1", "/other/v1"), other),
        },
        "model": "mock/mock-1",
        "small_model": "mock/mock-1",
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "allow"},
        "subagent_depth": 3,
        "agent": {
            "nester": {
                "mode": "subagent",
                "description": "A sub-agent that may call sub-agents.",
                "tools": {"task": True},
                "permission": {"task": "allow"},
            }
        },
        "command": {
            "labcmd": {"template": "lab:tools $ARGUMENTS", "description": "A custom command"},
            "labsub": {
                "template": "lab:child-read $ARGUMENTS",
                "description": "As a sub-task",
                "agent": "general",
                "subtask": True,
            },
        },
    }


def asking_config(url: str) -> dict[str, Any]:
    """The same, but bash and edit wait for a permission."""
    return {**lab_config(url), "permission": {"*": "allow", "bash": "ask", "edit": "ask"}}


def project_files() -> dict[str, str | bytes]:
    """The files that the scenarios read, change and remove."""
    return {
        "hello.txt": "hello world\nsecond line\n",
        "notes.txt": "a note\n",
        "gone.txt": "to be removed\n",
        "sub/inner.txt": "inner\n",
        "picture.png": png(),
    }


def png(width: int = 8, height: int = 8) -> bytes:
    """A small red picture (8 bits per channel, no alpha)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
