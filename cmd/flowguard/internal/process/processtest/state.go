// Package processtest tells tests in which state processes are.
package processtest

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// State returns the letter that ps shows for the state of a process, such as "S" for asleep and "T" for stopped. It
// is "" if there is no such process, or only the entry of one that has ended. It fails the test where
// there is no way to tell.
func State(tb testing.TB, pid int) string {
	tb.Helper()
	var state string
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return ""
		}
		state = string(stat[bytes.LastIndexByte(stat, ')')+2:])
	} else {
		ps, err := exec.LookPath("ps")
		if err != nil {
			tb.Fatal(err)
		}
		out, _ := exec.Command(ps, "-o", "stat=", "-p", strconv.Itoa(pid)).Output() // fails if there is none
		state = strings.TrimSpace(string(out))
	}
	if state == "" || state[0] == 'Z' || state[0] == 'X' {
		return ""
	}
	return state[:1]
}

// Become waits until the state of a process is as wanted, because a signal takes a moment, and returns what
// it is in the end.
func Become(tb testing.TB, pid int, wanted func(state string) bool) (state string) {
	tb.Helper()
	for range 20_000 {
		if state = State(tb, pid); wanted(state) {
			break
		}
	}
	return state
}
