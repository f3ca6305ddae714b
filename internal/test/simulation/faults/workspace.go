package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// workspace is a copy of the product that one fault at a time is put into.
type workspace struct {
	options
	dir string
}

func newWorkspace(o options) (*workspace, error) {
	dir, err := os.MkdirTemp("", "ecssd-faults-")
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("sh", "-c", `tar -c --exclude=.git --exclude=./bin --exclude=./dist . | tar -x -C "$1"`, "sh", dir).
		CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("copy the source: %w\n%s", err, out)
	}
	return &workspace{o, dir}, nil
}

func (c *workspace) remove() { _ = os.RemoveAll(c.dir) }

// simulated are the packages that take part in simulated days.
var simulated = []string{
	"internal/agent", "internal/apply", "internal/container", "internal/endpoint", "internal/journal",
	"internal/local", "internal/plan",
	"internal/record", "internal/sweep",
}

// concerns says which tests of internal/cli, by their names, concern a package.
var concerns = map[string]string{
	"internal/cli":              ".",
	"internal/container":        "Network|Mode|Settings|Service|ECS",
	"internal/endpoint":         "Settings|Records|Network|Mode|Hostile|Flags|Name",
	"internal/record":           "Records|Original|Flags|Target|Host",
	"internal/plan":             "Burst|Route53|Throttled|Record|Zone|Permissions",
	"internal/apply":            "Burst|Route53|Throttled|Zone|Permissions|Room|Killed|State|Bus|Listing",
	"internal/journal":          "Killed|StateDirectory|State|Boot|Doctor|Deregister",
	"internal/docker":           "Engine|EventStream|Health|Network|Restart|Hostile|Doctor",
	"internal/route53":          "Route53|Zone|Deregister|Doctor|Hostile|Scripts",
	"internal/host":             "Metadata|Credentials|Host|Instance|Doctor|Standby",
	"internal/eventbridge":      "Bus",
	"internal/doctor":           "Doctor",
	"internal/doctor/hostcheck": "Doctor",
	"internal/doctor/awscheck":  "Doctor",
	"internal/doctor/zonecheck": "Doctor",
	"internal/sweep":            "Sweep",
	"internal/sweep/inventory":  "Sweep",
	"internal/sweep/run":        "Sweep",
	"internal/local":            "Stop|Start|Crash|Health|Restart|Network|Task|Engine|EventStream|Killed|Removed",
	"internal/agent": "Stop|Start|Crash|Health|Restart|Network|Task|Engine|" +
		"EventStream|State|Bus|Standby|Metadata|Killed|Systemd|Removed",
}

// try puts a fault in, finds out what notices it, and takes it out.
func (c *workspace) try(f fault) (outcome, error) {
	path := filepath.Join(c.dir, f.File)
	source, err := os.ReadFile(path)
	if err != nil {
		return outcome{}, err
	}
	if err := os.WriteFile(path, f.in(source), 0o644); err != nil {
		return outcome{}, err
	}
	noticedBy := c.noticedBy(f)
	return outcome{f, noticedBy}, os.WriteFile(path, source, 0o644)
}

// noticedBy is what notices the fault that is in; empty where nothing does.
func (c *workspace) noticedBy(f fault) string {
	if !c.passes(5*time.Minute, "build", "./"+f.Package) {
		return "compiler"
	}
	own := []string{"-timeout=3m"}
	if f.Package == "internal/cli" { // whose other tests are those from end to end
		own = append(own, "-run=^("+strings.Join(c.withoutAnAgent(), "|")+")$")
	}
	if !c.test(10*time.Minute, f.Package, append(own, "-race")...) {
		return "own tests"
	}
	if slices.Contains(simulated, f.Package) && !c.test(15*time.Minute, "internal/test/simulation",
		"-timeout=10m", "-run=TestSimulation|TestDaysThatOnce", fmt.Sprintf("-seeds=%d", c.days)) {
		return "simulation"
	}
	which := c.endToEnd
	if which == "" {
		which = concerns[f.Package]
	}
	if which != "" && which != "none" &&
		!c.test(20*time.Minute, "internal/cli", "-race", "-timeout=15m", "-run="+which) {
		return "end-to-end tests"
	}
	return ""
}

// test runs tests of a package, and reports whether they pass.
func (c *workspace) test(within time.Duration, pkg string, args ...string) bool {
	return c.passes(within, append([]string{"test", "-count=1", "-failfast", "-vet=off", "./" + pkg}, args...)...)
}

// passes runs the go command, and reports whether it succeeds in time.
func (c *workspace) passes(within time.Duration, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = c.dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it has started goes with it
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Minute
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		fmt.Fprintln(os.Stderr, "faults: run go", strings.Join(args, " ")+":", err)
	}
	return err == nil
}

var (
	testFunction = regexp.MustCompile(`(?ms)^func (Test\w+)\(t \*testing\.T\) \{$.*?^\}$`)
	needsAgent   = regexp.MustCompile(`newWorld\(|ownEngine\(|testscript\.|enginetest\.|browser\(|TestMain`)
)

// withoutAnAgent returns the tests of internal/cli that run no agent.
func (c *workspace) withoutAnAgent() (names []string) {
	files, _ := filepath.Glob(filepath.Join(c.dir, "internal/cli/*_test.go"))
	for _, file := range files {
		source, _ := os.ReadFile(file)
		for _, function := range testFunction.FindAllSubmatch(source, -1) {
			if !needsAgent.Match(function[0]) {
				names = append(names, string(function[1]))
			}
		}
	}
	return names
}
