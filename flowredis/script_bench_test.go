package flowredis

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

var perCall = regexp.MustCompile(`cmdstat_evalsha:.*usec_per_call=([0-9.]+)`)

// BenchmarkScript reports how long one exchange takes in the engine, by how many nodes share the quota.
func BenchmarkScript(b *testing.B) {
	for _, nodes := range []int{1, 4, 50, 200} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			s := startServer(b)
			rdb := s.client()
			defer rdb.Close()
			ctx := context.Background()
			limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1_000_000)}}
			e := newRedisEngine(rdb, "bench")
			cfg := config(time.Minute, Optimistic, limits)
			known := make([]string, nodes)
			serial := int64(0)
			exchange := func(i int, past string) {
				serial++
				r, err := e.do(ctx, "", &call{nonce: "n", config: cfg, id: fmt.Sprint("node", i), known: known[i], serial: serial,
					used: serial * 20, head: 1, waiting: 20, ahead: 20, past: past})
				if err != nil || r.code != codeOK {
					b.Fatal(r, err)
				}
				known[i] = r.text
			}
			for i := range nodes {
				exchange(i, "")
			}
			must(b, rdb.ConfigResetStat(ctx).Err())
			b.ResetTimer()
			for i := range b.N {
				exchange(i%nodes, "-")
			}
			b.StopTimer()
			info, err := rdb.Info(ctx, "commandstats").Result()
			must(b, err)
			if m := perCall.FindStringSubmatch(info); m != nil {
				us, _ := strconv.ParseFloat(m[1], 64)
				b.ReportMetric(us, "engine-µs/op")
			}
		})
	}
}
