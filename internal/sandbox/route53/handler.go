// Package route53 answers the REST-XML API of Route 53 over a zone.Store: documents, paths, error responses. It wants
// requests to be signed, for any region and with any key, but does not check the signature.
package route53

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// Config is what a Handler stands on.
type Config struct {
	Store   *zone.Store
	Gate    *gate.Gate
	Account string
}

// Behaviour is what of the API can be switched.
type Behaviour struct {
	// PriorRequestWindow is how long a zone is busy with a change that it has accepted; a change that arrives meanwhile
	// is refused with PriorRequestNotComplete. AWS does not say how long it takes.
	PriorRequestWindow time.Duration `json:"-"`
	// LegacyErrorBody answers InvalidChangeBatch with the document of old, <InvalidChangeBatch><Messages>.
	LegacyErrorBody bool `json:"legacyErrorBody"`
}

// Handler serves the paths below /2013-04-01/.
type Handler struct {
	store   *zone.Store
	gate    *gate.Gate
	account string

	mu        sync.Mutex
	behaviour Behaviour
	busy      map[string]time.Time // until when a zone is busy with a change
}

// New makes a Handler.
func New(c Config) *Handler {
	return &Handler{
		store:   c.Store,
		gate:    c.Gate,
		account: c.Account,
		busy:    map[string]time.Time{},
	}
}

// SetBehaviour changes it from now on.
func (h *Handler) SetBehaviour(b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.behaviour, h.busy = b, map[string]time.Time{}
}

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.gate.Serve(w, r, h) }

// Understand reads a request as far as its form goes.
func (h *Handler) Understand(r *http.Request, body []byte, record *history.Call) (*gate.Call, *gate.Failure) {
	key, signed := gate.AccessKey(r, "route53")
	record.AccessKey = key
	c, known := route(r)
	if !known {
		return nil, gate.Refuse(400, "InvalidAction", "The sandbox does not imitate %s %s", r.Method, r.URL.Path)
	}
	record.Operation, record.ZoneID = c.operation, c.zoneID
	for k := range c.query {
		if record.Query == nil {
			record.Query = map[string]string{}
		}
		record.Query[k] = c.query.Get(k)
	}
	if !signed {
		return nil, gate.Refuse(403, "MissingAuthenticationToken", "Missing Authentication Token")
	}
	var malformed *gate.Failure
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
	return &gate.Call{
		Fault:     faultCall(c),
		Bucket:    c.operation,
		Changes:   cost(c.changes),
		Malformed: malformed,
		Denial:    h.denial(c),
		Changing:  c.operation == "ChangeResourceRecordSets",
		Perform: func(string) (gate.Answer, *gate.Failure) {
			a, f := h.perform(c)
			if f != nil {
				return gate.Answer{}, f
			}
			body, err := marshal(a.root, a.document)
			if err != nil {
				return gate.Answer{}, gate.Refuse(500, "InternalFailure", "%s", err)
			}
			return respond(a.status, a.header, body), nil
		},
	}, nil
}

// cost is what changes draw from the account's quota of them.
func cost(changes []zone.Change) (all throttle.Cost) {
	for _, c := range changes {
		n := 1
		if c.Action == zone.Upsert {
			n = 2
		}
		all.Sets += n
		all.Values += n * max(1, len(c.Set.Values)) // an alias has none
	}
	return all
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

// denial words AccessDenied as IAM does.
func (h *Handler) denial(c *call) string {
	resource := ""
	switch {
	case c.zoneID != "":
		resource = "arn:aws:route53:::hostedzone/" + c.zoneID
	case c.operation == "GetChange":
		resource = "arn:aws:route53:::change/" + c.id
	}
	return gate.Denial(h.account, "route53:"+c.operation, resource)
}

// Refuse words a failure.
func (h *Handler) Refuse(f *gate.Failure, _, requestID string) gate.Answer {
	h.mu.Lock()
	legacy := h.behaviour.LegacyErrorBody && f.Code == string(zone.InvalidChangeBatch)
	h.mu.Unlock()
	kind := "Sender"
	if f.Status >= 500 {
		kind = "Receiver"
	}
	body, err := marshal("ErrorResponse", errorDocument{errorDetail{kind, f.Code, f.Message}, requestID})
	if legacy {
		body, err = marshal(f.Code, legacyDocument{f.List, requestID})
	}
	if err != nil {
		return respond(http.StatusInternalServerError, nil, []byte(err.Error()))
	}
	return respond(f.Status, nil, body)
}

func respond(status int, header http.Header, body []byte) gate.Answer {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "text/xml")
	return gate.Answer{Status: status, Header: header, Body: body}
}
