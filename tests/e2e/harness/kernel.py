"""The few system calls Python 3.11 does not offer: entering a network namespace with a resolver
configuration of its own, changing the user, dying with the parent."""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def enter_namespace(name, files):
    """Moves this process into the named network namespace; `files` maps paths under /etc to
    files that stand there for this process and its children only (as `ip netns exec` does)."""
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    _call("setns", descriptor, CLONE_NEWNET)
    os.close(descriptor)
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for target, source in files.items():
        _call("mount", source.encode(), os.path.realpath(target).encode(), None, MS_BIND, None)
    # /sys shows the namespace it was mounted in; the programs under test do not read it.


def hide_files(paths):
    """Puts an empty file, which cannot be run, over each: for this process and its children."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for path in paths:
        path = os.path.realpath(path).encode()
        _call("mount", b"/dev/null", path, None, MS_BIND, None)


def become(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def die_with_parent(parent):
    """After become(): a change of user forgets the setting."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(125)


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
