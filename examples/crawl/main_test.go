package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowguard-go/flowguard/internal/memnet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Nothing is refused, no more are open than may be, no page is lost, and it takes no longer than the limits say.
func TestCrawl(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			network := map[string]*memnet.Listener{}
			var listeners []net.Listener
			for i := range hosts {
				l := memnet.Listen(fmt.Sprintf("host-%d.test:80", i))
				network[l.Addr().String()] = l
				listeners = append(listeners, l)
			}
			dial := func(ctx context.Context, protocol, addr string) (net.Conn, error) {
				return network[addr].Dial(ctx, protocol, addr)
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
