// Package evidence is what EC2, ECS and HTTP checks show about the records of a zone: Judge compares the records with a
// Fleet and returns a verdict on each. Everything here is a value that is not changed once it is made. It asks nobody
// and decides nothing: whether a verdict is carried out depends on the records around it.
package evidence

import (
	"fmt"

	"github.com/ecssd/ecssd/internal/record"
)

// Verdict is what the evidence on a record calls for, and in a report also why nothing is done.
type Verdict string

// The verdicts. Those that delete differ in their proof.
const (
	Keep Verdict = "keep"
	Dead Verdict = "dead" // EC2 reports the instance as gone, or ECS the container as stopped: delete
	// ECS, connected to the instance, has no such container on it: delete, if it is so twice
	Orphan  Verdict = "orphan"
	Missing Verdict = "missing" // EC2 has no such instance, and it was one of this account and region: delete
	Standby Verdict = "standby" // weight 0, marked
	Restore Verdict = "restore" // the weight that the container asked for, without the mark
	Skipped Verdict = "left"    // something is wrong, but the sweeper does not act
	Refused Verdict = "refused" // to be deleted, but too many records would be deleted without proof
)

// Unproven reports whether a verdict deletes without proof from EC2 or from the container's own ECS agent.
func (v Verdict) Unproven() bool { return v == Orphan || v == Missing }

// Deletes reports whether a verdict calls for the deletion of the record.
func (v Verdict) Deletes() bool { return v == Dead || v.Unproven() }

// Evidence is what EC2, ECS and the HTTP checks show about one record. It is not changed once it is made.
type Evidence struct {
	Entry
	Verdict Verdict
	Reason  string // empty where the verdict is Keep
	// Gone is the instance that EC2 reports as gone, or does not know, where the verdict depends on that.
	Gone string
	// Impaired means that standby is called for by the state of the host alone: the container may still serve.
	Impaired bool
}

// Keep returns evidence that calls for nothing.
func (e Entry) Keep() Evidence { return Evidence{Entry: e, Verdict: Keep} }

func (e Entry) shows(verdict Verdict, reason string, args ...any) Evidence {
	return Evidence{Entry: e, Verdict: verdict, Reason: fmt.Sprintf(reason, args...)}
}

// Standby returns evidence that calls for weight 0, where the record has another.
func (e Entry) Standby(reason string, args ...any) Evidence {
	if e.Weight == 0 {
		return e.Keep()
	}
	return e.shows(Standby, reason, args...)
}

// lost returns evidence that depends on the end of an instance.
func (e Entry) lost(verdict Verdict, instance, reason string) Evidence {
	found := e.shows(verdict, reason, instance)
	found.Gone = instance
	return found
}

// Judge returns the evidence on every record that ecssd or the original agent has written, in order.
func Judge(entries []Entry, fleet Fleet) []Evidence {
	j := judgement{fleet, homes(entries), portOwners(entries, fleet)}
	var found []Evidence
	for _, e := range entries {
		if !e.Ours {
			continue
		}
		if e.ID.Kind == record.Legacy {
			found = append(found, j.legacy(e))
		} else {
			found = append(found, j.host(e))
		}
	}
	return found
}

// judgement is what records are judged by.
type judgement struct {
	fleet  Fleet
	homes  map[string]home
	owners owners
}

const stoppedOrTerminated = "EC2 reports instance %s as stopped or terminated"

// host judges a record by its host.
func (j judgement) host(e Entry) Evidence {
	id := e.ID.Instance
	host, at := j.fleet.Instances[id], j.homes[id]
	switch {
	case host.State == Gone:
		return e.lost(Dead, id, stoppedOrTerminated)
	case host.State == Alive:
		return j.container(e, host)
	case host.InCluster:
		return e.shows(Skipped, "instance %s is registered in ECS, but EC2 has no such instance", id)
	case !record.ValidEC2InstanceID(id):
		return e.shows(Skipped, "%s is not an EC2 instance ID, so EC2 cannot be asked", id)
	case at == home{}:
		return e.shows(Skipped, "EC2 has no instance %s here, and no host record names its account and region", id)
	case at != home{j.fleet.Account, j.fleet.Region}:
		return e.shows(Skipped, "the host is in account %s, region %s", at.account, at.region)
	}
	return e.lost(Missing, id, "EC2 has no instance %s")
}

// container judges a record of an instance that is alive by what ECS knows of its container.
func (j judgement) container(e Entry, host Instance) Evidence {
	if e.ID.Kind == record.Host {
		return e.Keep()
	}
	otherwise := e.Keep()
	c, known := j.fleet.Containers[e.ID.Container]
	if e.ID.Kind != record.Docker && host.InCluster && (!known || c.Stopped) {
		id, on := Short(e.ID.Container), e.ID.Instance
		switch {
		case c.Stopped && c.Instance == on && host.Connected:
			return e.shows(Dead, "ECS reports container %s on instance %s as stopped", id, on)
		case !host.Complete: // ECS may not have heard of it yet
		case host.Connected:
			return e.shows(Orphan, "ECS does not know container %s on instance %s", id, on)
		default:
			// This is also what a host looks like that moved to a cluster which is not read.
			otherwise = e.shows(
				Skipped,
				"ECS does not know container %s, and the ECS agent of instance %s is disconnected",
				id,
				on,
			)
		}
	}
	return j.weight(e, host, otherwise)
}

// weight judges whether an SRV record is to be on standby.
func (j judgement) weight(e Entry, host Instance, otherwise Evidence) Evidence {
	target, ok := record.ParseTarget(e.Value)
	if e.Type != record.SRV || !ok {
		return otherwise
	}
	owner := j.owners.of(e.ID, target.Port)
	switch {
	case owner != "":
		return e.Standby("host port %d now belongs to container %s", target.Port, Short(owner))
	case host.Impaired && host.InCluster && !host.Connected:
		found := e.Standby("instance %s fails EC2's status checks, and its ECS agent is disconnected", e.ID.Instance)
		found.Impaired = true
		return found
	case e.Marked():
		return e.shows(Restore, "the cause of its standby is over")
	}
	return otherwise
}

// legacy judges a record of the original agent, which names its host in a way that EC2 need not know.
func (j judgement) legacy(e Entry) Evidence {
	c, known := j.fleet.Containers[e.ID.Container]
	host := j.fleet.Instances[c.Instance]
	switch {
	case !known:
		return e.shows(Skipped, "written by the original agent for a container that ECS does not know")
	case host.State == Gone:
		return e.lost(Dead, c.Instance, stoppedOrTerminated)
	case c.Stopped && host.State == Alive && !host.InCluster:
		return e.shows(Skipped, "ECS reports the task as stopped, but instance %s has left the cluster", c.Instance)
	case c.Stopped:
		return e.shows(Dead, "ECS reports the task as stopped")
	}
	return e.Keep()
}

// Confirmed returns the second evidence, without those deletions for lack of proof that the first does not call for
// too.
func Confirmed(first, second []Evidence) []Evidence {
	found := make([]Evidence, len(second))
	for i, e := range second {
		if e.Verdict.Unproven() && e.Verdict != first[i].Verdict {
			e = e.Keep()
		}
		found[i] = e
	}
	return found
}

// Unconfirmed returns evidence that there was no time to confirm.
func Unconfirmed(first []Evidence) []Evidence {
	found := make([]Evidence, len(first))
	for i, e := range first {
		if e.Verdict.Unproven() {
			e = e.shows(Skipped, "no time left to read EC2 and ECS a second time: %s", e.Reason)
		}
		found[i] = e
	}
	return found
}

// Short returns the beginning of a container ID, as docker ps prints it.
func Short(id string) string { return fmt.Sprintf("%.12s", id) }
