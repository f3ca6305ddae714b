// Package api answers the REST-XML API of Route 53 over a zone.Store: documents, paths, error responses, throttling, and
// the faults that are switched on. It wants requests to be signed, for any region and with any key, but does not check the
// signature.
package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
	"github.com/ecssd/ecssd/internal/sandbox/zone"
)

// Config is what a Handler stands on.
type Config struct {
	Store   *zone.Store
	Limiter *throttle.Limiter
	Faults  *fault.Set
	Log     *history.Log
	Now     func() time.Time
}

// Behaviour is what of the API can be switched.
type Behaviour struct {
	// PriorRequestWindow is how long a zone is busy with a change that it has accepted; a change that arrives meanwhile is
	// refused with PriorRequestNotComplete. AWS does not say how long it takes.
	PriorRequestWindow time.Duration `json:"-"`
	// LegacyErrorBody answers InvalidChangeBatch with the document of old, <InvalidChangeBatch><Messages>.
	LegacyErrorBody bool `json:"legacyErrorBody"`
}

// Handler serves the paths below /2013-04-01/.
type Handler struct {
	store   *zone.Store
	limiter *throttle.Limiter
	faults  *fault.Set
	log     *history.Log
	now     func() time.Time

	mu        sync.Mutex
	behaviour Behaviour
	busy      map[string]time.Time // until when a zone is busy with a change
}

// New makes a Handler.
func New(c Config) *Handler {
	return &Handler{store: c.Store, limiter: c.Limiter, faults: c.Faults, log: c.Log, now: c.Now, busy: map[string]time.Time{}}
}

// SetBehaviour changes it from now on.
func (h *Handler) SetBehaviour(b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.behaviour, h.busy = b, map[string]time.Time{}
}

// maxBody is the longest request read. A full change batch is far below it.
const maxBody = 4 << 20

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	record := history.Call{Seq: h.log.Begin(), Received: h.now(), Attempt: r.Header.Get("Amz-Sdk-Request")}
	record.RequestID = fmt.Sprintf("%08x-5a4d-4b0c-8e1f-%012x", record.Seq, record.Received.UnixNano()&0xffffffffffff)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.fail(w, record, refuse(413, "RequestEntityTooLarge", "The request body is too long or broke off"))
		return
	}
	c, malformed, refused := h.understand(r, body, &record)
	if refused != nil {
		h.fail(w, record, refused)
		return
	}
	delay, strike := h.faults.Strike(faultCall(c))
	if delay > 0 {
		record.Fault = string(fault.Delay)
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			h.end(record)
			return
		}
	}
	if strike != nil {
		record.Fault = string(strike.Kind)
	}
	if strike != nil && (strike.Kind == fault.Reset || strike.Kind == fault.Stall) {
		h.end(record)
		vanish(w, r, strike.Kind)
		return
	}
	var a answer
	f := h.admit(c, strike)
	if f == nil {
		f = malformed
	}
	if f == nil {
		a, f = h.perform(c)
		record.Applied = f == nil && c.operation == "ChangeResourceRecordSets"
	}
	if strike != nil && (strike.Kind == fault.Lose || strike.Kind == fault.Hang) {
		h.end(record)
		vanish(w, r, strike.Kind)
		return
	}
	if f != nil {
		h.fail(w, record, f)
		return
	}
	h.succeed(w, record, a, strike)
}

// understand reads a request as far as its form goes. What is refused is neither throttled nor subject to faults; what is
// malformed is.
func (h *Handler) understand(r *http.Request, body []byte, record *history.Call) (c *call, malformed, refused *failure) {
	key, signed := accessKey(r)
	record.AccessKey = key
	c, known := route(r)
	if !known {
		return nil, nil, refuse(400, "InvalidAction", fmt.Sprintf("The sandbox does not imitate %s %s", r.Method, r.URL.Path))
	}
	record.Operation, record.ZoneID = c.operation, c.zoneID
	for k := range c.query {
		if record.Query == nil {
			record.Query = map[string]string{}
		}
		record.Query[k] = c.query.Get(k)
	}
	if !signed {
		return nil, nil, refuse(403, "MissingAuthenticationToken", "Missing Authentication Token")
	}
	switch c.operation {
	case "ChangeResourceRecordSets":
		c.changes, c.comment, malformed = decodeChanges(body)
		record.Changes = c.changes
	case "CreateHostedZone":
		malformed = decode(body, &c.create, &c.create.XMLName, "CreateHostedZoneRequest")
		if malformed == nil {
			malformed = unexpected(c.create.Other)
		}
	}
	return c, malformed, nil
}

// accessKey of a signature of version 4 for Route 53, whatever the region.
func accessKey(r *http.Request) (string, bool) {
	credential, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	if !ok {
		return "", false
	}
	scope, _, _ := strings.Cut(credential, ",")
	parts := strings.Split(strings.TrimSpace(scope), "/") // key/date/region/service/aws4_request
	if len(parts) != 5 || parts[3] != "route53" || parts[4] != "aws4_request" {
		return "", false
	}
	return parts[0], true
}

func faultCall(c *call) fault.Call {
	f := fault.Call{Operation: c.operation, ZoneID: c.zoneID}
	for _, change := range c.changes {
		if n, err := zone.ParseName(change.Set.Name); err == nil {
			f.Names = append(f.Names, strings.TrimSuffix(n.String(), "."))
		}
	}
	return f
}

// admit lets a call through, or not: throttling, a forced error.
func (h *Handler) admit(c *call, strike *fault.Fault) *failure {
	if !h.limiter.Allow(c.operation, len(c.changes), h.now()) {
		return known("Throttling")
	}
	if strike != nil && strike.Kind == fault.Fail {
		f := refuse(strike.Status, strike.Code, strike.Message)
		if f.code == "AccessDenied" && f.message == "" {
			f.message = denial(c)
		}
		return f
	}
	return nil
}

func known(code string) *failure {
	status, message, _ := fault.Known(code)
	return refuse(status, code, message)
}

// denial words AccessDenied as IAM does.
func denial(c *call) string {
	resource := ""
	switch {
	case c.zoneID != "":
		resource = " on resource: arn:aws:route53:::hostedzone/" + c.zoneID
	case c.operation == "GetChange":
		resource = " on resource: arn:aws:route53:::change/" + c.id
	}
	return fmt.Sprintf("User: %s is not authorized to perform: route53:%s%s because no identity-based policy allows the "+
		"route53:%s action", caller, c.operation, resource, c.operation)
}

// end remembers the call. It comes before the answer, so that whoever has the answer finds the call in the history.
func (h *Handler) end(record history.Call) {
	record.Answered = h.now()
	record.Duration = record.Answered.Sub(record.Received)
	h.log.End(record)
}

func (h *Handler) fail(w http.ResponseWriter, record history.Call, f *failure) {
	record.Status, record.Code, record.Message = f.status, f.code, f.message
	h.end(record)
	h.mu.Lock()
	legacy := h.behaviour.LegacyErrorBody && f.code == string(zone.InvalidChangeBatch)
	h.mu.Unlock()
	body, err := f.body(record.RequestID)
	if legacy {
		body, err = marshal(f.code, legacyDocument{f.list, record.RequestID})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, f.status, record.RequestID, body)
}

func (h *Handler) succeed(w http.ResponseWriter, record history.Call, a answer, strike *fault.Fault) {
	body, err := marshal(a.root, a.document)
	if err != nil {
		h.fail(w, record, refuse(500, "InternalFailure", err.Error()))
		return
	}
	record.Status = a.status
	h.end(record)
	for k, v := range a.header {
		w.Header()[k] = v
	}
	switch {
	case strike != nil && strike.Kind == fault.Garble:
		body = body[:len(body)/2]
	case strike != nil && strike.Kind == fault.Flood:
		flood(w, body)
		return
	}
	write(w, a.status, record.RequestID, body)
}

func write(w http.ResponseWriter, status int, requestID string, body []byte) {
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", requestID)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// flood sends a comment of 16 MiB before the answer.
func flood(w http.ResponseWriter, body []byte) {
	head, rest, _ := strings.Cut(string(body), "\n")
	w.Header().Set("Content-Type", "text/xml")
	chunk := strings.Repeat("x", 1<<16)
	_, err := io.WriteString(w, head+"<!--")
	for i := 0; i < 256 && err == nil; i++ {
		_, err = io.WriteString(w, chunk)
	}
	if err == nil {
		_, _ = io.WriteString(w, "-->"+rest)
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
