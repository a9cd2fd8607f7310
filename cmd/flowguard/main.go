// Flowguard runs commands within limits, says how long work within limits will take, and says whether a log
// kept them:
//
//	flowguard run -limits "5/s 100/min burst 3" urls.txt -- curl -sSO {}
//	flowguard plan -limits "5/s 100/min" -jobs 10000 -takes 300ms
//	flowguard check -limits 100/min access.log
//
// Each has help: flowguard run -h. The README beside this file has more.
package main

import (
	"os"
	_ "time/tzdata" // zones of windows that count from reset, where the system has none
)

func main() { os.Exit(run()) }

// run is the program: it returns the exit status.
func run() int {
	interrupts, stop := listen()
	defer stop()
	return execute(os.Args[1:], console{in: os.Stdin, out: os.Stdout, err: os.Stderr, interrupts: interrupts})
}
