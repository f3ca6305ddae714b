package zonecheck

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

// endpointOf returns an endpoint that has setIDs(n)[n-1].
func endpointOf(name string, n int) endpoint.Endpoint {
	return endpoint.Endpoint{
		Name:        name,
		ContainerID: fmt.Sprintf("%064x", n),
		ECS:         true,
		Port:        container.Port{Number: 80, Proto: container.TCP},
	}
}

func TestOwnNames(t *testing.T) {
	ids := setIDs(4)
	unsure := srv("api", ids[3])
	current := plan.Current{}
	for _, r := range []record.Record{srv("web", ids[0]), srv("old", ids[1])} {
		current[r.Key()] = plan.Entry{Record: r}
	}
	current[unsure.Key()] = plan.Entry{Record: unsure, Unconfirmed: true}
	address := record.Record{Name: "ip-10-0-0-1." + zoneName, Type: record.A, SetID: instanceID + ":host:-"}
	current[address.Key()] = plan.Entry{Record: address}
	docker := endpointOf("dock", 9)
	docker.ECS = false

	names := ownNames(zoneName, instanceID,
		[]endpoint.Endpoint{endpointOf("web", 1), endpointOf("new", 3), endpointOf("new", 5), docker}, current)

	assert.Equal(t, []*ownName{
		{
			name:    "new." + zoneName,
			desired: []string{ids[2], setIDs(5)[4]},
			current: map[string]record.Record{},
			absent:  2,
		},
		{
			name:    "dock." + zoneName,
			desired: []string{fmt.Sprintf("%s:docker:%064x:80/tcp", instanceID, 9)},
			current: map[string]record.Record{},
			absent:  1,
		},
		{name: "api." + zoneName, current: map[string]record.Record{}},
		{name: "old." + zoneName, current: map[string]record.Record{ids[1]: srv("old", ids[1])}},
		{
			name:    "web." + zoneName,
			desired: []string{ids[0]},
			current: map[string]record.Record{ids[0]: srv("web", ids[0])},
		},
	}, names)
}

func TestJudgeName(t *testing.T) {
	const split = "run fewer containers of the service, or split it: give some of them another name by SERVICE_NAME"
	full := "web." + zoneName + " is full: it has the 100 records that Route 53 holds of a name, and "
	ids := setIDs(100)
	group := func(n int) (records []record.Record) {
		for i := range n {
			records = append(records, srv("web", ids[i]))
		}
		return records
	}
	edited := srv("web", ids[0])
	edited.Value = "1 1 81 ip-10-0-0-1." + zoneName
	rewritten := srv("web", ids[0])
	rewritten.Value = "1 1 80 IP-10-0-0-1." + zoneName + "."
	for name, c := range map[string]struct {
		desired []string
		current []record.Record
		group   []record.Record
		want    []doctor.Result
	}{
		"as it should be":            {ids[:1], group(1), group(1), nil},
		"in Route 53's spelling":     {ids[:1], group(1), []record.Record{rewritten}, nil},
		"not written yet":            {ids[:1], nil, nil, nil},
		"of others, not nearly full": {nil, nil, group(79), nil},
		"of another kind": {
			ids[:1], nil, []record.Record{srv("web", "")},
			[]doctor.Result{
				doctor.Failf("web." + zoneName + " has a record set that is not weighted and not ecssd's, so that " +
					"none can be added").
					Hintf("remove that record set, or rename the service"),
			},
		},
		"nearly full": {
			nil, nil, group(80),
			[]doctor.Result{
				doctor.Warnf("web." + zoneName + " is nearly full: it has 80 of the 100 records that Route 53 holds " +
					"of a name").
					Hintf(split),
			},
		},
		"full, with this host's": {
			ids[:1], nil, group(100),
			[]doctor.Result{
				doctor.Warnf("web." + zoneName + " is nearly full: it has 100 of the 100 records that Route 53 " +
					"holds of a name").
					Hintf(split),
			},
		},
		"full, without one of this host": {
			[]string{"other"}, nil, group(100),
			[]doctor.Result{doctor.Failf("%s1 container port of this host is not among them", full).Hintf(split)},
		},
		"full, without two of this host": {
			[]string{"other", ids[0], "another"}, nil, group(100),
			[]doctor.Result{doctor.Failf("%s2 container ports of this host are not among them", full).Hintf(split)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := ownName{name: "web." + zoneName, desired: c.desired, current: map[string]record.Record{}}
			for _, r := range c.current {
				n.current[r.SetID] = r
			}
			assert.Equal(t, c.want, n.judge(c.group))
		})
	}
}

func TestJudgeTTL(t *testing.T) {
	z := New(Config{TTL: 5})
	of := func(setID string, ttl int64) []record.Record {
		r := srv("web", setID)
		r.TTL = ttl
		return []record.Record{r}
	}
	assert.Empty(t, z.judgeTTL("web", nil))
	assert.Empty(t, z.judgeTTL("web", of("a", 5)))
	assert.Empty(t, z.judgeTTL("web", of("", 60)), "not a weighted record")
	assert.Equal(t, []doctor.Result{
		doctor.Warnf("web has the TTL 60, which its records share, and --ttl is 5").
			Hintf("let the sweeper rewrite every name at once, TTL=5 (parameter Ttl of sweeper.cform), " +
				"or use --ttl 60 (ECSSD_TTL) on all hosts").Of("ttl"),
	}, z.judgeTTL("web", of("a", 60)))
}

func TestNames(t *testing.T) {
	ids := setIDs(9)
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    []string
	}{
		"none": {func(*world) {}, []string{"ok names: this host registers nothing"}},
		"unknown": {
			func(w *world) { w.host.unlisted, w.host.records = true, nil },
			[]string{
				"skip names: not checked: neither the containers nor the journal could be read -> " +
					"run this as root: sudo ecssd doctor",
			},
		},
		"of the containers alone": {
			func(w *world) { w.host.endpoints, w.host.records = []endpoint.Endpoint{endpointOf("web", 1)}, nil },
			[]string{"ok names: 1 of 1 name read; records of each, at most 100: web 0"},
		},
		"of the journal alone": {
			func(w *world) { w.host.unlisted = true; w.wrote(srv("web", ids[0])); w.holds(srv("web", ids[0])) },
			[]string{"ok names: 1 of 1 name read; records of each, at most 100: web 1"},
		},
		"of a host without identity": {
			func(w *world) { w.wrote(srv("web", ids[0])); w.host.identity = host.Identity{} },
			[]string{
				"skip names: not checked: neither the containers nor the journal could be read -> " +
					"run this as root: sudo ecssd doctor",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			assert.Equal(t, c.want, of("names", w.found()))
		})
	}
}

func TestNamesThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	r := srv("web", setIDs(1)[0])
	w.wrote(r)
	w.failsAfter("AccessDenied", "ListResourceRecordSets", 1) // that for the SOA record
	lines := w.found()
	assert.Equal(t, []string{
		"FAIL names: these credentials may not read the zone: no identity-based policy allows the " +
			"route53:ListResourceRecordSets action -> allow route53:ListResourceRecordSets on hosted zone Z1 to the " +
			"role " +
			"of this host; cloudformation/environment.cform has the policy",
	}, of("names", lines))
	assert.False(t, slices.ContainsFunc(lines, func(l string) bool { return l == "ok ttl" }))
}
