package sweep

import (
	"strings"

	"github.com/ecssd/ecssd/internal/record"
)

// Verdict is what is to be done about a record.
type Verdict string

// The verdicts. Those that delete differ in what they rest upon.
const (
	Keep    Verdict = "keep"
	Dead    Verdict = "dead"    // EC2 says that the instance is gone, or ECS that the task has stopped: delete
	Orphan  Verdict = "orphan"  // ECS knows no such container on an instance that it knows: delete, if that is so twice
	Missing Verdict = "missing" // EC2 knows no such instance, and it was one of this account and region: delete
	Standby Verdict = "standby" // weight 0, marked
	Restore Verdict = "restore" // the weight that the container asked for, the mark removed
	Left    Verdict = "left"    // out of order, and not the sweeper's to mend
)

// Judgement is a verdict on one record, and why.
type Judgement struct {
	Record  record.Record
	ID      record.SetID
	Verdict Verdict
	Reason  string
	// Spare says that standby must not take the last serving record of the name.
	Spare bool
}

// judge gives a verdict on each record that ecssd, or the original agent, has written, by what EC2 and ECS say. Records of
// anybody else are not among the judgements.
func judge(records []record.Record, fleet Fleet) []Judgement {
	homes := homesOf(records)
	owners := portOwners(fleet)
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
func (j *Judgement) host(fleet Fleet, at home, owners map[hostPort]string) {
	id := j.ID.Instance
	instance := fleet.Instances[id]
	switch {
	case instance.State == Gone:
		j.is(Dead, "EC2 says that instance "+id+" is stopped or terminated")
	case instance.State == Alive:
		j.container(fleet, instance, owners)
	case instance.InCluster:
		j.is(Left, "ECS lists instance "+id+", and EC2 does not know it")
	case !strings.HasPrefix(id, "i-"):
		j.is(Left, "EC2 did not name the host "+id)
	case at == home{}:
		j.is(Left, "EC2 knows no instance "+id+" here, and no record says where else it is")
	case at != home{fleet.Account, fleet.Region}:
		j.is(Left, "the host belongs to account "+at.account+" in "+at.region)
	default:
		j.is(Missing, "EC2 knows no instance "+id)
	}
}

// container judges a record of an instance that is alive by what ECS says of its container.
func (j *Judgement) container(fleet Fleet, instance Instance, owners map[hostPort]string) {
	j.is(Keep, "")
	if j.ID.Kind == record.Host {
		return
	}
	c, known := fleet.Containers[j.ID.Container]
	if j.ID.Kind != record.Docker && instance.InCluster && instance.Complete && (!known || c.Stopped) {
		j.is(Orphan, "ECS runs no container "+j.ID.Container[:12]+" on instance "+j.ID.Instance)
		return
	}
	target, ok := record.ParseTarget(j.Record.Value)
	if j.Record.Type != record.SRV || !ok {
		return
	}
	holder := owners[hostPort{j.ID.Instance, target.Port, j.ID.Proto}]
	switch {
	case holder != "" && holder != j.ID.Container && !c.Address.IsValid():
		j.standby("its port belongs to container " + holder[:12] + " now")
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
		j.is(Left, "a record of the original agent, of a container that ECS does not know")
	case fleet.Instances[c.Instance].State == Gone:
		j.is(Dead, "EC2 says that instance "+c.Instance+" is stopped or terminated")
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

// portOwners gives the container to which ECS has given each port of each host.
func portOwners(fleet Fleet) map[hostPort]string {
	owners := map[hostPort]string{}
	for id, c := range fleet.Containers {
		if c.Stopped || c.Address.IsValid() { // a network interface of its own has ports of its own
			continue
		}
		for _, p := range c.Ports {
			owners[hostPort{c.Instance, p.Host, string(p.Container.Proto)}] = id
		}
	}
	return owners
}
