"""The checks' own tests: one that accepts everything finds nothing."""

import checks
from harness.checks import CheckFailed, check_equal


def written(key, value, index=None):
    """Without an index: nobody knows whether it was."""
    call = {"op": "write", "key": key, "value": value, "outcome": "unknown"}
    return call if index is None else call | {"outcome": "ok", "index": index}


def told(event, index=0, key=None, value=None):
    return {"watcher": 0, "event": event, "index": index, "key": key, "value": value}


HISTORY = [written("a", 1, 5), written("b", 2, 6), written("a", 3), written("a", 4, 8)]
BEGUN = [told("begin"), told("row", 5, "a", 1), told("complete", 5)]
B6, A7, A8 = (told("change", 6, "b", 2), told("change", 7, "a", 3), told("change", 8, "a", 4))
SEEN8 = told("seen", 8)

WATCHES = {
    "all in order": (True, [*BEGUN, B6, A7, told("seen", 7), A8, SEEN8]),
    "cut off in the middle": (True, [*BEGUN, B6, B6, A7, A8, SEEN8]),
    "begun twice": (True, [*BEGUN, B6, told("seen", 6), told("begin"), told("row", 8, "a", 4),
                           told("row", 6, "b", 2), told("complete", 8)]),
    "one never acknowledged is left out": (True, [*BEGUN, B6, A8, SEEN8]),
    "one is missing": (False, [*BEGUN, A7, A8, SEEN8]),
    "one comes twice": (False, [*BEGUN, B6, told("seen", 6), B6, A8, SEEN8]),
    "out of order": (False, [*BEGUN, B6, A8, A7, SEEN8]),
    "nobody wrote it": (False, [*BEGUN, told("change", 6, "b", 9), A8, SEEN8]),
    "another index": (False, [*BEGUN, told("change", 7, "b", 2), A8, SEEN8]),
    "a row is missing": (False, [told("begin"), told("complete", 5), B6, A7, A8, SEEN8]),
    "the end is missing": (False, [*BEGUN, B6, told("seen", 6)]),
}


def call(asked, answered, index, key="a", value=1, **more):
    return {"op": "write", "outcome": "ok", "call": asked, "return": answered, "index": index,
            "key": key, "value": value} | more


def read(index, value):
    return call(90, 91, index, value=value, op="read", found=True)


INDEXES = {"they rise": (True, [call(1, 2, 5), call(3, 4, 6)]),
           "at the same time": (True, [call(1, 4, 6), call(2, 3, 5)]),
           "one goes back": (False, [call(1, 2, 6), call(3, 4, 5)]),
           "the same twice": (False, [call(1, 4, 5), call(2, 3, 5)])}
KEPT = {"the last one is there": (True, [call(1, 2, 5), call(3, 4, 6, value=2), read(6, 2)]),
        "a later one, never answered": (True, [call(1, 2, 5), read(7, 9)]),
        "lost": (False, [call(1, 2, 5), call(3, 4, 6, value=2), read(5, 1)]),
        "another value": (False, [call(1, 2, 5), read(5, 9)]),
        "not read": (False, [call(1, 2, 5)])}


def run():
    for function, examples in ((checks.indexes_rise, INDEXES), (checks.writes_are_kept, KEPT),
                               (lambda lines: checks.watches_are_complete(HISTORY, lines),
                                WATCHES)):
        for name, (good, lines) in examples.items():
            check_equal(accepts(function, lines), good, f"{name}: accepted")


def accepts(function, lines):
    try:
        function(lines)
    except CheckFailed:
        return False
    return True
