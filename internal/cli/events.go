package cli

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent/event"
	"github.com/ecssd/ecssd/internal/eventbridge"
)

// sendEvents returns what is to be called with each event, nil where no bus is given, and what sends the last ones.
func sendEvents(
	ctx context.Context, bus, instance string, config aws.Config, registry prometheus.Registerer, log *logrus.Entry,
) (send func(event.Event), stop func()) {
	if bus == "" {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // ended by stop, after the last event
	b := eventbridge.New(config, bus, registry, log)
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	return func(e event.Event) { b.Send(busEvent(e, instance)) }, func() {
		cancel()
		running.Wait()
	}
}

func busEvent(e event.Event, instance string) eventbridge.Event {
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
