package docker_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// BenchmarkEngine is what is asked of a real Engine with so many containers: for an event, once a minute, and at the
// start. Its answers are decoded, too.
func BenchmarkEngine(b *testing.B) {
	for _, containers := range []int{10, 100} {
		b.Run(fmt.Sprintf("containers=%d", containers), func(b *testing.B) {
			var last *enginetest.Container
			for range containers {
				last = enginetest.Create(b, enginetest.OnHost())
				last.Start()
			}
			engine, err := docker.New("")
			require.NoError(b, err)
			defer engine.Close()
			_, err = engine.Snapshot(b.Context(), nil, true)
			require.NoError(b, err)
			b.Run("event", func(b *testing.B) {
				for b.Loop() {
					_, err := engine.Refresh(b.Context(), map[string]bool{last.ID: true})
					require.NoError(b, err)
				}
			})
			_, err = engine.Snapshot(b.Context(), nil, true)
			require.NoError(b, err)
			b.Run("resync", func(b *testing.B) {
				for b.Loop() {
					_, err := engine.Snapshot(b.Context(), nil, false)
					require.NoError(b, err)
				}
			})
			b.Run("start", func(b *testing.B) {
				for b.Loop() {
					_, err := engine.Snapshot(b.Context(), nil, true)
					require.NoError(b, err)
				}
			})
		})
	}
}
