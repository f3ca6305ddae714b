// Command demo shows ecssd at work on one machine: ecssd-sandbox plays AWS, and everything else is real – the agent,
// the Docker Engine, containers labelled as ECS labels them, DNS, and a consumer that finds and calls them. It knows
// the programs from outside only, fails when they do not do what they should, and removes all that it made, interrupted
// or not.
//
// The programs ecssd and ecssd-sandbox must lie beside it, and its working directory must lie within this module.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread() // what start starts ends with the thread that started it, and this one lasts
	prefix := flag.String("prefix", "", "put before the names of services, so that two demos at a time do not mix")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)   // a second Ctrl-C ends it at once
	signal.Ignore(syscall.SIGPIPE) // whoever reads its output, such as head, may leave early
	os.Exit(run(ctx, *prefix))
}

// run returns the exit status: 0; 1 after a failure; 130, as shells have it, when interrupted before everything was
// shown.
func run(ctx context.Context, prefix string) int {
	d := demo{prefix: prefix}
	status, err := 0, d.story(ctx)
	switch {
	case err == nil && terminal(os.Stdin) && terminal(os.Stdout):
		d.playOn(ctx)
	case err != nil && ctx.Err() != nil:
		status = 130
	case err != nil:
		status = 1
		fmt.Printf("\nFAILED: %v\nThe end of the agent's log:\n", err)
		lines := slices.Collect(strings.Lines(d.agent.output()))
		fmt.Print(strings.Join(lines[max(0, len(lines)-20):], ""))
	}
	heading("Clean up: containers, agent, sandbox, temporary files")
	if err := d.cleanUp(); err != nil {
		status = 1
		fmt.Println("FAILED:", err)
	}
	return status
}

type demo struct {
	prefix string
	bin    string // directory of the programs
	dir    string // of the agent's state and of logs, temporary
	engine *client.Client
	image  string

	sandbox, agent *process
	environment    []string // that leads programs to the sandbox
	dns            string   // address of the sandbox's DNS
	manage         string   // URL of the sandbox's management
	records        string   // and there, that of the zone's records
	resolver       *net.Resolver
	http           *http.Client

	address    string // of this host
	listen     string // where the agent answers /readyz
	containers []*container
}

// cleanUp removes all that the story made, however far it came.
func (d *demo) cleanUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(d.removeContainers(ctx), d.agent.end(), d.sandbox.end(), os.RemoveAll(d.dir))
}

// prepare finds what the story stands on.
func (d *demo) prepare(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.bin = filepath.Dir(self)
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return fmt.Errorf("read the settings of the Docker client: %w", err)
	}
	if _, err := engine.Ping(ctx); err != nil {
		return fmt.Errorf("reach the Docker Engine: %w", err)
	}
	d.engine = engine
	if err := d.removeContainers(ctx); err != nil { // of demos that were killed
		return err
	}
	d.dir, err = os.MkdirTemp("", "ecssd-demo")
	return err
}

// heading begins a step.
func heading(text string) {
	if terminal(os.Stdout) {
		text = "\033[1m" + text + "\033[0m"
	}
	fmt.Println("\n" + text)
}

// say prints a line of a step.
func say(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }

func since(t time.Time) string { return fmt.Sprintf("%d ms", time.Since(t).Milliseconds()) }

// terminal reports whether a person is at the other end of f.
func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
