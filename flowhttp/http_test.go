package flowhttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/flowhttp"
	"github.com/flowguard-go/flowguard/scheduler"
)

// serve starts a server and returns a client of it, with a burst of 1, and its scheduler.
func serve(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *http.Client, *scheduler.Scheduler) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	if http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	s := start(t, "1000/s burst 1")
	client := server.Client()
	limited := flowhttp.NewTransport(s)
	limited.Base = client.Transport
	client.Transport = limited
	client.Timeout = time.Minute // it fails instead of hanging
	return server, client, s
}

func TestRealServers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello by ", r.Proto) })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		for range 100 {
			io.WriteString(w, strings.Repeat("x", 10_000))
		}
	})
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Sum")
		io.WriteString(w, "hello")
		w.Header().Set("Sum", "42")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/redirect2")
		w.WriteHeader(302)
		io.WriteString(w, strings.Repeat("x", 10_000))
	})
	mux.HandleFunc("/redirect2", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/hello", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/abort", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 10_000))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, http2 := range []bool{false, true} {
		server, client, s := serve(t, mux, http2)
		proto := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]
		read := func(path string) (*http.Response, string, error) {
			resp, err := client.Get(server.URL + path)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if resp.Proto != proto {
				t.Errorf("%s: by %s", path, resp.Proto)
			}
			b, err := io.ReadAll(resp.Body)
			t.Cleanup(func() { resp.Body.Close() }) // not before: the next would hang if only Close gave the permit back
			return resp, string(b), err
		}
		for _, path := range []string{"/hello", "/redirect"} {
			if _, body, err := read(path); body != "hello by "+proto || err != nil {
				t.Errorf("%s: %q, %v", path, body, err)
			}
		}
		if _, body, err := read("/large"); len(body) != 1_000_000 || err != nil {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		if resp, body, err := read("/trailer"); body != "hello" || resp.Trailer.Get("Sum") != "42" || err != nil {
			t.Errorf("%q, trailer %v, %v", body, resp.Trailer, err)
		}
		if _, _, err := read("/abort"); err == nil {
			t.Error("an aborted answer was read to its end")
		}
		for _, path := range []string{"/empty", "/nothing"} {
			resp, err := client.Get(server.URL + path)
			if err != nil || s.Stats().InUse != 0 {
				t.Errorf("%s: %v, %+v", path, err, s.Stats())
			}
			resp.Body.Close()
		}
		resp, err := client.Head(server.URL + "/large")
		if err != nil || s.Stats().InUse != 0 {
			t.Errorf("HEAD: %v, %+v", err, s.Stats())
		}
		resp.Body.Close()
		resp, err = client.Post(server.URL+"/echo", "text/plain", strings.NewReader("echo"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "echo" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		wantInUse(t, s, 0)
		resp.Body.Close()
		client.CloseIdleConnections()
	}
}

// A connection that switched protocols is written to through the answer's body.
func TestSwitchingProtocols(t *testing.T) {
	server, client, s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		io.Copy(conn, rw)
	}), false)
	client.Timeout = 0 // an http.Client with a Timeout hides that the body can be written to
	upgrade := func() io.ReadWriteCloser {
		req := request(t, background)
		req.URL.Host = strings.TrimPrefix(server.URL, "http://")
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		conn, writable := resp.Body.(io.ReadWriteCloser)
		if !writable {
			t.Fatalf("%T cannot be written to", resp.Body)
		}
		wantInUse(t, s, 1)
		return conn
	}

	conn := upgrade()
	fmt.Fprintln(conn, "hello")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	conn.Close()
	wantInUse(t, s, 0)

	conn = upgrade()
	defer conn.Close()
	if _, err := conn.(io.ReaderFrom).ReadFrom(strings.NewReader("all of it")); err != nil {
		t.Error(err)
	}
	half, can := conn.(interface{ CloseWrite() error })
	if !can {
		t.Skip("this Go cannot close the writing side of such a connection")
	}
	if err := half.CloseWrite(); err != nil {
		t.Error(err)
	}
	var b strings.Builder
	if _, err := conn.(io.WriterTo).WriteTo(&b); b.String() != "all of it" || err != nil {
		t.Errorf("%q, %v", b.String(), err)
	}
	wantInUse(t, s, 0)
}

// The connection is lost before an answer comes.
func TestLostConnection(t *testing.T) {
	server, client, s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}), false)
	if resp, err := client.Get(server.URL); err == nil {
		t.Errorf("status %d", resp.StatusCode)
	}
	wantInUse(t, s, 0)
}
