package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a listener whose connections are pipes.
type memory struct {
	name  memoryAddr
	conns chan net.Conn
	ended chan struct{}
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

func (m *memory) Addr() net.Addr { return m.name }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ended:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	select {
	case <-m.ended:
	default:
		close(m.ended)
	}
	return nil
}

// Nothing is refused, no more are open than may be, no page is lost, and it takes no longer than the limits say.
func TestCrawl(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			network := map[string]*memory{}
			var listeners []net.Listener
			for i := range hosts {
				m := &memory{memoryAddr(fmt.Sprintf("host-%d.test:80", i)), make(chan net.Conn), make(chan struct{})}
				network[string(m.name)] = m
				listeners = append(listeners, m)
			}
			dial := func(_ context.Context, _, addr string) (net.Conn, error) {
				here, there := net.Pipe()
				network[addr].conns <- there
				return here, nil
			}
			got, err := crawl(t.Context(), listeners, dial)
			if err != nil {
				t.Fatal(err)
			}
			if got.fetched != hosts*pagesPerHost || got.refused != 0 {
				t.Errorf("%d pages, %d refused", got.fetched, got.refused)
			}
			if got.mostOpen > inAll.MaxBurst {
				t.Errorf("%d were open at once", got.mostOpen)
			}
			if least := (hosts*pagesPerHost/100 - 1) * time.Second; got.elapsed < least || got.elapsed > 10*time.Second {
				t.Errorf("it took %v", got.elapsed)
			}
			if got.known == 0 || got.knownLater != 0 {
				t.Errorf("%d keys are known at the end, and %d a second later", got.known, got.knownLater)
			}
		})
	}
}
