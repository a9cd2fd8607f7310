package schedulertest_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/scheduler/schedulertest"
	"github.com/flowguard-go/flowguard/ticket"
)

func at(seconds float64) time.Time {
	return time.Unix(100, int64(seconds*1e9))
}

// Each record breaks one promise, or none.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits string
		record schedulertest.Tickets
		late   time.Duration
		want   string // in the error; "" for none
	}{
		{"empty", "1/s", nil, 0, ""},
		{"window kept", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(0)},
			{Number: 3, Weight: 2, Turn: 3, Enqueued: at(0), Granted: at(1)},
		}, 0, ""},
		{"window broken by a nanosecond", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 2, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(1).Add(-1)},
		}, 0, "limit 2/s: with ticket 2"},
		{"late by a nanosecond", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 2, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(1).Add(1)},
		}, 0, "ticket 2 was granted at "},
		{"late by what is borne", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 2, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(1).Add(1)},
		}, 1, ""},
		{"late though nothing binds", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(0.5)},
		}, 0, "500ms later"},
		{"arrived late", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0.5), Granted: at(0.5)},
		}, 0, ""},
		{"behind one who left", "2/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 2, Enqueued: at(0), GivenUp: at(0.5)},
			{Number: 3, Weight: 1, Turn: 2, Enqueued: at(0.2), Granted: at(0.5)},
		}, 0, ""},
		{"jumped the line", "5/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
		}, 0, "ticket 1 was granted after ticket 2"},
		{"burst kept", "burst 1", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(3)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(3)},
		}, 0, ""},
		{"burst broken", "burst 1", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(3)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(2)},
		}, 0, "limit burst 1: with ticket 2"},
		{"burst broken by one never released", "burst 1", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(20)},
		}, scheduler.Forever, "limit burst 1: with ticket 2"},
		{"from release kept", "1/s from release", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(3)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(4)},
		}, 0, ""},
		{"from release broken", "1/s from release", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(3)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(3.5)},
		}, 0, "limit 1/s from release: with ticket 2"},
		{"undone", "1/h", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Undone: at(2)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(2)},
		}, 0, ""},
		{"undone after it expired", "1/s", schedulertest.Tickets{
			{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Undone: at(9)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(1)},
		}, 0, ""},
		{"large windows may be a little late", "70000/day", schedulertest.Tickets{
			{Number: 1, Weight: 70000, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(86401)},
		}, 0, ""},
		{"two seconds in a day of 70,000 is more than a little", "70000/day", schedulertest.Tickets{
			{Number: 1, Weight: 70000, Turn: 1, Enqueued: at(0), Granted: at(0)},
			{Number: 2, Weight: 1, Turn: 2, Enqueued: at(0), Granted: at(86402)},
		}, 0, "2s later"},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits, err := scheduler.ParseLimits(c.limits)
			if err != nil {
				t.Fatal(err)
			}
			got := schedulertest.Check(limits, c.record, c.late)
			switch {
			case c.want == "" && got != nil:
				t.Errorf("found %v in\n%v", got, c.record)
			case c.want != "" && (got == nil || !strings.Contains(got.Error(), c.want)):
				t.Errorf("found %v, want %q", got, c.want)
			}
		})
	}
}

// A broken record of any length gives a message that can be read.
func TestCheckIsBrief(t *testing.T) {
	var record schedulertest.Tickets
	for i := range 1000 {
		record = append(record, schedulertest.Ticket{Number: ticket.Number(i + 1), Weight: 1, Turn: i + 1, Enqueued: at(0), Granted: at(0)})
	}
	err := schedulertest.Check(scheduler.Limits{Windows: []scheduler.Window{scheduler.PerSecond(1)}}, record, 0)
	if lines := strings.Count(err.Error(), "\n"); lines != 10 || !strings.Contains(err.Error(), "and 989 more") {
		t.Errorf("%d lines: %v", lines, err)
	}
}

// Records of the real thing hold; the same records against tighter limits do not.
func TestCheckOnRandomRecords(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 40
	}
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 0))
		mock := clock.NewMock()
		limits := scheduler.Limits{Windows: []scheduler.Window{
			scheduler.Per(r.IntN(5)+3, time.Duration(r.IntN(5)+1)*time.Second),
			{Permits: r.IntN(5) + 3, Per: time.Second, From: scheduler.FromRelease},
		}, MaxBurst: r.IntN(4) + 3}
		var rec schedulertest.Recorder
		s := start(t, limits.String(), scheduler.WithClock(mock), &rec)
		var tickets []ticket.Ticket
		for range 40 {
			switch r.IntN(4) {
			case 0, 1:
				if ticket, err := s.Enqueue(r.IntN(3) + 1); err == nil {
					tickets = append(tickets, ticket)
				}
			case 2:
				if len(tickets) > 0 {
					i := r.IntN(len(tickets))
					if r.IntN(4) == 0 {
						tickets[i].Cancel()
					} else {
						tickets[i].Release()
					}
				}
			case 3:
				// The barriers alone, without the sleeps of mock.Add.
				if wake := s.Stats().NextWake; !wake.IsZero() && r.IntN(3) > 0 {
					mock.Set(wake)
				} else {
					mock.Set(mock.Now().Add(time.Duration(r.IntN(1000)) * time.Millisecond / 7))
				}
			}
			s.Stats()
		}
		s.Close()
		record := rec.Tickets()
		if err := schedulertest.Check(limits, record, 0); err != nil {
			// The clock was moved past wakes now and then, and then grants are late.
			if err = schedulertest.Check(limits, record, time.Second); err != nil {
				t.Fatalf("seed %d: limits %v\n%v\n%v", seed, limits, err, record)
			}
		}
		if len(record.Granted()) == 0 {
			t.Fatalf("seed %d: nothing granted", seed)
		}
		tighter := limits
		tighter.MaxBurst = 1
		tighter.Windows = []scheduler.Window{scheduler.Per(1, 24*time.Hour)}
		if len(record.Granted()) > 1 && schedulertest.Check(tighter, record, scheduler.Forever) == nil {
			t.Fatalf("seed %d: no fault found with limits %v\n%v", seed, tighter, record)
		}
	}
}

func TestRecordReads(t *testing.T) {
	record := schedulertest.Tickets{
		{Number: 1, Weight: 1, Turn: 1, Enqueued: at(0), Granted: at(0), Released: at(0.25)},
		{Number: 2, Weight: 3, Enqueued: at(0.1), GivenUp: at(2)},
	}
	want := "ticket 1, enqueued +0s, granted +0s, released +250ms\n" +
		"ticket 2 of weight 3, enqueued +100ms, given up +2s\n"
	if got := record.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}
