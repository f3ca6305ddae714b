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
	Dead    Verdict = "dead"    // EC2 says that the instance is gone: delete
	Orphan  Verdict = "orphan"  // ECS knows no such container on an instance it knows: delete, if that is so twice
	Missing Verdict = "missing" // EC2 knows no such instance, and it was one of this account and region: delete
	Standby Verdict = "standby" // weight 0, marked
	Restore Verdict = "restore" // the weight that the container asked for, the mark removed
	Left    Verdict = "left"    // out of order, and not the sweeper's to decide
)

// Judgement is a verdict on one record, and why.
type Judgement struct {
	Record  record.Record
	Verdict Verdict
	Reason  string
}

// judge gives a verdict on each record that ecssd, or the original agent, has written, without any HTTP check. Records of
// anybody else are not among the judgements.
func judge(records []record.Record, fleet Fleet) []Judgement {
	homes := homes(records)
	var judgements []Judgement
	for _, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		if !ours {
			continue
		}
		verdict, reason := fleet.verdict(r, id, homes[id.Instance])
		judgements = append(judgements, Judgement{r, verdict, reason})
	}
	return judgements
}

// home is the account and region that a host's own A record names.
type home struct{ account, region string }

// homes gives the home of each host that has such a record, by instance ID.
func homes(records []record.Record) map[string]home {
	found := map[string]home{}
	for _, r := range records {
		if id, ok := record.ParseSetID(r.SetID); ok && id.Kind == record.Host && id.Account != "" {
			found[id.Instance] = home{id.Account, id.Region}
		}
	}
	return found
}

func (f Fleet) verdict(r record.Record, id record.SetID, at home) (Verdict, string) {
	if id.Kind == record.Legacy {
		return f.legacy(r, id)
	}
	instance := f.Instances[id.Instance]
	switch {
	case instance.State == Gone:
		return Dead, "EC2 says that instance " + id.Instance + " is stopped or terminated"
	case instance.State == Unknown && instance.InCluster:
		return Left, "ECS lists instance " + id.Instance + ", and EC2 does not know it"
	case instance.State == Unknown && !strings.HasPrefix(id.Instance, "i-"):
		return Left, "the host's ID is none of EC2's"
	case instance.State == Unknown && at == home{f.Account, f.Region}:
		return Missing, "EC2 knows no instance " + id.Instance
	case instance.State == Unknown && at == home{}:
		return Left, "EC2 knows no such instance here, and no record says where it is"
	case instance.State == Unknown:
		return Left, "the host belongs to account " + at.account + " in " + at.region
	}
	if r.Type == record.A && id.Kind == record.Host {
		return Keep, ""
	}
	return f.living(r, id, instance)
}

// living judges a container's record on an instance that is alive.
func (f Fleet) living(r record.Record, id record.SetID, instance Instance) (Verdict, string) {
	c, known := f.Containers[id.Container]
	switch {
	case id.Kind != record.Docker && instance.InCluster && instance.Complete && (!known || c.Stopped):
		return Orphan, "ECS runs no container " + id.Container[:12] + " on instance " + id.Instance
	case r.Type != record.SRV:
		return Keep, ""
	case f.taken(r, id):
		return f.mark(r, "its port belongs to another container now")
	case instance.Impaired && instance.InCluster && !instance.Connected:
		return f.mark(r, "the instance fails EC2's status checks and its ECS agent is disconnected")
	case r.Marked():
		return Restore, "what it was put on standby for is over"
	}
	return Keep, ""
}

// mark asks for a record to be put on standby, if it is not already.
func (f Fleet) mark(r record.Record, reason string) (Verdict, string) {
	if r.Weight == 0 {
		return Keep, ""
	}
	return Standby, reason
}

// taken says whether ECS has given the port that a record announces on its instance to another container.
func (f Fleet) taken(r record.Record, id record.SetID) bool {
	target, ok := record.ParseTarget(r.Value)
	if !ok {
		return false
	}
	own, known := f.Containers[id.Container]
	if known && own.Address.IsValid() {
		return false // a network interface of its own has ports of its own
	}
	return f.portOwner(id.Instance, target.Port, id.Proto, id.Container)
}

// portOwner says whether a live container other than one holds a host port.
func (f Fleet) portOwner(instance string, port uint16, proto, other string) bool {
	for id, c := range f.Containers {
		if id == other || c.Stopped || c.Instance != instance || c.Address.IsValid() {
			continue
		}
		for _, p := range c.Ports {
			if p.Host == port && string(p.Container.Proto) == proto {
				return true
			}
		}
	}
	return false
}

// legacy judges a record of the original agent, which names its host by a name that EC2 may not know.
func (f Fleet) legacy(r record.Record, id record.SetID) (Verdict, string) {
	c, known := f.Containers[id.Container]
	switch {
	case !known:
		return Left, "neither EC2 nor ECS knows the container of this record of the original agent"
	case f.Instances[c.Instance].State == Gone:
		return Dead, "EC2 says that instance " + c.Instance + " is stopped or terminated"
	case c.Stopped:
		return Dead, "ECS says that the container's task has stopped"
	}
	return Keep, ""
}
