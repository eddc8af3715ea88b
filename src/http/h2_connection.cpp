#include "http/h2_connection.h"

#include "http/h2_transport.h"

namespace hawser::http {

H2Connection::H2Connection(io::Socket socket, std::unique_ptr<tls::Session> session,
                           H2Options options, ConnectionHandler* handler)
    : impl_(
          std::make_shared<H2Transport>(std::move(socket), std::move(session), options, handler)) {}

H2Connection::~H2Connection() {
    impl_->destroy();
}

io::Task<Result<void>> H2Connection::handshake() {
    return H2Transport::handshake(impl_);
}
io::Task<Result<void>> H2Connection::run() {
    return H2Transport::run(impl_);
}
void H2Connection::start() {
    impl_->start();
}

Result<StreamId> H2Connection::open(const Headers& headers, StreamHandler* handler, bool end) {
    return impl_->session().open(headers, handler, end);
}
bool H2Connection::can_open() const {
    return impl_->session().can_open();
}
std::size_t H2Connection::open_streams() const {
    return impl_->session().open_streams();
}

void H2Connection::respond(StreamId stream, const Headers& headers, bool end) {
    impl_->session().respond(stream, headers, end);
}
std::size_t H2Connection::writable_bytes(StreamId stream) const {
    return impl_->session().writable_bytes(stream);
}
std::size_t H2Connection::write(StreamId stream, ByteView data) {
    return impl_->session().write(stream, data);
}
std::span<std::uint8_t> H2Connection::write_buffer(StreamId stream, std::size_t wanted) {
    return impl_->session().write_buffer(stream, wanted);
}
void H2Connection::commit(StreamId stream, std::size_t count) {
    impl_->session().commit(stream, count);
}
void H2Connection::finish(StreamId stream) {
    impl_->session().finish(stream, nullptr);
}
void H2Connection::finish(StreamId stream, const Headers& trailers) {
    impl_->session().finish(stream, &trailers);
}
void H2Connection::reset(StreamId stream, H2Code code) {
    impl_->session().reset(stream, code);
}
void H2Connection::consume(StreamId stream, std::size_t count) {
    impl_->session().consume(stream, count);
}
void H2Connection::detach(StreamId stream, H2Code code) {
    impl_->session().detach(stream, code);
}

void H2Connection::set_idle_timeout(std::chrono::milliseconds timeout) {
    impl_->set_idle_timeout(timeout);
}
void H2Connection::goaway() {
    impl_->goaway();
}
void H2Connection::abort() {
    impl_->abort();
}

bool H2Connection::closing() const {
    return impl_->ended() || impl_->session().closing();
}
const std::optional<tls::PeerCertificate>& H2Connection::peer() const {
    static const std::optional<tls::PeerCertificate> none;
    return impl_->tls() == nullptr ? none : impl_->tls()->peer();
}
std::string H2Connection::alpn() const {
    return impl_->tls() == nullptr ? std::string() : impl_->tls()->alpn();
}
io::Executor H2Connection::executor() const {
    return impl_->executor();
}
int H2Connection::native_handle() const {
    return impl_->native_handle();
}

} // namespace hawser::http
