package debug

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/flowguard-go/flowguard/scheduler"
)

// files are the page. They are sent unchanged.
//
//go:embed page
var files embed.FS

// handler serves the page and what it needs.
type handler struct {
	schedulers []named // by name
	controls   bool
	hosts      []string
	crossSite  *http.CrossOriginProtection
	audience   audience
	servers    servers
}

// named is a scheduler with its name.
type named struct {
	name string
	s    *scheduler.Scheduler
}

// Handler returns a handler that serves the page of the given schedulers. The keys of the map are the names
// that the page shows. Mount it on any path that ends with a slash. The map is copied. Handler panics if a
// scheduler or an option is nil.
//
// A server's Shutdown ends the streams of open pages, so it need not wait for them.
func Handler(schedulers map[string]*scheduler.Scheduler, opts ...Option) http.Handler {
	h := &handler{crossSite: http.NewCrossOriginProtection()}
	for _, name := range slices.Sorted(maps.Keys(schedulers)) {
		if schedulers[name] == nil {
			panic(fmt.Sprintf("debug: the scheduler %q of Handler is nil", name))
		}
		h.schedulers = append(h.schedulers, named{name, schedulers[name]})
	}
	for _, opt := range opts {
		opt.apply(h)
	}
	h.audience.schedulers = h.schedulers
	return h
}

// Option changes what [Handler] serves.
type Option interface{ apply(*handler) }

type optionFunc func(*handler)

func (f optionFunc) apply(h *handler) { f(h) }

// Controls gives the page buttons that pause and resume a scheduler and set its limits. The package's
// documentation says which requests are refused. Everybody who may see the page may use the buttons.
func Controls() Option { return optionFunc(func(h *handler) { h.controls = true }) }

// Hosts sets the host names, without port, under which the page may be reached, such as "ops.example.com".
// Requests for other names are refused. IP addresses and localhost are always accepted. Without Hosts the page
// can be seen under every name, and the buttons work only under IP addresses and localhost.
func Hosts(names ...string) Option {
	return optionFunc(func(h *handler) {
		for _, name := range names {
			h.hosts = append(h.hosts, canonicalHost(name))
		}
	})
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	if refusal := h.refusesReader(r); refusal != "" {
		fail(w, http.StatusForbidden, refusal)
		return
	}
	// The last part of the path says what is asked for, wherever the handler is mounted.
	_, what, ok := cutLast(r.URL.Path, "/")
	if !ok {
		what = r.URL.Path
	}
	switch what {
	case "pause", "resume", "limits":
		h.control(w, r, what)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "this can only be asked for with GET")
		return
	}
	switch what {
	case "":
		h.file(w, "index.html", "text/html; charset=utf-8")
	case "page.css":
		h.file(w, what, "text/css; charset=utf-8")
	case "page.js":
		h.file(w, what, "text/javascript; charset=utf-8")
	case "state.json":
		h.state(w, r)
	case "events":
		h.stream(w, r)
	case "timeline.svg":
		h.timeline(w, r)
	default:
		fail(w, http.StatusNotFound, "there is no "+what+" here; there is state.json, events, timeline.svg and, with a slash at the end, the page")
	}
}

// cutLast cuts around the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

func (h *handler) file(w http.ResponseWriter, name, contentType string) {
	content, err := files.ReadFile("page/" + name)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Write(content)
}

// find returns the scheduler that a request names. If there is only one, the request need not name it.
func (h *handler) find(name string) (named, error) {
	if name == "" && len(h.schedulers) == 1 {
		return h.schedulers[0], nil
	}
	for _, n := range h.schedulers {
		if n.name == name {
			return n, nil
		}
	}
	return named{}, fmt.Errorf("there is no scheduler %q; state.json lists them", name)
}

func (h *handler) state(w http.ResponseWriter, r *http.Request) {
	asked := h.schedulers
	if name := r.URL.Query().Get("scheduler"); name != "" {
		one, err := h.find(name)
		if err != nil {
			fail(w, http.StatusNotFound, err.Error())
			return
		}
		asked = []named{one}
	}
	report := Report{Schedulers: []State{}}
	for _, n := range asked {
		report.Schedulers = append(report.Schedulers, stateOf(n))
	}
	send(w, http.StatusOK, report)
}

// send answers with JSON.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error means that the client has gone
}

// fail answers with an error, as JSON.
func fail(w http.ResponseWriter, status int, message string) {
	send(w, status, map[string]string{"error": message})
}
