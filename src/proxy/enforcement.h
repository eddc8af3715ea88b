// What is open, held against a new view: connections that it would refuse are cut, the others never
// notice. A worker with very many does it in slices, between its other work.
//
// Every live relay knows by which view it was judged. The list of them is in that order: those that
// wait for judgement are in front, and go to the back with the number of the current view. So a
// view that arrives in the middle of the work costs nothing but more of it, and a view is in force
// when the first of the list has been judged by it or by a later one.
#pragma once

#include <functional>

#include "base/units.h"
#include "proxy/view.h"

namespace hawser::proxy {

struct Context;

// From now on this is the view. `in_force` is called once nothing is open any more that it, or a
// later one, would refuse: within this call, if that is little work.
void use_view(Context& context, ViewPtr view, std::function<void()> in_force);

// Once a second: connections whose other agent has not proven for too long who it is.
void cut_unproven(Context& context, WallTime now);
// … and tunnels of those who may take part in nothing. Their connections were cut before.
void close_refused_tunnels(Context& context);

} // namespace hawser::proxy
