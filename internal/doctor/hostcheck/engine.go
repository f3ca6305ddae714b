package hostcheck

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/doctor"
)

// engineVersion is the Engine's answer to the simplest question.
type engineVersion struct {
	engine, api string
	err         error
}

func (h *Host) askVersion(ctx context.Context) engineVersion {
	return h.version.Get(func() (v engineVersion) {
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		v.engine, v.api, v.err = h.Engine.Version(ctx)
		return v
	})
}

func (h *Host) checkEngine(ctx context.Context) doctor.Result {
	v := h.askVersion(ctx)
	switch {
	case v.err == nil:
		return doctor.Okf("Docker %s (API %s) answers at %s", v.engine, v.api, h.Engine.Host())
	case errors.Is(v.err, fs.ErrPermission):
		return doctor.Skipf("not checked: this user may not use the Docker Engine at %s", h.Engine.Host()).
			Hintf("run this as root (sudo ecssd doctor), or as a member of group docker")
	}
	return doctor.Failf("the Docker Engine does not answer at %s: %s",
		h.Engine.Host(), doctor.Cause(errors.Unwrap(v.err))).
		Hintf("systemctl start docker; where it listens elsewhere, say so in --docker-host (ECSSD_DOCKER_HOST)")
}

// checkEvents subscribes, and is content when the Engine accepts: on a host where nothing happens no event comes.
func (h *Host) checkEvents(ctx context.Context) []doctor.Result {
	if h.askVersion(ctx).err != nil {
		return nil
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	connected := false
	err := h.Events.Follow(ctx, func() { connected = true; cancel() }, func(container.Hint) {})
	if !connected {
		return []doctor.Result{
			doctor.Failf("the Engine accepts no subscription to its events: %s", doctor.Cause(err)).
				Hintf("systemctl status docker; journalctl -u docker; an Engine that hangs needs: systemctl restart " +
					"docker"),
		}
	}
	return []doctor.Result{doctor.Okf("the Engine accepts subscriptions to its events")}
}
