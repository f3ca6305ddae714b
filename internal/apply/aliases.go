package apply

import (
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/apply/permission"
	"github.com/ecssd/ecssd/internal/plan"
)

// Names of before, until their users have moved.
type (
	Desired = plan.Desired
	Metrics = metrics.Metrics
	Calls   = metrics.Calls
)

var (
	NewMetrics  = metrics.New
	ErrUnproven = permission.ErrUnproven
)
