// Benchmarks compares Flowguard with what one would use instead, and prints Markdown tables.
//
// It builds the benchmarks of this folder and runs them several times over, so that the contenders of
// a case take turns, in reverse order every other time. A ratio is taken within each run, between
// neighbours in time, and its median over the runs is printed with benchstat's interval of confidence.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
)

// once is the time of benchmarks that measure more than the time of an iteration.
const once = "1x"

// section is one case.
type section struct {
	title string
	bench string // the benchmarks are called so
	time  string // for -test.benchtime
	runs  int    // at most so many
	procs string // for -test.cpu; "" means as many as there are
}

// If callers meet, all contenders do the same number of calls: the testing package would try smaller numbers
// first, in which most goroutines are done before they meet another.
var sections = []section{
	{"1. One caller, permits free", "Free", "100ms", 99, ""},
	{"2. Many callers, permits free", "Callers", "500000x", 99, "1,2"},
	{"3. Contended hand-off", "HandOff", "100000x", 99, "1,2"},
	{"4. A pipeline's item", "Pipeline", "200000x", 99, "1,2"},
	{"5. Jobs in line", "Line", once, 3, ""},
	{"6. Lateness", "Lateness", once, 6, ""},
	{"7. Growth", "Growth", "50ms", 99, ""},
	{"8. What is let through", "Quota", once, 1, ""},
	{"9. A request of a limited server", "Middleware", "100ms", 99, ""},
	{"10. A limit for each of many keys", "Keys/^(1_key|1,000_keys)$", "300000x", 99, ""},
	{"11. A limit for each of a million keys", "Keys/^1,000,000_keys$", "300000x", 4, ""},
	{"12. A million keys that end", "MillionKeys", once, 1, ""},
}

func main() {
	log.SetFlags(0)
	count := flag.Int("count", 10, "how many runs; fewer than 6 say little about spread")
	run := flag.String("run", "", "run only cases whose title matches this regular expression")
	flag.Parse()
	which, err := regexp.Compile(*run)
	if err != nil {
		log.Fatal(err)
	}
	if err := compare(os.Stdout, os.Stderr, which, *count); err != nil {
		log.Fatal(err)
	}
}

func compare(out, progress io.Writer, which *regexp.Regexp, count int) error {
	folder, err := os.MkdirTemp("", "benchmarks")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary := filepath.Join(folder, "benchmarks.test")
	if _, err := output("go", "test", "-c", "-o", binary, "."); err != nil {
		return err
	}

	tables := make([]*table, len(sections))
	for n := range count {
		for i, s := range sections {
			if n >= s.runs || !which.MatchString(s.title) {
				continue
			}
			fmt.Fprintf(progress, "run %d of %d: %s\n", n+1, count, s.title)
			args := []string{"-test.run=^$", "-test.bench=^Benchmark" + s.bench, "-test.benchtime=" + s.time, fmt.Sprintf("-reverse=%t", n%2 == 1)}
			if s.procs != "" {
				args = append(args, "-test.cpu="+s.procs)
			}
			results, err := output(binary, args...)
			if err != nil {
				return err
			}
			if tables[i] == nil {
				tables[i] = newTable(s.title, s.procs != "")
			}
			if err := tables[i].add(results); err != nil {
				return err
			}
		}
	}

	fmt.Fprintf(out, "%s, %s/%s, %d processors, %d runs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), count)
	for _, t := range tables {
		if t != nil {
			fmt.Fprint(out, t)
		}
	}
	fmt.Fprint(out, legend())
	return nil
}

// output runs a command and returns what it printed, which is part of the error if it fails.
func output(name string, args ...string) ([]byte, error) {
	printed, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, bytes.TrimSpace(printed))
	}
	return printed, nil
}
