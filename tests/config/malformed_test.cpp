// What users get wrong, and what they are told: the exact message, with its place.
#include <doctest/doctest.h>

#include <string>

#include "config/agent_config.h"
#include "config/resource_file.h"
#include "config/server_config.h"

using namespace hawser;
using namespace hawser::config;

namespace {

struct Malformed {
    std::string text;
    std::string message;
};

template <typename Parse>
void check_messages(const std::vector<Malformed>& cases, Parse parse) {
    for (const Malformed& each : cases) {
        CAPTURE(each.text);
        const auto result = parse(each.text, "f");
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().message == each.message);
        CHECK(result.error().code == ErrorCode::invalid);
    }
}

std::string service(const std::string& keys) {
    return "[[service]]\nname = \"api\"\nport = 80\n" + keys + "\n";
}

std::string check_table(const std::string& keys) {
    return service("check = [ { " + keys + " } ]");
}

std::string resource(const std::string& keys) {
    return "[[service]]\nname = \"api\"\n" + keys + "\n";
}

std::string policy(const std::string& changed, const std::string& line) {
    std::string text = "[[policy]]\n";
    for (const auto& [key, value] : {std::pair<std::string, std::string>{"name", "\"p\""},
                                     {"service", "\"api\""},
                                     {"action", "\"allow\""},
                                     {"from", "[\"web\"]"}}) {
        if (key == changed && line.empty()) continue;
        text += key == changed ? line + "\n" : key + " = " + value + "\n";
    }
    return changed == "+" ? text + line + "\n" : text;
}

} // namespace

TEST_CASE("syntax") {
    check_messages(
        {
            {"node = ", "f:1:8: syntax error: encountered end-of-file"},
            {"node", "f:1:5: syntax error: encountered end-of-file"},
            {"node = \"a", "f:1:10: syntax error: encountered end-of-file"},
            {"node = \"a\"\nnode = \"b\"\n",
             "f:2:8: syntax error: cannot redefine existing string 'node'"},
            {"[tunnel]\n[tunnel]\n",
             "f:2:1: syntax error: cannot redefine existing table 'tunnel'"},
            {"[tunnel\n", "f:1:8: syntax error: expected ']', saw '\\n'"},
            {"node = \"a\"\n[,]\n", "f:2:1: syntax error: this line is not TOML"},
            {"node = web-1\n", "f:1:8: syntax error: could not determine value type"},
            {"= 1\n",
             "f:1:1: syntax error: expected keys, tables, whitespace or comments, saw '='"},
            {"node = \"\\q\"\n", "f:1:10: syntax error: unknown escape sequence '\\q'"},
            {"node = \"a\" zone = \"b\"\n",
             "f:1:12: syntax error: expected a comment or whitespace, saw 'z'"},
            {"workers = 01\n", "f:1:13: syntax error: leading zeroes are prohibited"},
            {"workers = 99999999999999999999\n",
             "f:1:31: syntax error: '99999999999999999999' is not representable in 64 bits"},
            {"[[service]]\nname = \"a\"\nname = \"b\"\n",
             "f:3:8: syntax error: cannot redefine existing string 'name'"},
            {"node = \"a\x01\"\n",
             "f:1:10: syntax error: unescaped control characters other than TAB (U+0009) are "
             "explicitly prohibited"},
            {"service = 1\n[[service]]\n",
             "f:2:1: syntax error: cannot redefine existing integer 'service' as array-of-tables"},
            {"node = \"caf\xe9\"\n", "f:1:12: not UTF-8 text"},
        },
        parse_agent_config);
}

TEST_CASE("the agent's own keys") {
    check_messages(
        {
            {"colour = 1\n", "f:1:1: unknown key 'colour'"},
            {"Node = \"a\"\n", "f:1:1: unknown key 'Node'; did you mean 'node'?"},
            {"node = 5\n", "f:1:8: 'node' must be a string, not an integer"},
            {"node = \"\"\n", "f:1:8: 'node' is empty"},
            {"node = \"Web_1\"\n",
             "f:1:8: node name 'Web_1' is not a DNS label (a-z, 0-9 and '-' inside)"},
            {"node = \"a\\u0000b\"\n", "f:1:8: 'node' holds a NUL character"},
            {"zone = \"eu west\"\n",
             "f:1:8: zone 'eu west' is not names joined by '/' (like \"eu-west-1/a\")"},
            {"servers = \"10.0.0.1:7443\"\n",
             "f:1:11: 'servers' must be a list of strings, not a string"},
            {"servers = [1]\n", "f:1:12: 'servers' must be a list of strings, not of integers"},
            {"servers = [\"s1:7443\"]\n",
             "f:1:12: 'servers': 's1:7443' is not ADDRESS:PORT (like \"10.0.0.1:7443\" or "
             "\"[fd00::1]:7443\")"},
            {"servers = [\"10.0.0.1\"]\n",
             "f:1:12: 'servers': '10.0.0.1' is not ADDRESS:PORT (like \"10.0.0.1:7443\" or "
             "\"[fd00::1]:7443\")"},
            {"servers = [\"10.0.0.1:1\", \"10.0.0.1:1\"]\n",
             "f:1:26: 'servers' lists '10.0.0.1:1' twice"},
            {"servers = [\"10.0.0.1:0\"]\n",
             "f:1:11: 'servers' holds '10.0.0.1:0', which cannot be dialled"},
            {"servers = [\"\"]\n", "f:1:12: 'servers' holds an empty string"},
            {"data_dir = \"var\"\n", "f:1:12: 'var' is not an absolute path"},
            {"socket = \"/" + std::string(110, 'x') + "\"\n",
             "f:1:10: '/" + std::string(110, 'x') + "' is too long for a Unix socket"},
            {"workers = -1\n", "f:1:11: 'workers' must be between 0 and 256, not -1"},
            {"workers = 2.5\n",
             "f:1:11: 'workers' must be an integer, not a number with a fraction"},
            {"workers = true\n", "f:1:11: 'workers' must be an integer, not a boolean"},
            {"tunnel = \"0.0.0.0:15008\"\n", "f:1:10: 'tunnel' must be a table, not a string"},
            {"[tunnel]\nlisten = 15008\n",
             "f:2:10: 'tunnel.listen' must be a string like \"10.0.0.1:7443\", not an integer"},
            {"[tunnel]\nlisten = \"0.0.0.0:99999\"\n",
             "f:2:10: 'tunnel.listen': '0.0.0.0:99999' is not ADDRESS:PORT (like \"10.0.0.1:7443\" "
             "or \"[fd00::1]:7443\")"},
            {"[tunnel]\nadvertise = \"0.0.0.0:1\"\n",
             "f:2:13: 'tunnel.advertise' must be an address and port that others can dial"},
            {"[tunnel]\nlissen = \"0.0.0.0:1\"\n",
             "f:2:1: unknown key 'tunnel.lissen'; did you mean 'listen'?"},
            {"[[tunnel]]\n", "f:1:1: 'tunnel' must be a table, not a list"},
            {"[intercept]\nmode = \"transparant\"\n",
             "f:2:8: 'intercept.mode' must be one of \"transparent\", \"explicit\", not "
             "'transparant'; did you mean 'transparent'?"},
            {"[intercept]\non_exit = true\n",
             "f:2:11: 'intercept.on_exit' must be a string, not a boolean"},
            {"[intercept]\noutbound_port = 0\n",
             "f:2:17: 'intercept.outbound_port' must be between 1 and 65535, not 0"},
            {"[intercept]\ninbound_port = 65536\n",
             "f:2:16: 'intercept.inbound_port' must be between 1 and 65535, not 65536"},
            {"[intercept]\ninbound_port = 15001\n",
             "f:2:16: 'intercept.inbound_port' must not be the port of the other direction too"},
            {"[dns]\ncapture = \"yes\"\n",
             "f:2:11: 'dns.capture' must be true or false, not a string"},
            {"[log]\nlevel = \"verbose\"\n",
             "f:2:9: 'log.level' must be one of \"debug\", \"info\", \"warn\", \"error\", \"off\", "
             "not 'verbose'"},
            {"[log]\nformat = \"jsn\"\n",
             "f:2:10: 'log.format' must be one of \"automatic\", \"journal\", \"json\", \"text\", "
             "not 'jsn'; did you mean 'json'?"},
            {"[access_log]\nmode = \"sampled\"\n",
             "f:2:8: 'access_log.mode' = 'sampled' is not supported by this version"},
            {"[tracing]\notlp = \"http://127.0.0.1:4318\"\n",
             "f:1:2: 'tracing' is not supported by this version"},
            {"[service]\nname = \"a\"\n", "f:1:1: 'service' must be a list of tables, not a table"},
            {"service = [1]\n", "f:1:12: 'service' must be a list of tables, not of integers"},
        },
        parse_agent_config);
}

TEST_CASE("the services of a host") {
    check_messages(
        {
            {"[[service]]\n", "f:1:1: 'name' is missing"},
            {"[[service]]\nname = \"API\"\n",
             "f:2:8: service name 'API' is not a DNS label (a-z, 0-9 and '-' inside)"},
            {"[[service]]\nname = \"" + std::string(64, 'a') + "\"\n",
             "f:2:8: service name '" + std::string(64, 'a') + "' is longer than 63 characters"},
            {"[[service]]\nname = \"a\"\nport = \"80\"\n",
             "f:3:8: 'port' must be an integer, not a string"},
            {"[[service]]\nname = \"a\"\nport = 0\n",
             "f:3:8: 'port' must be between 1 and 65535, not 0"},
            {"[[service]]\nname = \"a\"\nport = 70000\n",
             "f:3:8: 'port' must be between 1 and 65535, not 70000"},
            {"[[service]]\nname = \"a\"\nprt = 80\n",
             "f:3:1: unknown key 'prt'; did you mean 'port'?"},
            {"[[service]]\nname = \"a\"\n[[service]]\nname = \"a\"\n",
             "f:3:1: service 'a' is there twice"},
            {service("") + service(""), "f:5:1: service 'api' is there twice on port 80"},
            {"[[service]]\nname = \"a\"\nweight = 1\n", "f:3:10: 'weight' needs 'port'"},
            {service("address = \"localhost\""),
             "f:4:11: 'address': 'localhost' is not an IP address"},
            {service("address = \"0.0.0.0\""),
             "f:4:11: 'address' must be an address that can be dialled"},
            {service("user = \"a b\""), "f:4:8: 'a b' is not a user name or uid"},
            {service("user = 1000"), "f:4:8: 'user' must be a string, not an integer"},
            {service("unit = \"api.service\""), "f:4:1: 'unit' is not supported by this version"},
            {service("weight = 1001"), "f:4:10: 'weight' must be between 0 and 1000, not 1001"},
            {service("weight = -1"), "f:4:10: 'weight' must be between 0 and 1000, not -1"},
            {service("labels = [\"a\"]"),
             "f:4:10: 'labels' must be a table of strings, not a list"},
            {service("labels = { version = 2 }"),
             "f:4:22: 'labels.version' must be a string, not an integer"},
            {service("labels = { \"a b\" = \"x\" }"),
             "f:4:12: label 'a b' is not 1-63 letters, digits, '-', '_', '.' or '/'"},
            {service("labels = { a = \"x\\ny\" }"),
             "f:4:12: label 'a' has a value that is not printable text of at most 255 bytes"},
            {service("check = { tcp = true }"),
             "f:4:9: 'check' must be a list of tables, not a table"},
            {check_table(""), "f:4:11: a check needs one of 'http', 'tcp' and 'exec'"},
            {check_table("tcp = true, http = \"/\""),
             "f:4:11: a check has only one of 'http', 'tcp' and 'exec'"},
            {check_table("tcp = false"), "f:4:19: 'tcp' can only be true"},
            {check_table("http = true"), "f:4:20: 'http' must be a string, not a boolean"},
            {check_table("http = \"healthz\""),
             "f:4:20: 'healthz' is not a path (it begins with '/' and has no spaces)"},
            {check_table("exec = \"/bin/true\""),
             "f:4:20: 'exec' must be a list of strings, not a string"},
            {check_table("exec = []"), "f:4:20: 'exec' is empty"},
            {check_table("exec = [\"a\", 1]"),
             "f:4:26: 'exec' must be a list of strings, not of integers"},
            {check_table("grpc = \"pkg.Service\""),
             "f:4:13: 'grpc' is not supported by this version"},
            {check_table("ttl = \"30s\""), "f:4:13: 'ttl' is not supported by this version"},
            {check_table("unit = true"), "f:4:13: 'unit' is not supported by this version"},
            {check_table("tcp = true, interval = 10"),
             "f:4:36: 'interval' must be a duration like \"10s\", not an integer"},
            {check_table("tcp = true, interval = \"10\""),
             "f:4:36: 'interval': '10' is not a duration (write it like \"250ms\", \"10s\", "
             "\"1h30m\")"},
            {check_table("tcp = true, interval = \"1ms\""),
             "f:4:36: 'interval' must be between 100ms and 1h, not 1ms"},
            {check_table("tcp = true, timeout = \"20s\""),
             "f:4:35: 'timeout' is longer than the interval of 10s"},
            {check_table("tcp = true, critical_after = 0"),
             "f:4:42: 'critical_after' must be between 1 and 100, not 0"},
            {check_table("tcp = true, intervall = \"10s\""),
             "f:4:25: unknown key 'intervall'; did you mean 'interval'?"},
            {"[[service]]\nname = \"a\"\ncheck = [ { tcp = true } ]\n",
             "f:3:9: 'check' needs 'port'"},
            {service("upstream = [ { service = \"db\" } ]"), "f:4:14: 'listen' is missing"},
            {service("upstream = [ { listen = \"127.0.0.1:1\" } ]"),
             "f:4:14: 'service' is missing"},
            {service("upstream = [ { service = \"db\", listen = \"127.0.0.1:0\" } ]"),
             "f:4:41: 'listen' needs a port"},
            {service("upstream = [ { service = \"DB\", listen = \"127.0.0.1:1\" } ]"),
             "f:4:26: service name 'DB' is not a DNS label (a-z, 0-9 and '-' inside)"},
        },
        parse_agent_config);
}

TEST_CASE("the server's keys") {
    check_messages(
        {
            {"lissten = \"0.0.0.0:1\"\n", "f:1:1: unknown key 'lissten'; did you mean 'listen'?"},
            {"listen = \":7443\"\n",
             "f:1:10: 'listen': ':7443' is not ADDRESS:PORT (like \"10.0.0.1:7443\" or "
             "\"[fd00::1]:7443\")"},
            {"advertise = \"10.0.0.1:7443\"\n",
             "f:1:13: 'advertise' must be a list of strings, not a string"},
            {"advertise = [\"0.0.0.0:7443\"]\n",
             "f:1:13: 'advertise' holds '0.0.0.0:7443', which cannot be dialled"},
            {"trust_domain = \"Prod\"\n",
             "f:1:16: 'trust_domain': 'Prod' is not a domain name (labels of a-z, 0-9 and '-', "
             "joined "
             "by dots)"},
            {"dns_domain = \"a..b\"\n",
             "f:1:14: 'dns_domain': 'a..b' is not a domain name (labels of a-z, 0-9 and '-', "
             "joined by dots)"},
            {"vip4 = \"240.0.0.1/8\"\n",
             "f:1:8: 'vip4': '240.0.0.1/8' has host bits set; did you mean '240.0.0.0/8'?"},
            {"vip4 = \"240.0.0.0\"\n",
             "f:1:8: 'vip4': '240.0.0.0' is not a prefix (like \"240.0.0.0/8\" or "
             "\"fd68:6177::/64\")"},
            {"vip4 = \"10.0.0.0/30\"\n",
             "f:1:8: 'vip4': '10.0.0.0/30' is not between /4 and /24 long"},
            {"vip4 = \"fd00::/64\"\n", "f:1:8: 'vip4': 'fd00::/64' is not an IPv4 prefix"},
            {"vip6 = \"10.0.0.0/16\"\n", "f:1:8: 'vip6': '10.0.0.0/16' is not an IPv6 prefix"},
            {"vip4 = \"127.0.0.0/8\"\n",
             "f:1:8: 'vip4': '127.0.0.0/8' overlaps 127.0.0.0/8, which has a meaning of its own"},
            {"certificate_lifetime = \"1s\"\n",
             "f:1:24: 'certificate_lifetime' must be between 10s and 30d, not 1s"},
            {"certificate_lifetime = \"forever\"\n",
             "f:1:24: 'certificate_lifetime': 'forever' is not a duration (write it like "
             "\"250ms\", \"10s\", \"1h30m\")"},
            {"[ca]\navailability_target = \"22h\"\n",
             "f:2:23: 'ca.availability_target' must be at most nine tenths of "
             "certificate_lifetime (21h36m)"},
            {"session_timeout = \"1h\"\n",
             "f:1:19: 'session_timeout' must be between 3s and 5m, not 1h"},
            {"bootstrap_expect = 0\n", "f:1:20: 'bootstrap_expect' must be between 1 and 9, not 0"},
            {"dead_server_after = \"1s\"\n",
             "f:1:21: 'dead_server_after' must be at least 10s, or \"0s\" for never"},
            {"snapshots = { interval = \"1ms\" }\n",
             "f:1:26: 'snapshots.interval' must be at least 10s, or \"0s\" for never"},
            {"snapshots = { keep = 0 }\n",
             "f:1:22: 'snapshots.keep' must be between 1 and 10000, not 0"},
            {"[[service]]\n", "f:1:3: unknown key 'service'"},
        },
        parse_server_config);
}

TEST_CASE("resources") {
    check_messages(
        {
            {"[[servce]]\n", "f:1:3: unknown key 'servce'; did you mean 'service'?"},
            {"[[service]]\n", "f:1:1: 'name' is missing"},
            {resource("") + resource(""), "f:4:1: service 'api' is there twice"},
            {resource("protocol = \"htpp\""),
             "f:3:12: 'protocol' must be one of \"tcp\", \"http\", \"grpc\", not 'htpp'; did you "
             "mean 'http'?"},
            {resource("balance = \"maglev\""),
             "f:3:11: 'balance' = 'maglev' is not supported by this version"},
            {resource("balance = \"fair\""),
             "f:3:11: 'balance' must be one of \"least_request\", \"round_robin\", \"random\", not "
             "'fair'"},
            {resource("default_policy = \"drop\""),
             "f:3:18: 'default_policy' must be one of \"allow\", \"deny\", not 'drop'"},
            {resource("mtls = \"permissive\""),
             "f:3:8: 'mtls' = 'permissive' is not supported by this version"},
            {resource("mtls = false"), "f:3:8: 'mtls' must be a string, not a boolean"},
            {resource("timeouts = \"5s\""), "f:3:12: 'timeouts' must be a table, not a string"},
            {resource("timeouts = { connect = \"0s\" }"),
             "f:3:24: 'timeouts.connect' must be between 1ms and 5m, not 0s"},
            {resource("timeouts = { conect = \"1s\" }"),
             "f:3:14: unknown key 'timeouts.conect'; did you mean 'connect'?"},
            {resource("timeouts = { request = \"1s\" }"),
             "f:3:14: 'timeouts.request' is not supported by this version"},
            {resource("limits = { connections = 0 }"),
             "f:3:26: 'limits.connections' must be between 1 and 1000000, not 0"},
            {resource("limits = { pending = 5 }"),
             "f:3:12: 'limits.pending' is not supported by this version"},
            {resource("retry = { attempts = 2 }"),
             "f:3:1: 'retry' is not supported by this version"},
            {resource("outlier = {}"), "f:3:1: 'outlier' is not supported by this version"},
            {resource("hash_on = { header = \"x\" }"),
             "f:3:1: 'hash_on' is not supported by this version"},
            {resource("port = 80"), "f:3:1: unknown key 'port'"},
            {"[[route]]\nservice = \"api\"\n", "f:1:3: 'route' is not supported by this version"},
            {"[[rate_limit]]\n", "f:1:3: 'rate_limit' is not supported by this version"},
            {"[[gateway]]\n", "f:1:3: 'gateway' is not supported by this version"},
            {policy("name", ""), "f:1:1: 'name' is missing"},
            {policy("service", ""), "f:1:1: 'service' is missing"},
            {policy("action", ""), "f:1:1: 'action' is missing"},
            {policy("from", ""), "f:1:1: 'from' is missing"},
            {policy("name", "name = \"a.b\""),
             "f:2:8: policy name 'a.b' is not a DNS label (a-z, 0-9 and '-' inside)"},
            {policy("service", "service = \"*\""),
             "f:3:11: service name '*' is not a DNS label (a-z, 0-9 and '-' inside)"},
            {policy("action", "action = \"alow\""),
             "f:4:10: 'action' must be one of \"allow\", \"deny\", not 'alow'; did you mean "
             "'allow'?"},
            {policy("from", "from = \"web\""),
             "f:5:8: 'from' must be a list of strings, not a string"},
            {policy("from", "from = []"),
             "f:1:1: policy 'p': from is empty: it names the callers, \"*\" for any"},
            {policy("from", "from = [\"web\", \"web\"]"),
             "f:1:1: policy 'p': caller 'web' is listed twice"},
            {policy("from", "from = [\"spiffe://x/svc/y\"]"),
             "f:5:9: service name 'spiffe://x/svc/y' is not a DNS label (a-z, 0-9 and '-' inside)"},
            {policy("+", "mode = \"audit\""),
             "f:6:8: 'mode' must be one of \"enforce\", \"shadow\", not 'audit'"},
            {policy("+", "methods = [\"GET\"]"),
             "f:6:1: 'methods' is not supported by this version"},
            {policy("+", "paths = [\"/\"]"), "f:6:1: 'paths' is not supported by this version"},
            {policy("+", "form = [\"web\"]"), "f:6:1: unknown key 'form'; did you mean 'from'?"},
            {policy("", "") + policy("", ""), "f:6:1: policy 'p' is there twice"},
        },
        parse_resources);
}
