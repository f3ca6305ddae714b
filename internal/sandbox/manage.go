package sandbox

import (
	_ "embed" // of usage.txt
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/eventbridge"
	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
)

// management answers the management API, which does what the methods of Server do.
func (s *Server) management() http.Handler {
	mux := http.NewServeMux()
	s.page(mux)
	s.manageZones(mux)
	s.manageFleet(mux)
	s.manageCalls(mux)
	s.manageFaults(mux)
	s.manageSettings(mux)
	s.manageMetadata(mux)
	s.manageQueues(mux)
	s.manageFunction(mux)
	// a page of another site in somebody's browser changes nothing here
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *Server) manageZones(mux *http.ServeMux) {
	mux.HandleFunc("GET /zones", give(func(*http.Request) (any, error) { return s.Zones(), nil }))
	mux.HandleFunc("POST /zones", take(func(_ *http.Request, z Zone) (any, error) {
		z.Private = z.Private || len(z.VPCs) > 0
		z, _, err := s.store.Create(z)
		return z, err
	}))
	mux.HandleFunc("DELETE /zones/{id}", give(func(r *http.Request) (any, error) {
		s.RemoveZone(r.PathValue("id"))
		return nil, nil
	}))
	mux.HandleFunc("GET /zones/{id}/records", give(func(r *http.Request) (any, error) {
		_, err := s.store.Get(r.PathValue("id"))
		return s.Records(r.PathValue("id")), err
	}))
	mux.HandleFunc("POST /zones/{id}/records", take(func(r *http.Request, sets []Set) (any, error) {
		return nil, s.Seed(r.PathValue("id"), sets...)
	}))
	mux.HandleFunc("DELETE /zones/{id}/records", take(func(r *http.Request, sets []Set) (any, error) {
		return nil, s.Erase(r.PathValue("id"), sets...)
	}))
}

func (s *Server) manageFleet(mux *http.ServeMux) {
	mux.HandleFunc("GET /fleet", give(func(*http.Request) (any, error) { return s.account.State(), nil }))
	mux.HandleFunc("PUT /fleet", take(func(_ *http.Request, f account.State) (any, error) {
		return nil, s.account.Replace(f)
	}))
	mux.HandleFunc("POST /fleet", take(func(_ *http.Request, f account.State) (any, error) {
		return nil, s.account.Put(f)
	}))
	mux.HandleFunc("DELETE /fleet", take(func(_ *http.Request, ids account.IDs) (any, error) {
		s.account.Remove(ids)
		return nil, nil
	}))
	mux.HandleFunc("PATCH /fleet/{kind}/{id}", take(func(r *http.Request, patch json.RawMessage) (any, error) {
		return nil, s.patch(r.PathValue("kind"), r.PathValue("id"), patch)
	}))
	mux.HandleFunc("PUT /availability-zones/{name}", take(func(r *http.Request, state string) (any, error) {
		switch state {
		case "failing":
			return nil, s.account.FailZone(r.PathValue("name"))
		case "available":
			return nil, s.account.RecoverZone(r.PathValue("name"))
		}
		return nil, fmt.Errorf("read the state %q: there are failing, available", state)
	}))
}

// patch replaces fields of one thing of the fleet.
func (s *Server) patch(kind, id string, patch json.RawMessage) error {
	switch kind {
	case "instances":
		return s.account.EditInstance(id, account.Patch[account.Instance](patch))
	case "containerInstances":
		return s.account.EditContainerInstance(id, account.Patch[account.ContainerInstance](patch))
	case "tasks":
		return s.account.EditTask(id, account.Patch[account.Task](patch))
	}
	return fmt.Errorf("patch %s: there are instances, containerInstances, tasks", kind)
}

func (s *Server) manageCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /calls", give(func(r *http.Request) (any, error) {
		return filterCalls(s.Calls(), r.URL.Query())
	}))
	mux.HandleFunc("GET /events", give(func(r *http.Request) (any, error) {
		return filterEvents(s.Events(), r.URL.Query())
	}))
	mux.HandleFunc("GET /counters", give(func(*http.Request) (any, error) { return s.counters(), nil }))
	mux.HandleFunc("DELETE /calls", give(func(*http.Request) (any, error) {
		s.ClearCalls()
		return nil, nil
	}))
}

func (s *Server) manageFaults(mux *http.ServeMux) {
	mux.HandleFunc("GET /faults", give(func(*http.Request) (any, error) { return showFaults(s.Faults()), nil }))
	mux.HandleFunc("POST /faults", take(func(_ *http.Request, f faultJSON) (any, error) {
		return nil, s.AddFault(f.fault())
	}))
	mux.HandleFunc("PUT /faults", take(func(_ *http.Request, list []faultJSON) (any, error) {
		faults := make([]Fault, 0, len(list))
		for _, f := range list {
			faults = append(faults, f.fault())
		}
		return nil, s.SetFaults(faults...)
	}))
	mux.HandleFunc("DELETE /faults", give(func(*http.Request) (any, error) { return nil, s.SetFaults() }))
	mux.HandleFunc("PUT /listening", take(func(_ *http.Request, on bool) (any, error) {
		return nil, s.SetListening(on)
	}))
}

func (s *Server) manageSettings(mux *http.ServeMux) {
	mux.HandleFunc("GET /settings", give(func(*http.Request) (any, error) { return showSettings(s.Settings()), nil }))
	mux.HandleFunc("PATCH /settings", func(w http.ResponseWriter, r *http.Request) {
		settings := showSettings(s.Settings()) // what is not given stays
		if err := read(r, &settings); err != nil {
			respond(w, nil, err)
			return
		}
		if err := settings.Delivery.Validate(); err != nil {
			respond(w, nil, err)
			return
		}
		s.Configure(func(c *Settings) { *c = settings.settings() })
		respond(w, showSettings(s.Settings()), nil)
	})
}

func (s *Server) manageQueues(mux *http.ServeMux) {
	mux.HandleFunc("GET /queues", give(func(*http.Request) (any, error) {
		all := map[string]map[string]string{}
		for _, name := range s.queues.Names() {
			if attributes, err := s.queues.Attributes(name); err == nil { // else it is gone
				all[name] = attributes
			}
		}
		return all, nil
	}))
	mux.HandleFunc("GET /queues/{name}/messages", give(func(r *http.Request) (any, error) {
		return s.queues.Bodies(r.PathValue("name"))
	}))
	mux.HandleFunc("GET /deliveries", give(func(*http.Request) (any, error) {
		stats, err := s.bus.Stats()
		answer := struct {
			eventbridge.Stats
			LastFailure string `json:"lastFailure,omitempty"`
		}{Stats: stats}
		if err != nil {
			answer.LastFailure = err.Error()
		}
		return answer, nil
	}))
}

func (s *Server) manageMetadata(mux *http.ServeMux) {
	mux.HandleFunc("GET /imds", give(func(*http.Request) (any, error) { return s.imds.Values(), nil }))
	mux.HandleFunc("PUT /imds", take(func(_ *http.Request, i Instance) (any, error) {
		s.imds.SetInstance(i)
		return nil, nil
	}))
	mux.HandleFunc("GET /imds/calls", give(func(*http.Request) (any, error) { return s.imds.Calls(), nil }))
	mux.HandleFunc("PUT /imds/mode", take(func(_ *http.Request, m imds.Mode) (any, error) {
		return nil, s.imds.SetMode(m)
	}))
	mux.HandleFunc("PUT /imds/values/{path...}", take(func(r *http.Request, value string) (any, error) {
		s.imds.Set(r.PathValue("path"), value)
		return nil, nil
	}))
	mux.HandleFunc("DELETE /imds/values/{path...}", give(func(r *http.Request) (any, error) {
		s.imds.Unset(r.PathValue("path"))
		return nil, nil
	}))
}

// usage explains the management API.
//
//go:embed usage.txt
var usage string

func give(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := f(r)
		respond(w, result, err)
	}
}

func take[T any](f func(*http.Request, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var input T
		if err := read(r, &input); err != nil {
			respond(w, nil, err)
			return
		}
		result, err := f(r, input)
		respond(w, result, err)
	}
}

func read(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, 64<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return nil
}

func respond(w http.ResponseWriter, result any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		result = map[string]string{"error": err.Error()}
	}
	if result == nil {
		result = struct{}{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(result) // the client may be gone
}

func filterCalls(calls []Call, q url.Values) ([]Call, error) {
	since, status := 0, 0
	for name, into := range map[string]*int{"since": &since, "status": &status} {
		if v := q.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			*into = n
		}
	}
	is := func(name, value string) bool { return !q.Has(name) || q.Get(name) == value }
	return slices.DeleteFunc(calls, func(c Call) bool {
		return !is("operation", c.Operation) || !is("zone", c.ZoneID) || !is("code", c.Code) || c.Seq <= since ||
			q.Has("status") && c.Status != status
	}), nil
}

func filterEvents(events []Event, q url.Values) ([]Event, error) {
	if q.Has("name") {
		name, err := zone.ParseName(q.Get("name"))
		if err != nil {
			return nil, err
		}
		events = slices.DeleteFunc(events, func(e Event) bool {
			return (e.Before == nil || e.Before.Name != name.String()) &&
				(e.After == nil || e.After.Name != name.String())
		})
	}
	return slices.DeleteFunc(events, func(e Event) bool { return q.Has("zone") && e.ZoneID != q.Get("zone") }), nil
}

// counters counts what Calls and the others list.
func (s *Server) counters() map[string]map[string]int {
	calls, outcomes, metadata, sets := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, c := range s.Calls() {
		calls[c.Operation]++
		switch {
		case c.Status == 0:
			outcomes["no answer"]++
		case c.Code == "":
			outcomes["ok"]++
		default:
			outcomes[c.Code]++
		}
	}
	for _, c := range s.imds.Calls() {
		metadata[strconv.Itoa(c.Status)]++
	}
	for _, z := range s.Zones() {
		sets[z.ID] = z.Sets
	}
	return map[string]map[string]int{
		"calls":      calls,
		"outcomes":   outcomes,
		"imds":       metadata,
		"dns":        s.Queries(),
		"recordSets": sets,
	}
}

// faultJSON and settingsJSON write durations as people do.

type faultJSON struct {
	Fault
	Latency duration `json:"latency,omitzero"`
	Jitter  duration `json:"jitter,omitzero"`
	Seen    int      `json:"seen,omitempty"` // given, not taken
	Hits    int      `json:"hits,omitempty"`
}

func (f faultJSON) fault() Fault {
	f.Fault.Latency, f.Fault.Jitter = time.Duration(f.Latency), time.Duration(f.Jitter)
	return f.Fault
}

func showFaults(active []fault.Active) []faultJSON {
	result := make([]faultJSON, 0, len(active))
	for _, a := range active {
		result = append(result, faultJSON{a.Fault, duration(a.Latency), duration(a.Jitter), a.Seen, a.Hits})
	}
	return result
}

type settingsJSON struct {
	Settings
	Propagation        duration `json:"propagation"`
	PriorRequestWindow duration `json:"priorRequestWindow"`
	ECSDelay           duration `json:"ecsDelay"`
	EC2Delay           duration `json:"ec2Delay"`
	EC2Transition      duration `json:"ec2Transition"`
	Delivery           delivery `json:"delivery"`
}

type delivery struct {
	eventbridge.Delivery
	Delay  duration `json:"delay"`
	Jitter duration `json:"jitter"`
}

func (j settingsJSON) settings() Settings {
	j.Settings.Propagation = time.Duration(j.Propagation)
	j.Settings.PriorRequestWindow = time.Duration(j.PriorRequestWindow)
	j.Settings.Delays = account.Delays{ECSDelay: time.Duration(j.ECSDelay), EC2Delay: time.Duration(j.EC2Delay)}
	j.Settings.Transition = time.Duration(j.EC2Transition)
	j.Settings.Delivery = j.Delivery.Delivery
	j.Settings.Delivery.Delay = time.Duration(j.Delivery.Delay)
	j.Settings.Delivery.Jitter = time.Duration(j.Delivery.Jitter)
	return j.Settings
}

func showSettings(c Settings) settingsJSON {
	return settingsJSON{
		Settings:           c,
		Propagation:        duration(c.Propagation),
		PriorRequestWindow: duration(c.PriorRequestWindow),
		ECSDelay:           duration(c.ECSDelay),
		EC2Delay:           duration(c.EC2Delay),
		EC2Transition:      duration(c.Transition),
		Delivery: delivery{
			Delivery: c.Delivery,
			Delay:    duration(c.Delivery.Delay),
			Jitter:   duration(c.Delivery.Jitter),
		},
	}
}

type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(strings.TrimSpace(string(text)))
	*d = duration(parsed)
	return err
}
