package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
)

// serve answers /, /state, /healthz, /readyz and /metrics until ctx ends. An address that is taken is waited for: it
// must not keep services out of DNS.
func serve(
	ctx context.Context,
	address string,
	registry *prometheus.Registry,
	readiness *agent.Readiness,
	tell func() state,
	log *logrus.Entry,
) {
	var listener net.Listener
	err := agent.Await(ctx, log, readiness, "listen", func(ctx context.Context) (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address)
		return err
	})
	if err != nil {
		return
	}
	log.WithField("address", listener.Addr().String()).Info("serving /, /state, /healthz, /readyz and /metrics")
	server := guarded(address, handler(registry, readiness, tell))
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	_ = server.Serve(few(listener)) // returns when it is closed
}

func handler(registry *prometheus.Registry, readiness *agent.Readiness, tell func() state) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		missing := readiness.Missing()
		if len(missing) == 0 {
			fmt.Fprintln(w, "ok")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, line := range missing {
			fmt.Fprintln(w, line)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /state", serveState(tell))
	pages(mux, tell)
	return mux
}
