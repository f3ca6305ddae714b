package ec2

import (
	"encoding/xml"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
)

// move is an operation that brings instances into another state.
type move struct {
	root    string   // of the answer
	verb    string   // of the refusal
	from    []string // the states that it is possible in
	moves   []string // those of them that it changes
	through string
	to      string
	refused string // a parameter that is not imitated
}

func (h *Handler) terminateInstances(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	return h.move(form, requestID, move{
		root:    "TerminateInstancesResponse",
		verb:    "terminated",
		from:    []string{"pending", "running", "stopping", "stopped", "shutting-down", "terminated"},
		moves:   []string{"pending", "running", "stopping", "stopped"},
		through: "shutting-down",
		to:      "terminated",
	})
}

func (h *Handler) stopInstances(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	return h.move(form, requestID, move{
		root:    "StopInstancesResponse",
		verb:    "stopped",
		from:    []string{"running", "stopping", "stopped"},
		moves:   []string{"running"},
		through: "stopping",
		to:      "stopped",
		refused: "Hibernate",
	})
}

func (h *Handler) startInstances(form url.Values, requestID string) (gate.Answer, *gate.Failure) {
	return h.move(form, requestID, move{
		root:    "StartInstancesResponse",
		verb:    "started",
		from:    []string{"stopped", "pending", "running"},
		moves:   []string{"stopped"},
		through: "pending",
		to:      "running",
	})
}

// move carries a move out, for all instances or for none.
func (h *Handler) move(form url.Values, requestID string, m move) (gate.Answer, *gate.Failure) {
	ids := listed(form, "InstanceId.")
	v := h.store.Newest()
	switch {
	case len(ids) == 0:
		return gate.Answer{}, gate.Refuse(400, "MissingParameter", "The request must contain the parameter InstanceId")
	case m.refused != "" && form.Get(m.refused) == "true":
		return gate.Answer{}, gate.Refuse(400, "UnsupportedOperation", "The sandbox does not imitate %s", m.refused)
	}
	if f := exist(v, ids); f != nil {
		return gate.Answer{}, f
	}
	if f := reachable(v, ids, nil); f != nil {
		return gate.Answer{}, f
	}
	if form.Get("DryRun") == "true" {
		return gate.Answer{}, gate.Refuse(
			412,
			"DryRunOperation",
			"Request would have succeeded, but DryRun flag is set.",
		)
	}
	var moved []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if state := v.Instances[id].State; !slices.Contains(m.from, state) {
			return gate.Answer{}, incorrectState(id, m.verb)
		} else if slices.Contains(m.moves, state) {
			moved = append(moved, id)
		}
	}
	_, err := h.store.Move(moved, m.through, m.moves...)
	var wrong *account.StateError
	switch {
	case errors.As(err, &wrong): // it changed meanwhile
		return gate.Answer{}, incorrectState(wrong.InstanceID, m.verb)
	case err != nil:
		return gate.Answer{}, gate.Refuse(400, "InvalidInstanceID.NotFound", "%s", err)
	}
	h.later(moved, m)
	return moveAnswer(v, ids, moved, m, requestID), nil
}

func incorrectState(id, verb string) *gate.Failure {
	return gate.Refuse(
		400,
		"IncorrectInstanceState",
		"The instance '%s' is not in a state from which it can be %s.",
		id,
		verb,
	)
}

type stateChange struct {
	ID       string `xml:"instanceId"`
	Current  state  `xml:"currentState"`
	Previous state  `xml:"previousState"`
}

func moveAnswer(before *account.View, ids, moved []string, m move, requestID string) gate.Answer {
	var changes []stateChange
	for _, id := range ids {
		was := before.Instances[id].State
		is := was
		if slices.Contains(moved, id) {
			is = m.through
		}
		changes = append(changes, stateChange{id, state{stateCodes[is], is}, state{stateCodes[was], was}})
	}
	return answer(200, xml.Name{Space: ec2XML, Local: m.root}, struct {
		RequestID string           `xml:"requestId"`
		Instances set[stateChange] `xml:"instancesSet"`
	}{requestID, set[stateChange]{changes}})
}

// later brings instances into the final state of a move, each unless something else has happened to it by then.
func (h *Handler) later(ids []string, m move) {
	settle := func() {
		for _, id := range ids {
			_, _ = h.store.Move([]string{id}, m.to, m.through) // an error: something else has happened to it
		}
	}
	h.mu.Lock()
	transition := h.transition
	h.mu.Unlock()
	if transition <= 0 {
		settle()
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(transition, func() {
		h.mu.Lock()
		delete(h.moving, timer)
		h.mu.Unlock()
		settle()
	})
	h.moving[timer] = true
}
