package realserver

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/flowguard-go/flowguard/flowhttp"
	gorilla "github.com/gorilla/websocket"
)

// echo sends back each message until the client closes.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

// Each open websocket holds a permit, so the burst is how many are open.
func TestWebsocket(t *testing.T) {
	s := start(t, "burst 2")
	handler, returned := counted(flowhttp.Handler(s, http.HandlerFunc(echo)))
	server := serve(t, handler)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dial := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), &websocket.DialOptions{HTTPClient: server.Client()})
	}

	var open []*websocket.Conn
	for range 2 {
		conn, _, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		open = append(open, conn)
	}
	for _, conn := range open {
		for _, text := range []string{"one", "two"} {
			if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := conn.Read(ctx); err != nil || string(got) != text {
				t.Fatalf("sent %s, got %q, %v", text, got, err)
			}
		}
	}
	inUse(t, s, 2)
	if _, resp, err := dial(); err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third websocket: %v, %v", resp, err)
	}
	<-returned // the refused one

	open[0].Close(websocket.StatusNormalClosure, "")
	<-returned
	inUse(t, s, 1)
	conn, _, err := dial()
	if err != nil {
		t.Fatalf("a third websocket in place of the first: %v", err)
	}
	conn.CloseNow() // without a goodbye
	open[1].CloseNow()
	<-returned
	<-returned
	inUse(t, s, 0)
}

// A websocket may wait for its permit before it opens.
func TestWebsocketWaits(t *testing.T) {
	s := start(t, "burst 1")
	held, _ := s.TryAcquire()
	handler, returned := counted(limit(s, http.HandlerFunc(echo)))
	server := serve(t, handler)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	opened := make(chan error)
	go func() {
		conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), &websocket.DialOptions{HTTPClient: server.Client()})
		if err == nil {
			err = conn.Close(websocket.StatusNormalClosure, "")
		}
		opened <- err
	}()
	waits(s, 1)
	held.Release()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	<-returned
	inUse(t, s, 0)
}

// A handler that hands its connection to another goroutine and returns has given its permit back.
func TestHijackedConnectionOutlivesPermit(t *testing.T) {
	s := start(t, "burst 1")
	finished := make(chan struct{})
	handler, returned := counted(flowhttp.Handler(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up := gorilla.Upgrader{}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer close(finished)
			defer conn.Close()
			kind, message, err := conn.ReadMessage()
			if err == nil {
				err = conn.WriteMessage(kind, message)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	})))
	server := serve(t, handler)
	conn, _, err := gorilla.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-returned
	inUse(t, s, 0)
	if err := conn.WriteMessage(gorilla.TextMessage, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != "still here" {
		t.Errorf("%q, %v", got, err)
	}
	<-finished
}
