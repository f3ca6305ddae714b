package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/ecssd/ecssd/internal/container"
)

// Follow subscribes to the Engine's events of containers and of their networks, calls connected once the Engine has
// accepted the subscription, then hint for each event, until the stream or ctx ends. It always returns an error; io.EOF
// is in it where the Engine ended the stream in order. Both callbacks are called from this goroutine and must be quick:
// for a subscriber that does not read, the Engine drops events without a word.
//
// Every stream begins with a replay of what the Engine still remembers (256 events of any kind, lost when it restarts),
// so hints arrive again, and must do no harm then. This is what makes "subscribe, then list" lossless: the Engine
// answers a subscription before it enters it, and without the replay the events in between would be lost. Asking for
// everything, not for what is newer than the last event, keeps clock steps out of it. The Engine stops the replay at
// the first event older than asked for, so an event stamped before a step back would hide those before it.
func (e *Engine) Follow(ctx context.Context, connected func(), hint func(container.Hint)) error {
	cli, err := e.renew(ctx)
	if err != nil {
		return err
	}
	stream, err := subscribe(ctx, cli, e.base)
	if err != nil {
		return fmt.Errorf("subscribe to the Docker Engine's events: %w", err)
	}
	defer stream.Close()
	connected()

	dec := json.NewDecoder(stream)
	for {
		var m events.Message
		if err := dec.Decode(&m); err != nil {
			if ctx.Err() != nil { // or else the reason is at times that the connection is closed
				err = ctx.Err()
			}
			return fmt.Errorf("read the Docker Engine's events: %w", err)
		}
		if m.Type != events.ContainerEventType && m.Type != events.NetworkEventType {
			continue
		}
		if h := decodeEvent(m); h.ContainerID != "" { // it is none where a network is destroyed
			hint(h)
		}
	}
}

// The actions that matter. Left out are above all exec_*: each run of a health check makes three of them.
var followed = filters.NewArgs(
	filters.Arg("type", string(events.ContainerEventType)),
	filters.Arg("type", string(events.NetworkEventType)),
	filters.Arg("event", string(events.ActionStart)),
	filters.Arg("event", string(events.ActionKill)),
	filters.Arg("event", string(events.ActionDie)),
	filters.Arg("event", string(events.ActionPause)),
	filters.Arg("event", string(events.ActionUnPause)),
	filters.Arg("event", string(events.ActionDestroy)),
	filters.Arg("event", string(events.ActionRename)),
	filters.Arg("event", string(events.ActionHealthStatus)), // matches "health_status: healthy" and the others
	// Of networks. A container that is connected to another network, or disconnected from one, may have its ports
	// published at others of the host.
	filters.Arg("event", string(events.ActionConnect)),
	filters.Arg("event", string(events.ActionDisconnect)),
)

// subscribe opens the event stream over a connection of its own. The client's Events would do, but for one thing: it
// returns alike whether the Engine accepted the subscription or could not be reached.
func subscribe(ctx context.Context, cli *client.Client, base string) (io.ReadCloser, error) {
	filter, err := filters.ToJSON(followed)
	if err != nil {
		return nil, err
	}
	dial := cli.Dialer() // knows sockets and TLS, so that the request below is always plain HTTP
	transport := &http.Transport{
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: callTimeout,
	}
	u := url.URL{
		Scheme:   "http",
		Host:     client.DummyHost,
		Path:     path.Join("/", base, "v"+cli.ClientVersion(), "events"),
		RawQuery: url.Values{"since": {"1"}, "filters": {filter}}.Encode(), // one second after 1970
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // the status alone will do
		return nil, fmt.Errorf("%s: %s", resp.Status, reason)
	}
	return resp.Body, nil
}

// maxService is the longest service name taken from an event, in bytes: no longer name fits DNS.
const maxService = 255

func decodeEvent(m events.Message) container.Hint {
	if m.Type == events.NetworkEventType {
		return container.Hint{
			ContainerID: m.Actor.Attributes["container"],
			Action:      container.Network,
			Time:        time.Unix(0, m.TimeNano),
		}
	}
	h := container.Hint{ContainerID: m.Actor.ID, Action: container.Other, Time: time.Unix(0, m.TimeNano)}
	switch m.Action {
	case events.ActionStart:
		h.Action = container.Start
	case events.ActionKill:
		h.Action = container.Kill
		h.Signal, _ = signalNumber(m.Actor.Attributes["signal"]) // in decimal
	case events.ActionDie:
		h.Action = container.Die
		h.ExitStatus, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
		// An event carries all labels of its container, which may be gone before anyone can inspect it.
		h.Service = m.Actor.Attributes["SERVICE_NAME"]
		if h.Service == "" {
			h.Service = m.Actor.Attributes[container.LabelName]
		}
		if len(h.Service) > maxService {
			h.Service = ""
		}
	}
	return h
}
