#include "model/codec.h"

#include <doctest/doctest.h>

#include <set>

#include "base/random.h"
#include "model/samples.h"

using namespace hawser;
using namespace hawser::model;

TEST_CASE("every resource is read back as it was") {
    for (const Resource& resource : samples::resources()) {
        CAPTURE(to_string(kind_of(resource)));
        const Result<Resource> decoded = decode(kind_of(resource), encode(resource));
        REQUIRE(decoded.has_value());
        CHECK(*decoded == resource);
    }
}

TEST_CASE("kinds have names that are read back") {
    for (const Resource& resource : samples::resources()) {
        const Kind kind = kind_of(resource);
        CHECK(parse_kind(to_string(kind)).value() == kind);
    }
    CHECK(parse_kind("policies").value() == Kind::policy);
    CHECK(parse_kind("servce").error().message == "unknown kind 'servce'; did you mean 'service'?");
    CHECK(parse_kind("banana").error().message == "unknown kind 'banana'");
    CHECK(visible_to_agents(Kind::policy));
    CHECK_FALSE(visible_to_agents(Kind::join_token));
    CHECK_FALSE(visible_to_agents(Kind::operator_token));
    CHECK_FALSE(visible_to_agents(Kind::authority));
    CHECK_FALSE(visible_to_agents(Kind::audit_head));
    CHECK(visible_to_agents(Kind::quarantine));
    CHECK(has_history(Kind::authority));
    CHECK_FALSE(has_history(Kind::audit_head));
}

TEST_CASE("equal resources have equal bytes, whatever the order they were filled in") {
    Instance a = samples::instance(), b = a;
    a.labels.clear();
    for (auto at = b.labels.rbegin(); at != b.labels.rend(); ++at) a.labels.insert(*at);
    CHECK(encode(a) == encode(b));
}

TEST_CASE("bytes of an invalid resource are refused") {
    Service service = samples::service();
    service.name = "API";
    CHECK(decode(Kind::service, encode(service)).error().message ==
          "reading a service: service 'API': name 'API' is not a DNS label (a-z, 0-9 and '-' "
          "inside)");
    CHECK(decode(Kind::service, "\xff\xff").error().message ==
          "reading a service: not a valid message");
    CHECK_FALSE(decode(static_cast<Kind>(0), "").has_value());
    CHECK_FALSE(decode(static_cast<Kind>(13), "").has_value());
}

TEST_CASE("values of a newer version are refused, not guessed") {
    v1::Service service = to_proto(samples::service());
    service.set_protocol(static_cast<v1::Protocol>(9));
    CHECK(from_proto(service).error().message == "protocol has no value 9 in this version");
    v1::Instance instance = to_proto(samples::instance());
    instance.set_health(static_cast<v1::Health>(9));
    CHECK_FALSE(from_proto(instance).has_value());
    instance = to_proto(samples::instance());
    instance.set_port(65536);
    CHECK_FALSE(from_proto(instance).has_value());
    v1::Node node = to_proto(samples::node());
    node.mutable_tunnel()->set_address("12345");
    CHECK(from_proto(node).error().message == "tunnel: an address of 5 bytes");
    v1::TrustDomain domain = to_proto(samples::trust_domain());
    domain.mutable_vip4()->set_length(99);
    CHECK_FALSE(from_proto(domain).has_value());
    domain.mutable_vip4()->set_length(200);
    CHECK_FALSE(from_proto(domain).has_value());
    domain = to_proto(samples::trust_domain());
    domain.mutable_vip4()->set_base(std::string("\xf0\x00\x00\x01", 4)); // host bits
    CHECK_FALSE(from_proto(domain).has_value());
}

TEST_CASE("changes are read back, and must be what their key says") {
    const Change change = samples::change(samples::policy(), 17);
    const Change read = from_proto(to_proto(change)).value();
    CHECK(read.kind == Kind::policy);
    CHECK(read.key == "web-reads-api");
    CHECK(read.index == 17);
    CHECK(*read.value == *change.value);

    const Change gone{.kind = Kind::node, .key = "web-1", .index = 18, .value = nullptr};
    CHECK(from_proto(to_proto(gone)).value().deleted());

    v1::Change wrong = to_proto(change);
    wrong.set_key("other");
    CHECK(from_proto(wrong).error().message == "a policy under the key 'other'");
    wrong = to_proto(change);
    wrong.set_kind(99);
    CHECK_FALSE(from_proto(wrong).has_value());
}

namespace {

bool operator_equal(const CommandEnvelope& a, const CommandEnvelope& b) {
    // Bytes are deterministic, so equal bytes are equal commands.
    return encode(a) == encode(b) && a.command.index() == b.command.index();
}

std::vector<Command> commands() {
    return {
        InitTrust{samples::trust_domain(), samples::operator_token()},
        ApplyResources{{samples::service()},
                       {samples::policy(), samples::policy()},
                       {{Kind::policy, "web-reads-api", 7}, {Kind::service, "api", 0}}},
        DeleteResource{Kind::policy, "web-reads-api", 7},
        CreateJoinToken{samples::join_token()},
        RevokeJoinToken{"00ff"},
        JoinNode{"00ff", "web-1", 5, std::string(32, 'k')},
        SyncNode{"web-1", "eu/a", samples::node().tunnel, "0.1.0", {samples::instance()}},
        SetNodeAlive{"web-1", true},
        SetTrustDomain{samples::trust_domain()},
        JoinServer{"00ff", samples::server(), 5, std::string(32, 'k')},
        PutServer{samples::server()},
        RemoveServer{0xfedcba9876543210},
        Rollback{12},
        SetAuthority{samples::authority(), 7},
        PutQuarantine{samples::quarantine()},
        CreateOperatorToken{samples::operator_token()},
        RevokeOperatorToken{"00ff"},
        RotateOperatorToken{"00ff", std::string(32, 'h'), 5},
        PutAuditHead{samples::audit_head()},
        InitTrust{samples::trust_domain(), samples::operator_token(), samples::authority()},
        DeleteResource{Kind::quarantine, "node/web-1", 7},
    };
}

} // namespace

TEST_CASE("every command is read back as it was") {
    std::set<std::size_t> kinds;
    for (const Command& command : commands()) kinds.insert(command.index());
    CHECK(kinds.size() == std::variant_size_v<Command>);
    for (const Command& command : commands()) {
        CAPTURE(command.index());
        const CommandEnvelope envelope{
            .command = command, .actor = "uid:0", .proposed_at = 9, .source = "10.0.0.9:1"};
        const Result<CommandEnvelope> read = decode_command(encode(envelope));
        REQUIRE(read.has_value());
        CHECK(operator_equal(*read, envelope));
        CHECK(read->actor == "uid:0");
        CHECK(read->proposed_at == 9);
        CHECK(read->source == "10.0.0.9:1");
        CHECK(level_of(command) <= newest_level);
    }
}

TEST_CASE("a server's join is of the level that its fields need") {
    JoinServer join{"00ff", samples::server(), 5};
    CHECK(level_of(join) == 1);
    join.key = std::string(32, 'k');
    CHECK(level_of(join) == 2);
}

TEST_CASE("what came with level 3 says so, what is older does not") {
    InitTrust init{samples::trust_domain(), samples::operator_token()};
    CHECK(level_of(init) == 1);
    init.authority = samples::authority();
    CHECK(level_of(init) == 3);
    CHECK(level_of(DeleteResource{Kind::node, "web-1"}) == 1);
    CHECK(level_of(DeleteResource{Kind::quarantine, "node/web-1"}) == 3);
    CHECK(level_of(SetAuthority{samples::authority()}) == 3);
    CHECK(level_of(PutAuditHead{samples::audit_head()}) == 3);
}

TEST_CASE("commands that this version does not know are refused") {
    const CommandEnvelope envelope{.command = RevokeJoinToken{"00"}, .actor = "", .proposed_at = 0};
    v1::CommandEnvelope message;
    REQUIRE(message.ParseFromString(encode(envelope)));
    message.set_version(newest_level + 1);
    const Error newer = decode_command(message.SerializeAsString()).error();
    CHECK(newer.code == ErrorCode::unimplemented);
    CHECK(newer.message ==
          "reading a command: it is of level 4, this version knows levels up to 3: a newer hawser "
          "wrote it");
    message.set_version(0);
    CHECK_FALSE(decode_command(message.SerializeAsString()).has_value());
    message.set_version(1);
    message.clear_command();
    CHECK(decode_command(message.SerializeAsString()).error().message ==
          "reading a command: command 0 (level 1) is not one this version knows");
    // Field 99 of the envelope: a command of the future, under a level it should not have.
    const Error unknown = decode_command(message.SerializeAsString() + "\x9a\x06\x01x").error();
    CHECK(unknown.code == ErrorCode::unimplemented);
    CHECK(unknown.message ==
          "reading a command: command 99 (level 1) is not one this version knows");
    message.mutable_delete_()->set_kind(static_cast<std::uint32_t>(Kind::operator_token));
    CHECK_FALSE(decode_command(message.SerializeAsString()).has_value());
    CHECK_FALSE(decode_command("garbage").has_value());
    CHECK_FALSE(decode_command("").has_value());
}

TEST_CASE("damaged bytes never crash, and what they still say is valid") {
    Random random(4);
    std::vector<std::pair<Kind, std::string>> originals;
    for (const Resource& resource : samples::resources()) {
        originals.emplace_back(kind_of(resource), encode(resource));
    }
    for (int round = 0; round < 20'000; ++round) {
        auto [kind, bytes] = originals[random.below(originals.size())];
        for (std::uint64_t edits = random.below(4) + 1; edits > 0 && !bytes.empty(); --edits) {
            const std::size_t at = random.below(bytes.size());
            switch (random.below(3)) {
                case 0: bytes[at] = static_cast<char>(random.next()); break;
                case 1: bytes.erase(at, 1); break;
                default: bytes.insert(at, 1, static_cast<char>(random.next())); break;
            }
        }
        if (const Result<Resource> decoded = decode(kind, bytes)) {
            CHECK(decode(kind, encode(*decoded)).value() == *decoded);
        }
        (void)decode_command(bytes);
    }
}
