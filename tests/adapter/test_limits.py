"""Context windows come from opencode's own files, and a broken file only means that nothing is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter.opencode.limits import ModelLimits


def catalogue(home: Path, content: object) -> None:
    path = home / ".cache" / "opencode" / "models.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def provider(**limits: object) -> dict[str, object]:
    return {"models": {name: {"limit": {"context": limit, "output": 5}} for name, limit in limits.items()}}


def test_the_catalogue_names_the_limits(tmp_path: Path) -> None:
    catalogue(tmp_path, {"anthropic": {"id": "anthropic", **provider(opus=200_000, haiku=100_000.0)}})
    limits = ModelLimits({}, tmp_path)
    assert limits("anthropic", "opus") == 200_000
    assert limits("anthropic", "haiku") == 100_000
    assert limits("openai", "opus") == limits("anthropic", "other") == 0


def test_the_config_has_the_last_word(tmp_path: Path) -> None:
    catalogue(tmp_path, {"acme": provider(one=1000, two=2000)})
    config = tmp_path / ".config" / "opencode" / "opencode.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"provider": {"acme": provider(one=500), "own": provider(mine=7)}}))
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps({"provider": {"own": provider(mine=8)}}))
    limits = ModelLimits({"OPENCODE_CONFIG": str(extra)}, tmp_path)
    assert (limits("acme", "one"), limits("acme", "two"), limits("own", "mine")) == (500, 2000, 8)


def test_the_directories_of_the_environment_count(tmp_path: Path) -> None:
    catalogue(tmp_path, {"acme": provider(one=1000)})
    moved = ModelLimits({"XDG_CACHE_HOME": str(tmp_path / ".cache")}, tmp_path / "elsewhere")
    assert moved("acme", "one") == 1000
    assert ModelLimits({"XDG_CACHE_HOME": str(tmp_path / "none")}, tmp_path)("acme", "one") == 0


@pytest.mark.parametrize(
    "content",
    ["", "{", "[" * 100_000, [], {"acme": None}, {"acme": {"models": {"one": {"limit": {"context": "many"}}}}}],
)
def test_a_file_of_another_shape_says_nothing(tmp_path: Path, content: object) -> None:
    catalogue(tmp_path, content)
    assert ModelLimits({}, tmp_path)("acme", "one") == 0


def test_no_file_at_all_says_nothing(tmp_path: Path) -> None:
    assert ModelLimits({}, tmp_path)("acme", "one") == 0
