"""What a history must be whatever a model says, and the model's verdict."""

import bisect
import json
import os
import shutil
import subprocess

from harness.checks import check

MOST = "~"  # after every key
HERE = os.path.dirname(os.path.abspath(__file__))


def read_history(path):
    """(calls, what watchers were told), each in order."""
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    return ([line for line in lines if "op" in line], [line for line in lines if "event" in line])


def indexes_rise(history):
    """The registry is one log: a write that was asked for after the answer to another one has a
    higher index, whatever they wrote and whoever asked."""
    answered = sorted((call for call in history if call["op"] != "read" and "index" in call),
                      key=lambda call: call["return"])
    asked = sorted(answered, key=lambda call: call["call"])
    highest, done = 0, 0
    for call in asked:
        while done < len(answered) and answered[done]["return"] < call["call"]:
            highest = max(highest, answered[done]["index"])
            done += 1
        check(call["index"] > highest,
              f"{call} was asked for after index {highest} had been answered")
    indexes = [call["index"] for call in answered]
    check(len(set(indexes)) == len(indexes), "two writes have the same index")


def writes_are_kept(history):
    """The last read of a register, after all faults, shows nothing older than what was ever
    acknowledged for it."""
    newest, last = {}, {}
    for call in history:
        if call["outcome"] != "ok":
            continue
        if call["op"] == "read":
            last[call["key"]] = call
        else:
            newest[call["key"]] = max(newest.get(call["key"], (0, 0)), (call["index"], call["value"]))
    for key, (index, value) in newest.items():
        read = last.get(key)
        check(read is not None, f"{key} was not read at the end")
        check(read["found"] and read["index"] >= index, f"{key}: index {index} was acknowledged, "
              f"the last read is {read}")
        check(read["index"] > index or read["value"] == value,
              f"{key}: {value} was written at index {index}, {read['value']} is read")


def watches_are_complete(history, told):
    """Every watcher saw every acknowledged write once, in order, and nothing that nobody wrote.
    One that had to begin again saw the registers as they were then."""
    written = {(call["key"], call["value"]): call for call in history if call["op"] != "read"}
    acknowledged = sorted((call["index"], call["key"], call["value"])
                          for call in written.values() if call["outcome"] == "ok")
    seen = 0
    for watcher in {line["watcher"] for line in told}:
        view = View(watcher, written, acknowledged)
        for line in told:
            if line["watcher"] == watcher:
                view.take(line)
        check(view.upto >= acknowledged[-1][0], f"watcher {watcher} saw everything up to index "
              f"{view.upto} only, {acknowledged[-1]} was acknowledged")
        seen += view.changes
    check(seen > 0, "no watcher saw any change")
    return f"{seen} changes"


class View:
    """What one watcher knows."""

    def __init__(self, watcher, written, acknowledged):
        self.name, self.written, self.acknowledged = f"watcher {watcher}", written, acknowledged
        self.upto, self.rows, self.pending, self.changes = 0, {}, [], 0

    def take(self, line):
        getattr(self, line["event"])(line)

    def begin(self, line):
        """From nothing: what it knew, nobody holds any more."""
        self.pending, self.rows = [], {}

    def row(self, line):
        self._check_written(line)
        held = self.rows.get(line["key"], (0, 0))
        check(line["index"] >= held[0], f"{self.name}: {line} came after {held}")
        self.rows[line["key"]] = (line["index"], line["value"])

    def complete(self, line):
        self.upto = line["index"]
        newest = {}
        for index, key, value in self.acknowledged:
            if index <= self.upto:
                newest[key] = (index, value)
        for key, acknowledged in newest.items():
            shown = self.rows.get(key, (0, 0))
            check(shown == acknowledged or shown[0] > acknowledged[0],
                  f"{self.name} began at {self.upto} with {key} = {shown}; {acknowledged} "
                  "was acknowledged")

    def change(self, line):
        self._check_written(line)
        last = self.pending[-1][0] if self.pending else self.upto
        if line["index"] <= last and self.pending:
            # A connection broke in the middle: what was not said to be complete comes again.
            check(line["index"] == self.pending[0][0], f"{self.name}: {line} came after {last}")
            self.pending = []
        check(line["index"] > self.upto, f"{self.name}: {line} was complete up to {self.upto}")
        self.pending.append((line["index"], line["key"], line["value"]))

    def seen(self, line):
        """All between the last time and now: nothing of it is missing."""
        came = set(self.pending)
        begin = bisect.bisect_right(self.acknowledged, (self.upto, MOST))
        end = bisect.bisect_right(self.acknowledged, (line["index"], MOST))
        for write in self.acknowledged[begin:end]:
            check(write in came, f"{self.name} was told everything from {self.upto} to "
                  f"{line['index']}, but not {write}")
        self.changes += len(self.pending)
        self.upto, self.pending = line["index"], []

    def _check_written(self, line):
        call = self.written.get((line["key"], line["value"]))
        check(call is not None and call["outcome"] != "refused",
              f"{self.name}: {line} was never written: {call}")
        check(call["outcome"] != "ok" or call["index"] == line["index"],
              f"{self.name}: {line} is not what was acknowledged: {call}")


class Checker:
    """porcupine, built once. `missing` says why there is none."""

    def __init__(self, directory):
        self.path, self.missing = os.path.join(directory, "checker"), None
        self.folder = os.path.join(HERE, "checker")
        go = shutil.which("go")
        if go is None:
            self.missing = "go is not installed"
        elif (why := self._fetch()):
            self.missing = f"its module cannot be had: {why}"

    def _fetch(self):
        """Why it failed, or None."""
        try:
            fetched = self._go("mod", "download")
        except subprocess.TimeoutExpired:
            return "no answer in time"
        return fetched.stderr.strip() if fetched.returncode != 0 else None

    def _go(self, *arguments, timeout=120):
        return subprocess.run(["go", *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=timeout)

    def build(self):
        """Also runs its own tests: a checker that accepts everything finds nothing."""
        for arguments in (["test", "./..."], ["build", "-o", self.path, "."]):
            result = self._go(*arguments, timeout=300)
            check(result.returncode == 0, f"go {arguments[0]}: {result.stdout}{result.stderr}")

    def check(self, history_path):
        result = subprocess.run([self.path, "-picture", f"{history_path}.html", history_path],
                                capture_output=True, text=True, timeout=900)
        check(result.returncode == 0, f"{result.stdout}{result.stderr}")
        return result.stdout.strip()
