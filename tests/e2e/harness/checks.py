"""Failures, and waiting for things to become true. Nothing here sleeps instead of looking."""

import os
import time

# Sanitizer builds are several times slower.
SLOWNESS = {"asan": 3, "tsan": 6}.get(os.environ.get("HAWSER_KIND"), 1)
PATIENCE = float(os.environ.get("HAWSER_E2E_PATIENCE", SLOWNESS))


class CheckFailed(Exception):
    """A promise that did not hold."""


def check(condition, what):
    if not condition:
        raise CheckFailed(what)


def check_equal(actual, expected, what):
    if actual != expected:
        raise CheckFailed(f"{what}: expected {shorten(expected)}, got {shorten(actual)}")


def check_contains(text, part, what):
    if part not in text:
        raise CheckFailed(f"{what}: no {part!r} in {shorten(text)}")


def shorten(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit // 2]} … {text[-limit // 2 :]}"


def wait_until(predicate, timeout, what):
    """Looks until predicate() is true and returns its value; the predicate may raise CheckFailed
    or OSError while it is not. Returns the value; raises with the last reason when time is up."""
    deadline = time.monotonic() + timeout * PATIENCE
    pause, reason = 0.01, None
    while True:
        try:
            value = predicate()
            if value:
                return value
            reason = None
        except (CheckFailed, OSError) as error:
            reason = error
        if time.monotonic() >= deadline:
            ending = f" (last: {reason})" if reason else ""
            raise CheckFailed(f"not within {timeout:g} s: {what}{ending}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
