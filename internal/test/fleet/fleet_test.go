package fleet

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	writeTo = flag.String("write", "", "play every scene and write fleet.md and fleet.svg into this `directory`")
	only    = flag.String(
		"only",
		"",
		"play the scenes whose name, hosts, quota and software match this `expression`, and print the table",
	)
	seed = flag.Uint64("seed", 1, "what chance brings")
)

// TestMain collects garbage more rarely than usual: most of what a thousand agents allocate stays.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// setups returns all runs, in the order of the tables.
func setups() []setup {
	var all []setup
	add := func(s scene, k kind, r rules, hosts ...int) {
		for _, n := range hosts {
			all = append(all, setup{s, k, n, r, *seed})
		}
	}
	add(oneAtATime, ecssd, currentQuota, 100)
	for _, r := range []rules{currentQuota, oldQuota} {
		add(twoASecond, ecssd, r, 1)
		add(twoASecond, threeTries, r, 1)
	}
	for _, k := range []kind{ecssd, threeTries, retriesForever} {
		add(coldStart, k, currentQuota, 10, 100, 1000)
	}
	add(coldStart, ecssd, currentQuota.callsOnly(), 10, 100, 1000)
	add(coldStart, ecssd, currentQuota.withPrior(), 10, 100, 300, 1000)
	add(coldStart, threeTries, currentQuota.withPrior(), 100)
	add(coldStart, ecssd, oldQuota, 10, 100, 300, 1000)
	add(coldStart, threeTries, oldQuota, 100)
	add(coldStart, retriesForever, oldQuota, 100)
	add(coldStart, ecssd, currentQuota.withCost(), 10, 100, 300, 1000)
	add(coldStart, ecssd, currentQuota.withPrior().withCost(), 1000)
	add(coldStart, ecssd, oldQuota.withCost(), 100)
	add(coldStart, retriesForever, currentQuota.withCost(), 300)
	add(coldStartTenMinutes, ecssd, oldQuota.withCost(), 1000)
	add(coldStartListing, ecssd, currentQuota, 100, 1000)
	for _, n := range []int{100, 1000} {
		add(rollingDeployment, ecssd, currentQuota, n)
		add(rollingDeployment, threeTries, currentQuota, n)
		add(rollingDeployment, ecssd, currentQuota.callsOnly(), n)
	}
	for _, r := range []rules{currentQuota.withPrior(), oldQuota} {
		add(rollingDeployment, ecssd, r, 100)
		add(rollingDeployment, threeTries, r, 100)
	}
	for _, s := range []scene{steadyChurn, zoneLost} {
		add(s, ecssd, currentQuota.callsOnly(), 1000)
		for _, r := range []rules{currentQuota, currentQuota.withPrior(), oldQuota} {
			add(s, ecssd, r, 1000)
			add(s, threeTries, r, 1000)
		}
	}
	return all
}

func (s setup) String() string {
	return fmt.Sprintf("%s, %d hosts, %s, %s", s.scene.name, s.hosts, s.rules, s.kind)
}

// TestFleet plays the scenes that a flag asks for.
func TestFleet(t *testing.T) {
	matches := regexp.MustCompile(*only)
	if *writeTo == "" && *only == "" {
		return // TestSmallFleets plays always
	}
	var results []result
	for _, s := range setups() {
		if !matches.MatchString(s.String()) {
			continue
		}
		began := time.Now()
		r := run(t, s)
		results = append(results, r)
		fmt.Printf("%s: played in %v\n", s, time.Since(began).Round(time.Millisecond))
	}
	fmt.Print(table(results))
	if *writeTo == "" {
		return
	}
	find := func(k kind, hosts int) result {
		for _, r := range results {
			if r.scene.name == coldStart.name && r.kind == k && r.hosts == hosts && r.rules == currentQuota {
				return r
			}
		}
		return result{}
	}
	svg := plot("Cold start: containers that are in DNS, of 20 a host", []line{
		{"ecssd, 10 hosts", "#9ecae1", find(ecssd, 10)}, {"ecssd, 100 hosts", "#4292c6", find(ecssd, 100)},
		{"ecssd, 1,000 hosts", "#08306b", find(ecssd, 1000)},
		{
			"a call an event, 100 hosts",
			"#fdae6b",
			find(retriesForever, 100),
		}, {
			"a call an event, 1,000 hosts",
			"#d94801",
			find(retriesForever, 1000),
		},
		{"same, given up after 3 tries", "#a50f15", find(threeTries, 1000)},
	})
	require.NoError(t, os.MkdirAll(*writeTo, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(*writeTo, "fleet.svg"), []byte(svg), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(*writeTo, "fleet.md"), []byte(preface+table(results)), 0o644))
}

const preface = "# How fast and how frugal\n" + `
` + "`make fleet`" + ` makes this page and the plot; the documentation of package internal/test/fleet says what is simulated and what is not.
A host has 20 containers. All hosts share one AWS account and one zone.

- quota: of the account, 10 calls a second with a burst of 50 and 100 changes a second with a burst of 1,500, an UPSERT costing 2; "10/s" alone
  where changes do not count; of old, 5 calls and 5. "costly" where a throttled call takes what is in the buckets of calls, "prior" where a zone
  takes one change at a time. AWS does not say which is so.
- p50, p99, max: from the event of the Engine, or the agent's start, to the answer of Route 53, of what came into the zone at all
- all right after: the last event
- missed: events that no record told of when the scene ended
- least: the shortest time in which the quotas let through one call of each host that has something to change, and all changes that were made:
  (hosts - burst) / calls a second, or (changes - 1,500) / 100, whichever is longer. It counts from the first event on
- calls were accepted; throttled ones, and ones that found the zone busy, were not; tries a host are all of them
- swept after: the death of its host, the last of the records that the sweeper removed
- "call an event" is what the predecessors of ecssd do, with the three attempts that the AWS SDK makes

![cold start](fleet.svg)
`

// Small fleets have their zone right, with few calls, whatever throttled calls cost.
func TestSmallFleets(t *testing.T) {
	hard := rules{quota: quota{2, 2}, perAction: true}
	for name, test := range map[string]struct {
		setup    setup
		accepted int // calls at most
	}{
		"cold start":                       {setup{coldStart, ecssd, 10, currentQuota, 1}, 10},
		"cold start, old quota":            {setup{coldStart, ecssd, 10, oldQuota, 1}, 10},
		"cold start, tight quota":          {setup{coldStart, ecssd, 10, hard.withCost(), 1}, 10},
		"cold start, one change at a time": {setup{coldStart, ecssd, 10, currentQuota.withPrior(), 1}, 10},
		"deploy":                           {setup{rollingDeployment, ecssd, 3, currentQuota, 1}, 3 * 2 * perHost},
		"a third of the hosts dies":        {setup{zoneLost, ecssd, 9, currentQuota, 1}, 3*perHost + 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, test.setup)
			assert.Zero(t, r.waiting, "changes that never reached the zone")
			assert.Zero(t, r.missing, "records that are not in the zone")
			assert.Zero(t, r.surplus, "records that should not be in the zone")
			assert.LessOrEqual(t, r.calls[call{change, accepted}], test.accepted)
			assert.LessOrEqual(t, r.attempts(), 8*test.accepted)
			assert.Zero(t, r.calls[call{change, refused}])
		})
	}
}

// The same seed plays a run with the same figures, another seed one with others.
func TestARunCanBeRepeated(t *testing.T) {
	figures := func(seed uint64) []string { return run(t, setup{coldStart, ecssd, 10, oldQuota, seed}).row() }
	assert.Equal(t, figures(1), figures(1))
	assert.NotEqual(t, figures(1), figures(2))
}

// What ecssd is compared with makes the calls that the predecessors make.
func TestPredecessors(t *testing.T) {
	r := run(t, setup{coldStart, retriesForever, 10, currentQuota, 1})
	assert.Zero(t, r.waiting)
	assert.Equal(t, 10*perHost, r.calls[call{change, accepted}], "one call an event")
	r = run(t, setup{coldStart, threeTries, 10, oldQuota, 1})
	assert.Positive(t, r.waiting, "what was throttled three times is given up")
	assert.Equal(t, 10*perHost, r.calls[call{change, accepted}]+r.waiting)
}

// On an idle account a change takes a call, 60 to 100 ms, and 5 ms for the look at the Engine.
func TestIdleAccount(t *testing.T) {
	for _, r := range []rules{currentQuota, oldQuota} {
		r := run(t, setup{twoASecond, ecssd, 1, r, 1})
		assert.Len(t, r.delays, 40)
		assert.LessOrEqual(t, quantile(r.delays, .5), 90*time.Millisecond)
		assert.LessOrEqual(t, quantile(r.delays, 1), 110*time.Millisecond)
		assert.Zero(t, r.calls[call{change, throttled}])
	}
}

// A cold start takes at most 15 % longer than the quota on changes allows, and needs no UPSERT.
func TestQuotaOnChanges(t *testing.T) {
	scarce := currentQuota
	scarce.changes = quota{150, 10}
	r := run(t, setup{coldStart, ecssd, 100, scarce, 1})
	assert.Zero(t, r.waiting)
	assert.Equal(t, 100*(perHost+1), r.cost, "one for each record")
	assert.Equal(t, 195*time.Second, r.bound())
	assert.GreaterOrEqual(t, r.right, r.bound())
	assert.LessOrEqual(t, r.right, 224*time.Second)
}

// The account grants what Route 53 grants: a burst, then so many calls a second.
func TestQuota(t *testing.T) {
	r := run(t, setup{coldStart, ecssd, 70, currentQuota.callsOnly(), 1})
	assert.GreaterOrEqual(t, r.right, r.bound())
	for _, p := range r.curve {
		calls := p.applied / perHost
		assert.LessOrEqual(t, float64(calls), 50+10*p.at.Seconds(), "calls after %v", p.at)
	}
}
