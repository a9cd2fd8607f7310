package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// small is the run of the README's picture.
func small() (*run, error) {
	r, err := newRun("4/s 20/10s burst 4", scheduler.WithMaxQueue(12))
	if err != nil {
		return nil, err
	}
	const ms = time.Millisecond
	random := rand.New(rand.NewPCG(1, 2))
	takes := func(most int) time.Duration { return time.Duration(200+random.IntN(most)) * ms }
	for i := range 12 { // one after the other, within a moment
		r.at(time.Duration(i)*60*ms, func() { r.submit("batch", 1, 1, takes(900)) })
	}
	for i := range 18 {
		r.at(time.Duration(300+i*620)*ms, func() { r.submit("web", 3, 1, takes(400)) })
	}
	for i := range 7 {
		r.at(2500*ms+time.Duration(i)*40*ms, func() {
			t, ok := r.submit("import", 1, 1+i%2, takes(500))
			if ok && i == 4 {
				r.at(7400*ms, func() { r.giveUp("import", t) }) // its caller loses patience
			}
		})
	}
	r.at(4000*ms, func() { r.s.PauseFor(2 * time.Second) }) // 429, Retry-After: 2
	r.at(9000*ms, func() { r.s.SetLimits(scheduler.MustParseLimits("8/s 40/10s burst 6")) })
	r.play()
	return r, nil
}

// large is a run of 200,000 tickets.
func large() (*run, error) {
	r, err := newRun("40/s 2000/min burst 30", scheduler.WithMaxQueue(4000))
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(3, 4))
	const jobs = 200_000
	at := time.Duration(0)
	for range jobs {
		// Two waves of load, with calm between them.
		minute := int(at / time.Minute)
		gap := 42 * time.Millisecond
		if minute%60 > 12 && minute%60 < 40 {
			gap = 24 * time.Millisecond
		}
		at += time.Duration(random.Int64N(int64(2 * gap)))
		tenant := min(random.IntN(12), random.IntN(12), random.IntN(12))
		takes := time.Duration(100+random.IntN(700)) * time.Millisecond
		r.at(at, func() { r.submit(fmt.Sprintf("tenant-%02d", tenant+1), 1, 1, takes) })
	}
	r.at(70*time.Minute, func() { r.s.PauseFor(3 * time.Minute) })
	r.at(95*time.Minute, func() { r.s.SetLimits(scheduler.MustParseLimits("60/s 3000/min burst 40")) })
	r.play()
	return r, nil
}
