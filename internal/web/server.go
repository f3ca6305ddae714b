// Package web is the agent's listener: a page for people at /, the same for programs at /state, and /healthz, /readyz
// and /metrics. It changes nothing, and refuses what a page of another site asks through a browser.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/status"
)

// Config is what the listener answers with.
type Config struct {
	Addr      string // host and port
	Registry  *prometheus.Registry
	Readiness *health.Readiness // its part "listen"
	State     func() status.State
	Log       *logrus.Entry
}

// Serve answers until ctx ends. If the address is in use it waits, and the agent is not ready meanwhile: containers are
// registered all the same.
func Serve(ctx context.Context, c Config) {
	var listener net.Listener
	err := health.Await(ctx, c.Log, c.Readiness, "listen", func(ctx context.Context) (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
		return err
	})
	if err != nil {
		return
	}
	c.Log.WithField("address", listener.Addr().String()).Info("serving /, /state, /healthz, /readyz and /metrics")
	server := c.server()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	_ = server.Serve(limitListener(listener)) // returns when it is closed
}

func (c Config) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		missing := c.State().Missing
		if len(missing) == 0 {
			fmt.Fprintln(w, "ok")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, line := range missing {
			fmt.Fprintln(w, line)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(c.State()) // an error means that the client has gone
	})
	handlePage(mux, c.State)
	return mux
}
