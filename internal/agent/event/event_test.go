package event

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
)

func TestContainersThatAreGoneAreForgottenAfterAWhile(t *testing.T) {
	m, now := NewMemory(), time.Now()
	m.Remember(&local.State{Containers: []container.Container{{ID: "c1"}}}, now)
	m.Remember(&local.State{}, now.Add(time.Hour))
	m.Remember(&local.State{}, now.Add(time.Hour+remembered))
	assert.Len(t, m.containers, 1, "its records may still be told of")
	m.Remember(&local.State{}, now.Add(time.Hour+remembered+1))
	assert.Empty(t, m.containers)
}
