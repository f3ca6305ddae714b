package apply_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// instant is a zone that takes every change at once.
type instant struct{ calls, changes int }

func (z *instant) Change(_ context.Context, changes []plan.Change) error {
	z.calls++
	z.changes += len(changes)
	return nil
}

func (z *instant) Group(context.Context, string, record.Type) ([]record.Record, error) {
	return nil, nil
}

func (z *instant) Page(context.Context, string, record.Type) ([]record.Record, func(string, record.Type) bool, error) {
	return nil, func(string, record.Type) bool { return false }, nil
}

// BenchmarkWriter is what a writer does about one event, but for the disk and the call: one container of the host's has
// been replaced. A new writer each time, since one that has just made a call waits before the next.
func BenchmarkWriter(b *testing.B) {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	metrics := metrics.New(prometheus.NewRegistry())
	for _, n := range []int{10, 100, 500} {
		has := known(many("web", n)...)
		wishes := wish(many("web", n+1)[1:]...)
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			zone := &instant{}
			for b.Loop() {
				w := apply.New(apply.Config{
					Zone:    zone,
					Current: has,
					Save:    func(plan.Current) error { return nil },
					Owns:    owns,
					Log:     logrus.NewEntry(logger),
					Metrics: metrics,
				})
				w.SetDesired(wishes, time.Time{})
				if err := w.Settle(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			if zone.calls != b.N || zone.changes != 2*b.N {
				b.Fatalf("%d calls, %d changes in %d events", zone.calls, zone.changes, b.N)
			}
		})
	}
}
