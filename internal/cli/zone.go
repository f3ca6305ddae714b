package cli

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/route53"
)

// openZone finds the hosted zone for a command that only reads, and may run anywhere.
func openZone(ctx context.Context, s *Settings) (*route53.Zone, error) {
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return nil, err
	}
	config, err := loadAWS(ctx, s, metadata, "")
	if err != nil {
		return nil, err
	}
	return findZone(ctx, s, route53.New(config), metadata)
}

// findZone finds the hosted zone. Where several have its name, it is the one of this host's VPC, as for the agent. EC2
// metadata is asked for that only then: a command may run on a machine that has none.
func findZone(
	ctx context.Context,
	s *Settings,
	client *route53.Client,
	metadata *host.Metadata,
) (*route53.Zone, error) {
	if s.ZoneID != "" {
		return client.Zone(s.ZoneID), nil
	}
	found, err := client.FindZone(ctx, s.Zone, "")
	if errors.As(err, &route53.ZoneError{}) {
		identifyCtx, cancel := context.WithTimeout(ctx, identifyTimeout)
		defer cancel()
		if id, idErr := metadata.Identify(identifyCtx, host.Given{}); idErr == nil && id.VPC != "" {
			found, err = client.FindZone(ctx, s.Zone, id.VPC)
		}
	}
	if err != nil {
		return nil, err
	}
	return client.Zone(found.ID), nil
}

// counts are how many records a command has changed.
type counts struct{ written, removed atomic.Int64 }

// counting is a zone that counts the records which Route 53 has confirmed as changed.
type counting struct {
	agent.Zone
	counts *counts
}

func (z counting) Change(ctx context.Context, changes []plan.Change) error {
	err := z.Zone.Change(ctx, changes)
	if err != nil {
		return err
	}
	for _, change := range changes {
		if change.Action == plan.Delete {
			z.counts.removed.Add(1)
		} else {
			z.counts.written.Add(1)
		}
	}
	return nil
}
