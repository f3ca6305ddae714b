package inventory

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/sweep/evidence"
)

// stopped is the last status of a task, and of a container, that has ended. A task with any other may still serve.
const stopped = "STOPPED"

// learning is how long ECS may take to learn the Engine's ID of a container: it does when the task's last container has
// started, which may wait for another, or for an image. A task that is older has failed to start, and keeps nothing
// waiting.
const learning = 10 * time.Minute

// running is the last status of a task that has started, and the desired one of a task that is not being stopped.
const running = "RUNNING"

// maxPorts bounds the ports of one container, since a range of them is a few bytes only.
const maxPorts = 1000

// member is a container of a task, before it is known which host and task definition are behind the ARNs.
type member struct {
	evidence.Container
	id         string            // the Engine's; empty where ECS has not heard of it
	name       string            // in the task definition
	created    time.Time         // when its task was; zero where ECS does not say
	host       string            // ARN of the container instance
	definition string            // ARN
	checks     map[uint16]string // as the task was run with
}

// membersOf returns a task's containers; none of a task that runs on no instance (Fargate).
func membersOf(task types.Task) (members []member) {
	host := aws.ToString(task.ContainerInstanceArn)
	if host == "" {
		return nil
	}
	base := evidence.Container{
		Task: aws.ToString(task.TaskArn), Cluster: aws.ToString(task.ClusterArn),
		Running: aws.ToString(task.LastStatus) == running && aws.ToString(task.DesiredStatus) == running,
	}
	if service, ok := strings.CutPrefix(aws.ToString(task.Group), "service:"); ok {
		base.Service = base.Cluster + "/" + service // a service's name is its own only within its cluster
	}
	attached := attachedAddress(task.Attachments)
	for _, c := range task.Containers {
		m := member{
			Container:  base,
			id:         aws.ToString(c.RuntimeId),
			name:       aws.ToString(c.Name),
			created:    aws.ToTime(task.CreatedAt),
			host:       host,
			definition: aws.ToString(task.TaskDefinitionArn),
		}
		m.Stopped = aws.ToString(task.LastStatus) == stopped || aws.ToString(c.LastStatus) == stopped
		m.Address = attached
		for _, n := range c.NetworkInterfaces {
			if address, ok := ipv4(n.PrivateIpv4Address); ok {
				m.Address = address
			}
		}
		for _, b := range c.NetworkBindings {
			if at, err := netip.ParseAddr(aws.ToString(b.BindIP)); err == nil && at.IsLoopback() {
				continue // not reachable from other hosts
			}
			m.Ports = appendPorts(
				m.Ports,
				b.Protocol,
				b.ContainerPort,
				b.HostPort,
				b.ContainerPortRange,
				b.HostPortRange,
			)
		}
		if task.Overrides != nil {
			for _, o := range task.Overrides.ContainerOverrides {
				if aws.ToString(o.Name) == m.name {
					m.checks = checksOf(o.Environment)
				}
			}
		}
		members = append(members, m)
	}
	return members
}

// add adds a container to the fleet.
func (r *reading) add(m member) {
	m.Instance = r.hosts[m.host]
	if m.id == "" {
		r.addUnlearnt(m)
		return
	}
	if host := r.fleet.Instances[m.Instance]; m.Stopped && host.InCluster && host.Connected && !r.followed[m.host] {
		// It belongs to an earlier registration of the host. ECS ended its tasks when that was deregistered, without
		// asking the host what runs.
		return
	}
	if known, ok := r.fleet.Containers[m.id]; ok && !known.Stopped && m.Stopped {
		return // a container that runs in one task has stopped in none
	}
	if d, ok := r.definitions[m.definition]; ok && !m.Stopped {
		m.fill(d)
	}
	if m.Stopped {
		m.Ports = nil // they may be another's by now
	}
	slices.SortFunc(m.Ports, func(a, b evidence.Port) int {
		return cmp.Or(a.Container.Compare(b.Container), cmp.Compare(a.Host, b.Host))
	})
	m.Ports = slices.Compact(m.Ports)
	r.fleet.Containers[m.id] = m.Container
}

// addUnlearnt notes a container of which ECS does not know the Engine's ID. One that has stopped without an ID was
// never created, so that no record can name it.
func (r *reading) addUnlearnt(m member) {
	known, ok := r.fleet.Instances[m.Instance]
	switch {
	case !ok || m.Stopped:
	case m.created.IsZero() || time.Since(m.created) < learning:
		known.Complete = false
		r.fleet.Instances[m.Instance] = known
	default:
		r.fleet.Stuck = append(r.fleet.Stuck, evidence.Stuck{Task: m.Task, Container: m.name, Instance: m.Instance})
	}
}

// attachedAddress returns the IPv4 address of a task's own network interface; the zero Addr where it has none.
func attachedAddress(attachments []types.Attachment) netip.Addr {
	for _, a := range attachments {
		if aws.ToString(a.Type) != "ElasticNetworkInterface" {
			continue
		}
		for _, detail := range a.Details {
			if address, ok := ipv4(detail.Value); ok && aws.ToString(detail.Name) == "privateIPv4Address" {
				return address
			}
		}
	}
	return netip.Addr{}
}

func ipv4(s *string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(aws.ToString(s))
	return address, err == nil && address.Is4()
}

// appendPorts appends a port, or each port of a range such as 8000-8010, and where it is reached. What is no port is
// left out.
func appendPorts(ports []evidence.Port, protocol types.TransportProtocol, inside, outside *int32,
	insideRange, outsideRange *string) []evidence.Port {
	proto := container.Proto(cmp.Or(protocol, types.TransportProtocolTcp)) // ECS leaves out its default
	first, last := span(inside, insideRange)
	host, end := span(outside, outsideRange)
	if last-first != end-host {
		return ports
	}
	for ; first <= last && len(ports) < maxPorts; first, host = first+1, host+1 {
		if 0 < first && first <= 65535 && 0 < host && host <= 65535 {
			ports = append(ports, evidence.Port{
				Container: container.Port{Number: uint16(first), Proto: proto},
				Host:      uint16(host),
			})
		}
	}
	return ports
}

// span returns the first and last port of a range or of a single port; 0 and -1 where there is neither.
func span(port *int32, ports *string) (first, last int) {
	if port != nil {
		return int(*port), int(*port)
	}
	from, to, _ := strings.Cut(aws.ToString(ports), "-")
	first, err := strconv.Atoi(from)
	if err != nil {
		return 0, -1
	}
	if last, err = strconv.Atoi(to); err != nil || last > 65535 || first < 1 {
		return 0, -1
	}
	return first, last
}
