// Command ecssd-sandbox plays the parts of AWS that ecssd uses on this machine, so that ecssd can be developed and
// tried without an account. It keeps nothing when it ends.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

type flags struct {
	Listen     string   `default:"127.0.0.1:4566" help:"Address of the API and the metadata service. Port 0 takes a free one, here and below."`
	DNS        string   `name:"dns" default:"127.0.0.1:5300" help:"Address of DNS, UDP and TCP."`
	Manage     string   `default:"127.0.0.1:4567" help:"Address of the management API. / is a page in a browser, and explains the API to others."`
	Zone       []string `default:"servicediscovery.internal" help:"Private hosted zone to begin with; repeatable."`
	PublicZone []string `placeholder:"NAME" help:"Public hosted zone to begin with; repeatable."`
	VPC        string   `name:"vpc" default:"${vpc}" help:"VPC of the private zones, of DNS and of the metadata."`
	Region     string   `default:"${region}" help:"Region of the VPC, of the metadata, of ECS and EC2."`
	Account    string   `default:"${account}" help:"Account of the metadata, of ECS and EC2."`
	InstanceID string   `name:"instance-id" default:"${instance}" help:"Instance ID in the metadata."`
	HostIP     string   `name:"host-ip" default:"${address}" help:"The instance's private address in the metadata."`
	Throttle   string   `default:"current" help:"Token buckets: current (AWS now: 10 requests and 100 changes a second to Route 53), legacy (5 requests a second), none."`
	Engine     bool     `help:"Mirror the local Docker Engine: containers with ECS's labels are tasks on the instance of the metadata. Off by default."`
	Function   string   `placeholder:"PATH" help:"Executable that is a Lambda function, such as bootstrap. None by default."`

	FunctionEnv      []string      `sep:"none" placeholder:"NAME=VALUE" help:"Variable of the function; repeatable."`
	FunctionTimeout  time.Duration `default:"240s" help:"Timeout of the function."`
	FunctionMemory   int           `default:"256" help:"Memory of the function, in MB."`
	FunctionSchedule time.Duration `default:"0s" help:"Interval at which the function is invoked with {}; 0: never."`
	FunctionQueue    string        `placeholder:"NAME" help:"Queue that gets EC2's state changes by a rule, and invokes the function. None by default."`

	Seed uint64 `default:"0" help:"Seed of all random choices, to have the same ones again; 0: another one each time."`
}

// Help is printed by ecssd-sandbox --help.
func (flags) Help() string {
	return `It prints variables that point a program at it, then the addresses of its other sides and the zones' IDs, and runs until it is
stopped. Nothing is kept.

    ecssd-sandbox > sandbox.env &                     # and then, or in another shell
    . ./sandbox.env
    ecssd agent --state-dir state
    dig @127.0.0.1 -p 5300 SRV time.servicediscovery.internal

    ecssd-sandbox --engine --host-ip 192.168.0.7      # this machine's containers are ECS's tasks, for ecssd sweep
    ecssd-sandbox --function bootstrap --function-queue states --function-env ZONE=servicediscovery.internal
    ecssd-sandbox --throttle legacy --seed 1          # with fewer calls a second, and the same jitter each time
    ecssd-sandbox --zone a.internal --zone b.internal --public-zone example.com

Its page, http://127.0.0.1:4567/, shows records and calls, and switches failures on and off. Programs do so by the API there:

    curl http://127.0.0.1:4567/
    curl http://127.0.0.1:4567/faults -d '{"kind": "fail", "code": "Throttling", "operation": "ChangeResourceRecordSets"}'`
}

// errUsage marks errors of the command line.
var errUsage = errors.New("see ecssd-sandbox --help")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "ecssd-sandbox:", err)
	stop()
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var f flags
	helped := false
	parser, err := kong.New(
		&f,
		kong.Name("ecssd-sandbox"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.Vars{
			"vpc":      sandbox.DefaultVPC,
			"region":   sandbox.DefaultRegion,
			"account":  sandbox.DefaultAccount,
			"instance": imds.DefaultID,
			"address":  imds.DefaultPrivateIP,
		},
		kong.Description(
			"Plays Route 53, its DNS, ECS, EC2, EventBridge, SQS, Lambda and EC2 metadata, in memory, "+
				"to develop against.",
		),
	)
	if err != nil {
		return fmt.Errorf("define flags: %w", err)
	}
	_, err = parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	return f.serve(ctx, stdout, stderr)
}

// serve runs a sandbox until ctx ends.
func (f *flags) serve(ctx context.Context, stdout, stderr io.Writer) (err error) {
	settings := sandbox.Settings{ECSThrottle: throttle.ECS(), EC2Throttle: throttle.EC2()}
	settings.Throttle, err = throttle.Named(f.Throttle)
	if err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	if strings.EqualFold(f.Throttle, "none") {
		settings = sandbox.Settings{}
	}
	s, err := sandbox.Start(sandbox.Config{
		Listen: f.Listen,
		DNS:    f.DNS,
		Manage: f.Manage,
		VPC:    f.VPC,
		Seed:   f.Seed,
		Engine: f.Engine,
		Instance: sandbox.Instance{
			ID:        f.InstanceID,
			PrivateIP: f.HostIP,
			Region:    f.Region,
			Account:   f.Account,
		},
		Settings: settings,
	})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, name := range f.Zone {
		if _, err := s.CreateZone(name, sandbox.Private(f.VPC, f.Region)); err != nil {
			return fmt.Errorf("%w; %w", err, errUsage)
		}
	}
	for _, name := range f.PublicZone {
		if _, err := s.CreateZone(name); err != nil {
			return fmt.Errorf("%w; %w", err, errUsage)
		}
	}
	if f.Function != "" {
		if err := f.startFunction(s, stderr); err != nil {
			return fmt.Errorf("%w; %w", err, errUsage)
		}
	}
	printAddresses(stdout, s)
	<-ctx.Done()
	return nil
}

// printAddresses prints the variables that point a program at the sandbox, and its other addresses.
func printAddresses(w io.Writer, s *sandbox.Server) {
	for _, variable := range s.Environment() {
		fmt.Fprintf(w, "export %s\n", variable)
	}
	fmt.Fprintf(w, "# DNS: %s\n# management: %s\n# page: %s/\n", s.DNSAddr(), s.ManageURL(), s.ManageURL())
	for _, z := range s.Zones() {
		kind := "public"
		if z.Private {
			kind = "private"
		}
		fmt.Fprintf(w, "# %s hosted zone %s: %s\n", kind, z.Name, z.ID)
	}
}
