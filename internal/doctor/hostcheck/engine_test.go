package hostcheck

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	proxy := enginetest.NewProxy(t)
	c := enginetest.Run(t, enginetest.OnHost())
	h := here(t, proxy.Host())
	assert.Regexp(t, `^Docker \S+ \(API [\d.]+\) answers at unix:///.*docker\.sock$`, one(t, h, "engine").Detail)
	assert.Equal(t, doctor.Okf("the Engine accepts subscriptions to its events").Of("events"), one(t, h, "events"))
	assert.NotEmpty(t, found(t, h, "containers"))
	_, listed := h.Endpoints(t.Context())
	assert.True(t, listed)
	running := h.lookAtContainers(t.Context()).all
	assert.Condition(t, func() bool {
		for _, r := range running {
			if r.ID == c.ID {
				return true
			}
		}
		return false
	}, "the container that runs")
}

// An Engine that does not answer some questions hangs in a part of it.
func TestEngineThatHangs(t *testing.T) {
	t.Parallel()
	for held, want := range map[string]string{
		"/events":     "FAIL the Engine accepts no subscription to its events: no answer in time",
		"/containers": "FAIL the containers cannot be listed: no answer in time",
	} {
		t.Run(held, func(t *testing.T) {
			t.Parallel()
			proxy := enginetest.NewProxy(t)
			proxy.Hold(held)
			h := here(t, proxy.Host())
			assert.Equal(t, doctor.OK, one(t, h, "engine").State)
			r := one(t, h, map[string]string{"/events": "events", "/containers": "containers"}[held])
			assert.Equal(t, want, string(r.State)+" "+r.Detail)
			assert.Contains(t, r.Hint, "systemctl status docker; journalctl -u docker")
		})
	}
}
