package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/flowguard-go/flowguard/internal/memnet"
)

func TestDial(t *testing.T) {
	l := memnet.Listen("server.test:80")
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "hello")
		c.Close()
	}()
	c, err := l.Dial(t.Context(), "tcp", "server.test:80")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	c.Close()
}

func TestEnds(t *testing.T) {
	l := memnet.Listen("server.test:80")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx, "", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("dialled with an ended context: %v", err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialled a closed listener: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener accepted: %v", err)
	}
}
