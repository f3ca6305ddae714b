package stream

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
)

// While the zone was looked for, hints filled the memory. Now some are given up, and what is left has a gap, as if
// another stream had begun.
func TestHintsThatNobodyTakesAreBounded(t *testing.T) {
	b := NewInbox()
	for range 3 * mostHints {
		b.add(container.Hint{})
	}
	in := b.Drain()
	assert.LessOrEqual(t, len(in.Hints), mostHints)
	assert.True(t, in.Gap)
	for range mostHints + 1 {
		b.add(container.Hint{})
	}
	in = b.Drain()
	assert.NotEqual(t, in.Hints[0].Stream, in.Hints[len(in.Hints)-1].Stream)
}

func TestStandbyIsNewsOnce(t *testing.T) {
	b := NewInbox()
	var news []bool
	for _, why := range []string{"", "spot", "spot", ""} {
		news = append(news, b.SetStandby(why))
	}
	assert.Equal(t, []bool{false, true, false, true}, news)
}

func TestReconnectEndsTheStreamThereIs(t *testing.T) {
	b := NewInbox()
	assert.False(t, b.Reconnect(), "there is none")
	ended := 0
	b.connected(func() { ended++ })
	assert.True(t, b.Reconnect())
	assert.Equal(t, 1, ended)
	b.disconnected()
	assert.False(t, b.Reconnect())
	assert.Equal(t, 1, ended)
}
