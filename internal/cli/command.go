// Package cli holds the commands of ecssd. It has no logic of its own: it reads flags, connects the other packages to
// each other and to AWS, the Engine and the ECS agent, and prints.
package cli

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ecssd/ecssd/internal/settings"
)

// UsageError is an error in the command line or the environment.
type UsageError struct{ error }

func (e UsageError) Unwrap() error { return e.error }

// cli is the command line.
type cli struct {
	Settings `embed:""`

	Agent       agentCommand       `cmd:"" help:"Keep the zone in step with this host's containers, until stopped."`
	Sync        syncCommand        `cmd:"" help:"Bring the zone in step with this host's containers once."`
	Deregister  deregisterCommand  `cmd:"" help:"Remove all records of this host."`
	Standby     standbyCommand     `cmd:"" help:"Take this host out of traffic, or put it back."`
	Ls          lsCommand          `cmd:"" help:"List the services in the zone and where they run."`
	Resolve     resolveCommand     `cmd:"" help:"Look a service up in DNS, as a consumer would."`
	Explain     explainCommand     `cmd:"" help:"Explain why a container is registered or not, and under which names."`
	Doctor      doctorCommand      `cmd:"" help:"Check everything that the agent depends on, and print hints."`
	Sweep       sweepCommand       `cmd:"" help:"Remove records of hosts and containers that are gone, once, as the sweeper does."`
	Healthcheck healthcheckCommand `cmd:"" help:"Exit with status 0 if the agent of this host is alive."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// streams is where a command prints: its result on Out, everything else on Err.
type streams struct{ Out, Err io.Writer }

// Run is the command. version is that of the release; empty outside one. The error is a UsageError where the command
// line, the environment or the settings file is wrong.
func Run(ctx context.Context, version string, args []string, stdout, stderr io.Writer) error {
	file, err := settings.Read(settings.Path)
	if err != nil {
		return UsageError{err}
	}
	return runWith(ctx, file, version, args, streams{stdout, stderr})
}

// runWith is Run with a settings file.
func runWith(ctx context.Context, file settings.File, version string, args []string, std streams) error {
	if err := file.Apply(); err != nil {
		return UsageError{err}
	}
	c := cli{Settings: Settings{version: releaseVersion(version)}}
	parser, err := newParser(ctx, &c, std)
	if err != nil {
		return fmt.Errorf("build command line: %w", err)
	}
	helped := false
	parser.Exit = func(int) { helped = true }
	if len(args) == 0 {
		args = []string{"--help"}
	}
	c.from = settings.New(file, variables(parser.Model))
	command, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		text, _, _ := strings.Cut(err.Error(), " (from envar ") // which Locate says in other words
		return UsageError{fmt.Errorf("%s (see ecssd --help)", c.from.Locate(text, args))}
	}
	return command.Run(&c.Settings)
}

// newParser returns the parser of the command line.
func newParser(ctx context.Context, c *cli, std streams) (*kong.Kong, error) {
	return kong.New(
		c,
		kong.Name("ecssd"),
		kong.Description(
			"Service discovery for ECS on EC2: weighted SRV records in a Route 53 private hosted zone, "+
				"kept in step with the containers that run. The flags below are those of all commands. "+
				"Each can also be set by its variable, or on a host in "+settings.Path+"; "+
				"a flag wins over the variable, the variable over the file.",
		),
		kong.DefaultEnvars("ECSSD"),
		kong.Writers(std.Out, std.Err),
		kong.Help(printHelp),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
}

// printHelp prints the help of a command with its own flags only: those of all commands are in ecssd --help.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = flag.Name != "help"
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\nFlags of all commands, their variables, and %s: ecssd --help\n", settings.Path)
	return err
}

// variables returns the variables of all flags of all commands.
func variables(app *kong.Application) (all []string) {
	for _, command := range append(app.Leaves(false), app.Node) {
		for _, flag := range command.Flags {
			all = append(all, flag.Envs...)
		}
	}
	return all
}

type versionCommand struct{}

// Help is printed by ecssd version --help.
func (versionCommand) Help() string {
	return `Prints the version of this program. An agent that was started before an upgrade runs another version until it is restarted: ecssd
doctor warns of that.

    ecssd version`
}

func (versionCommand) Run(s *Settings, std streams) error {
	_, err := fmt.Fprintln(std.Out, "ecssd", s.version)
	return err
}

// releaseVersion returns version, or the version in the build information if it is empty.
func releaseVersion(version string) string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
