package flowotel

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Attributes of what is observed.
const (
	attrScheduler = attribute.Key("flowguard.scheduler.name")
	attrWindow    = attribute.Key("flowguard.window")
	attrUnit      = attribute.Key("flowguard.unit")
	attrFlow      = attribute.Key("flowguard.flow")
	attrError     = attribute.Key("error.type")
)

// Option changes what [Register] observes.
type Option func(*config)

type config struct{ flows int }

// WithFlows makes flowguard.scheduler.flow.granted count the grants of each flow, under the attribute
// flowguard.flow. Every key becomes a time series, and stays one after its flow has gone. So only the given
// number of keys is told apart, and later keys count together under the key "other". Do not put keys into
// metrics that clients can invent.
//
// It needs a watcher. If the watcher cannot keep up, grants are missing in this counter, and in no other.
func WithFlows(most int) Option { return func(c *config) { c.flows = most } }

// Register makes the instruments of the meter observe the scheduler, under a name that tells it from other
// schedulers. Any number of schedulers may be registered with one meter.
//
// The scheduler is not garbage collected until Unregister is called. A closed scheduler is observed as it was
// at the end.
//
// It returns the meter's error, [scheduler.ErrClosed] if WithFlows is given and the scheduler is closed, or an
// error if the scheduler is nil.
func Register(meter metric.Meter, name string, s *scheduler.Scheduler, opts ...Option) (metric.Registration, error) {
	if s == nil {
		return nil, errors.New("flowotel: the scheduler of Register is nil; make one with scheduler.New")
	}
	var cfg config
	for _, opt := range opts {
		opt(&cfg)
	}
	i, err := newInstruments(meter)
	if err != nil {
		return nil, err
	}
	o := &observer{instruments: i, s: s, name: attrScheduler.String(name)}
	if cfg.flows > 0 {
		if o.flows, err = follow(s, cfg.flows); err != nil {
			return nil, err
		}
	}
	r, err := meter.RegisterCallback(o.observe, i.all...)
	if err != nil {
		o.flows.stop()
		return nil, err
	}
	return &registration{Registration: r, flows: o.flows}, nil
}

// registration also ends the watching of flows.
type registration struct {
	metric.Registration
	flows *flows
}

func (r *registration) Unregister() error {
	r.flows.stop()
	return r.Registration.Unregister()
}

// instruments are those of one meter. A meter gives the same ones to all who ask.
type instruments struct {
	all []metric.Observable

	waiting, inUse, burst, paused, leased, away, used, limit, enqueued, granted, undone, released, givenUp, refused, flow metric.Int64Observable

	held metric.Float64Observable
}

func newInstruments(meter metric.Meter) (*instruments, error) {
	i := &instruments{}
	var failed error
	add := func(o metric.Observable, err error) {
		i.all, failed = append(i.all, o), errors.Join(failed, err)
	}
	level := func(name, unit, description string) metric.Int64Observable {
		o, err := meter.Int64ObservableUpDownCounter(prefix+name, metric.WithUnit(unit), metric.WithDescription(description))
		add(o, err)
		return o
	}
	counter := func(name, unit, description string) metric.Int64Observable {
		o, err := meter.Int64ObservableCounter(prefix+name, metric.WithUnit(unit), metric.WithDescription(description))
		add(o, err)
		return o
	}
	i.waiting = level("waiting", "{ticket}", "Tickets in line.")
	i.inUse = level("in_use", "{permit}", "Permits granted and not yet given back.")
	i.burst = level("burst.limit", "{permit}", "The cap on permits in use.")
	i.used = level("window.used", "{permit}", "Permits, or what the window counts, that count now.")
	i.limit = level("window.limit", "{permit}", "The most that may count in the window.")
	whether := func(name, description string) metric.Int64Observable {
		o, err := meter.Int64ObservableGauge(prefix+name, metric.WithDescription(description))
		add(o, err)
		return o
	}
	i.paused = whether("paused", "1 while a pause lasts, else 0.")
	i.leased = level("quota.leased", "{permit}", "Permits of a shared quota that may be granted without asking its source.")
	i.away = whether("quota.away", "1 while the source of a shared quota cannot be reached, else 0.")
	i.enqueued = counter("enqueued", "{ticket}", "Tickets that were accepted.")
	i.granted = counter("granted", "{ticket}", "Tickets that were granted.")
	i.undone = counter("undone", "{ticket}", "Grants that were taken back because the caller had gone.")
	i.released = counter("released", "{ticket}", "Tickets whose permits were given back.")
	i.givenUp = counter("given_up", "{ticket}", "Tickets that left the line without a grant.")
	i.refused = counter("refused", "{ticket}", "Tickets that were not accepted.")
	i.flow = counter("flow.granted", "{ticket}", "Tickets of the flow that were granted.")
	held, err := meter.Float64ObservableCounter(prefix+"held", metric.WithUnit("s"), metric.WithDescription("How long released tickets were held, all together."))
	i.held = held
	add(held, err)
	return i, failed
}

const prefix = "flowguard.scheduler."

// observer observes one scheduler.
type observer struct {
	*instruments
	s     *scheduler.Scheduler
	name  attribute.KeyValue
	flows *flows

	shares atomic.Bool // whether it has been seen to share a quota; other schedulers have no such series
}

// observe is called at each collection.
func (o *observer) observe(_ context.Context, to metric.Observer) error {
	stats := o.s.Stats()
	totals := stats.Totals
	all := func(attrs ...attribute.KeyValue) metric.ObserveOption {
		return metric.WithAttributes(append(attrs, o.name)...)
	}
	to.ObserveInt64(o.waiting, int64(stats.Waiting), all())
	to.ObserveInt64(o.inUse, int64(stats.InUse), all())
	to.ObserveInt64(o.paused, oneIf(stats.Paused), all())
	if !stats.Quota.Until.IsZero() || stats.Quota.Err != nil {
		o.shares.Store(true)
	}
	if o.shares.Load() {
		to.ObserveInt64(o.leased, int64(stats.Quota.Leased), all())
		to.ObserveInt64(o.away, oneIf(stats.Quota.Err != nil), all())
	}
	if burst := o.s.Limits().MaxBurst; burst > 0 {
		to.ObserveInt64(o.burst, int64(burst), all())
	}
	seen := map[scheduler.Window]bool{}
	for _, w := range stats.Windows {
		if seen[w.Window] { // a second one of the same limits counts the same
			continue
		}
		seen[w.Window] = true
		attrs := []attribute.KeyValue{attrWindow.String(w.Window.String())}
		if w.Unit != "" {
			attrs = append(attrs, attrUnit.String(string(w.Unit)))
		}
		to.ObserveInt64(o.used, int64(w.Used), all(attrs...))
		to.ObserveInt64(o.limit, int64(w.Permits), all(attrs...))
	}
	for _, c := range []struct {
		of metric.Int64Observable
		n  uint64
	}{
		{o.enqueued, totals.Enqueued},
		{o.granted, stats.Granted + totals.Undone}, // Granted falls when a grant is undone
		{o.undone, totals.Undone},
		{o.released, totals.Released},
		{o.givenUp, totals.GivenUp},
	} {
		to.ObserveInt64(c.of, int64(c.n), all())
	}
	for reason, n := range totals.Refused.All() {
		to.ObserveInt64(o.refused, int64(n), all(attrError.String(reason)))
	}
	if totals.Held > 0 {
		to.ObserveFloat64(o.held, totals.Held, all())
	}
	for key, n := range o.flows.counts() {
		to.ObserveInt64(o.flow, int64(n), all(attrFlow.String(key)))
	}
	return nil
}

func oneIf(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
