package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/ecssd/ecssd/internal/status"
)

// answerTimeout is how long the agent may take to answer a command.
const answerTimeout = 2 * time.Second

type healthcheckCommand struct{}

// Help is printed by ecssd healthcheck --help.
func (healthcheckCommand) Help() string {
	return `Exits with 0 if the agent at --listen answers /healthz within 2 seconds, else with 1. It is for the health check of a
container, whose image has no other program; give the agent another address in ECSSD_LISTEN, where this command finds it, too.

It does not ask /readyz: an agent that waits for AWS or for the Engine does what it should, and a new one would wait as well.

    ecssd healthcheck && echo alive
    ecssd healthcheck --listen 10.0.0.1:9553     # an agent that listens there`
}

func (healthcheckCommand) Run(ctx context.Context, s *Settings) error {
	ctx, cancel := withinAnswerTimeout(ctx)
	defer cancel()
	if err := (status.Client{Addr: s.Listen}).Alive(ctx); err != nil {
		return fmt.Errorf("ask the agent at %s for its health: %w", s.Listen, err)
	}
	return nil
}

// agentState returns the state of the agent at --listen.
func agentState(ctx context.Context, s *Settings) (status.State, error) {
	ctx, cancel := withinAnswerTimeout(ctx)
	defer cancel()
	return status.Client{Addr: s.Listen}.State(ctx)
}

func withinAnswerTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no answer within %s", answerTimeout))
}
