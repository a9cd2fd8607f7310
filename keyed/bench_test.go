package keyed_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A try of a key at random, which is granted and given back. The peers are beside it in benchmarks.
func BenchmarkTry(b *testing.B) {
	for _, n := range []int{1, 1000, 1_000_000} {
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			l := scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(1e9, time.Hour)}}
			set, err := keyed.New(func(string) scheduler.Limits { return l }, keyed.MaxKeys(n))
			if err != nil {
				b.Fatal(err)
			}
			defer set.Close()
			names := make([]string, n)
			for i := range names {
				names[i] = "user-" + strconv.Itoa(i)
				t, _ := set.TryAcquire(names[i])
				t.Release()
			}
			b.ResetTimer()
			b.Run("1 caller", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					t, _ := set.TryAcquire(names[rand.IntN(n)])
					t.Release()
				}
			})
			b.Run("256 callers", func(b *testing.B) {
				b.SetParallelism(128)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						t, _ := set.TryAcquire(names[rand.IntN(n)])
						t.Release()
					}
				})
			})
		})
	}
}
