package scheduler

import (
	"sync"
	"time"
)

// resets says when the periods of a window that counts from reset begin. It is plain data: it is told the
// instant, and asks no clock what time it is.
//
// A day begins when local clocks first show the time of the reset on that date. If they skip it, the day begins
// at the moment of the skip. A period that is shorter than a day is counted from the reset of its day. The last
// one ends with the day, so on a day of 23 or 25 hours it is cut.
type resets struct {
	per  time.Duration // a divisor of a day, a day, or Month
	at   time.Duration // the time of day
	zone *time.Location
}

func newResets(w Window) (resets, error) {
	zone, err := loadZone(w.Zone)
	return resets{w.Per, w.ResetAt, zone}, err
}

// zones are those that were loaded, by their names: to load one means to read a file.
var zones sync.Map

func loadZone(name string) (*time.Location, error) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		zones.Store(name, zone) // there are only so many that load
	}
	return zone, err
}

// longest is more than any period lasts. Zones have skipped or repeated a whole day.
func (r resets) longest() time.Duration {
	if r.per < day {
		return r.per
	}
	return r.per + 2*day
}

// period returns the last reset at or before t, and the first one after it.
func (r resets) period(t time.Time) (last, next time.Time) {
	t = t.In(r.zone)
	last, next = r.days(t)
	if r.per < day {
		last = last.Add(t.Sub(last) / r.per * r.per)
		if end := last.Add(r.per); end.Before(next) {
			next = end
		}
	}
	return last, next
}

// days returns the last reset of a day, or of a month, at or before t, and the first one after it.
func (r resets) days(t time.Time) (last, next time.Time) {
	y, m, d := t.Date()
	months := 0
	if r.per == Month {
		d, months = 1, 1
	}
	// Two before and two after are enough whatever the zone does around t.
	last = r.start(y, m-time.Month(2*months), d-2*(1-months))
	for i := -1; ; i++ {
		next = r.start(y, m+time.Month(i*months), d+i*(1-months))
		if next.After(t) && next.After(last) {
			return last, next
		}
		if next.After(last) {
			last = next
		}
	}
}

// start returns when the reset of a date is.
func (r resets) start(y int, m time.Month, d int) time.Time {
	hour, minute := int(r.at/time.Hour), int(r.at%time.Hour/time.Minute)
	t := time.Date(y, m, d, hour, minute, 0, 0, r.zone)
	begin, end := t.ZoneBounds()
	_, offset := t.Zone()
	switch shown := t.Add(time.Duration(offset) * time.Second); shown.Compare(time.Date(y, m, d, hour, minute, 0, 0, time.UTC)) {
	case -1: // local clocks skip it, and Date has used the offset after they do
		return end
	case 1: // the offset before
		return begin
	}
	if begin.IsZero() {
		return t
	}
	// Local clocks may show it twice.
	_, before := begin.Add(-1).Zone()
	if first := t.Add(time.Duration(offset-before) * time.Second); first.Before(begin) {
		return first
	}
	return t
}

// NextReset returns the first instant after t at which a window that counts FromReset is reset: then all
// that was granted before is spendable again. It returns the zero time for a window that counts from
// something else, and for one that [Limits.Validate] refuses.
func (w Window) NextReset(t time.Time) time.Time {
	if w.From != FromReset || w.invalid() != nil {
		return time.Time{}
	}
	r, err := newResets(w)
	if err != nil {
		return time.Time{}
	}
	_, next := r.period(t)
	return next
}

// calendar is resets in moments.
type calendar struct {
	resets
	epoch      time.Time // when moment 0 was, by the time of day as it is set now
	last, next moment    // the period that was asked for last
}

func newCalendar(w Window) *calendar {
	r, _ := newResets(w) // the window is valid
	return &calendar{resets: r}
}

// set says when moment 0 was, by the time of day as it is set now. It reports whether that is news.
func (c *calendar) set(epoch time.Time) bool {
	if c.epoch.Equal(epoch) {
		return false
	}
	c.epoch, c.last, c.next = epoch, 0, 0
	return true
}

// after returns the first reset after a moment.
func (c *calendar) after(m moment) moment {
	if m < c.last || m >= c.next {
		last, next := c.period(c.epoch.Add(time.Duration(m)))
		c.last, c.next = moment(last.Sub(c.epoch)), moment(next.Sub(c.epoch))
	}
	return c.next
}

// afterPeriods returns a moment that is not later than the n-th reset after a moment; n may be 0, and then it
// is the moment itself. It is exact if all periods have one length.
func (c *calendar) afterPeriods(m moment, n int) moment {
	if n == 0 {
		return m
	}
	end, n := c.after(m), n-1
	shortest := c.per
	switch {
	case c.per == Month:
		shortest = 27 * day
	case c.zone == time.UTC:
	case c.per == day:
		shortest = day - 3*time.Hour
	default:
		// Each day may have one period more than fit into 24 hours, and may itself be shorter.
		perDay := int64(day/c.per) + 1
		return end.afterTimes(day-3*time.Hour, int(int64(n)/perDay))
	}
	return end.afterTimes(shortest, n)
}
