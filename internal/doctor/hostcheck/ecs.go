package hostcheck

import (
	"context"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
)

func (h *Host) checkECS(ctx context.Context) doctor.Result {
	if id := h.Identity(ctx); id.InstanceID != "" && !id.EC2 {
		return doctor.Skipf("not checked: by --instance-id and --host-ip this host is not in EC2")
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	agent, err := h.Introspection.Agent(ctx)
	switch {
	case err != nil:
		return doctor.Warnf("the ECS agent does not answer at %s: %s", host.IntrospectionURL, doctor.Cause(err)).
			Hintf("systemctl start ecs; without it containers with awsvpc networking are not registered")
	case agent.ContainerInstanceArn == "":
		return doctor.Warnf("the ECS agent runs and has not joined cluster %s", agent.Cluster).
			Hintf("check ECS_CLUSTER in /etc/ecs/ecs.config and the instance's role; journalctl -u ecs")
	}
	return doctor.Okf("the ECS agent runs, in cluster %s", agent.Cluster)
}
