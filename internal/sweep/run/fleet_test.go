package run_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/run"
)

const zoneName = "servicediscovery.internal"

// largeFleet is two clusters on 250 instances with 1,500 tasks, and a zone in which each container has a record, as has
// each host; the records of what is gone are marked so in orphans.
type largeFleet struct {
	sandbox *sandbox.Server
	zone    string
	live    map[string]bool // set identifiers that must survive
	orphans map[string]bool // set identifiers that must go
}

func newLargeFleet(t *testing.T) *largeFleet {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	zone, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	f := &largeFleet{
		sandbox: s,
		zone:    zone,
		live:    map[string]bool{},
		orphans: map[string]bool{},
	}
	state := account.State{
		Clusters: []account.Cluster{{Name: "one"}, {Name: "two"}},
		TaskDefinitions: []account.TaskDefinition{
			{Family: "web", Revision: 1, Containers: []account.ContainerDefinition{{Name: "web"}}},
		},
	}
	var sets []sandbox.Set
	record := func(known map[string]bool, set sandbox.Set) {
		set.Weight = new(int64(1))
		known[set.SetIdentifier+" "+set.Type] = true
		sets = append(sets, set)
	}
	for n := range 250 {
		instance, host := fmt.Sprintf("i-%017x", n+1), fmt.Sprintf("ip-10-1-%d-%d.%s", n/200, n%200+1, zoneName)
		hostRecords := f.live
		i := account.Instance{ID: instance, PrivateIP: fmt.Sprintf("10.1.%d.%d", n/200, n%200+1)}
		if n%25 == 24 { // one host in 25 has died whole
			i.State, hostRecords = "terminated", f.orphans
		}
		state.Instances = append(state.Instances, i)
		cluster, containerInstance := state.Clusters[n%2].Name, fmt.Sprintf("%032x", n+1)
		state.ContainerInstances = append(state.ContainerInstances,
			account.ContainerInstance{ID: containerInstance, Cluster: cluster, InstanceID: instance})
		record(hostRecords, sandbox.Set{
			Name:          host,
			Type:          "A",
			SetIdentifier: instance + ":host:123456789012/eu-central-1",
			Values:        []string{i.PrivateIP},
		})
		for k := range 7 {
			id, known := fmt.Sprintf("%064x", n*100+k+1), hostRecords
			if k == 6 { // ECS runs six; on one host in five a seventh has left its record
				if n%5 != 0 {
					continue
				}
				known = f.orphans
			} else {
				task := account.Task{
					ID:                fmt.Sprintf("%032x", n*100+k+1),
					Cluster:           cluster,
					ContainerInstance: containerInstance,
					Family:            "web",
					Revision:          1,
					Containers: []account.Container{
						{
							Name:      "web",
							RuntimeID: id,
							Bindings:  []account.Binding{{ContainerPort: 80, HostPort: 32768 + k}},
						},
					},
				}
				if k == 5 { // being stopped and still serving
					task.DesiredStatus = "STOPPED"
				}
				state.Tasks = append(state.Tasks, task)
			}
			record(known, sandbox.Set{
				Name:          fmt.Sprintf("svc%d.%s", (n*7+k)%60, zoneName),
				Type:          "SRV",
				SetIdentifier: instance + ":ecs:" + id + ":80/tcp",
				Values:        []string{fmt.Sprintf("1 1 %d %s", 32768+k, host)},
			})
		}
	}
	for _, foreign := range []string{"mi-0123456789abcdef0", "by-hand", "i-0fffffffffffffff0"} {
		record(f.live, sandbox.Set{
			Name:          "svc1." + zoneName,
			Type:          "SRV",
			SetIdentifier: foreign + ":ecs:" + fmt.Sprintf("%064d", 9) + ":80/tcp",
			Values:        []string{"1 1 1 h.example"},
		})
	}
	record(f.live, sandbox.Set{ // of another region
		Name:          "ip-10-9-9-9." + zoneName,
		Type:          "A",
		SetIdentifier: "i-0fffffffffffffff0:host:123456789012/us-west-2",
		Values:        []string{"10.9.9.9"},
	})
	require.NoError(t, s.Fleet().Put(state))
	require.NoError(t, s.Seed(zone, sets...))
	return f
}

// sweep makes a pass over the fleet.
func (f *largeFleet) sweep(t *testing.T) error {
	t.Helper()
	_, err := swept(t, f.sandbox, run.Parameters{
		Zone:            zoneName,
		CheckHealthPath: "/health",
		UnhealthyAction: "standby",
		DeleteBudget:    "30%",
	})
	return err
}

func configFor(t *testing.T, s *sandbox.Server) aws.Config {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(
		t.Context(),
		config.WithRegion("eu-central-1"),
		config.WithBaseEndpoint(s.URL()),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("k", "s", "")),
	)
	require.NoError(t, err)
	return loaded
}

// swept makes a pass.
func swept(t *testing.T, s *sandbox.Server, p run.Parameters) (sweep.Report, error) {
	t.Helper()
	log, _ := logtest.NewNullLogger()
	return sweptWith(t, s, p, log)
}

func sweptWith(t *testing.T, s *sandbox.Server, p run.Parameters, log *logrus.Logger) (sweep.Report, error) {
	t.Helper()
	report, err := run.Sweep(t.Context(), configFor(t, s), p, logrus.NewEntry(log))
	if err != nil {
		assert.Equal(t, err.Error(), report.Error, "the report says why")
	} else {
		assert.Empty(t, report.Error)
	}
	return report, err
}

// identifiers gives what the zone holds now.
func (f *largeFleet) identifiers() map[string]bool {
	found := map[string]bool{}
	for _, set := range f.sandbox.Records(f.zone) {
		found[set.SetIdentifier+" "+set.Type] = true
	}
	return found
}

// TestEveryOrphanGoesAndNothingLive takes the 90 seconds between the two looks in real time.
func TestEveryOrphanGoesAndNothingLive(t *testing.T) {
	t.Parallel()
	f := newLargeFleet(t)
	begun := time.Now()
	require.NoError(t, f.sweep(t))
	found := f.identifiers()
	assert.Equal(t, slices.Sorted(maps.Keys(f.live)), slices.Sorted(maps.Keys(found)))
	t.Logf(
		"%d records of %d swept in %s with %d calls",
		len(f.orphans),
		len(f.live)+len(f.orphans),
		time.Since(begun).Round(time.Second),
		len(f.sandbox.Calls()),
	)
}

func TestReadingThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	f := newLargeFleet(t)
	before := f.sandbox.Records(f.zone)
	for _, operation := range []string{
		"ListResourceRecordSets", "ecs:ListClusters", "ecs:ListContainerInstances", "ecs:DescribeContainerInstances",
		"ecs:ListTasks",
		"ecs:DescribeTasks", "ec2:DescribeInstances", "sts:GetCallerIdentity",
	} {
		t.Run(operation, func(t *testing.T) {
			after, page := 1, 50 // it fails on the second page
			switch operation {
			case "sts:GetCallerIdentity":
				after = 0
			case "ecs:ListClusters":
				page = 1
			}
			f.sandbox.Configure(func(c *sandbox.Settings) { c.Page = page })
			require.NoError(t, f.sandbox.SetFaults(sandbox.Fault{
				Kind:      sandbox.Fail,
				Code:      "AccessDeniedException",
				Status:    400,
				Operation: operation,
				After:     after,
			}))
			err := f.sweep(t)
			require.ErrorContains(t, err, "nothing is changed")
			assert.Equal(t, before, f.sandbox.Records(f.zone))
			assert.Empty(t, f.sandbox.Calls("ChangeResourceRecordSets"))
		})
	}
}
