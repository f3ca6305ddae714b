// Command ecssd keeps a Route 53 private hosted zone in step with the containers of this host. It has no logic of its
// own: it reads flags, connects the packages below internal to each other and to AWS, the Engine and the ECS agent, and
// prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	if err := loadEnvironment(environmentFile); err != nil {
		fmt.Fprintln(os.Stderr, "ecssd:", err)
		os.Exit(exitUsage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "ecssd:", err)
	if errors.As(err, new(usageError)) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailure)
}

// usageError is an error of whoever called the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// cli is the command line.
type cli struct {
	Settings `embed:""`

	Agent       agentCommand       `cmd:"" help:"Keep the zone in step with this host's containers, until stopped."`
	Sync        syncCommand        `cmd:"" help:"Bring the zone in step with this host's containers once."`
	Deregister  deregisterCommand  `cmd:"" help:"Remove all records of this host."`
	Standby     standbyCommand     `cmd:"" help:"Take this host out of traffic, or put it back."`
	Ls          lsCommand          `cmd:"" help:"List the zone's services and where they run."`
	Resolve     resolveCommand     `cmd:"" help:"Look a service up in DNS, as a consumer would."`
	Explain     explainCommand     `cmd:"" help:"Say why a container is announced or not, and as what."`
	Doctor      doctorCommand      `cmd:"" help:"Look at all that the agent rests on, and say how to mend what is amiss."`
	Sweep       sweepCommand       `cmd:"" help:"Remove records of hosts and containers that are gone, once, as the sweeper does."`
	Healthcheck healthcheckCommand `cmd:"" help:"Say by the exit status whether the agent of this host is alive."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// streams is where a command prints: what was asked for on Out, everything else on Err.
type streams struct{ Out, Err io.Writer }

// run is the command. It returns nil, a usageError or any other failure.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	helped := false
	parser, err := kong.New(
		&c,
		kong.Name("ecssd"),
		kong.Description(
			"Service discovery for ECS on EC2: weighted SRV records in a Route 53 private hosted zone, kept in step with the containers that run.",
		),
		kong.DefaultEnvars("ECSSD"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(streams{stdout, stderr}),
	)
	if err != nil {
		return fmt.Errorf("build command line: %w", err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w (see ecssd --help)", err)}
	}
	return command.Run(&c.Settings)
}

// version is set when a release is linked.
var version = ""

type versionCommand struct{}

// Help is printed by ecssd version --help.
func (versionCommand) Help() string {
	return `Prints the version of this program. An agent that was started before an upgrade may be of another: ecssd doctor tells.

    ecssd version`
}

func (versionCommand) Run(std streams) error {
	_, err := fmt.Fprintln(std.Out, "ecssd", versionString())
	return err
}

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
