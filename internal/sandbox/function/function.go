// Package function runs a program as AWS Lambda does: under the Lambda runtime API, with one process for each execution
// environment, which is kept for the invocations that follow. It invokes the program when it is asked to, on a
// schedule, and for the messages of a queue, and reports time and memory as Lambda does.
//
// What it does not imitate: other runtimes than provided, layers, extensions, versions, retries of asynchronous
// invocations and their dead letters, a frozen process between two invocations, a processor in proportion to the
// memory, response streaming. An environment is never taken away; one that ran into its timeout or died is replaced.
package function

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Config of a Function.
type Config struct {
	Name        string // ecssd-sweeper
	Program     string // the executable
	Env         []string
	Timeout     time.Duration // 3 s, as with Lambda
	Memory      int           // MB; 128, as with Lambda
	Concurrency int           // most environments at a time; 1000
	Account     string
	Region      string
	Log         io.Writer // of the program, and what Lambda writes beside; none
	Now         func() time.Time
}

// ErrThrottled is that all environments are in use.
var ErrThrottled = errors.New("TooManyRequestsException: Rate Exceeded")

// ErrClosed is that the Function was closed.
var ErrClosed = errors.New("the function is closed")

// maxPayload bounds events and results ("Lambda quotas": invocation payload).
const maxPayload = 6 << 20

// Function is a program that can be invoked.
type Function struct {
	c   Config
	log *logWriter

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	idle     []*environment
	all      map[*environment]bool
	history  []Invocation
	mappings []Mapping
	closed   bool
}

// New makes a Function; nothing runs before its first invocation. Close ends it.
func New(c Config) *Function {
	c.Name = cmp.Or(c.Name, "ecssd-sweeper")
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.Memory = cmp.Or(c.Memory, 128)
	c.Concurrency = cmp.Or(c.Concurrency, 1000)
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Function{
		c:      c,
		log:    &logWriter{to: c.Log},
		ctx:    ctx,
		cancel: cancel,
		all:    map[*environment]bool{},
	}
}

// logWriter takes whole lines of several writers.
type logWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (l *logWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func (l *logWriter) printf(format string, args ...any) { fmt.Fprintf(l, format+"\n", args...) }

// Result is what came of an invocation.
type Result struct {
	Payload json.RawMessage `json:"payload,omitempty"`
	Error   *Error          `json:"error,omitempty"`
	Report  Report          `json:"report"`
}

// Error is an error of the function.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Invocation is an invocation that has ended.
type Invocation struct {
	Source string          `json:"source"` // invoke, schedule, or the name of a queue
	At     time.Time       `json:"at"`
	Event  json.RawMessage `json:"event"`
	Result
}

// maxHistory bounds the memory; the oldest invocations go first.
const maxHistory = 1000

// History returns the invocations that have ended, oldest first.
func (f *Function) History() []Invocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Invocation{}, f.history...)
}

// Program is the path of the executable.
func (f *Function) Program() string { return f.c.Program }

// Environments counts the execution environments that there are.
func (f *Function) Environments() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// Invoke runs the program for an event, which must be JSON.
func (f *Function) Invoke(ctx context.Context, event json.RawMessage) (Result, error) {
	return f.invoke(ctx, "invoke", event)
}

func (f *Function) invoke(ctx context.Context, source string, event json.RawMessage) (Result, error) {
	switch {
	case len(event) > maxPayload:
		return Result{}, fmt.Errorf(
			"RequestEntityTooLargeException: the event has %d bytes, at most %d",
			len(event),
			maxPayload,
		)
	case !json.Valid(event):
		return Result{}, errors.New("InvalidRequestContentException: Could not parse request body into json")
	}
	e, cold, err := f.take()
	if err != nil {
		return Result{}, err
	}
	at := f.c.Now()
	i := &invocation{
		id:     uuid(),
		event:  event,
		result: make(chan outcome, 1),
	}
	o := f.run(ctx, e, i, cold)
	f.give(e, o.reusable)
	r := Result{Payload: o.payload, Error: o.err, Report: o.report}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history = append(f.history, Invocation{
		Source: source,
		At:     at,
		Event:  event,
		Result: r,
	})
	f.history = f.history[max(0, len(f.history)-maxHistory):]
	return r, nil
}

// take returns an environment that is idle, or a new one, which has not been started.
func (f *Function) take() (e *environment, cold bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch n := len(f.idle); {
	case f.closed:
		return nil, false, ErrClosed
	case n > 0:
		e = f.idle[n-1]
		f.idle = f.idle[:n-1]
		return e, false, nil
	case len(f.all) >= f.c.Concurrency:
		return nil, false, ErrThrottled
	}
	e = newEnvironment(f)
	f.all[e] = true
	return e, true, nil
}

// give takes an environment back, or ends it.
func (f *Function) give(e *environment, reusable bool) {
	f.mu.Lock()
	if reusable && !f.closed {
		f.idle = append(f.idle, e)
		f.mu.Unlock()
		return
	}
	delete(f.all, e)
	f.mu.Unlock()
	e.end()
}

// Close ends all environments and whatever invokes the function.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	idle := f.idle
	f.idle = nil
	f.mu.Unlock()
	f.cancel()
	for _, e := range idle {
		f.give(e, false)
	}
	f.done.Wait()
}

func uuid() string {
	a, b := rand.Uint64(), rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}
