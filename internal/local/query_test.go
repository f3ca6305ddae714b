package local

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
)

func TestWhatIsAskedOfTheEngine(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(h *host)
		want    []Scope
	}{
		"nothing happens":          {func(*host) {}, nil},
		"a container starts":       {func(h *host) { h.runs(id("a")) }, []Scope{Named}},
		"time has passed":          {func(h *host) { h.input.Resync = true }, []Scope{Listed}},
		"the stream was opened":    {func(h *host) { h.input.Gap = true }, []Scope{Everything}},
		"a gap while time passes":  {func(h *host) { h.input.Gap, h.input.Resync = true, true }, []Scope{Everything}},
		"the model is restarted":   {func(h *host) { h.model.Restart() }, []Scope{Everything}},
		"the host goes on standby": {func(h *host) { h.input.Standby = "spot" }, nil},
		"a network of a stranger":  {func(h *host) { h.event(id("a"), container.Network) }, nil},
		"something of a stranger":  {func(h *host) { h.event(id("a"), container.Other) }, []Scope{Named}},
		"a signal to what is known": {func(h *host) {
			h.runs(id("a"))
			h.scopes = nil
			h.event(id("a"), container.Kill, signal(1))
		}, nil},
		"a network of what is known": {func(h *host) {
			h.runs(id("a"))
			h.scopes = nil
			h.event(id("a"), container.Network)
		},
			[]Scope{Named}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t).connect()
			require.Equal(t, []Scope{Everything}, h.scopes, "at first")
			h.scopes = nil
			test.happens(h)
			h.settle()
			assert.Equal(t, test.want, h.scopes)
		})
	}
}

func TestNothingIsAskedBeforeTheStreamIsOpen(t *testing.T) {
	h := newHost(t)
	h.input.Resync = true
	h.settle()
	h.pass(time.Minute)
	assert.Empty(t, h.scopes, "signals of the past come with the stream")
	assert.False(t, h.model.Asked())
	h.connect()
	assert.Equal(t, []Scope{Everything}, h.scopes)
	assert.True(t, h.model.Asked())
}

// One query at a time; a hint that comes meanwhile is answered by the next.
func TestQueriesComeOneAfterTheOther(t *testing.T) {
	h := newHost(t).connect()
	h.event(id("a"), container.Start)
	first := h.step().Query
	require.NotNil(t, first)
	assert.Equal(t, map[string]bool{id("a"): true}, first.Named)
	h.now = h.now.Add(time.Second)
	assert.Equal(t, time.Second, h.model.Waits(h.now))
	h.event(id("b"), container.Start)
	assert.Nil(t, h.step().Query)
	h.input.Snapshot = h.snapshot(first)
	second := h.step().Query
	require.NotNil(t, second)
	assert.Equal(t, map[string]bool{id("b"): true}, second.Named, "a has been answered")
	h.input.Snapshot = h.snapshot(first)
	h.step()
	assert.Equal(t, second, h.model.queries.under, "an answer to another query is none to this one")
}

func TestListingsThatFail(t *testing.T) {
	h := newHost(t).connect()
	h.runs(id("a"))
	h.fails = errors.New("timeout")
	h.input.Resync = true
	began := h.now
	h.settle()
	var waits []time.Duration
	for range 4 {
		waits = append(waits, h.model.queries.listAfter.Sub(h.now))
		h.now = h.model.queries.listAfter
		h.settle()
	}
	assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}, waits)
	assert.Equal(t, Failure{h.fails, began}, h.model.Failure())
	assert.Equal(t, "a=1", h.registered(), "the records stay")

	h.scopes = nil
	h.event(id("a"), container.Other)
	h.fails = nil
	h.settle()
	assert.Equal(t, []Scope{Named}, h.scopes, "what hints name is inspected meanwhile")
	assert.Error(t, h.model.Failure().Err, "which proves nothing of listings")
	h.pass(4 * time.Second)
	assert.Equal(t, []Scope{Named, Listed}, h.scopes)
	assert.Equal(t, Failure{}, h.model.Failure())
}

func TestUnreadContainerIsInspectedAgain(t *testing.T) {
	h := newHost(t).connect()
	h.runs(id("a"), func(c *container.Container) {
		*c = container.Container{ID: c.ID, State: c.State, Unread: "timeout"}
	})
	assert.Empty(t, h.registered())
	h.live[id("a")] = h.web(id("a"))
	h.pass(unreadRetry)
	assert.Equal(t, "a=1", h.registered())
}

func TestChangesWithoutAnEventAreMissed(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(h *host)
		gap     bool
		want    bool
	}{
		"nothing changed": {func(*host) {}, false, false},
		"one has started": {func(h *host) { h.live[id("b")] = h.web(id("b")) }, false, true},
		"one has ended":   {func(h *host) { delete(h.live, id("a")) }, false, true},
		"one is paused":   {func(h *host) { h.live[id("a")] = h.web(id("a"), paused) }, false, true},
		"with an event": {func(h *host) {
			h.live[id("b")] = h.web(id("b"))
			h.event(id("b"), container.Start)
		}, false, false},
		"after a gap in events": {func(h *host) { delete(h.live, id("a")) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t).connect()
			h.runs(id("a"))
			test.happens(h)
			h.input.Resync, h.input.Gap = true, test.gap
			out := h.step()
			h.input.Snapshot = h.snapshot(out.Query)
			assert.Equal(t, test.want, h.step().Missed)
		})
	}
}

func paused(c *container.Container) { c.State = container.Paused }
