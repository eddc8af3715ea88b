"""Finds the tests and runs each in a process of its own, two at a time; a hung or killed test
takes nothing with it."""

import argparse
import importlib.util
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from . import hosts
from .checks import PATIENCE, CheckFailed
from .mesh import Mesh

HERE = pathlib.Path(__file__).resolve().parent.parent
TEST_LIMIT, TOTAL_LIMIT = 90, 900  # seconds
LONG_FACTOR = 10


def alone(test):
    """Marks a test that must not share the machine: it measures or fills it."""
    test.alone = True
    return test


def find_tests():
    """[(name, function)] in file and source order."""
    tests = []
    for path in sorted(HERE.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        tests += [(f"{path.stem[5:]}.{name[5:]}", item) for name, item in vars(module).items()
                  if name.startswith("test_") and getattr(item, "__module__", "") == path.stem]
    return tests


def main():
    parser = argparse.ArgumentParser(prog="tests/e2e/run", description="End-to-end tests: the "
                                     "real binary in network namespaces. Needs root.")
    parser.add_argument("filter", nargs="*", help="run tests whose name contains one of these")
    parser.add_argument("--binary", default=os.environ.get(
        "HAWSER", str(HERE.parent.parent / "build" / "hawser")))
    parser.add_argument("--keep", action="store_true", help="keep hosts and files of failed tests")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--long", action="store_true", help="ten minutes where it else is one")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    options.jobs = 1 if options.keep else options.jobs

    tests = find_tests()
    if options.one:
        return run_one(options, dict(tests)[options.one])
    tests = [test for test in tests
             if not options.filter or any(part in test[0] for part in options.filter)]
    if options.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is missing: build it with packaging/build", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        return become_root()
    hosts.remove_leftovers()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return Run(options, tests).finish()


def become_root():
    """Namespaces need it; sudo without a password, as the install step used it."""
    if shutil.which("sudo") is None:
        print("the end-to-end tests make network namespaces: run them as root", file=sys.stderr)
        return 2
    keep = ("HAWSER", "HAWSER_KIND", "HAWSER_E2E_PATIENCE", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
            "ASAN_SYMBOLIZER_PATH")
    os.execvp("sudo", ["sudo", "-n", f"--preserve-env={','.join(keep)}", sys.executable,
                       str(HERE / "run"), *sys.argv[1:]])


class Run:
    def __init__(self, options, tests):
        self.options = options
        self.waiting = [test for test in tests if not getattr(test[1], "alone", False)]
        self.waiting_alone = [test for test in tests if getattr(test[1], "alone", False)]
        self.running, self.passed, self.failed = [], 0, []
        factor = PATIENCE * (LONG_FACTOR if options.long else 1)
        self.deadline = time.monotonic() + TOTAL_LIMIT * factor
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, self.interrupted)

    def finish(self):
        started = time.monotonic()
        while self.waiting or self.waiting_alone or self.running:
            self.start_more()
            time.sleep(0.05)
            for job in [job for job in self.running if job.ended()]:
                self.running.remove(job)
                self.report(job)
            if time.monotonic() > self.deadline:
                print("out of time: the rest counts as failed")
                self.failed += [name for name, _ in self.waiting + self.waiting_alone]
                self.failed += [job.name for job in self.running]
                self.waiting = self.waiting_alone = []
                self.stop_all()
        hosts.remove_leftovers()
        for name in self.failed:
            print(f"FAILED {name}")
        print(f"end-to-end: {time.monotonic() - started:.0f} s")
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed else 0

    def start_more(self):
        while self.waiting and len(self.running) < self.options.jobs:
            self.running.append(Job(self.waiting.pop(0)[0], self.options))
        if not self.waiting and not self.running and self.waiting_alone:
            self.running.append(Job(self.waiting_alone.pop(0)[0], self.options))

    def report(self, job):
        if job.process.returncode == 0:
            self.passed += 1
            print(f"ok     {job.name} ({job.seconds():.1f} s)", flush=True)
        else:
            self.failed.append(job.name)
            print(f"FAILED {job.name} ({job.seconds():.1f} s)\n{job.output()}", flush=True)

    def stop_all(self):
        for job in self.running:
            job.process.terminate()
        for job in self.running:
            try:
                job.process.wait(15)
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
        self.running = []

    def interrupted(self, number, _):
        self.stop_all()
        hosts.remove_leftovers()
        sys.exit(128 + number)


class Job:
    """One test at work."""

    def __init__(self, name, options):
        self.name, self.started, self.terminated = name, time.monotonic(), None
        self.log = tempfile.TemporaryFile()
        self.keep = options.keep
        self.limit = TEST_LIMIT * PATIENCE * (LONG_FACTOR if options.long else 1)
        command = [sys.executable, str(HERE / "run"), "--one", name, "--binary", options.binary]
        if options.long:
            command.append("--long")
        if self.keep:  # in the foreground: it talks to whoever is looking
            self.process = subprocess.Popen(command + ["--keep"])
        else:
            self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def seconds(self):
        return time.monotonic() - self.started

    def ended(self):
        if self.process.poll() is not None:
            return True
        if self.keep:
            return False
        if self.terminated is None and self.seconds() > self.limit:
            self.terminated = self.seconds()
            self.process.terminate()
        elif self.terminated is not None and self.seconds() > self.terminated + 15:
            self.process.kill()
        return False

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def run_one(options, test):
    """In the test's own process."""
    def out_of_time(*_):
        raise CheckFailed("the test was stopped: out of time")

    signal.signal(signal.SIGTERM, out_of_time)
    directory = f"/tmp/hawser-e2e-{os.getpid()}"
    os.mkdir(directory, 0o755)
    mesh, failed = None, True
    try:
        mesh = Mesh(options.binary, directory, options.long)
        test(mesh)
        mesh.check_logs()
        failed = False
    except CheckFailed as failure:
        where = traceback.extract_tb(failure.__traceback__)
        lines = [frame for frame in where if "test_" in os.path.basename(frame.filename)]
        for frame in lines[-1:]:
            print(f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}")
        print(failure)
    except BaseException:
        traceback.print_exc()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if failed and mesh:
            mesh.print_logs()
        if failed and options.keep:
            keep(mesh, directory)
        if mesh:
            mesh.close()
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)


def keep(mesh, directory):
    """Holds the hosts of a failed test until Enter or an interruption."""
    print(f"\nkept: files in {directory}, hosts:")
    for host in mesh.network.hosts if mesh else []:
        print(f"  ip netns exec {host.namespace} …")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        input("Enter removes it: ")
    except (EOFError, KeyboardInterrupt):
        pass
