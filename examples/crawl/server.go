package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// host is a strict server. It does its own counting, without Flowguard's code.
type host struct {
	all *gauge // of all hosts

	mu       sync.Mutex
	arrivals []time.Time // of the requests let in
	open     int
}

// The limits of a host. The crawler has the same ones in perHost.
const (
	hostPerSecond = 5
	hostAtOnce    = 2
	jitter        = 40 * time.Millisecond // a request is on its way for up to this long, and its answer too
)

func newHost(all *gauge) *host { return &host{all: all} }

// ServeHTTP answers a page, after some time.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.all.add(1)
	defer h.all.add(-1)
	time.Sleep(rand.N(jitter)) // here it has not arrived yet
	if !h.enter() {
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	fmt.Fprintln(w, "page", r.URL.Path)
	h.leave()
	time.Sleep(rand.N(jitter))
}

func (h *host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if n := len(h.arrivals); h.open >= hostAtOnce || n >= hostPerSecond && now.Sub(h.arrivals[n-hostPerSecond]) < time.Second {
		return false
	}
	h.arrivals = append(h.arrivals, now)
	h.open++
	return true
}

func (h *host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open--
}

// gauge counts what is in progress, and remembers the most there ever was.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func (g *gauge) highest() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}
