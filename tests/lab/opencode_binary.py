"""The opencode programs under test: installed by package name into a cache outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_dir

VERSION = "1.18.33"
PREVIEW = "0.0.0-next-16350"
CACHE_VARIABLE = "OPENCODE_VIEWER_LAB_CACHE"
INSTALL_TIMEOUT_S = 300
ANSWER_TIMEOUT_S = 30


class Release(NamedTuple):
    """One version of opencode: what npm installs, and the pattern of the programs that this leaves in the cache."""

    version: str
    package: str
    builds: str


V1 = Release(VERSION, "opencode-ai", "node_modules/opencode-*/bin/opencode")
V2 = Release(PREVIEW, "@opencode-ai/cli-linux-x64-baseline", "node_modules/@opencode-ai/cli-*/bin/opencode2")
"""A preview of 2.x of July 2026, the only 2.x that a package registry has; there is a build for Linux on x64."""


class Unavailable(Exception):
    """opencode cannot be had on this machine; the message says why."""


def cache_directory(release: Release = V1) -> Path:
    """Where the installed package lives; the environment variable names another place for all of them."""
    override = os.environ.get(CACHE_VARIABLE)
    return (Path(override) if override else Path(user_cache_dir("opencode-viewer")) / "lab") / release.version


def find(release: Release = V1) -> Path:
    """The opencode binary, installed first when the cache is empty.

    Raises `Unavailable` without npm, when the install fails or takes longer than `INSTALL_TIMEOUT_S`
    seconds, or when no installed build runs on this processor.
    """
    cache = cache_directory(release)
    if not (cache / "node_modules").is_dir():
        install(cache, release)
    return runnable(cache, release)


def require(release: Release = V1) -> Path:
    """`find()` for tests: skips the test, with the reason, where opencode cannot be had."""
    import pytest

    try:
        return find(release)
    except Unavailable as reason:
        pytest.skip(f"REAL OPENCODE {release.version} NOT TESTED: {reason}")


def install(cache: Path, release: Release = V1) -> None:
    """Install into a neighbouring directory and rename it, so that the cache is whole or absent."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not on PATH")
    cache.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".install-", dir=cache.parent))
    command = [npm, "install", "--prefix", str(staging), "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            [*command, f"{release.package}@{release.version}"],
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


def runnable(cache: Path, release: Release = V1) -> Path:
    """The installed build that answers `--version`.

    npm may install several builds of one platform (`-baseline` is for processors without AVX2), so the
    shortest name that runs here wins.
    """
    builds = sorted(cache.glob(release.builds), key=lambda path: len(str(path)))
    builds = [path for path in builds if path.parent.parent.name != "opencode-ai"]
    for build in builds:
        if answers(build, release.version):
            return build
    raise Unavailable(f"none of the installed builds runs here: {[path.parts[-3] for path in builds]}")


def answers(build: Path, version: str) -> bool:
    """Whether this build starts and is the version asked for (2.x puts its name and a `v` before it); run in a
    throwaway home."""
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
    return done.returncode == 0 and done.stdout.strip() in (version, f"{build.name} v{version}")
