package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/keyed"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// judge fails the test if what was granted of a key exceeds a limit in any interval.
func (r *quotaRecord) judge(t *testing.T, key int, l scheduler.Limits) (granted int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.all[key])
	all.Sort()
	for _, w := range l.Windows {
		if err := all.Exceeds(w.Permits, w.Per); err != nil {
			t.Fatalf("key %d, limit %v: %v", key, w, err)
		}
	}
	if l.MaxBurst > 0 {
		if err := all.ExceedsBurst(l.MaxBurst); err != nil {
			t.Fatalf("key %d: %v", key, err)
		}
	}
	for _, g := range all {
		granted += g.Permits
	}
	return granted
}

func mustShare(t *testing.T, limits func(int) scheduler.Limits, src scheduler.QuotaSource, opts ...keyed.Option) *keyed.Set[int] {
	t.Helper()
	set, err := keyed.New(limits, append(opts, keyed.WithQuota(src))...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func allKeys(s string) func(int) scheduler.Limits {
	l := scheduler.MustParseLimits(s)
	return func(int) scheduler.Limits { return l }
}

// Sets that share the quotas of their keys never exceed the limits of any key together, whatever the network does and
// whatever is asked of them, while sets come and go.
func TestQuotaRandom(t *testing.T) {
	n := *runs
	if raceEnabled {
		n = min(n, 15)
	}
	for seed := range uint64(n) {
		synctest.Test(t, func(t *testing.T) { quotaRandom(t, seed) })
	}
}

func quotaRandom(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 3))
	p := newQuotaPool(seed)
	each := []scheduler.Limits{scheduler.MustParseLimits("20/s"), scheduler.MustParseLimits("5/500ms 12/2s"), scheduler.MustParseLimits("3/300ms"), scheduler.MustParseLimits("40/3s")}
	if seed%3 > 0 {
		p.trouble = trouble{delay: 20 * time.Millisecond, lose: 60, loseReply: 60, late: 60, slow: 40}
	} else { // a set that is cut off keeps what is in use, so a burst is exact only without trouble
		p.trouble = trouble{delay: 10 * time.Millisecond}
		each = append(each, scheduler.MustParseLimits("20/s burst 4"), scheduler.MustParseLimits("burst 2"))
	}
	if seed%4 == 3 {
		p.lease, p.beat = 200*time.Millisecond, 70*time.Millisecond
	}
	limits := func(k int) scheduler.Limits { return each[k] }
	var record quotaRecord
	var working sync.WaitGroup
	const span = 12 * time.Second
	end := time.Now().Add(span)
	for i := range 2 + r.IntN(3) {
		working.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+i)))
			for time.Now().Before(end) { // a process
				ctx, stop := context.WithDeadline(t.Context(), end)
				if r.IntN(2) == 0 {
					ctx, stop = context.WithTimeout(ctx, time.Duration(r.Int64N(int64(span))))
				}
				opts := []keyed.Option{keyed.Shards(1 << r.IntN(3))}
				if r.IntN(3) == 0 {
					opts = append(opts, keyed.KeepState())
				}
				w := &wire{quotaPool: p}
				set := mustShare(t, limits, w, opts...)
				var cutting sync.WaitGroup
				if p.trouble.lose > 0 {
					cuts := rand.New(rand.NewPCG(r.Uint64(), 0))
					cutting.Go(func() { cutAtTimes(ctx, w, cuts) })
				}
				quotaWork(ctx, set, len(each), &record, r)
				cutting.Wait()
				set.Close()
				stop()
			}
		})
	}
	working.Wait()
	time.Sleep(5 * p.lease) // what is late arrives
	total := 0
	for k, l := range each {
		total += record.judge(t, k, l)
	}
	if total < 100 {
		t.Errorf("only %d granted", total)
	}
}

// cutAtTimes cuts the wire now and then, for up to four leases, until ctx ends.
func cutAtTimes(ctx context.Context, w *wire, r *rand.Rand) {
	for ctx.Err() == nil {
		for _, cut := range []bool{false, true} {
			w.cut.Store(cut)
			select {
			case <-time.After(time.Duration(r.Int64N(int64(4 * w.lease)))):
			case <-ctx.Done():
			}
		}
	}
}

// quotaWork does random things with the keys of a set until ctx ends, and records what is granted.
func quotaWork(ctx context.Context, set *keyed.Set[int], keys int, record *quotaRecord, r *rand.Rand) {
	var working sync.WaitGroup
	for i := range 1 + r.IntN(8) {
		seed := r.Uint64()
		working.Go(func() {
			r := rand.New(rand.NewPCG(seed, 0))
			pause := time.Duration(1+r.IntN(50)) * time.Millisecond
			if i == 0 {
				pause *= 50 // so rarely that keys are forgotten between
			}
			for ctx.Err() == nil {
				k, weight := r.IntN(keys), 1
				if r.IntN(4) == 0 {
					weight = 1 + r.IntN(2)
				}
				var got ticket.Ticket
				ok := false
				switch r.IntN(5) {
				case 0:
					got, ok = set.TryAcquireN(k, weight)
				case 1:
					var err error
					got, err = set.AcquireNow(k, weight)
					ok = err == nil
				case 2:
					var err error
					if got, err = set.Enqueue(k, weight); err != nil {
						break
					}
					select {
					case err := <-got.Ready():
						ok = err == nil
					case <-time.After(time.Duration(r.IntN(800)) * time.Millisecond):
						got.Cancel() // if it was granted in this very moment that is undone
					case <-ctx.Done():
						got.Cancel()
					}
				default:
					soon, stop := context.WithTimeout(ctx, time.Duration(r.IntN(800))*time.Millisecond)
					var err error
					got, err = set.AcquireN(soon, k, weight)
					ok = err == nil
					stop()
				}
				if ok {
					record.note(k, weight, weight)
					if r.IntN(3) == 0 {
						time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
					}
					record.note(k, 0, -weight)
					got.Release()
				}
				time.Sleep(time.Duration(r.Int64N(int64(pause))))
			}
		})
	}
	working.Wait()
}

// Near the limit nearly all of it is used, of each key.
func TestQuotaUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newQuotaPool(1)
		p.trouble.delay = 5 * time.Millisecond
		const span, keys = 20 * time.Second, 4
		limits := allKeys("50/s")
		ctx, stop := context.WithTimeout(t.Context(), span)
		defer stop()
		var record quotaRecord
		var working sync.WaitGroup
		var sets []*keyed.Set[int]
		for range 3 {
			set := mustShare(t, limits, p)
			sets = append(sets, set)
			for k := range keys {
				for range 1 + k {
					working.Go(func() {
						for ctx.Err() == nil {
							if err := set.Wait(ctx, k); err == nil {
								record.note(k, 1, 0)
							} else {
								time.Sleep(time.Millisecond) // the deadline is too soon
							}
						}
					})
				}
			}
		}
		working.Wait()
		for _, set := range sets {
			set.Close()
		}
		time.Sleep(time.Second) // what is under way arrives
		for k := range keys {
			n := record.judge(t, k, limits(k))
			if use := float64(n) / (50 * span.Seconds()); use < 0.9 || use > 1.06 {
				t.Errorf("key %d: granted %d, %.3f of what is possible", k, n, use)
			}
		}
		t.Logf("%d exchanges", p.calls())
	})
}

// A key is forgotten when its windows are empty and its source has heard all. Then nothing is exchanged for it.
func TestQuotaForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newQuotaPool(1)
		p.trouble.delay = 20 * time.Millisecond
		set := mustShare(t, allKeys("10/2s burst 5"), p)
		defer set.Close()
		const keys = 300
		var working sync.WaitGroup
		var held [keys]ticket.Ticket
		for k := range keys {
			working.Go(func() {
				var err error
				if held[k], err = set.Acquire(t.Context(), k); err != nil {
					t.Error(err)
				}
			})
		}
		working.Wait()
		if p.most > keyed.MostExchanges {
			t.Errorf("%d exchanges at a time", p.most)
		}
		if q := set.Stats(7).Quota; q.Err != nil {
			t.Errorf("quota of a key: %+v", q)
		}
		time.Sleep(10 * time.Second)
		if n := set.Len(); n != keys {
			t.Errorf("%d keys while each holds a permit", n)
		}
		if leased, inUse := p.held("7"); leased != 0 || inUse != 1 {
			t.Errorf("a key that holds a permit has told that it has %d leased and %d in use", leased, inUse)
		}
		for k := range held {
			held[k].Release()
		}
		time.Sleep(time.Second)
		if n := set.Len(); n != 0 {
			t.Errorf("%d keys", n)
		}
		for k := range keys {
			if leased, inUse := p.held(fmt.Sprint(k)); leased != 0 || inUse != 0 {
				t.Fatalf("key %d was forgotten with %d leased and %d in use", k, leased, inUse)
			}
		}
		calls := p.calls()
		time.Sleep(time.Hour)
		if n := p.calls() - calls; n != 0 {
			t.Errorf("%d exchanges at rest", n)
		}
		if n := keyed.Exchanging(set); n != 0 {
			t.Errorf("%d goroutines at rest", n)
		}
	})
}

// A key that remembers grants is kept, and tells them to a source that has lost its memory.
func TestQuotaResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Bool
		told := make(chan []scheduler.QuotaUse, 1)
		set := mustShare(t, allKeys("10/h"), source{exchange: func(_ context.Context, _ string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			if lost.Load() && r.Past == nil {
				return scheduler.QuotaReply{Resend: true}, nil
			}
			if lost.Swap(false) {
				told <- slices.Concat(r.Past...)
			}
			return scheduler.QuotaReply{Leased: r.Waiting, For: time.Second, Beat: time.Second / 3}, nil
		}})
		defer set.Close()
		if err := set.WaitN(t.Context(), 1, 3); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30*time.Minute - time.Millisecond)
		lost.Store(true)
		time.Sleep(time.Second)
		if past := <-told; len(past) != 1 || past[0].Permits != 3 || past[0].Age < 30*time.Minute || past[0].Age > 30*time.Minute+time.Second {
			t.Errorf("after half an hour it tells %v", past)
		}
		time.Sleep(30*time.Minute - time.Second - time.Millisecond)
		if !keyed.Knows(set, 1) {
			t.Error("the key was forgotten too early")
		}
		time.Sleep(2 * time.Millisecond)
		if n := set.Len(); n != 0 {
			t.Errorf("%d keys", n)
		}
	})
}

// A try of a key about which nothing is known asks, so that the next one succeeds.
func TestQuotaTryAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newQuotaPool(1)
		set := mustShare(t, allKeys("10/s"), p)
		defer set.Close()
		if _, ok := set.TryAcquireN(1, 3); ok {
			t.Error("a try was granted before anything was leased")
		}
		synctest.Wait()
		if q := set.Stats(1).Quota; q.Leased != 3 || time.Until(q.Until) != 980*time.Millisecond || q.Err != nil {
			t.Errorf("after a miss: %+v", q)
		}
		if q := set.Stats(2).Quota; q != (scheduler.QuotaStats{}) {
			t.Errorf("of another key: %+v", q)
		}
		if _, ok := set.TryAcquireN(1, 3); !ok {
			t.Error("the miss did not ask")
		}
		_, err := set.AcquireNow(1, 8)
		var no *scheduler.NoPermitError
		if !errors.As(err, &no) || no.Limit != "10/s" && no.Limit != "quota pool" {
			t.Error(err)
		}
		time.Sleep(980 * time.Millisecond) // the lease was not extended, because nothing was used
		if q := set.Stats(1).Quota; q.Leased != 0 {
			t.Errorf("later: %+v", q)
		}
	})
}

// slowSource takes its time, and counts how often it was asked for each key.
type slowSource struct {
	takes time.Duration
	key   string
	mu    *sync.Mutex
	asked map[string]int
}

func (s slowSource) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	s.key = m.Key
	return s, nil
}

func (s slowSource) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Closing {
		s.asked[s.key]++
	}
	return scheduler.QuotaReply{For: time.Hour, Beat: time.Millisecond}, nil
}

// If more keys ask than can be served at a time, they are served in turn.
func TestQuotaFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slowSource{takes: 100 * time.Millisecond, mu: new(sync.Mutex), asked: map[string]int{}}
		set := mustShare(t, allKeys("10/s"), s)
		const keys = 1000
		for k := range keys {
			if _, err := set.Enqueue(k, 1); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		set.Close()
		least, most := 1<<30, 0
		for k := range keys {
			n := s.asked[fmt.Sprint(k)]
			least, most = min(least, n), max(most, n)
		}
		if want := 30 * 10 * keyed.MostExchanges / keys; most-least > 2 || least < want-1 {
			t.Errorf("from %d to %d exchanges for a key, want %d", least, most, want)
		}
	})
}

// source makes a QuotaOpener of two functions.
type source struct {
	open     func(scheduler.QuotaMember) error
	exchange func(ctx context.Context, key string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error)
	key      string
}

func (s source) String() string { return "test" }

func (s source) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	if s.open != nil {
		if err := s.open(m); err != nil {
			return nil, err
		}
	}
	s.key = m.Key
	return s, nil
}

func (s source) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return s.exchange(ctx, s.key, r)
}

type noOpener struct{ scheduler.QuotaSource }

// picky is a source that New refuses.
type picky struct{ source }

var errPicky = errors.New("no client")

func (picky) Validate() error { return errPicky }

// What cannot be shared is refused.
func TestQuotaInvalid(t *testing.T) {
	limits := allKeys("10/s")
	all, err := scheduler.New(limits(0))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	src := keyed.WithQuota(newQuotaPool(1))
	for _, opts := range [][]keyed.Option{
		{keyed.WithQuota(nil)},
		{keyed.WithQuota(noOpener{})},
		{src, src},
		{src, keyed.Within(all)},
		{src, keyed.Overflow(limits(0))},
		{src, keyed.WithQuotaAway(scheduler.AwayLocalShare(0))},
	} {
		if _, err := keyed.New(limits, opts...); !isInvalid(err) {
			t.Error(err)
		}
	}
	if _, err := keyed.New(limits, keyed.WithQuota(picky{})); err != errPicky {
		t.Error(err)
	}
	for _, text := range []string{"10/s from release", "10/s evenly", "10 tokens/s", "10/day from reset"} {
		p := newQuotaPool(1)
		set := mustShare(t, allKeys(text), p)
		if _, err := set.Acquire(context.Background(), 1); !isInvalid(err) {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := set.AcquireNow(1, 1); !isInvalid(err) {
			t.Errorf("%s: %v", text, err)
		}
		if n := set.Len() + p.calls(); n != 0 {
			t.Errorf("%s: %d keys or exchanges", text, n)
		}
		set.Close()
	}
	set := mustShare(t, limits, newQuotaPool(1))
	defer set.Close()
	if err := set.SetLimits(1, scheduler.MustParseLimits("20/s")); !isInvalid(err) {
		t.Error(err)
	}
	if err := set.Restore(set.Snapshot()); !isInvalid(err) {
		t.Error(err)
	}
}

// A source that refuses a key, or cannot be opened for it, refuses its tickets and no others. It is asked again when the key
// has been left alone.
func TestQuotaRefused(t *testing.T) {
	different := fmt.Errorf("different limits: %w", scheduler.ErrQuotaRefused)
	broken := errors.New("no such quota")
	for _, where := range []string{"open", "exchange"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, want := newQuotaPool(1), different
				var refused atomic.Bool
				refused.Store(true)
				src := source{exchange: func(ctx context.Context, key string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
					if refused.Load() && key == "1" {
						return scheduler.QuotaReply{}, different
					}
					m, _ := p.Open(scheduler.QuotaMember{Limits: r.Limits, Key: key})
					return m.Exchange(ctx, r)
				}}
				if where == "open" {
					want = broken
					src.open = func(m scheduler.QuotaMember) error {
						if refused.Load() && m.Key == "1" {
							return broken
						}
						return nil
					}
				}
				set := mustShare(t, allKeys("10/s"), src)
				defer set.Close()
				for range 2 {
					_, err := set.Acquire(t.Context(), 1)
					var no *scheduler.QuotaError
					if !errors.As(err, &no) || !errors.Is(no.Err, want) || no.Limit != "quota test" {
						t.Errorf("got %v", err)
					}
				}
				if err := set.Wait(t.Context(), 2); err != nil {
					t.Error(err)
				}
				refused.Store(false)
				if _, err := set.AcquireNow(1, 1); err == nil {
					t.Error("the refusal was forgotten at once")
				}
				time.Sleep(11 * time.Second)
				if n := set.Len(); n != 0 {
					t.Errorf("%d keys", n)
				}
				if _, err := set.Acquire(t.Context(), 1); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What a key does while the source is away.
func TestQuotaAway(t *testing.T) {
	away := errors.New("unplugged")
	t.Run("reject", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newQuotaPool(1)
			p.down = away
			set := mustShare(t, allKeys("10/s"), p, keyed.WithQuotaAway(scheduler.AwayReject()))
			defer set.Close()
			var waiting []ticket.Ticket
			for range 2000 { // more than are sent away in one turn
				w, err := set.Enqueue(1, 1)
				if err != nil {
					var no *scheduler.QuotaError
					if !errors.As(err, &no) || no.Err != away {
						t.Fatal(err)
					}
					continue
				}
				waiting = append(waiting, w)
			}
			for range 2 {
				_, err := set.Acquire(t.Context(), 1)
				if !errors.Is(err, scheduler.ErrNoPermit) {
					t.Error(err)
				}
			}
			synctest.Wait()
			for _, w := range waiting {
				var no *scheduler.QuotaError
				if err := told(w); !errors.As(err, &no) || no.Err != away {
					t.Fatalf("a ticket in line was told %v", err)
				}
			}
			if len(waiting) == 0 {
				t.Error("none waited")
			}
			p.setDown(nil)
			time.Sleep(time.Second)
			if _, err := set.Acquire(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("line", func(t *testing.T) { // a long line is told in slices
		synctest.Test(t, func(t *testing.T) {
			fail := make(chan struct{})
			set := mustShare(t, allKeys("10/s"), source{exchange: func(ctx context.Context, _ string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
				<-fail
				return scheduler.QuotaReply{}, away
			}}, keyed.WithQuotaAway(scheduler.AwayReject()))
			var waiting []ticket.Ticket
			for range 2000 {
				w, err := set.Enqueue(1, 1)
				if err != nil {
					t.Fatal(err)
				}
				waiting = append(waiting, w)
			}
			close(fail)
			synctest.Wait()
			for i, w := range waiting {
				var no *scheduler.QuotaError
				if err := told(w); !errors.As(err, &no) || no.Err != away {
					t.Fatalf("ticket %d was told %v", i, err)
				}
			}
			set.Close()
		})
	})
	t.Run("local share", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newQuotaPool(1)
			p.down = away
			set := mustShare(t, allKeys("10/2s"), p, keyed.WithQuotaAway(scheduler.AwayLocalShare(2)))
			defer set.Close()
			set.TryAcquire(1)
			synctest.Wait()
			granted := 0
			for range 20 {
				if _, ok := set.TryAcquire(1); ok {
					granted++
				}
			}
			if granted != 5 {
				t.Errorf("granted %d, want half", granted)
			}
		})
	})
	t.Run("remembered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newQuotaPool(1)
			p.down = away
			set := mustShare(t, allKeys("10/s"), p, keyed.WithQuotaAway(scheduler.AwayReject()))
			defer set.Close()
			set.TryAcquire(1)
			time.Sleep(9 * time.Second)
			if _, err := set.AcquireNow(1, 1); !errors.As(err, new(*scheduler.QuotaError)) {
				t.Error(err)
			}
			time.Sleep(9 * time.Second)
			if n := set.Len(); n != 1 {
				t.Errorf("%d keys", n)
			}
			time.Sleep(2 * time.Second)
			if n := set.Len(); n != 0 {
				t.Errorf("%d keys, kept for an error that is no longer needed", n)
			}
		})
	})
}

// While calls need the source, the key remembers that it is away, also if none of them waits: so none waits for an
// exchange to hear of it again.
func TestQuotaAwayRemembered(t *testing.T) {
	for name, away := range map[string]scheduler.Away{"local share": scheduler.AwayLocalShare(2), "reject": scheduler.AwayReject()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := mustShare(t, allKeys("10/s"), source{exchange: func(ctx context.Context, _ string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
					time.Sleep(500 * time.Millisecond) // it finds out only slowly
					return scheduler.QuotaReply{}, errors.New("unplugged")
				}}, keyed.WithQuotaAway(away))
				defer set.Close()
				set.Wait(t.Context(), 1)
				for i := range 20 {
					time.Sleep(3 * time.Second)
					since := time.Now()
					if set.Wait(t.Context(), 1); time.Since(since) > 0 {
						t.Errorf("call %d waited %v", i, time.Since(since))
					}
				}
				time.Sleep(15 * time.Second)
				if n := set.Len(); n != 0 {
					t.Errorf("%d keys, kept for an error that is no longer needed", n)
				}
			})
		})
	}
}

// A key whose turn for an exchange has not come is not forgotten, or the line would hold entries of keys that are gone, as many
// as clients can invent.
func TestQuotaQueuedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys = keyed.MostExchanges + 30
		var asked atomic.Int64
		stuck := make(chan struct{})
		set := mustShare(t, allKeys("10/s"), source{exchange: func(context.Context, string, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			if asked.Add(1) > keys {
				<-stuck
			}
			return scheduler.QuotaReply{}, errors.New("unplugged")
		}})
		defer set.Close()
		for k := range keys {
			set.TryAcquire(k)
		}
		time.Sleep(time.Minute)
		if n := set.Len(); n != keys {
			t.Errorf("%d keys while each waits for an exchange or its end, want %d", n, keys)
		}
		close(stuck)
		time.Sleep(time.Second)
		if n := set.Len(); n != 0 {
			t.Errorf("%d keys", n)
		}
	})
}

// Close tells what was used, and gives back what was not.
func TestQuotaFarewell(t *testing.T) {
	for _, drain := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newQuotaPool(1)
			set := mustShare(t, allKeys("10/h"), p)
			const keys = 200
			for k := range keys {
				set.TryAcquireN(k, 5)
			}
			synctest.Wait()
			for k := range keys {
				w, ok := set.TryAcquireN(k, 2)
				if !ok {
					t.Fatal("nothing is leased")
				}
				w.Release()
			}
			if drain { // which serves the line first
				last, err := set.Enqueue(0, 6)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					if err := <-last.Ready(); err != nil {
						t.Error(err)
					}
					last.Release()
				}()
				if err := set.Drain(t.Context()); err != nil {
					t.Error(err)
				}
			}
			set.Close()
			for k := range keys {
				m, used := p.quotas[fmt.Sprint(k)].members[0], uint64(2)
				if drain && k == 0 {
					used = 8
				}
				if m.held != 0 || m.used != used {
					t.Fatalf("drain %v, key %d: %d leased, %d used", drain, k, m.held, m.used)
				}
			}
			if n := keyed.Exchanging(set); n != 0 {
				t.Errorf("%d goroutines", n)
			}
			if n := len(set.Snapshot().Keys); n != keys {
				t.Errorf("%d keys in a snapshot after Close", n)
			}
		})
	}
}

// Close does not wait for long for a source that is stuck: one that heeds its context, and one that does not.
func TestQuotaCloseStuck(t *testing.T) {
	for _, heeds := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			set := mustShare(t, allKeys("10/s"), source{exchange: func(ctx context.Context, _ string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
				if !heeds {
					<-release
				}
				<-ctx.Done()
				return scheduler.QuotaReply{}, ctx.Err()
			}})
			var waiting sync.WaitGroup
			for k := range 100 {
				waiting.Go(func() {
					if _, err := set.Acquire(t.Context(), k); err != scheduler.ErrClosed {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			before := time.Now()
			set.Close()
			set.Close()
			waiting.Wait()
			if d := time.Since(before); d > 4*time.Second { // two calls
				t.Errorf("Close took %v", d)
			}
			close(release)
			synctest.Wait()
			if n := keyed.Exchanging(set); n != 0 {
				t.Errorf("%d goroutines", n)
			}
		})
	}
}

// scripted is a source that leases to its only member what depends on nothing but the request.
func scripted(log *[]string) source {
	return source{exchange: func(_ context.Context, key string, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
		if r.Closing {
			return scheduler.QuotaReply{}, nil
		}
		*log = append(*log, fmt.Sprint(time.Now().UnixMilli(), key, r.Used, r.Age, r.Leased, r.InUse, r.Head, r.Waiting, r.Ahead))
		time.Sleep(3 * time.Millisecond)
		reply := scheduler.QuotaReply{For: 700 * time.Millisecond, Beat: 300 * time.Millisecond}
		switch n := (int(r.Used) + r.Waiting + r.Head) % 5; n {
		case 0:
			return reply, errors.New("unplugged")
		case 1:
			reply.Again = 50 * time.Millisecond
		default:
			reply.Leased = min(max(r.Waiting, r.Head)+r.Ahead, n)
		}
		return reply, nil
	}}
}

// A key of a set grants what a scheduler with WithQuotaKey grants, and asks the source for the same at the same instants.
func TestQuotaDifferential(t *testing.T) {
	for seed := range uint64(min(*runs, 30)) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			l := scheduler.MustParseLimits([]string{"6/2s", "3/s 10/5s", "4/s burst 2"}[r.IntN(3)])
			var log, want []string
			set := mustShare(t, func(int) scheduler.Limits { return l }, scripted(&log))
			defer set.Close()
			s, err := scheduler.New(l, scheduler.WithQuota(scripted(&want)), scheduler.WithQuotaKey("1"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := &world{t: t, r: r, set: set}
			// It is held all the while, or the set would forget the key and the scheduler its history.
			first, err := set.Enqueue(1, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Release()
			second, err := s.Enqueue(1)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Release()
			if err := errors.Join(<-first.Ready(), <-second.Ready()); err != nil {
				t.Fatal(err)
			}
			for range 150 {
				weight := 1 + r.IntN(2)
				switch r.IntN(6) {
				case 0:
					a, ok := set.TryAcquireN(1, weight)
					b, same := s.TryAcquireN(weight)
					w.note("try %d: %v", weight, same)
					if ok != same {
						w.fail("seed %d: a try is %v, want %v", seed, ok, same)
					}
					if ok {
						w.held = append(w.held, pair{1, a, b, false})
					}
				case 1, 2:
					a, err := set.Enqueue(1, weight)
					b, same := s.Enqueue(weight)
					w.note("enqueue %d: %v", weight, same)
					if (err == nil) != (same == nil) {
						w.fail("seed %d: enqueue is %v, want %v", seed, err, same)
					}
					if err == nil {
						w.held = append(w.held, pair{1, a, b, true})
					}
				case 3:
					if n := len(w.held); n > 0 {
						i := r.IntN(n)
						w.note("end of %d", w.held[i].single.Number())
						w.held[i].set.Cancel()
						w.held[i].single.Cancel()
						if !w.held[i].waits {
							w.held = slices.Delete(w.held, i, i+1)
						}
					}
				default:
					d := time.Duration(r.IntN(600)) * time.Millisecond
					w.note("time moves by %v", d)
					time.Sleep(d + time.Microsecond) // so that nothing else happens at this instant
				}
				synctest.Wait()
				w.settle()
				got, have := set.Stats(1), s.Stats()
				if got.Waiting != have.Waiting || got.InUse != have.InUse || got.Granted != have.Granted || got.Quota.Leased != have.Quota.Leased {
					w.fail("seed %d:\n got %+v\nwant %+v", seed, got, have)
				}
			}
			for i := range max(len(log), len(want)) {
				if i >= len(log) || i >= len(want) || log[i] != want[i] {
					w.fail("seed %d, exchange %d:\n asked %q\nwant  %q", seed, i, log[max(0, i-4):min(i+3, len(log))], want[max(0, i-4):min(i+3, len(want))])
				}
			}
		})
	}
}

// What is leased to a key is not granted any more at the end of its lease.
func TestQuotaLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		set := mustShare(t, allKeys("10/h"), source{exchange: func(context.Context, string, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			if !first {
				return scheduler.QuotaReply{}, errors.New("unplugged")
			}
			first = false
			return scheduler.QuotaReply{Leased: 9, For: time.Second, Beat: 10 * time.Second}, nil
		}})
		defer set.Close()
		set.TryAcquire(1)
		synctest.Wait()
		set.TryAcquireN(1, 4)
		time.Sleep(time.Second - 1)
		if _, ok := set.TryAcquire(1); !ok {
			t.Error("no permit just before the end of the lease")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := set.TryAcquire(1); ok {
			t.Error("a permit at the end of the lease")
		}
	})
}
