// Command service is what tests and demonstrations run in containers: an HTTP server (and UDP echo) that behaves as
// badly as asked. It is alone in its image, so it is its own health check, too:
//
//	service [flags]         serve
//	service [flags] probe   exit 0 if the service with these flags says it is healthy, else 1
//
// GET / answers "<name> <hostname>". GET /health answers 200 or 503; POST /health?status=unhealthy (or healthy) sets
// which. POST /exit is the end of it, as by a fault of its own. SIGTERM ends it after -drain, during which it serves
// on; SIGHUP and SIGINT are ignored. From the time when signals have these effects, and not death, its log says
// "ready".
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	tcp := flags.String("tcp", "8080", "TCP `ports` to serve HTTP on, separated by commas")
	udp := flags.String("udp", "", "UDP `ports` to echo on")
	name := flags.String("name", "service", "what GET / calls this service")
	drain := flags.Duration("drain", 0, "how long to serve on after SIGTERM")
	exitAfter := flags.Duration("exit-after", 0, "fail by itself after this `time`; 0: never")
	unhealthy := flags.Bool("unhealthy", false, "begin unhealthy")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.Arg(0) == "probe" {
		first, _, _ := strings.Cut(*tcp, ",")
		return probe(first)
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
	fmt.Println("ready")

	handler := &handler{greeting: *name + " " + hostname + "\n"}
	handler.unhealthy.Store(*unhealthy)
	failed := make(chan error)
	for _, port := range split(*tcp) {
		go func() { failed <- http.ListenAndServe(":"+port, handler) }()
	}
	for _, port := range split(*udp) {
		go func() { failed <- echo(":" + port) }()
	}
	var exit <-chan time.Time
	if *exitAfter > 0 {
		exit = time.After(*exitAfter)
	}
	select {
	case err := <-failed:
		return err
	case <-exit:
		return errors.New("exit as asked")
	case <-stop:
		time.Sleep(*drain)
		return nil
	}
}

func split(ports string) []string {
	return strings.FieldsFunc(ports, func(r rune) bool { return r == ',' })
}

func probe(port string) error {
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get("http://127.0.0.1:" + port + "/health")
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

type handler struct {
	greeting  string
	unhealthy atomic.Bool
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/exit" && r.Method == http.MethodPost {
		os.Exit(1)
	}
	if r.URL.Path != "/health" {
		io.WriteString(w, h.greeting)
		return
	}
	if r.Method == http.MethodPost {
		h.unhealthy.Store(r.URL.Query().Get("status") == "unhealthy")
		return
	}
	if h.unhealthy.Load() {
		http.Error(w, "unhealthy", http.StatusServiceUnavailable)
	}
}

func echo(address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(buf[:n], from); err != nil {
			return err
		}
	}
}
