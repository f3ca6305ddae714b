package zonecheck

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/patience"
)

// quick makes a round trip that waits for nothing long.
func quick(longest time.Duration) trip {
	return trip{
		longest:      longest,
		lookEvery:    time.Millisecond,
		reportEvery:  time.Millisecond,
		removeWithin: patience.Limit,
		removeEvery:  time.Millisecond,
	}
}

func (w *world) roundTrip(ctx context.Context) string {
	w.t.Helper()
	lines := w.print(doctor.Run(ctx, []doctor.Check{w.RoundTrip()}))
	require.Len(w.t, lines, 1)
	return lines[0]
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	w.trip = quick(patience.Limit)
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Propagation = 30 * time.Millisecond })
	assert.Regexp(t, `^ok round-trip: a record was written, resolvable here after [0-9.]+m?s, and removed$`,
		w.roundTrip(t.Context()))
	assert.Empty(t, w.sandbox.Records(w.zone))
	assert.Len(t, w.sandbox.Calls("ChangeResourceRecordSets"), 2)
	require.NotEmpty(t, w.lines)
	assert.Regexp(t, `^waiting for the record to be resolvable, for \d+s so far$`, w.lines[0])
}

func TestRoundTripThatEndsNowhere(t *testing.T) {
	w := newWorld(t)
	w.trip = quick(20 * time.Millisecond)
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Propagation = time.Hour })
	assert.Regexp(t, `^FAIL round-trip: a record was written, and not resolvable here within 20ms: .+ \(DNS\) -> `+
		`see dns, zone and vpc; https://health.aws.amazon.com$`, w.roundTrip(t.Context()))
	assert.Empty(t, w.sandbox.Records(w.zone))
}

func TestRoundTripInterrupted(t *testing.T) {
	w := newWorld(t)
	w.trip = quick(patience.Limit)
	w.sandbox.Configure(func(s *sandbox.Settings) { s.Propagation = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	w.Progress = func(string) { cancel() }
	assert.Equal(t, "skip round-trip: interrupted; no record is left", w.roundTrip(ctx))
	assert.Empty(t, w.sandbox.Records(w.zone))
}

func TestRoundTripOfAnUnknownHost(t *testing.T) {
	w := newWorld(t)
	w.host.identity.InstanceID = ""
	assert.Equal(t, "skip round-trip: not tried: see zone and metadata", w.roundTrip(t.Context()))
	assert.Empty(t, w.sandbox.Calls("ChangeResourceRecordSets"))
}

// Whether the record of a call without an answer was written is not known: it is removed.
func TestRoundTripWhoseWriteFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault   sandbox.Fault
		want    string
		removed bool
	}{
		"the answer is lost": {
			sandbox.Fault{Kind: sandbox.Lose, Count: 1},
			`^FAIL round-trip: Route 53 cannot be reached: .+ -> let this host reach AWS: `, true,
		},
		"denied": {
			sandbox.Fault{Kind: sandbox.Fail, Code: "AccessDenied"},
			`^FAIL round-trip: these credentials may not write a record: .+ -> allow ` +
				`route53:ChangeResourceRecordSets for SRV records below ZONE on hosted zone Z1 to the role`, false,
		},
		"throttled": {
			sandbox.Fault{Kind: sandbox.Fail, Code: "Throttling"},
			`^warn round-trip: not checked: Route 53 throttles this account \(Throttling: Rate exceeded\) -> `, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.trip = quick(patience.Limit)
			c.fault.Operation = "ChangeResourceRecordSets"
			require.NoError(t, w.sandbox.AddFault(c.fault))
			assert.Regexp(t, c.want, w.roundTrip(t.Context()))
			assert.Empty(t, w.sandbox.Records(w.zone))
			calls := 1
			if c.removed {
				calls = 2
			}
			assert.Len(t, w.sandbox.Calls("ChangeResourceRecordSets"), calls)
		})
	}
}

// A record that cannot be removed is named, with how to remove it.
func TestRoundTripThatLeavesItsRecord(t *testing.T) {
	w := newWorld(t)
	w.trip = quick(patience.Limit)
	w.trip.removeWithin = 50 * time.Millisecond
	w.failsAfter("InternalFailure", "ChangeResourceRecordSets", 1)
	line := w.roundTrip(t.Context())
	assert.Regexp(t, `^FAIL round-trip: the record ecssd-doctor-[0-9a-f]{16}\.ZONE is left over: .+ -> `+
		`run this again; the sweeper removes it when this host is gone, or delete in the console `+
		`\\052\.ecssd-doctor-[0-9a-f]{16}\.ZONE SRV with the identifier `+
		`i-0123456789abcdef0:docker:[0-9a-f]{64}:9/tcp$`, line)
	assert.Len(t, w.sandbox.Records(w.zone), 1)
	assert.Greater(t, len(w.sandbox.Calls("ChangeResourceRecordSets")), 2, "it was tried again")
	assert.Contains(t, w.lines[len(w.lines)-1], "removing the record again: ")
}
