package agent

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
)

const (
	// tasksTimeout bounds a query to the ECS agent, which runs on this host.
	tasksTimeout = time.Second
	// flushDelay is how long a stop mark waits for a change batch to take it along to the disk.
	flushDelay = time.Second
	// aliveEvery is how often the loop goes round where nothing happens, to show that it can.
	aliveEvery = 10 * time.Second
	// hangsAfter is how long the writer may be at one piece of work, or a query may take. A call ends after 8 s;
	// narrowing down a rejection takes a few.
	hangsAfter = time.Minute
)

// observe keeps what the writer is to write in step with this host until ctx ends. It waits for nothing: queries and the
// disk have goroutines of their own, and answers come by the inbox.
func (a *Agent) observe(ctx context.Context, writer *apply.Writer) {
	if slept, err := a.cfg.Suspended(); err == nil {
		a.slept = slept
	}
	select {
	case <-a.standbyKnown:
	case <-time.After(standbyWait):
	case <-ctx.Done():
	}
	a.model.Restart()
	flush := make(chan struct{}, 1)
	a.beside.Go(func() { a.flush(ctx, flush) })
	defer a.beside.Wait()
	resync := local.At(time.Now().Add(spread(a.cfg.Resync, a.cfg.Jitter)))
	for {
		now := time.Now()
		list := resync.Due(now)
		if list {
			resync = local.At(now.Add(spread(a.cfg.Resync, a.cfg.Jitter)))
			a.wokenUp(writer)
		}
		next := a.round(ctx, writer, list)
		select {
		case flush <- struct{}{}:
		default:
		}
		now = time.Now()
		if writer.Busy() < hangsAfter && a.model.Waits(now) < hangsAfter {
			a.cfg.Alive()
		}
		next = local.Earliest(next, resync, local.At(now.Add(aliveEvery)))
		timer := time.NewTimer(time.Until(next.Time()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.inbox.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// round takes in what has come, passes on the records that follow, and begins the queries that are due. It returns when
// it is to be called again at the latest. list asks for a listing of all containers.
func (a *Agent) round(ctx context.Context, writer *apply.Writer, list bool) local.Deadline {
	in, now := a.inbox.drain(), time.Now()
	in.Resync = list
	out := a.model.Step(in, writer.Current, now)
	if in.Snapshot != nil {
		a.cfg.Metrics.snapshot(in.Snapshot.Err)
		a.reportFailure(a.model.Failure(), now)
	}
	if out.StopsChanged {
		a.saveStops(out.Stops)
	}
	a.report(out)
	if out.State != nil {
		a.publish(out.State, now)
		writer.SetDesired(out.State.Desired, out.Since)
	}
	if out.Query != nil {
		a.beside.Go(func() {
			snapshot := a.askEngine(ctx, out.Query)
			a.inbox.put(func() { a.inbox.Snapshot = snapshot })
		})
	}
	if out.TaskQuery != nil {
		a.beside.Go(func() {
			tasks := a.askECS(ctx, out.TaskQuery)
			a.inbox.put(func() { a.inbox.Tasks = tasks })
		})
	}
	return out.Next
}

// askEngine takes a snapshot.
func (a *Agent) askEngine(ctx context.Context, q *local.Query) *local.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, local.QueryTimeout)
	defer cancel()
	s := &local.Snapshot{Query: q}
	if q.Scope == local.Named {
		s.Containers, s.Err = a.cfg.Engine.Refresh(ctx, q.Named)
	} else {
		s.Containers, s.Err = a.cfg.Engine.Snapshot(ctx, q.Named, q.Scope == local.Everything)
	}
	if tasks := s.TaskQuery(); tasks != nil {
		s.Tasks = a.askECS(ctx, tasks)
	}
	return s
}

// askECS asks the ECS agent.
func (a *Agent) askECS(ctx context.Context, q *local.TaskQuery) *local.Tasks {
	ctx, cancel := context.WithTimeout(ctx, tasksTimeout)
	defer cancel()
	tasks, err := a.cfg.Tasks(ctx)
	if err != nil {
		a.cfg.Log.WithError(err).Debug("cannot read tasks from ECS introspection")
	}
	return &local.Tasks{Query: q, ByContainer: tasks, Err: err}
}

// flush writes the journal some time after it is asked to, until ctx ends. The journal itself reports an error, and the
// next time tries again.
func (a *Agent) flush(ctx context.Context, asked <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		sleep(ctx, flushDelay)
		_ = a.cfg.Journal.Flush()
	}
}

func (a *Agent) saveStops(marks []local.Stop) {
	var saved []journal.Stop
	for _, mark := range marks {
		saved = append(saved, journal.Stop(mark))
	}
	a.cfg.Journal.SetStops(saved)
}

// report logs what the model found.
func (a *Agent) report(out local.Output) {
	if out.Missed && a.inbox.reconnect() {
		a.cfg.Log.Warn("containers changed without an event from Docker; reconnecting to the event stream")
	}
	for _, c := range out.Outlived {
		a.cfg.Log.WithFields(logrus.Fields{"container": c.Name, "container_id": c.ID}).
			Info("container still runs long after its stop signal; registering it again")
	}
	for _, p := range out.Problems {
		a.cfg.Log.WithFields(logrus.Fields{
			"container":    p.ContainerName,
			"container_id": p.ContainerID,
			"subject":      p.Subject,
			"reason":       p.Reason,
		}).Warn("container is not registered as asked")
	}
}

// wokenUp has everything written once more after the host was suspended: others may have taken it for gone.
func (a *Agent) wokenUp(writer *apply.Writer) {
	slept, err := a.cfg.Suspended()
	if err != nil || slept-a.slept < time.Second {
		return
	}
	a.cfg.Log.WithField("suspended_for", (slept - a.slept).String()).Info("host was suspended; writing all records again")
	a.slept = slept
	writer.MarkAllUnconfirmed()
}
