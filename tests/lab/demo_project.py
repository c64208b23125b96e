"""The small project that the demo's model works on: a retry function whose test depends on luck."""

from __future__ import annotations

RETRY = '''"""Call a function again when it fails, with growing pauses in between."""

import random
import time


class GaveUp(Exception):
    """Every attempt failed; the last error is the cause."""


def delays(attempts, base=0.05, factor=2.0, jitter=0.5):
    """Seconds to wait after each failed attempt, every one up to `jitter` longer."""
    for number in range(attempts - 1):
        pause = base * factor**number
        yield pause + pause * jitter * random.random()


def retry(call, attempts=4, base=0.05, factor=2.0, jitter=0.5, errors=(Exception,)):
    """The result of `call`, tried `attempts` times. Raises GaveUp."""
    last = None
    for pause in [*delays(attempts, base, factor, jitter), None]:
        try:
            return call()
        except errors as error:
            last = error
            if pause is not None:
                time.sleep(pause)
    raise GaveUp(f"gave up after {attempts} attempts") from last
'''

TEST_RETRY = '''import time
import unittest

from retry import GaveUp, retry


class Flaky:
    """Fails `failures` times, then answers."""

    def __init__(self, failures):
        self.failures = failures
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError("no answer")
        return "ok"


class RetryTest(unittest.TestCase):
    def test_first_success_wins(self):
        self.assertEqual(retry(Flaky(0)), "ok")

    def test_tries_again_after_an_error(self):
        flaky = Flaky(2)
        self.assertEqual(retry(flaky), "ok")
        self.assertEqual(flaky.calls, 3)

    def test_backs_off_between_attempts(self):
        started = time.monotonic()
        with self.assertRaises(GaveUp):
            retry(Flaky(9), attempts=4)
        elapsed = time.monotonic() - started
        self.assertGreater(elapsed, 0.35)
        self.assertLess(elapsed, 0.44)

    def test_other_errors_pass_through(self):
        def broken():
            raise KeyError("name")

        with self.assertRaises(KeyError):
            retry(broken, errors=(ConnectionError,))


if __name__ == "__main__":
    unittest.main()
'''

CLIENT = '''"""Fetches documents, patiently."""

from urllib.request import urlopen

from retry import retry
from settings import SETTINGS


def fetch(url):
    """The body of a document."""
    return retry(lambda: urlopen(url, timeout=SETTINGS["timeoutSeconds"]).read(), attempts=SETTINGS["maxAttempts"])
'''

WORKER = '''"""Takes jobs from a queue; a job that fails is tried again."""

from retry import GaveUp, retry


def work(queue, handle, dead):
    """Handle every job; what cannot be handled goes to `dead`."""
    for job in queue:
        try:
            retry(lambda job=job: handle(job), attempts=3, base=0.5, errors=(OSError,))
        except GaveUp:
            dead.append(job)
'''

SETTINGS = '''"""Defaults; deploy/settings.json may override them."""

SETTINGS = {
    "timeoutSeconds": 10,
    "maxAttempts": 4,
    "queueName": "jobs",
}
'''

DEPLOYED = """{
  "timeoutSeconds": 30,
  "queueName": "jobs-eu"
}
"""

README = """# retry-lab

    python3 -m unittest -v
"""

REPRODUCTION = '''"""How often is the back-off test too slow? Ten runs, one seed each."""

import random
import time

from retry import GaveUp, retry


def fail():
    raise ConnectionError("no answer")


late = 0
for seed in range(10):
    random.seed(seed)
    started = time.monotonic()
    try:
        retry(fail, attempts=4)
    except GaveUp:
        pass
    elapsed = time.monotonic() - started
    late += elapsed >= 0.44
    print(f"seed {seed}  {elapsed:.3f} s  {'too slow' if elapsed >= 0.44 else 'in time'}", flush=True)
print(f"{late} of 10 runs break the limit of 0.44 s")
'''

FILES: dict[str, str | bytes] = {
    "README.md": README,
    "retry.py": RETRY,
    "client.py": CLIENT,
    "worker.py": WORKER,
    "settings.py": SETTINGS,
    "deploy/settings.json": DEPLOYED,
    "tests/__init__.py": "",
    "tests/test_retry.py": TEST_RETRY,
    ".gitignore": "__pycache__/\n",
}

# What the model changes: (text that stands there, text that replaces it).

OLD_RETRY = RETRY[RETRY.index("def delays") :]
NEW_RETRY = '''def delays(attempts, base=0.05, factor=2.0, jitter=0.5, luck=random.random):
    """Seconds to wait after each failed attempt, every one up to `jitter` longer."""
    for number in range(attempts - 1):
        pause = base * factor**number
        yield pause + pause * jitter * luck()


def retry(call, attempts=4, errors=(Exception,), sleep=time.sleep, **backoff):
    """The result of `call`, tried `attempts` times. Raises GaveUp."""
    last = None
    for pause in [*delays(attempts, **backoff), None]:
        try:
            return call()
        except errors as error:
            last = error
            if pause is not None:
                sleep(pause)
    raise GaveUp(f"gave up after {attempts} attempts") from last
'''

OLD_TEST = """        started = time.monotonic()
        with self.assertRaises(GaveUp):
            retry(Flaky(9), attempts=4)
        elapsed = time.monotonic() - started
        self.assertGreater(elapsed, 0.35)
        self.assertLess(elapsed, 0.44)
"""
NEW_TEST = """        slept = []
        with self.assertRaises(GaveUp):
            retry(Flaky(9), attempts=4, sleep=slept.append, luck=lambda: 1.0)
        self.assertEqual(slept, [0.05 * 1.5, 0.1 * 1.5, 0.2 * 1.5])
"""
