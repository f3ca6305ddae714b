// Package gate does for API calls of any service what all of them have in common: the history, throttling, and the
// faults that are switched on. It knows no protocol; a Service reads requests and writes answers.
package gate

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// Service is one API.
type Service interface {
	// Understand reads a request as far as its form goes, and fills in the record for the history. A refusal here is
	// neither throttled nor subject to faults.
	Understand(r *http.Request, body []byte, record *history.Call) (*Call, *Failure)
	// Refuse words a failure.
	Refuse(f *Failure, operation, requestID string) Answer
}

// Call is a request that has been understood.
type Call struct {
	Fault     fault.Call
	Bucket    string // of the throttle; mostly the operation
	Changes   throttle.Cost
	Malformed *Failure
	Denial    string // how AccessDenied is worded for it
	Changing  bool   // success means that something took effect
	Waits     bool   // Perform may wait for long, and whoever reads the history does not wait for it
	Perform   func(requestID string) (Answer, *Failure)
}

// Answer is a response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Failure is an error response in no protocol yet.
type Failure struct {
	Status  int
	Code    string
	Message string
	List    []string // the single messages, where the message joins several
}

// Refuse makes a Failure.
func Refuse(status int, code, format string, args ...any) *Failure {
	return &Failure{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Known makes the Failure of a code that package fault knows.
func Known(code string) *Failure {
	status, message, _ := fault.Known(code)
	return &Failure{Status: status, Code: code, Message: message}
}

// Gate is what the calls of one service are led past.
type Gate struct {
	Limiter    *throttle.Limiter
	Throttling string // the error code for it
	Faults     *fault.Set
	Log        *history.Log
	Now        func() time.Time
}

// maxBody is the longest request read. A full change batch, or a filter of 200 instances, is far below it.
const maxBody = 4 << 20

// A long answer to a request with a body waits a moment. AWS is never so near that the answer is there before the
// client has looked for the end of its own body; the SDK for Go (smithy-go 1.28) then closes that body too early and
// breaks off reading the answer, as far as it did not arrive with the header.
const (
	long   = 2 << 10
	moment = 5 * time.Millisecond
)

// Serve answers one call.
func (g *Gate) Serve(w http.ResponseWriter, r *http.Request, s Service) {
	record := history.Call{Seq: g.Log.Begin(), Received: g.Now(), Attempt: r.Header.Get("Amz-Sdk-Request")}
	record.RequestID = fmt.Sprintf("%08x-5a4d-4b0c-8e1f-%012x", record.Seq, record.Received.UnixNano()&0xffffffffffff)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		g.fail(w, record, s, Refuse(413, "RequestEntityTooLarge", "The request body is too long or broke off"))
		return
	}
	c, refused := s.Understand(r, body, &record)
	if refused != nil {
		g.fail(w, record, s, refused)
		return
	}
	delay, strike := g.Faults.Strike(c.Fault)
	if delay > 0 {
		record.Fault = string(fault.Delay)
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			g.end(record)
			return
		}
	}
	kind := fault.Kind("")
	if strike != nil {
		kind = strike.Kind
		record.Fault = string(kind)
	}
	if kind == fault.Reset || kind == fault.Stall {
		g.end(record)
		vanish(w, r, kind)
		return
	}
	a, failed := g.perform(c, s, strike, record)
	switch {
	case kind == fault.Lose || kind == fault.Hang:
		vanish(w, r, kind)
		return
	case failed:
		write(w, a, record.RequestID)
		return
	}
	switch kind {
	case fault.Garble:
		a.Body = a.Body[:len(a.Body)/2]
	case fault.Flood:
		time.Sleep(moment)
		flood(w, a)
		return
	}
	if len(body) > 0 && len(a.Body) > long {
		time.Sleep(moment)
	}
	write(w, a, record.RequestID)
}

// perform carries a call out, remembers it, and returns its answer.
func (g *Gate) perform(c *Call, s Service, strike *fault.Fault, record history.Call) (a Answer, failed bool) {
	f := g.admit(c, strike)
	if f == nil {
		f = c.Malformed
	}
	if !c.Waits {
		defer g.Log.Work()()
	}
	if f == nil {
		a, f = c.Perform(record.RequestID)
		record.Applied = f == nil && c.Changing
	}
	if strike == nil || strike.Kind != fault.Lose && strike.Kind != fault.Hang {
		if f != nil {
			a = s.Refuse(f, record.Operation, record.RequestID)
			record.Code, record.Message = f.Code, f.Message
		}
		record.Status = a.Status
	}
	g.end(record)
	return a, f != nil
}

// admit returns why a call is refused, if it is: throttling, or a fault.
func (g *Gate) admit(c *Call, strike *fault.Fault) *Failure {
	if !g.Limiter.Allow(c.Bucket, c.Changes, g.Now()) {
		return Known(g.Throttling)
	}
	if strike == nil || strike.Kind != fault.Fail {
		return nil
	}
	f := &Failure{Status: strike.Status, Code: strike.Code, Message: strike.Message}
	if f.Message == "" {
		f.Message = c.Denial
	}
	return f
}

// end remembers the call. It comes before the answer, so that whoever has the answer finds the call in the history.
func (g *Gate) end(record history.Call) {
	record.Answered = g.Now()
	record.Duration = record.Answered.Sub(record.Received)
	g.Log.End(record)
}

func (g *Gate) fail(w http.ResponseWriter, record history.Call, s Service, f *Failure) {
	record.Status, record.Code, record.Message = f.Status, f.Code, f.Message
	g.end(record)
	write(w, s.Refuse(f, record.Operation, record.RequestID), record.RequestID)
}

func write(w http.ResponseWriter, a Answer, requestID string) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	w.Header().Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // the client may be gone
}

// flood pads an answer with 16 MiB that mean nothing: a comment after the first line of XML, blanks in an object of
// JSON.
func flood(w http.ResponseWriter, a Answer) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	head, rest, isXML := strings.Cut(string(a.Body), "\n")
	start, filler, stop := "<!--", "x", "-->"
	if !isXML {
		head, rest = string(a.Body[:1]), string(a.Body[1:])
		start, filler, stop = "", " ", ""
	}
	chunk := strings.Repeat(filler, 1<<16)
	_, err := io.WriteString(w, head+start)
	for i := 0; i < 256 && err == nil; i++ {
		_, err = io.WriteString(w, chunk)
	}
	if err == nil {
		_, _ = io.WriteString(w, stop+rest)
	}
}

// vanish ends a call without an answer.
func vanish(w http.ResponseWriter, r *http.Request, kind fault.Kind) {
	if kind == fault.Stall || kind == fault.Hang {
		<-r.Context().Done()
		return
	}
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := connection.(*net.TCPConn); ok && kind == fault.Reset {
		_ = tcp.SetLinger(0) // close with RST
	}
	_ = connection.Close()
}

// AccessKey returns the key of a signature of version 4 for a service, whatever the region. The signature is not
// checked.
func AccessKey(r *http.Request, service string) (string, bool) {
	credential, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	if !ok {
		return "", false
	}
	scope, _, _ := strings.Cut(credential, ",")
	parts := strings.Split(strings.TrimSpace(scope), "/") // key/date/region/service/aws4_request
	if len(parts) != 5 || parts[3] != service || parts[4] != "aws4_request" {
		return "", false
	}
	return parts[0], true
}

// Caller is the ARN of who makes calls, in error messages and in answers of STS.
func Caller(account string) string {
	return "arn:aws:sts::" + account + ":assumed-role/ecsInstanceRole/i-0123456789abcdef0"
}

// Denial words a refusal by IAM. The resource may be empty.
func Denial(account, action, resource string) string {
	if resource != "" {
		resource = " on resource: " + resource
	}
	return fmt.Sprintf(
		"User: %s is not authorized to perform: %s%s because no identity-based policy allows the %s action",
		Caller(account),
		action,
		resource,
		action,
	)
}
