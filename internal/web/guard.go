package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/netutil"
)

const (
	// A request has no body, and its header is some hundred bytes; an answer is some ten kilobytes.
	readTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute // a Prometheus server comes back every minute or so
	maxHeaderBytes = 16 << 10
	// maxConnections keeps file descriptors for the Engine and Route 53 where a client opens many connections.
	maxConnections = 64
)

// server returns a server that a client cannot exhaust, and that a web page in a browser cannot read.
func (c Config) server() *http.Server {
	name, _, _ := net.SplitHostPort(c.Addr)
	return &http.Server{
		Handler:        guard(name, c.handler()),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
	}
}

// limitListener accepts at most maxConnections at a time; others wait.
func limitListener(listener net.Listener) net.Listener {
	return netutil.LimitListener(listener, maxConnections)
}

// guard refuses requests that a page of another site makes through a browser. By DNS rebinding such a page could make
// its own name resolve to this listener and read the answers; so the only names answered to are localhost and the one
// in --listen. An address cannot be rebound. Other requests from scripts, frames and images of such a page are refused
// by the headers that browsers send (Origin, Fetch Metadata). A link to here may be followed.
func guard(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !allowedHost(r.Host, name):
			http.Error(w, "unknown host name; use the address, localhost or the name in --listen",
				http.StatusMisdirectedRequest)
		case crossSite(r):
			http.Error(w, "cross-site request refused", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// allowedHost reports whether a Host header is an address, localhost or name. HTTP/1.0 has none. It allows no port but
// digits and no zone in an address, in which another name could hide (127.0.0.1:80@evil.example): clients send no zone
// (RFC 6874, section 4).
func allowedHost(host, name string) bool {
	if only, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = only
	}
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && address.Zone() == "" || host == "" {
		return true
	}
	return strings.EqualFold(host, "localhost") || name != "" && strings.EqualFold(host, name)
}

// crossSite reports whether a page of another site makes the request, other than by a link.
func crossSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}
