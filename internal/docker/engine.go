// Package docker asks the Docker Engine of this host what it runs: snapshots, which are the truth, and hints, which say
// that it is time for another. It is the only package of the product that imports the Engine's client, and no type of
// the Engine's API leaves it. It starts, stops and changes nothing, never reconnects by itself (its caller decides when
// to try again), and judges nothing it reads; it only bounds it, since whatever comes from a container is hostile
// input.
package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"
)

// callTimeout bounds each call but the event stream. An Engine that needs longer to list or inspect is as good as gone.
const callTimeout = 10 * time.Second

// Engine is one Docker Engine. Its methods may be used concurrently.
type Engine struct {
	options []client.Opt
	base    string // path before every request, of a host such as tcp://127.0.0.1:2375/engine
	cli     atomic.Pointer[client.Client]

	mu    sync.Mutex // held for a whole Snapshot
	cache map[string]cached
}

// New makes an Engine of host, such as unix:///var/run/docker.sock. An empty host means what DOCKER_HOST names or else
// the default socket. Nothing is connected yet: an error means that host cannot be an Engine's address.
func New(host string) (*Engine, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	e := &Engine{options: options, cache: map[string]cached{}}
	cli, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("use Docker host %q: %w", host, err)
	}
	e.cli.Store(cli)
	u, err := client.ParseHostURL(cli.DaemonHost())
	if err != nil {
		return nil, fmt.Errorf("use Docker host %q: %w", host, err)
	}
	switch u.Scheme {
	case "unix", "tcp", "http", "https":
	default:
		return nil, fmt.Errorf("use Docker host %q: scheme %q is none of unix, tcp, http, https", host, u.Scheme)
	}
	e.base = u.Path
	return e, nil
}

// renew replaces the client, once the Engine has answered the new one. A client settles the API version once in its
// life, and an Engine that was upgraded since may refuse that version for ever, so each new event stream begins with a
// new client. It is not shared before the version is settled, which the client writes down without a lock.
func (e *Engine) renew(ctx context.Context) (*client.Client, error) {
	cli, err := client.NewClientWithOpts(e.options...)
	if err != nil {
		return nil, fmt.Errorf("renew the Docker client: %w", err)
	}
	if err := negotiate(ctx, cli); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	if old := e.cli.Swap(cli); old != nil {
		old.Close()
	}
	return cli, nil
}

// Close lets go of idle connections. A Follow ends by its context.
func (e *Engine) Close() error { return e.cli.Load().Close() }

// Version returns what Engine this is, and the newest version of the API that it speaks.
func (e *Engine) Version(ctx context.Context) (engine, api string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found, err := e.cli.Load().ServerVersion(ctx)
	if err != nil {
		return "", "", fmt.Errorf("ask the Docker Engine at %s for its version: %w", e.Host(), err)
	}
	return found.Version, found.APIVersion, nil
}

// Host is where the Engine is, in the form of DOCKER_HOST.
func (e *Engine) Host() string { return e.cli.Load().DaemonHost() }

// negotiate settles the API version and so proves that the Engine answers.
func negotiate(ctx context.Context, cli *client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ping, err := cli.Ping(ctx)
	if err != nil {
		return fmt.Errorf("ping the Docker Engine: %w", err)
	}
	cli.NegotiateAPIVersionPing(ping)
	return nil
}
