package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxAnswer bounds an answer, in bytes: another program may listen at the address. A host of a thousand containers has
// some 2 MB.
const maxAnswer = 32 << 20

// Client asks the agent of this host. It sets no time limit; the context does.
type Client struct {
	Addr string // the agent's --listen
}

// Alive returns nil if the agent answers /healthz with 200.
func (c Client) Alive(ctx context.Context) error {
	code, _, err := c.get(ctx, "/healthz")
	return unless200(code, err)
}

// Ready returns the lines of /readyz, one for each part that is missing; none where the agent is ready.
func (c Client) Ready(ctx context.Context) (missing []string, err error) {
	code, body, err := c.get(ctx, "/readyz")
	if err != nil || code == http.StatusOK {
		return nil, err
	}
	if code != http.StatusServiceUnavailable {
		return nil, unless200(code, nil)
	}
	for line := range strings.Lines(strings.TrimSpace(string(body))) {
		missing = append(missing, strings.TrimSpace(line))
	}
	return missing, nil
}

// State returns the answer to /state.
func (c Client) State(ctx context.Context) (State, error) {
	code, body, err := c.get(ctx, "/state")
	if err := unless200(code, err); err != nil {
		return State{}, err
	}
	var state State
	if err := json.Unmarshal(body, &state); err != nil {
		return State{}, fmt.Errorf("decode /state (is it another program?): %w", err)
	}
	if state.Version == "" {
		return State{}, errors.New("decode /state (is it another program?): no version")
	}
	return state, nil
}

func unless200(code int, err error) error {
	if err != nil || code == http.StatusOK {
		return err
	}
	return fmt.Errorf("HTTP status %d %s (is it another program?)", code, http.StatusText(code))
}

// get asks for a path. It dials Addr whatever the URL says: where Addr has no host, or one that means all of the host's
// addresses, Dial takes the loopback address (package net). No proxy is used.
func (c Client) get(ctx context.Context, path string) (code int, body []byte, err error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.Addr)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}
