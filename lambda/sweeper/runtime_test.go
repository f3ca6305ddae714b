package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sweep"
)

// function is a running bootstrap, and what Lambda is to it: the runtime API, from which it fetches its events and
// which it tells what came of them.
type function struct {
	t        *testing.T
	events   chan invocation
	outcomes chan outcome
	process  *exec.Cmd
	stdout   bytes.Buffer // complete when the process has ended
	stderr   bytes.Buffer
}

// invocation is an event, and how long the function may take.
type invocation struct {
	payload string
	within  time.Duration
}

// outcome is what the function says of an event: a report, or the text of an error.
type outcome struct {
	Report sweep.Report
	Error  string
}

// TestMain makes this test binary a bootstrap where Lambda calls it, so that the race detector is part of one.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// launch runs a bootstrap with these variables and no others.
func launch(t *testing.T, bootstrap string, env ...string) *function {
	t.Helper()
	f := &function{t: t, events: make(chan invocation), outcomes: make(chan outcome, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", f.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", f.failure)
	api := httptest.NewServer(mux)
	t.Cleanup(api.Close)
	f.process = exec.Command(bootstrap)
	f.process.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"))
	f.process.Stdout, f.process.Stderr = &f.stdout, &f.stderr
	require.NoError(t, f.process.Start())
	t.Cleanup(func() { f.end() })
	return f
}

func (f *function) next(w http.ResponseWriter, r *http.Request) {
	i, more := <-f.events
	if !more { // at which a bootstrap ends itself
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(i.within).UnixMilli(), 10))
	_, _ = io.WriteString(w, i.payload)
}

func (f *function) response(w http.ResponseWriter, r *http.Request) {
	var o outcome
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	assert.NoError(f.t, decoder.Decode(&o.Report))
	w.WriteHeader(http.StatusAccepted)
	f.outcomes <- o
}

func (f *function) failure(w http.ResponseWriter, r *http.Request) {
	var said struct {
		ErrorMessage string `json:"errorMessage"`
	}
	assert.NoError(f.t, json.NewDecoder(r.Body).Decode(&said))
	w.WriteHeader(http.StatusAccepted)
	f.outcomes <- outcome{Error: said.ErrorMessage}
}

// invoke hands out an event and waits for what comes of it.
func (f *function) invoke(payload string, within time.Duration) outcome {
	f.t.Helper()
	f.events <- invocation{payload, within}
	select {
	case o := <-f.outcomes:
		o.Report.Seconds = 0
		return o
	case <-time.After(time.Minute):
		require.FailNow(f.t, "the function says nothing within a minute")
		return outcome{}
	}
}

// end lets the process end, and gives the lines that it wrote to stdout: JSON each.
func (f *function) end() (lines []map[string]any) {
	if f.process.ProcessState == nil {
		close(f.events)
		_ = f.process.Wait()
		assert.Equal(f.t, "exit status 1", f.process.ProcessState.String(), "since the API answered with an error")
		assert.NotContains(f.t, f.stderr.String(), "DATA RACE")
	}
	for line := range strings.Lines(f.stdout.String()) {
		var fields map[string]any
		assert.NoError(f.t, json.Unmarshal([]byte(line), &fields), "%s", line)
		lines = append(lines, fields)
	}
	return lines
}
