package evidence_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

const (
	instance = "i-00000000000000001"
	account  = "123456789012"
	region   = "eu-central-1"
)

var containerID = strings.Repeat("c", 64)

func srv() record.Record {
	return record.Record{
		Name:   "web.example.internal",
		Type:   record.SRV,
		SetID:  instance + ":ecs:" + containerID + ":80/tcp",
		Weight: 1,
		Value:  "1 1 32768 ip-10-0-0-1.example.internal",
	}
}

func hostRecord(home string) record.Record {
	return record.Record{
		Name:   "ip-10-0-0-1.example.internal",
		Type:   record.A,
		SetID:  instance + ":host:" + home,
		Weight: 1,
		Value:  "10.0.0.1",
	}
}

// healthyFleet is one instance, connected, on which the container runs.
func healthyFleet() evidence.Fleet {
	return evidence.Fleet{
		Account: account,
		Region:  region,
		Instances: map[string]evidence.Instance{instance: {
			State:     evidence.Alive,
			InCluster: true,
			Connected: true,
			Complete:  true,
		}},
		Containers: map[string]evidence.Container{containerID: {
			Instance: instance,
			Running:  true,
			Ports:    []evidence.Port{{Container: container.Port{Number: 80, Proto: container.TCP}, Host: 32768}},
		}},
	}
}

func TestJudge(t *testing.T) {
	home := hostRecord(account + "/" + region)
	foreign := srv()
	foreign.SetID = "blue"
	marked := srv().Mark()
	for name, test := range map[string]struct {
		records []record.Record
		fleet   func(f *evidence.Fleet, host *evidence.Instance)
		want    []evidence.Verdict
		reason  string // of the first record
	}{
		"running container": {records: []record.Record{srv(), home},
			want: []evidence.Verdict{evidence.Keep, evidence.Keep}},
		"record of somebody else is omitted": {records: []record.Record{foreign, home},
			want: []evidence.Verdict{evidence.Keep}},
		"instance is gone": {
			records: []record.Record{srv(), home},
			fleet:   func(_ *evidence.Fleet, host *evidence.Instance) { host.State = evidence.Gone },
			want:    []evidence.Verdict{evidence.Dead, evidence.Dead},
			reason:  "EC2 reports instance i-00000000000000001 as stopped or terminated",
		},
		"EC2 has no such instance of this account": {
			records: []record.Record{srv(), home},
			fleet:   func(_ *evidence.Fleet, host *evidence.Instance) { *host = evidence.Instance{} },
			want:    []evidence.Verdict{evidence.Missing, evidence.Missing},
			reason:  "EC2 has no instance i-00000000000000001",
		},
		"EC2 has no such instance, and it is of another region": {
			records: []record.Record{srv(), hostRecord(account + "/us-east-1")},
			fleet:   func(_ *evidence.Fleet, host *evidence.Instance) { *host = evidence.Instance{} },
			want:    []evidence.Verdict{evidence.Skipped, evidence.Skipped},
			reason:  "the host is in account 123456789012, region us-east-1",
		},
		"ECS does not know the container": {
			records: []record.Record{srv(), home},
			fleet:   func(f *evidence.Fleet, _ *evidence.Instance) { f.Containers = nil },
			want:    []evidence.Verdict{evidence.Orphan, evidence.Keep},
			reason:  "ECS does not know container cccccccccccc on instance i-00000000000000001",
		},
		"ECS does not yet know all containers of the instance": {
			records: []record.Record{srv(), home},
			fleet:   func(f *evidence.Fleet, host *evidence.Instance) { f.Containers, host.Complete = nil, false },
			want:    []evidence.Verdict{evidence.Keep, evidence.Keep},
		},
		"ECS agent is disconnected": {
			records: []record.Record{srv(), home},
			fleet:   func(_ *evidence.Fleet, host *evidence.Instance) { host.Connected = false },
			want:    []evidence.Verdict{evidence.Keep, evidence.Keep},
		},
		"ECS agent is disconnected and status checks fail": {
			records: []record.Record{srv(), home},
			fleet:   func(_ *evidence.Fleet, host *evidence.Instance) { host.Connected, host.Impaired = false, true },
			want:    []evidence.Verdict{evidence.Standby, evidence.Keep},
			reason:  "instance i-00000000000000001 fails EC2's status checks, and its ECS agent is disconnected",
		},
		"marked, and the cause is over": {
			records: []record.Record{marked},
			want:    []evidence.Verdict{evidence.Restore},
			reason:  "the cause of its standby is over",
		},
	} {
		t.Run(name, func(t *testing.T) {
			fleet := healthyFleet()
			if test.fleet != nil {
				host := fleet.Instances[instance]
				test.fleet(&fleet, &host)
				fleet.Instances[instance] = host
			}
			found := evidence.Judge(evidence.Parse(test.records), fleet)
			var verdicts []evidence.Verdict
			for _, e := range found {
				verdicts = append(verdicts, e.Verdict)
			}
			assert.Equal(t, test.want, verdicts)
			assert.Equal(t, test.reason, found[0].Reason)
		})
	}
}

// A deletion that rests on what EC2 and ECS do not know needs two readings that agree.
func TestConfirmed(t *testing.T) {
	entries := evidence.Parse([]record.Record{srv()})
	healthy := evidence.Judge(entries, healthyFleet())
	unknown := healthyFleet()
	unknown.Containers = nil
	orphan := evidence.Judge(entries, unknown)
	gone := healthyFleet()
	gone.Instances[instance] = evidence.Instance{State: evidence.Gone}
	dead := evidence.Judge(entries, gone)
	for name, test := range map[string]struct {
		first, second []evidence.Evidence
		want          evidence.Verdict
	}{
		"both readings agree":            {orphan, orphan, evidence.Orphan},
		"only the first":                 {orphan, healthy, evidence.Keep},
		"only the second":                {healthy, orphan, evidence.Keep},
		"the second is proof":            {healthy, dead, evidence.Dead},
		"the first was proof of the end": {dead, orphan, evidence.Keep},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := slices.Clone(test.first), slices.Clone(test.second)
			assert.Equal(t, test.want, evidence.Confirmed(test.first, test.second)[0].Verdict)
			assert.Equal(t, first, test.first, "evidence is not changed")
			assert.Equal(t, second, test.second, "evidence is not changed")
		})
	}
}

// Without a second reading, nothing is deleted without proof.
func TestUnconfirmed(t *testing.T) {
	unknown := healthyFleet()
	unknown.Containers = nil
	orphan := evidence.Judge(evidence.Parse([]record.Record{srv()}), unknown)
	left := evidence.Unconfirmed(orphan)
	assert.Equal(t, evidence.Skipped, left[0].Verdict)
	assert.Equal(t, "no time left to read EC2 and ECS a second time: "+orphan[0].Reason, left[0].Reason)
	assert.Equal(t, evidence.Orphan, orphan[0].Verdict, "evidence is not changed")
}
