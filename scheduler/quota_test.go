package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/oracle"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// pool is a source of a quota for schedulers of one process, which a test can take away. It keeps a log of what
// was used and what each member holds.
type pool struct {
	mu      sync.Mutex
	limits  scheduler.Limits
	lease   time.Duration
	beat    time.Duration
	delay   time.Duration // of each exchange, half before and half after
	down    error         // exchanges fail with it
	log     []logged
	members map[*member]bool
	calls   int
}

type logged struct {
	at time.Time
	n  int
}

// member is the pool's side of a scheduler.
type member struct {
	*pool
	held, inUse int
	used        uint64
	until       time.Time
	asked       []scheduler.QuotaRequest
	key         string
}

func newPool(l scheduler.Limits) *pool {
	return &pool{limits: l, lease: time.Second, beat: time.Second / 3, members: map[*member]bool{}}
}

func (p *pool) String() string { return "github-api" }

func (p *pool) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	panic("Open was not called")
}

func (p *pool) Open(m scheduler.QuotaMember) (scheduler.QuotaSource, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := &member{pool: p, key: m.Key}
	p.members[one] = true
	return one, nil
}

func (p *pool) setDown(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = err
}

func (p *pool) exchanges() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (m *member) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	nap(ctx, m.delay/2)
	defer nap(ctx, m.delay/2)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.down != nil {
		return scheduler.QuotaReply{}, m.down
	}
	if ctx.Err() != nil {
		return scheduler.QuotaReply{}, ctx.Err()
	}
	m.asked = append(m.asked, r)
	now := time.Now()
	for one := range m.members {
		if one.held > 0 && !now.Before(one.until) {
			m.charge(one.until, one.held)
			one.held = 0
		}
	}
	if n := int(r.Used - m.used); n > 0 {
		m.charge(now.Add(-r.Age), n)
	}
	m.used, m.held, m.inUse, m.until = r.Used, r.Leased, r.InUse, now.Add(m.lease)
	reply := scheduler.QuotaReply{For: m.lease - m.lease/50, Beat: m.beat}
	if r.Closing {
		m.held, m.inUse = 0, 0
		return reply, nil
	}
	free := m.free(now)
	if n := min(free, max(r.Waiting, r.Head)+r.Ahead); n > 0 && n >= r.Head {
		reply.Leased = n
		m.held += n
	} else if r.Head > 0 {
		reply.Again = m.lease / 20
	}
	return reply, nil
}

func nap(ctx context.Context, d time.Duration) {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

func (p *pool) charge(at time.Time, n int) { p.log = append(p.log, logged{at, n}) }

func (p *pool) free(now time.Time) int {
	free := 1 << 30
	held, inUse := 0, 0
	for one := range p.members {
		held += one.held
		inUse += one.inUse
	}
	for _, w := range p.limits.Windows {
		n := held
		for _, l := range p.log {
			if l.at.After(now.Add(-w.Per)) {
				n += l.n
			}
		}
		free = min(free, w.Permits-n)
	}
	if p.limits.MaxBurst > 0 {
		free = min(free, p.limits.MaxBurst-held-inUse)
	}
	return max(0, free)
}

// judge fails the test if the grants of all logs together exceed a limit in any interval.
func judge(t *testing.T, l scheduler.Limits, logs ...*scheduler.EventLog) (granted int) {
	t.Helper()
	var all oracle.Grants
	for _, log := range logs {
		grants := map[ticket.Number]int{}
		for _, e := range log.Events() {
			switch e.Kind {
			case scheduler.EventGranted:
				grants[e.Number] = len(all)
				all = append(all, oracle.Grant{At: e.At, Permits: e.Weight, InUse: e.Weight})
				granted += e.Weight
			case scheduler.EventReleased:
				all = append(all, oracle.Grant{At: e.At, InUse: -e.Weight})
			case scheduler.EventUndone:
				all[grants[e.Number]] = oracle.Grant{At: e.At} // as if it had never been
				granted -= e.Weight
			}
		}
	}
	all.Sort()
	for _, w := range l.Windows {
		if err := all.Exceeds(w.Permits, w.Per); err != nil {
			t.Fatalf("limit %v: %v", w, err)
		}
	}
	if l.MaxBurst > 0 {
		if err := all.ExceedsBurst(l.MaxBurst); err != nil {
			t.Fatal(err)
		}
	}
	return granted
}

func mustShare(t *testing.T, l scheduler.Limits, src scheduler.QuotaSource, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(l, append(opts, scheduler.WithQuota(src))...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Several schedulers with workers that come and go never exceed the limits together, whatever the exchanges
// take, and use nearly all of them while they all wait.
func TestQuotaIsSharedExactly(t *testing.T) {
	for _, test := range []struct {
		limits scheduler.Limits
		delay  time.Duration
		weight int // the largest
		least  float64
	}{
		{scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}, 0, 1, 0.97},
		{scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}}, 20 * time.Millisecond, 1, 0.9},
		{scheduler.Limits{Windows: []scheduler.Window{scheduler.Per(50, 500*time.Millisecond), scheduler.Per(300, 10*time.Second)}}, 5 * time.Millisecond, 1, 0.9},
		{scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(100)}, MaxBurst: 10}, 2 * time.Millisecond, 1, 0.5},
		{scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(60)}}, 3 * time.Millisecond, 30, 0.4},
	} {
		t.Run(fmt.Sprint(test.limits, test.delay), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPool(test.limits)
				p.delay = test.delay
				const span = 30 * time.Second
				ctx, stop := context.WithTimeout(t.Context(), span)
				defer stop()
				var logs []*scheduler.EventLog
				var all []*scheduler.Scheduler
				var working sync.WaitGroup
				for i := range 3 {
					log := new(scheduler.EventLog)
					s := mustShare(t, test.limits, p, log)
					logs, all = append(logs, log), append(all, s)
					for j := range 5 * (i + 1) {
						working.Go(func() {
							random := rand.New(rand.NewPCG(uint64(i), uint64(j)))
							for ctx.Err() == nil {
								hold, stop := context.WithTimeout(ctx, time.Duration(1+random.IntN(3000))*time.Millisecond)
								t, err := s.AcquireN(hold, 1+random.IntN(test.weight))
								if err == nil && test.limits.MaxBurst > 0 {
									time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
								}
								t.Release()
								if err != nil {
									time.Sleep(time.Millisecond)
								}
								stop()
							}
						})
					}
				}
				working.Wait()
				for _, s := range all {
					s.Close()
				}
				granted := judge(t, test.limits, logs...)
				possible := 1e18
				for _, w := range test.limits.Windows {
					possible = min(possible, float64(w.Permits)*max(1, span.Seconds()/w.Per.Seconds()))
				}
				if use := float64(granted) / possible; use < test.least || use > 1.05 {
					t.Errorf("granted %d, %.3f of what is possible", granted, use)
				}
				t.Logf("granted %d of %.0f in %d exchanges", granted, possible, p.calls)
			})
		})
	}
}

// A try sees what is leased and asks for more if that is not enough; so does a call of a NonBlocking scheduler.
func TestQuotaTryAsks(t *testing.T) {
	for name, try := range map[string]func(s *scheduler.Scheduler, weight int) bool{
		"TryAcquire": func(s *scheduler.Scheduler, weight int) bool {
			_, ok := s.TryAcquireN(weight)
			return ok
		},
		"Allow": func(s *scheduler.Scheduler, weight int) bool { return s.AllowN(weight) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}}
				p := newPool(limits)
				s := mustShare(t, limits, p, scheduler.NonBlocking())
				defer s.Close()
				if try(s, 3) {
					t.Error("a try was granted before anything was leased")
				}
				synctest.Wait()
				if q := s.Stats().Quota; q.Leased != 3 || time.Until(q.Until) != 980*time.Millisecond || q.Err != nil {
					t.Errorf("after a miss: %+v", q)
				}
				if !try(s, 3) {
					t.Error("the miss did not ask")
				}
				synctest.Wait()
				_, err := s.AcquireN(t.Context(), 7)
				var no *scheduler.NoPermitError
				if !errors.As(err, &no) || no.Limit != "quota github-api" {
					t.Errorf("a NonBlocking call without a lease: %v", err)
				}
				synctest.Wait()
				if _, err = s.AcquireN(t.Context(), 7); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Nothing is exchanged before the first use, nor when nothing is left to tell.
func TestQuotaIsQuietWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}, MaxBurst: 5}
		p := newPool(limits)
		s := mustShare(t, limits, p)
		defer s.Close()
		time.Sleep(time.Minute)
		if n := p.exchanges(); n != 0 {
			t.Errorf("%d exchanges before the first use", n)
		}
		held, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := p.exchanges(); n < 15 {
			t.Errorf("%d exchanges in 5 s while a permit was in use, want one for each third of a second", n)
		}
		held.Release()
		time.Sleep(5 * time.Second)
		quiet := p.exchanges()
		time.Sleep(time.Hour)
		if n := p.exchanges(); n != quiet {
			t.Errorf("%d exchanges while idle", n-quiet)
		}
		for m := range p.members {
			if m.held != 0 || m.inUse != 0 || m.used != 1 {
				t.Errorf("held %d, in use %d, used %d", m.held, m.inUse, m.used)
			}
		}
	})
}

// A scheduler that only remembers grants makes an exchange in each Remind, and one that has something to tell in each Beat.
func TestQuotaReminds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exchanges atomic.Int64
		s := mustShare(t, limits(t, "10/h burst 5"), exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			exchanges.Add(1)
			return scheduler.QuotaReply{Leased: r.Waiting, For: time.Minute, Beat: time.Second, Remind: 10 * time.Second}, nil
		}))
		defer s.Close()
		held, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := exchanges.Swap(0); n < 59 || n > 62 {
			t.Errorf("%d exchanges in a minute in which a permit was in use", n)
		}
		held.Release()
		time.Sleep(time.Minute)
		if n := exchanges.Swap(0); n < 6 || n > 8 {
			t.Errorf("%d exchanges in a minute in which there were only grants to remember", n)
		}
		time.Sleep(2 * time.Hour)
		exchanges.Store(0)
		time.Sleep(time.Hour)
		if n := exchanges.Load(); n != 0 {
			t.Errorf("%d exchanges at rest", n)
		}
	})
}

// A scheduler whose line waits tells that at each beat, also if it is told that there is nothing for it before
// much later: or the source would take it for dead and keep no turn for it.
func TestQuotaTellsThatItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		s := mustShare(t, limits(t, "10/s"), exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			if !r.Closing {
				at = append(at, time.Since(begin))
			}
			return scheduler.QuotaReply{For: time.Second, Beat: 300 * time.Millisecond, Again: time.Hour}, nil
		}))
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s.Close()
		if want := []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond}; !slices.Equal(at, want) {
			t.Errorf("exchanges at %v, want %v", at, want)
		}
	})
}

// When the stock runs out, those who were granted it have a moment to come back before more is asked for ahead: so the
// next request finds them in line.
func TestQuotaAsksWithThoseWhoComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waiting []int
		s := mustShare(t, limits(t, "1000/s"), exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			waiting = append(waiting, r.Waiting)
			return scheduler.QuotaReply{Leased: r.Waiting, For: time.Second, Beat: 640 * time.Millisecond}, nil
		}))
		var working sync.WaitGroup
		for range 4 {
			working.Go(func() {
				for range 5 {
					if _, err := s.Acquire(t.Context()); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond) // a busy machine lets it run again only then
				}
			})
		}
		working.Wait()
		s.Close()
		if waiting = waiting[:len(waiting)-1]; slices.Contains(waiting, 0) { // the last one is of Close
			t.Errorf("requests for %v in line", waiting)
		}
	})
}

// A lease counts from when the request was made, so a reply that takes longer than the lease brings nothing.
func TestQuotaLeaseCountsFromTheRequest(t *testing.T) {
	for _, takes := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := mustShare(t, limits(t, "10/s"), exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
				time.Sleep(takes)
				return scheduler.QuotaReply{Leased: r.Head, For: time.Second, Beat: time.Hour}, nil
			}))
			defer s.Close()
			end := time.Now().Add(time.Second)
			s.TryAcquireN(3)
			time.Sleep(takes)
			synctest.Wait()
			q := s.Stats().Quota
			if takes < time.Second && (q.Leased != 3 || !q.Until.Equal(end)) || takes > time.Second && q.Leased != 0 {
				t.Errorf("a reply that takes %v: %+v, want the end %v", takes, q, end)
			}
		})
	}
}

// A lease that is not extended is void before the source takes it for used.
func TestQuotaLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}}
		p := newPool(limits)
		p.beat = 990 * time.Millisecond // so that it does not come before the end
		s := mustShare(t, limits, p)
		defer s.Close()
		w, err := s.Watch(100)
		if err != nil {
			t.Fatal(err)
		}
		s.TryAcquireN(4)
		synctest.Wait()
		away := errors.New("unplugged")
		p.setDown(away)
		time.Sleep(979 * time.Millisecond)
		if _, ok := s.TryAcquire(); !ok {
			t.Error("a lease cannot be used to its end")
		}
		time.Sleep(time.Millisecond)
		if _, ok := s.TryAcquire(); ok {
			t.Error("a lease is used after its end")
		}
		synctest.Wait()
		if q := s.Stats().Quota; q.Leased != 0 || !q.Until.IsZero() || q.Err != away {
			t.Errorf("after the end of the lease: %+v", q)
		}
		got := make(chan error)
		go func() { _, err := s.AcquireN(context.Background(), 2); got <- err }()
		time.Sleep(10 * time.Second)
		select {
		case err := <-got:
			t.Fatal("a ticket did not wait:", err)
		default:
		}
		p.setDown(nil)
		if err := <-got; err != nil {
			t.Error(err)
		}
		if q := s.Stats().Quota; q.Err != nil {
			t.Errorf("after the source is back: %+v", q)
		}
		var kinds []scheduler.EventKind
		w.Stop()
		for e := range w.Events() {
			if e.Kind == scheduler.EventQuotaLost || e.Kind == scheduler.EventQuotaBack {
				kinds = append(kinds, e.Kind)
			}
			if e.Kind == scheduler.EventQuotaLost && e.Err != away {
				t.Error("lost:", e)
			}
		}
		if !slices.Equal(kinds, []scheduler.EventKind{scheduler.EventQuotaLost, scheduler.EventQuotaBack}) {
			t.Errorf("a watcher heard %v", kinds)
		}
	})
}

// What a scheduler does while its source is away.
func TestQuotaAway(t *testing.T) {
	limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}, MaxBurst: 9}
	t.Run("reject", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(limits)
			p.down = errors.New("unplugged")
			s := mustShare(t, limits, p, scheduler.WithQuotaAway(scheduler.AwayReject()))
			defer s.Close()
			for range 2 { // the first one waits until it is known
				_, err := s.Acquire(t.Context())
				var refused *scheduler.QuotaError
				if !errors.As(err, &refused) || !errors.Is(err, scheduler.ErrNoPermit) || refused.Err != p.down || refused.Limit != "quota github-api" {
					t.Errorf("got %v", err)
				}
			}
			p.setDown(nil)
			time.Sleep(time.Second)
			if _, err := s.Acquire(t.Context()); err != nil {
				t.Error("the source is back:", err)
			}
		})
	})
	t.Run("local share", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(limits)
			p.down = errors.New("unplugged")
			var logs []*scheduler.EventLog
			var all []*scheduler.Scheduler
			for range 3 {
				log := new(scheduler.EventLog)
				s := mustShare(t, limits, p, scheduler.WithQuotaAway(scheduler.AwayLocalShare(3)), log)
				logs, all = append(logs, log), append(all, s)
				for range 5 {
					go func() {
						for {
							t, err := s.Acquire(context.Background())
							if err != nil {
								return
							}
							time.Sleep(10 * time.Millisecond)
							t.Release()
						}
					}()
				}
			}
			time.Sleep(10*time.Second - time.Millisecond)
			for _, s := range all {
				if n := s.Stats().Granted; n != 30 {
					t.Errorf("granted %d in 10 s, want 3 a second", n)
				}
			}
			p.setDown(nil)
			time.Sleep(5 * time.Second)
			for _, s := range all {
				s.Close()
			}
			if n := judge(t, limits, logs...); n < 120 {
				t.Errorf("granted %d in 15 s", n)
			}
		})
	})
	t.Run("refused for good", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(limits)
			p.down = fmt.Errorf("other limits: %w", scheduler.ErrQuotaRefused)
			s := mustShare(t, limits, p)
			defer s.Close()
			for range 2 {
				if _, err := s.Acquire(t.Context()); !errors.As(err, new(*scheduler.QuotaError)) {
					t.Errorf("got %v", err)
				}
			}
			time.Sleep(time.Minute)
			if n := p.exchanges(); n != 1 {
				t.Errorf("%d exchanges with a source that refuses for good", n)
			}
		})
	})
}

// An undone grant gives its permit back if the source has not been told of it.
func TestQuotaUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(10)}}
		p := newPool(limits)
		s := mustShare(t, limits, p)
		defer s.Close()
		s.TryAcquireN(5)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		before := s.Stats().Quota.Leased
		tk, err := s.Enqueue(2)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Stats().Quota.Leased; n != before-2 {
			t.Errorf("leased %d after 2 of %d were granted", n, before)
		}
		tk.Cancel() // nobody has received the grant
		if n := s.Stats().Quota.Leased; n != before {
			t.Errorf("leased %d after an undone grant, want %d", n, before)
		}
		tk, err = s.Enqueue(2)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the source has been told
		kept := s.Stats().Quota.Leased
		tk.Cancel()
		if n := s.Stats().Quota.Leased; n != kept {
			t.Errorf("leased %d after a grant was undone of which the source knows, want %d", n, kept)
		}
	})
}

// A source that has forgotten a scheduler is told what its windows remember.
func TestQuotaResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerMinute(10), scheduler.PerHour(100)}}
		forgot := make(chan bool, 1)
		var got []scheduler.QuotaRequest
		s := mustShare(t, limits, exchangeFunc(func(_ context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			got = append(got, r)
			select {
			case <-forgot:
				return scheduler.QuotaReply{Resend: true}, nil
			default:
			}
			return scheduler.QuotaReply{Leased: r.Head + r.Ahead, For: time.Second, Beat: 300 * time.Millisecond}, nil
		}))
		defer s.Close()
		for range 2 {
			if _, err := s.AcquireN(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		forgot <- true
		time.Sleep(time.Second)
		s.Close()
		var with []int
		for i, r := range got {
			if r.Serial != uint64(i+1) {
				t.Errorf("request %d has serial %d", i, r.Serial)
			}
			if r.Past != nil {
				with = append(with, i)
			}
		}
		if len(with) != 2 || with[0] != 0 {
			t.Fatalf("requests %v had the past", with)
		}
		last := got[with[1]]
		for _, past := range last.Past {
			if len(past) != 2 || past[0].Permits != 3 || past[1].Permits != 3 || past[0].Age-past[1].Age != 5*time.Second {
				t.Errorf("past %v", last.Past)
			}
		}
		if last.Used != 6 || last.Age != last.Past[0][1].Age {
			t.Errorf("used %d, %v ago", last.Used, last.Age)
		}
	})
}

type exchangeFunc func(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error)

func (f exchangeFunc) Exchange(ctx context.Context, r scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return f(ctx, r)
}

// Close tells the source what was used, and does not wait for ever for one that is stuck.
func TestQuotaClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}}
		p := newPool(limits)
		s := mustShare(t, limits, p)
		if _, err := s.AcquireN(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		s.Close()
		for m := range p.members {
			if last := m.asked[len(m.asked)-1]; !last.Closing || last.Used != 4 || m.held != 0 {
				t.Errorf("the last request was %+v", last)
			}
		}
		stuck := make(chan bool)
		s = mustShare(t, limits, exchangeFunc(func(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			<-stuck
			return scheduler.QuotaReply{}, nil
		}))
		if _, err := s.Enqueue(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begin := time.Now()
		s.Close()
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("Close with a stuck source took %v", d)
		}
		close(stuck)
	})
}

// Whatever cannot be shared is refused.
func TestQuotaRefusals(t *testing.T) {
	second := scheduler.PerSecond(1)
	release, evenly, unit, reset := second, second, second, second
	release.From, evenly.Evenly, unit.Unit, reset.From = scheduler.FromRelease, true, "tokens", scheduler.FromReset
	p := newPool(scheduler.Limits{})
	plain := exchangeFunc(nil)
	for _, test := range []struct {
		w    scheduler.Window
		opts []scheduler.Option
		what string // the value that the error names
	}{
		{release, []scheduler.Option{scheduler.WithQuota(p)}, "Limits.Windows[0].From"},
		{evenly, []scheduler.Option{scheduler.WithQuota(p)}, "Limits.Windows[0].Evenly"},
		{unit, []scheduler.Option{scheduler.WithQuota(p)}, "Limits.Windows[0].Unit"},
		{reset, []scheduler.Option{scheduler.WithQuota(p)}, "Limits.Windows[0].From"},
		{second, []scheduler.Option{scheduler.WithQuota(nil)}, "the source of WithQuota"},
		{second, []scheduler.Option{scheduler.WithQuota(p), scheduler.WithQuota(p)}, "the source of WithQuota"},
		{second, []scheduler.Option{scheduler.WithQuotaKey("a")}, "the key of WithQuotaKey"},
		{second, []scheduler.Option{scheduler.WithQuota(plain), scheduler.WithQuotaKey("a")}, "the source of WithQuota"},
		{second, []scheduler.Option{scheduler.WithQuota(p), scheduler.WithQuotaAway(scheduler.AwayLocalShare(0))}, "the number of AwayLocalShare"},
	} {
		s, err := scheduler.New(scheduler.Limits{Windows: []scheduler.Window{test.w}}, test.opts...)
		var invalid *scheduler.InvalidError
		switch {
		case !errors.As(err, &invalid):
			t.Errorf("%v: %v", test.w, err)
		case invalid.What != test.what || invalid.Want == "":
			t.Errorf("%v: %v, want one that names %s and says what is expected", test.w, err, test.what)
		}
		if err == nil {
			s.Close()
		}
	}
	limits := scheduler.Limits{Windows: []scheduler.Window{second}}
	s := mustShare(t, limits, p, scheduler.WithQuotaKey("a"))
	defer s.Close()
	for m := range p.members {
		if m.key != "a" {
			t.Errorf("key %q", m.key)
		}
	}
	for _, err := range []error{s.SetLimits(limits), s.Restore(s.Snapshot())} {
		if !errors.As(err, new(*scheduler.InvalidError)) {
			t.Errorf("got %v", err)
		} else {
			t.Log(err)
		}
	}
}

// A deadline is refused if not even the next exchange comes before it, and the refusal names the quota.
func TestQuotaDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(10)}}
		s := mustShare(t, limits, exchangeFunc(func(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
			return scheduler.QuotaReply{For: time.Second, Beat: time.Second, Again: 300 * time.Millisecond}, nil
		}))
		defer s.Close()
		first, err := s.Enqueue(1)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Cancel()
		time.Sleep(100 * time.Millisecond)
		if d := s.WaitTime(); d != 200*time.Millisecond {
			t.Errorf("WaitTime %v, want 200ms until the next exchange", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = s.Acquire(ctx)
		var late *scheduler.DeadlineError
		if !errors.As(err, &late) || late.Limit != "quota" || late.Wait != 200*time.Millisecond {
			t.Errorf("got %v", err)
		}
	})
}

func TestQuotaStatsJSON(t *testing.T) {
	in := scheduler.QuotaStats{Leased: 3, Until: time.Unix(5, 0).UTC(), Err: errors.New("unplugged")}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"leased":3,"until":"1970-01-01T00:00:05Z","error":"unplugged"}`; string(data) != want {
		t.Errorf("got %s", data)
	}
	var out scheduler.QuotaStats
	if err := json.Unmarshal(data, &out); err != nil || out.Leased != 3 || !out.Until.Equal(in.Until) || out.Err.Error() != "unplugged" {
		t.Errorf("got %+v, %v", out, err)
	}
}
