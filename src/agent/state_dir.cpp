#include "agent/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "host/files.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

constexpr std::string_view certificate_begin = "-----BEGIN CERTIFICATE-----";
// A key and a chain as PEM, with room to spare.
constexpr std::size_t pem_file_bytes = limits::certificate_chain * limits::certificate_bytes * 2;

// Who holds the lock, for the message; "" when the file doesn't tell.
std::string holder(int lock) {
    char text[32];
    const ssize_t count = ::pread(lock, text, sizeof text - 1, 0);
    if (count <= 0) return "";
    std::string pid(text, static_cast<std::size_t>(count));
    pid.resize(std::min(pid.find_first_not_of("0123456789"), pid.size()));
    return " (process " + pid + ")";
}

// What an agent whose SIGHUP handler is in place adds to its pid.
constexpr std::string_view listens_to_reload = " agent";
constexpr std::size_t lock_bytes = 64;

void write_pid(int lock, std::string_view role = "") {
    const std::string pid = std::to_string(::getpid()) + std::string(role) + "\n";
    // A lock without a pid is still a lock.
    if (::ftruncate(lock, 0) == 0) (void)!::pwrite(lock, pid.data(), pid.size(), 0);
}

Result<std::optional<std::string>> read_if_there(const std::string& path) {
    auto text = host::read_file(path, pem_file_bytes);
    if (text) return std::optional(std::move(*text));
    if (text.error().code == ErrorCode::not_found) return std::optional<std::string>();
    return fail(std::move(text.error()));
}

Result<std::optional<tls::KeyPair>> read_pair(const std::string& path) {
    auto text = read_if_there(path);
    if (!text) return fail(std::move(text.error()));
    if (!*text) return std::optional<tls::KeyPair>();
    const std::size_t chain = (*text)->find(certificate_begin);
    if (chain == std::string::npos || chain == 0)
        return fail(ErrorCode::corrupt, path + ": not a private key and its certificates");
    tls::KeyPair pair;
    pair.key_pem = (*text)->substr(0, chain);
    pair.chain_pem = (*text)->substr(chain);
    tls::wipe(**text);
    return std::optional<tls::KeyPair>(std::move(pair));
}

Result<void> write_pair(const std::string& path, const tls::KeyPair& pair) {
    const std::string_view key = pair.key_pem;
    std::string text;
    text.reserve(key.size() + pair.chain_pem.size()); // or growing it would leave a copy behind
    text += key;
    text += pair.chain_pem;
    auto written = host::write_file(path, text, 0600);
    tls::wipe(text);
    return written;
}

} // namespace

Result<StateDir> StateDir::open(std::string path) {
    if (auto made = host::ensure_directory(path, 0700); !made) return fail(made.error());
    if (auto made = host::ensure_directory(path + "/services", 0700); !made)
        return fail(made.error());
    const std::string file = path + "/lock";
    const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) return fail_errno(errno, "opening " + file);
    StateDir state(std::move(path), lock);
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return fail_errno(errno, "locking " + file);
        return fail(ErrorCode::already_exists,
                    "another hawser process uses " + state.path_ + holder(lock));
    }
    write_pid(lock);
    return state;
}

void StateDir::heed_reload() const {
    write_pid(lock_, listens_to_reload);
}

bool StateDir::is_agents(const std::string& path) {
    const auto text = host::read_file(path + "/lock", lock_bytes);
    return text && text->contains(listens_to_reload);
}

bool StateDir::wake_holder(const std::string& path) {
    const auto text = host::read_file(path + "/lock", lock_bytes);
    // Another `hawser join` holds the lock, too; the signal would end it.
    if (!text || !text->contains(listens_to_reload)) return false;
    pid_t pid = 0;
    (void)std::from_chars(text->data(), text->data() + text->size(), pid);
    return pid > 1 && pid != ::getpid() && ::kill(pid, SIGHUP) == 0;
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDir& StateDir::operator=(StateDir&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
}

StateDir::~StateDir() {
    if (lock_ >= 0) ::close(lock_); // and with it the lock
}

Result<std::optional<tls::KeyPair>> StateDir::read_node() const {
    return read_pair(path_ + "/node.pem");
}

Result<void> StateDir::write_node(const tls::KeyPair& pair) const {
    return write_pair(path_ + "/node.pem", pair);
}

Result<std::optional<tls::KeyPair>> StateDir::read_service(std::string_view name) const {
    return read_pair(service_file(name));
}

Result<void> StateDir::write_service(std::string_view name, const tls::KeyPair& pair) const {
    return write_pair(service_file(name), pair);
}

Result<std::vector<std::string>> StateDir::read_roots() const {
    auto text = read_if_there(path_ + "/roots.pem");
    if (!text) return fail(std::move(text.error()));
    if (!*text) return std::vector<std::string>();
    auto roots = tls::chain_from_pem(**text);
    if (!roots) return fail(std::move(roots.error()), path_ + "/roots.pem");
    return roots;
}

Result<void> StateDir::write_roots(const std::vector<std::string>& roots) const {
    std::string text;
    for (const std::string& root : roots) text += tls::to_pem(as_bytes(root));
    return host::write_file(path_ + "/roots.pem", text, 0600);
}

Duration StateDir::read_renew_after() const {
    const auto text = host::read_file(path_ + "/renew-after", lock_bytes);
    Duration::rep number = 0;
    if (text) (void)std::from_chars(text->data(), text->data() + text->size(), number);
    return Duration(std::max<Duration::rep>(number, 0));
}

Result<void> StateDir::write_renew_after(Duration renew_after) const {
    return host::write_file(path_ + "/renew-after", std::to_string(renew_after.count()) + "\n",
                            0600);
}

Result<std::optional<std::string>> StateDir::read_machine() const {
    return read_if_there(path_ + "/machine");
}

Result<void> StateDir::write_machine(std::string_view mark) const {
    return host::write_file(path_ + "/machine", mark, 0600);
}

bool StateDir::has_cache() const {
    return ::access(cache_file().c_str(), F_OK) == 0;
}

Result<void> StateDir::claim_kernel() const {
    if (claims_kernel()) return {};
    return host::write_file(claim_file(), "", 0600);
}

Result<void> StateDir::disclaim_kernel() const {
    return host::remove_file(claim_file());
}

bool StateDir::claims_kernel() const {
    return ::access(claim_file().c_str(), F_OK) == 0;
}

Result<void> StateDir::forget_mesh() const {
    std::error_code error;
    std::filesystem::directory_iterator entries(path_ + "/services", error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        if (auto removed = host::remove_file(entries->path().string()); !removed)
            return fail(std::move(removed.error()));
    }
    if (auto removed = host::remove_file(cache_file()); !removed) return removed;
    return host::remove_file(path_ + "/node.pem");
}

Result<void> StateDir::forget_everything() const {
    Result<void> forgotten = forget_mesh();
    for (const char* name : {"/join.key", "/roots.pem", "/joined", "/renew-after"}) {
        if (!forgotten) break;
        forgotten = host::remove_file(path_ + name);
    }
    return forgotten;
}

std::string StateDir::service_file(std::string_view name) const {
    return path_ + "/services/" + std::string(name) + ".pem"; // a checked name: no slash, no dot
}

} // namespace hawser::agent
