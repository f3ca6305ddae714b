package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	strict "github.com/ecssd/ecssd/internal/test/zone"
)

// permit has the zone permit some changes alone; nil: all.
func (z *zone) permit(permits func(plan.Change) bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.permits = permits
}

// proved gives how often the agent has asked whether it may change the zone, and was permitted.
func (z *zone) proved() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.proofs
}

func nothing(plan.Change) bool { return false }

func only(t record.Type) func(plan.Change) bool {
	return func(c plan.Change) bool { return c.Record.Type == t }
}

// named permits changes of one service, and of the host's own name.
func named(service string) func(plan.Change) bool {
	return func(c plan.Change) bool {
		return strings.HasPrefix(c.Record.Name, service+".") || strings.HasPrefix(c.Record.Name, "ip-")
	}
}

const denial = "route53: change batch refused (denied): " + strict.DeniedMessage

// unready gives for how many of the next minutes, looked at each second, the agent is not ready.
func (w *world) unready(during time.Duration) (seconds int) {
	for range int(during / time.Second) {
		w.after(time.Second)
		if len(w.readiness.Missing()) > 0 {
			seconds++
		}
	}
	return seconds
}

// A new server whose role may not change the zone called itself ready, and a rolling update went on to replace the
// whole fleet.
func TestReadyMeansAbleToWrite(t *testing.T) {
	api := web(2)
	api.Labels["com.amazonaws.ecs.container-name"] = "api"
	for name, test := range map[string]struct {
		permits    func(plan.Change) bool
		containers int
		ec2        bool // --target ec2
		ready      bool
		proofs     int // that were answered well
	}{
		"something to write, all permitted":             {nil, 1, false, true, 0},
		"nothing to write, all permitted":               {nil, 0, false, true, 1},
		"something to write, nothing permitted":         {nothing, 1, false, false, 0},
		"nothing to write, nothing permitted":           {nothing, 0, false, false, 0},
		"something to write, no A records":              {only(record.SRV), 1, false, false, 0},
		"nothing to write, no A records":                {only(record.SRV), 0, false, false, 0},
		"something to write, no SRV records":            {only(record.A), 1, false, false, 0},
		"nothing to write, no SRV records":              {only(record.A), 0, false, false, 0},
		"something to write, EC2's names, no A records": {only(record.SRV), 1, true, true, 0},
		"nothing to write, EC2's names, no A records":   {only(record.SRV), 0, true, true, 1},
		"nothing to write, EC2's names, none permitted": {nothing, 0, true, false, 0},
		"some names":                      {named("web"), 2, false, true, 0},
		"other names than the containers": {named("db"), 2, false, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				if test.ec2 {
					w.owner.DNSName = "ip-10-0-0-1.eu-west-1.compute.internal"
				}
				w.zone.permit(test.permits)
				for n := range test.containers {
					c := web(n + 1)
					if n == 1 {
						c.Labels = api.Labels
					}
					w.engine.start(c)
				}
				w.run()
				w.after(5 * time.Second)
				assert.Equal(t, test.ready, len(w.readiness.Missing()) == 0, w.readiness.Missing())
				assert.Equal(t, test.proofs, w.zone.proved())
				if test.ready {
					assert.Zero(t, w.unready(20*time.Minute))
					return
				}
				assert.Equal(t, 20*60, w.unready(20*time.Minute))
				require.Len(t, w.readiness.Missing(), 1)
				assert.Contains(t, w.readiness.Missing()[0], "is not authorized to perform")
				w.zone.permit(nil)
				assert.LessOrEqual(t, w.unready(10*time.Minute), 80, "it is asked again every minute")
				assert.Empty(t, w.readiness.Missing())
				assert.Len(t, w.zone.services(), test.containers)
			})
		})
	}
}

// While the host may write, nobody asks; a change that is denied says nothing of the others.
func TestReadyHostWhoseChangesAreDeniedLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(time.Hour)
		assert.Zero(t, w.zone.proved())
		w.zone.permit(named("web"))
		api := web(2)
		api.Labels["com.amazonaws.ecs.container-name"] = "api"
		w.engine.start(api)
		assert.Zero(t, w.unready(time.Hour), "one name is denied")
		assert.Equal(t, 1, w.zone.proved())
		w.zone.permit(nothing)
		w.engine.start(web(3))
		w.after(time.Second)
		assert.Equal(t, []string{denial}, w.readiness.Missing())
		assert.Equal(t, 3600, w.unready(time.Hour))
		w.zone.permit(named("web"))
		assert.LessOrEqual(t, w.unready(time.Hour), 6*60, "though api stays denied")
		assert.Empty(t, w.readiness.Missing())
		assert.Equal(t, weights{"web 1": 1, "web 3": 1}, w.zone.services())
	})
}

// A host that has written before and starts anew needs no proof, and one whose containers have all ended neither.
func TestHostWithRecordsAsksForNoProof(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		for range 2 {
			w.end()
			w.run()
			w.after(5 * time.Second)
			assert.Empty(t, w.readiness.Missing())
			w.engine.die(c)
			w.after(time.Minute)
		}
		assert.Zero(t, w.zone.proved())
	})
}

// A container starts while the question hangs: its record does not wait for the answer.
func TestProofIsNotInTheWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.zone.hang = true
		w.run()
		w.after(time.Second)
		assert.Equal(t, []string{
			"route53: not known yet whether this host may change records: Route 53 has not answered",
		}, w.readiness.Missing())
		w.engine.start(web(1))
		w.after(time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		assert.Empty(t, w.readiness.Missing())
	})
}
