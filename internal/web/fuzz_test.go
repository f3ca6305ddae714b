package web

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Whoever asks by a name is refused, whichever way the name is written: only an address cannot be made to lead
// elsewhere.
func FuzzHost(f *testing.F) {
	for _, host := range []string{
		"127.0.0.1:9553", "[::1]:9553", "[fe80::1%25eth0]", "localhost", "localhost.", "evil.example",
		"127.0.0.1.evil.example", "0x7f.1", "127.1", "2130706433",
		"[evil.example]", "::1", "a:b:c", "[::1]evil", "127.0.0.1@evil.example", "evil.example#127.0.0.1",
		"１２７.0.0.1", "", ":80", "[]", "localhost:99999",
		":@evil.example", "127.0.0.1:80@evil.example", "localhost:@evil.example:80", "fe80::1%25@evil.example",
		"[fe80::1%25x@evil.example]",
	} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !allowedHost(host, "") || host == "" {
			return
		}
		// As a browser or a proxy might read it.
		read, err := url.Parse("http://" + host + "/")
		if err != nil {
			return // nobody can ask so
		}
		name := read.Hostname()
		_, err = netip.ParseAddr(name)
		assert.True(
			t,
			err == nil || strings.EqualFold(name, "localhost") || name == "",
			"%q is taken, and leads to %q",
			host,
			name,
		)
	})
}
