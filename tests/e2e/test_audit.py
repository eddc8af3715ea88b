"""The audit log of real servers: what is in it, and who tampered with it."""

import json
import os

from harness.checks import check, check_contains, check_equal, wait_until
from harness.mesh import service
from harness.programs import WEB_UID, start_greeter


def records(server, *arguments):
    return json.loads(server.output("audit", "list", "-n", "1000", "--json", *arguments))


def log_files(server):
    folder = os.path.join(server.data_dir, "audit")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def change_everything(mesh):
    """One change of each kind that needs no other server."""
    server = mesh.server
    resources = server.host.file("resources.toml", '[[service]]\nname = "extra"\n')
    server.output("apply", "-f", resources)
    index = json.loads(server.output("get", "service", "extra", "--json"))
    check(index, "the service is there")
    server.output("delete", "service", "extra")
    token = json.loads(server.output("token", "create", "--node", "later", "--services", "web",
                                     "--json"))
    server.output("token", "revoke", token["id"])
    operator = json.loads(server.output("operator", "create", "--role", "reader", "--json"))
    server.output("operator", "rotate", operator["id"])
    server.output("operator", "revoke", operator["id"])
    server.output("quarantine", "web-1", "--reason", "a test")
    server.output("quarantine", "web-1", "--off")
    server.output("ca", "rotate")
    server.output("cert", "renew")
    server.output("snapshot", "save", os.path.join(server.host.directory, "mesh.snapshot"))
    return token, operator


def test_every_kind_of_change_is_in_the_audit_log_and_no_secret(mesh):
    mesh.start_server()
    web = mesh.start_agent("web-1", [service("web", user=WEB_UID)])
    api = mesh.start_agent("api-1", [service("api", port=8080)])
    start_greeter(api.host, 8080, "hello")
    mesh.server.allow(("web", "api"))
    token, operator = change_everything(mesh)
    listed = records(mesh.server)
    kinds = {record["kind"] for record in listed}
    wanted = {"init", "token_create", "token_revoke", "node_join", "register", "apply", "delete",
              "operator_create", "operator_rotate", "operator_revoke", "quarantine", "authority",
              "certificate", "act", "server_change"}
    check_equal(wanted - kinds, set(), "kinds that are missing")
    identities = {name for record in listed if record["kind"] == "certificate"
                  for name in record["what"]}
    for identity in ("server/s1", "node/web-1", "node/api-1", "svc/web", "svc/api"):
        check(f"spiffe://hawser.local/{identity}" in identities, f"{identity} in {identities}")
    check({record["method"] for record in listed if record["kind"] == "act"} >=
          {"/hawser.v1.Trust/RenewCertificates", "/hawser.v1.Api/SaveSnapshot"}, "acts")
    joined = next(record for record in listed if record["kind"] == "node_join")
    check_equal((joined["who"], joined["result"]), ("node:web-1", "done"), "the first join")
    check(joined["from"].startswith(web.host.ip4 + ":"), f"from {joined['from']}")
    text = "".join(open(path).read() for path in log_files(mesh.server))
    for secret in (token["token"], operator["token"]):
        check(secret not in text and secret.split(".")[-1] not in text, "a secret is in the log")
    check_contains(mesh.server.output("audit", "verify"), "the audit log of s1 is whole", "verify")


def test_a_log_that_was_tampered_with_is_found(mesh):
    mesh.start_server(audit={"file_size": "64KiB", "keep": 3})
    server = mesh.server
    resources = server.host.file("resources.toml", '[[service]]\nname = "extra"\n')
    while len(log_files(server)) < 3:
        server.output("apply", "-f", resources)
        server.output("delete", "service", "extra")
    wait_until(lambda: json.loads(server.output("audit", "verify", "--json"))["compared"] or None,
               30, "the registry knows the log")
    path = log_files(server)[1]
    original = open(path).read()

    def tampered(text, told):
        with open(path, "w") as file:
            file.write(text)
        found = server.hawser("audit", "verify")
        check_equal(found.returncode, 1, f"exit code: {found.stderr}")
        check_contains(found.stderr, told, "what is wrong")
        check_contains(found.stderr, os.path.basename(path), "where")

    lines = original.splitlines(keepends=True)
    tampered(original.replace("uid:0", "uid:7", 1), "was changed")
    tampered("".join(lines[:4] + lines[5:]), "those between are missing")
    tampered("".join(lines[:4] + [lines[5], lines[4]] + lines[6:]), "follows record")
    with open(path, "w") as file:
        file.write(original)
    check_contains(server.output("audit", "verify"), "is the one that the registry knows", "restored")
    # While the server is away, the end is cut off.
    server.stop()
    last = log_files(server)[-1]
    lines = open(last).read().splitlines(keepends=True)
    with open(last, "w") as file:
        file.write("".join(lines[:-3]))
    server.start()
    check_equal(server.hawser("audit", "verify").returncode, 1, "a log that was cut")
    check(any("the audit log was damaged" in warning for warning in server.status()["warnings"]),
          "the warning")
