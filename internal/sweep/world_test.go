package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

const (
	account, region = "123456789012", "eu-central-1"
	domain          = "example.internal"
)

var errRead = errors.New("rate exceeded on page 2")

// zone is the strict zone, which also checks what the sweeper promises of every call.
type zone struct {
	*strict.Zone
	t        *testing.T
	failPage int // the page of a listing that cannot be read, from 1; 0: none
}

func newZone(t *testing.T, records ...record.Record) *zone {
	return &zone{Zone: strict.New(t, domain, records...), t: t}
}

func (z *zone) Each(ctx context.Context, visit func([]record.Record, int) error) error {
	before := len(z.Reads())
	z.Behave(func(b *strict.Behaviour) {
		b.ReadFault = func(read int) error {
			if read-before == z.failPage {
				return errRead
			}
			return nil
		}
	})
	return z.Zone.Each(ctx, visit)
}

func (z *zone) Change(ctx context.Context, changes []plan.Change) error {
	assert.NotEmpty(z.t, changes)
	assert.Equal(z.t, len(changes), plan.Batch(changes), "more than one batch may carry")
	for _, c := range changes {
		assert.NotEqual(z.t, plan.Upsert, c.Action, "it may bring back what is dead")
		_, ours := record.ParseSetID(c.Record.SetID)
		assert.True(z.t, ours, "a record of somebody else: %+v", c)
	}
	return z.Zone.Change(ctx, changes)
}

// content returns the records, sorted.
func (z *zone) content() []record.Record { return sorted(z.Records()...) }

func sorted(records ...record.Record) []record.Record {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b record.Record) int {
		return strings.Compare(a.Name+" "+string(a.Type)+" "+a.SetID, b.Name+" "+string(b.Type)+" "+b.SetID)
	})
	return records
}

// source says what it has been told to, look by look; the last for good.
type source struct {
	looks []func() (evidence.Fleet, error)
	at    []time.Time
	took  time.Duration
	asked []string

	// what EC2 says anew; nil: as at the last look
	states    func(ctx context.Context) (map[string]evidence.State, error)
	statesOf  [][]string  // of which instances it was asked
	statesAt  []time.Time // and when
	confirmed time.Time   // when it last answered
}

func (s *source) Fleet(ctx context.Context, instances []string) (evidence.Fleet, error) {
	s.at, s.asked = append(s.at, time.Now()), instances
	select {
	case <-ctx.Done():
		return evidence.Fleet{}, ctx.Err()
	case <-time.After(s.took):
	}
	return s.looks[min(len(s.at), len(s.looks))-1]()
}

func (s *source) States(ctx context.Context, instances []string) (states map[string]evidence.State, err error) {
	s.statesOf, s.statesAt = append(s.statesOf, instances), append(s.statesAt, time.Now())
	if s.states != nil {
		states, err = s.states(ctx)
	} else {
		var last evidence.Fleet
		last, err = s.looks[min(max(len(s.at), 1), len(s.looks))-1]()
		states = map[string]evidence.State{}
		for id, i := range last.Instances {
			states[id] = i.State
		}
	}
	if err == nil {
		s.confirmed = time.Now()
	}
	return states, err
}

func says(fleets ...evidence.Fleet) *source {
	s := &source{}
	for _, f := range fleets {
		s.looks = append(s.looks, func() (evidence.Fleet, error) { return f, nil })
	}
	return s
}

func quiet() *logrus.Entry {
	log, _ := logtest.NewNullLogger()
	return logrus.NewEntry(log)
}

func config(z *zone, s sweep.Source) sweep.Config {
	return sweep.Config{
		Zone:   z,
		Source: s,
		Budget: 0.3,
		Log:    quiet(),
	}
}

// scene plays in virtual time.
func scene(t *testing.T, play func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, play)
}

// swept makes a pass that must succeed, and checks that its numbers add up.
func swept(t *testing.T, c sweep.Config) sweep.Report {
	t.Helper()
	report, err := sweep.Sweep(t.Context(), c)
	assert.NoError(t, err)
	assert.Empty(t, report.Error)
	addsUp(t, report)
	return report
}

// addsUp checks that each finding is in one number of the report, and each change too.
func addsUp(t *testing.T, r sweep.Report) {
	t.Helper()
	by := map[evidence.Verdict]int{}
	for _, f := range r.Findings {
		by[f.Verdict]++
		assert.NotEmpty(t, f.Reason)
	}
	assert.LessOrEqual(t, len(r.Findings), min(r.Seen, 500))
	if len(r.Findings) == 500 { // there may be more
		assert.GreaterOrEqual(t, r.Stale+r.Skipped, 500)
		return
	}
	deletes := by[evidence.Dead] + by[evidence.Orphan] + by[evidence.Missing]
	assert.Equal(t, r.Skipped, by[evidence.Skipped]+max(r.Skipped-250, 0))
	assert.Equal(t, r.Refused, by[evidence.Refused])
	assert.Equal(t, r.Stale, deletes+r.Refused)
	if !r.DryRun && r.Rewritten+r.Conflicts == 0 && r.Error == "" {
		assert.Zero(t, r.NotDone)
	}
	if !r.DryRun && r.Rewritten == 0 {
		assert.Equal(
			t,
			deletes+by[evidence.Standby]+by[evidence.Restore],
			r.Deleted+r.Standby+r.Restored+r.Conflicts+r.NotDone,
		)
	}
}

// verdicts gives what was found, by set identifier.
func verdicts(r sweep.Report) map[string]evidence.Verdict {
	found := map[string]evidence.Verdict{}
	for _, f := range r.Findings {
		found[f.SetID] = f.Verdict
	}
	return found
}

func instance(n int) string    { return fmt.Sprintf("i-%017x", n) }
func id(n int) string          { return fmt.Sprintf("%064x", n) }
func hostPort(n int) uint16    { return uint16(20000 + n%40000) }
func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

func ip(a netip.Addr) string { return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + domain }

// srv gives the record of container n of a service on a host.
func srv(name, host, target string, n int) record.Record {
	return record.Record{
		Name:   name + "." + domain,
		Type:   record.SRV,
		SetID:  host + ":ecs:" + id(n) + ":80/tcp",
		Weight: 1,
		Value:  fmt.Sprintf("1 1 %d %s", hostPort(n), target),
	}
}

// on gives the record of container n of service web on host h.
func on(h, n int) record.Record { return srv("web", instance(h), ip(address(h)), n) }

// host gives the address record of a host.
func host(h int) record.Record { return hostAt(instance(h), h, account+"/"+region) }

func hostAt(name string, h int, home string) record.Record {
	return record.Record{
		Name:   ip(address(h)),
		Type:   record.A,
		SetID:  name + ":host:" + home,
		Weight: 1,
		Value:  address(h).String(),
	}
}

func with(r record.Record, change func(*record.Record)) record.Record {
	change(&r)
	return r
}

// asking gives a record whose container asked for a weight and gets it.
func asking(weight int, r record.Record) record.Record {
	target, _ := record.ParseTarget(r.Value)
	target.Weight = weight
	r.Weight, r.Value = int64(weight), target.String()
	return r
}

// marked gives a record as the sweeper puts it on standby.
func marked(r record.Record) record.Record {
	r.Weight, r.Value = 0, "2"+r.Value[1:]
	return r
}

// member is an instance of a cluster in good order.
func member(h int) evidence.Instance {
	return evidence.Instance{
		State:     evidence.Alive,
		Address:   address(h),
		InCluster: true,
		Connected: true,
		Complete:  true,
	}
}

// running is container n of service web on host h, on a port of the host's.
func running(h, n int) evidence.Container {
	return evidence.Container{
		Instance: instance(h),
		Task:     fmt.Sprintf("task-%06d", n),
		Cluster:  "main",
		Service:  "main/web",
		Running:  true,
		Ports:    []evidence.Port{{Container: container.Port{Number: 80, Proto: container.TCP}, Host: hostPort(n)}},
	}
}

// fleet has hosts 1 to n in good order, and container n on host n.
func fleet(n int) evidence.Fleet {
	f := evidence.Fleet{
		Account:    account,
		Region:     region,
		Instances:  map[string]evidence.Instance{},
		Containers: map[string]evidence.Container{},
	}
	for h := 1; h <= n; h++ {
		f.Instances[instance(h)] = member(h)
		f.Containers[id(h)] = running(h, h)
	}
	return f
}

func changed(f evidence.Fleet, change func(*evidence.Fleet)) evidence.Fleet {
	f.Instances, f.Containers = maps.Clone(f.Instances), maps.Clone(f.Containers)
	if change != nil {
		change(&f)
	}
	return f
}
