package flowhttp_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/ticket"
)

// meter is a server that counts tokens in fixed periods, and tells in each answer what is left: of its own
// call when that arrives or, if later, when its answer has been written.
type meter struct {
	limit  int
	period time.Duration
	later  bool

	mu      sync.Mutex
	index   int64
	used    int
	counted []counted
	told    []told
}

// counted is what was counted of a call.
type counted struct {
	sent, at time.Time
	tokens   int
}

// told is what the caller of a call has been told.
type told struct {
	at, ends time.Time
	after    int // how much had been counted then
	left     int
}

func (m *meter) turn() {
	if index := time.Now().UnixNano() / int64(m.period); index != m.index {
		m.index, m.used = index, 0
	}
}

func (m *meter) count(sent time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	m.used += n
	m.counted = append(m.counted, counted{sent, time.Now(), n})
}

func (m *meter) tell() told {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	return told{ends: time.Unix(0, (m.index+1)*int64(m.period)), after: len(m.counted), left: max(0, m.limit-m.used)}
}

// written is a body that is counted when it ends.
type written struct {
	io.Reader
	end func()
}

func (w *written) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil {
		w.end()
	}
	return n, err
}

func (w *written) Close() error { w.end(); return nil }

// As TestObservedCounts, in tokens: a call costs at most what was estimated, and some callers settle. No call is
// sent against what its sender had been told.
func TestObservedTokens(t *testing.T) {
	checked := 0
	runs := 400
	if testing.Short() {
		runs = 80
	}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) { checked += observeTokens(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if checked < 25*runs {
		t.Errorf("%d calls were checked against an answer", checked)
	}
}

func observeTokens(t *testing.T, seed uint64) (checked int) {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 2))
	random := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	upTo := func(d time.Duration) time.Duration {
		return time.Duration(random(int(d/time.Microsecond))) * time.Microsecond
	}

	side := &meter{limit: 600, period: 10 * time.Second, later: seed%2 == 0}
	texts := []string{"100000 tokens/10s burst 6", "600 tokens/10s", "100000 tokens/10s from release burst 9", "1000/10s 2000 tokens/10s"}
	s := start(t, texts[seed/2%4])
	defer s.Close()
	type key struct{}
	type work struct {
		estimate, used int
		told           told
	}
	client := costing(s, far(func(req *http.Request) (*http.Response, error) {
		w := req.Context().Value(key{}).(*work)
		sent := time.Now()
		time.Sleep(upTo(time.Second))
		count := sync.OnceFunc(func() { side.count(sent, w.used) })
		if !side.later {
			count()
		}
		said := side.tell()
		reset := (time.Until(said.ends) + time.Second - 1) / time.Second
		time.Sleep(upTo(3 * time.Second))
		if random(8) == 0 {
			count()
			return nil, errReset
		}
		resp := answer(200, "", `RateLimit-Policy: "t";q=600;w=10;qu="tokens"`, fmt.Sprintf(`RateLimit: "t";r=%d;t=%d`, said.left, reset))
		resp.Body = &written{Reader: &slow{n: random(3), wait: upTo(time.Second)}, end: count}
		w.told = said
		return resp, nil
	}))
	client.Cost = func(req *http.Request) []ticket.Cost {
		return []ticket.Cost{tokens.Of(req.Context().Value(key{}).(*work).estimate)}
	}
	client.Read = func(resp *http.Response, now time.Time) flowhttp.Advice {
		a := flowhttp.Standard(resp, now)
		for i := range a.Remaining {
			a.Remaining[i].Later = side.later
		}
		return a
	}
	call := func() (last told) {
		w := &work{estimate: 1 + random(100)}
		if w.used = w.estimate; seed/8%2 == 0 { // else nothing that was estimated too much makes up for a mistake
			w.used = random(w.estimate + 1)
		}
		resp, err := client.RoundTrip(request(t, context.WithValue(background, key{}, w)))
		if err != nil {
			return told{}
		}
		defer resp.Body.Close()
		w.told.at = time.Now()
		side.mu.Lock()
		side.told = append(side.told, w.told)
		side.mu.Unlock()
		if random(4) > 0 {
			io.ReadAll(resp.Body)
			if random(3) > 0 {
				if err := flowhttp.Settle(resp, tokens.Of(w.used)); err != nil {
					t.Error(err)
				}
			}
		}
		return w.told
	}
	for len(side.told) == 0 { // as in TestObservedCounts
		call()
	}
	var wg sync.WaitGroup
	for range 1 + random(14) {
		wg.Go(func() {
			for range 10 {
				call()
				if random(3) == 0 {
					time.Sleep(upTo(4 * time.Second))
				}
			}
		})
	}
	wg.Wait()
	checked = side.check(t)

	// Alone, what is left is what the server says: the ticket's own cost is known to be counted. An answer that may be
	// of a period that is over is not heeded.
	time.Sleep(25 * time.Second)
	for !side.later && seed/2%4 != 1 {
		last := call()
		if last.at.IsZero() || last.left > 500 || time.Until(last.ends) <= 4*time.Second {
			continue
		}
		wantTokens(t, s, last.left)
		break
	}
	wantInUse(t, s, 0)
	return checked
}

// slow is a body that takes its time.
type slow struct {
	n    int
	wait time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	if s.n == 0 {
		return 0, io.EOF
	}
	s.n--
	return 1, nil
}

// check checks each answer against all calls that were sent after it was told: up to the end of its period no
// more tokens of them, with those that were under way, may be counted than it said are left.
func (m *meter) check(t *testing.T) (checked int) {
	for _, a := range m.told {
		sum := 0
		for _, x := range m.counted[a.after:] {
			if !x.at.Before(a.ends) {
				break
			}
			sum += x.tokens
			if x.tokens == 0 || !x.sent.After(a.at) {
				continue
			}
			checked++
			if sum > a.left {
				t.Errorf("told at %v that %d tokens are left until %v, the scheduler let token %d go at %v", a.at, a.left, a.ends, sum, x.sent)
				return checked
			}
		}
	}
	return checked
}
