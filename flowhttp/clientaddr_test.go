package flowhttp_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/flowguard-go/flowguard/flowhttp"
)

func TestClientAddr(t *testing.T) {
	direct := flowhttp.ClientAddr{}
	behind := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	realIP := behind
	realIP.Header = "X-Real-IP"
	wide := flowhttp.ClientAddr{IPv6Bits: 48}
	for _, c := range []struct {
		name   string
		addr   flowhttp.ClientAddr
		remote string
		header []string // lines of X-Forwarded-For
		want   string
	}{
		{"IPv4", direct, "203.0.113.9:1234", nil, "203.0.113.9"},
		{"IPv6 by its network", direct, "[2001:db8:1:2:3:4:5:6]:1234", nil, "2001:db8:1:2::/64"},
		{"IPv6 by a wider network", wide, "[2001:db8:1:2:3:4:5:6]:1234", nil, "2001:db8:1::/48"},
		{"IPv4 mapped to IPv6", direct, "[::ffff:203.0.113.9]:1234", nil, "203.0.113.9"},
		{"a zone", direct, "[fe80::1%eth0]:1234", nil, "fe80::/64"},
		{"a Unix socket", direct, "@", nil, ""},
		{"nobody is believed", direct, "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"nor a client that is no proxy", behind, "203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"behind a proxy", behind, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"behind two", behind, "10.0.0.1:1", []string{"198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"a forged beginning", behind, "10.0.0.1:1", []string{"1.1.1.1, 2.2.2.2,198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"a forged line", behind, "10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"lines of proxies", behind, "10.0.0.1:1", []string{"198.51.100.1", "10.1.1.1", "fd00::7"}, "198.51.100.1"},
		{"ports", behind, "10.0.0.1:1", []string{"[2001:db8::1]:443, 10.1.1.1:8080"}, "2001:db8::/64"},
		{"brackets", behind, "10.0.0.1:1", []string{"[2001:db8::1]"}, "2001:db8::/64"},
		{"an inner client", behind, "10.0.0.1:1", []string{"10.2.2.2, 10.1.1.1"}, "10.2.2.2"},
		{"a proxy's own request", behind, "10.0.0.1:1", nil, "10.0.0.1"},
		{"no address", behind, "10.0.0.1:1", []string{"198.51.100.1, unknown, 10.1.1.1"}, "10.1.1.1"},
		{"nothing", behind, "10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"from a Unix socket behind a proxy", behind, "@", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"another header", realIP, "10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		name := c.addr.Header
		if name == "" {
			name = "X-Forwarded-For"
		}
		for _, line := range c.header {
			r.Header.Add(name, line)
		}
		if got := c.addr.Key(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Whatever a client writes into the header, its proxies see it where it is: it cannot choose its key.
func TestClientAddrCannotBeForged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	c := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	pieces := []string{"1.1.1.1", "10.9.9.9", ",", ", ", " ", "x", "::1", "[", "]:80", "\"", "", "198.51.100.7", "unknown", "%"}
	for range 5000 {
		r := &http.Request{Header: http.Header{}}
		for range rnd.IntN(3) {
			var forged strings.Builder
			for range rnd.IntN(8) {
				forged.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			r.Header.Add("X-Forwarded-For", forged.String())
		}
		addr := "203.0.113.5:9"
		for range 1 + rnd.IntN(3) { // each proxy adds the address it sees, to the last line or as a line of its own
			host := netip.MustParseAddrPort(addr).Addr().String()
			lines := r.Header["X-Forwarded-For"]
			if n := len(lines); n > 0 && rnd.IntN(2) == 0 {
				lines[n-1] += ", " + host
			} else {
				r.Header.Add("X-Forwarded-For", host)
			}
			addr = fmt.Sprintf("10.0.0.%d:80", rnd.IntN(256))
		}
		r.RemoteAddr = addr
		if got := c.Key(r); got != "203.0.113.5" {
			t.Fatalf("%q from %s makes the key %q", r.Header["X-Forwarded-For"], r.RemoteAddr, got)
		}
	}
}
