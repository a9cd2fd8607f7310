package flowhttp

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddr finds the address of the client that sent a request, which tells clients apart. The zero value
// trusts no header and takes the address of the connection. That is right for a server that its clients reach
// directly. Behind a proxy, all connections come from the proxy's address, so name the proxies:
//
//	behind := flowhttp.ClientAddr{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
//
// A client may write anything into X-Forwarded-For, and each proxy adds at the end the address that it sees. So
// the addresses are read from the end, beginning with that of the connection, while they are those of trusted
// proxies. The first address that is not trusted is the client's, and entries before it are ignored. (Many
// servers take the first entry, which lets each client choose its own key.) An entry that is not an address
// also ends the search, and the proxy that passed it on then counts as the client.
type ClientAddr struct {
	// Trusted are the addresses of your own proxies, whose header is trusted. A connection without an IP address,
	// such as one from a Unix socket, is trusted if Trusted is not empty.
	Trusted []netip.Prefix

	// Header is where the proxies write the address. If it is empty, that is "X-Forwarded-For". A header with one
	// address, such as X-Real-IP, works too, if each trusted proxy overwrites it.
	Header string

	// IPv6Bits is how many bits of an IPv6 address make up its Key. 0 means 64, because a customer usually gets at
	// least a /64 network, and so has 2⁶⁴ addresses to ask from.
	IPv6Bits int
}

// Key returns a text that tells clients apart: the IPv4 address, such as "203.0.113.9", or the network of the
// IPv6 address, such as "2001:db8::/64". It is "" if the connection has no IP address. Pass it to [Flows] or
// [Keys].
func (c ClientAddr) Key(r *http.Request) string {
	addr := c.Addr(r)
	if !addr.Is6() {
		if !addr.IsValid() {
			return ""
		}
		return addr.String()
	}
	bits := c.IPv6Bits
	if bits <= 0 || bits > 128 {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // bits are in range
	return network.String()
}

// Addr returns the client's address, without a zone, and as IPv4 if it is an IPv4 address mapped to IPv6. It
// is the zero Addr if the connection has no IP address.
func (c ClientAddr) Addr(r *http.Request) netip.Addr {
	addr, ok := parseAddr(r.RemoteAddr)
	if len(c.Trusted) == 0 || ok && !c.trusts(addr) {
		return addr
	}
	header := c.Header
	if header == "" {
		header = "X-Forwarded-For"
	}
	lines := r.Header.Values(header)
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			var entry string
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, entry = line[:i], line[i+1:]
			} else {
				entry, more = line, false
			}
			before, ok := parseAddr(strings.TrimSpace(entry))
			if !ok {
				return addr
			}
			if addr = before; !c.trusts(addr) {
				return addr
			}
		}
	}
	return addr
}

func (c ClientAddr) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(c.Trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddr reads an IP address, which may have a port.
func parseAddr(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			if addr, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err != nil {
				return netip.Addr{}, false
			}
		} else {
			addr = with.Addr()
		}
	}
	return addr.Unmap().WithZone(""), true
}
