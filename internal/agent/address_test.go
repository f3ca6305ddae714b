package agent

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
)

// resolver is DNS as the host sees it: it keeps an answer for a minute.
type resolver struct {
	w     *world
	blind bool // it does not know the zone
	fails bool
	kept  []netip.Addr
	until time.Time
	asked int
}

func (r *resolver) lookUp(_ context.Context, name string) ([]netip.Addr, error) {
	r.w.zone.mu.Lock()
	defer r.w.zone.mu.Unlock()
	r.asked++
	switch {
	case r.fails:
		return nil, errors.New("server misbehaving")
	case r.blind:
		return nil, nil
	case time.Now().Before(r.until):
		return r.kept, nil
	}
	r.kept, r.until = nil, time.Now().Add(time.Minute)
	for key, have := range r.w.zone.all() {
		if key.Name == name && key.Type == record.A {
			r.kept = append(r.kept, netip.MustParseAddr(have.Value))
		}
	}
	return r.kept, nil
}

// The host's A record, on which all its SRV records rest, was missing for hours after somebody had removed it.
func TestLostAddressIsFoundByDNS(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dns := &resolver{w: w}
		w.config.LookUp, w.config.VerifyEvery = dns.lookUp, 15*time.Minute
		host := record.Zone{Name: "sd.internal"}.HostRecord(w.owner)
		lose := func() {
			w.zone.mu.Lock()
			w.zone.Remove(host)
			w.zone.mu.Unlock()
		}
		w.engine.start(web(1))
		w.run()
		for range 5 {
			w.after(5 * time.Minute)
			lose()
			w.after(3 * time.Minute)
			assert.Contains(t, w.zone.all(), host.Key())
		}
		pages := w.zone.pagesRead()
		w.after(24 * time.Hour)
		assert.InDelta(t, 96, w.zone.pagesRead()-pages, 14, "while the record is there a look-up causes no call")

		pages = w.zone.pagesRead()
		w.zone.mu.Lock()
		dns.blind = true
		w.zone.mu.Unlock()
		w.after(24 * time.Hour)
		assert.InDelta(t, 96, w.zone.pagesRead()-pages, 15, "a resolver that knows the zone no more causes one call")
	})
}

// The host does not use a resolver that knows the zone, or its resolver fails.
func TestLookUpThatNeverSucceededSaysNothing(t *testing.T) {
	for name, dns := range map[string]*resolver{"it knows no such zone": {blind: true}, "it fails": {fails: true}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				dns.w = w
				w.config.LookUp, w.config.VerifyEvery = dns.lookUp, 15*time.Minute
				w.engine.start(web(1))
				w.run()
				w.after(24 * time.Hour)
				assert.InDelta(t, 96, w.zone.pagesRead(), 14)
				assert.Greater(t, dns.asked, 24*50)
			})
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		dns := &resolver{w: w}
		w.config.LookUp, w.config.VerifyEvery = dns.lookUp, 15*time.Minute
		w.owner.DNSName = "ip-10-0-0-1.ec2.internal"
		w.run()
		w.after(time.Hour)
		assert.Zero(t, dns.asked, "the host has no name in the zone")
	})
}
