"""The tests' own eyes and hands: a capture that missed plaintext would prove nothing."""

import os
import socket

from harness.capture import hello_kind, tls_records
from harness.checks import CheckFailed, check, check_contains, check_equal, wait_until
from harness.hosts import wait_for_port


def serve_once(payload):
    with socket.create_server(("0.0.0.0", 8080)) as server:
        connection, _ = server.accept()
        with connection:
            connection.sendall(payload)


def test_hosts_reach_each_other_and_the_capture_sees_plaintext(mesh):
    a, b = mesh.add_host("a"), mesh.add_host("b")
    capture = mesh.capture(a)
    marker = b"plain-" + os.urandom(8).hex().encode()
    payload = os.urandom(300_000) + marker
    serving = b.background(lambda: serve_once(payload))

    def fetch():
        def attempt():
            with socket.create_connection((b.ip4, 8080), timeout=5) as connection:
                with connection.makefile("rb") as file:
                    return file.read()
        return wait_until(attempt, 5, "connecting")

    check_equal(a.call(fetch, uid=61001), payload, "what a received")
    serving.result()
    check(capture.saw(marker), "the marker is in the captured frames")
    streams = capture.streams()
    received = [data for stream, data in streams.items() if stream[1] == 8080]
    check_equal(received, [payload], "the stream as captured")
    try:
        tls_records(payload)
        check(False, "plaintext was taken for TLS records")
    except CheckFailed as failure:
        check_contains(str(failure), "not a TLS record", "the reason")
    check_equal(hello_kind(payload), None, "no hello in plaintext")


def test_hosts_have_a_nameserver_of_their_own_and_run_programs_as_a_user(mesh):
    a = mesh.add_host("a")
    check_equal(a.call(lambda: socket.gethostbyname("outside.test"), uid=61001), "192.0.2.7",
                "outside.test")
    check_contains(a.output("dig", "+noall", "+comments", "nobody.test"), "NXDOMAIN", "dig")
    check_equal(a.output("id", "-u", uid=61001).strip(), "61001", "uid")
    check_contains(a.output("cat", "/etc/resolv.conf"), "10.99.0.1", "resolv.conf")


def test_a_failure_in_a_host_is_reported(mesh):
    a = mesh.add_host("a")
    try:
        a.call(lambda: 1 // 0)
        check(False, "the failure was lost")
    except CheckFailed as failure:
        check_contains(str(failure), "ZeroDivisionError", "the failure")
    try:
        wait_for_port(a, 9, timeout=0.2)
        check(False, "nothing listens there")
    except CheckFailed as failure:
        check_contains(str(failure), "not within 0.2 s", "the failure")
