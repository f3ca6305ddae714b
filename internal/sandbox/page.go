package sandbox

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

//go:embed page.html page.css page.js
var pageFiles embed.FS

// pagePolicy allows the page to load from, and send to, the sandbox itself and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
	"form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

const (
	mostRecords = 500 // of a zone on the page
	mostCalls   = 50
)

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"below": below,
	"clock": clock,
	"took":  took,
}).ParseFS(pageFiles, "page.html"))

// page adds the page for people to the management API.
func (s *Server) page(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(usage)) // the client may be gone
			return
		}
		var page bytes.Buffer
		if err := pageTemplate.Execute(&page, s.view()); err != nil {
			http.Error(w, fmt.Sprintf("make the page: %v", err), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(page.Bytes()) // the client may be gone
	})
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8",
		"page.js":  "text/javascript; charset=utf-8",
	} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, pageFiles, name)
		})
	}
	mux.HandleFunc("POST /page/switch", func(w http.ResponseWriter, r *http.Request) {
		if err := s.turn(r.PostFormValue("id"), r.PostFormValue("on") == "true"); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

// pageSwitch is something that can be switched on and off on the page.
type pageSwitch struct {
	ID, Name, What string
	on             func() bool
	set            func(on bool) error
}

// faultSwitch switches one fault.
func (s *Server) faultSwitch(id, name, what string, f Fault) pageSwitch {
	_ = f.Validate() // fills in what its code implies; a test holds that all of them are valid
	return pageSwitch{
		ID:   id,
		Name: name,
		What: what,
		on: func() bool {
			return slices.ContainsFunc(s.Faults(), func(a fault.Active) bool { return a.Fault == f })
		},
		set: func(on bool) error {
			if on {
				return s.AddFault(f)
			}
			s.faults.Remove(f)
			return nil
		},
	}
}

// metadataSwitch switches one value of the metadata.
func (s *Server) metadataSwitch(id, name, what, path, value string) pageSwitch {
	return pageSwitch{
		ID:   id,
		Name: name,
		What: what,
		on:   func() bool { _, set := s.imds.Values()[path]; return set },
		set: func(on bool) error {
			if on {
				s.imds.Set(path, value)
			} else {
				s.imds.Unset(path)
			}
			return nil
		},
	}
}

// switches returns all that the page can switch.
func (s *Server) switches() []pageSwitch {
	const change = "ChangeResourceRecordSets"
	return []pageSwitch{
		s.faultSwitch("throttle", "Throttling", "changes of records are answered with Throttling", Fault{
			Kind:      Fail,
			Code:      "Throttling",
			Operation: change,
		}),
		s.faultSwitch("prior", "PriorRequestNotComplete", "changes are refused because one before is not done", Fault{
			Kind:      Fail,
			Code:      "PriorRequestNotComplete",
			Operation: change,
		}),
		s.faultSwitch("internal", "Internal error", "changes are answered with status 500", Fault{
			Kind:      Fail,
			Code:      "InternalFailure",
			Operation: change,
		}),
		s.faultSwitch("denied", "Access denied", "changes are answered with AccessDenied", Fault{
			Kind:      Fail,
			Code:      "AccessDenied",
			Operation: change,
		}),
		s.faultSwitch("lost", "Lost answers", "changes take effect, and their answers do not arrive", Fault{
			Kind:      Lose,
			Operation: change,
		}),
		s.faultSwitch("slow", "Slow", "each change takes 3 s longer", Fault{
			Kind:      Delay,
			Latency:   3 * time.Second,
			Operation: change,
		}),
		{
			ID:   "refusing",
			Name: "Out of reach",
			What: "connections to the API and to the metadata are refused",
			on:   func() bool { return !s.Listening() },
			set:  func(on bool) error { return s.SetListening(!on) },
		},
		{
			ID:   "metadata",
			Name: "Metadata failing",
			What: "each request for EC2 metadata is answered with status 500",
			on:   func() bool { return s.imds.Mode() != imds.Up },
			set: func(on bool) error {
				if on {
					return s.imds.SetMode(imds.Failing)
				}
				return s.imds.SetMode(imds.Up)
			},
		},
		s.metadataSwitch("spot", "Spot interruption", "the metadata says that EC2 takes the instance back",
			"meta-data/spot/instance-action", `{"action": "terminate", "time": "2030-01-01T00:00:00Z"}`),
		s.metadataSwitch("scaling", "Scaling in", "the metadata says that Auto Scaling ends the instance",
			"meta-data/autoscaling/target-lifecycle-state", "Terminated"),
	}
}

// turn switches one switch, or with all everything that spoils anything: faults of the management API, too.
func (s *Server) turn(id string, on bool) error {
	all := s.switches()
	if id == "all" && !on {
		for _, t := range all {
			if err := t.set(false); err != nil {
				return err
			}
		}
		return s.SetFaults()
	}
	i := slices.IndexFunc(all, func(t pageSwitch) bool { return t.ID == id })
	if i < 0 {
		return fmt.Errorf("switch %q: there is none of that name", id)
	}
	if all[i].on() == on {
		return nil
	}
	return all[i].set(on)
}

// view is what the page shows.
type view struct {
	Now         time.Time
	URL, DNS    string
	Environment []string
	Propagation time.Duration
	Zones       []zoneView
	Calls       []Call // newest first
	Queries     []count
	Switches    []switchView
	Faults      []fault.Active
	Faulty      bool
	Buckets     []bucketView
	Usage       string
}

type zoneView struct {
	Zone
	Groups []group
	More   int // records beyond mostRecords
}

// group is the record sets of one name and type, of which DNS answers with one.
type group struct {
	Name, Type string
	Records    []recordView
}

type recordView struct {
	Set
	Share float64 // of the answers, in percent
}

type switchView struct {
	pageSwitch
	On bool
}

type bucketView struct {
	Service string
	throttle.Level
}

type count struct {
	Name string
	N    int
}

func (s *Server) view() view {
	v := view{
		Now:         time.Now(),
		URL:         s.URL(),
		DNS:         s.DNSAddr(),
		Environment: s.Environment(),
		Propagation: s.Settings().Propagation,
		Calls:       s.log.Last(mostCalls),
		Usage:       usage,
	}
	slices.Reverse(v.Calls)
	for _, z := range s.Zones() {
		sets := s.Records(z.ID)
		shown := sets[:min(len(sets), mostRecords)]
		v.Zones = append(v.Zones, zoneView{z, groups(sets, len(shown)), len(sets) - len(shown)})
	}
	queries := s.Queries()
	for _, code := range slices.Sorted(maps.Keys(queries)) {
		v.Queries = append(v.Queries, count{code, queries[code]})
	}
	faults := s.Faults()
	for _, t := range s.switches() {
		v.Switches = append(v.Switches, switchView{pageSwitch: t, On: t.on()})
	}
	v.Faults = faults
	v.Faulty = len(faults) > 0 || slices.ContainsFunc(v.Switches, func(t switchView) bool { return t.On })
	for _, l := range []struct {
		service string
		*throttle.Limiter
	}{{"Route 53", s.limiter}, {"ECS", s.ecsLimiter}, {"EC2", s.ec2Limiter}} {
		for _, level := range l.Levels(v.Now) {
			v.Buckets = append(v.Buckets, bucketView{l.service, level})
		}
	}
	return v
}

// groups puts together the first sets of a zone, which stand by name and type, with each one's share in its whole
// group.
func groups(sets []Set, first int) (all []group) {
	for len(sets) > 0 && first > 0 {
		n := 1
		for n < len(sets) && sets[n].Name == sets[0].Name && sets[n].Type == sets[0].Type {
			n++
		}
		g := group{Name: sets[0].Name, Type: sets[0].Type}
		shares := shares(sets[:n])
		for i, set := range sets[:min(n, first)] {
			g.Records = append(g.Records, recordView{set, shares[i]})
		}
		all = append(all, g)
		sets, first = sets[n:], first-n
	}
	return all
}

// shares returns how much of the answers each set of a name and type gets, in percent to one decimal: by weight, and
// weight 0 only where all have it (Route 53 API reference, ResourceRecordSet). Of sets that are not weighted each is
// taken to get as much.
func shares(sets []Set) []float64 {
	weight := func(s Set) int64 {
		if s.Weight == nil {
			return 0
		}
		return *s.Weight
	}
	var total int64
	for _, s := range sets {
		total += weight(s)
	}
	found := make([]float64, len(sets))
	for i, s := range sets {
		share := 1 / float64(len(sets))
		if total > 0 {
			share = float64(weight(s)) / float64(total)
		}
		found[i] = float64(int(share*1000+0.5)) / 10
	}
	return found
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// took returns a duration as it is read at a glance.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// below returns a name without that of its zone, under whose heading it stands.
func below(zone, name string) string {
	if short, ok := strings.CutSuffix(name, "."+zone); ok {
		return short
	}
	return name
}
