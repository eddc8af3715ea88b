// The audit log, as admins see it.
#include "base/bytes.h"
#include "base/limits.h"
#include "model/codec.h"
#include "server/api.h"
#include "server/audit_entries.h"

namespace hawser::server {

namespace {

constexpr std::uint32_t usual_records = 100;

v1::AuditRecord to_proto(const audit::Record& record) {
    const audit::Entry& entry = record.entry;
    v1::AuditRecord message;
    message.set_sequence(record.head.sequence);
    message.set_time_ms(entry.time);
    message.set_server(entry.server);
    message.set_kind(entry.kind);
    message.set_who(entry.who);
    message.set_source(entry.from);
    message.set_method(entry.method);
    for (const std::string& name : entry.what) message.add_what(name);
    message.set_detail(entry.detail);
    message.set_index(entry.index);
    message.set_result(entry.result);
    message.set_hash(record.head.hash);
    return message;
}

} // namespace

Api::Answer<v1::ListAuditResponse> Api::list_audit(Actor, v1::ListAuditRequest request) {
    if (request.most() > limits::audit_listed)
        co_return fail(ErrorCode::invalid, "at most 1000 records are listed at a time");
    const Result<audit::Listing> listing =
        co_await parts_.audit.list({.since = request.since_ms(),
                                    .who = request.who(),
                                    .kind = request.kind(),
                                    .most = request.most() == 0 ? usual_records : request.most()});
    if (!listing) co_return fail(listing.error());
    v1::ListAuditResponse response;
    for (const audit::Record& record : listing->records) *response.add_records() = to_proto(record);
    response.set_unreadable(listing->unreadable);
    co_return response;
}

Api::Answer<v1::VerifyAuditResponse> Api::verify_audit(Actor, v1::VerifyAuditRequest) {
    const Result<audit::Report> report =
        co_await parts_.audit.verify(known_audit_head(tables(), parts_.config.node));
    if (!report) co_return fail(report.error());
    v1::VerifyAuditResponse response;
    response.set_server(parts_.config.node);
    response.set_files(report->files);
    response.set_first(report->first);
    response.set_last(report->last);
    response.set_hash(report->head.hash);
    response.set_compared(report->compared);
    if (report->problem) {
        response.set_problem(report->problem->what);
        response.set_problem_file(report->problem->file);
        response.set_problem_line(report->problem->line);
    }
    co_return response;
}

Api::Answer<v1::AuditHeadsResponse> Api::audit_heads(Actor, v1::AuditHeadsRequest) {
    v1::AuditHeadsResponse response;
    for (const auto& [server, row] : tables().rows(model::Kind::audit_head))
        *response.add_heads() = model::to_proto(*std::get_if<model::AuditHead>(row.value.get()));
    co_return response;
}

} // namespace hawser::server
