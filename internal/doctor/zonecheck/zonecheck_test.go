package zonecheck

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/sandbox"
)

const (
	zoneName   = "servicediscovery.internal"
	instanceID = "i-0123456789abcdef0" // the one of the sandbox
)

// known is a host of which this was found out.
type known struct {
	identity  host.Identity
	endpoints []endpoint.Endpoint
	unlisted  bool
	records   map[string]plan.Current
}

func (k *known) Identity(context.Context) host.Identity { return k.identity }
func (k *known) Endpoints(context.Context) ([]endpoint.Endpoint, bool) {
	return k.endpoints, !k.unlisted
}
func (k *known) Records(context.Context) map[string]plan.Current { return k.records }

// world is a look at the zone of a sandbox.
type world struct {
	*Zone
	t       *testing.T
	host    *known
	sandbox *sandbox.Server
	zone    string // ID of the one that there is
	lines   []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	id, err := s.CreateZone(zoneName, sandbox.Private(sandbox.DefaultVPC, "eu-central-1"))
	require.NoError(t, err)
	w := &world{
		t:       t,
		sandbox: s,
		zone:    id,
		host: &known{
			identity: host.Identity{
				InstanceID: instanceID,
				Region:     "eu-central-1",
				VPC:        sandbox.DefaultVPC,
				EC2:        true,
			},
			records: map[string]plan.Current{},
		},
	}
	w.Zone = New(Config{
		Host: w.host,
		AWS: awscheck.New(awscheck.Config{
			Metadata: host.NewMetadata(aws.Config{}),
			Identity: w.host.Identity,
			LoadAWS: func(_ context.Context, region string) (aws.Config, error) {
				return aws.Config{
					BaseEndpoint: aws.String(s.URL()),
					Region:       region,
					HTTPClient:   awshttp.NewBuildableClient(),
					Credentials:  credentials.NewStaticCredentialsProvider("k", "s", ""),
					Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
				}, nil
			},
		}),
		Name: zoneName,
		Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.DNSAddr())
		}},
		Server:   s.DNSAddr(),
		Progress: func(line string) { w.lines = append(w.lines, line) },
	})
	return w
}

// found runs the checks, and returns their lines: state, check, detail, and the hint after an arrow. Names that no
// other
// run has are replaced.
func (w *world) found() []string {
	w.t.Helper()
	return w.print(doctor.Run(w.t.Context(), w.Checks()))
}

func (w *world) print(results []doctor.Result) (lines []string) {
	hide := strings.NewReplacer(w.zone, "Z1", w.sandbox.DNSAddr(), "DNS", zoneName, "ZONE")
	for _, r := range results {
		line := fmt.Sprintf("%s %s: %s", r.State, r.Check, r.Detail)
		if r.Hint != "" {
			line += " -> " + r.Hint
		}
		lines = append(lines, hide.Replace(line))
	}
	return lines
}

// of returns the lines of one check.
func of(check string, lines []string) (found []string) {
	for _, line := range lines {
		if strings.Contains(line, " "+check+": ") {
			found = append(found, line)
		}
	}
	return found
}

// fails lets a code be the answer to operations, or to all.
func (w *world) fails(code string, operations ...string) {
	w.t.Helper()
	for _, operation := range operations {
		require.NoError(w.t, w.sandbox.AddFault(sandbox.Fault{Kind: sandbox.Fail, Code: code, Operation: operation}))
	}
}

// setIDs are those of containers of this host.
func setIDs(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s:ecs:%064x:80/tcp", instanceID, i+1))
	}
	return ids
}

// srv returns an SRV record of a name below the zone.
func srv(name, setID string) record.Record {
	return record.Record{
		Name:   name + "." + zoneName,
		Type:   record.SRV,
		SetID:  setID,
		Weight: 1,
		Value:  "1 1 80 ip-10-0-0-1." + zoneName,
	}
}

// wrote lets the host have written records, as the journal has it, and the zone hold those that are not lost.
func (w *world) wrote(records ...record.Record) {
	w.t.Helper()
	if w.host.records[w.zone] == nil {
		w.host.records[w.zone] = plan.Current{}
	}
	for _, r := range records {
		w.host.records[w.zone][r.Key()] = plan.Entry{Record: r}
	}
}

// holds puts records into the zone.
func (w *world) holds(records ...record.Record) {
	w.t.Helper()
	for _, r := range records {
		set := sandbox.Set{
			Name:          r.Name,
			Type:          string(r.Type),
			SetIdentifier: r.SetID,
			TTL:           r.TTL,
			Values:        []string{r.Value},
		}
		if r.SetID != "" {
			set.Weight = &r.Weight
		}
		require.NoError(w.t, w.sandbox.Seed(w.zone, set))
	}
}

func TestChecks(t *testing.T) {
	w := newWorld(t)
	web, host := srv("web", setIDs(1)[0]), record.Record{
		Name:   "ip-10-0-0-1." + zoneName,
		Type:   record.A,
		SetID:  instanceID + ":host:-",
		TTL:    60,
		Weight: 1,
		Value:  "10.0.0.1",
	}
	w.wrote(web, host)
	w.holds(web, host)
	assert.Equal(t, []string{
		"ok clock: this host's clock agrees with AWS's",
		"ok zone: ZONE is Z1, private, in this VPC",
		"ok read: these credentials may read the zone's records",
		"warn negative: resolvers cache NXDOMAIN for 900 s: a consumer that looks too early fails that long -> " +
			"give the sweeper NEGATIVE_TTL=60 (parameter NegativeTtl of sweeper.cform)",
		"ok write: these credentials may change SRV and A records (tried with one that does not exist)",
		"ok records: the zone holds 4 of at most 10000 records",
		"ok names: 1 of 1 name read; records of each, at most 100: web 1",
		"ok ttl: the names that were read have the TTL 0",
		"ok dns: the resolver here answers for web.ZONE",
	}, w.found())
	for _, call := range w.sandbox.Calls() {
		assert.False(t, call.Applied, "%v", call)
	}
}

func TestChecksWithoutCredentials(t *testing.T) {
	w := newWorld(t)
	w.AWS.LoadAWS = func(context.Context, string) (aws.Config, error) {
		return aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, assert.AnError
		})}, nil
	}
	assert.Equal(t, []string{
		"skip clock: not checked: AWS gave no answer to compare with",
		"skip zone: not checked: no credentials",
		"skip read: not checked: no credentials",
		"skip write: not checked: no credentials",
		"skip records: not checked: no credentials",
		"skip names: not checked: no credentials",
		"ok dns: the resolver here sees the zone; this host has no record to look up",
	}, w.found())
	assert.Equal(t, []string{"skip round-trip: not tried: see zone and metadata"},
		w.print(doctor.Run(t.Context(), []doctor.Check{w.RoundTrip()})))
}

// failsAfter does the same after so many calls of one operation.
func (w *world) failsAfter(code, operation string, calls int) {
	w.t.Helper()
	require.NoError(w.t, w.sandbox.AddFault(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      code,
		Operation: operation,
		After:     calls,
	}))
}
