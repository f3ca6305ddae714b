package endpoint

import (
	"fmt"
	"slices"
	"strings"
)

func (m *mapping) problem(subject, reason string) { m.add(subject, reason, false) }

// chosen notes what somebody has decided, and that needs no report.
func (m *mapping) chosen(subject, reason string) { m.add(subject, reason, true) }

// unasked notes why the container is registered under no name: a fault where a setting gives it one, and else, for all
// that is known, what its container definition means it to be.
func (m *mapping) unasked(reason string) {
	m.add("container", reason, !m.asked())
}

// asked reports whether a setting gives the container a name.
func (m *mapping) asked() bool {
	return m.settings.explicit || strings.TrimSpace(setting(m.container, "SERVICE_NAME")) != ""
}

// add notes the first problem of each subject.
func (m *mapping) add(subject, reason string, chosen bool) {
	if m.reported[subject] {
		return
	}
	m.reported[subject] = true
	m.problems = append(m.problems, m.about(subject, reason, chosen))
}

// few returns the problems or, where they are too many, the first of them and how many more there are.
func (m *mapping) few() []Problem {
	if len(m.problems) <= maxProblems {
		return m.problems
	}
	rest := m.problems[maxProblems-1:]
	faulty := slices.ContainsFunc(rest, func(p Problem) bool { return !p.Chosen })
	last := m.about("container", fmt.Sprintf("and %d more like these", len(rest)), !faulty)
	return append(slices.Clone(m.problems[:maxProblems-1]), last)
}

func (m *mapping) about(subject, reason string, chosen bool) Problem {
	return Problem{
		ContainerID:   m.container.ID,
		ContainerName: m.container.Name,
		Subject:       subject,
		Reason:        reason,
		Chosen:        chosen,
	}
}
