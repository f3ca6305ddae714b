package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
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
	err := askAgent(ctx, s, "/healthz", func(response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", response.Status)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask the agent at %s for its health: %w", s.Listen, err)
	}
	return nil
}

// askAgent passes on what the agent at --listen answers to GET path.
func askAgent(ctx context.Context, s *Settings, path string, take func(*http.Response) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no answer within %s", answerTimeout))
	defer cancel()
	// The listener's address is dialled whatever the URL says. Where it names no host, or all of the host's addresses,
	// Dial takes the loopback one (package net).
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listen)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return take(response)
}
