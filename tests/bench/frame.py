"""Runs benches and shows what they measured.

A bench is a file bench_<name>.py with
    ABOUT              what is compared with what, in a few lines; printed above the table
    systems(context)   the systems under test, hawser first, each an object with
        name           in the table and the rows
        missing()      why it cannot run here (a peer that is not installed), or None
        measure(context) → (case, metric, value, unit), …     one round, from start to stop
Rounds go through all systems in turn, in another order each time, because a machine is never the
same for long. Rows go to --json as they are; the table has their medians."""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from fnmatch import fnmatch

from harness import hosts
from harness.checks import CheckFailed

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent


@dataclass
class Row:
    bench: str
    case: str
    system: str
    metric: str
    value: float
    unit: str
    round: int


class Context:
    """What a bench may use."""

    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.binary, self.quick = options.binary, options.quick

    def wants(self, case):
        return not self.options.case or any(fnmatch(case, wish) for wish in self.options.case)

    def program(self, name):
        """The path of a program of tests/bench, built where the binary was."""
        return str(pathlib.Path(self.binary).parent / "tests/bench" / name)


def find_benches():
    benches = {}
    for path in sorted(HERE.glob("bench_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        benches[path.stem.removeprefix("bench_")] = module
    return benches


def main():
    benches = find_benches()
    options = parse_options(benches)
    if options.list:
        for name, bench in benches.items():
            print(f"{name}\n    " + bench.ABOUT.replace("\n", "\n    "))
        return 0
    if not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is missing: build it with packaging/build", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        return become_root()
    return run({name: benches[name] for name in options.name or benches}, options)


def parse_options(benches):
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="*", help=f"of {', '.join(benches)}; default: all")
    parser.add_argument("--quick", action="store_true", help="one short round, only to see it work")
    parser.add_argument("--rounds", type=int, help="default: 3, or 1 with --quick")
    parser.add_argument("--case", action="append", help="only cases with this name; may have * and ?")
    parser.add_argument("--json", help="write all rows to this file")
    parser.add_argument("--list", action="store_true", help="what benches there are")
    parser.add_argument("--binary", default=os.environ.get("HAWSER", str(REPO / "build/hawser")))
    parser.add_argument("--members", type=int, default=3, help="servers of a cluster")
    parser.add_argument("--keep", action="store_true", help="keep the files of the run")
    options = parser.parse_args()
    if unknown := set(options.name) - set(benches):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(benches)}")
    options.binary = os.path.abspath(options.binary)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def become_root():
    if shutil.which("sudo") is None:
        print("benches make network namespaces: run them as root", file=sys.stderr)
        return 2
    os.execvp("sudo", ["sudo", "-n", "--preserve-env=HAWSER", sys.executable, str(HERE / "run"),
                       *sys.argv[1:]])


def run(benches, options):
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda number, _: sys.exit(128 + number))
    hosts.remove_leftovers()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Not /tmp: where that is in memory, a write that is called durable costs nothing.
    directory = tempfile.mkdtemp(prefix="hawser-bench-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    context, rows, passed, failed, skipped = Context(options, directory), [], 0, 0, []
    try:
        describe_machine(directory)
        for name, bench in benches.items():
            print(f"\n== {name}\n{bench.ABOUT}", flush=True)
            build(bench, options)
            measured = Measured(name, bench.systems(context))
            measured.run(context)
            print_table(measured.rows)
            rows += measured.rows
            passed, failed = passed + measured.passed, failed + measured.failed
            skipped += measured.skipped
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps([asdict(row) for row in rows], indent=1))
    for line in skipped:
        print(f"skipped {line}")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


def build(bench, options):
    """The programs a bench brings along, in the build folder of the binary under test."""
    targets = [f"tests/bench/{program}" for program in getattr(bench, "PROGRAMS", [])]
    folder = pathlib.Path(options.binary).parent
    if targets:
        subprocess.run(["ninja", "-C", str(folder), *targets], check=True,
                       stdout=subprocess.DEVNULL)


class Measured:
    def __init__(self, name, systems):
        self.name, self.rows, self.passed, self.failed = name, [], 0, 0
        self.skipped = [f"{name}/{system.name}: {why}" for system in systems
                        if (why := system.missing())]
        self.systems = [system for system in systems if not system.missing()]

    def run(self, context):
        for number in range(1, context.options.rounds + 1):
            turn = (number - 1) % max(1, len(self.systems))
            for system in self.systems[turn:] + self.systems[:turn]:
                self.measure(system, context, number)

    def measure(self, system, context, number):
        started = time.monotonic()
        try:
            for case, metric, value, unit in system.measure(context):
                self.rows.append(Row(self.name, case, system.name, metric, value, unit, number))
            self.passed += 1
            print(f"   round {number} {system.name}: {time.monotonic() - started:.0f} s",
                  flush=True)
        except Exception as failure:
            self.failed += 1
            text = str(failure) if isinstance(failure, CheckFailed) else traceback.format_exc()
            print(f"FAILED round {number} {system.name}: {text}", flush=True)


def print_table(rows):
    """A line for each case and metric, a column for each system: median (least – most)."""
    systems = list(dict.fromkeys(row.system for row in rows))
    lines = [["case", "metric", *systems, *(["times"] if len(systems) > 1 else [])]]
    for case, metric in dict.fromkeys((row.case, row.metric) for row in rows):
        cells, medians = [], []
        for system in systems:
            values = [row.value for row in rows
                      if (row.case, row.metric, row.system) == (case, metric, system)]
            medians.append(statistics.median(values) if values else None)
            cells.append(cell(values))
        unit = next(row.unit for row in rows if (row.case, row.metric) == (case, metric))
        # How many times the first system's figure is the second's.
        both = len(medians) > 1 and medians[0] is not None and medians[1]
        times = [f"{medians[0] / medians[1]:.2f}" if both else ""] if len(systems) > 1 else []
        lines.append([case, f"{metric} [{unit}]", *cells, *times])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def cell(values):
    if not values:
        return "-"
    text = number(statistics.median(values))
    if len(values) > 1:
        text += f" ({number(min(values))}–{number(max(values))})"
    return text


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def describe_machine(directory):
    """What the figures depend on."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    print(f"{len(os.sched_getaffinity(0))} × {models[0] if models else platform.machine()}, "
          f"Linux {platform.release()}; fdatasync of 4 KiB in {os.path.dirname(directory)}: "
          f"{sync_time(directory) * 1e6:.0f} µs (median)", flush=True)


def sync_time(directory, times=50):
    taken = []
    path = os.path.join(directory, "sync")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(times):
        started = time.monotonic()
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)
        taken.append(time.monotonic() - started)
    os.close(descriptor)
    os.unlink(path)
    return statistics.median(taken)
