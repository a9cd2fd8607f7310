package flowotel

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Waits is the histogram flowguard.scheduler.wait_time: how long granted tickets waited in line, in seconds. It
// is a producer for a reader of the SDK, because no instrument can observe a histogram that is counted
// elsewhere:
//
//	metric.NewPeriodicReader(exporter, metric.WithProducer(waits))
//	prometheus.New(prometheus.WithProducer(waits))
//
// The zero Waits is ready for use, with any number of schedulers and readers. All methods may be called from
// any goroutine. The histogram is cumulative and counts every ticket. Its bounds are 0, for tickets that did
// not wait, and the powers of two from 1.024 µs to 73 minutes. A wait of exactly a bound counts above it.
type Waits struct {
	mu      sync.Mutex
	sources []*source
}

type source struct {
	name  attribute.Set
	s     *scheduler.Scheduler
	since time.Time
}

var _ metric.Producer = (*Waits)(nil)

// Add adds the tickets of a scheduler to the histogram, under its name. Call remove to take the scheduler out
// again. Add panics if s is nil.
func (w *Waits) Add(name string, s *scheduler.Scheduler) (remove func()) {
	added := &source{attribute.NewSet(attrScheduler.String(name)), s, time.Now()}
	s.Clock() // panics now rather than at a collection
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources = append(w.sources, added)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sources = slices.DeleteFunc(w.sources, func(s *source) bool { return s == added })
	}
}

// Produce implements [metric.Producer]. The error is nil.
func (w *Waits) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	w.mu.Lock()
	sources := slices.Clone(w.sources)
	w.mu.Unlock()
	if len(sources) == 0 {
		return nil, nil
	}
	histogram := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
	for _, s := range sources {
		histogram.DataPoints = append(histogram.DataPoints, s.point())
	}
	return []metricdata.ScopeMetrics{{
		Scope: instrumentation.Scope{Name: "github.com/flowguard-go/flowguard/flowotel"},
		Metrics: []metricdata.Metrics{{
			Name: prefix + "wait_time", Unit: "s", Data: histogram,
			Description: "How long granted tickets waited in line.",
		}},
	}}, nil
}

// The bounds are those of Totals.Waits with the indices from first to last, which are the powers of two of nanoseconds.
const first, last = 10, 42

var bounds = func() []float64 {
	all := []float64{0}
	for i := first; i <= last; i++ {
		all = append(all, (time.Duration(1) << i).Seconds())
	}
	return all
}()

// point returns what the scheduler counted so far.
func (s *source) point() metricdata.HistogramDataPoint[float64] {
	totals := s.s.Stats().Totals
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: s.name, StartTime: s.since, Time: time.Now(),
		Bounds: bounds, BucketCounts: make([]uint64, len(bounds)+1), Sum: totals.Waited,
	}
	for i, n := range totals.Waits {
		bucket := 0
		if i > 0 {
			bucket = 1 + min(max(i, first), last+1) - first
		}
		p.BucketCounts[bucket] += n
		p.Count += n
	}
	return p
}
