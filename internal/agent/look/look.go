// Package look asks the Docker Engine and the ECS agent what the model of this host wants to know. Each question has a
// time limit, and its answer is passed on as it is, errors included.
package look

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/local"
)

// tasksTimeout bounds a query to the ECS agent, which runs on this host.
const tasksTimeout = time.Second

// Engine is the Docker Engine of this host.
type Engine interface {
	// Snapshot returns the live containers: it lists them, and inspects the ones in dirty and those that seem to have
	// changed, or all of them. It ends when ctx does, and marks the containers for which there was no time.
	Snapshot(ctx context.Context, dirty map[string]bool, all bool) ([]container.Container, error)
	// Refresh does not list them: it inspects the ones in dirty, and those whose inspection failed before. It comes
	// after a Snapshot.
	Refresh(ctx context.Context, dirty map[string]bool) ([]container.Container, error)
}

// Looker asks both.
type Looker struct {
	Engine Engine
	// Tasks asks the ECS agent of this host, by container ID.
	Tasks func(context.Context) (map[string]local.Task, error)
	Log   *logrus.Entry
}

// Snapshot asks the Engine, and the ECS agent where the answer requires that.
func (l Looker) Snapshot(ctx context.Context, q *local.Query) *local.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, local.QueryTimeout)
	defer cancel()
	s := &local.Snapshot{Query: q}
	if q.Scope == local.Named {
		s.Containers, s.Err = l.Engine.Refresh(ctx, q.Named)
	} else {
		s.Containers, s.Err = l.Engine.Snapshot(ctx, q.Named, q.Scope == local.Everything)
	}
	if tasks := s.TaskQuery(); tasks != nil {
		s.Tasks = l.ECS(ctx, tasks)
	}
	return s
}

// ECS asks the ECS agent.
func (l Looker) ECS(ctx context.Context, q *local.TaskQuery) *local.Tasks {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := l.Tasks(ctx)
	if err != nil {
		l.Log.WithError(err).Debug("cannot read tasks from ECS introspection")
	}
	return &local.Tasks{Query: q, ByContainer: tasks, Err: err}
}
