"""One run: servers, clients, faults, and afterwards the checks."""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import checks
import checks_test
from cluster import DISK, LARGE_DISK, Cluster
from harness import hosts, kernel
from harness.checks import CheckFailed, check, check_equal
from nemesis import Nemesis

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
SHORT, LONG = 20, 600  # seconds of faults


def main():
    options = parse_options()
    if not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is missing: build it with packaging/build", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        return become_root()
    # Mounts of our own, which end with us: the servers' small disks.
    kernel.hide_files([])
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda number, _: sys.exit(128 + number))
    hosts.remove_leftovers()
    build_client(options)
    directory = tempfile.mkdtemp(prefix="hawser-chaos-", dir="/tmp")
    os.chmod(directory, 0o755)
    try:
        return Suite(options, directory).run()
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


def parse_options():
    parser = argparse.ArgumentParser(prog="tests/chaos/run", description="Servers are broken while "
                                     "clients use them. Needs root.")
    parser.add_argument("--servers", type=int, action="append", help="default: 3 and 5")
    parser.add_argument("--minutes", type=float, help="of faults, for each number of servers")
    parser.add_argument("--long", action="store_true", help=f"as --minutes {LONG // 60}")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--binary", default=os.environ.get("HAWSER", str(REPO / "build/hawser")))
    parser.add_argument("--keep", action="store_true", help="keep histories and logs")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    options.seconds = LONG if options.long else SHORT
    if options.minutes:
        options.seconds = options.minutes * 60
    return options


def become_root():
    if shutil.which("sudo") is None:
        print("the chaos tests make network namespaces: run them as root", file=sys.stderr)
        return 2
    os.execvp("sudo", ["sudo", "-n", "--preserve-env=HAWSER,HAWSER_KIND,HAWSER_E2E_PATIENCE",
                       sys.executable, str(HERE / "run"), *sys.argv[1:]])


def build_client(options):
    folder = os.path.dirname(options.binary)
    options.client = os.path.join(folder, "tests/chaos/chaos-client")
    subprocess.run(["ninja", "-C", folder, "tests/chaos/chaos-client"], check=True,
                   stdout=subprocess.DEVNULL)


class Suite:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.passed, self.failed, self.skipped = 0, 0, []
        self.checker = checks.Checker(directory)

    def run(self):
        print(f"seed {self.options.seed}", flush=True)
        self.test("the checks tell good histories from bad ones", checks_test.run)
        if self.checker.missing is None:
            self.test("porcupine tells good histories from bad ones", self.checker.build)
        else:
            self.skipped.append(f"linearizable: {self.checker.missing}")
        for servers in self.options.servers or [3, 5]:
            self.scenario(servers)
        for line in self.skipped:
            print(f"skipped {line}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0

    def test(self, name, function, *arguments):
        started = time.monotonic()
        try:
            said = function(*arguments)
        except Exception as failure:
            self.failed += 1
            text = str(failure) if isinstance(failure, CheckFailed) else traceback.format_exc()
            print(f"FAILED {name}: {text}", flush=True)
            return False
        self.passed += 1
        print(f"ok     {name} ({time.monotonic() - started:.1f} s)"
              f"{f': {said}' if said else ''}", flush=True)
        return True

    def scenario(self, servers):
        name = f"{servers} server{'s' if servers > 1 else ''}"
        scenario = Scenario(self.options, os.path.join(self.directory, str(servers)), servers)
        if not self.test(f"{name}: serve again after every fault", scenario.perform):
            return
        calls, told = checks.read_history(scenario.history_path)
        self.test(f"{name}: indexes rise", checks.indexes_rise, calls)
        self.test(f"{name}: acknowledged writes are kept", checks.writes_are_kept, calls)
        self.test(f"{name}: watchers see every write once, in order", checks.watches_are_complete,
                  calls, told)
        if self.checker.missing is None:
            self.test(f"{name}: linearizable", self.checker.check, scenario.history_path)


class Scenario:
    def __init__(self, options, directory, size):
        self.options, self.directory, self.size = options, directory, size
        self.random = random.Random(f"{options.seed}/{size}")
        self.history_path = os.path.join(directory, "history.json")

    def perform(self):
        os.mkdir(self.directory, 0o755)
        disk = LARGE_DISK if self.options.seconds > 60 else DISK
        self.cluster = Cluster(self.options.binary, self.directory, self.size, disk)
        try:
            return self.break_and_mend()
        except BaseException:
            self.print_logs()
            raise
        finally:
            self.cluster.close()

    def break_and_mend(self):
        cluster = self.cluster
        cluster.start()
        endpoints = [word for server in cluster.servers for word in ("--endpoint", server.address)]
        client = cluster.client_host.start(
            self.options.client, *endpoints, "--root", cluster.root, "--token", cluster.token,
            "--history", self.history_path, "--seed", str(self.options.seed))
        nemesis = Nemesis(cluster, self.random, lambda text: print(f"       {text}", flush=True))
        nemesis.run(self.options.seconds)
        check(client.running(), f"the clients ended early: {client.log()}")
        check_equal(client.stop(timeout=40), 0, f"exit code of the clients: {client.log()}")
        cluster.wait_mended()
        rows = {cluster.rows(server) for server in cluster.servers}
        check_equal(len(rows), 1, "different states of the registry")
        calls, _ = checks.read_history(self.history_path)
        succeeded = sum(call["outcome"] == "ok" for call in calls)
        check(succeeded > 20 * self.options.seconds, f"only {succeeded} calls succeeded")
        self.check_logs()
        return f"{nemesis.begun} faults, {client.log().strip()}"

    def check_logs(self):
        for server in self.cluster.servers:
            for sign in ("Sanitizer", "runtime error:", "Assertion", "hawser: bug:"):
                check(sign not in server.logs(), f"{server.host.name} reported a fault")

    def print_logs(self, limit=4000):
        for host in self.cluster.network.hosts:
            for process in host.processes[-2:]:
                state = "running" if process.running() else f"exit {process.popen.returncode}"
                print(f"--- {process.name} ({state})\n{process.log()[-limit:]}", flush=True)
