package hostcheck

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/statedir"
)

const asRoot = "run this as root: sudo ecssd doctor"

// checkStandby reports whether the whole host is out of traffic.
func (h *Host) checkStandby(ctx context.Context) doctor.Result {
	id := h.Identity(ctx)
	instance := id.InstanceID
	if instance == "" {
		instance, _ = journal.Instance(h.StateDir)
	}
	since, err := statedir.Standby(h.StateDir, instance)
	switch {
	case since != "":
		return doctor.Warnf("this host is on standby by hand, %s: all its records have weight 0", since).
			Hintf("ecssd standby --off")
	case errors.Is(err, fs.ErrPermission):
		return doctor.Skipf("not checked: this user may not look into %s", h.StateDir).Hintf(asRoot)
	case err != nil:
		return doctor.Warnf("cannot find out whether this host is on standby by hand: %s", doctor.Cause(err)).
			Hintf("ecssd standby --off")
	}
	if !id.EC2 {
		return doctor.Okf("this host is in traffic")
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	leaving, err := h.Metadata.Leaving(ctx)
	switch {
	case err != nil:
		return doctor.Warnf("cannot find out whether this host is about to end: %s", doctor.Cause(err)).
			Hintf("see metadata")
	case leaving != "":
		return doctor.Warnf("this host is on standby, since it is about to end: %s", leaving)
	}
	return doctor.Okf("this host is in traffic")
}
