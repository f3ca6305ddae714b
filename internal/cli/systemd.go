package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/status"
)

// statusEvery is how often the line that systemctl status shows is brought up to date.
const statusEvery = 2 * time.Second

// notify sends systemd a state of this service (sd_notify(3)). It does nothing if systemd did not start the process.
func notify(log *logrus.Entry, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Debug("cannot notify systemd")
	}
}

// notifyStatus keeps the line of systemctl status up to date until ctx ends.
func notifyStatus(ctx context.Context, log *logrus.Entry, line func() string) {
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

// statusLine returns how many endpoints the agent has, and what it waits for.
func statusLine(s status.State) string {
	var parts []string
	if !s.Misses("agent") {
		parts = append(parts, fmt.Sprintf("%d endpoints serving, %d on standby", s.Counts.Serving, s.Counts.Standby))
	}
	if s.HostStandby != "" {
		parts = append(parts, "the host is on standby: "+s.HostStandby)
	}
	if !s.Ready {
		parts = append(parts, "not ready: "+strings.Join(s.Missing, "; "))
	}
	return strings.Join(parts, "; ")
}
