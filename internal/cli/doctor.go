package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/doctor"
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
	began := time.Now()
	report := doctor.Run(ctx, doctor.Config{
		Zone:          s.Zone,
		ZoneID:        s.ZoneID,
		TTL:           s.TTL,
		StateDir:      s.StateDir,
		Listen:        s.Listen,
		Version:       s.version,
		Given:         host.Given{InstanceID: s.InstanceID, Address: s.address()},
		Policy:        policy,
		Engine:        engines[0],
		Events:        engines[1],
		Introspection: host.NewIntrospection(host.IntrospectionURL),
		Address:       addressed,
		Metadata:      metadata,
		LoadAWS:       func(ctx context.Context, region string) (aws.Config, error) { return loadAWS(ctx, s, metadata, region) },
		Resolver:      c.resolver(),
		Server:        c.Server,
		RoundTrip:     c.RoundTrip,
		Progress:      func(line string) { fmt.Fprintln(std.Err, line) },
	})
	if c.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report.Findings)
	} else {
		err = printFindings(std.Out, report, time.Since(began))
	}
	if failed := states(report.Findings)[doctor.Fail]; err == nil && failed > 0 {
		return fmt.Errorf("doctor: %d FAIL", failed)
	}
	return err
}

func (c doctorCommand) resolver() *net.Resolver {
	if c.Server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.Server)
	}}
}

// states counts findings.
func states(findings []doctor.Finding) map[doctor.State]int {
	counts := map[doctor.State]int{}
	for _, f := range findings {
		counts[f.State]++
	}
	return counts
}

// Colours of states on a terminal, in the numbers of ECMA-48.
var colours = map[doctor.State]int{doctor.OK: 32, doctor.Warn: 33, doctor.Fail: 31, doctor.Skip: 36}

func printFindings(out io.Writer, report doctor.Report, took time.Duration) error {
	width := 0
	for _, f := range report.Findings {
		width = max(width, len(f.Check))
	}
	coloured := terminal(out)
	for _, f := range report.Findings {
		state := fmt.Sprintf("%-4s", f.State)
		if coloured {
			state = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colours[f.State], state)
		}
		fmt.Fprintf(out, "%s  %-*s  %s\n", state, width, f.Check, status.Printable(f.Detail))
		if f.Hint != "" {
			fmt.Fprintf(out, "%*s  hint: %s\n", len("FAIL  ")+width, "", status.Printable(f.Hint))
		}
	}
	counts := states(report.Findings)
	_, err := fmt.Fprintf(out, "\n%d ok, %d warn, %d FAIL, %d skip, with %d calls of AWS in %.1f s\n",
		counts[doctor.OK], counts[doctor.Warn], counts[doctor.Fail], counts[doctor.Skip], report.Calls, took.Seconds())
	return err
}

// terminal says whether colours may be written. NO_COLOR (no-color.org) says no.
func terminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || strings.EqualFold(os.Getenv("TERM"), "dumb") {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return !errors.Is(err, unix.ENOTTY) && err == nil
}
