package record_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/ecssd/ecssd/internal/record"
)

func TestParseTarget(t *testing.T) {
	want := record.Target{
		Priority: 1,
		Weight:   10,
		Port:     32768,
		Host:     "ip-10-0-0-1.servicediscovery.internal",
	}
	assert.Equal(t, "1 10 32768 ip-10-0-0-1.servicediscovery.internal", want.String())
	for name, test := range map[string]struct {
		value string
		want  record.Target
		ok    bool
	}{
		"as written":    {"1 10 32768 ip-10-0-0-1.servicediscovery.internal", want, true},
		"final dot":     {"1 10 32768 ip-10-0-0-1.servicediscovery.internal.", want, true},
		"upper case":    {"1 10 32768 IP-10-0-0-1.ServiceDiscovery.internal", want, true},
		"leading zeros": {"01 0010 032768 ip-10-0-0-1.servicediscovery.internal", want, true},
		"more space":    {" 1  10\t32768 ip-10-0-0-1.servicediscovery.internal ", want, true},
		"largest": {"65535 65535 65535 h", record.Target{
			Priority: 65535,
			Weight:   65535,
			Port:     65535,
			Host:     "h",
		}, true},
		"empty":            {"", record.Target{}, false},
		"three fields":     {"1 10 32768", record.Target{}, false},
		"five fields":      {"1 10 32768 host x", record.Target{}, false},
		"two values":       {"1 1 80 a\n1 1 81 b", record.Target{}, false},
		"two broken lines": {"1 1\n80 a", record.Target{}, false},
		"negative":         {"-1 10 80 host", record.Target{}, false},
		"port too large":   {"1 10 65536 host", record.Target{}, false},
		"port a word":      {"1 10 http host", record.Target{}, false},
		"hexadecimal":      {"1 0x10 80 host", record.Target{}, false},
		"an address":       {"10.0.0.1", record.Target{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := record.ParseTarget(test.value)
			assert.Equal(t, test.ok, ok)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestTargetRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := record.Target{
			Priority: rapid.IntRange(0, 65535).Draw(t, "priority"),
			Weight:   rapid.IntRange(0, 65535).Draw(t, "weight"),
			Port:     rapid.Uint16().Draw(t, "port"),
			Host:     rapid.StringMatching(`[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20}){0,3}`).Draw(t, "host"),
		}
		got, ok := record.ParseTarget(want.String())
		assert.True(t, ok)
		assert.Equal(t, want, got)
	})
}

func TestSame(t *testing.T) {
	base := record.Record{
		Name:   "web.example",
		Type:   record.SRV,
		SetID:  "i-1:ecs:x",
		TTL:    60,
		Weight: 5,
		Value:  "1 5 8080 ip-10-0-0-1.example",
	}
	with := func(change func(*record.Record)) record.Record {
		r := base
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		other record.Record
		want  bool
	}{
		"equal":            {base, true},
		"final dot":        {with(func(r *record.Record) { r.Value += "." }), true},
		"case":             {with(func(r *record.Record) { r.Value = "1 5 8080 IP-10-0-0-1.EXAMPLE" }), true},
		"leading zeros":    {with(func(r *record.Record) { r.Value = "01 005 08080 ip-10-0-0-1.example" }), true},
		"port":             {with(func(r *record.Record) { r.Value = "1 5 8081 ip-10-0-0-1.example" }), false},
		"priority":         {with(func(r *record.Record) { r.Value = "2 5 8080 ip-10-0-0-1.example" }), false},
		"weight asked for": {with(func(r *record.Record) { r.Value = "1 6 8080 ip-10-0-0-1.example" }), false},
		"host":             {with(func(r *record.Record) { r.Value = "1 5 8080 ip-10-0-0-2.example" }), false},
		"two final dots":   {with(func(r *record.Record) { r.Value += ".." }), false},
		"no SRV value":     {with(func(r *record.Record) { r.Value = "10.0.0.1" }), false},
		"a second value":   {with(func(r *record.Record) { r.Value += "\n1 5 8081 ip-10-0-0-1.example" }), false},
		"weight":           {with(func(r *record.Record) { r.Weight = 0 }), false},
		"TTL":              {with(func(r *record.Record) { r.TTL = 0 }), false},
		"name":             {with(func(r *record.Record) { r.Name = "api.example" }), false},
		"set identifier":   {with(func(r *record.Record) { r.SetID = "i-2:ecs:x" }), false},
		"TTL and dot":      {with(func(r *record.Record) { r.TTL, r.Value = 0, r.Value+"." }), false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, base.Same(test.other))
			assert.Equal(t, test.want, test.other.Same(base))
		})
	}
	a := record.Record{
		Name:  "h.example",
		Type:  record.A,
		SetID: "i-1:host:-",
		Value: "10.0.0.1",
	}
	b := a
	b.Value = "10.0.0.2"
	assert.True(t, a.Same(a))
	assert.False(t, a.Same(b))
}

func TestMarked(t *testing.T) {
	for name, test := range map[string]struct {
		record record.Record
		want   bool
	}{
		"by the sweeper":               {record.Record{Type: record.SRV, Weight: 0, Value: "2 5 80 h.example"}, true},
		"by the sweeper, as rewritten": {record.Record{Type: record.SRV, Weight: 0, Value: "02 5 80 H.example."}, true},
		"serving":                      {record.Record{Type: record.SRV, Weight: 5, Value: "1 5 80 h.example"}, false},
		"standby by the agent":         {record.Record{Type: record.SRV, Weight: 0, Value: "1 5 80 h.example"}, false},
		"priority 2 with a weight":     {record.Record{Type: record.SRV, Weight: 1, Value: "2 5 80 h.example"}, false},
		"another priority":             {record.Record{Type: record.SRV, Weight: 0, Value: "3 5 80 h.example"}, false},
		"other type":                   {record.Record{Type: record.A, Weight: 0, Value: "2 5 80 h.example"}, false},
		"address":                      {record.Record{Type: record.A, Weight: 0, Value: "10.0.0.1"}, false},
		"several values": {
			record.Record{Type: record.SRV, Weight: 0, Value: "2 5 80 h\n2 5 81 h"},
			false,
		},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, test.record.Marked()) })
	}
}
