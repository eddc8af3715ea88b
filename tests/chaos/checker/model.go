package main

import "github.com/anishathalye/porcupine"

// call is one line of a history; see client/history.h.
type call struct {
	Client  int    `json:"client"`
	Key     string `json:"key"`
	Op      string `json:"op"`      // read, write, cas
	Outcome string `json:"outcome"` // ok, refused, unknown
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
	Value   int64  `json:"value"`
	Found   bool   `json:"found"`
	Index   uint64 `json:"index"`
	IfIndex uint64 `json:"if_index"`
}

// register is what one key holds. Index 0 of a register that exists means that the write which made
// it was never answered: its index shows in later reads only.
type register struct {
	exists bool
	value  int64
	index  uint64
}

// step returns the states a register may be in after a call, or none if the call's outcome was
// impossible. More than one: whether a condition held cannot be told.
func step(before register, done call) []register {
	switch done.Op {
	case "read":
		return read(before, done)
	case "write":
		return write(before, done)
	}
	return compareAndSet(before, done)
}

func read(before register, done call) []register {
	if !done.Found {
		if before.exists {
			return nil
		}
		return []register{before}
	}
	if !before.exists || before.value != done.Value || !mayHave(before, done.Index) {
		return nil
	}
	return []register{{exists: true, value: done.Value, index: done.Index}}
}

func write(before register, done call) []register {
	after := register{exists: true, value: done.Value}
	if done.Outcome == "ok" {
		if before.index >= done.Index { // indexes rise
			return nil
		}
		after.index = done.Index
	}
	return []register{after}
}

func compareAndSet(before register, done call) []register {
	holds := before.exists == (done.IfIndex != 0) && mayHave(before, done.IfIndex)
	// It may also have had another index: the one it has was never told.
	fails := !holds || (before.exists && before.index == 0)
	var after []register
	if holds && done.Outcome != "refused" {
		after = append(after, write(register{}, done)...)
	}
	if fails && done.Outcome != "ok" {
		after = append(after, before)
	}
	return after
}

func mayHave(held register, index uint64) bool {
	return !held.exists || held.index == 0 || held.index == index
}

var model = (&porcupine.NondeterministicModel{
	Init: func() []interface{} { return []interface{}{register{}} },
	Step: func(state, _, output interface{}) []interface{} {
		var after []interface{}
		for _, next := range step(state.(register), output.(call)) {
			after = append(after, next)
		}
		return after
	},
	DescribeOperation: func(_, output interface{}) string { return describe(output.(call)) },
}).ToModel()
