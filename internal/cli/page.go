package cli

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"
)

//go:embed page.html page.css page.js page.svg
var pageFiles embed.FS

// pagePolicy lets the page load what the agent itself serves, and nothing else do anything.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTemplate is made when somebody looks for the first time: most agents are never looked at.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{
		"at": at, "changed": changed, "faults": faults, "seconds": seconds, "state": containerInWord, "words": words,
	}).ParseFS(pageFiles, "page.html"))
})

// pages serves the page and what belongs to it.
func pages(mux *http.ServeMux, tell func() state) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var page bytes.Buffer
		if err := pageTemplate().Execute(&page, tell()); err != nil {
			http.Error(w, fmt.Sprintf("make the page: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page.Bytes()) // whoever asked has gone away
	})
	for name, kind := range map[string]string{
		"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "page.svg": "image/svg+xml",
	} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, pageFiles, name)
		})
	}
}

// words gives a state as it is said to a person. The state itself is a class of page.css.
func words(state string) string {
	switch state {
	case isStandby:
		return "on standby"
	case "crash_loop":
		return "in a crash loop"
	case notAnnounced:
		return "not announced"
	}
	return state
}

// notAnnounced is the state of a container that has no endpoint for another reason than that it is withheld.
const notAnnounced = "off"

// containerInWord gives the state of a container that has no endpoint.
func containerInWord(c containerState) string {
	if c.Withheld != nil {
		return c.Withheld.Reason
	}
	return notAnnounced
}

// changed says whether an endpoint has another weight than its container asks for.
func changed(e endpointState) bool { return e.Weight != int64(e.Asked) }

// faults gives the problems that nobody has chosen to have.
func faults(problems []problemState) []problemState {
	return slices.DeleteFunc(slices.Clone(problems), func(p problemState) bool { return p.Chosen })
}

// instant is a time as it is shown.
type instant struct {
	At         time.Time
	Clock, Ago string
}

// at gives a time as it is shown in a state.
func at(s state, t time.Time) instant {
	clock := t.Format("15:04:05")
	if s.Now.Sub(t).Abs() > 20*time.Hour {
		clock = t.Format("2006-01-02 15:04")
	}
	return instant{t, clock, ago(s.Now.Sub(t))}
}

// ago says how long a time has passed, or in how long it comes, in the largest unit of which there is more than one.
func ago(d time.Duration) string {
	length := d.Abs()
	count, unit := int(length.Hours()/24), "d"
	switch {
	case length < 2*time.Second:
		return "now"
	case length < 2*time.Minute:
		count, unit = int(length.Seconds()), "s"
	case length < 2*time.Hour:
		count, unit = int(length.Minutes()), "min"
	case length < 48*time.Hour:
		count, unit = int(length.Hours()), "h"
	}
	if d < 0 {
		return fmt.Sprintf("in %d %s", count, unit)
	}
	return fmt.Sprintf("%d %s ago", count, unit)
}

// seconds gives a duration with two digits; a dash where there was nothing to be measured.
func seconds(s float64) string {
	switch {
	case s == 0:
		return "–"
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}
