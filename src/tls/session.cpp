#include "tls/session.h"

#include <algorithm>

#include "tls/handshake.h"

namespace hawser::tls {

struct Session::Impl {
    Impl(CredentialsPtr credentials, Role own_role, std::optional<model::Identity> expected)
        : role(own_role),
          handshake(std::make_unique<Handshake>(std::move(credentials), role, std::move(expected),
                                                input, output)) {}

    void establish();
    Result<ReadResult> broken(RecordReader::Failure failure);

    Role role;
    LinearBuffer input{block_bytes};
    LinearBuffer output{outbound_bytes};
    std::unique_ptr<Handshake> handshake; // until it is done
    std::optional<RecordReader> reader;   // and these from then on
    std::optional<RecordWriter> writer;
    std::optional<PeerCertificate> peer;
    std::string alpn;
    std::string_view cipher;
    std::optional<Error> failure; // the first; nothing goes on after it
    bool input_ended = false, peer_closed = false, own_closed = false;
};

void Session::Impl::establish() {
    Agreement& agreed = handshake->agreement();
    const bool client = role == Role::client;
    reader.emplace(*agreed.suite, client ? agreed.server_secret : agreed.client_secret);
    writer.emplace(*agreed.suite, client ? agreed.client_secret : agreed.server_secret);
    peer = std::move(agreed.peer);
    alpn = std::move(agreed.alpn);
    cipher = agreed.suite->name;
    handshake.reset();
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(CredentialsPtr credentials, Role role,
                                                 std::optional<model::Identity> expected) {
    if (role == Role::server && !own_identity(*credentials))
        return fail(ErrorCode::failed_precondition, "a TLS server needs a certificate");
    if (role == Role::server && credentials->options().root_pin)
        return fail(ErrorCode::failed_precondition, "a TLS server cannot verify by a root's pin");
    auto impl = std::make_unique<Impl>(std::move(credentials), role, std::move(expected));
    if (auto started = impl->handshake->start(); !started) return fail(std::move(started.error()));
    return std::unique_ptr<Session>(new Session(std::move(impl)));
}

std::span<std::uint8_t> Session::receive_buffer(std::size_t minimum) {
    return impl_->input.prepare(std::max<std::size_t>(minimum, 1));
}

void Session::received(std::size_t count) {
    impl_->input.commit(count);
}
void Session::received_end() {
    impl_->input_ended = true;
}

Result<bool> Session::handshake() {
    if (impl_->failure) return fail(*impl_->failure);
    if (!impl_->handshake) return true;
    auto done = impl_->handshake->step(impl_->input_ended);
    if (done && !*done) return false;
    if (!done) {
        impl_->failure = std::move(done.error());
        return fail(*impl_->failure);
    }
    impl_->establish();
    return true;
}

Result<Session::ReadResult> Session::Impl::broken(RecordReader::Failure reason) {
    if (reason.alert) writer->alert(*reason.alert, output);
    failure = std::move(reason.error);
    input.release();
    return fail(*failure);
}

Result<Session::ReadResult> Session::read(std::span<std::uint8_t> plaintext) {
    Impl& self = *impl_;
    if (self.failure) return fail(*self.failure);
    if (!self.reader) return fail(ErrorCode::failed_precondition, "TLS handshake is not done");
    ReadResult result;
    while (result.count < plaintext.size() && !self.peer_closed) {
        auto outcome = self.reader->next(self.input, plaintext.subspan(result.count));
        if (!outcome) {
            auto failed = self.broken(std::move(outcome.error()));
            // What came before the bad record is good.
            return result.count > 0 ? Result<ReadResult>(result) : failed;
        }
        result.count += outcome->count;
        if (outcome->event == RecordReader::Event::closed) {
            self.peer_closed = true;
            self.input.release(); // nothing after it counts
        }
        if (outcome->event == RecordReader::Event::key_request) self.writer->request_update();
        if (outcome->event == RecordReader::Event::need_more) break;
    }
    result.closed = self.peer_closed;
    const bool starved = result.count == 0 && !plaintext.empty() && !result.closed;
    if (starved && self.input_ended) {
        self.failure = Error{.code = ErrorCode::unavailable,
                             .message = "truncated: the connection ended without close_notify"};
        return fail(*self.failure);
    }
    return result;
}

Result<void> Session::write(ByteView plaintext) {
    if (impl_->failure) return fail(*impl_->failure);
    if (!impl_->writer) return fail(ErrorCode::failed_precondition, "TLS handshake is not done");
    if (impl_->own_closed)
        return fail(ErrorCode::failed_precondition, "TLS session is closed for writing");
    return impl_->writer->write(plaintext, impl_->output);
}

void Session::close_notify() {
    if (!impl_->writer || impl_->own_closed || impl_->failure) return;
    impl_->own_closed = true;
    impl_->writer->alert(Alert::close_notify, impl_->output);
}

ByteView Session::output() const {
    return impl_->output.view();
}
void Session::consume_output(std::size_t count) {
    impl_->output.consume(count);
}

const std::optional<PeerCertificate>& Session::peer() const {
    return impl_->peer;
}
std::string Session::alpn() const {
    return impl_->alpn;
}
std::string Session::cipher() const {
    return std::string(impl_->cipher);
}

} // namespace hawser::tls
