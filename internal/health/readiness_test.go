package health

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMissing(t *testing.T) {
	down, unproven := errors.New("write: read-only file system"), errors.New("Route 53 has not answered")
	for name, test := range map[string]struct {
		noted           map[string]string
		journal, writer error
		want            []string
	}{
		"nothing": {nil, nil, nil, nil},
		"sorted": {
			map[string]string{"zone": "not found yet", "engine": "refused", "agent": "starting"}, nil, nil,
			[]string{"engine: refused", "zone: not found yet", "agent: starting"},
		},
		"a check":           {nil, down, nil, []string{"journal: write: read-only file system"}},
		"what is not known": {nil, nil, Unknown(unproven), []string{"route53: Route 53 has not answered"}},
		"what is not known, beside what is missing": {
			map[string]string{"engine": "refused"}, nil, Unknown(unproven), []string{"engine: refused"},
		},
		"what is not known, beside a check": {
			nil, down, Unknown(unproven), []string{"journal: write: read-only file system"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Readiness{}
			for part, why := range test.noted {
				r.NotReady(part, why)
			}
			r.Check("journal", func() error { return test.journal })
			r.Check("route53", func() error { return test.writer })
			assert.Equal(t, test.want, r.Missing())
			for part := range test.noted {
				r.Ready(part)
			}
			r.Check("journal", func() error { return nil })
			r.Check("route53", func() error { return nil })
			assert.Empty(t, r.Missing())
		})
	}
}

// /readyz, metrics and the page are asked while parts come and go.
func TestReadinessIsAskedWhileItChanges(t *testing.T) {
	r := &Readiness{}
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for range 500 {
				part := Parts[i%len(Parts)]
				r.NotReady(part, "gone")
				_ = r.Why(part)
				_ = r.Missing()
				r.Ready(part)
				r.Check(part, func() error { return nil })
			}
		})
	}
	asking.Wait()
	assert.Empty(t, r.Missing())
}
