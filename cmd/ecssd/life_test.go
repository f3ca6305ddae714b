package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/enginetest"
)

func TestOneStartCostsOneCallAndNoListing(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.sandbox.ClearCalls()

	c := w.container("web", enginetest.Options{})
	w.has("web", 1, 5*time.Second)
	assert.Len(t, w.sandbox.Calls(), 1, "calls of any kind")

	c.Stop(5)
	w.has("web", 0, 5*time.Second)
	assert.Len(t, w.sandbox.Calls(), 2, "calls of any kind")
}
