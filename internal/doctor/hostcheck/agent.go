package hostcheck

import (
	"context"
	"strings"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/status"
)

// agentAnswer is what the agent answers.
type agentAnswer struct {
	err   error        // of /healthz; the rest is not asked then
	state status.State // the zero one where stateErr is set
	// stateErr is the error of /state: another program may answer, or an agent of an old version.
	stateErr error
}

func (h *Host) askAgent(ctx context.Context) agentAnswer {
	return h.answers.Get(func() (a agentAnswer) {
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		if a.err = h.agent.Alive(ctx); a.err == nil {
			a.state, a.stateErr = h.agent.State(ctx)
		}
		return a
	})
}

func (h *Host) checkAgent(ctx context.Context) doctor.Result {
	a := h.askAgent(ctx)
	switch {
	case a.err != nil:
		return doctor.Failf("no agent runs here, or it does not answer at %s: %s", h.Listen, doctor.Cause(a.err)).
			Hintf("systemctl start ecssd; where it ends again: journalctl -u ecssd; where it listens elsewhere, say " +
				"so in --listen (ECSSD_LISTEN)")
	case a.stateErr != nil:
		return doctor.Okf("runs, and answers at %s", h.Listen)
	case a.state.Version != h.Version:
		return doctor.Warnf("version %s runs, and version %s is installed", a.state.Version, h.Version).
			Hintf("systemctl restart ecssd")
	}
	return doctor.Okf("version %s runs, and answers at %s", a.state.Version, h.Listen)
}

// partChecks has, for each part that the agent misses, the checks that look at it.
var partChecks = map[string]string{
	"identity": "metadata",
	"engine":   "engine and events",
	"zone":     "zone",
	"journal":  "state",
	"route53":  "zone, read and write",
}

// checkReady returns a result for each thing that keeps the agent from its work.
func (h *Host) checkReady(ctx context.Context) []doctor.Result {
	if h.askAgent(ctx).err != nil {
		return nil
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	missing, err := h.agent.Ready(ctx)
	switch {
	case err != nil:
		return []doctor.Result{
			doctor.Failf("the agent does not answer whether it is ready: %s", doctor.Cause(err)).
				Hintf("journalctl -u ecssd; systemctl restart ecssd"),
		}
	case len(missing) == 0:
		return []doctor.Result{doctor.Okf("the agent has all that it needs")}
	}
	var results []doctor.Result
	for _, line := range missing {
		part, _, _ := strings.Cut(line, ":")
		r := doctor.Failf("the agent waits for %s", line).Hintf("journalctl -u ecssd")
		switch {
		case partChecks[part] != "":
			r = r.Hintf("see %s, here; it goes on by itself then", partChecks[part])
		case part == "agent" && len(results) > 0:
			continue // it has not begun, since another part is missing
		case part == "agent":
			r.State = doctor.Warn
			r = r.Hintf("run this again in a moment; see metadata, here, where it stays so")
		}
		results = append(results, r)
	}
	return results
}

// maxRefused is how many refused changes have a line of their own.
const maxRefused = 5

func (h *Host) checkRefused(ctx context.Context) []doctor.Result {
	a := h.askAgent(ctx)
	if a.err != nil || a.stateErr != nil {
		return nil
	}
	var results []doctor.Result
	for i, r := range a.state.Refused {
		if i == maxRefused {
			return append(results, doctor.Failf("and %d more", len(a.state.Refused)-i).
				Hintf("ecssd explain CONTAINER; journalctl -u ecssd"))
		}
		results = append(results,
			doctor.Failf("Route 53 refuses %s %s %s (%s)", r.Action, r.Record.Type, r.Record.Name, r.Reason).
				Hintf("%s", r.Advice))
	}
	if results == nil {
		return []doctor.Result{doctor.Okf("Route 53 refuses no change of the agent's")}
	}
	return results
}
