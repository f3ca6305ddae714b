package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Leaving returns in words why the host is about to go; empty where it is not. It asks for two values of the metadata:
//
//   - spot/instance-action is there, as JSON, from 2 minutes before a spot instance is stopped, hibernated or
//     terminated ("Spot Instance interruption notices", EC2 user guide);
//   - autoscaling/target-lifecycle-state names the state that an Auto Scaling group brings the instance into:
//     Terminated, or Warmed:… for a warm pool, which is out of service too ("Retrieve the target lifecycle state
//     through instance metadata", EC2 Auto Scaling user guide). Standby and Detached say nothing of the host's end: it
//     goes on running its containers.
func (m *Metadata) Leaving(ctx context.Context) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	action, err := m.read(ctx, "spot/instance-action")
	if err != nil {
		return "", err
	}
	if action != "" {
		var notice struct{ Action, Time string }
		if json.Unmarshal([]byte(action), &notice) != nil || notice.Action == "" {
			return "the spot instance will be interrupted", nil
		}
		return fmt.Sprintf("the spot instance will be interrupted: %.20q at %.40q", notice.Action, notice.Time), nil
	}
	state, err := m.read(ctx, "autoscaling/target-lifecycle-state")
	if err != nil {
		return "", err
	}
	if state == "Terminated" || strings.HasPrefix(state, "Warmed:") {
		return fmt.Sprintf("the Auto Scaling group takes the instance out of service: %.40q", state), nil
	}
	return "", nil
}
