#include "host/accounts.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "host/files.h"

using namespace hawser;
using namespace hawser::host;

namespace {

// An account file for the time of a test.
class AccountFile {
  public:
    explicit AccountFile(std::string_view text)
        : path_("/tmp/hawser-accounts-" + std::to_string(::getpid())) {
        REQUIRE(write_file(path_, text).has_value());
    }
    AccountFile(const AccountFile&) = delete;
    AccountFile& operator=(const AccountFile&) = delete;
    ~AccountFile() { (void)remove_file(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace

TEST_CASE("users are found by name and by number") {
    const AccountFile file(
        "root:x:0:0:root:/root:/bin/bash\n"
        "broken\n:x:5:5::/:\nno:x:number:5::/:\n+@netgroup\n\n"
        "api:x:1001:1001:The api:/srv/api:/usr/sbin/nologin\n"
        "last:x:4294967294:1::/:");
    CHECK(user_id("root", file.path()) == 0U);
    CHECK(user_id("api", file.path()) == 1001U);
    CHECK(user_id("last", file.path()) == 4294967294U);
    CHECK(user_id("1002", file.path()) == 1002U);
    CHECK(user_name(1001, file.path()) == "api");
    CHECK(user_name(0, file.path()) == "root");
}

TEST_CASE("an unknown user is an error that names it and the file") {
    const AccountFile file("root:x:0:0:root:/root:/bin/bash\n");
    const auto unknown = user_id("web", file.path());
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().code == ErrorCode::not_found);
    CHECK(unknown.error().message == "no user 'web' in " + file.path());
    for (const char* wrong : {"", "no", "-1", "4294967295", "4294967296", "1 "}) {
        CAPTURE(wrong);
        CHECK_FALSE(user_id(wrong, file.path()).has_value());
    }
    CHECK_FALSE(user_name(7, file.path()).has_value());
    CHECK_FALSE(user_id("root", "/nonexistent").has_value());
}

TEST_CASE("groups are found by name") {
    const AccountFile file("root:x:0:\nhawser:x:998:alice,bob\n");
    CHECK(group_id("hawser", file.path()) == 998U);
    CHECK_FALSE(group_id("998", file.path()).has_value());
}
