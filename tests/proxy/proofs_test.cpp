#include "proxy/proofs.h"

#include <doctest/doctest.h>

using namespace hawser::proxy;

TEST_CASE("a proof never gets shorter") {
    Proof proof;
    proof.extend(20);
    proof.extend(10);
    CHECK(proof.until() == 20);
    proof.extend(30);
    CHECK(proof.until() == 30);
}

TEST_CASE("sessions of one identity and node share a proof, others have their own") {
    CallerProofs proofs;
    const ProofPtr web = proofs.of("spiffe://mesh/svc/web", 1);
    web->extend(7);
    CHECK(proofs.of("spiffe://mesh/svc/web", 1) == web);
    CHECK(proofs.of("spiffe://mesh/svc/web", 2)->until() == 0);
    CHECK(proofs.of("spiffe://mesh/svc/api", 1)->until() == 0);
}
