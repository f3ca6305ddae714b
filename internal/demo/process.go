package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a program that runs beside the demo. A nil one has not been started.
type process struct {
	cmd  *exec.Cmd
	stop context.CancelFunc
	log  string // file of what it prints to stdout and stderr
}

// output returns what the program has printed; nothing where that cannot be read.
func (p *process) output() string {
	if p == nil {
		return ""
	}
	printed, _ := os.ReadFile(p.log)
	return string(printed)
}

// command returns a program of ours with the sandbox in place of AWS. What the demo's own environment says to AWS SDKs
// or to ecssd does not reach it.
func (d *demo) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, name), args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "ECSSD_")
	}), d.environment...)
	return cmd
}

// start runs a program beside the demo. Ctrl-C does not reach it, so that the demo can end it in its turn; yet it dies
// with the demo, even where that is killed.
func (d *demo) start(name string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(d.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, stop := context.WithCancel(context.Background())
	cmd := d.command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second // then it is killed; the agent gives itself 10
	if err := cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &process{cmd, stop, log.Name()}, nil
}

// end asks the program to end, and waits until it has. It is an error if it did not end well.
func (p *process) end() error {
	if p == nil {
		return nil
	}
	p.stop()
	_ = p.cmd.Wait() // says that it was asked to end; ProcessState says how it did
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("end %s: %s", p.cmd.Path, p.cmd.ProcessState)
	}
	return nil
}

// show runs ecssd to its end, for people to see.
func (d *demo) show(ctx context.Context, args ...string) error {
	say("$ ecssd %s", strings.Join(args, " "))
	out, err := d.command(ctx, "ecssd", args...).CombinedOutput()
	fmt.Printf("%s", out)
	if err != nil {
		return fmt.Errorf("run ecssd %s: %w", args[0], err)
	}
	return nil
}

// await waits for something that takes a moment.
func await(ctx context.Context, what string, done func() bool) error {
	const patience = time.Minute
	for begun := time.Now(); !done(); time.Sleep(2 * time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(begun) > patience {
			return fmt.Errorf("wait until %s: not within %s", what, patience)
		}
	}
	return nil
}
