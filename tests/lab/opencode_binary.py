"""The opencode program under test: installed by package name into a cache outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_dir

VERSION = "1.18.33"
CACHE_VARIABLE = "OPENCODE_VIEWER_LAB_CACHE"
INSTALL_TIMEOUT_S = 300
ANSWER_TIMEOUT_S = 30


class Unavailable(Exception):
    """opencode cannot be had on this machine; the message says why."""


def cache_directory() -> Path:
    """Where the installed package lives; the environment variable names another place."""
    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else Path(user_cache_dir("opencode-viewer")) / "lab" / VERSION


def find() -> Path:
    """The opencode binary, installed first when the cache is empty.

    Raises `Unavailable` without npm, when the install fails or takes longer than `INSTALL_TIMEOUT_S`
    seconds, or when no installed build runs on this processor.
    """
    cache = cache_directory()
    if not (cache / "node_modules").is_dir():
        install(cache)
    return runnable(cache)


def require() -> Path:
    """`find()` for tests: skips the test, with the reason, where opencode cannot be had."""
    import pytest

    try:
        return find()
    except Unavailable as reason:
        pytest.skip(f"REAL OPENCODE NOT TESTED: {reason}")


def install(cache: Path) -> None:
    """Install into a neighbouring directory and rename it, so that the cache is whole or absent."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not on PATH")
    cache.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".install-", dir=cache.parent))
    command = [npm, "install", "--prefix", str(staging), "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*command, f"opencode-ai@{VERSION}"],
            cwd=staging,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
        if done.returncode:
            raise Unavailable(f"npm install ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        try:
            staging.rename(cache)
        except OSError:
            # Another test process finished the same install first; its copy is as good as ours.
            if not (cache / "node_modules").is_dir():
                raise
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm install took longer than {INSTALL_TIMEOUT_S} s") from None
    except OSError as error:
        raise Unavailable(f"npm install: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def runnable(cache: Path) -> Path:
    """The installed build that answers `--version`.

    npm may install several builds of one platform (`-baseline` is for processors without AVX2), so the
    shortest name that runs here wins.
    """
    builds = sorted(cache.glob("node_modules/opencode-*/bin/opencode"), key=lambda path: len(str(path)))
    builds = [path for path in builds if path.parent.parent.name != "opencode-ai"]
    for build in builds:
        if answers(build):
            return build
    raise Unavailable(f"none of the installed builds runs here: {[path.parts[-3] for path in builds]}")


def answers(build: Path) -> bool:
    """Whether this build starts and is the version asked for; run in a throwaway home."""
    with tempfile.TemporaryDirectory(prefix="opencode-version-") as home:
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": home, "OPENCODE_DISABLE_AUTOUPDATE": "1"}
        try:
            done = subprocess.run(
                [build, "--version"],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ANSWER_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == 0 and done.stdout.strip() == VERSION
