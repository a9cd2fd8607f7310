package scheduler

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "replay the random operations of the run that logged this seed; 0 draws a new one")

// seed returns the seed for a test of random operations: the one of the -seed flag, or else a new one. It logs
// the seed, and if the test fails also the command that runs the same operations again.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := *seedFlag
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("seed %d", n)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to replay:\n%s", replay(t.Name(), n))
		}
	})
	return n
}

// replay returns the command that runs a test again with a seed. It repeats the flags that this run was given,
// because how many operations there are decides how far a run gets.
func replay(name string, seed uint64) string {
	command := fmt.Sprintf("go test ./scheduler -run '^%s$' -seed %d", name, seed)
	flag.Visit(func(f *flag.Flag) {
		if f.Name != "seed" && !strings.HasPrefix(f.Name, "test.") {
			command += fmt.Sprintf(" -%s %s", f.Name, f.Value)
		}
	})
	return command
}
