package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/flowguard-go/flowguard/debug"
	"github.com/flowguard-go/flowguard/scheduler"
)

// start makes a scheduler that is closed with the test.
func start(t *testing.T, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(limits), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// serve serves the page where everybody would, and returns its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/debug/flowguard/", h)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		// Shutdown waits for what is being answered, and the stream of an open page would never end.
		ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
		defer stop()
		if err := server.Config.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		server.Close()
	})
	return server.URL + "/debug/flowguard/"
}

// work keeps some flows busy until the test ends.
func work(t *testing.T, s *scheduler.Scheduler, flows ...string) {
	ctx, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	t.Cleanup(func() { stop(); workers.Wait() })
	for i, flow := range flows {
		for range 2 + i {
			workers.Go(func() {
				for ctx.Err() == nil {
					err := s.Flow(flow, i+1).Do(ctx, func(ctx context.Context) error {
						select {
						case <-time.After(90 * time.Millisecond):
						case <-ctx.Done():
						}
						return nil
					})
					if err != nil {
						return
					}
				}
			})
		}
	}
}

const card = `document.querySelector('[data-scheduler="github"]')`

// The page loads, shows what is, and moves.
func TestPageMoves(t *testing.T) {
	b := open(t)
	s := start(t, "10/s 400/min burst 3")
	work(t, s, "web", "batch")
	idle := start(t, "3/2s")
	url := serve(t, debug.Handler(map[string]*scheduler.Scheduler{"github": s, "idle": idle}))
	b.size(1280, 900, "light")
	b.do(chromedp.Navigate(url))
	b.until(card + ` !== null`)
	b.until(`document.querySelectorAll(".card").length === 2`)

	granted := `Number(` + card + `.querySelector('[data-figure=granted]').textContent)`
	b.until(granted + ` > 3`)
	eval[int](b, `window.before = `+granted)
	b.until(granted + ` > window.before + 3`)
	b.until(card + `.querySelectorAll("tbody tr").length === 2`)
	shares := `[...` + card + `.querySelectorAll("tbody tr")].map(row => row.cells[0].textContent + row.cells[1].textContent).sort().join()`
	if got := eval[string](b, shares); got != "batch2,web1" {
		t.Errorf("shares of the flows %q", got)
	}
	if got := b.text(`[data-scheduler="github"] .limits`); got != "10/s 400/min burst 3" {
		t.Errorf("limits %q", got)
	}
	if got := b.text(`[data-scheduler="github"] .badge`); got != "running" {
		t.Errorf("badge %q", got)
	}

	// The picture changes although nothing is done to the page.
	pixels := card + `.querySelector("canvas").toDataURL()`
	eval[string](b, `window.picture = `+pixels)
	b.until(pixels + ` !== window.picture`)

	// Without Controls there are no buttons.
	if !eval[bool](b, card+`.querySelector("form").hidden`) {
		t.Error("there are buttons though they are not switched on")
	}
	if c := b.quiet(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// awaySource is the source of a quota that cannot be reached.
type awaySource struct{}

func (awaySource) Exchange(context.Context, scheduler.QuotaRequest) (scheduler.QuotaReply, error) {
	return scheduler.QuotaReply{}, errors.New("no route to the quota")
}

// The page says why nothing is granted if the source of a shared quota is out of reach.
func TestQuotaOutOfReach(t *testing.T) {
	b := open(t)
	s := start(t, "10/s", scheduler.WithQuota(awaySource{}))
	if _, err := s.Enqueue(1); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(serve(t, debug.Handler(map[string]*scheduler.Scheduler{"github": s}))))
	b.until(card + ` !== null`)
	badge := card + `.querySelector(".badge")`
	b.until(badge + `.textContent === "quota out of reach"`)
	if got := eval[string](b, badge+`.title`); !strings.Contains(got, "no route to the quota") {
		t.Errorf("the tooltip is %q", got)
	}
}

// The buttons do what they say.
func TestButtons(t *testing.T) {
	b := open(t)
	s := start(t, "10/s burst 3")
	work(t, s, "web")
	url := serve(t, debug.Handler(map[string]*scheduler.Scheduler{"github": s}, debug.Controls()))
	b.do(chromedp.Navigate(url))
	b.until(card + ` !== null && !` + card + `.querySelector("form").hidden`)
	click := func(order string) { b.do(chromedp.Click(`[data-scheduler="github"] [data-order="` + order + `"]`)) }
	badge := card + `.querySelector(".badge").textContent`

	click("pause")
	b.until(badge + ` === "paused"`)
	if got := s.Stats(); !got.Paused || !got.Resumes.IsZero() {
		t.Errorf("after Pause: %+v", got)
	}
	click("resume")
	b.until(badge + ` === "running"`)
	if s.Stats().Paused {
		t.Error("still paused")
	}
	click("pauseFor")
	b.until(badge + `.startsWith("paused for")`)
	if s.Stats().Resumes.IsZero() {
		t.Error("the pause has no end")
	}
	click("resume")
	b.until(badge + ` === "running"`)

	input := `[data-scheduler="github"] input[name=limits]`
	b.do(chromedp.SetValue(input, "25/s burst 7"))
	click("limits")
	b.until(card + `.querySelector(".limits").textContent === "25/s burst 7"`)
	if got := s.Limits().String(); got != "25/s burst 7" {
		t.Errorf("limits %s", got)
	}
	if c := b.quiet(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}

	// What does not read as limits is explained, and changes nothing.
	b.do(chromedp.SetValue(input, "5/fortnight"))
	click("limits")
	b.until(card + `.querySelector("output.wrong") !== null`)
	if got := b.text("output"); !strings.Contains(got, "fortnight") {
		t.Errorf("explained as %q", got)
	}
	if got := s.Limits().String(); got != "25/s burst 7" {
		t.Errorf("limits %s after a mistake", got)
	}
}

// Another site in the same browser cannot press the buttons, and learns nothing.
func TestOtherSiteIsRefused(t *testing.T) {
	b := open(t)
	s := start(t, "10/s")
	url := serve(t, debug.Handler(map[string]*scheduler.Scheduler{"github": s}, debug.Controls()))
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>another site</title>")
	}))
	defer evil.Close()
	// Another port of 127.0.0.1 would be the same site, so this one has another name.
	b.do(chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)))
	for _, attempt := range []string{
		`fetch("` + url + `pause", {method: "POST", mode: "no-cors", body: '{"scheduler":"github"}'}).then(() => "sent", () => "refused")`,
		`fetch("` + url + `pause", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"scheduler":"github"}'}).then(() => "sent", () => "refused")`,
		`fetch("` + url + `state.json").then(r => r.text(), () => "refused")`,
		`new Promise(done => { const f = document.createElement("form"); f.method = "POST"; f.enctype = "text/plain"; f.action = "` + url + `pause"; f.target = "frame";
			const i = document.createElement("input"); i.name = '{"scheduler":"github","x":"'; i.value = '"}'; f.append(i);
			const frame = document.createElement("iframe"); frame.name = "frame"; frame.onload = () => done("sent"); document.body.append(frame, f); f.submit(); })`,
	} {
		got := eval[string](b, attempt)
		if strings.Contains(got, "github") {
			t.Errorf("%s\nread %s", attempt, got)
		}
		if s.Stats().Paused {
			t.Fatalf("%s\npaused the scheduler", attempt)
		}
	}
}

// When the server goes the page says so, and when it comes back the page goes on by itself.
func TestPageComesBack(t *testing.T) {
	b := open(t)
	s := start(t, "10/s")
	h := debug.Handler(map[string]*scheduler.Scheduler{"github": s})
	first := httptest.NewServer(h)
	defer first.Close()
	b.do(chromedp.Navigate(first.URL + "/"))
	b.until(card + ` !== null`)
	address := first.Listener.Addr().String()
	first.CloseClientConnections()
	first.Close()
	b.until(`document.querySelector("#connection").className === "lost"`)

	second := httptest.NewUnstartedServer(h)
	second.Listener.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	second.Listener = listener
	second.Start()
	defer func() {
		second.Config.Shutdown(context.Background())
		second.Close()
	}()
	b.until(`document.querySelector("#connection").className === "live"`)
}

// A scheduler that is closed is shown as such, and the stream ends.
func TestClosedScheduler(t *testing.T) {
	b := open(t)
	s := start(t, "10/s")
	b.do(chromedp.Navigate(serve(t, debug.Handler(map[string]*scheduler.Scheduler{"github": s}))))
	b.until(card + ` !== null`)
	s.Close()
	b.until(card + `.querySelector(".badge").textContent === "closed"`)
	b.until(`document.querySelector("#connection").textContent === "all schedulers are closed"`)
	if c := b.quiet(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// Keys of flows and names of schedulers are text, whatever they contain.
func TestNothingIsRunFromNames(t *testing.T) {
	b := open(t)
	const bad = `<img src=x onerror="window.harm=1">"'&`
	s := start(t, "1/h")
	for range 3 {
		if _, err := s.Flow(bad, 1).Enqueue(1); err != nil {
			t.Fatal(err)
		}
	}
	b.do(chromedp.Navigate(serve(t, debug.Handler(map[string]*scheduler.Scheduler{bad: s}))))
	b.until(`document.querySelector("h2") !== null`)
	if _, err := s.Flow(bad, 1).Enqueue(1); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelectorAll("tbody tr").length === 1`)
	if got := b.text("tbody td"); got != bad {
		t.Errorf("flow %q", got)
	}
	if got := b.text("h2"); got != bad {
		t.Errorf("name %q", got)
	}
	if images := eval[int](b, `document.images.length + (window.harm || 0)`); images != 0 {
		t.Errorf("%d images", images)
	}
}

// It can be read on a phone and on a wide screen, in the dark and in the light.
func TestLayout(t *testing.T) {
	b := open(t)
	s := start(t, "20/s 400/min burst 4", scheduler.WithMaxQueue(12))
	work(t, s, "web", "batch", "import")
	other := start(t, "5/s 1000/day")
	work(t, other, "")
	// Large numbers, and names that are long.
	costs := start(t, "60/min 90000 tokens/min 20000000 bytes/min 5000/day from reset 00:00 America/Los_Angeles burst 4")
	if _, err := costs.AcquireN(t.Context(), 1, scheduler.Unit("tokens").Of(88_888), scheduler.Unit("bytes").Of(18_888_888)); err != nil {
		t.Fatal(err)
	}
	all := map[string]*scheduler.Scheduler{"github": s, "search": other, "model": costs}
	b.do(chromedp.Navigate(serve(t, debug.Handler(all, debug.Controls()))))
	b.until(card + ` !== null`)
	b.do(chromedp.Click(`input[value="30"] + span`))
	frames := `cards.get("github").frames.length`
	b.until(frames + ` > 20`)
	s.PauseFor(2 * time.Second)
	b.until(frames + ` > 30`)
	s.SetLimits(scheduler.MustParseLimits("30/s 600/min burst 6"))
	b.until(frames + ` > 50`)
	for _, size := range []struct{ width, height int64 }{{360, 740}, {800, 900}, {1440, 900}} {
		for _, scheme := range []string{"light", "dark"} {
			b.size(size.width, size.height, scheme)
			b.until(fmt.Sprintf(`innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches`, size.width, scheme))
			b.until(`document.querySelector("canvas").width === Math.round(document.querySelector("canvas").clientWidth * devicePixelRatio)`)
			if over := eval[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				t.Errorf("at %d pixels the page is %d too wide", size.width, over)
			}
			if cut := eval[string](b, `[...document.querySelectorAll(".how")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent).join()`); cut != "" {
				t.Errorf("at %d pixels there is no room for %s", size.width, cut)
			}
			b.screenshot(fmt.Sprintf("page-%d-%s", size.width, scheme))
		}
	}
	if c := b.quiet(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}
