// Checks that histories of tests/chaos are linearizable, register by register, with porcupine.
//
//	checker [-timeout 60s] [-picture FILE.html] HISTORY
//
// Exits 0 if they are, 1 with the first register that is not, 2 if it could not tell.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

func main() {
	timeout := flag.Duration("timeout", time.Minute, "for each register")
	picture := flag.String("picture", "", "where to draw a history that is not linearizable")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	calls, err := readHistory(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	registers := byRegister(calls)
	for _, key := range keys(registers) {
		result, info := porcupine.CheckOperationsVerbose(model, registers[key], *timeout)
		if result == porcupine.Ok {
			continue
		}
		if result == porcupine.Unknown {
			fmt.Printf("%s: %d calls were not decided in %s\n", key, len(registers[key]), *timeout)
			os.Exit(2)
		}
		fmt.Printf("%s is not linearizable (%d calls)\n", key, len(registers[key]))
		if *picture != "" {
			if err := porcupine.VisualizePath(model, info, *picture); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		os.Exit(1)
	}
	fmt.Printf("%d calls on %d registers are linearizable\n", len(calls), len(registers))
}

func readHistory(path string) ([]call, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var calls []call
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var one call
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, lines.Text(), err)
		}
		if one.Op != "" { // what watchers were told is checked elsewhere
			calls = append(calls, one)
		}
	}
	return calls, lines.Err()
}

// byRegister gives calls without an answer an end that never comes.
func byRegister(calls []call) map[string][]porcupine.Operation {
	registers := map[string][]porcupine.Operation{}
	for _, one := range calls {
		end := one.Return
		if one.Outcome == "unknown" {
			end = math.MaxInt64
		}
		registers[one.Key] = append(registers[one.Key], porcupine.Operation{
			ClientId: one.Client, Call: one.Call, Output: one, Return: end,
		})
	}
	return registers
}

func keys(registers map[string][]porcupine.Operation) []string {
	var names []string
	for name := range registers {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func describe(done call) string {
	text := done.Op
	if done.Op == "cas" {
		text += fmt.Sprintf(" if %d", done.IfIndex)
	}
	if done.Op != "read" || done.Found {
		text += fmt.Sprintf(" %d", done.Value)
	}
	if done.Outcome != "ok" {
		return text + ": " + done.Outcome
	}
	return text + fmt.Sprintf(" @%d", done.Index)
}
