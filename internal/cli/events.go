package cli

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/eventbridge"
)

// tellers tell others of the agent's events. The zero value tells nobody.
type tellers struct {
	end  context.CancelFunc
	busy sync.WaitGroup
}

// start gives what is to be called with each event; nil where there is no bus to be told.
func (t *tellers) start(
	ctx context.Context, bus, instance string, config aws.Config, registry prometheus.Registerer, log *logrus.Entry,
) func(agent.Event) {
	if bus == "" {
		return nil
	}
	ctx, t.end = context.WithCancel(context.WithoutCancel(ctx)) // ended by stop, after the last event
	b := eventbridge.New(config, bus, registry, log)
	t.busy.Go(func() { b.Run(ctx) })
	return func(e agent.Event) { b.Send(busEvent(e, instance)) }
}

// stop has the last events told.
func (t *tellers) stop() {
	if t.end != nil {
		t.end()
		t.busy.Wait()
	}
}

func busEvent(e agent.Event, instance string) eventbridge.Event {
	detail := eventbridge.Detail{
		Name:                e.Record.Name,
		ZoneID:              e.ZoneID,
		InstanceID:          instance,
		Weight:              e.Record.Weight,
		ContainerID:         e.Container.ID,
		ContainerName:       e.Container.Name,
		ContainerDefinition: e.Container.Service,
		TaskARN:             e.Container.TaskARN,
		Cluster:             e.Container.Cluster,
		Reason:              e.Reason,
	}
	if value := strings.Fields(e.Record.Value); len(value) == 4 { // priority, weight, port, target (RFC 2782)
		detail.Port, _ = strconv.Atoi(value[2])
		detail.Target = value[3]
	}
	return eventbridge.Event{Kind: string(e.Kind), At: e.At, Detail: detail}
}
