package realserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
)

func serve2(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// Many streams of one HTTP/2 connection wait for a few permits.
func TestHTTP2(t *testing.T) {
	s := start(t, "burst 3")
	var inside, most atomic.Int64
	server := serve2(t, limit(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		io.Copy(w, r.Body)
		w.Header().Set(http.TrailerPrefix+"Sum", fmt.Sprint(r.ContentLength))
	})))
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			text := strings.Repeat("x", 1000*i)
			resp, err := server.Client().Post(server.URL, "text/plain", strings.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != text || resp.ProtoMajor != 2 || resp.Trailer.Get("Sum") != fmt.Sprint(len(text)) {
				t.Errorf("%v, %d bytes of %d, %s, trailer %v", err, len(body), len(text), resp.Proto, resp.Trailer)
			}
			if got := resp.Header.Get("RateLimit-Policy"); got != `"burst 3";q=3;qu="concurrent-requests"` {
				t.Errorf("RateLimit-Policy: %s", got)
			}
		})
	}
	clients.Wait()
	if most.Load() > 3 {
		t.Errorf("%d handlers at once, want 3 at most", most.Load())
	}
	server.Close() // waits for the handlers
	inUse(t, s, 0)
}

// A stream that its client resets while it waits leaves the line, and the connection goes on.
func TestHTTP2Reset(t *testing.T) {
	s := start(t, "burst 1")
	handler, returned := counted(limit(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })))
	server := serve2(t, handler)
	held, _ := s.TryAcquire()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("a body that nobody reads"))
		resp, err := server.Client().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		gone <- err
	}()
	waits(s, 1)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-returned
	inUse(t, s, 1)
	held.Release()
	if resp, body := get(t, server, "/"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// All that a ResponseController can do works behind a limit, as do the interfaces that it stands for.
func TestResponseController(t *testing.T) {
	s := start(t, "burst 1")
	goOn := make(chan struct{})
	handler := flowhttp.Handler(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := errors.Join(c.EnableFullDuplex(), c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetWriteDeadline(time.Now().Add(time.Hour))); err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/hijack" {
			conn, rw, err := c.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhijacked\n")
			rw.Flush()
			return
		}
		io.WriteString(w, "first\n")
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Errorf("%T is no Flusher", w)
		}
		if _, ok := w.(io.ReaderFrom); ok != (r.ProtoMajor == 1) {
			t.Errorf("%T, ReaderFrom: %t", w, ok)
		}
		<-goOn // the client has the first line
		io.WriteString(w, "second\n")
	}))
	handler, returned := counted(handler)
	for _, server := range []*httptest.Server{serve(t, handler), serve2(t, handler)} {
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		if !lines.Scan() || lines.Text() != "first" {
			t.Errorf("%s: %q", resp.Proto, lines.Text())
		}
		inUse(t, s, 1)
		goOn <- struct{}{}
		if !lines.Scan() || lines.Text() != "second" {
			t.Errorf("%s: %q", resp.Proto, lines.Text())
		}
		resp.Body.Close()
		<-returned
		inUse(t, s, 0)
	}
	if resp, body := get(t, serve(t, handler), "/hijack"); resp.StatusCode != 200 || body != "hijacked\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	<-returned
	inUse(t, s, 0)
}
