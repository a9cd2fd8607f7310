package line

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// heapInUse returns how many bytes are in use.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryFollowsFlows: flows that came and went leave nothing behind, even while other tickets wait.
func TestMemoryFollowsFlows(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes hundreds of megabytes")
	}
	const many = 200_000
	for name, weight := range map[string]func(int) int{
		"equal weights":     func(int) int { return 1 },
		"different weights": func(i int) int { return i + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			flows, places := make([]Flow, many), make([]Place, many)
			for i := range flows {
				flows[i] = Flow{fmt.Sprint(i), 1}
			}
			leave := rand.New(rand.NewPCG(1, 0)).Perm(many)
			before := heapInUse()

			var lines Lines
			lines.Push(NewPlace(), 1, nil)
			for i := range flows {
				lines.Push(&places[i], weight(i), &flows[i])
			}
			full := heapInUse() - before
			for n, i := range leave {
				lines.Remove(&places[i], &flows[i])
				left := int64(many - n - 1)
				if left == many/50 || left == 0 {
					if used, most := heapInUse()-before, full*left/many*6+200_000; used > most {
						t.Errorf("%d bytes when %d of %d flows are left, want at most %d", used, left, many, most)
					}
				}
			}
			if lines.Len() != 1 {
				t.Errorf("%d in line", lines.Len())
			}
			runtime.KeepAlive(flows)
			runtime.KeepAlive(places)
			runtime.KeepAlive(&lines)
		})
	}
}
