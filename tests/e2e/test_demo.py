"""`hawser demo`, as a user runs it."""

import os
import shutil
import signal
import subprocess

from harness import kernel
from harness.checks import check, check_contains, check_equal, wait_until
from harness.hosts import Process
from harness.runner import alone

ALL_FOLDERS = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"


def start_demo(mesh, *arguments, uid=None, without=()):
    """On this machine itself, as a user would; `without` hides programs from it."""
    parent = os.getpid()
    hidden = [path for name in without if (path := shutil.which(name, path=ALL_FOLDERS))]

    def enter():
        if hidden:
            kernel.hide_files(hidden)
        if uid is not None:
            kernel.become(uid)
        kernel.die_with_parent(parent)

    path = os.path.join(mesh.directory, "demo.log")
    with open(path, "wb") as log:
        popen = subprocess.Popen([mesh.binary, "demo", *arguments], stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, preexec_fn=enter, cwd="/")
    return Process(popen, "demo", path)


def leftovers(demo):
    """What there is with this demo's name; others may be running."""
    found = []
    for folder in ("/tmp", "/run/netns", "/etc/netns"):
        if os.path.isdir(folder):
            found += [name for name in os.listdir(folder)
                      if f"{name}-".startswith(f"hawser-demo-{demo.pid}-")]
    return found


@alone
def test_the_demo_holds_between_namespaces_and_leaves_nothing(mesh):
    demo = start_demo(mesh)
    check_equal(demo.wait(60), 0, f"exit code ({demo.log()})")
    check_contains(demo.log(), "curl http://api.mesh/", "the report")
    check_contains(demo.log(), "Nothing is left behind", "the report")
    check_equal(leftovers(demo), [], "left behind")


@alone
def test_the_demo_tells_the_same_on_loopback_to_an_ordinary_user(mesh):
    demo = start_demo(mesh, uid=61050)
    check_equal(demo.wait(60), 0, f"exit code ({demo.log()})")
    check_contains(demo.log(), "explicit mode", "the report")
    check_equal(leftovers(demo), [], "left behind")


@alone
def test_the_demo_needs_nothing_installed_but_the_kernels_tools(mesh):
    programs = ("nginx", "redis-server", "redis-cli", "curl")
    demo = start_demo(mesh, without=programs)
    check_equal(demo.wait(60), 0, f"exit code ({demo.log()})")
    check_contains(demo.log(), "built-in", "the report")
    check_equal(leftovers(demo), [], "left behind")


@alone
def test_an_interrupted_demo_cleans_up(mesh):
    for sig in (signal.SIGINT, signal.SIGTERM):
        demo = start_demo(mesh)
        wait_until(lambda: "✓ server" in demo.log(), 20, "it is under way")
        check_equal(demo.stop(sig, timeout=20), 128 + sig, "exit code")
        check_contains(demo.log(), "cleaned up", "the report")
        check_equal(leftovers(demo), [], "left behind")


@alone
def test_a_demo_whose_reader_leaves_cleans_up(mesh):
    demo = subprocess.Popen([mesh.binary, "demo"], stdout=subprocess.PIPE, cwd="/")
    demo.stdout.readline()
    demo.stdout.close()
    check(demo.wait(60) >= 0, "it was not killed by SIGPIPE")
    check_equal(leftovers(demo), [], "left behind")


@alone
def test_a_killed_demo_is_cleaned_up_by_the_next(mesh):
    demo = start_demo(mesh)
    wait_until(lambda: "✓ hosts" in demo.log(), 20, "it is under way")
    demo.kill()
    check(leftovers(demo), "a demo killed with SIGKILL leaves its hosts")
    check_equal(start_demo(mesh, "--remove").wait(30), 0, "exit code of demo --remove")
    check_equal(leftovers(demo), [], "left behind")
    processes = subprocess.run(["pgrep", "-f", f"hawser-demo-{demo.pid}/"],
                               capture_output=True)
    check_equal(processes.stdout, b"", "processes left")
