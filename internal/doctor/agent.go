package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds an answer of the agent, in bytes. A host of a thousand containers has some 2 MB.
const maxAnswer = 16 << 20

// told is what the agent says of itself at /state, as far as it is looked at.
type told struct {
	Version    string
	Now        time.Time
	Ready      bool
	Containers []struct{ ID string } // those that run or are paused
	Refused    []struct {
		Action string
		Record struct{ Name, Type string }
		Reason string
		Advice string
	}
}

func (d *doctor) lookAtAgent(ctx context.Context) []Finding {
	ctx, cancel := limited(ctx)
	defer cancel()
	status, _, err := d.ask(ctx, "/healthz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers with status %d, and is perhaps something else", status)
	}
	if err != nil {
		f := bad("agent", Fail, "no agent runs here, or it does not answer at %s: %s", d.Listen, why(err))
		return []Finding{
			f.hint(
				"systemctl start ecssd; where it ends again: journalctl -u ecssd; where it listens elsewhere, say so in --listen (ECSSD_LISTEN)",
			),
		}
	}
	findings := []Finding{ok("agent", "runs, and answers at %s", d.Listen)}
	state, known := d.askState(ctx)
	if known {
		findings[0] = ok("agent", "version %s runs, and answers at %s", state.Version, d.Listen)
		if state.Version != d.Version {
			findings[0] = bad("agent", Warn, "version %s runs, and version %s is installed", state.Version, d.Version).
				hint("systemctl restart ecssd")
		}
	}
	findings = append(findings, readiness(d.ask(ctx, "/readyz"))...)
	if known {
		findings = append(findings, state.refused()...)
	}
	return findings
}

// askState gives what the agent says of itself, if it does.
func (d *doctor) askState(ctx context.Context) (state told, known bool) {
	status, body, err := d.ask(ctx, "/state")
	known = err == nil && status == http.StatusOK && json.Unmarshal(body, &state) == nil && state.Version != ""
	return state, known
}

// ask asks the agent. As ecssd healthcheck does, it dials the agent's address whatever the URL says.
func (d *doctor) ask(ctx context.Context, path string) (status int, body []byte, err error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.Listen)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}

// partChecks names, for a part that the agent misses, the check that looks at it.
var partChecks = map[string]string{
	"identity": "metadata", "engine": "engine and events", "zone": "zone", "journal": "state", "route53": "zone, read and write",
}

// readiness tells what /readyz answered: a line for each thing that keeps the agent from its work.
func readiness(status int, body []byte, err error) []Finding {
	if err != nil {
		return []Finding{
			bad(
				"ready",
				Fail,
				"the agent does not say whether it is ready: %s",
				why(err),
			).hint("journalctl -u ecssd; systemctl restart ecssd"),
		}
	}
	if status == http.StatusOK {
		return []Finding{ok("ready", "the agent has all that it needs")}
	}
	var findings []Finding
	for line := range strings.Lines(strings.TrimSpace(string(body))) {
		line = strings.TrimSpace(line)
		part, _, _ := strings.Cut(line, ":")
		f := bad("ready", Fail, "the agent waits for %s", line).hint("journalctl -u ecssd")
		switch {
		case partChecks[part] != "":
			f = f.hint("see %s, here; it goes on by itself then", partChecks[part])
		case part == "agent" && len(findings) > 0:
			continue // that it has not begun yet goes without saying
		case part == "agent":
			f.State = Warn
			f = f.hint("run this again in a moment; see metadata, here, where it stays so")
		}
		findings = append(findings, f)
	}
	return findings
}

// mostRefused is how many refused changes are told of.
const mostRefused = 5

func (t told) refused() []Finding {
	var findings []Finding
	for i, r := range t.Refused {
		if i == mostRefused {
			findings = append(
				findings,
				bad(
					"refused",
					Fail,
					"and %d more",
					len(t.Refused)-i,
				).hint("ecssd explain CONTAINER; journalctl -u ecssd"),
			)
			break
		}
		f := bad("refused", Fail, "Route 53 refuses %s %s %s (%s)", r.Action, r.Record.Type, r.Record.Name, r.Reason)
		findings = append(findings, f.hint("%s", r.Advice))
	}
	if findings == nil {
		return []Finding{ok("refused", "Route 53 refuses no change of the agent's")}
	}
	return findings
}
