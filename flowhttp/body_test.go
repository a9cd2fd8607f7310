package flowhttp_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// copying is a body with a WriteTo of its own.
type copying struct {
	io.Reader
	used bool
	err  error
}

func (c *copying) Close() error { return nil }

func (c *copying) WriteTo(w io.Writer) (int64, error) {
	c.used = true
	n, err := io.Copy(w, c.Reader)
	if err == nil {
		err = c.err
	}
	return n, err
}

// connection is a body that can be written to.
type connection struct {
	*copying
	bytes.Buffer
	readFrom bool
}

func (c *connection) Read(p []byte) (int, error)         { return c.copying.Read(p) }
func (c *connection) WriteTo(w io.Writer) (int64, error) { return c.copying.WriteTo(w) }
func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	c.readFrom = true
	return c.Buffer.ReadFrom(r)
}

type full struct{}

func (full) Write(p []byte) (int, error) { return 0, errors.New("full") }

func TestCopying(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		to    io.Writer
		inUse int
	}{
		{"to the end", nil, io.Discard, 0},
		{"read error", errReset, io.Discard, 0},
		{"write error", nil, full{}, 1}, // the body has not ended
	} {
		for _, duplex := range []bool{false, true} {
			s := start(t, "5/s")
			own := &copying{Reader: strings.NewReader("hello"), err: c.err}
			resp, err := toFar(s, func(*http.Request) (*http.Response, error) {
				resp := answer(200, "")
				resp.Body = own
				if duplex {
					resp.Body = &connection{copying: own}
				}
				return resp, nil
			}).RoundTrip(request(t, background))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := resp.Body.(io.WriterTo).WriteTo(c.to); (err == nil) != (c.inUse == 0 && c.err == nil) {
				t.Errorf("%s: %v", c.name, err)
			}
			if !own.used {
				t.Errorf("%s: without the body's own WriteTo", c.name)
			}
			wantInUse(t, s, c.inUse)
			resp.Body.Close()
			wantInUse(t, s, 0)
		}
	}
}

func TestReadFrom(t *testing.T) {
	s := start(t, "5/s")
	conn := &connection{copying: &copying{Reader: strings.NewReader("hello")}}
	resp, err := toFar(s, func(*http.Request) (*http.Response, error) {
		resp := answer(101, "")
		resp.Body = conn
		return resp, nil
	}).RoundTrip(request(t, background))
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(resp.Body.(io.Writer), struct{ io.Reader }{strings.NewReader("to you")})
	if !conn.readFrom || conn.String() != "to you" {
		t.Errorf("%v, %q", conn.readFrom, conn.String())
	}
	if _, is := resp.Body.(interface{ CloseWrite() error }); is {
		t.Error("it claims that its writing side can be closed")
	}
	wantInUse(t, s, 1)
	resp.Body.Close()
}

// A body without the optional methods gets none, so that io.CopyBuffer uses its buffer.
func TestPlainBody(t *testing.T) {
	s := start(t, "5/s")
	resp, err := toFar(s, func(*http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = &closeNoting{Reader: strings.NewReader("hello")}
		return resp, nil
	}).RoundTrip(request(t, background))
	if err != nil {
		t.Fatal(err)
	}
	if _, is := resp.Body.(io.WriterTo); is {
		t.Errorf("%T has a WriteTo", resp.Body)
	}
	if _, is := resp.Body.(io.Writer); is {
		t.Errorf("%T can be written to", resp.Body)
	}
	resp.Body.Close()
}
