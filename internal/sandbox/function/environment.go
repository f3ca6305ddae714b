package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	initTimeout = 10 * time.Second // ("Lambda execution environment lifecycle")
	// farewell is how long a process has to end by itself.
	farewell = 2 * time.Second
	// memoryLook is the time between two looks at the memory of a process.
	memoryLook = 20 * time.Millisecond
)

// environment is one process with the runtime API that it asks for events.
type environment struct {
	f       *Function
	api     *http.Server
	process *exec.Cmd

	started chan struct{}    // closed when the process asks for its first event
	failed  chan *Error      // why it could not be initialised
	work    chan *invocation // to the process
	ended   chan struct{}    // closed when the process has ended
	closing chan struct{}

	once struct{ started, closing sync.Once }

	mu      sync.Mutex
	current *invocation
}

// invocation is an event on its way through an environment.
type invocation struct {
	id       string
	event    json.RawMessage
	deadline time.Time
	result   chan outcome
}

// outcome is how an invocation ended.
type outcome struct {
	payload  json.RawMessage
	err      *Error
	report   Report
	reusable bool // the environment can take another
	timedOut bool
}

func newEnvironment(f *Function) *environment {
	return &environment{
		f:       f,
		started: make(chan struct{}),
		failed:  make(chan *Error, 1),
		work:    make(chan *invocation),
		ended:   make(chan struct{}),
		closing: make(chan struct{}),
	}
}

// run takes an invocation through an environment, which it starts first if it is new.
func (f *Function) run(ctx context.Context, e *environment, i *invocation, cold bool) (o outcome) {
	var initialised time.Duration
	if cold {
		begun := time.Now()
		f.log.printf("INIT_START Runtime Version: provided:al2023.sandbox")
		err := e.start(ctx)
		initialised = time.Since(begun)
		if err != nil {
			o = outcome{err: err}
		}
	}
	begun := time.Now()
	f.log.printf("START RequestId: %s Version: $LATEST", i.id)
	if o.err == nil {
		o = e.serve(ctx, i)
	}
	o.report = Report{
		RequestID: i.id,
		Duration:  time.Since(begun),
		Init:      initialised,
		Memory:    f.c.Memory,
		Used:      e.memory(),
	}
	switch {
	case o.timedOut:
		f.log.printf("%s %s %s", f.c.Now().UTC().Format("2006-01-02T15:04:05.000Z"), i.id, o.err.Message)
		o.report.Status = "timeout"
	case o.err != nil && !o.reusable:
		o.report.Status, o.report.ErrorType = "error", o.err.Type
	}
	f.log.printf("END RequestId: %s", i.id)
	f.log.printf("%s", o.report)
	return o
}

// start starts the process, and waits until it asks for an event.
func (e *environment) start(ctx context.Context) *Error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return &Error{"Runtime.InitError", err.Error()}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", e.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", e.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", e.initError)
	e.api = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.api.Serve(listener) }() // reports only that it was closed
	e.process = exec.Command(e.f.c.Program)
	e.process.Env = append(e.variables(), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	output := &lines{to: e.f.log}
	e.process.Stdout, e.process.Stderr = output, output
	e.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.process.Start(); err != nil {
		close(e.ended)
		return &Error{
			"Runtime.InvalidEntrypoint",
			fmt.Sprintf("Couldn't find valid bootstrap(s): [%s]: %v", e.f.c.Program, err),
		}
	}
	go func() {
		_ = e.process.Wait() // ProcessState has what there is to know
		output.flush()
		close(e.ended)
	}()
	timer := time.NewTimer(initTimeout)
	defer timer.Stop()
	select {
	case <-e.started:
		return nil
	case err := <-e.failed:
		return err
	case <-e.ended:
		return e.exitError("")
	case <-timer.C:
		return &Error{"Sandbox.Timedout", fmt.Sprintf("Init timed out after %.2f seconds", initTimeout.Seconds())}
	case <-ctx.Done():
	case <-e.f.ctx.Done():
	}
	return &Error{"Sandbox.Interrupted", "the sandbox ends"}
}

// variables returns the environment of the process ("Defined runtime environment variables", AWS Lambda developer
// guide).
func (e *environment) variables() []string {
	c := e.f.c
	return append([]string{
		"_HANDLER=bootstrap",
		"AWS_DEFAULT_REGION=" + c.Region,
		"AWS_REGION=" + c.Region,
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_FUNCTION_NAME=" + c.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(c.Memory),
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=sandbox",
		"LAMBDA_TASK_ROOT=/var/task",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=:UTC",
	}, c.Env...)
}

// serve hands an invocation to the process, and waits for what comes of it.
func (e *environment) serve(ctx context.Context, i *invocation) outcome {
	timeout := time.NewTimer(e.f.c.Timeout)
	defer timeout.Stop()
	look := time.NewTicker(memoryLook)
	defer look.Stop()
	i.deadline = time.Now().Add(e.f.c.Timeout)
	work := e.work
	for {
		select {
		case work <- i:
			work = nil
		case o := <-i.result:
			o.reusable = true
			return o
		case <-e.ended:
			return e.exited(i)
		case <-look.C:
			if e.memory() <= e.f.c.Memory {
				continue
			}
			_ = e.process.Process.Kill() // it may have ended
			<-e.ended
			return e.exited(i)
		case <-timeout.C:
			_ = e.process.Process.Kill()
			<-e.ended
			return outcome{timedOut: true, err: &Error{"Sandbox.Timedout",
				fmt.Sprintf("Task timed out after %.2f seconds", e.f.c.Timeout.Seconds())}}
		case <-ctx.Done():
			return outcome{err: &Error{"Sandbox.Interrupted", ctx.Err().Error()}}
		case <-e.f.ctx.Done():
			return outcome{err: &Error{"Sandbox.Interrupted", "the sandbox ends"}}
		}
	}
}

// exited is the outcome of an invocation whose process has ended: the result, if it came before.
func (e *environment) exited(i *invocation) outcome {
	select {
	case o := <-i.result:
		return o
	default:
		return outcome{err: e.exitError(i.id)}
	}
}

func (e *environment) exitError(id string) *Error {
	select {
	case err := <-e.failed:
		return err
	default:
	}
	how := "Runtime exited without providing a reason"
	if state := e.process.ProcessState; state != nil && !state.Success() {
		how = "Runtime exited with error: " + state.String()
	}
	if id != "" {
		how = "RequestId: " + id + " Error: " + how
	}
	return &Error{"Runtime.ExitError", how}
}

// memory is the most that the process has had, in MB, rounded up.
func (e *environment) memory() int {
	if e.process == nil || e.process.Process == nil {
		return 0
	}
	select {
	case <-e.ended:
		if usage, ok := e.process.ProcessState.SysUsage().(*syscall.Rusage); ok {
			return int(usage.Maxrss+1023) / 1024
		}
		return 0
	default:
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(e.process.Process.Pid) + "/status")
	if err != nil { // it has just ended
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(peak), "kB")))
			return (kB + 1023) / 1024
		}
	}
	return 0
}

// end ends the process: where it asks for an event it is answered with an error, at which a runtime ends itself.
func (e *environment) end() {
	e.once.closing.Do(func() { close(e.closing) })
	if e.process != nil && e.process.Process != nil {
		select {
		case <-e.ended:
		case <-time.After(farewell):
			_ = e.process.Process.Kill() // it may have ended
			<-e.ended
		}
	}
	if e.api != nil {
		_ = e.api.Close() // reports only what it could not close
	}
}

// next answers the process's question for an event, when there is one.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.once.started.Do(func() { close(e.started) })
	var i *invocation
	select {
	case i = <-e.work:
	case <-e.closing:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	e.current = i
	e.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	h.Set(
		"Lambda-Runtime-Invoked-Function-Arn",
		"arn:aws:lambda:"+e.f.c.Region+":"+e.f.c.Account+":function:"+e.f.c.Name,
	)
	_, _ = w.Write(i.event) // the process may be gone
}

func (e *environment) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	o := outcome{payload: body}
	switch {
	case err != nil:
		return // the process is gone
	case len(body) > maxPayload:
		o = outcome{
			err: &Error{
				"Function.ResponseSizeTooLarge",
				"Response payload size exceeded maximum allowed payload size (6291556 bytes).",
			},
		}
	case !json.Valid(body):
		o = outcome{err: &Error{"Runtime.MalformedResponse", "The response is not JSON"}}
	}
	e.conclude(w, r, o)
}

func (e *environment) failure(w http.ResponseWriter, r *http.Request) {
	failed, err := readError(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.conclude(w, r, outcome{err: failed})
}

// conclude passes an outcome on, if it is that of the current invocation.
func (e *environment) conclude(w http.ResponseWriter, r *http.Request, o outcome) {
	e.mu.Lock()
	i := e.current
	valid := i != nil && i.id == r.PathValue("id")
	if valid {
		e.current = nil
	}
	e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !valid {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}`)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status": "OK"}`)
	i.result <- o
}

func (e *environment) initError(w http.ResponseWriter, r *http.Request) {
	failed, err := readError(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	select {
	case e.failed <- failed:
	default:
	}
}

func readError(body io.Reader) (*Error, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxPayload))
	if err != nil {
		return nil, err
	}
	failed := &Error{}
	if err := json.Unmarshal(text, failed); err != nil {
		return nil, errors.New("the error is not JSON")
	}
	return failed, nil
}

// lines passes whole lines on.
type lines struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	if i := bytes.LastIndexByte(l.rest, '\n'); i >= 0 {
		_, _ = l.to.Write(l.rest[:i+1])
		l.rest = append([]byte(nil), l.rest[i+1:]...)
	}
	return len(b), nil
}

// flush passes on a last line that does not end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		_, _ = l.to.Write(append(l.rest, '\n'))
		l.rest = nil
	}
}
