package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/status"
)

//go:embed page.html page.css page.js page.svg
var pageFiles embed.FS

// pagePolicy lets the page load what the agent itself serves, and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTemplate is parsed at the first request, to save memory: most agents never get one.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{
		"at":      at,
		"changed": changed,
		"faults":  faults,
		"seconds": seconds,
		"state":   stateWithoutEndpoint,
		"words":   words,
	}).ParseFS(pageFiles, "page.html"))
})

// handlePage serves the page and its files.
func handlePage(mux *http.ServeMux, state func() status.State) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		var page bytes.Buffer
		if err := pageTemplate().Execute(&page, state()); err != nil {
			http.Error(w, fmt.Sprintf("render page: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Security-Policy", pagePolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page.Bytes()) // an error means that the client has gone
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

// words returns a state in words. The state itself is a class of page.css.
func words(state string) string {
	switch state {
	case status.Standby:
		return "on standby"
	case "crash_loop":
		return "in a crash loop"
	case notRegistered:
		return "not registered"
	}
	return state
}

// notRegistered is the state of a container that has no endpoint and is not withheld.
const notRegistered = "off"

// stateWithoutEndpoint returns the state of a container that has no endpoint.
func stateWithoutEndpoint(c status.Container) string {
	if c.Withheld != nil {
		return c.Withheld.Reason
	}
	return notRegistered
}

// changed reports whether an endpoint has another weight than its container asks for.
func changed(e status.Endpoint) bool { return e.Weight != int64(e.Asked) }

// faults returns the problems that nobody has chosen.
func faults(problems []status.Problem) []status.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p status.Problem) bool { return p.Chosen })
}

// instant is a time as it is shown.
type instant struct {
	At         time.Time
	Clock, Ago string
}

// at returns a time as it is shown in a state.
func at(s status.State, t time.Time) instant {
	clock := t.Format("15:04:05")
	if s.Now.Sub(t).Abs() > 20*time.Hour {
		clock = t.Format("2006-01-02 15:04")
	}
	return instant{t, clock, status.Ago(s.Now.Sub(t))}
}

// seconds returns a duration with two digits; a dash for 0, which means not measured yet.
func seconds(s float64) string {
	switch {
	case s == 0:
		return "–"
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}
