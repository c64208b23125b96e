"""Context windows come from opencode's own files, and a broken file only means that nothing is known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.opencode.config import FILE_LIMIT, plain_json
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


# -- as people write it


JSONC = b"""\xef\xbb\xbf{
  // the one at the office, see https://example.invalid/ /* not a comment */
  "provider": {"acme": {"models": {"one": {"limit": {"context": 500, /* tokens */ "output": 5,},},},},},
  "mcp": {"my db": {"type": "local",}, "a//b": {}},
}
"""


def configure(home: Path, content: bytes, name: str = "opencode.jsonc") -> Path:
    path = home / ".config" / "opencode" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_comments_trailing_commas_and_a_byte_order_mark_are_understood(tmp_path: Path) -> None:
    configure(tmp_path, JSONC)
    limits = ModelLimits({}, tmp_path)
    assert limits("acme", "one") == 500
    assert limits.mcp_servers() == {"my db", "a//b"}
    assert limits.problems == []


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_what_is_json_already_stays_what_it_is(value: object) -> None:
    text = json.dumps(value).encode()
    assert json.loads(plain_json(text)) == value


@pytest.mark.parametrize("text", [b"/*" * 500_000, b'"' * 500_001, b"," * 500_000, b'"\\' * 300_000, b"//" * 500_000])
def test_what_never_closes_is_not_read_twice(text: bytes) -> None:
    """Linear: each of these takes minutes where a sign is looked at again from every place before it."""
    plain_json(text)


def test_a_project_has_the_last_word_for_its_own_sessions(tmp_path: Path) -> None:
    catalogue(tmp_path, {"acme": provider(one=1000, two=2000, three=3000)})
    root = tmp_path / "work"
    inner = root / "app" / "src"
    inner.mkdir(parents=True)
    (root / ".git").write_text("gitdir: elsewhere")
    (tmp_path / "opencode.json").write_text(json.dumps({"provider": {"acme": provider(three=1)}}))
    (root / "opencode.json").write_text(json.dumps({"provider": {"acme": provider(one=10, two=20)}, "mcp": {"db": {}}}))
    (root / "app" / "opencode.jsonc").write_text("// ours\n" + json.dumps({"mcp": {"app": {}}}))
    (root / "app" / ".opencode").mkdir()
    (root / "app" / ".opencode" / "opencode.json").write_text(json.dumps({"provider": {"acme": provider(two=30)}}))
    limits = ModelLimits({}, tmp_path)
    here = limits.inside(str(inner))
    assert (here("acme", "one"), here("acme", "two"), here("acme", "three")) == (10, 30, 3000)
    assert limits.inside(str(root))("acme", "two") == 20
    assert (limits("acme", "one"), limits.inside("work")("acme", "one")) == (1000, 1000)
    assert limits.mcp_servers(str(inner)) == {"db", "app"}
    assert limits.mcp_servers() == frozenset()


def test_the_inline_configuration_comes_last(tmp_path: Path) -> None:
    configure(tmp_path, JSONC)
    inline = json.dumps({"provider": {"acme": provider(one=9)}})
    assert ModelLimits({"OPENCODE_CONFIG_CONTENT": inline}, tmp_path)("acme", "one") == 9
    broken = ModelLimits({"OPENCODE_CONFIG_CONTENT": "{"}, tmp_path)
    assert broken("acme", "one") == 500
    assert [problem.partition(":")[0] for problem in broken.problems] == ["OPENCODE_CONFIG_CONTENT"]


# -- what is no configuration


def test_what_cannot_be_understood_is_named(tmp_path: Path) -> None:
    path = configure(tmp_path, b'{"provider": ')
    catalogue(tmp_path, "[" * 100_000)
    limits = ModelLimits({}, tmp_path)
    assert limits("acme", "one") == 0
    assert sorted(problem.partition(":")[0] for problem in limits.problems) == sorted(
        [str(path), str(tmp_path / ".cache" / "opencode" / "models.json")]
    )


def fifo(path: Path) -> None:
    os.mkfifo(path)


def zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [fifo, zero, Path.mkdir])
def test_only_regular_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    for path in (configure(tmp_path, b""), tmp_path / ".cache" / "opencode" / "models.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
    limits = ModelLimits({}, tmp_path)
    assert limits("acme", "one") == 0
    assert len(limits.problems) == 2


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    path = configure(tmp_path, b"{}")
    os.truncate(path, FILE_LIMIT + 1)
    limits = ModelLimits({}, tmp_path)
    assert limits("acme", "one") == 0
    assert limits.problems == [f"{path}: larger than 64 MB"]


@pytest.mark.parametrize("limit", ["9" * 400, "1e400", "1e300", "9" * 30])
def test_an_absurd_limit_is_none_and_named(tmp_path: Path, limit: str) -> None:
    text = json.dumps({"acme": provider(one=1, two=7)}).replace('"context": 1,', f'"context": {limit},')
    catalogue(tmp_path, text)
    limits = ModelLimits({}, tmp_path)
    assert (limits("acme", "one"), len(limits.problems)) == (0, 1)
