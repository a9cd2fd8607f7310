package flowredis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// dump returns what the engine remembers of a quota, in the form of model.dump.
const dumpScript = `
local blob = redis.call('GET', KEYS[1])
if not blob then return '' end
local function write(x)
	if type(x) == 'number' then return string.format('%.0f', x) end
	if type(x) == 'string' then return x end
	local parts = {}
	for i, y in ipairs(x) do parts[i] = write(y) end
	return '[' .. table.concat(parts, ' ') .. ']'
end
return write(cmsgpack.unpack(blob))`

func (m *memory) dump() string {
	var windows, nodes []string
	for _, w := range m.windows {
		var log []string
		for _, l := range w.log {
			log = append(log, fmt.Sprint(l.at, l.n))
		}
		windows = append(windows, fmt.Sprintf("[%d %d %d [%s]]", w.permits, w.per, w.total, strings.ReplaceAll(strings.Join(log, " "), ",", "")))
	}
	for _, n := range m.nodes {
		nodes = append(nodes, fmt.Sprintf("[%s %d %d %d %d %d %d %d %d %d %d %d %d]", n.id, n.serial, n.used, n.held, n.busy, n.seen, n.tag, n.head, n.waiting, n.asked, n.owes, n.lease, n.again))
	}
	return fmt.Sprintf("[%s %s %d %d %d [%s] [%s] %d %d %d %d]", m.gen, m.config, m.last, m.ready, m.grace, strings.Join(windows, " "), strings.Join(nodes, " "), m.lease, m.burst, m.longest, m.recovery)
}

// The script on a real engine does what the model does, call by call, in its answers and in all that it remembers.
func TestScriptIsTheModel(t *testing.T) {
	s := startServer(t)
	rdb := s.client()
	defer rdb.Close()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	ctx := context.Background()
	codes := map[int64]int{}
	leases := 0
	for quota := range 30 {
		lease := time.Duration(20+random.IntN(35)) * time.Millisecond // shorter than some sleeps
		limits := scheduler.Limits{}
		for range 1 + random.IntN(3) {
			limits.Windows = append(limits.Windows, scheduler.Per(1+random.IntN(200), time.Duration(1+random.IntN(100))*time.Millisecond))
		}
		if random.IntN(2) == 0 {
			limits.MaxBurst = 1 + random.IntN(50)
		}
		name := fmt.Sprint("q", quota)
		engine, model := newRedisEngine(rdb, name), newModel()
		cfg := config(lease, Recovery(random.IntN(3)), limits)
		known, forgotten := map[string]string{}, map[string]bool{}
		serial, acked, used := map[string]int64{}, map[string]int64{}, map[string]int64{}
		before := int64(0) // when the call before this one was made
		for step := range 400 {
			id := fmt.Sprint("n", random.IntN(6))
			if random.IntN(10) > 0 {
				serial[id]++
			}
			used[id] += int64(random.IntN(5) * random.IntN(2))
			c := call{
				nonce: randomID(), config: cfg, id: id, known: known[id], serial: max(0, serial[id]-int64(random.IntN(20)/19)),
				acked: acked[id], silent: int64(random.IntN(1_000_000)), used: used[id], age: int64(random.IntN(50_000)),
				leased: int64(random.IntN(4)), inUse: int64(random.IntN(4)), ahead: int64(random.IntN(20)), past: "-",
			}
			if random.IntN(2) == 0 {
				c.head = int64(1 + random.IntN(5))
				c.waiting = c.head + int64(random.IntN(50))
			}
			if known[id] == "" || forgotten[id] && random.IntN(3) > 0 || random.IntN(20) == 0 {
				c.past = ""
				for range limits.Windows {
					var p []scheduler.QuotaUse
					for range random.IntN(4) {
						p = append(p, scheduler.QuotaUse{Age: time.Duration(random.IntN(int(50 * time.Millisecond))), Permits: 1 + random.IntN(9)})
					}
					c.past = strings.TrimPrefix(c.past+";"+encodePast([][]scheduler.QuotaUse{p}), ";")
				}
			}
			if random.IntN(100) == 0 {
				c.config = cfg + " 7 7000"
			}
			if random.IntN(100) == 0 {
				c.acked = c.serial + 1
			}
			if random.IntN(60) == 0 {
				time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) // lets leases end; what happens then is the engine's
			}
			switch random.IntN(150) {
			case 0:
				must(t, rdb.FlushAll(ctx).Err())
				model.gen, model.quotas = "", map[string]*memory{}
			case 1:
				must(t, rdb.ScriptFlush(ctx).Err())
			case 2:
				must(t, rdb.Del(ctx, engine.keys("")[1]).Err())
				delete(model.quotas, "")
			}
			got, err := engine.do(ctx, "", &c)
			if err != nil {
				t.Fatal(err)
			}
			if before > 0 && got.clock-before > 5*lease.Microseconds() {
				t.Logf("quota %d, step %d: the machine stood still", quota, step)
				break // by now the engine may have let its memory expire, which the model does not
			}
			before = got.clock
			want := model.call(got.clock, "", &c)
			if got != want {
				t.Fatalf("quota %d, step %d, %+v:\nscript %+v\nmodel  %+v", quota, step, c, got, want)
			}
			codes[got.code]++
			if got.lease > 0 {
				leases++
			}
			forgotten[id] = got.code == codeResend
			if got.code == codeOK {
				known[id], acked[id] = got.text, c.serial
			}
			dump, err := rdb.Eval(ctx, dumpScript, engine.keys("")[1:]).Text()
			must(t, err)
			if m := model.quotas[""]; dump != m.dump() && dump != "" {
				t.Fatalf("quota %d, step %d, %+v, answer %+v:\nscript %s\nmodel  %s", quota, step, c, got, dump, m.dump())
			}
		}
	}
	t.Logf("codes %v, %d leases", codes, leases)
	for code := range int64(4) {
		if codes[code] < 10 {
			t.Errorf("code %d came %d times", code, codes[code])
		}
	}
	if leases < 500 {
		t.Errorf("%d leases", leases)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
