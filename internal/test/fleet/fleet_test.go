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

// TestMain lets garbage lie for longer than usual: a thousand agents start with much that stays.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// setups are all runs, in the order of the tables.
func setups() []setup {
	var all []setup
	add := func(s scene, k kind, r rules, hosts ...int) {
		for _, n := range hosts {
			all = append(all, setup{s, k, n, r, *seed})
		}
	}
	add(idle, ecssd, current, 100)
	for _, r := range []rules{current, old} {
		add(brisk, ecssd, r, 1)
		add(brisk, threeTry, r, 1)
	}
	for _, k := range []kind{ecssd, threeTry, stubborn} {
		add(cold, k, current, 10, 100, 1000)
	}
	add(cold, ecssd, current.callsOnly(), 10, 100, 1000)
	add(cold, ecssd, current.withPrior(), 10, 100, 300, 1000)
	add(cold, threeTry, current.withPrior(), 100)
	add(cold, ecssd, old, 10, 100, 300, 1000)
	add(cold, threeTry, old, 100)
	add(cold, stubborn, old, 100)
	add(cold, ecssd, current.costing(), 10, 100, 300, 1000)
	add(cold, ecssd, current.withPrior().costing(), 1000)
	add(cold, ecssd, old.costing(), 100)
	add(cold, stubborn, current.costing(), 300)
	add(coldShort, ecssd, old.costing(), 1000)
	add(listing, ecssd, current, 100, 1000)
	for _, n := range []int{100, 1000} {
		add(deploy, ecssd, current, n)
		add(deploy, threeTry, current, n)
		add(deploy, ecssd, current.callsOnly(), n)
	}
	for _, r := range []rules{current.withPrior(), old} {
		add(deploy, ecssd, r, 100)
		add(deploy, threeTry, r, 100)
	}
	for _, s := range []scene{churn, lost} {
		add(s, ecssd, current.callsOnly(), 1000)
		for _, r := range []rules{current, current.withPrior(), old} {
			add(s, ecssd, r, 1000)
			add(s, threeTry, r, 1000)
		}
	}
	return all
}

func (s setup) String() string {
	return fmt.Sprintf("%s, %d hosts, %s, %s", s.scene.name, s.hosts, s.rules, s.kind)
}

// TestFleet plays the scenes that it is asked for.
func TestFleet(t *testing.T) {
	matches := regexp.MustCompile(*only)
	if *writeTo == "" && *only == "" {
		return // TestSmallFleets is what holds always
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
			if r.scene.name == cold.name && r.kind == k && r.hosts == hosts && r.rules == current {
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
			find(stubborn, 100),
		}, {
			"a call an event, 1,000 hosts",
			"#d94801",
			find(stubborn, 1000),
		},
		{"same, given up after 3 tries", "#a50f15", find(threeTry, 1000)},
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

// Small fleets have their zone right, with few calls, whatever Route 53 makes of throttled calls.
func TestSmallFleets(t *testing.T) {
	hard := rules{quota: quota{2, 2}, action: true}
	for name, test := range map[string]struct {
		setup    setup
		accepted int // calls at most
	}{
		"cold start":                       {setup{cold, ecssd, 10, current, 1}, 10},
		"cold start, old quota":            {setup{cold, ecssd, 10, old, 1}, 10},
		"cold start, tight quota":          {setup{cold, ecssd, 10, hard.costing(), 1}, 10},
		"cold start, one change at a time": {setup{cold, ecssd, 10, current.withPrior(), 1}, 10},
		"deploy":                           {setup{deploy, ecssd, 3, current, 1}, 3 * 2 * perHost},
		"a third of the hosts dies":        {setup{lost, ecssd, 9, current, 1}, 3*perHost + 2},
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

// The same seed gives the same figures, another one others.
func TestARunCanBeRepeated(t *testing.T) {
	figures := func(seed uint64) []string { return run(t, setup{cold, ecssd, 10, old, seed}).row() }
	assert.Equal(t, figures(1), figures(1))
	assert.NotEqual(t, figures(1), figures(2))
}

// What ecssd is compared with does what the predecessors do.
func TestPredecessors(t *testing.T) {
	r := run(t, setup{cold, stubborn, 10, current, 1})
	assert.Zero(t, r.waiting)
	assert.Equal(t, 10*perHost, r.calls[call{change, accepted}], "one call an event")
	r = run(t, setup{cold, threeTry, 10, old, 1})
	assert.Positive(t, r.waiting, "what was throttled three times is given up")
	assert.Equal(t, 10*perHost, r.calls[call{change, accepted}]+r.waiting)
}

// On an idle account nothing waits but for the answer: 60 to 100 ms, and 5 ms for the look at the Engine.
func TestIdleAccount(t *testing.T) {
	for _, r := range []rules{current, old} {
		r := run(t, setup{brisk, ecssd, 1, r, 1})
		assert.Len(t, r.delays, 40)
		assert.LessOrEqual(t, quantile(r.delays, .5), 90*time.Millisecond)
		assert.LessOrEqual(t, quantile(r.delays, 1), 110*time.Millisecond)
		assert.Zero(t, r.calls[call{change, throttled}])
	}
}

// The quota on changes is used well: a cold start takes 15 % more than what it allows at the most, and no UPSERT.
func TestQuotaOnChanges(t *testing.T) {
	scarce := current
	scarce.changes = quota{150, 10}
	r := run(t, setup{cold, ecssd, 100, scarce, 1})
	assert.Zero(t, r.waiting)
	assert.Equal(t, 100*(perHost+1), r.cost, "one for each record")
	assert.Equal(t, 195*time.Second, r.bound())
	assert.GreaterOrEqual(t, r.right, r.bound())
	assert.LessOrEqual(t, r.right, 224*time.Second)
}

// The account gives what Route 53 gives: a burst, then so many calls a second.
func TestQuota(t *testing.T) {
	r := run(t, setup{cold, ecssd, 70, current.callsOnly(), 1})
	assert.GreaterOrEqual(t, r.right, r.bound())
	for _, p := range r.curve {
		calls := p.applied / perHost
		assert.LessOrEqual(t, float64(calls), 50+10*p.at.Seconds(), "calls after %v", p.at)
	}
}
