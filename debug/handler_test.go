package debug

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// start makes a scheduler that is closed with the test.
func start(t testing.TB, limits string, opts ...scheduler.Option) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(scheduler.MustParseLimits(limits), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// ask makes a request without a network. Headers are "Name: value"; "Host: " is the host.
func ask(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:6060"
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The page and its parts are there wherever the handler is mounted.
func TestFiles(t *testing.T) {
	h := Handler(map[string]*scheduler.Scheduler{"a": start(t, "5/s")})
	for _, mount := range []string{"/debug/flowguard/", "/", "/x/"} {
		for file, kind := range map[string]string{"": "text/html; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8", "state.json": "application/json"} {
			w := ask(h, "GET", mount+file, "")
			if w.Code != 200 || w.Header().Get("Content-Type") != kind || w.Body.Len() == 0 {
				t.Errorf("%s%s: %d %s, %d bytes", mount, file, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
			}
			if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s%s: %s", mount, file, csp)
			}
		}
	}
	for path, want := range map[string]int{"/debug/flowguard/other": 404, "/debug/flowguard/page/index.html": 404, "/debug/flowguard/state.json?scheduler=b": 404} {
		if w := ask(h, "GET", path, ""); w.Code != want || !strings.Contains(w.Body.String(), `"error":"there is no `) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(h, "POST", "/state.json", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

// The page asks nothing of other hosts and contains no script or style of its own, which its policy
// forbids.
func TestPageIsSelfContained(t *testing.T) {
	for _, name := range []string{"index.html", "page.css", "page.js"} {
		content, err := files.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"http://", "https://", "//cdn", "@import", "innerHTML", "eval(", "style=", "onclick=", "<style"} {
			if strings.Contains(string(content), bad) {
				t.Errorf("%s contains %s", name, bad)
			}
		}
	}
}

// The page reads a window's limit from the leading number of its text.
func TestWindowsBeginWithTheirLimit(t *testing.T) {
	s := start(t, "5/s 10000 tokens/min 2500000 tokens/h evenly 7 rows/s from release 5000/day from reset 09:00 Europe/Berlin burst 2")
	var report struct {
		Schedulers []struct {
			Stats struct {
				Windows []struct{ Window string }
			}
		}
	}
	if err := json.Unmarshal(ask(Handler(map[string]*scheduler.Scheduler{"a": s}), "GET", "/state.json", "").Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	for i, w := range s.Limits().Windows {
		text := report.Schedulers[0].Stats.Windows[i].Window
		digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		if digits != fmt.Sprint(w.Permits) {
			t.Errorf("%q does not begin with %d", text, w.Permits)
		}
	}
}

func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := start(t, "2/s burst 5"), start(t, "1/h")
		h := Handler(map[string]*scheduler.Scheduler{"b": b, "a": a})
		for range 4 {
			if _, err := a.Enqueue(1); err != nil {
				t.Fatal(err)
			}
		}
		b.Close()
		var report Report
		if err := json.Unmarshal(ask(h, "GET", "/state.json", "").Body.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		if len(report.Schedulers) != 2 || report.Schedulers[0].Name != "a" || report.Schedulers[1].Name != "b" {
			t.Fatalf("%+v", report)
		}
		got := report.Schedulers[0]
		if !got.Open || got.Limits != "2/s burst 5" || got.MaxBurst != 5 || got.Stats.Waiting != 2 || got.Stats.InUse != 2 ||
			got.Wait == nil || *got.Wait != 2 || !got.Stats.NextWake.Equal(got.At.Add(time.Second)) || got.Stats.Windows[0].Used != 2 {
			t.Errorf("%+v", got)
		}
		if got := report.Schedulers[1]; got.Open || got.Wait != nil {
			t.Errorf("%+v", got)
		}
		report = Report{}
		if err := json.Unmarshal(ask(h, "GET", "/state.json?scheduler=a", "").Body.Bytes(), &report); err != nil || len(report.Schedulers) != 1 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

const asJSON = "Content-Type: application/json"

// Orders do what they say, and only if all that protects them is satisfied.
func TestControl(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []Option
		method  string
		what    string
		body    string
		headers []string
		status  int
		says    string // in the answer
	}{
		{"pause", nil, "POST", "pause", `{"scheduler":"a"}`, []string{asJSON}, 200, `"paused":true`},
		{"only one scheduler need not be named", nil, "POST", "pause", `{}`, []string{asJSON}, 200, `"paused":true`},
		{"pause for a while", nil, "POST", "pause", `{"scheduler":"a","seconds":0.5}`, []string{asJSON}, 200, `"resumes":"`},
		{"resume", nil, "POST", "resume", `{"scheduler":"a"}`, []string{asJSON}, 200, `"paused":false`},
		{"limits", nil, "POST", "limits", `{"scheduler":"a","limits":"7/min burst 2"}`, []string{asJSON}, 200, `"limits":"7/min burst 2"`},
		{"with a character set", nil, "POST", "pause", `{}`, []string{"Content-Type: application/json; charset=utf-8"}, 200, `"paused":true`},
		{"from the page itself", nil, "POST", "pause", `{}`, []string{asJSON, "Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:6060"}, 200, `"paused":true`},
		{"by IPv6", nil, "POST", "pause", `{}`, []string{asJSON, "Host: [::1]:6060"}, 200, `"paused":true`},
		{"by localhost", nil, "POST", "pause", `{}`, []string{asJSON, "Host: LOCALHOST:6060"}, 200, `"paused":true`},
		{"by a known name", []Option{Hosts("Ops.Example.com")}, "POST", "pause", `{}`, []string{asJSON, "Host: ops.example.com.:80"}, 200, `"paused":true`},

		{"bad limits", nil, "POST", "limits", `{"limits":"5/fortnight"}`, []string{asJSON}, 400, "fortnight"},
		{"no limits", nil, "POST", "limits", `{}`, []string{asJSON}, 400, "expected at least one window"},
		{"negative pause", nil, "POST", "pause", `{"seconds":-1}`, []string{asJSON}, 400, "seconds must be more than 0"},
		{"endless pause", nil, "POST", "pause", `{"seconds":1e300}`, []string{asJSON}, 400, "seconds must be"},
		{"unknown scheduler", nil, "POST", "pause", `{"scheduler":"b"}`, []string{asJSON}, 404, `there is no scheduler \"b\"`},
		{"no JSON", nil, "POST", "pause", `pause it`, []string{asJSON}, 400, "does not read"},
		{"unknown field", nil, "POST", "pause", `{"second":5}`, []string{asJSON}, 400, `unknown field`},
		{"too long", nil, "POST", "pause", `{"limits":"` + strings.Repeat("x", maxOrder) + `"}`, []string{asJSON}, 400, "too large"},
		{"GET", nil, "GET", "pause", "", []string{asJSON}, 405, "with POST"},
		{"a form", nil, "POST", "pause", `{}`, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json"},
		{"a form of text", nil, "POST", "pause", `{}`, []string{"Content-Type: text/plain"}, 415, "application/json"},
		{"no type", nil, "POST", "pause", `{}`, nil, 415, "application/json"},
		{"from another site", nil, "POST", "pause", `{}`, []string{asJSON, "Sec-Fetch-Site: cross-site"}, 403, ""},
		{"from another port", nil, "POST", "pause", `{}`, []string{asJSON, "Sec-Fetch-Site: same-site"}, 403, ""},
		{"from another origin, by an old browser", nil, "POST", "pause", `{}`, []string{asJSON, "Origin: http://evil.example"}, 403, ""},
		{"by a rebound name", nil, "POST", "pause", `{}`, []string{asJSON, "Host: evil.example:6060", "Origin: http://evil.example:6060", "Sec-Fetch-Site: same-origin"}, 403, `debug.Hosts(\"evil.example\")`},
		{"by a name that looks like an address", nil, "POST", "pause", `{}`, []string{asJSON, "Host: 127.0.0.1.evil.example"}, 403, "is not known"},
		{"by a name that ends like localhost", nil, "POST", "pause", `{}`, []string{asJSON, "Host: notlocalhost"}, 403, "is not known"},
		{"without a host", nil, "POST", "pause", `{}`, []string{asJSON, "Host: "}, 403, "is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, "5/s")
			h := Handler(map[string]*scheduler.Scheduler{"a": s}, append(c.options, Controls())...)
			w := ask(h, c.method, "/debug/flowguard/"+c.what, c.body, c.headers...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.says)
			}
			if c.status != 200 && (s.Stats().Paused || s.Limits().String() != "5/s") {
				t.Errorf("it changed something: %+v, %v", s.Stats(), s.Limits())
			}
			// Without Controls the same does nothing.
			off := Handler(map[string]*scheduler.Scheduler{"a": start(t, "5/s")}, c.options...)
			if w := ask(off, c.method, "/debug/flowguard/"+c.what, c.body, c.headers...); w.Code == 200 {
				t.Errorf("without Controls: %d %s", w.Code, w.Body)
			}
		})
	}
	closed := start(t, "5/s")
	closed.Close()
	if w := ask(Handler(map[string]*scheduler.Scheduler{"a": closed}, Controls()), "POST", "/pause", "{}", asJSON); w.Code != 409 {
		t.Errorf("of a closed scheduler: %d %s", w.Code, w.Body)
	}
}

// With Hosts nobody may even look under another name, and other sites may not embed what costs something.
func TestReading(t *testing.T) {
	open := Handler(map[string]*scheduler.Scheduler{"a": start(t, "5/s")})
	named := Handler(map[string]*scheduler.Scheduler{"a": start(t, "5/s")}, Hosts("ops.example.com"))
	for _, c := range []struct {
		name    string
		h       http.Handler
		headers []string
		want    int
	}{
		{"any name", open, []string{"Host: any.example"}, 200},
		{"another name", named, []string{"Host: any.example"}, 403},
		{"the name", named, []string{"Host: ops.example.com:8080"}, 200},
		{"an address", named, []string{"Host: 10.1.2.3"}, 200},
		{"followed a link", open, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, 200},
		{"embedded", open, []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
	} {
		if w := ask(c.h, "GET", "/state.json", "", c.headers...); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

func TestHandlerOfNil(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); got != `debug: the scheduler "a" of Handler is nil` {
			t.Errorf("panics with %s", got)
		}
	}()
	Handler(map[string]*scheduler.Scheduler{"a": nil})
}

// page is a browser that reads the stream.
type page struct {
	response *http.Response
	reader   *bufio.Reader
}

func connect(t *testing.T, url string) *page {
	t.Helper()
	response, err := http.Get(url + "/debug/flowguard/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", response.Status, response.Header.Get("Content-Type"))
	}
	return &page{response, bufio.NewReader(response.Body)}
}

// next returns the next event.
func (p *page) next() (event, data string, err error) {
	for {
		line, err := p.reader.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "":
			return event, data, nil
		case strings.HasPrefix(line, "event: "):
			event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		}
	}
}

// until reads frames until one is as wanted.
func (p *page) until(t *testing.T, wanted func(frameState) bool) frameState {
	t.Helper()
	for {
		event, data, err := p.next()
		if err != nil {
			t.Fatal(err)
		}
		if event != "state" {
			continue
		}
		var f frameData
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			t.Fatal(err)
		}
		if wanted(f.Schedulers[0]) {
			return f.Schedulers[0]
		}
	}
}

// The stream begins with the present, goes on, and ends when all schedulers are closed.
func TestStream(t *testing.T) {
	s := start(t, "100/s")
	server := httptest.NewServer(Handler(map[string]*scheduler.Scheduler{"a": s}))
	defer server.Close()
	p := connect(t, server.URL)
	if event, data, err := p.next(); event != "hello" || !strings.Contains(data, `"controls":false`) {
		t.Fatal(event, data, err)
	}
	p.until(t, func(f frameState) bool { return f.Open && f.Stats.Granted == 0 })
	if _, err := s.Flow("web", 3).Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := p.until(t, func(f frameState) bool { return f.Seen.Granted == 1 })
	if len(f.Seen.Flows) != 1 || f.Seen.Flows[0].Key != "web" || f.Seen.Flows[0].Share != 1 || f.Seen.Flows[0].Configured != 3 {
		t.Errorf("%+v", f.Seen)
	}
	s.Close()
	p.until(t, func(f frameState) bool { return f.Closed })
	for {
		event, _, err := p.next()
		if event == "end" {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := p.next(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	// Who comes later is told at once that all is over.
	late := connect(t, server.URL)
	for event := ""; event != "end"; {
		var err error
		if event, _, err = late.next(); err != nil {
			t.Fatal(err)
		}
	}
}

// Shutdown of the server ends the streams, which would otherwise go on for as long as a page is open.
func TestShutdownEndsStreams(t *testing.T) {
	s := start(t, "100/s")
	server := httptest.NewServer(Handler(map[string]*scheduler.Scheduler{"a": s}))
	defer server.Close()
	pages := []*page{connect(t, server.URL), connect(t, server.URL)}
	for _, p := range pages {
		p.until(t, func(frameState) bool { return true })
	}
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		for {
			if _, _, err := p.next(); err != nil {
				break
			}
		}
	}
}

// stuck is a browser that takes nothing: each Write blocks until it is let go.
type stuck struct {
	*httptest.ResponseRecorder
	free    chan struct{}
	blocked chan struct{} // closed at the first Write
	once    sync.Once
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.blocked) })
	<-s.free
	return 0, errors.New("gone")
}

func (s *stuck) Flush() {}

// A browser that takes nothing slows neither the scheduler nor another browser.
func TestStuckBrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 10")
		h := Handler(map[string]*scheduler.Scheduler{"a": s}).(*handler)
		free := make(chan struct{})
		var browsers sync.WaitGroup
		for range 5 {
			w := &stuck{httptest.NewRecorder(), free, make(chan struct{}), sync.Once{}}
			browsers.Go(func() { h.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil)) })
			<-w.blocked
		}
		other, _, ok := h.audience.join()
		if !ok {
			t.Fatal("no place")
		}
		for range 10_000 { // more events than a watcher has room for, in all
			permit, err := s.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			permit.Release()
		}
		synctest.Wait()
		<-other.frames // the first
		time.Sleep(interval)
		synctest.Wait()
		var f frameData
		if err := json.Unmarshal(<-other.frames, &f); err != nil {
			t.Fatal(err)
		}
		if got := f.Schedulers[0]; got.Stats.Granted != 10_000 || got.Seen.Granted+got.Seen.Missed < 10_000 {
			t.Errorf("%+v", got)
		}
		h.audience.leave(other)
		close(free)
		browsers.Wait()
		synctest.Wait()
		if h.audience.show != nil {
			t.Error("the show goes on without anybody who looks")
		}
	})
}

// shows returns how many goroutines the shows of this process have. It looks at their stacks, because
// runtime.NumGoroutine counts one that has ended for a moment longer.
func shows() int {
	stacks := make([]byte, 1<<20)
	n := 0
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "debug.(*show).run") || strings.Contains(stack, "debug.(*tally).follow") {
			n++
		}
	}
	return n
}

// Nothing runs while nobody looks, and nothing remains after all have left.
func TestNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 10")
		h := Handler(map[string]*scheduler.Scheduler{"a": s}).(*handler)
		check := func(when string, looks bool) {
			t.Helper()
			synctest.Wait()
			if run := shows(); (run > 0) != looks || (h.audience.show != nil) != looks {
				t.Errorf("%s: %d goroutines of shows; a show: %v", when, run, h.audience.show != nil)
			}
		}
		check("at first", false)
		ask(h, "GET", "/", "")
		ask(h, "GET", "/state.json", "")
		check("after a look", false)
		for range 3 {
			a, _, _ := h.audience.join()
			b, _, _ := h.audience.join()
			check("while two look", true)
			h.audience.leave(a)
			h.audience.leave(a)
			check("while one looks", true)
			h.audience.leave(b)
			check("after both have left", false)
		}
		if n := testing.AllocsPerRun(100, func() {
			permit, _ := s.TryAcquire()
			permit.Release()
		}); n > 0 {
			t.Errorf("a permit allocates %v times after all have left", n)
		}
	})
}

// A looker who takes nothing gets the newest frame when it does, and too many are refused.
func TestAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "burst 10")
		h := Handler(map[string]*scheduler.Scheduler{"a": s}).(*handler)
		l, _, _ := h.audience.join()
		for range 5 {
			if _, ok := s.TryAcquire(); !ok {
				t.Fatal("no permit")
			}
			time.Sleep(interval)
		}
		synctest.Wait()
		var f frameData
		if err := json.Unmarshal(<-l.frames, &f); err != nil || f.Schedulers[0].Stats.Granted != 5 {
			t.Errorf("%+v, %v", f, err)
		}
		lookers := []*looker{l}
		for range maxLookers - 1 {
			l, _, ok := h.audience.join()
			if !ok {
				t.Fatal("refused")
			}
			lookers = append(lookers, l)
		}
		if w := ask(h, "GET", "/events", ""); w.Code != 503 {
			t.Errorf("one too many: %d", w.Code)
		}
		for _, l := range lookers {
			h.audience.leave(l)
		}
		synctest.Wait()
	})
}

// A picture is recorded for as long as was asked, or until the client goes.
func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, "5/s")
		h := Handler(map[string]*scheduler.Scheduler{"a<b": s})
		for range 8 {
			if _, err := s.Enqueue(1); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		w := ask(h, "GET", "/timeline.svg?seconds=2", "")
		if took := time.Since(began); w.Code != 200 || took != 2*time.Second || w.Header().Get("Content-Type") != "image/svg+xml" {
			t.Fatalf("%d after %v: %s", w.Code, took, w.Body)
		}
		if !strings.Contains(w.Body.String(), "a&lt;b: 5/s") || !strings.Contains(w.Body.String(), "3 tickets in 2s: 3 granted.") {
			t.Error(w.Body)
		}
		if err := xml.Unmarshal(w.Body.Bytes(), new(any)); err != nil {
			t.Error(err)
		}
		for query, want := range map[string]int{"seconds=0": 400, "seconds=301": 400, "seconds=NaN": 400, "seconds=x": 400, "scheduler=c": 404} {
			if w := ask(h, "GET", "/timeline.svg?"+query, ""); w.Code != want {
				t.Errorf("%s: %d %s", query, w.Code, w.Body)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var recordings sync.WaitGroup
		for range maxRecordings {
			recordings.Go(func() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/timeline.svg?seconds=200", nil))
			})
		}
		synctest.Wait()
		if w := ask(h, "GET", "/timeline.svg?seconds=1", ""); w.Code != 503 {
			t.Errorf("one too many: %d", w.Code)
		}
		began = time.Now()
		recordings.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("clients had gone for %v", took)
		}
		s.Close()
		if w := ask(h, "GET", "/timeline.svg?seconds=1", ""); w.Code != 409 {
			t.Errorf("of a closed scheduler: %d", w.Code)
		}
	})
}
