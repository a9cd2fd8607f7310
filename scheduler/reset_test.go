package scheduler

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every computer
)

// zonesForTests change their clocks in all the ways that matter: by an hour, by half an hour, at midnight,
// by a whole day, and not at all.
var zonesForTests = []struct {
	name string
	year int
}{
	{"UTC", 2026},
	{"Europe/Berlin", 2026},
	{"America/New_York", 2026},
	{"Australia/Lord_Howe", 2026},
	{"America/Sao_Paulo", 2018},
	{"Pacific/Apia", 2011},
	{"Asia/Kathmandu", 2026},
}

// localMinutes yields every minute of a year and some days around it, and what local clocks show then,
// written so that later is greater.
func localMinutes(zone *time.Location, year int, yield func(t time.Time, shown int64)) {
	begin := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -3)
	end := time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 3)
	for t := begin; t.Before(end); t = t.Add(time.Minute) {
		_, offset := t.In(zone).Zone()
		yield(t, t.Unix()+int64(offset))
	}
}

// A day is reset when local clocks first show the time of the reset or a later one. What is found by
// looking at every minute of a year is found by calculation too, for days, months and parts of a day.
func TestResetsBesideEveryMinute(t *testing.T) {
	zones := zonesForTests
	if testing.Short() {
		zones = zones[:2]
	}
	for _, z := range zones {
		zone, err := time.LoadLocation(z.name)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{0, 2*time.Hour + 30*time.Minute, 9 * time.Hour, 23*time.Hour + 45*time.Minute} {
			var days, months []time.Time
			next := time.Date(z.year-1, 12, 30, 0, 0, 0, 0, time.UTC).Add(at)
			var latest int64
			localMinutes(zone, z.year, func(minute time.Time, shown int64) {
				if latest = max(latest, shown); latest < next.Unix() {
					return
				}
				for ; latest >= next.Unix(); next = next.AddDate(0, 0, 1) {
					if next.Day() == 1 {
						months = append(months, minute)
					}
				}
				days = append(days, minute)
			})
			name := z.name + " " + at.String()
			checkPeriods(t, name, Window{Permits: 1, Per: day, From: FromReset, ResetAt: at, Zone: z.name}, days)
			checkPeriods(t, name+", months", Window{Permits: 1, Per: Month, From: FromReset, ResetAt: at, Zone: z.name}, months)
			var parts []time.Time
			for i := range days[1:] {
				for p := days[i]; p.Before(days[i+1]); p = p.Add(6 * time.Hour) {
					parts = append(parts, p)
				}
			}
			checkPeriods(t, name+", quarters", Window{Permits: 1, Per: 6 * time.Hour, From: FromReset, ResetAt: at, Zone: z.name}, parts)
		}
	}
}

// checkPeriods compares the periods of a window with a list of all its resets.
func checkPeriods(t *testing.T, name string, w Window, resets []time.Time) {
	t.Helper()
	if err := (Limits{Windows: []Window{w}}).Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := newResets(w)
	if err != nil {
		t.Fatal(err)
	}
	if len(resets) < 11 {
		t.Fatalf("%s: only %d resets", name, len(resets))
	}
	for i := range resets[1:] {
		begin, end := resets[i], resets[i+1]
		inside := begin.Add(time.Duration(rand.Int64N(int64(end.Sub(begin)))))
		for _, at := range []time.Time{begin, inside, end.Add(-1)} {
			last, next := r.period(at)
			if !last.Equal(begin) || !next.Equal(end) {
				t.Fatalf("%s: the period of %v is from %v to %v, want from %v to %v", name, at.In(r.zone), last.In(r.zone), next.In(r.zone), begin.In(r.zone), end.In(r.zone))
			}
			if end.Sub(begin) > r.longest() {
				t.Fatalf("%s: a period of %v", name, end.Sub(begin))
			}
			if got := w.NextReset(at); !got.Equal(end) {
				t.Fatalf("%s: the next reset after %v is %v, want %v", name, at, got, end)
			}
		}
	}
}

// The lower bound of how long many periods take is one, and where all have one length it is exact.
func TestAfterPeriods(t *testing.T) {
	for _, z := range zonesForTests {
		for _, per := range []time.Duration{time.Second, time.Hour, 6 * time.Hour, day, Month} {
			c := newCalendar(Window{Permits: 1, Per: per, From: FromReset, Zone: z.name})
			c.set(time.Date(z.year, 1, 1, 0, 0, 0, 0, time.UTC))
			from := moment(rand.Int64N(int64(300 * day)))
			end := from
			for n := range 400 {
				if got := c.afterPeriods(from, n); got > end || z.name == "UTC" && per < Month && got != end {
					t.Fatalf("%s, %v: %d periods after %d end at %d, estimated at %d", z.name, per, n, from, end, got)
				}
				end = c.after(end)
			}
		}
	}
}

// A window that is reset has one charge for each period, however the permits were charged, and
// takes back exactly what was granted in the period.
func TestHistoryOfResets(t *testing.T) {
	w := Window{Permits: 10, Per: time.Hour, From: FromReset}
	h := newHistory(w)
	h.reset.set(time.Date(2026, 3, 1, 10, 20, 0, 0, time.UTC))
	at := func(minutes int) moment { return moment(time.Duration(minutes) * time.Minute) }
	h.add(at(0), 3)
	h.add(at(39), 4)
	if h.sum() != 7 || h.size != 1 || h.freeAt(1) != at(40) || h.freeAt(7) != at(40) {
		t.Fatalf("%d count in %d entries, free at %d", h.sum(), h.size, h.freeAt(1))
	}
	h.remove(at(39), at(0), 1)
	h.insert(at(39), at(39), 2)
	if h.sum() != 8 {
		t.Fatalf("%d count", h.sum())
	}
	h.expire(at(40) - 1)
	if h.sum() != 8 {
		t.Errorf("%d count just before the reset", h.sum())
	}
	h.expire(at(40))
	h.remove(at(40), at(39), 1)
	h.insert(at(40), at(39), 1)
	if h.sum() != 0 {
		t.Errorf("%d count after the reset", h.sum())
	}
	h.add(at(41), 2)
	if h.freeAt(2) != at(100) {
		t.Errorf("free at %d", h.freeAt(2))
	}

	// The time of day is set by 10 minutes: the reset comes so much earlier. Set back, it comes later.
	h.reset.set(time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC))
	h.retime(at(42))
	if h.sum() != 2 || h.freeAt(2) != at(90) {
		t.Errorf("%d count, free at %d", h.sum(), h.freeAt(2))
	}
	h.reset.set(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))
	h.retime(at(43))
	if h.sum() != 2 || h.freeAt(2) != at(60) {
		t.Errorf("%d count, free at %d", h.sum(), h.freeAt(2))
	}
	h.remove(at(43), at(41), 2)
	if h.sum() != 0 || h.size != 0 {
		t.Errorf("%d count", h.sum())
	}
}

func TestWindowsThatCannotBeReset(t *testing.T) {
	for _, w := range []Window{
		{Permits: 1, Per: 7 * time.Hour, From: FromReset},
		{Permits: 1, Per: 2 * day, From: FromReset},
		{Permits: 1, Per: day, From: FromReset, ResetAt: -time.Minute},
		{Permits: 1, Per: day, From: FromReset, ResetAt: day},
		{Permits: 1, Per: day, From: FromReset, ResetAt: time.Second},
		{Permits: 1, Per: day, From: FromReset, Zone: "Nowhere/Land"},
		{Permits: 1, Per: day, From: FromReset, Evenly: true},
		{Permits: 1, Per: day, From: FromRelease, Evenly: true},
		{Permits: 1, Per: day, ResetAt: time.Hour},
		{Permits: 1, Per: day, Zone: "UTC"},
		{Permits: 1, Per: day, Unit: "two words"},
		{Permits: 1, Per: day, Unit: "burst"},
		{Permits: 1, Per: day, Unit: "7"},
	} {
		if err := (Limits{Windows: []Window{w}}).Validate(); err == nil {
			t.Errorf("%+v is valid", w)
		}
		if !w.NextReset(time.Now()).IsZero() {
			t.Errorf("%+v is reset", w)
		}
	}
}
