// Command ecssd keeps a Route 53 private hosted zone in step with the containers of this host. Its commands are in
// internal/cli; the agent that ecssd agent runs is in internal/agent.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ecssd/ecssd/internal/cli"
)

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2
)

// version is set when a release is linked.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := cli.Run(ctx, version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ecssd:", err)
	}
	os.Exit(exitStatus(err))
}

func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(cli.UsageError)):
		return exitUsage
	}
	return exitFailure
}
