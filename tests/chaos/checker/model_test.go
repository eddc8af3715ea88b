package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// at gives a call its times.
func at(from, to int64, one call) call {
	one.Call, one.Return = from, to
	return one
}

func write1(value int64, index uint64) call {
	return call{Op: "write", Outcome: "ok", Value: value, Index: index}
}
func lost(value int64) call { return call{Op: "write", Outcome: "unknown", Value: value} }
func saw(value int64, index uint64) call {
	return call{Op: "read", Outcome: "ok", Found: true, Value: value, Index: index}
}
func sawNothing() call { return call{Op: "read", Outcome: "ok"} }
func cas(ifIndex uint64, outcome string, value int64, index uint64) call {
	return call{Op: "cas", Outcome: outcome, IfIndex: ifIndex, Value: value, Index: index}
}

func TestHistories(t *testing.T) {
	for _, test := range []struct {
		name   string
		accept bool
		calls  []call
	}{
		{"in turn", true, []call{at(1, 2, sawNothing()), at(3, 4, write1(7, 5)), at(5, 6, saw(7, 5))}},
		{"overlapping", true, []call{at(1, 9, write1(7, 5)), at(2, 3, sawNothing()), at(4, 5, saw(7, 5))}},
		{"stale read", false, []call{at(1, 2, write1(7, 5)), at(3, 4, write1(8, 6)), at(5, 6, saw(7, 5))}},
		{"lost write", false, []call{at(1, 2, write1(7, 5)), at(3, 4, sawNothing())}},
		{"read goes back", false, []call{at(1, 9, write1(7, 5)), at(2, 3, saw(7, 5)), at(4, 5, sawNothing())}},
		{"index goes back", false, []call{at(1, 2, write1(7, 6)), at(3, 4, write1(8, 5))}},
		{"another index", false, []call{at(1, 2, write1(7, 5)), at(3, 4, saw(7, 6))}},
		{"unknown, done", true, []call{at(1, 0, lost(7)), at(3, 4, sawNothing()), at(5, 6, saw(7, 9))}},
		{"unknown, not done", true, []call{at(1, 0, lost(7)), at(3, 4, write1(8, 5)), at(5, 6, saw(8, 5))}},
		{"unknown, twice", false, []call{
			at(1, 0, lost(7)), at(2, 3, saw(7, 4)), at(4, 5, write1(8, 5)), at(6, 7, saw(7, 6))}},
		{"set", true, []call{at(1, 2, write1(7, 5)), at(3, 4, cas(5, "ok", 8, 6)), at(5, 6, saw(8, 6))}},
		{"set by two", false, []call{
			at(1, 2, write1(7, 5)), at(3, 9, cas(5, "ok", 8, 6)), at(3, 9, cas(5, "ok", 9, 7))}},
		{"set over another", false, []call{
			at(1, 2, write1(7, 5)), at(3, 4, write1(8, 6)), at(5, 6, cas(5, "ok", 9, 7))}},
		{"created once", true, []call{at(1, 9, cas(0, "ok", 8, 6)), at(1, 9, cas(0, "refused", 9, 0))}},
		{"created twice", false, []call{at(1, 9, cas(0, "ok", 8, 6)), at(1, 9, cas(0, "ok", 9, 7))}},
		{"refused for nothing", false, []call{at(1, 2, write1(7, 5)), at(3, 4, cas(5, "refused", 8, 0))}},
		{"refused, unknown index", true, []call{
			at(1, 0, lost(7)), at(3, 4, cas(5, "refused", 8, 0)), at(5, 6, saw(7, 2))}},
		{"unknown set that could not be", false, []call{
			at(1, 2, write1(7, 5)), at(3, 0, cas(4, "unknown", 8, 0)), at(5, 6, saw(8, 6))}},
	} {
		got := porcupine.CheckOperations(model, byRegister(test.calls)[""])
		if got != test.accept {
			t.Errorf("%s: accepted %v, want %v", test.name, got, test.accept)
		}
	}
}
