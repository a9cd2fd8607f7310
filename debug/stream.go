package debug

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/flowguard-go/flowguard/timeline"
)

// patience is how long a connection may take nothing.
const patience = 10 * time.Second

// hello is the first event of a stream.
type hello struct {
	Controls bool   `json:"controls"`         // the buttons work
	Reason   string `json:"reason,omitempty"` // why they do not, if they were switched on
	Interval int    `json:"interval_ms"`      // between frames
}

// stream sends the state four times a second, as server-sent events.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	looker, ended, ok := h.audience.join()
	if !ok {
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open, and no more are allowed; close one", maxLookers))
		return
	}
	defer h.audience.leave(looker)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy should pass each event on at once
	out := http.NewResponseController(w)

	write := func(event string, data []byte) bool {
		// If no deadline can be set, such as in a test's recorder, the write may take any time.
		out.SetWriteDeadline(time.Now().Add(patience))
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data)
		return err == nil && out.Flush() == nil
	}
	if !write("hello", h.hello(r)) {
		return
	}
	shutdown := h.servers.shutdown(r)
	for {
		select {
		case frame := <-looker.frames:
			if !write("state", frame) {
				return
			}
		case <-ended:
			select {
			case frame := <-looker.frames:
				write("state", frame)
			default:
			}
			write("end", []byte("{}"))
			return
		case <-shutdown:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (h *handler) hello(r *http.Request) []byte {
	says := hello{Controls: h.controls, Interval: int(interval / time.Millisecond)}
	if h.controls && !h.knows(r) {
		says.Controls, says.Reason = false, h.unknownHost(r)
	}
	data, _ := json.Marshal(says) // of booleans and strings
	return data
}

// maxSeconds is how long a picture may be recorded.
const maxSeconds = 300

// timeline records a scheduler for some seconds and sends the picture.
func (h *handler) timeline(w http.ResponseWriter, r *http.Request) {
	n, err := h.find(r.URL.Query().Get("scheduler"))
	if err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	seconds := 10.0
	if text := r.URL.Query().Get("seconds"); text != "" {
		if seconds, err = strconv.ParseFloat(text, 64); err != nil || !(seconds > 0 && seconds <= maxSeconds) {
			fail(w, http.StatusBadRequest, fmt.Sprintf("seconds must be more than 0 and at most %d, got %q", maxSeconds, text))
			return
		}
	}
	if !h.audience.record(1) {
		fail(w, http.StatusServiceUnavailable, "too many pictures are recorded at once")
		return
	}
	defer h.audience.record(-1)
	length := time.Duration(seconds * float64(time.Second))
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + patience))
	tl, err := timeline.Record(n.s)
	if err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	defer tl.Stop()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.servers.shutdown(r):
	case <-r.Context().Done():
		return
	}
	tl.Stop()
	var svg bytes.Buffer
	if err := tl.SVG(&svg, timeline.Title(n.name+": "+n.s.Limits().String())); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	header := w.Header()
	header.Set("Content-Type", "image/svg+xml")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Write(svg.Bytes())
}

// maxRecordings bounds the pictures that are recorded at once.
const maxRecordings = 8

// record counts recordings. It returns false if there are too many.
func (a *audience) record(by int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if by > 0 && a.recordings >= maxRecordings {
		return false
	}
	a.recordings += by
	return true
}

// servers tells streams that the server they belong to shuts down. Shutdown waits for requests that are
// being answered, and a stream would never end.
type servers struct {
	mu    sync.Mutex
	known map[*http.Server]chan struct{}
}

// shutdown returns a channel that is closed when the server of the request shuts down, or nil.
func (s *servers) shutdown(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[*http.Server]chan struct{}{}
	}
	ended, ok := s.known[server]
	if !ok {
		ended = make(chan struct{})
		s.known[server] = ended
		server.RegisterOnShutdown(func() { close(ended) })
	}
	return ended
}
