package inventory

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// definition is what is kept of a task definition. Its environment may hold secrets.
type definition struct {
	onHost     bool // its containers share the host's network
	containers map[string]defined
}

// defined is a container of a task definition.
type defined struct {
	ports             []evidence.Port // as they are reached without translation
	variables, labels map[uint16]string
}

// readDefinitions reads the task definitions of tasks that have not stopped, where they are needed and not known yet.
func (r *reading) readDefinitions(ctx context.Context) error {
	if !r.checks {
		return nil
	}
	needed := map[string]bool{}
	for _, m := range r.members {
		if _, known := r.definitions[m.definition]; !known && !m.Stopped {
			needed[m.definition] = true
		}
	}
	return each(ctx, slices.Sorted(maps.Keys(needed)), func(ctx context.Context, arn string) error {
		answer, err := r.ecs.describeDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
		if err == nil && answer.TaskDefinition == nil {
			err = fmt.Errorf("the answer has no task definition")
		}
		if err != nil {
			return fmt.Errorf("describe task definition %s: %w", arn, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.definitions[arn] = readDefinition(answer.TaskDefinition)
		return nil
	})
}

func readDefinition(t *types.TaskDefinition) definition {
	d := definition{onHost: t.NetworkMode == types.NetworkModeHost, containers: map[string]defined{}}
	for _, c := range t.ContainerDefinitions {
		var found defined
		for _, m := range c.PortMappings {
			found.ports = appendPorts(
				found.ports,
				m.Protocol,
				m.ContainerPort,
				m.ContainerPort,
				m.ContainerPortRange,
				m.ContainerPortRange,
			)
		}
		found.variables = checksOf(c.Environment)
		for key, value := range c.DockerLabels {
			found.labels = noteCheck(found.labels, key, value)
		}
		d.containers[aws.ToString(c.Name)] = found
	}
	return d
}

// fill adds what only the task definition has: the checks, where a label wins over the variables of run-task, and those
// over the definition's variables; and the ports, where host port and container port are the same.
func (m *member) fill(d definition) {
	c := d.containers[m.name]
	if len(c.variables)+len(m.checks)+len(c.labels) > 0 {
		m.Checks = map[uint16]string{}
		for _, checks := range []map[uint16]string{c.variables, m.checks, c.labels} {
			maps.Copy(m.Checks, checks)
		}
	}
	if d.onHost || m.Address.IsValid() {
		m.Ports = slices.Concat(m.Ports, c.ports)
	}
}

var checkSetting = regexp.MustCompile(`^SERVICE_([1-9][0-9]{0,4})_CHECK_HTTP$`)

// checksOf returns the paths of the HTTP checks that variables ask for, by container port.
func checksOf(variables []types.KeyValuePair) (checks map[uint16]string) {
	for _, v := range variables {
		checks = noteCheck(checks, aws.ToString(v.Name), aws.ToString(v.Value))
	}
	return checks
}

// noteCheck notes a setting if it is one of a check. An empty one is noted too, since it hides another.
func noteCheck(checks map[uint16]string, key, value string) map[uint16]string {
	parts := checkSetting.FindStringSubmatch(key)
	if parts == nil {
		return checks
	}
	port, err := strconv.ParseUint(parts[1], 10, 16)
	if err != nil {
		return checks
	}
	if checks == nil {
		checks = map[uint16]string{}
	}
	checks[uint16(port)] = value
	return checks
}
