package scheduler

import (
	"slices"
	"sync"
	"time"
)

// nextReset returns when a window that counts from reset is reset after a moment. It knows no calendar: it
// has looked at a clock in every minute of some weeks.
//
// Windows with shorter periods are to be in UTC, and moment 0 at midnight.
func nextReset(w Window, epoch time.Time, m moment) moment {
	if w.Per < time.Minute {
		return (m/moment(w.Per) + 1) * moment(w.Per)
	}
	all := resetsOf(w.Per, w.ResetAt, w.Zone, epoch)
	i, exact := slices.BinarySearch(all, m)
	if exact {
		i++
	}
	return all[i] // the oracle gives up where it has not looked
}

type resetsKey struct {
	per, at time.Duration
	zone    string
	epoch   time.Time
}

var knownResets sync.Map

// resetsOf returns the resets of 80 days, the first ones before the epoch.
func resetsOf(per, at time.Duration, zone string, epoch time.Time) (all []moment) {
	key := resetsKey{per, at, zone, epoch}
	if known, ok := knownResets.Load(key); ok {
		return known.([]moment)
	}
	place, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	hadDay, dayBegan := "", moment(0)
	for minute := range 80 * 24 * 60 {
		now := moment(minute-3*24*60) * moment(time.Minute)
		local := epoch.Add(time.Duration(now)).In(place)
		clock := time.Duration(local.Hour())*time.Hour + time.Duration(local.Minute())*time.Minute
		// The day begins when local clocks first show the time, or one after it where they skip it.
		if date := local.Format(time.DateOnly); clock >= at && date != hadDay {
			if hadDay != "" || clock == at { // else looking began in the middle of a day
				all, dayBegan = append(all, now), now
			}
			hadDay = date
		} else if per < 24*time.Hour && len(all) > 0 && (now-dayBegan)%moment(per) == 0 {
			all = append(all, now)
		}
	}
	knownResets.Store(key, all)
	return all
}
