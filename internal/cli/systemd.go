package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
)

// statusEvery is how often the line that systemctl status shows is brought up to date.
const statusEvery = 2 * time.Second

// notify tells systemd something about this service (sd_notify(3)); nothing where systemd did not start it.
func notify(log *logrus.Entry, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Debug("systemd does not listen")
	}
}

// tellStatus keeps systemd's line on this service up to date until ctx ends.
func tellStatus(ctx context.Context, log *logrus.Entry, line func() string) {
	last := ""
	for {
		if now := line(); now != last {
			last = now
			notify(log, "STATUS="+now)
		}
		select {
		case <-ctx.Done():
			notify(log, daemon.SdNotifyStopping)
			return
		case <-time.After(statusEvery):
		}
	}
}

// statusLine says in a line what the agent announces, or what it waits for; a is nil where the agent has not started
// yet.
func statusLine(readiness *agent.Readiness, a *agent.Agent) string {
	var parts []string
	if a != nil {
		counts, standby := a.Summary()
		parts = append(parts, fmt.Sprintf("%d endpoints serving, %d on standby", counts.Serving, counts.Standby))
		if standby != "" {
			parts = append(parts, "the host is on standby: "+standby)
		}
	}
	if missing := readiness.Missing(); len(missing) > 0 {
		parts = append(parts, "not ready: "+strings.Join(missing, "; "))
	}
	return strings.Join(parts, "; ")
}
