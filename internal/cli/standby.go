package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/statedir"
)

type standbyCommand struct {
	Off bool `help:"Put the host back into traffic."`
}

// Help is printed by ecssd standby --help.
func (standbyCommand) Help() string {
	return `Gives all records of this host weight 0: consumers are sent to other hosts, unless a service runs nowhere else. The agent does so
within 5 seconds. The state directory keeps it through restarts of the agent and reboots, until ecssd standby --off.

    sudo ecssd standby           # before work on the host
    sudo ecssd standby --off     # after it

If no agent runs, the command says so, and the next agent does it. The exit status is 0 then, too.`
}

func (c standbyCommand) Run(ctx context.Context, s *Settings, std streams) error {
	if c.Off {
		was, err := statedir.EndStandby(s.StateDir)
		switch {
		case err != nil:
			return withHint(err, s)
		case !was:
			fmt.Fprintln(std.Out, "This host was not put on standby by hand.")
			return nil
		}
		fmt.Fprintln(std.Out, "This host goes back into traffic within 5 seconds.")
	} else {
		instance, err := instanceHere(ctx, s)
		if err != nil {
			return err
		}
		if err := statedir.SetStandby(s.StateDir, instance, time.Now()); err != nil {
			return withHint(err, s)
		}
		fmt.Fprintln(std.Out, "This host goes on standby within 5 seconds, until: ecssd standby --off")
	}
	if err := (healthcheckCommand{}).Run(ctx, s); err != nil {
		fmt.Fprintf(std.Err, "No agent answers; records change when one runs: %v\n", err)
	}
	return nil
}

// instanceHere returns the ID of this host, so that a host that is made from an image of this one is not on standby.
// If EC2 metadata does not answer, it is the instance that the journal belongs to.
func instanceHere(ctx context.Context, s *Settings) (string, error) {
	if s.InstanceID != "" {
		return s.InstanceID, nil
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return "", err
	}
	id, err := metadata.Identify(ctx, host.Given{})
	if err == nil {
		return id.InstanceID, nil
	}
	if instance, journalErr := journal.Instance(s.StateDir); journalErr == nil && instance != "" {
		return instance, nil
	} else if !errors.Is(journalErr, fs.ErrNotExist) {
		return "", withHint(journalErr, s)
	}
	return "", fmt.Errorf("get the instance ID: %w (hint: give --instance-id)", err)
}

// identifyTimeout is how long EC2 metadata may take to answer with the instance ID.
const identifyTimeout = 3 * time.Second

// withHint adds what to do about a state directory that cannot be used.
func withHint(err error, s *Settings) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (hint: run this as root, or as the agent's user)", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: no agent has run here with --state-dir %s", err, s.StateDir)
	}
	return err
}

// hostStandby returns why the whole host is to be on standby: by hand, or because EC2 metadata says that the host is
// about to end.
func hostStandby(stateDir, instance string, notices *host.Metadata) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		since, err := statedir.Standby(stateDir, instance)
		if since != "" {
			return "by hand, " + since, nil
		}
		if notices == nil {
			return "", err
		}
		why, noticeErr := notices.Leaving(ctx)
		if why != "" {
			return why, nil
		}
		return "", errors.Join(err, noticeErr)
	}
}
