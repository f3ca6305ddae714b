package agent

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/apply"
	"github.com/ecssd/ecssd/internal/backoff"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/local"
)

const (
	// flushDelay is how long a stop mark waits for a change batch to take it along to the disk.
	flushDelay = time.Second
	// aliveEvery is how often the loop goes round where nothing happens, to show that it can.
	aliveEvery = 10 * time.Second
	// hangsAfter is how long the writer may be at one piece of work, or a query may take. A call ends after 8 s;
	// narrowing down a rejection takes a few.
	hangsAfter = time.Minute
)

// observe keeps what the writer is to write in step with this host until ctx ends. It waits for nothing: queries and
// the disk have goroutines of their own, and answers come by the inbox.
func (k *keeper) observe(ctx context.Context, writer *apply.Writer) {
	if slept, err := k.cfg.Suspended(); err == nil {
		k.slept = slept
	}
	select {
	case <-k.standbyKnown:
	case <-time.After(standbyWait):
	case <-ctx.Done():
	}
	k.model.Restart()
	flush := make(chan struct{}, 1)
	k.beside.Go(func() { k.flush(ctx, flush) })
	defer k.beside.Wait()
	resync := local.At(time.Now().Add(backoff.Half(k.cfg.Resync, k.cfg.Jitter())))
	for {
		now := time.Now()
		list := resync.Due(now)
		if list {
			resync = local.At(now.Add(backoff.Half(k.cfg.Resync, k.cfg.Jitter())))
			k.wokenUp(writer)
		}
		next := k.round(ctx, writer, list)
		select {
		case flush <- struct{}{}:
		default:
		}
		now = time.Now()
		if writer.Busy() < hangsAfter && k.model.Waits(now) < hangsAfter {
			k.cfg.Alive()
		}
		next = local.Earliest(next, resync, local.At(now.Add(aliveEvery)))
		timer := time.NewTimer(time.Until(next.Time()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.inbox.Wake():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// round takes in what has come, passes on the records that follow, and begins the queries that are due. It returns when
// it is to be called again at the latest. list asks for a listing of all containers.
func (k *keeper) round(ctx context.Context, writer *apply.Writer, list bool) local.Deadline {
	in, now := k.inbox.Drain(), time.Now()
	in.Resync = list
	out := k.model.Step(in, writer.Current, now)
	if in.Snapshot != nil {
		k.cfg.Metrics.Snapshot(in.Snapshot.Err)
		k.reportFailure(k.model.Failure(), now)
	}
	if out.StopsChanged {
		k.saveStops(out.Stops)
	}
	k.report(out)
	if out.State != nil {
		k.shown.set(func(s *shown) { s.local = out.State })
		k.memory.Remember(out.State, now)
		writer.SetDesired(out.State.Desired, out.Since)
	}
	if out.Query != nil {
		k.beside.Go(func() {
			snapshot := k.look.Snapshot(ctx, out.Query)
			k.inbox.Put(func(in *local.Input) { in.Snapshot = snapshot })
		})
	}
	if out.TaskQuery != nil {
		k.beside.Go(func() {
			tasks := k.look.ECS(ctx, out.TaskQuery)
			k.inbox.Put(func(in *local.Input) { in.Tasks = tasks })
		})
	}
	return out.Next
}

// flush writes the journal some time after it is asked to, until ctx ends. The journal itself reports an error, and the
// next time tries again.
func (k *keeper) flush(ctx context.Context, asked <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		backoff.Sleep(ctx, flushDelay)
		_ = k.Journal.Flush()
	}
}

func (k *keeper) saveStops(marks []local.Stop) {
	var saved []journal.Stop
	for _, mark := range marks {
		saved = append(saved, journal.Stop(mark))
	}
	k.Journal.SetStops(saved)
}

// failsFor is how long snapshots may fail before that is reported: an Engine that restarts is away for some seconds.
const failsFor = 10 * time.Second

// reportFailure reports that snapshots of the Engine fail, once that lasts.
func (k *keeper) reportFailure(f local.Failure, now time.Time) {
	if f.Err == nil {
		k.cfg.Readiness.Ready("containers")
		k.failed.Reset()
		return
	}
	if now.Sub(f.Since) < failsFor {
		return
	}
	k.cfg.Readiness.NotReady("containers", f.Err.Error())
	if k.failed.Allow(now) {
		k.cfg.Log.WithError(f.Err).Warn("cannot list containers; keeping existing records")
	}
}

// report logs what the model found.
func (k *keeper) report(out local.Output) {
	if out.Missed && k.inbox.Reconnect() {
		k.cfg.Log.Warn("containers changed without an event from Docker; reconnecting to the event stream")
	}
	for _, c := range out.Outlived {
		k.cfg.Log.WithFields(logrus.Fields{"container": c.Name, "container_id": c.ID}).
			Info("container still runs long after its stop signal; registering it again")
	}
	for _, p := range out.Problems {
		k.cfg.Log.WithFields(logrus.Fields{
			"container":    p.ContainerName,
			"container_id": p.ContainerID,
			"subject":      p.Subject,
			"reason":       p.Reason,
		}).Warn("container is not registered as asked")
	}
}

// wokenUp has everything written once more after the host was suspended: others may have taken it for gone.
func (k *keeper) wokenUp(writer *apply.Writer) {
	slept, err := k.cfg.Suspended()
	if err != nil || slept-k.slept < time.Second {
		return
	}
	k.cfg.Log.WithField("suspended_for", (slept - k.slept).String()).
		Info("host was suspended; writing all records again")
	k.slept = slept
	writer.MarkAllUnconfirmed()
}
