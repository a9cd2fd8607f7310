package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata/script run this program as a person would, and these commands.
func TestMain(m *testing.M) {
	programs := map[string]func(){
		"flowguard": main,
		"say":       say,
		"count":     count,
		"fail":      fail,
		"flaky":     flaky,
		"doze":      doze,
		"bytes":     bytesOut,
	}
	maps.Copy(programs, morePrograms)
	testscript.Main(m, programs)
}

// morePrograms are those of one system.
var morePrograms = map[string]func(){}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(e *testscript.Env) error {
		e.Setenv("GORACE", "atexit_sleep_ms=0") // or under -race each command takes a second to exit
		return nil
	}})
}

// say prints its arguments, one in brackets each.
func say() {
	for _, arg := range os.Args[1:] {
		fmt.Printf("[%s]", arg)
	}
	fmt.Println()
}

// count prints how many bytes it is given on standard input.
func count() {
	n, err := io.Copy(io.Discard, os.Stdin)
	if err != nil {
		panic(err)
	}
	fmt.Println(n)
}

// fail ends with the status that its last argument is.
func fail() {
	var status int
	fmt.Sscan(os.Args[len(os.Args)-1], &status)
	fmt.Println("out", status)
	fmt.Fprintln(os.Stderr, "err", status)
	os.Exit(status)
}

// flaky fails until it has been run as often as its second argument says. Its first is where it counts.
func flaky() {
	f, err := os.OpenFile(os.Args[1], os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, os.Args[3:])
	text, _ := os.ReadFile(os.Args[1])
	var want int
	fmt.Sscan(os.Args[2], &want)
	n := strings.Count(string(text), "\n")
	fmt.Println("attempt", n)
	fmt.Fprintln(os.Stderr, "trouble", n)
	if n < want {
		os.Exit(7)
	}
}

// doze goes on for longer than any test.
func doze() { time.Sleep(time.Hour) }

// bytesOut prints all bytes there are, without a newline at the end.
func bytesOut() {
	var all [256]byte
	for i := range all {
		all[i] = byte(i)
	}
	os.Stdout.Write(all[:])
}
