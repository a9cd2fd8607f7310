package debug

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// canonicalHost returns the name of a Host header: without port, in small letters.
func canonicalHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// knows reports whether the request names a host that no other site can have: an address, localhost, or
// one that was given to [Hosts].
func (h *handler) knows(r *http.Request) bool {
	host := canonicalHost(r.Host)
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(h.hosts, host)
}

// refusesReader returns why a request may not even read, or "".
func (h *handler) refusesReader(r *http.Request) string {
	if len(h.hosts) > 0 && !h.knows(r) {
		return h.unknownHost(r)
	}
	// A page of another site cannot read what it embeds or fetches, but the request would still cost work.
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return "this cannot be a part of another site"
	}
	return ""
}

func (h *handler) unknownHost(r *http.Request) string {
	return fmt.Sprintf("the host %q is not known; ask by IP address, or name it with debug.Hosts(%q)", r.Host, canonicalHost(r.Host))
}

// refusesOperator returns why a request may not change anything, and the status of the answer, or "".
func (h *handler) refusesOperator(r *http.Request) (status int, why string) {
	if !h.controls {
		return http.StatusForbidden, "the buttons are not switched on; pass debug.Controls() to debug.Handler"
	}
	if !h.knows(r) {
		return http.StatusForbidden, h.unknownHost(r)
	}
	if err := h.crossSite.Check(r); err != nil {
		return http.StatusForbidden, err.Error()
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, "the content type must be application/json"
	}
	return 0, ""
}
