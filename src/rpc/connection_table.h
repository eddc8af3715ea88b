// Who is connected to a listener, by how far each has come in proving who it is. Each standing has
// a bound of its own, so that those who prove nothing cannot keep out those who can:
//
//   greeting   in its handshake         when there are too many, the oldest has to go:
//   newcomer   has asked nothing yet    an honest one needs milliseconds, and may come again
//   stranger   asked, and is not known
//   member     known                    when there are too many, a new one is refused
//
// Newcomers cost little and are many when all come back at once, after a restart say; strangers may
// have messages here, and are few.
//
// One loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>

#include "base/result.h"
#include "http/h2_connection.h"

namespace hawser::rpc {

enum class Standing : std::uint8_t { greeting, newcomer, stranger, member };

class ConnectionTable {
  public:
    using Limits = std::array<std::size_t, 4>; // by standing; none is 0
    explicit ConnectionTable(const Limits& limits);

    // A connection's place, from its acceptance (greeting) to its end. One that has to go is
    // aborted, and turned_out() then says why.
    class Place {
      public:
        // Both outlive the place.
        Place(ConnectionTable& table, http::H2Connection& connection);
        ~Place() { leave(); }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        [[nodiscard]] Result<void> become(Standing standing);
        [[nodiscard]] Standing standing() const { return standing_; }
        [[nodiscard]] const std::optional<Error>& turned_out() const { return turned_out_; }

      private:
        friend class ConnectionTable;
        void leave();
        void turn_out();

        ConnectionTable& table_;
        http::H2Connection& connection_;
        Standing standing_ = Standing::greeting;
        std::list<Place*>::iterator at_;
        std::optional<Error> turned_out_;
    };

    [[nodiscard]] Result<void> check_room_for_members() const;
    void goaway(); // all that are past their handshakes

  private:
    std::list<Place*>& of(Standing standing) { return places_[static_cast<std::size_t>(standing)]; }
    [[nodiscard]] bool full(Standing standing) const {
        const auto at = static_cast<std::size_t>(standing);
        return places_[at].size() >= limits_[at];
    }

    Limits limits_;
    std::array<std::list<Place*>, 4> places_; // oldest first
};

} // namespace hawser::rpc
