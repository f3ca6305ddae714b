// Package fault decides which API calls go wrong on purpose, and how. It carries nothing out.
package fault

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Kind is what goes wrong.
type Kind string

// The kinds. Before and after: the call has not, or has, taken effect by then.
const (
	Fail   Kind = "fail"   // before: an error response
	Delay  Kind = "delay"  // the call waits, then goes on
	Reset  Kind = "reset"  // before: the connection is reset
	Stall  Kind = "stall"  // before: no answer ever, until the client goes away
	Lose   Kind = "lose"   // after: the connection is closed without an answer
	Hang   Kind = "hang"   // after: no answer ever, until the client goes away
	Garble Kind = "garble" // after: the answer breaks off in the middle
	Flood  Kind = "flood"  // after: the answer is 16 MiB long
)

var kinds = []Kind{Fail, Delay, Reset, Stall, Lose, Hang, Garble, Flood}

// Fault is one thing that goes wrong, until it has done so Count times or is switched off.
type Fault struct {
	Kind Kind `json:"kind"`

	// Which calls: all for which every non-zero condition holds.
	// ChangeResourceRecordSets, ecs:ListTasks, ec2:DescribeInstances, sts:GetCallerIdentity
	Operation string `json:"operation,omitempty"`
	ZoneID    string `json:"zoneId,omitempty"`
	// Names is a pattern (* and ?) for the names of changed record sets, as the condition keys of IAM see them: lower
	// case, no final dot, escaped. One match suffices.
	Names       string  `json:"names,omitempty"`
	Probability float64 `json:"probability,omitempty"` // 0 means 1
	Count       int     `json:"count,omitempty"`       // 0 means always
	After       int     `json:"after,omitempty"`       // lets so many calls pass first

	// With Fail: the response. Status and Message may be left out for the codes that Known lists.
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`

	// With Delay: how long, plus up to Jitter.
	Latency time.Duration `json:"-"`
	Jitter  time.Duration `json:"-"`
}

// known is the HTTP status and the message of each error code. The API words a message that is empty.
var known = map[string]struct {
	status  int
	message string
}{
	// ECS
	"ThrottlingException":         {400, "Rate exceeded"},
	"ServerException":             {500, "Service Unavailable. Please try again later."},
	"ClientException":             {400, "Invalid request"},
	"InvalidParameterException":   {400, "Invalid request"},
	"ClusterNotFoundException":    {400, "Cluster not found."},
	"ExpiredTokenException":       {400, "The security token included in the request is expired"},
	"UnrecognizedClientException": {400, "The security token included in the request is invalid."},
	"AccessDeniedException":       {400, ""}, // worded by the API
	// EC2
	"RequestLimitExceeded":  {503, "Request limit exceeded."},
	"InternalError":         {500, "An internal error has occurred"},
	"Unavailable":           {503, "The server is overloaded and can't handle the request."},
	"RequestExpired":        {400, "Request has expired."},
	"AuthFailure":           {401, "AWS was not able to validate the provided access credentials"},
	"UnauthorizedOperation": {403, ""}, // worded by the API
	// Route 53, and what several have
	"Throttling":              {400, "Rate exceeded"},
	"PriorRequestNotComplete": {400, "The request was rejected because Route 53 was still processing a prior request."},
	"ExpiredToken":            {403, "The security token included in the request is expired"},
	"InvalidClientTokenId":    {403, "The security token included in the request is invalid."},
	"AccessDenied":            {403, ""}, // worded by the API, which knows the operation and the zone
	"NoSuchHostedZone":        {404, "No hosted zone found with that ID"},
	"InvalidInput":            {400, "Invalid request"},
	"InvalidChangeBatch":      {400, "[Invalid request]"},
	"InternalFailure": {
		500,
		"The request processing has failed because of an unknown error, exception or failure.",
	},
	"ServiceUnavailable": {503, "Service is unable to handle request."},
}

// Known returns the HTTP status and message of an error code of any of the services.
func Known(code string) (status int, message string, ok bool) {
	k, ok := known[code]
	return k.status, k.message, ok
}

// Validate returns what is wrong with a fault. It fills in what the code implies.
func (f *Fault) Validate() error {
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("read fault kind %q: there are %v", f.Kind, kinds)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("read probability %v: it is from 0 to 1", f.Probability)
	}
	if f.Kind == Delay && f.Latency <= 0 && f.Jitter <= 0 {
		return fmt.Errorf("read delay: it has no latency")
	}
	if f.Kind != Fail {
		return nil
	}
	status, message, known := Known(f.Code)
	switch {
	case f.Status == 0 && !known:
		return fmt.Errorf("read error code %q: it is not known, so a status is needed", f.Code)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("read status %d: it is from 400 to 599", f.Status)
	case f.Status == 0:
		f.Status = status
	}
	if f.Message == "" {
		f.Message = message
	}
	return nil
}

// Call is what a fault may look at.
type Call struct {
	Operation string
	ZoneID    string
	Names     []string // of changed record sets, as Fault.Names sees them
}

func (f *Fault) matches(c Call) bool {
	if f.Operation != "" && f.Operation != c.Operation || f.ZoneID != "" && f.ZoneID != c.ZoneID {
		return false
	}
	return f.Names == "" || slices.ContainsFunc(c.Names, func(name string) bool { return like(f.Names, name) })
}

// like matches as IAM's StringLike does: * is any text, ? any one character; a backslash is itself.
func like(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	switch pattern[0] {
	case '*':
		return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
	case '?':
		return s != "" && like(pattern[1:], s[1:])
	}
	return s != "" && s[0] == pattern[0] && like(pattern[1:], s[1:])
}

// Active is a fault that is switched on, with what it has done so far.
type Active struct {
	Fault
	Seen int `json:"seen"` // calls that met its conditions
	Hits int `json:"hits"` // calls that it spoiled
}

// Set is the faults that are switched on.
type Set struct {
	mu     sync.Mutex
	random *rand.Rand
	active []*Active
}

// NewSet makes an empty Set; the random numbers decide probabilities and jitter.
func NewSet(random *rand.Rand) *Set { return &Set{random: random} }

// Replace switches these faults on and all others off.
func (s *Set) Replace(faults ...Fault) error {
	active := make([]*Active, 0, len(faults))
	for _, f := range faults {
		if err := f.Validate(); err != nil {
			return err
		}
		active = append(active, &Active{Fault: f})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = active
	return nil
}

// Add switches one more fault on.
func (s *Set) Add(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = append(s.active, &Active{Fault: f})
	return nil
}

// Remove switches off the faults that are exactly so, as Validate leaves them.
func (s *Set) Remove(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = slices.DeleteFunc(s.active, func(a *Active) bool { return a.Fault == f })
}

// Active lists the faults that are on, also those whose count has run out.
func (s *Set) Active() []Active {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := make([]Active, 0, len(s.active))
	for _, a := range s.active {
		result = append(result, *a)
	}
	return result
}

// Strike decides what befalls a call: how long it is delayed, and the first other fault that meets it, if any.
func (s *Set) Strike(c Call) (delay time.Duration, f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.active {
		if !a.matches(c) || a.Kind != Delay && f != nil {
			continue
		}
		a.Seen++
		if a.Seen <= a.After || a.Count > 0 && a.Hits >= a.Count {
			continue
		}
		if a.Probability > 0 && s.random.Float64() >= a.Probability {
			continue
		}
		a.Hits++
		if a.Kind == Delay {
			delay += a.Latency
			if a.Jitter > 0 {
				delay += time.Duration(s.random.Int64N(int64(a.Jitter)))
			}
			continue
		}
		copied := a.Fault
		f = &copied
	}
	return delay, f
}
