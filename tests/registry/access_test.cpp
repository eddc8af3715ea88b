// Operators' tokens, quarantine, the authority, audit heads.
#include "base/limits.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

model::OperatorToken make_operator(const std::string& id, WallTime expires_at = 0) {
    return {.id = id,
            .secret_hash = std::string(32, 'x'),
            .role = model::Role::reader,
            .created_at = now,
            .name = "ci",
            .expires_at = expires_at};
}

model::Authority make_authority(const std::string& root) {
    return {.active = {.root = root, .chain = {"signs under " + root}, .root_key = "", .key = "k"},
            .other = std::nullopt,
            .sealing_key_id = "id"};
}

model::PutServer make_server() {
    return {{.id = 1, .name = "s1", .addresses = {}, .version = "1", .level = model::newest_level}};
}

// A mesh whose only server knows all commands.
struct NewMesh : Mesh {
    NewMesh() { done(make_server()); }
};

const model::OperatorToken& operator_of(const Mesh& mesh, const std::string& id) {
    return *mesh.registry.tables().get<model::OperatorToken>(id);
}

} // namespace

TEST_CASE("operator tokens are made, given another secret, and revoked") {
    NewMesh mesh;
    CHECK(mesh.done(model::CreateOperatorToken{make_operator("bb")}) ==
          Lines{"operator_token/bb created"});
    CHECK(mesh.refused(model::CreateOperatorToken{make_operator("bb")}).code ==
          ErrorCode::already_exists);
    CHECK(mesh.done(model::RotateOperatorToken{"bb", std::string(32, 'y'), now + 1000}) ==
          Lines{"operator_token/bb changed"});
    CHECK(operator_of(mesh, "bb").secret_hash == std::string(32, 'y'));
    CHECK(operator_of(mesh, "bb").previous_hash == std::string(32, 'x'));
    CHECK(operator_of(mesh, "bb").previous_until == now + 1000);
    CHECK(mesh.refused(model::RotateOperatorToken{"bb", "short", 0}).code == ErrorCode::invalid);
    CHECK(mesh.refused(model::RotateOperatorToken{"cc", std::string(32, 'y'), 0}).code ==
          ErrorCode::not_found);
    CHECK(mesh.done(model::RevokeOperatorToken{"bb"}) == Lines{"operator_token/bb deleted"});
    CHECK(mesh.refused(model::RevokeOperatorToken{"bb"}).code == ErrorCode::not_found);
}

TEST_CASE("operator tokens that expired long ago go when a new one comes") {
    NewMesh mesh;
    constexpr WallTime day = 86'400'000;
    mesh.done(model::CreateOperatorToken{make_operator("b1", now - 29 * day)});
    mesh.done(model::CreateOperatorToken{make_operator("b0", now - 31 * day)});
    CHECK(mesh.done(model::CreateOperatorToken{make_operator("b2")}) ==
          Lines{"operator_token/b0 deleted", "operator_token/b2 created"});
    CHECK(mesh.has<model::OperatorToken>("b1"));
}

TEST_CASE("a quarantine is put, replaced and ended, and remembered") {
    NewMesh mesh;
    const model::Quarantine quarantine{
        .subject_kind = model::IdentityKind::node, .subject = "web-1", .reason = "odd", .since = 1};
    CHECK(mesh.done(model::PutQuarantine{quarantine}) == Lines{"quarantine/node/web-1 created"});
    CHECK(mesh.done(model::PutQuarantine{quarantine}).empty());
    CHECK(mesh.done(model::DeleteResource{model::Kind::quarantine, "node/web-1"}) ==
          Lines{"quarantine/node/web-1 deleted"});
    CHECK(mesh.refused(model::DeleteResource{model::Kind::quarantine, "node/web-1"}).message ==
          "'node/web-1' is not quarantined");
    CHECK(mesh.registry.tables().history().of(model::Kind::quarantine, "node/web-1").size() == 2);
}

TEST_CASE("the authority changes only from what it was, and the trust domain with it") {
    NewMesh mesh;
    const model::TrustDomain before = *mesh.registry.tables().trust();
    CHECK(mesh.registry.tables().authority() == nullptr);
    CHECK(mesh.registry.tables().authority_index() == 0);
    CHECK(mesh.refused(model::SetAuthority{make_authority("r1"), 99}).code == ErrorCode::aborted);
    CHECK(mesh.done(model::SetAuthority{make_authority("r1"), 0}) ==
          Lines{"trust_domain/self changed", "authority/self created"});
    const std::uint64_t index = mesh.registry.tables().authority_index();
    CHECK(mesh.registry.tables().trust()->roots == std::vector<std::string>{"r1"});
    CHECK(mesh.registry.tables().trust()->name == "hawser.local");
    CHECK(before.epoch_since != 0);
    CHECK(mesh.registry.tables().trust()->epoch == before.epoch);
    CHECK(mesh.registry.tables().trust()->epoch_since == before.epoch_since);

    model::Authority rotating = make_authority("r1");
    rotating.other = make_authority("r2").active;
    rotating.phase = model::RotationPhase::publishing;
    CHECK(mesh.refused(model::SetAuthority{rotating, 0}).code == ErrorCode::aborted);
    mesh.done(model::SetAuthority{rotating, index});
    CHECK(mesh.registry.tables().trust()->roots == std::vector<std::string>{"r1", "r2"});
    CHECK(mesh.refused(model::SetAuthority{make_authority("r3"), index}).code ==
          ErrorCode::aborted);
    CHECK(mesh.refused(model::SetTrustDomain{make_domain()}).code ==
          ErrorCode::failed_precondition);
}

TEST_CASE("an authority's keys are in no history") {
    NewMesh mesh;
    mesh.done(model::SetAuthority{make_authority("r1"), 0});
    bool seen = false;
    for (const auto& [key, row] : mesh.registry.tables().rows(model::Kind::history)) {
        const auto& entry = std::get<model::HistoryEntry>(*row.value);
        if (entry.kind != static_cast<std::uint8_t>(model::Kind::authority)) continue;
        seen = true;
        CHECK(entry.before.empty());
        CHECK(entry.after.empty());
    }
    CHECK(seen);
}

TEST_CASE("a mesh may be made with its authority in it") {
    model::InitTrust init = make_init();
    init.authority = make_authority("r1");
    Registry registry;
    REQUIRE(registry.apply(1, {.command = init, .actor = "", .proposed_at = now}).has_value());
    CHECK(registry.tables().trust()->roots == std::vector<std::string>{"r1"});
    CHECK(*registry.tables().authority() == make_authority("r1"));
}

TEST_CASE("audit heads are of servers, grow only, have no history and go with their server") {
    NewMesh mesh;
    const auto head = [](std::uint64_t sequence) {
        return model::PutAuditHead{
            {.server = "s1", .sequence = sequence, .hash = std::string(32, 'h'), .at = now}};
    };
    CHECK(
        mesh.refused(model::PutAuditHead{
                         {.server = "s2", .sequence = 1, .hash = std::string(32, 'h'), .at = now}})
            .code == ErrorCode::not_found);
    CHECK(mesh.done(head(7)) == Lines{"audit_head/s1 created"});
    CHECK(mesh.done(head(8)) == Lines{"audit_head/s1 changed"});
    CHECK(mesh.refused(head(7)).code == ErrorCode::failed_precondition);
    CHECK(mesh.registry.tables().history().of(model::Kind::audit_head, "s1").empty());
}

} // namespace hawser::registry::test
