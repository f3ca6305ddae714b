package apply

import (
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/apply/outcome"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/plan"
)

// Names of before, until their users have moved.
type (
	Desired     = plan.Desired
	Metrics     = metrics.Metrics
	Calls       = metrics.Calls
	Outcome     = outcome.Outcome
	OutcomeKind = outcome.Kind
)

const (
	BecameServing = outcome.Registered
	BecameStandby = outcome.Standby
	BecameAbsent  = outcome.Deregistered
	WasRefused    = outcome.Refused
)

var (
	NewMetrics  = metrics.New
	ErrUnproven = permission.ErrUnproven
)
