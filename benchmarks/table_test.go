package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Two runs, the second in reverse order.
const firstRun = `goos: linux
pkg: example
BenchmarkCase/1_permit/flowguard-2   	 100	 150 ns/op	 1.9 processors	 0 B/op	 0 allocs/op
BenchmarkCase/1_permit/rate.Wait-2   	 100	 100 ns/op	 1.5 processors	 8 B/op	 1 allocs/op
BenchmarkLine/jobs/flowguard-2       	   1	 200.0 B/job	 1500 ns/join
BenchmarkQuota/used/flowguard-2      	   1	 100.0 %used
BenchmarkQuota/used/channel-2        	   1	 150.0 %used
BenchmarkGrowth/windows/1-2          	 100	 100 ns/op
BenchmarkGrowth/windows/16-2         	 100	 120 ns/op
PASS
`

const secondRun = `BenchmarkCase/1_permit/rate.Wait-2   	 100	 200 ns/op	 1.7 processors	 8 B/op	 1 allocs/op
BenchmarkCase/1_permit/flowguard-2   	 100	 200 ns/op	 1.7 processors	 0 B/op	 0 allocs/op
BenchmarkLine/jobs/flowguard-2       	   1	 200.0 B/job	 1500 ns/join
BenchmarkQuota/used/channel-2        	   1	 150.0 %used
BenchmarkQuota/used/flowguard-2      	   1	 100.0 %used
BenchmarkGrowth/windows/16-2         	 100	 130 ns/op
BenchmarkGrowth/windows/1-2          	 100	 100 ns/op
`

func TestTable(t *testing.T) {
	table := newTable("A case", false)
	for _, run := range []string{firstRun, secondRun} {
		if err := table.add([]byte(run)); err != nil {
			t.Fatal(err)
		}
	}
	want := `
### A case

| case | Flowguard | instead | its figure | ratio | spread | processors |
| --- | --: | --- | --: | --: | --: | --: |
| Case: 1 permit | 175.0ns | rate.Wait | 150.0ns, 1 alloc | even | 1.00–1.50 | 1.8, 1.6 |
| Line: jobs, B/job | 200 B | | | | | |
| Line: jobs, join | 1.500µs | | | | | |
| Quota: used, %used | 100% | channel | 150% | | | |
| Growth: windows: 16 | 125.0ns | at 1 | 100.0ns | 1.25 | 1.20–1.30 | |
`
	if got := table.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

// Rows of one and of two processors are kept apart.
func TestTableOfProcessors(t *testing.T) {
	table := newTable("A case", true)
	err := table.add([]byte("BenchmarkCase/flowguard \t 100 \t 50 ns/op\nBenchmarkCase/flowguard-2 \t 100 \t 75 ns/op\n" +
		"BenchmarkCase/channel \t 100 \t 100 ns/op\nBenchmarkCase/channel-2 \t 100 \t 100 ns/op\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| Case, on 1 | 50.00ns | channel | 100.0ns | 0.50 |", "| Case, on 2 | 75.00ns | channel | 100.0ns | 0.75 |"} {
		if got := table.String(); !strings.Contains(got, want) {
			t.Errorf("no %q in%s", want, got)
		}
	}
}

func TestNoResults(t *testing.T) {
	if err := newTable("A case", false).add([]byte("PASS\n")); err == nil {
		t.Error("no error for a run without results")
	}
}

// The names that the tables show are the names that promises has.
func TestEveryPeerHasItsPromises(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^(Benchmark\S+)/([^/\s]+)-\d+\s`)
	for _, s := range sections {
		if s.time == once || s.bench == "Growth" || s.bench == "Keys" {
			continue // these run for seconds, and their peers are lists
		}
		printed, err := output(os.Args[0], "-test.run=^$", "-test.bench=^Benchmark"+s.bench, "-test.benchtime=1x")
		if err != nil {
			t.Fatal(err)
		}
		found := shown.FindAllStringSubmatch(string(printed), -1)
		if found == nil {
			t.Errorf("no results of %s in\n%s", s.title, printed)
		}
		for _, names := range found {
			mustPromise(t, names[2])
		}
	}
	for _, l := range lines {
		mustPromise(t, l.name)
	}
	for _, c := range lateness {
		for _, w := range c.of {
			mustPromise(t, w.name)
		}
	}
	for _, g := range guards {
		mustPromise(t, g.name)
	}
	for _, s := range stores {
		mustPromise(t, s.name)
	}
}

func mustPromise(t *testing.T, peer string) {
	if peer = spaced(peer); !strings.HasPrefix(peer, ours) && promises[peer] == "" {
		t.Errorf("promises says nothing of %s", peer)
	}
}
