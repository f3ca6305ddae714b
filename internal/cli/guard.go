package cli

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
	longestRequest = 5 * time.Second
	longestAnswer  = 30 * time.Second
	longestIdle    = 2 * time.Minute // a Prometheus server comes back every minute or so
	largestHeader  = 16 << 10        // bytes
	// mostConnections keeps whoever opens many from taking the file descriptors that the Engine and Route 53 are asked
	// with.
	mostConnections = 64
)

// guarded gives a server that whoever can reach it cannot exhaust, nor a web page in somebody's browser read.
func guarded(address string, next http.Handler) *http.Server {
	name, _, _ := net.SplitHostPort(address)
	return &http.Server{
		Handler:        guard(name, next),
		ReadTimeout:    longestRequest,
		WriteTimeout:   longestAnswer,
		IdleTimeout:    longestIdle,
		MaxHeaderBytes: largestHeader,
	}
}

// few takes no more connections than mostConnections at a time; others wait.
func few(listener net.Listener) net.Listener { return netutil.LimitListener(listener, mostConnections) }

// guard refuses what a page of another site makes a browser ask. Such a page reads answers where its own name is made
// to lead here (DNS rebinding), so that no name is answered to but localhost and the one in --listen: an address cannot
// be made to lead elsewhere. Other requests from its scripts, frames and images are refused by what browsers say of
// them (Origin, Fetch Metadata); a link to here may be followed.
func guard(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		switch {
		case !known(r.Host, name):
			http.Error(w, "ask by address: this name is not one that ecssd answers to", http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "pages of other sites may not ask", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// known says whether a Host header is an address, localhost or name. HTTP/1.0 has none. No other name hides in a port
// or in the zone of an address, as in 127.0.0.1:80@evil.example: a port is digits, and clients send no zone (RFC 6874,
// section 4).
func known(host, name string) bool {
	if only, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = only
	}
	if address, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && address.Zone() == "" || host == "" {
		return true
	}
	return strings.EqualFold(host, "localhost") || name != "" && strings.EqualFold(host, name)
}

// foreign says whether a page of another site makes the request, other than by a link.
func foreign(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return true
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}
