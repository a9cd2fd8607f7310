package flowotel_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/flowguard-go/flowguard/flowotel"
	"github.com/flowguard-go/flowguard/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, text string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(text), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// bench is a reader, and the meter of a provider that it reads.
type bench struct {
	testing.TB
	waits  *flowotel.Waits
	reader *metric.ManualReader
	*metric.MeterProvider
}

func newBench(t testing.TB) *bench {
	waits := new(flowotel.Waits)
	reader := metric.NewManualReader(metric.WithProducer(waits))
	return &bench{t, waits, reader, metric.NewMeterProvider(metric.WithReader(reader))}
}

func (b *bench) register(name string, s *scheduler.Scheduler, opts ...flowotel.Option) (unregister func()) {
	b.Helper()
	r, err := flowotel.Register(b.Meter("test"), name, s, opts...)
	if err != nil {
		b.Fatal(err)
	}
	remove := b.waits.Add(name, s)
	return func() {
		remove()
		if err := r.Unregister(); err != nil {
			b.Error(err)
		}
	}
}

// read returns all that is observed by its name and attributes, without those of the scheduler. A histogram is its count.
func (b *bench) read(name string) (values map[string]float64, waits metricdata.HistogramDataPoint[float64]) {
	b.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(context.Background(), &all); err != nil {
		b.Fatal(err)
	}
	values = map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				note(values, m.Name, name, data.DataPoints)
			case metricdata.Gauge[int64]:
				note(values, m.Name, name, data.DataPoints)
			case metricdata.Sum[float64]:
				note(values, m.Name, name, data.DataPoints)
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if of, _ := p.Attributes.Value("flowguard.scheduler.name"); of.AsString() == name {
						waits = p
					}
				}
			}
		}
	}
	return values, waits
}

func note[N int64 | float64](values map[string]float64, metric, scheduler string, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		text := strings.TrimPrefix(metric, "flowguard.scheduler.")
		of := ""
		for _, a := range p.Attributes.ToSlice() {
			if a.Key == "flowguard.scheduler.name" {
				of = a.Value.AsString()
			} else {
				text += " " + a.Value.AsString()
			}
		}
		if of == scheduler {
			values[text] = float64(p.Value)
		}
	}
}

func want(t testing.TB, got, want map[string]float64) {
	t.Helper()
	for name, n := range want {
		if g, ok := got[name]; !ok || g != n {
			t.Errorf("%s is %v (%v), want %v", name, g, ok, n)
		}
	}
}

func TestWhatIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s, err := scheduler.New(scheduler.MustParseLimits("3/min 100 tokens/h burst 2"), scheduler.WithHeldTime())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		other, err := scheduler.New(scheduler.MustParseLimits("9/s"))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		unregister := b.register("a", s)
		b.register("b", other)

		got, waits := b.read("a")
		want(t, got, map[string]float64{"waiting": 0, "in_use": 0, "granted": 0, "refused no_permit": 0, "window.used 3/min": 0, "paused": 0})
		if waits.Count != 0 {
			t.Errorf("%d waits", waits.Count)
		}
		first, _ := s.AcquireN(t.Context(), 1, scheduler.Unit("tokens").Of(7))
		second, _ := s.TryAcquire()
		s.TryAcquire()
		line, _ := s.Enqueue(1)
		gone, _ := s.Enqueue(1)
		gone.Cancel()
		s.AcquireN(t.Context(), 9)
		time.Sleep(3 * time.Second)
		first.Release()
		<-line.Ready()
		time.Sleep(time.Second)
		second.Release()
		s.Enqueue(1)
		s.PauseFor(time.Hour)

		got, waits = b.read("a")
		want(t, got, map[string]float64{
			"waiting": 1, "in_use": 1, "burst.limit": 2, "paused": 1,
			"window.used 3/min": 3, "window.limit 3/min": 3, "window.used tokens 100 tokens/h": 7, "window.limit tokens 100 tokens/h": 100,
			"enqueued": 5, "granted": 3, "undone": 0, "released": 2, "given_up": 1,
			"refused no_permit": 1, "refused too_large": 1, "refused closed": 0, "held": 7,
		})
		if waits.Count != 3 || waits.Sum != 3 || waits.BucketCounts[0] != 2 {
			t.Errorf("waits %+v", waits)
		}
		for i, n := range waits.BucketCounts[1:] {
			if n > 0 && (waits.Bounds[i] > 3 || waits.Bounds[i+1] < 3) {
				t.Errorf("the wait of 3 s is between %v and %v", waits.Bounds[i], waits.Bounds[i+1])
			}
		}

		if err := s.SetLimits(scheduler.MustParseLimits("4/min")); err != nil {
			t.Fatal(err)
		}
		got, _ = b.read("a")
		want(t, got, map[string]float64{"window.limit 4/min": 4})
		for _, name := range []string{"burst.limit", "window.used 3/min"} {
			if n, ok := got[name]; ok {
				t.Errorf("%s is still %v", name, n)
			}
		}
		s.Close()
		got, _ = b.read("a")
		want(t, got, map[string]float64{"waiting": 0, "given_up": 2})
		unregister()
		if got, waits := b.read("a"); len(got) > 0 || waits.Count > 0 {
			t.Errorf("after Unregister: %v, %v", got, waits)
		}
		if got, _ := b.read("b"); len(got) == 0 {
			t.Error("the other scheduler is observed no more")
		}
	})
}

// source leases ten permits for an hour, or cannot be reached.
type source struct{ away atomic.Bool }

func (s *source) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	if s.away.Load() {
		return scheduler.QuotaReply{}, io.EOF
	}
	return scheduler.QuotaReply{Leased: 10, For: time.Hour, Beat: time.Second}, nil
}

// A scheduler that shares a quota has two series more.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		src := new(source)
		s, err := scheduler.New(scheduler.MustParseLimits("100/min"), scheduler.WithQuota(src))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		defer b.register("a", s)()
		if got, _ := b.read("a"); len(got) == 0 || got["quota.leased"] != 0 {
			t.Errorf("before the first exchange: %v", got)
		}
		if _, err := s.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, _ := b.read("a")
		want(t, got, map[string]float64{"quota.leased": 9, "quota.away": 0})
		src.away.Store(true)
		time.Sleep(2 * time.Second)
		got, _ = b.read("a")
		want(t, got, map[string]float64{"quota.away": 1})
		src.away.Store(false)
		time.Sleep(10 * time.Second)
		got, _ = b.read("a")
		want(t, got, map[string]float64{"quota.away": 0})
	})
}

// Nothing is lost, however many tickets there are and whoever does not read.
func TestAllIsCounted(t *testing.T) {
	b := newBench(t)
	s := start(t, "burst 3 1000000000/s", scheduler.WithMaxQueue(2))
	stalled, err := s.Watch(1)
	if err != nil {
		t.Fatal(err)
	}
	b.register("a", s)
	tickets := 1_000_000
	if testing.Short() {
		tickets = 50_000
	}
	var granted, full, none, gaveUp atomic.Int64
	var wg sync.WaitGroup
	const workers = 8
	for range workers {
		wg.Go(func() {
			for range tickets / workers {
				switch rand.IntN(4) {
				case 0:
					if one, ok := s.TryAcquire(); ok {
						granted.Add(1)
						one.Release()
					} else {
						none.Add(1)
					}
				case 1:
					one, err := s.Enqueue(1)
					if err != nil {
						full.Add(1)
						continue
					}
					if rand.IntN(2) == 0 {
						one.Cancel() // in line, or granted and not received: it comes to given up or undone
						gaveUp.Add(1)
						continue
					}
					<-one.Ready()
					granted.Add(1)
					one.Release()
				default:
					one, err := s.Acquire(context.Background())
					if err != nil {
						full.Add(1)
						continue
					}
					granted.Add(1)
					one.Release()
				}
			}
		})
	}
	wg.Wait()
	got, waits := b.read("a")
	want(t, got, map[string]float64{
		"waiting": 0, "in_use": 0, "refused no_permit": float64(none.Load()), "refused queue_full": float64(full.Load()),
		"released": float64(granted.Load()),
		"enqueued": float64(granted.Load() + gaveUp.Load()),
	})
	if sum := got["given_up"] + got["undone"]; sum != float64(gaveUp.Load()) {
		t.Errorf("given up and undone %v, want %d", sum, gaveUp.Load())
	}
	if got["granted"] != float64(waits.Count) || got["granted"] != got["released"]+got["undone"] {
		t.Errorf("granted %v, released %v, undone %v, waits of %d", got["granted"], got["released"], got["undone"], waits.Count)
	}
	var sum uint64
	for _, n := range waits.BucketCounts {
		sum += n
	}
	if sum != waits.Count {
		t.Errorf("the buckets hold %d, the count is %d", sum, waits.Count)
	}
	if stalled.Missed() == 0 {
		t.Error("the watcher missed nothing, so this shows too little")
	}
	t.Logf("%v", got)
}

// Waits of any length stand between the bounds.
func TestBounds(t *testing.T) {
	for _, wait := range []time.Duration{1, 1023, 1024, 1025, time.Millisecond, time.Second, time.Hour, 1<<42 - 1, 1 << 42, 50 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			s, err := scheduler.New(scheduler.Limits{MaxBurst: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			b.register("a", s)
			held, _ := s.TryAcquire()
			line, _ := s.Enqueue(1)
			time.Sleep(wait)
			held.Release()
			<-line.Ready()
			_, waits := b.read("a")
			low, high := math.Inf(-1), 0.0
			for i, n := range waits.BucketCounts {
				if i < len(waits.Bounds) {
					high = waits.Bounds[i]
				} else {
					high = math.Inf(1)
				}
				if i > 0 && n > 0 && (wait.Seconds() < low || wait.Seconds() > high) {
					t.Errorf("%v is counted between %v and %v", wait, low, high)
				}
				low = high
			}
			if waits.Count != 2 || waits.Sum != wait.Seconds() {
				t.Errorf("%v: %d waits of %v seconds", wait, waits.Count, waits.Sum)
			}
		})
	}
}

func TestFlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s, err := scheduler.New(scheduler.MustParseLimits("burst 9"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		unregister := b.register("a", s, flowotel.WithFlows(2))
		defer unregister()
		for i, key := range []string{"x", "y", "x", "z", "w"} {
			if _, ok := s.Flow(key, 1).TryAcquire(); !ok {
				t.Fatal(i)
			}
		}
		synctest.Wait()
		got, _ := b.read("a")
		want(t, got, map[string]float64{"flow.granted x": 2, "flow.granted y": 1, "flow.granted other": 2})
	})
	s := start(t, "burst 1")
	s.Close()
	b := newBench(t)
	if _, err := flowotel.Register(b.Meter("test"), "a", s, flowotel.WithFlows(2)); err != scheduler.ErrClosed {
		t.Error(err)
	}
	if _, err := flowotel.Register(b.Meter("test"), "a", nil); err == nil {
		t.Error("a nil scheduler is registered")
	}
}

// A scrape as Prometheus makes it.
func TestScrape(t *testing.T) {
	s := start(t, "3/min burst 2")
	registry := prometheus.NewRegistry()
	waits := new(flowotel.Waits)
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithProducer(waits))
	if err != nil {
		t.Fatal(err)
	}
	meter := metric.NewMeterProvider(metric.WithReader(exporter)).Meter("test")
	if _, err := flowotel.Register(meter, "github", s); err != nil {
		t.Fatal(err)
	}
	waits.Add("github", s)
	s.TryAcquire()
	s.TryAcquireN(2)

	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`flowguard_scheduler_in_use{flowguard_scheduler_name="github"`,
		`flowguard_scheduler_window_used{flowguard_scheduler_name="github",flowguard_window="3/min"`,
		`flowguard_scheduler_refused_total{error_type="no_permit",flowguard_scheduler_name="github"`,
		`flowguard_scheduler_wait_time_seconds_bucket{flowguard_scheduler_name="github"`,
		`flowguard_scheduler_wait_time_seconds_count{flowguard_scheduler_name="github"`,
	} {
		if i := strings.Index(string(text), line); i < 0 || !strings.Contains(strings.SplitN(string(text)[i:], "\n", 2)[0], "} 1") {
			t.Errorf("the scrape has no %s … 1", line)
		}
	}
	if t.Failed() {
		t.Log(string(text))
	}
}

func ExampleRegister() {
	s, err := scheduler.New(scheduler.MustParseLimits("3/min burst 2"))
	if err != nil {
		panic(err)
	}
	defer s.Close()

	waits := new(flowotel.Waits)
	reader := metric.NewManualReader(metric.WithProducer(waits)) // a program takes a periodic one, or Prometheus
	meter := metric.NewMeterProvider(metric.WithReader(reader)).Meter("example")
	registration, err := flowotel.Register(meter, "github", s)
	if err != nil {
		panic(err)
	}
	defer registration.Unregister()
	defer waits.Add("github", s)()

	s.TryAcquire()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		panic(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == "flowguard.scheduler.in_use" {
				fmt.Println(m.Name, m.Data.(metricdata.Sum[int64]).DataPoints[0].Value)
			}
		}
	}
	// Output: flowguard.scheduler.in_use 1
}
