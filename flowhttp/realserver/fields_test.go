package realserver

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// A parser of structured fields that was written elsewhere reads what we write, whatever the limits, their
// use and the name.
func TestFieldsParse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	names := []string{"", "client", `a "quoted" name`, `back\slash`, "ümläut", "tab\tand\nline"}
	synctest.Test(t, func(t *testing.T) {
		for range 300 {
			limits := scheduler.Limits{MaxBurst: rnd.IntN(3) * rnd.IntN(1<<40)}
			if rnd.IntN(3) == 0 {
				limits.Windows = append(limits.Windows, scheduler.Unit("tokens").PerMinute(1+rnd.IntN(1000)))
			}
			if rnd.IntN(3) == 0 {
				limits.Windows = append(limits.Windows, scheduler.MustParseLimits("7/min evenly 90/h from reset").Windows...)
			}
			for range 1 + rnd.IntN(4) {
				limits.Windows = append(limits.Windows, scheduler.Window{
					Permits: 1 + rnd.IntN(1<<rnd.IntN(62)),
					Per:     time.Duration(1 + rnd.Int64N(1<<(10+rnd.IntN(45)))),
					From:    scheduler.Instant(rnd.IntN(2)),
				})
			}
			s, err := scheduler.New(limits)
			if err != nil {
				t.Fatal(err)
			}
			name := names[rnd.IntN(len(names))]
			h := flowhttp.Middleware(flowhttp.Limit{Scheduler: flowhttp.Always(s), Name: name})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				check(t, w.Header(), s, name)
			}))
			for range rnd.IntN(5) {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
				time.Sleep(time.Duration(rnd.Int64N(1 << rnd.IntN(40))))
			}
			s.Close()
		}
	})
}

// check is called while the request is served, so that what it has taken is still in use.
func check(t *testing.T, h http.Header, s *scheduler.Scheduler, name string) {
	t.Helper()
	stats := s.Stats() // nothing else uses it
	read := func(field string) (items []httpsfv.Item) {
		list, err := httpsfv.UnmarshalList(h.Values(field))
		if err != nil {
			t.Errorf("%s: %s: %v", field, h.Get(field), err)
		}
		for _, member := range list {
			items = append(items, member.(httpsfv.Item))
		}
		return items
	}
	number := func(i httpsfv.Item, key string) int64 {
		n, ok := i.Params.Get(key)
		if !ok {
			return -1
		}
		return n.(int64)
	}
	ceil := func(d time.Duration) int64 {
		n := int64(d / time.Second)
		if d%time.Second > 0 {
			n++
		}
		return n
	}
	const most = 999_999_999_999_999
	policies, limits := read("RateLimit-Policy"), read("RateLimit")
	burst := s.Limits().MaxBurst
	if want := len(stats.Windows) + min(burst, 1); len(policies) != want || len(limits) != len(stats.Windows) {
		t.Fatalf("%d policies and %d limits for %v", len(policies), len(limits), s.Limits())
	}
	for i, window := range stats.Windows {
		p, l := policies[i], limits[i]
		text := strings.ReplaceAll(window.Window.String(), "µs", "us")
		unit, _ := p.Params.Get("qu")
		if want := string(window.Unit); want != "" && unit != want || want == "" && unit != nil {
			t.Errorf("%v: qu=%v", window, unit)
		}
		if p.Value != l.Value || !strings.HasSuffix(fmt.Sprint(p.Value), text) || name == "" && p.Value != text {
			t.Errorf("%v is named %q and %q", window.Window, p.Value, l.Value)
		}
		if q, w := number(p, "q"), number(p, "w"); q != min(int64(window.Permits), most) || w != ceil(window.Per) || w < 1 {
			t.Errorf("%v: q=%d;w=%d", window.Window, q, w)
		}
		r, left := number(l, "r"), number(l, "t")
		if r != min(int64(window.Remaining), most) {
			t.Errorf("%v: r=%d", window, r)
		}
		want := int64(-1)
		if !window.NextFree.IsZero() {
			want = ceil(time.Until(window.NextFree))
		}
		if left != want {
			t.Errorf("%v: t=%d, want %d", window, left, want)
		}
	}
	if burst > 0 {
		p := policies[len(policies)-1]
		if unit, _ := p.Params.Get("qu"); unit != "concurrent-requests" || number(p, "q") != min(int64(burst), most) {
			t.Errorf("burst %d: %v", burst, p)
		}
	}
}
