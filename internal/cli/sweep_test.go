package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sweep"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

const deadID = "i-0fedcba9876543210"

// deadHost puts the records of a host into the zone, beside those of one that lives; EC2 says that the first is
// terminated.
func (w *world) deadHost() {
	w.t.Helper()
	require.NoError(w.t, w.sandbox.Fleet().Put(account.State{
		Instances: []account.Instance{{ID: deadID, State: "terminated"}},
	}))
	set := func(name, kind, id, value string) sandbox.Set {
		return sandbox.Set{
			Name:          name + "." + zoneName,
			Type:          kind,
			SetIdentifier: id,
			Weight:        new(int64(1)),
			Values:        []string{value},
		}
	}
	require.NoError(w.t, w.sandbox.Seed(w.zone,
		set("ip-10-0-0-1", "A", instanceID+":host:123456789012/eu-central-1", "10.0.0.1"),
		set("time", "SRV", instanceID+":docker:"+strings.Repeat("1", 64)+":80/tcp", "1 1 80 ip-10-0-0-1."+zoneName),
		set("ip-10-0-0-2", "A", deadID+":host:123456789012/eu-central-1", "10.0.0.2"),
		set("time", "SRV", deadID+":ecs:"+strings.Repeat("2", 64)+":80/tcp", "1 1 80 ip-10-0-0-2."+zoneName),
	))
}

// execute runs the command to its end.
func (w *world) execute(args ...string) (stdout, stderr string, status int) {
	w.t.Helper()
	command := w.command(args...)
	command.Env = append(command.Env, w.environment...)
	var out, err bytes.Buffer
	command.Stdout, command.Stderr = &out, &err
	if failure := command.Run(); failure != nil {
		exit, ok := errors.AsType[*exec.ExitError](failure)
		require.True(w.t, ok, "%v", failure)
		status = exit.ExitCode()
	}
	return out.String(), err.String(), status
}

func TestSweepSaysWhatItWouldDoAndDoesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deadHost()
	before := w.sandbox.Records(w.zone)
	require.Len(t, before, 4)
	reason := "EC2 reports instance " + deadID + " as stopped or terminated"
	plan := "" +
		"delete  ip-10-0-0-2." + zoneName + "  A    " + reason + "  " + deadID + ":host:123456789012/eu-central-1\n" +
		"delete  time." + zoneName + "         SRV  " + reason + "  " +
		deadID + ":ecs:" + strings.Repeat("2", 64) + ":80/tcp\n" +
		"lower   " + zoneName + "              SOA  set how long resolvers cache NXDOMAIN to 60 s\n" +
		"4 records seen, 2 stale, 0 refused, 0 unhealthy, 0 left\n"

	out, _, status := w.execute("sweep", "--dry-run", "--negative-ttl=60")
	assert.Equal(t, 0, status)
	assert.Equal(t, plan+"dry run: nothing was changed\n", out)
	assert.Equal(t, before, w.sandbox.Records(w.zone))
	assert.Empty(t, w.changes())

	out, _, status = w.execute("sweep", "--negative-ttl=60")
	assert.Equal(t, 0, status)
	assert.Regexp(
		t,
		`^2 deleted, 0 put on standby, 0 restored, 0 not done, 0 tasks stopped, in \d+\.\d s\n$`,
		strings.TrimPrefix(out, plan),
	)
	assert.Equal(t, w.own(), w.sandbox.Records(w.zone), "what is left is the living host's")
	assert.Len(t, w.own(), 2)

	out, _, status = w.execute("sweep", "--negative-ttl=60", "--dry-run")
	assert.Equal(t, 0, status)
	assert.Equal(t, "2 records seen, 0 stale, 0 refused, 0 unhealthy, 0 left\ndry run: nothing was changed\n", out)
}

func TestSweepPrintsEveryKindOfFinding(t *testing.T) {
	report := sweep.Report{
		DryRun:      true,
		Seen:        9,
		Stale:       4,
		Refused:     1,
		Unhealthy:   1,
		Skipped:     1,
		NegativeTTL: 60,
		Stops:       []sweep.Stop{{Task: "arn:t1", Reason: "it answers\x1b 500"}},
		TasksSpared: "no task is stopped: 2 of 3 checks failed, more than 30 %",
		Stuck:       []evidence.Stuck{{Task: "arn:t2", Container: "web", Instance: "i-1"}},
	}
	for i, v := range []evidence.Verdict{
		evidence.Dead,
		evidence.Orphan,
		evidence.Missing,
		evidence.Standby,
		evidence.Restore,
		evidence.Skipped,
		evidence.Refused,
	} {
		report.Findings = append(report.Findings, sweep.Finding{
			Verdict: v,
			Name:    "web.a",
			Type:    "SRV",
			SetID:   strconv.Itoa(i),
			Reason:  "as " + string(v),
		})
	}
	var out strings.Builder
	printReport(&out, "a", report)
	assert.Equal(t, `delete   web.a   SRV   as dead     0
delete   web.a   SRV   as orphan   1
delete   web.a   SRV   as missing  2
standby  web.a   SRV   as standby  3
restore  web.a   SRV   as restore  4
leave    web.a   SRV   as left     5
refuse   web.a   SRV   as refused  6
stop     arn:t1  task  it answers\x1b 500
stuck    arn:t2  task  its container web on i-1 has no container ID in ECS after 10 minutes
lower    a       SOA   set how long resolvers cache NXDOMAIN to 60 s
no task is stopped: 2 of 3 checks failed, more than 30 %
9 records seen, 4 stale, 1 refused, 1 unhealthy, 1 left
dry run: nothing was changed
`, out.String())
}

func TestSweepPrintsItsReportAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deadHost()
	out, _, status := w.execute("sweep", "--json", "--dry-run", "--zone-id", w.zone)
	assert.Equal(t, 0, status)
	var report sweep.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Len(t, report.Findings, 2)
	report.Seconds, report.Findings = 0, nil
	assert.Equal(t, sweep.Report{
		DryRun:      true,
		Seen:        4,
		Stale:       2,
		ZoneRecords: 6,
		ZoneQuota:   10_000,
	}, report)
}

func TestSweepThatCannotReadSaysWhyAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deadHost()
	require.NoError(t, w.sandbox.SetFaults(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      "UnauthorizedOperation",
		Operation: "ec2:DescribeInstances",
	}))
	out, stderr, status := w.execute("sweep")
	assert.Equal(t, 1, status)
	assert.Empty(t, out)
	assert.Regexp(t, `^ecssd: nothing is changed: .*DescribeInstances.*UnauthorizedOperation`, stderr)
	assert.Len(t, w.sandbox.Records(w.zone), 4)
}

func TestSweepNamesTheFlagThatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ flag, want string }{
		{"--delete-budget=0.3", `--delete-budget "0.3" is not a percentage, 0% to 100%`},
		{"--check-health-path=up", `--check-health-path "up" does not begin with a slash`},
		{"--negative-ttl=86401", `--negative-ttl 86401 is not within 0 to 86400 seconds`},
		{
			"--unhealthy-action=kill",
			`--unhealthy-action must be one of "standby","stop-task" but got "kill" (see ecssd --help)`,
		},
		{
			"--zone-id=z/1",
			`--zone-id "z/1" is not the ID of a hosted zone, such as Z0123456789ABCDEFGHIJ (see ecssd --help)`,
		},
	} {
		out, stderr, status := w.execute("sweep", c.flag)
		assert.Equal(t, 2, status, c.flag)
		assert.Empty(t, out, c.flag)
		assert.Equal(t, "ecssd: "+c.want+"\n", stderr)
	}
	assert.Empty(t, w.sandbox.Calls())
}

// A region that nobody named would be one in which there are none of the hosts.
func TestSweepWithoutARegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.environment = []string{"AWS_REGION=", "AWS_DEFAULT_REGION=", "AWS_CONFIG_FILE=/dev/null"}
	require.NoError(t, w.sandbox.Seed(w.zone, sandbox.Set{
		Name:          "ip-10-0-0-3." + zoneName,
		Type:          "A",
		SetIdentifier: deadID + ":host:123456789012/us-east-1",
		Weight:        new(int64(1)),
		Values:        []string{"10.0.0.3"},
	}))
	out, _, status := w.execute("sweep", "--dry-run")
	assert.Equal(t, 0, status)
	assert.Contains(t, out, "the host is in account 123456789012, region us-east-1", "the metadata's region is another")

	w.environment = append(w.environment, "AWS_EC2_METADATA_DISABLED=true")
	calls := len(w.sandbox.Calls())
	out, stderr, status := w.execute("sweep", "--dry-run")
	assert.Equal(t, 2, status)
	assert.Empty(t, out)
	assert.Equal(
		t,
		"ecssd: no AWS region is configured, and EC2 metadata has none (hint: give --region, or set AWS_REGION)\n",
		stderr,
	)
	assert.Len(t, w.sandbox.Calls(), calls)
}
