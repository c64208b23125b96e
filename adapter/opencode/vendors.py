"""Which company a model comes from, where that is certain; opencode's own provider id is kept verbatim beside it."""

from __future__ import annotations

VENDOR_BY_PROVIDER = {
    "anthropic": "anthropic",
    "openai": "openai",
    "google": "google",
    "google-vertex": "google",
    "mistral": "mistral",
    "xai": "xai",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "groq": "groq",
    "google-vertex-anthropic": "anthropic",
    "azure": "openai",
}
VENDORS = frozenset(VENDOR_BY_PROVIDER.values()) | {"meta-llama", "qwen", "moonshotai", "z-ai"}


def vendor(provider_alias: str, model: str) -> str:
    """The canonical vendor: named by the provider id, or by a `vendor/model` id of a gateway; "" when not certain."""
    known = VENDOR_BY_PROVIDER.get(provider_alias)
    if known:
        return known
    prefix = model.split("/", 1)[0] if "/" in model else ""
    return prefix if prefix in VENDORS else ""
