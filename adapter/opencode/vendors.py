"""Which company a model comes from, where that is certain; opencode's own provider id is kept verbatim beside it."""

from __future__ import annotations

VENDOR_BY_PROVIDER = {
    "anthropic": "anthropic",
    "openai": "openai",
    "google": "google",
    "mistral": "mistral",
    "xai": "xai",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "groq": "groq",
    "google-vertex-anthropic": "anthropic",
}
HOSTS = {
    "azure": ("openai", ("gpt-", "o1", "o3", "o4", "codex-")),
    "google-vertex": ("google", ("gemini-", "gemma-")),
}
"""Providers that sell the models of several companies under one name: the one it is for models that begin so. A
deployment of Azure may be called anything, so for others nothing is certain."""
VENDORS = frozenset(VENDOR_BY_PROVIDER.values()) | {"meta-llama", "qwen", "moonshotai", "z-ai"}


def vendor(provider_alias: str, model: str) -> str:
    """The canonical vendor: named by the provider id, or by a `vendor/model` id of a gateway; "" when not certain."""
    known = VENDOR_BY_PROVIDER.get(provider_alias)
    if known:
        return known
    if provider_alias in HOSTS:
        company, families = HOSTS[provider_alias]
        if model.startswith(families):
            return company
    prefix = model.split("/", 1)[0] if "/" in model else ""
    return prefix if prefix in VENDORS else ""
