// Package hostcheck has the checks of ecssd doctor for what the agent needs on its host: the Docker Engine and its
// containers, the agent itself, the state directory, the ECS agent and EC2 metadata. It calls no API of AWS.
package hostcheck

import (
	"context"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/status"
)

// Config is what is checked.
type Config struct {
	StateDir string
	Listen   string // address of the agent
	Version  string // of this program
	Given    host.Given
	Policy   endpoint.Policy

	Engine        *docker.Engine
	Events        *docker.Engine // the same, for its event stream
	Introspection *host.Introspection
	Metadata      *host.Metadata
	// Address fills in the addresses of containers that only the ECS agent knows.
	Address func(context.Context, []container.Container) []container.Container
}

// Host is one look at a host.
type Host struct {
	Config
	agent status.Client

	version  doctor.Fact[engineVersion]
	view     doctor.Fact[containers]
	answers  doctor.Fact[agentAnswer]
	metadata doctor.Fact[metadata]
	written  doctor.Fact[written]
}

// New returns a look at a host. Nothing is asked before a check runs.
func New(c Config) *Host {
	return &Host{Config: c, agent: status.Client{Addr: c.Listen}}
}

// Checks returns the checks, in the order in which things depend on each other.
func (h *Host) Checks() []doctor.Check {
	return []doctor.Check{
		{Name: "engine", Run: doctor.One(h.checkEngine)},
		{Name: "events", Run: h.checkEvents},
		{Name: "containers", Run: h.checkContainers},
		{Name: "agent", Run: doctor.One(h.checkAgent)},
		{Name: "ready", Run: h.checkReady},
		{Name: "refused", Run: h.checkRefused},
		{Name: "heard", Run: h.checkHeard},
		{Name: "standby", Run: doctor.One(h.checkStandby)},
		{Name: "state", Run: h.checkState},
		{Name: "ecs", Run: doctor.One(h.checkECS)},
		{Name: "metadata", Run: doctor.One(h.checkMetadata)},
	}
}

// Identity returns who the host is; the zero Identity where that is not known.
func (h *Host) Identity(ctx context.Context) host.Identity { return h.lookAtMetadata(ctx).identity }

// Endpoints returns what the containers are registered as, and reports whether the containers could be listed.
func (h *Host) Endpoints(ctx context.Context) ([]endpoint.Endpoint, bool) {
	view := h.lookAtContainers(ctx)
	return view.endpoints, view.listed
}

// Records returns what the journal holds, by hosted zone ID; nil where it could not be read.
func (h *Host) Records(ctx context.Context) map[string]plan.Current {
	return h.lookAtState(ctx).records
}
