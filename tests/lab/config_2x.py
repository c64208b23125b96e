"""What the lab's opencode 2.x is configured with: models, prices and agents of `config.py` in its own words."""

from __future__ import annotations

from typing import Any

ALLOWED = {"action": "*", "resource": "*", "effect": "allow"}
ASKED = [{"action": action, "resource": "*", "effect": "ask"} for action in ("shell", "edit")]


def model(name: str, *, images: bool = False, **more: Any) -> dict[str, Any]:
    """A model entry with the lab's prices (dollars per million tokens) and a context of 200,000 tokens."""
    return {
        "name": name,
        "limit": {"context": 200_000, "output": 8_000},
        "capabilities": {"tools": True, "input": ["text", "image"] if images else ["text"], "output": ["text"]},
        "cost": {"input": 3, "output": 15, "cache": {"read": 0.3}},
        **more,
    }


def provider(name: str, url: str, models: dict[str, Any]) -> dict[str, Any]:
    """A provider that is the scripted model."""
    settings = {"baseURL": url, "apiKey": "none"}
    return {"name": name, "package": "aisdk:@ai-sdk/openai-compatible", "settings": settings, "models": models}


def lab_config(url: str) -> dict[str, Any]:
    """Two providers with several models, every permission given, a nesting sub-agent, a command."""
    cheap = {"input": 1, "output": 2, "cache": {"read": 0.1}}
    mock = {
        "mock-1": model("Mock 1"),
        "mock-eye": model("Mock Eye", images=True),
        "gpt-5-mock": model("GPT 5 Mock"),
    }
    return {
        "providers": {
            "mock": provider("Mock", url, mock),
            "other": provider("Other", url.replace("/v1", "/other/v1"), {"other-1": model("Other 1", cost=cheap)}),
        },
        "model": "mock/mock-1",
        "autoupdate": False,
        "share": "disabled",
        "permissions": [ALLOWED],
        "experimental": {"subagent_depth": 3},
        "agents": {
            "nester": {
                "mode": "subagent",
                "description": "A sub-agent that may call sub-agents.",
                "permissions": [ALLOWED],
            }
        },
        "commands": {"labcmd": {"template": "lab:tools $ARGUMENTS", "description": "A custom command"}},
    }


def asking_config(url: str) -> dict[str, Any]:
    """The same, but shell and edit wait for a permission."""
    return {**lab_config(url), "permissions": [ALLOWED, *ASKED]}
