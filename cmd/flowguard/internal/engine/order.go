package engine

import (
	"maps"
	"slices"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/process"
)

// order decides when what jobs wrote is published: at once, or in the order of the items.
type order struct {
	keep    bool
	next    int          // the Seq whose turn it is
	waiting map[int]*job // ended, by Seq; nil: nothing to publish
	ready   []*job       // to be published
}

func newOrder(keep bool) order { return order{keep: keep, next: 1, waiting: map[int]*job{}} }

// held is how many jobs have ended and are not published.
func (o *order) held() int { return len(o.waiting) + len(o.ready) }

// add takes a job that has ended.
func (o *order) add(j *job) {
	if !o.keep {
		o.ready = append(o.ready, j)
		return
	}
	o.waiting[j.item.Seq] = j
	o.advance()
}

// skip notes that nothing will come of an item.
func (o *order) skip(seq int) {
	if o.keep {
		o.waiting[seq] = nil
		o.advance()
	}
}

func (o *order) advance() {
	for {
		j, ok := o.waiting[o.next]
		if !ok {
			return
		}
		delete(o.waiting, o.next)
		o.next++
		if j != nil {
			o.ready = append(o.ready, j)
		}
	}
}

// attempt takes a job's standard error from an attempt that is not its last. It drops the standard output,
// because there must be one answer for each item.
func (o *order) attempt(j *job) {
	output := j.exit.Output
	j.exit.Output = nil
	if output == nil {
		return
	}
	output.Stdout.Discard()
	o.ready = append(o.ready, &job{item: j.item, exit: process.Exit{Output: output}, unlogged: true})
}

// flush makes all jobs ready that have ended. Those before them will not.
func (o *order) flush() {
	for _, seq := range slices.Sorted(maps.Keys(o.waiting)) {
		if j := o.waiting[seq]; j != nil {
			o.ready = append(o.ready, j)
		}
	}
	clear(o.waiting)
}
