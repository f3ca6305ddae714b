package sweep

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/record"
)

// Verdict is what is to be done about a record.
type Verdict string

// The verdicts. Those that delete differ in what they rest upon.
const (
	Keep Verdict = "keep"
	Dead Verdict = "dead" // EC2 says that the instance is gone, or ECS that the task has stopped: delete
	// ECS, connected to the instance, knows no such container on it: delete, if that is so twice
	Orphan  Verdict = "orphan"
	Missing Verdict = "missing" // EC2 knows no such instance, and it was one of this account and region: delete
	Standby Verdict = "standby" // weight 0, marked
	Restore Verdict = "restore" // the weight that the container asked for, the mark removed
	Skipped Verdict = "left"    // out of order, and not the sweeper's to mend
	Refused Verdict = "refused" // to be deleted, and left since too many would go without proof
)

// Judgement is a verdict on one record, and why.
type Judgement struct {
	Record  record.Record
	ID      record.SetID
	Verdict Verdict
	Reason  string
	// Spare says that standby must not take the last serving record of the name.
	Spare bool
	// Gone is the instance on whose end, by EC2, a verdict that deletes rests; empty where it rests on what ECS says.
	Gone string
}

// judge gives a verdict on each record that ecssd, or the original agent, has written, by what EC2 and ECS say. Records
// of anybody else are not among the judgements.
func judge(records []record.Record, fleet Fleet) []Judgement {
	homes := homesOf(records)
	owners := portOwners(records, fleet)
	var judgements []Judgement
	for _, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		if !ours {
			continue
		}
		j := Judgement{Record: r, ID: id}
		if id.Kind == record.Legacy {
			j.legacy(fleet)
		} else {
			j.host(fleet, homes[id.Instance], owners)
		}
		judgements = append(judgements, j)
	}
	return judgements
}

// home is the account and region that a host's own A record names.
type home struct{ account, region string }

// homesOf gives the home of each host that has such a record, by instance ID.
func homesOf(records []record.Record) map[string]home {
	found := map[string]home{}
	for _, r := range records {
		if id, ok := record.ParseSetID(r.SetID); ok && id.Kind == record.Host && id.Account != "" {
			found[id.Instance] = home{id.Account, id.Region}
		}
	}
	return found
}

func (j *Judgement) is(verdict Verdict, reason string) { j.Verdict, j.Reason = verdict, reason }

// host judges a record by what EC2 says of its host.
func (j *Judgement) host(fleet Fleet, at home, owners owners) {
	id := j.ID.Instance
	instance := fleet.Instances[id]
	switch {
	case instance.State == Gone:
		j.dead(id)
	case instance.State == Alive:
		j.container(fleet, instance, owners)
	case instance.InCluster:
		j.is(Skipped, "ECS lists instance "+id+", and EC2 does not know it")
	case !record.ValidEC2InstanceID(id):
		j.is(Skipped, "EC2 did not name the host "+id)
	case at == home{}:
		j.is(Skipped, "EC2 knows no instance "+id+" here, and no record says where else it is")
	case at != home{fleet.Account, fleet.Region}:
		j.is(Skipped, "the host belongs to account "+at.account+" in "+at.region)
	default:
		j.is(Missing, "EC2 knows no instance "+id)
		j.Gone = id
	}
}

// dead judges a record of an instance that EC2 says is gone.
func (j *Judgement) dead(instance string) {
	j.is(Dead, "EC2 says that instance "+instance+" is stopped or terminated")
	j.Gone = instance
}

// container judges a record of an instance that is alive by what ECS says of its container.
func (j *Judgement) container(fleet Fleet, instance Instance, owners owners) {
	j.is(Keep, "")
	if j.ID.Kind == record.Host {
		return
	}
	c, known := fleet.Containers[j.ID.Container]
	if j.ID.Kind != record.Docker && instance.InCluster && (!known || c.Stopped) {
		where := short(j.ID.Container) + " on instance " + j.ID.Instance
		switch {
		case c.Stopped && c.Instance == j.ID.Instance && instance.Connected:
			j.is(Dead, "ECS says that container "+where+" has stopped")
			return
		case !instance.Complete: // ECS may not have heard of it yet
		case instance.Connected:
			j.is(Orphan, "ECS runs no container "+where)
			return
		default:
			// So looks a host that has moved to a cluster which is not read, and left its registration behind.
			j.is(Skipped, "ECS knows no container "+where+", whose ECS agent is disconnected")
		}
	}
	target, ok := record.ParseTarget(j.Record.Value)
	if j.Record.Type != record.SRV || !ok {
		return
	}
	holder := owners.of(j.ID, target.Port)
	switch {
	case holder != "":
		j.standby("its port belongs to container " + short(holder) + " now")
	case instance.Impaired && instance.InCluster && !instance.Connected:
		j.standby("instance " + j.ID.Instance + " fails EC2's status checks and its ECS agent is disconnected")
		j.Spare = true
	case j.Record.Marked():
		j.is(Restore, "what it was put on standby for is over")
	}
}

// standby asks for weight 0, where the record has another.
func (j *Judgement) standby(reason string) {
	j.is(Keep, "")
	if j.Record.Weight > 0 {
		j.is(Standby, reason)
	}
}

// legacy judges a record of the original agent, which names its host in a way that EC2 need not know.
func (j *Judgement) legacy(fleet Fleet) {
	c, known := fleet.Containers[j.ID.Container]
	switch {
	case !known:
		j.is(Skipped, "a record of the original agent, of a container that ECS does not know")
	case fleet.Instances[c.Instance].State == Gone:
		j.dead(c.Instance)
	case c.Stopped && fleet.Instances[c.Instance].State == Alive && !fleet.Instances[c.Instance].InCluster:
		j.is(Skipped, "the task has stopped for ECS, which no longer follows what runs on instance "+c.Instance)
	case c.Stopped:
		j.is(Dead, "ECS says that the task has stopped")
	default:
		j.is(Keep, "")
	}
}

// hostPort is a port of a host.
type hostPort struct {
	instance string
	port     uint16
	proto    string
}

// owners says which ports of hosts ECS has given to whom.
type owners struct {
	byPort map[hostPort]string
	apart  map[string]bool // containers reached at an address that is not their host's
	fleet  Fleet
}

func portOwners(records []record.Record, fleet Fleet) owners {
	o := owners{map[hostPort]string{}, map[string]bool{}, fleet}
	for _, r := range records {
		if id, ok := record.ParseSetID(r.SetID); ok && id.Kind == record.ENI {
			o.apart[id.Container] = true
		}
	}
	for id, c := range fleet.Containers {
		if c.Address.IsValid() {
			o.apart[id] = true
		}
		if c.Stopped || o.apart[id] {
			continue
		}
		for _, p := range c.Ports {
			o.byPort[hostPort{c.Instance, p.Host, string(p.Container.Proto)}] = id
		}
	}
	return o
}

// of gives the container to which a port belongs that a record of another one names; "" where there is none.
func (o owners) of(id record.SetID, port uint16) string {
	c := o.fleet.Containers[id.Container]
	if o.apart[id.Container] || !c.Stopped && c.Instance == id.Instance && c.has(container.Port{
		Number: id.Port,
		Proto:  container.Proto(id.Proto),
	}, port) {
		return ""
	}
	holder := o.byPort[hostPort{id.Instance, port, id.Proto}]
	if holder == id.Container {
		return ""
	}
	return holder
}

// short gives the beginning of a container's ID, as the Engine's tools print it.
func short(id string) string { return fmt.Sprintf("%.12s", id) }
