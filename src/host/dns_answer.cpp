#include "host/dns_answer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "base/limits.h"
#include "host/dns_message.h"

namespace hawser::host {
namespace {

using model::MeshSnapshot;
using model::ServiceView;

// More would not fit a TCP answer with the longest names.
constexpr std::size_t max_srv_records = 400;
constexpr std::uint16_t class_in = 1, class_any = 255;

// What a name of ours stands for.
struct Found {
    enum class Kind : std::uint8_t { nothing, empty, apex, service, instances, node, reverse };
    Kind kind = Kind::nothing;
    const ServiceView* service = nullptr;
    const model::Node* node = nullptr;
};

bool has_suffix(std::string_view name, std::string_view domain) {
    return name == domain || (name.size() > domain.size() + 1 && name.ends_with(domain) &&
                              name[name.size() - domain.size() - 1] == '.');
}

bool is_vip(const IpAddress& address, const MeshSnapshot& mesh) {
    const auto within = [&](const Cidr& range) {
        return range.length > 0 && range.contains(address);
    };
    return within(mesh.trust().vip4) || within(mesh.trust().vip6);
}

// `rest`: the labels in front of the domain, without its dot.
Found find_in_domain(std::string_view rest, const MeshSnapshot& mesh) {
    using Kind = Found::Kind;
    if (rest.empty()) return {.kind = Kind::apex};
    const auto dot = rest.find('.');
    const std::string_view first = rest.substr(0, dot);
    const std::string_view behind = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
    if (dot == std::string_view::npos) {
        if (const auto* service = mesh.service(first))
            return {.kind = Kind::service, .service = service};
        // Names below these exist, so the names themselves do (RFC 8020).
        return {.kind = first == "node" || first == "_tcp" ? Kind::empty : Kind::nothing};
    }
    if (behind == "node") {
        const auto* node = mesh.node(first);
        return {.kind = node != nullptr ? Kind::node : Kind::nothing, .node = node};
    }
    if (behind == "_tcp" && first.starts_with('_')) {
        const auto* service = mesh.service(first.substr(1));
        return {.kind = service != nullptr ? Kind::instances : Kind::nothing, .service = service};
    }
    return {};
}

class Answer {
  public:
    Answer(const DnsQuery& query, const DnsZone& zone) : query_(query), zone_(zone) {}

    DnsDecision write(const Found& found, std::size_t limit) {
        const bool missing = found.kind == Found::Kind::nothing;
        DnsWriter writer(query_, missing ? dns_no_such_name : dns_no_error);
        if (!missing) add(writer, found);
        if (records_ == 0)
            writer.add_soa(DnsSection::authority, std::string(zone_.domain), serial());
        DnsDecision decision{.action = DnsAction::answer, .answer = writer.finish(limit)};
        decision.result = missing         ? DnsResult::no_such_name
                          : records_ == 0 ? DnsResult::no_data
                                          : DnsResult::answered;
        return decision;
    }

  private:
    [[nodiscard]] bool wants(std::uint16_t type) const {
        return query_.type == type || query_.type == dns_type::any;
    }
    [[nodiscard]] std::uint32_t serial() const {
        return static_cast<std::uint32_t>(zone_.snapshot->index());
    }

    void add(DnsWriter& writer, const Found& found) {
        switch (found.kind) {
            case Found::Kind::service:
                add_address(writer, found.service->service.vip4);
                if (zone_.ipv6) add_address(writer, found.service->service.vip6);
                break;
            case Found::Kind::node: add_address(writer, found.node->tunnel.address); break;
            case Found::Kind::instances: add_instances(writer, *found.service); break;
            case Found::Kind::reverse:
                if (!wants(dns_type::ptr)) break;
                ++records_;
                writer.add_ptr(query_.name,
                               found.service->service.name + "." + std::string(zone_.domain));
                break;
            case Found::Kind::apex:
                if (!wants(dns_type::soa)) break;
                ++records_;
                writer.add_soa(DnsSection::answer, query_.name, serial());
                break;
            case Found::Kind::empty:
            case Found::Kind::nothing: break;
        }
    }

    void add_address(DnsWriter& writer, const IpAddress& address) {
        if (address.is_unspecified() || !wants(address.is_v4() ? dns_type::a : dns_type::aaaa))
            return;
        ++records_;
        writer.add_address(DnsSection::answer, query_.name, address);
    }

    void add_instances(DnsWriter& writer, const ServiceView& service) {
        if (!wants(dns_type::srv)) return;
        std::set<std::string> hosts;
        for (const std::uint32_t position : service.usable) {
            if (records_ == max_srv_records) break;
            const auto& endpoint = service.endpoints[position];
            const std::string target = endpoint.node + ".node." + std::string(zone_.domain);
            ++records_;
            writer.add_srv(query_.name,
                           static_cast<std::uint16_t>(std::min(endpoint.instance.weight, 65535U)),
                           endpoint.instance.port, target);
            if (!hosts.insert(target).second || endpoint.tunnel.address.is_unspecified()) continue;
            writer.add_address(DnsSection::additional, target, endpoint.tunnel.address);
        }
    }

    const DnsQuery& query_;
    const DnsZone& zone_;
    std::size_t records_ = 0;
};

DnsDecision refusal(ByteView query, int rcode, DnsResult result) {
    std::string answer = error_answer(query, rcode);
    if (answer.empty()) return {};
    return {.action = DnsAction::answer, .result = result, .answer = std::move(answer)};
}

DnsDecision answer_ours(ByteView bytes, const DnsQuestion& question, const DnsZone& zone,
                        const Found& found, bool udp) {
    if (question.opcode() != 0) return refusal(bytes, dns_not_implemented, DnsResult::refused);
    if (question.class_ != class_in && question.class_ != class_any)
        return refusal(bytes, dns_refused, DnsResult::refused);
    const auto query = parse_query(bytes);
    if (!query) return refusal(bytes, dns_format_error, DnsResult::malformed);
    const std::size_t limit =
        udp ? std::min<std::size_t>(query->udp_size, limits::dns_udp_answer_bytes)
            : limits::dns_message_bytes;
    DnsDecision decision = Answer(*query, zone).write(found, limit);
    if (decision.answer.empty()) return refusal(bytes, dns_server_failure, DnsResult::failed);
    return decision;
}

int hex_digit(char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    return -1;
}

std::optional<IpAddress> reverse_v6(std::string_view labels) {
    std::array<std::uint8_t, 16> bytes{};
    if (labels.size() != 63) return {}; // 32 digits and the dots between them
    for (std::size_t i = 0; i < 32; ++i) {
        const int digit = hex_digit(labels[i * 2]);
        if (digit < 0 || (i < 31 && labels[i * 2 + 1] != '.')) return {};
        const std::size_t from_end = 31 - i;
        bytes[from_end / 2] |= static_cast<std::uint8_t>(digit << (from_end % 2 == 0 ? 4 : 0));
    }
    return IpAddress::v6(bytes);
}

std::optional<IpAddress> reverse_v4(std::string_view labels) {
    std::uint32_t address = 0;
    for (int i = 0; i < 4; ++i) {
        const auto end = std::min(labels.find('.'), labels.size());
        unsigned value = 256;
        const auto [stop, error] = std::from_chars(labels.data(), labels.data() + end, value);
        if (error != std::errc{} || stop != labels.data() + end || value > 255) return {};
        address |= value << (8 * i);
        labels.remove_prefix(std::min(end + 1, labels.size()));
    }
    if (!labels.empty()) return {};
    return IpAddress::v4(address);
}

} // namespace

std::optional<IpAddress> reverse_address(std::string_view name) {
    constexpr std::string_view v4 = ".in-addr.arpa", v6 = ".ip6.arpa";
    if (name.ends_with(v4)) return reverse_v4(name.substr(0, name.size() - v4.size()));
    if (name.ends_with(v6)) return reverse_v6(name.substr(0, name.size() - v6.size()));
    return {};
}

DnsDecision decide(ByteView query, const DnsZone& zone, bool udp) {
    const auto question = read_question(query);
    if (!question) return refusal(query, dns_format_error, DnsResult::malformed);
    if (question->is_response()) return {};
    // Answers of many messages, which neither we nor the forwarding carry.
    if (question->type == dns_type::axfr || question->type == dns_type::ixfr)
        return refusal(query, dns_refused, DnsResult::refused);

    if (has_suffix(question->name, zone.domain)) {
        if (zone.snapshot == nullptr) return refusal(query, dns_server_failure, DnsResult::failed);
        std::string_view rest = question->name;
        rest.remove_suffix(std::min(zone.domain.size() + 1, rest.size()));
        return answer_ours(query, *question, zone, find_in_domain(rest, *zone.snapshot), udp);
    }
    const auto reversed = reverse_address(question->name);
    if (reversed && zone.snapshot != nullptr && is_vip(*reversed, *zone.snapshot)) {
        const auto* service = zone.snapshot->service_by_vip(*reversed);
        const Found found{.kind = service != nullptr ? Found::Kind::reverse : Found::Kind::nothing,
                          .service = service};
        return answer_ours(query, *question, zone, found, udp);
    }
    return {.action = DnsAction::forward, .result = DnsResult::forwarded, .answer = {}};
}

std::string_view to_string(DnsResult result) {
    switch (result) {
        case DnsResult::answered: return "answered";
        case DnsResult::no_data: return "no_data";
        case DnsResult::no_such_name: return "no_such_name";
        case DnsResult::malformed: return "malformed";
        case DnsResult::refused: return "refused";
        case DnsResult::forwarded: return "forwarded";
        case DnsResult::failed: return "failed";
        case DnsResult::dropped: return "dropped";
    }
    return "unknown";
}

} // namespace hawser::host
