"""What the arguments of `otlp` may be."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110)."""


def endpoint(url: str) -> str:
    """The URL that is sent to: as of OTEL_EXPORTER_OTLP_ENDPOINT the path of traces is added where it is missing."""
    parts = urlsplit(url)
    # Of a port that is none `port` raises ValueError.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(url)
    if parts.path.endswith("/v1/traces"):
        return url
    return urlunsplit(parts._replace(path=f"{parts.path.removesuffix('/')}/v1/traces"))


def header(words: str) -> str:
    """A header as NAME=VALUE."""
    name, equals, value = words.partition("=")
    if not equals or not _NAME.fullmatch(name) or not value.isprintable():
        raise ValueError(words)
    return words
