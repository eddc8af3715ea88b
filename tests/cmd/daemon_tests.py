"""Every verb against real daemons of this host."""

import json
import os
import pathlib
import signal
import time

from harness import PATIENCE, contains, equal

POLICY = '[[policy]]\nname = "{0}-calls-api"\nservice = "api"\naction = "allow"\nfrom = ["{0}"]\n'


class Mesh:
    """A server, and agents in explicit mode, on loopback."""

    def __init__(self, host):
        self.host = host
        self.socket = str(host.folder / "server.sock")
        self.config = host.file("server.toml", f'node = "s1"\ndata_dir = "{host.folder}/server"\n'
                                f'socket = "{self.socket}"\nlisten = "127.0.0.1:0"\n')
        self.init = host.json("init", "-c", self.config)
        self.server = self.start_server()

    def start_server(self):
        return self.host.start("server", "-c", self.config).wait_for("READY=1")

    def json(self, *words):
        return self.host.json(*words, "--socket", self.socket)

    def expect(self, code, *words, **options):
        return self.host.expect(code, *words, "--socket", self.socket, **options)

    def agent_config(self, name, services):
        folder = self.host.folder
        return self.host.file(f"{name}.toml", f"""
            node = "{name}"
            join_token_file = "{folder}/{name}.token"
            data_dir = "{folder}/{name}"
            socket = "{folder}/{name}.sock"
            services_dir = "{folder}/none"
            tunnel = {{ listen = "127.0.0.1:0" }}
            intercept = {{ mode = "explicit" }}
            dns = {{ listen = "127.0.0.1:0" }}
            metrics = {{ listen = "127.0.0.1:0" }}
            """ + "".join(f'[[service]]\nname = "{service}"\nport = {port}\ncheck = []\n'
                          for service, port in services))

    def start_agent(self, name, *services):
        config = self.agent_config(name, services)
        names = ",".join(sorted({service for service, _ in services}))
        token = self.json("token", "create", "--node", name, "--services", names)["token"]
        self.host.file(f"{name}.token", token)
        return self.host.start("agent", "-c", config).wait_for("READY=1")


def test_init_makes_a_mesh_once(host):
    mesh = Mesh(host)
    equal(mesh.init["trust_domain"], "hawser.local", "trust domain")
    equal(len(mesh.init["root_sha256"]), 64, "fingerprint")
    mesh.server.stop()
    again = host.expect(1, "init", "-c", mesh.config)
    contains(again.stderr, "already holds the trust domain", "init again")


def test_a_server_without_init_says_what_to_do(host):
    config = host.file("server.toml", f'data_dir = "{host.folder}/s"\nnode = "s"\n'
                       f'socket = "{host.folder}/s.sock"\nlisten = "127.0.0.1:0"\n')
    result = host.expect(1, "server", "-c", config)
    contains(result.stderr, "hawser init", "the reason")


def test_daemons_stop_in_good_order(host):
    mesh = Mesh(host)
    agent = mesh.start_agent("a", ("api", 8080))
    agent.stop(signal.SIGINT)
    mesh.server.stop(signal.SIGTERM)
    equal([name for name in os.listdir(host.folder) if name.endswith(".sock")], [], "sockets left")


def test_tokens(host):
    mesh = Mesh(host)
    created = mesh.expect(0, "token", "create", "--node", "web-1", "--services", "web,api")
    contains(created.stdout, "hwj1.", "the token alone on stdout")
    equal(len(created.stdout.split()), 1, "words on stdout")
    contains(created.stderr, "web-1 (web, api)", "what it is for")
    one = mesh.json("token", "create", "--node", "web-2", "--ttl", "1h")
    equal((one["node"], one["services"], one["used_at"]), ("web-2", [], None), "token")
    listed = mesh.json("token", "list")
    equal(sorted(token["node"] for token in listed), ["web-1", "web-2"], "nodes")
    equal({token["state"] for token in listed}, {"unused"}, "state")
    contains(mesh.expect(0, "token", "list").stdout, "unused", "table")
    mesh.expect(0, "token", "revoke", one["id"])
    equal(len(mesh.json("token", "list")), 1, "after revoking")
    mesh.expect(1, "token", "revoke", one["id"])


def test_operator_tokens(host):
    mesh = Mesh(host)
    created = mesh.expect(0, "operator", "create", "ci", "--role", "registrar", "--prefix", "web-",
                          "--ttl", "1h")
    contains(created.stdout, "hwo1.", "the token alone on stdout")
    equal(len(created.stdout.split()), 1, "words on stdout")
    contains(created.stderr, "role registrar for services web-*", "what it is")
    reader = mesh.json("operator", "create", "--role", "reader")
    equal((reader["role"], reader["prefix"], reader["expires_at"], reader["state"]),
          ("reader", None, None, "valid"), "a reader")
    listed = mesh.json("operator", "list")
    equal(sorted(token["role"] for token in listed), ["admin", "reader", "registrar"], "roles")
    equal([token["name"] for token in listed if token["role"] == "registrar"], ["ci"], "name")
    equal([token for token in listed if "token" in token], [], "secrets in the list")
    contains(mesh.expect(0, "operator", "list").stdout, "web-*", "table")
    rotated = mesh.json("operator", "rotate", reader["id"], "--grace", "1h")
    equal(rotated["id"], reader["id"], "the token stays")
    equal(rotated["token"] == reader["token"], False, "the same secret")
    mesh.expect(0, "operator", "revoke", reader["id"])
    mesh.expect(1, "operator", "revoke", reader["id"])
    mesh.expect(1, "operator", "rotate", reader["id"])
    equal(len(mesh.json("operator", "list")), 2, "after revoking")
    for words, told in (((), "--role"),
                        (("--role", "king"), "is not a role"),
                        (("--role", "registrar"), "needs --prefix"),
                        (("--role", "admin", "--prefix", "web"), "--prefix is for"),
                        (("--role", "admin", "--ttl", "0s"), "must not be zero"),
                        (("--role", "admin", "--ttl", "soon"), "--ttl"),
                        (("--role", "registrar", "--prefix", "Web"), "the prefix is not")):
        contains(mesh.expect(2, "operator", "create", *words).stderr, told, " ".join(words))


def test_audit(host):
    mesh = Mesh(host)
    mesh.expect(0, "operator", "create", "--role", "reader")
    listed = mesh.json("audit", "list")
    equal([record["kind"] for record in listed if record["kind"] in ("init", "operator_create")],
          ["init", "operator_create"], "kinds")
    equal((listed[-1]["who"].split(":")[0], listed[-1]["result"]), ("uid", "done"), "the last one")
    equal(len(mesh.json("audit", "list", "-n", "1")), 1, "-n")
    equal(mesh.json("audit", "list", "--kind", "nothing"), [], "--kind")
    equal(mesh.json("audit", "list", "--since", "1h", "--who", "uid:")[-1], listed[-1], "--since")
    contains(mesh.expect(0, "audit", "list").stdout, "operator_create", "table")
    contains(mesh.expect(2, "audit", "list", "--since", "soon").stderr, "--since", "wrong usage")
    contains(mesh.expect(0, "audit", "verify").stdout, "is whole: records 1 to", "verify")
    report = mesh.json("audit", "verify")
    equal((report["ok"], report["server"], report["problem"]), (True, "s1", None), "report")
    folder = host.folder / "server" / "audit"
    equal(host.json("audit", "verify", "--dir", str(folder))["last"], report["last"], "--dir")
    contains(host.expect(0, "audit", "verify", "--dir", str(folder)).stdout, "no record was compared",
             "without a server")
    file = next(folder.iterdir())
    file.write_text(file.read_text().replace("uid:", "uid:7", 1))
    for words in (("audit", "verify"), ("audit", "verify", "--dir", str(folder))):
        contains(mesh.expect(1, *words).stderr, f"{file.name}:1: record 1 was changed", "tampered")
    contains(host.expect(1, "audit", "verify", "--dir", str(host.folder)).stderr, "no audit log",
             "an empty folder")


def test_a_token_without_the_servers_address_says_so(host):
    mesh = Mesh(host)
    advertised = mesh.expect(0, "token", "create", "--node", "web-1")
    equal("warning" in advertised.stderr, False, "a server that listens on one address")
    mesh.server.stop()
    text = pathlib.Path(mesh.config).read_text().replace("127.0.0.1:0", "0.0.0.0:0")
    pathlib.Path(mesh.config).write_text(text)
    mesh.server = mesh.start_server()
    result = mesh.expect(0, "token", "create", "--node", "web-2")
    # This host's address towards others; without one, that is said.
    if result.stderr.startswith("warning"):
        contains(result.stderr, "the token does not say where the server is", "stderr")
        contains(result.stderr, "advertise", "what to set")
    equal(len(result.stdout.split()), 1, "words on stdout")


def test_join_and_again(host):
    mesh = Mesh(host)
    token = mesh.json("token", "create", "--node", "web-1", "--services", "web")["token"]
    state = str(host.folder / "state")
    config = host.file("agent.toml", 'node = "web-2"\n')
    pasted = host.expect(1, "join", token, "-c", config, "--data-dir", state)
    contains(pasted.stderr, "the token is for node 'web-1', this host is 'web-2'", "another's token")
    joined = host.json("join", token, "--data-dir", state)
    equal(joined["identity"], "spiffe://hawser.local/node/web-1", "identity")
    equal((joined["already"], joined["services"]), (False, ["web"]), "first")
    equal(host.json("join", token, "--data-dir", state)["already"], True, "again")
    contains(host.expect(0, "join", "-", "--data-dir", state, stdin=token + "\n").stdout,
             "already is", "from stdin")
    other = str(host.folder / "other")
    result = host.expect(1, "join", token, "--data-dir", other)
    equal(len(result.stderr.strip().split("\n")), 1, f"lines of {result.stderr!r}")
    equal(mesh.json("token", "list")[0]["state"], "used", "state")
    mesh.server.stop()
    host.expect(3, "join", token, "--data-dir", other)


def test_apply_get_delete(host):
    mesh = Mesh(host)
    file = host.file("api.toml", '[[service]]\nname = "api"\nprotocol = "http"\n' + POLICY.format("web"))
    dry = mesh.json("apply", "-f", file, "--dry-run")
    equal(dry["dry_run"], True, "dry run")
    equal(mesh.json("get", "service"), [], "after the dry run")
    applied = mesh.json("apply", "-f", file, "--wait")
    equal(applied["enforced"], {"all": True, "agents": 0, "behind": [], "away": []}, "nobody to wait for")
    equal(len(applied["changed"]), 2, "changes")
    contains(mesh.expect(0, "apply", "-f", file).stdout, "nothing changes", "again")

    api = mesh.json("get", "service", "api")
    equal((api["protocol"], api["index"]), ("http", applied["index"]), "service")
    contains(mesh.expect(0, "get", "service", "--stale").stderr, "at most 0 ms old", "its age")
    text = mesh.expect(0, "get", "policy", "web-calls-api").stdout
    contains(text, 'from = ["web"]', "as TOML")
    mesh.expect(0, "apply", "-f", "-", stdin=text)
    contains(mesh.expect(0, "get", "policies").stdout, "web-calls-api", "table")
    contains(mesh.expect(1, "get", "policy", "none").stderr, "none", "not found")
    equal(mesh.json("get", "trust_domain")[0]["name"], "hawser.local", "trust domain")

    mesh.expect(0, "delete", "policy", "web-calls-api")
    equal(mesh.json("get", "policy"), [], "deleted")
    mesh.expect(1, "delete", "policy", "web-calls-api")


def test_apply_warns_of_names_that_nobody_has(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080), ("checkout", 8081))
    policy = host.file("p.toml", POLICY.format("chekout"))
    for words in (["--dry-run"], []):
        result = mesh.expect(0, "apply", "-f", policy, *words)
        equal(result.stderr, "hawser: warning: policy 'chekout-calls-api': no host may speak as "
              "'chekout' yet; did you mean 'checkout'?\n", f"apply {words}")
    text = '[[policy]]\nname = "p"\nservice = "none"\naction = "deny"\nfrom = ["*"]\n'
    answer = json.loads(mesh.expect(0, "apply", "-f", "-", "--json", stdin=text).stdout)
    equal(answer["warnings"], ["policy 'p': no service 'none' is known yet"], "in the JSON")
    known = host.file("known.toml", POLICY.format("checkout") + '[[service]]\nname = "new"\n'
                      '[[policy]]\nname = "q"\nservice = "new"\naction = "allow"\nfrom = ["*"]\n')
    equal(mesh.expect(0, "apply", "-f", known).stderr, "", "known names, and one of the file")


def test_get_shows_each_row_at_a_glance(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080))
    file = host.file("p.toml", POLICY.format("web") + POLICY.format("batch"))
    index = mesh.json("apply", "-f", file, "--wait")["index"]
    for socket in (mesh.socket, str(host.folder / "a.sock")):
        def table(*words):
            lines = host.expect(0, "get", *words, "--socket", socket).stdout.splitlines()
            equal(any("{" in line for line in lines), False, f"JSON in {lines}")
            return [line.split() for line in lines]

        equal(table("policies"), [["NAME", "SERVICE", "ACTION", "FROM", "MODE", "INDEX"],
                                  ["batch-calls-api", "api", "allow", "batch", "enforce", str(index)],
                                  ["web-calls-api", "api", "allow", "web", "enforce", str(index)]],
              "policies")
        [head, api] = table("services")
        equal((head[0], head[-1], api[0], int(api[-1]) < index), ("NAME", "INDEX", "api", True),
              "services, with the index of their own last change")
        equal(table("nodes")[1][:2], ["a", "alive"], "nodes")
        equal(table("instances")[1][:2], ["a/api/8080", "passing"], "instances")
        equal(table("trust_domain")[1][:3], ["self", "hawser.local", "mesh"], "trust domain")
        full = host.expect(0, "get", "policy", "-o", "json", "--socket", socket)
        equal([row["index"] for row in json.loads(full.stdout)], [index, index], "-o json")


def test_tokens_for_servers(host):
    mesh = Mesh(host)
    created = mesh.expect(0, "token", "create", "--for-server", "s2")
    contains(created.stdout, "hws1.", "the token alone on stdout")
    contains(created.stderr, "server s2", "what it is for")
    token = mesh.json("token", "list")[0]
    equal((token["node"], token["server"], token["state"]), (None, "s2", "unused"), "listed")
    contains(mesh.expect(0, "token", "list").stdout, "server s2", "table")
    refused = host.expect(2, "join", created.stdout.strip(), "--data-dir", str(host.folder / "x"))
    contains(refused.stderr, "for the server 's2'", "joining a host with it")


def test_members(host):
    mesh = Mesh(host)
    [member] = mesh.json("members")["members"]
    equal((member["role"], member["lag"]), ("leader", 0), "alone")
    [head, row] = mesh.expect(0, "members").stdout.splitlines()
    equal((head.split()[:2], row.split()[:2]), (["NAME", "ROLE"], [member["name"], "leader"]), "table")


def test_writes_on_condition(host):
    mesh = Mesh(host)
    file = host.file("p.toml", POLICY.format("web"))
    index = mesh.json("apply", "-f", file, "--create-only")["index"]
    contains(mesh.expect(1, "apply", "-f", file, "--create-only").stderr,
             f"policy 'web-calls-api' exists already, since index {index}", "create-only again")
    changed = host.file("q.toml", POLICY.format("web").replace('["web"]', '["web", "cron"]'))
    newer = mesh.json("apply", "-f", changed, "--if-index", str(index))["index"]
    contains(mesh.expect(1, "apply", "-f", file, "--if-index", str(index)).stderr,
             f"is at index {newer}, not {index}", "a lost race")
    contains(mesh.expect(1, "delete", "policy", "web-calls-api", "--if-index", str(index)).stderr,
             f"is at index {newer}, not {index}", "deleting what changed")
    both = host.file("both.toml", POLICY.format("a") + POLICY.format("b"))
    contains(mesh.expect(2, "apply", "-f", both, "--if-index", "1").stderr, "hold 2",
             "one index for two")
    mesh.expect(0, "delete", "policy", "web-calls-api", "--if-index", str(newer))


def test_plan_history_and_rollback(host):
    mesh = Mesh(host)
    file = host.file("p.toml", '[[service]]\nname = "api"\n' + POLICY.format("web"))
    plan = mesh.json("plan", "-f", file)
    equal([change["change"] for change in plan["changes"]], ["created", "created"], "plan")
    equal(mesh.json("get", "service"), [], "after the plan")
    then = mesh.json("apply", "-f", file)["index"]

    changed = host.file("q.toml", POLICY.format("web").replace('["web"]', '["web", "cron"]'))
    text = mesh.expect(0, "plan", "-f", changed).stdout
    contains(text, 'from: ["web"] -> ["web","cron"]', "field by field")
    contains(text, "1 resource would change; nothing was applied", "plan")
    mesh.expect(0, "apply", "-f", changed)
    mesh.expect(0, "delete", "service", "api")
    contains(mesh.expect(0, "plan", "-f", changed).stdout, "nothing changes", "plan of what is")

    history = mesh.json("history")
    equal([entry["change"] for entry in history["entries"][:3]], ["deleted", "changed", "created"],
          "the newest first")
    newest = history["entries"][0]
    equal((newest["kind"], newest["name"], newest["actor"]),
          ("service", "api", f"uid:{os.getuid()}"), "who")
    contains(newest["source"], "unix:", "from where")
    one = mesh.json("history", "policy", "web-calls-api")["entries"]
    equal(one[0]["fields"], [{"field": "from", "before": ["web"], "after": ["web", "cron"]}], "what")
    contains(mesh.expect(0, "history", "policy", "web-calls-api").stdout,
             'from: ["web"] -> ["web","cron"]', "its story")
    contains(mesh.expect(0, "history", "--limit", "1").stdout, "service/api deleted", "table")
    contains(mesh.expect(2, "history", "polisy").stderr, "did you mean 'policy'", "kind")

    tried = mesh.json("rollback", str(then), "--dry-run")
    equal(sorted(change["change"] for change in tried["changes"]), ["changed", "created"], "dry run")
    equal(mesh.json("get", "service"), [], "after the dry run")
    contains(mesh.expect(0, "rollback", str(then)).stdout, f"as at index {then}", "rolled back")
    equal(mesh.json("get", "policy", "web-calls-api")["from"], ["web"], "as it was")
    equal(mesh.json("get", "service")[0]["name"], "api", "back again")
    contains(mesh.expect(0, "rollback", str(then)).stdout, "nothing changes", "again")
    contains(mesh.expect(1, "rollback", "100000").stderr, "does not exist yet", "the future")


def test_watching(host):
    mesh = Mesh(host)
    first = host.file("p.toml", POLICY.format("web"))
    index = mesh.json("apply", "-f", first)["index"]
    watch = host.follow("get", "policy", "--watch", "--json", "--socket", mesh.socket)
    watch.wait_for('"web-calls-api"')
    mesh.expect(0, "apply", "-f", host.file("q.toml", POLICY.format("cron")))
    mesh.expect(0, "delete", "policy", "web-calls-api")
    watch.wait_for('"deleted":true')
    again = host.follow("get", "policy", "--watch", "--from", str(index), "--socket", mesh.socket)
    again.wait_for("policy/cron-calls-api")
    again.wait_for("policy/web-calls-api  deleted")
    contains(mesh.expect(1, "get", "policy", "--watch", "--from", "100000").stderr,
             "is not here yet", "the future")


def test_services_and_nodes_from_server_and_agent(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080), ("api", 8081), ("db", 5432))
    mesh.host.file("p.toml", POLICY.format("web"))
    mesh.json("apply", "-f", str(host.folder / "p.toml"), "--wait")
    agent_socket = str(host.folder / "a.sock")
    for socket in (mesh.socket, agent_socket):
        equal([service["name"] for service in host.json("services", "--socket", socket)],
              ["api", "db"], "services")
        api = host.json("services", "api", "--socket", socket)
        equal([(i["node"], i["port"], i["alive"]) for i in api["instances"]],
              [("a", 8080, True), ("a", 8081, True)], "instances")
        equal([policy["name"] for policy in api["policies"]], ["web-calls-api"], "policies")
        contains(api["vip4"], "240.", "VIP")
        text = host.expect(0, "services", "api", "--socket", socket).stdout
        contains(text, "allow web (web-calls-api)", "services api")
        contains(host.expect(0, "services", "--socket", socket).stdout, "SERVICE", "services")
        nodes = host.json("nodes", "--socket", socket)
        equal([(n["name"], n["alive"], n["services"]) for n in nodes], [("a", True, ["api", "db"])], "nodes")
        contains(host.expect(0, "nodes", "--socket", socket).stdout, "alive", "nodes")
        contains(host.expect(1, "services", "none", "--socket", socket).stderr, "'none'", "no such")


def test_status_of_either_daemon(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080))
    server = mesh.json("status")
    equal((server["daemon"], server["node"], server["role"]), ("server", "s1", "leader"), "server")
    equal([agent["node"] for agent in server["agents"]], ["a"], "agents")
    agent = host.json("status", "--socket", str(host.folder / "a.sock"))
    equal((agent["daemon"], agent["node"], agent["trust_domain"]), ("agent", "a", "hawser.local"), "agent")
    equal(agent["server"], server["listen"], "its server")
    equal((agent["intercept_mode"], agent["intercept_matches"]), ("explicit", True), "mode")
    contains(mesh.expect(0, "status").stdout, "server s1 of hawser.local", "text")
    text = host.expect(0, "status", "--socket", str(host.folder / "a.sock")).stdout
    contains(text, "agent a of hawser.local", "text")
    contains(text, "spiffe://hawser.local/node/a", "certificates")
    contains(text, "explicit, no kernel rules", "interception")
    equal("→" in text, False, "no hint while all is well")
    contains(host.expect(0, "intercept", "status", "--socket", str(host.folder / "a.sock")).stdout,
             "explicit", "intercept status")
    mesh.server.stop()
    agent = wait_for(lambda: host.expect(0, "status", "--socket", str(host.folder / "a.sock")).stdout,
                     "! no server")
    contains(agent, "→ is a server running", "where to look next")


def test_certificates_are_listed_and_renewed(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080))
    agent = ["--socket", str(host.folder / "a.sock")]

    def own(arguments):
        (told,) = host.json("cert", "list", *arguments)
        return told, {entry["kind"]: entry for entry in told["certificates"]}

    def both_there():
        told, kinds = own(agent)
        return str(sorted(kinds)), str(["intermediate", "node", "root", "service"])

    wait_for(lambda: both_there()[0], both_there()[1])
    told, kinds = own(agent)
    equal((told["daemon"], told["node"]), ("agent", "a"), "who tells")
    equal(kinds["node"]["identity"], "spiffe://hawser.local/node/a", "identity")
    equal({entry["state"] for entry in kinds.values()}, {"valid"}, "states")
    equal(kinds["root"]["renews_at"], None, "a root is not renewed by itself")
    told, kinds = own(["--socket", mesh.socket])
    equal((told["daemon"], sorted(kinds)), ("server", ["intermediate", "root", "server"]), "server")
    equal(told["succeeded"] >= 2, True, f"issued: {told}")
    text = host.expect(0, "cert", "list", *agent).stdout
    contains(text, "spiffe://hawser.local/svc/api", "text")
    contains(text, "agent a: ", "text")
    (renewed,) = host.json("cert", "renew", "svc/api", *agent)
    equal(renewed["identity"], "spiffe://hawser.local/svc/api", "renewed")
    equal(len(host.json("cert", "renew", *agent)), 2, "all of the agent's")
    contains(mesh.expect(0, "cert", "renew").stdout, "renewed spiffe://hawser.local/server/s1", "server")
    contains(host.expect(1, "cert", "renew", "svc/none", *agent).stderr, "no identity of this agent", "none")
    contains(mesh.expect(1, "cert", "renew", "svc/api").stderr, "only its own", "another's")
    mesh.server.stop()
    contains(host.expect(1, "cert", "renew", *agent).stderr, "127.0.0.1:", "no server")
    contains(host.expect(3, "cert", "list", "--socket", mesh.socket).stderr, mesh.socket, "nobody")


def test_check_says_what_is_wrong_why_and_what_mends_it(host):
    mesh = Mesh(host)
    mesh.start_agent("a", ("api", 8080))
    agent = ["--socket", str(host.folder / "a.sock")]
    text = wait_for(lambda: host.run("check", *agent).stdout, ", 0 failed")
    contains(text, "  1  ok      the agent answers: a", "the first")
    contains(text, "certificate of spiffe://hawser.local/svc/api: expires in ", "a certificate")
    contains(mesh.expect(0, "check").stdout, "a server leads: s1", "server")
    # What is renewed by itself counts once that is overdue, an authority's end always.
    host.expect(0, "check", "--fail-if-expires-in", "30d", *agent)
    mesh.expect(0, "check", "--fail-if-expires-in", "30d")
    result = host.expect(1, "check", "--fail-if-expires-in", "500d", "--json", *agent)
    told = json.loads(result.stdout)
    failed = [check for check in told["checks"] if not check["ok"]]
    equal((told["failed"], len(failed)), (1, 1), f"failed: {failed}")
    contains(failed[0]["name"], "intermediate certificate", "which")
    contains(failed[0]["cause"], "expires in 36", "its cause")
    contains(failed[0]["fix"], "hawser ca", "its fix")
    contains(host.expect(2, "check", "--fail-if-expires-in", "soon", *agent).stderr, "duration", "usage")
    mesh.server.stop()
    text = wait_for(lambda: host.run("check", *agent).stdout, "FAILED  a server is connected")
    contains(text, "cause: ", "text")
    contains(text, "fix:   is a server running", "text")
    host.expect(1, "check", *agent)
    contains(host.expect(3, "check", "--socket", mesh.socket).stderr, mesh.socket, "nobody")


def wait_for(text, part):
    deadline = time.monotonic() + PATIENCE
    while part not in (last := text()):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {part!r} in {last!r}")
        time.sleep(0.05)
    return last


def test_snapshots_are_saved_inspected_and_restored(host):
    mesh = Mesh(host)
    policy = host.file("policy.toml", POLICY.format("web"))
    mesh.json("apply", "-f", policy)
    file = str(host.folder / "mesh.snapshot")
    saved = mesh.json("snapshot", "save", file)
    equal(saved["trust_domain"], "hawser.local", "trust domain")
    equal(saved["rows"]["policy"], 1, "policies in it")
    equal(os.stat(file).st_mode & 0o777, 0o600, "the file is private")
    equal(host.json("snapshot", "inspect", file), saved, "inspect says what save said")
    contains(host.expect(1, "snapshot", "restore", file, "-c", mesh.config).stderr, "uses the data directory",
             "restoring below a running server")
    mesh.server.stop()
    contains(host.expect(1, "snapshot", "restore", file, "-c", mesh.config).stderr,
             "holds a registry already", "restoring over a registry")
    os.rename(host.folder / "server", host.folder / "old")
    contains(host.expect(1, "snapshot", "restore", file, "-c", mesh.config).stderr, "--ca",
             "restoring without the authority's keys")
    restored = host.json("snapshot", "restore", file, "-c", mesh.config,
                         "--ca", str(host.folder / "old/ca"))
    equal(restored["index"], saved["index"], "index")
    mesh.server = mesh.start_server()
    equal([row["name"] for row in mesh.json("get", "policy")], ["web-calls-api"], "policies")
    with open(file, "r+b") as damaged:
        damaged.seek(200)
        damaged.write(b"damage")
    contains(host.expect(1, "snapshot", "inspect", file).stderr, "the snapshot", "a damaged one")


def test_an_operator_elsewhere_needs_the_token_and_the_right_root(host):
    mesh = Mesh(host)
    address = mesh.json("status")["listen"]
    token_file = host.file("operator.token", mesh.init["operator_token"] + "\n")
    ca = "sha256:" + mesh.init["root_sha256"]
    remote = ["--server", address, "--token-file", token_file]
    equal(host.json("status", *remote, "--ca", ca)["node"], "s1", "by fingerprint")
    joined = mesh.json("token", "create", "--node", "x", *())["token"]
    host.json("join", joined, "--data-dir", str(host.folder / "x"))
    roots = str(host.folder / "x/roots.pem")
    equal(host.json("nodes", *remote, "--ca", roots)[0]["name"], "x", "by file")
    by_variable = host.expect(0, "status", "--server", address, "--ca", ca, "--json",
                              env={"HAWSER_TOKEN": mesh.init["operator_token"]})
    equal(json.loads(by_variable.stdout)["node"], "s1", "by HAWSER_TOKEN")

    wrong_root = host.expect(3, "status", *remote, "--ca", "sha256:" + "0" * 64)
    contains(wrong_root.stderr, f"cannot reach {address}", "another root")
    host.expect(2, "status", *remote, "--ca", "sha256:12")
    host.expect(2, "status", *remote, "--ca", "/nonexistent/roots.pem")
    host.file("operator.token", "hwo1.0000000000000000." + "A" * 43)
    host.expect(1, "status", *remote, "--ca", ca)
    host.file("operator.token", "nonsense")
    host.expect(2, "status", *remote, "--ca", ca)


def test_dev_is_a_mesh_that_remembers(host):
    config = host.file("agent.toml", f'services_dir = "{host.folder}/none"\n'
                       'tunnel = { listen = "127.0.0.1:0" }\nintercept = { mode = "explicit" }\n'
                       'dns = { listen = "127.0.0.1:0" }\nmetrics = { listen = "127.0.0.1:0" }\n'
                       '[[service]]\nname = "api"\nport = 8080\n')
    words = ["dev", "--data-dir", "mesh", "--listen", "127.0.0.1:0", "-c", config]
    dev = host.start(*words).wait_for("READY=1")
    sockets = [str(host.folder / f"mesh/{name}.sock") for name in ("server", "agent")]
    contains(dev.text(), "operator token  hwo1.", "the first time")
    contains(dev.text(), f"hawser status --socket {sockets[1]}", "what to do next")
    contains(dev.text(), "explicit mode: no kernel rules", "the mode")
    policy = host.file("p.toml", POLICY.format("web"))
    applied = host.json("apply", "-f", policy, "--wait", "--socket", sockets[0])
    equal(applied["enforced"]["agents"], 1, "its agent")
    dev.stop()

    # Another service: another enrolment; the registry is still there.
    pathlib.Path(config).write_text(pathlib.Path(config).read_text() + '[[service]]\nname = "db"\nport = 5432\n')
    dev = host.start(*words).wait_for("READY=1")
    equal("operator token" in dev.text(), False, "the second time")
    equal(len(host.json("services", "db", "--socket", sockets[1])["instances"]), 1, "the new service")
    equal([p["name"] for p in host.json("get", "policy", "--socket", sockets[0])], ["web-calls-api"], "kept")
    dev.stop(signal.SIGINT)
