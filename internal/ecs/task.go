package ecs

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sweep"
)

// stopped is the last status of a task that has ended. Every other one may still serve.
const stopped = "STOPPED"

// addTask adds a task's containers to the fleet. instance is the EC2 instance that the task runs on, empty for a task on none.
func addTask(fleet *sweep.Fleet, task types.Task, instance string, definition *types.TaskDefinition) {
	if instance == "" {
		return
	}
	over := aws.ToString(task.LastStatus) == stopped
	service, byService := strings.CutPrefix(aws.ToString(task.Group), "service:")
	if !byService {
		service = ""
	}
	for _, c := range task.Containers {
		id := aws.ToString(c.RuntimeId)
		if id == "" {
			if known := fleet.Instances[instance]; !over {
				known.Complete = false
				fleet.Instances[instance] = known
			}
			continue
		}
		if known, ok := fleet.Containers[id]; ok && !known.Stopped && over {
			continue // a container that runs in one task has stopped in none
		}
		defined := definitionOf(definition, aws.ToString(c.Name))
		found := sweep.Container{
			Instance: instance, Task: aws.ToString(task.TaskArn), Cluster: aws.ToString(task.ClusterArn), Service: service, Stopped: over,
			Address: interfaceAddress(task, c), Checks: checks(defined, task.Overrides, aws.ToString(c.Name)),
		}
		if service != "" {
			found.Service = found.Cluster + "/" + service
		}
		found.Ports = ports(c, defined, found.Address.IsValid() || definition != nil && definition.NetworkMode == types.NetworkModeHost)
		fleet.Containers[id] = found
	}
}

// interfaceAddress gives the IPv4 address of the task's own network interface; the zero Addr where it has none.
func interfaceAddress(task types.Task, c types.Container) netip.Addr {
	for _, n := range c.NetworkInterfaces {
		if address, err := netip.ParseAddr(aws.ToString(n.PrivateIpv4Address)); err == nil {
			return address
		}
	}
	for _, attachment := range task.Attachments {
		for _, detail := range attachment.Details {
			if aws.ToString(detail.Name) != "privateIPv4Address" {
				continue
			}
			if address, err := netip.ParseAddr(aws.ToString(detail.Value)); err == nil {
				return address
			}
		}
	}
	return netip.Addr{}
}

// ports gives where the container's ports are reached: as ECS lists them, and, where they are reached under their own number,
// as the definition maps them.
func ports(c types.Container, defined *types.ContainerDefinition, own bool) (found []sweep.Port) {
	for _, b := range c.NetworkBindings {
		proto := container.Proto(b.Protocol)
		if proto == "" {
			proto = container.TCP
		}
		if b.ContainerPort != nil && b.HostPort != nil {
			found = append(found, sweep.Port{
				Container: container.Port{Number: uint16(*b.ContainerPort), Proto: proto}, Host: uint16(*b.HostPort),
			})
		}
	}
	if defined == nil || !own {
		return found
	}
	for _, m := range defined.PortMappings {
		proto := container.Proto(m.Protocol)
		if proto == "" {
			proto = container.TCP
		}
		if m.ContainerPort != nil {
			number := uint16(*m.ContainerPort)
			found = append(found, sweep.Port{Container: container.Port{Number: number, Proto: proto}, Host: number})
		}
	}
	return found
}

func definitionOf(definition *types.TaskDefinition, name string) *types.ContainerDefinition {
	if definition == nil {
		return nil
	}
	for i := range definition.ContainerDefinitions {
		if aws.ToString(definition.ContainerDefinitions[i].Name) == name {
			return &definition.ContainerDefinitions[i]
		}
	}
	return nil
}

var checkSetting = regexp.MustCompile(`^SERVICE_([1-9][0-9]{0,4})_CHECK_HTTP$`)

// checks gives the paths of the HTTP checks that a container asks for, by port: from its environment as the definition gives
// it, overruled by what the task was run with, overruled by its labels.
func checks(defined *types.ContainerDefinition, overrides *types.TaskOverride, name string) map[uint16]string {
	found := map[uint16]string{}
	note := func(key, value string) {
		parts := checkSetting.FindStringSubmatch(key)
		if parts == nil {
			return
		}
		if port, err := strconv.ParseUint(parts[1], 10, 16); err == nil && value != "" {
			found[uint16(port)] = value
		}
	}
	if defined != nil {
		for _, variable := range defined.Environment {
			note(aws.ToString(variable.Name), aws.ToString(variable.Value))
		}
	}
	if overrides != nil {
		for _, o := range overrides.ContainerOverrides {
			if aws.ToString(o.Name) != name {
				continue
			}
			for _, variable := range o.Environment {
				note(aws.ToString(variable.Name), aws.ToString(variable.Value))
			}
		}
	}
	if defined != nil {
		for key, value := range defined.DockerLabels {
			note(key, value)
		}
	}
	return found
}
