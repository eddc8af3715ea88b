"""`hawser demo`, as a user runs it."""

import os
import signal
import subprocess

from harness.checks import check, check_contains, check_equal, wait_until
from harness.runner import alone


def leftovers():
    found = [name for name in os.listdir("/tmp") if name.startswith("hawser-demo-")]
    if os.path.isdir("/run/netns"):
        found += [name for name in os.listdir("/run/netns") if name.startswith("hawser-demo-")]
    return found


@alone
def test_the_demo_holds_between_namespaces_and_leaves_nothing(mesh):
    result = mesh.add_host("a").run(mesh.binary, "demo", timeout=60)
    check_equal(result.returncode, 0, f"exit code ({result.stdout}{result.stderr})")
    check_contains(result.stdout, "curl http://api.mesh/", "the report")
    check_contains(result.stdout, "Nothing is left behind", "the report")
    check_equal(leftovers(), [], "left behind")


@alone
def test_the_demo_tells_the_same_on_loopback_to_an_ordinary_user(mesh):
    result = mesh.add_host("a").run(mesh.binary, "demo", uid=61050, timeout=60)
    check_equal(result.returncode, 0, f"exit code ({result.stdout}{result.stderr})")
    check_contains(result.stdout, "explicit mode", "the report")
    check_equal(leftovers(), [], "left behind")


@alone
def test_an_interrupted_demo_cleans_up(mesh):
    for sig in (signal.SIGINT, signal.SIGTERM):
        demo = mesh.add_host(f"h{sig.value}").start(mesh.binary, "demo", name="demo")
        wait_until(lambda: "server" in demo.log().split("A mesh")[-1], 20, "it is under way")
        check_equal(demo.stop(sig, timeout=20), 128 + sig, "exit code")
        check_equal(leftovers(), [], "left behind")


@alone
def test_a_killed_demo_is_cleaned_up_by_the_next(mesh):
    host = mesh.add_host("a")
    demo = host.start(mesh.binary, "demo", name="demo")
    wait_until(lambda: "hosts " in demo.log(), 20, "it is under way")
    demo.kill()
    check(leftovers(), "a demo killed with SIGKILL leaves its hosts")
    host.output(mesh.binary, "demo", "--remove")
    check_equal(leftovers(), [], "left behind")
    check_equal(subprocess.run(["pgrep", "-f", "hawser-demo-"], capture_output=True).stdout, b"",
                "processes left")
