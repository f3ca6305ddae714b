package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/doctor/awscheck"
	"github.com/ecssd/ecssd/internal/doctor/hostcheck"
	"github.com/ecssd/ecssd/internal/doctor/zonecheck"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/status"
)

type doctorCommand struct {
	RoundTrip bool   `help:"Also write a record, wait up to 90 seconds until it can be resolved here, and remove it."`
	Server    string `help:"DNS server to ask, with its port; the system's where not given." placeholder:"ADDRESS:PORT"`
	JSON      bool   `name:"json" help:"Print a JSON array of {check, state, detail, hint}."`
}

// Help is printed by ecssd doctor --help.
func (doctorCommand) Help() string {
	return `Checks everything that the agent of this host depends on: Docker and its containers, the agent, the ECS agent, EC2 metadata,
credentials and their permissions, the hosted zone and its quota, the state directory, DNS. One line a check; a hint under it says
what to do:

    ok     all is well
    warn   services are found, for now
    FAIL   services are not found, or not all
    skip   not looked at, and why

It takes 10 to 15 calls of AWS's APIs, and less than 15 seconds whatever does not answer. It changes nothing, but with --round-trip,
and does not disturb an agent that runs. Without root it leaves out what only root may see.

    sudo ecssd doctor                   after an installation, or when a service is not found
    sudo ecssd doctor --round-trip      and how long a change takes to reach this host
    ecssd doctor --json | jq '.[] | select(.state == "FAIL")'

The exit status is 1 if anything is FAIL, else 0.`
}

func (c doctorCommand) Run(ctx context.Context, s *Settings, std streams) error {
	if c.Server != "" && !listenable(c.Server) {
		return UsageError{fmt.Errorf("--server %q is not an address and port", c.Server)}
	}
	policy, err := s.policy()
	if err != nil {
		return UsageError{err}
	}
	var engines [2]*docker.Engine
	for i := range engines {
		if engines[i], err = docker.New(s.DockerHost); err != nil {
			return UsageError{fmt.Errorf("--docker-host: %w", err)}
		}
		defer engines[i].Close()
	}
	metadata, _ := openMetadata(ctx, s) // what is wrong with the configuration the check of credentials says
	local := hostcheck.New(hostcheck.Config{
		StateDir:      s.StateDir,
		Listen:        s.Listen,
		Version:       s.version,
		Given:         host.Given{InstanceID: s.InstanceID, Address: s.address()},
		Policy:        policy,
		Engine:        engines[0],
		Events:        engines[1],
		Introspection: host.NewIntrospection(host.IntrospectionURL),
		Metadata:      metadata,
		Address:       addressed,
	})
	way := awscheck.New(awscheck.Config{
		Metadata: metadata,
		Identity: local.Identity,
		LoadAWS: func(ctx context.Context, region string) (aws.Config, error) {
			return loadAWS(ctx, s, metadata, region)
		},
	})
	zone := zonecheck.New(zonecheck.Config{
		Host:     local,
		AWS:      way,
		Name:     s.Zone,
		ID:       s.ZoneID,
		TTL:      s.TTL,
		Resolver: c.resolver(),
		Server:   c.Server,
		Progress: func(line string) { fmt.Fprintln(std.Err, line) },
	})
	began := time.Now()
	results := c.check(ctx, slices.Concat(local.Checks(), way.Checks(), zone.Checks()), zone.RoundTrip())
	if c.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(results)
	} else {
		err = printResults(std.Out, results, way.Calls(), time.Since(began))
	}
	if failed := states(results)[doctor.Fail]; err == nil && failed > 0 {
		return fmt.Errorf("doctor: %d FAIL", failed)
	}
	return err
}

// check runs the checks, and where it is asked for the round trip, which may take longer than all others together.
func (c doctorCommand) check(ctx context.Context, checks []doctor.Check, roundTrip doctor.Check) []doctor.Result {
	limited, cancel := context.WithTimeout(ctx, doctor.InAll)
	defer cancel()
	results := doctor.Run(limited, checks)
	if c.RoundTrip {
		results = append(results, doctor.Run(ctx, []doctor.Check{roundTrip})...)
	}
	return results
}

func (c doctorCommand) resolver() *net.Resolver {
	if c.Server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.Server)
	}}
}

// states counts results by their state.
func states(results []doctor.Result) map[doctor.State]int {
	counts := map[doctor.State]int{}
	for _, r := range results {
		counts[r.State]++
	}
	return counts
}

// Colours of states on a terminal, in the numbers of ECMA-48.
var colours = map[doctor.State]int{
	doctor.OK:   32,
	doctor.Warn: 33,
	doctor.Fail: 31,
	doctor.Skip: 36,
}

func printResults(out io.Writer, results []doctor.Result, calls int, took time.Duration) error {
	width := 0
	for _, r := range results {
		width = max(width, len(r.Check))
	}
	coloured := terminal(out)
	for _, r := range results {
		state := fmt.Sprintf("%-4s", r.State)
		if coloured {
			state = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[r.State], state)
		}
		fmt.Fprintf(out, "%s  %-*s  %s\n", state, width, r.Check, status.Printable(r.Detail))
		if r.Hint != "" {
			fmt.Fprintf(out, "%*s  hint: %s\n", len("FAIL  ")+width, "", status.Printable(r.Hint))
		}
	}
	counts := states(results)
	_, err := fmt.Fprintf(out, "\n%d ok, %d warn, %d FAIL, %d skip, with %d calls of AWS in %.1f s\n",
		counts[doctor.OK], counts[doctor.Warn], counts[doctor.Fail], counts[doctor.Skip], calls, took.Seconds())
	return err
}

// terminal reports whether colours may be written: not where NO_COLOR is set (no-color.org).
func terminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || strings.EqualFold(os.Getenv("TERM"), "dumb") {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return !errors.Is(err, unix.ENOTTY) && err == nil
}
