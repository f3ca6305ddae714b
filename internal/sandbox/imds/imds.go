// Package imds answers as the EC2 instance metadata service does, version 2 only: a session token is always needed.
// What is not set answers 404, as it does on an instance where it does not apply.
package imds

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Instance is the host that the metadata describes. New fills in what is empty.
type Instance struct {
	ID               string `json:"id"`
	Account          string `json:"account"`
	Region           string `json:"region"`
	AvailabilityZone string `json:"availabilityZone"`
	PrivateIP        string `json:"privateIp"`
	Hostname         string `json:"hostname"`
	MAC              string `json:"mac"`
	VPC              string `json:"vpc"`
	Role             string `json:"role"`
}

// DefaultID and DefaultPrivateIP are what New fills in.
const (
	DefaultID        = "i-0123456789abcdef0"
	DefaultPrivateIP = "10.0.0.1"
)

// Mode is how the service behaves.
type Mode string

// The modes.
const (
	Up          Mode = "up"
	Failing     Mode = "failing"     // every answer is 500
	Unreachable Mode = "unreachable" // connections end without an answer
	Silent      Mode = "silent"      // no answer, until the client goes away
)

// Call is one request for metadata.
type Call struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"` // 0: none
}

// maxCalls bounds the memory; the oldest calls go first.
const maxCalls = 20_000

// Handler serves the paths below /latest/.
type Handler struct {
	now func() time.Time

	mu     sync.Mutex
	random *rand.Rand
	mode   Mode
	values map[string]string // by path below /latest/
	tokens map[string]time.Time
	calls  []Call
}

// New makes a Handler that describes an instance.
func New(i Instance, now func() time.Time, random *rand.Rand) *Handler {
	h := &Handler{
		now:    now,
		random: random,
		mode:   Up,
		tokens: map[string]time.Time{},
	}
	h.SetInstance(i)
	return h
}

func fallback(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// SetInstance replaces all metadata by that of an instance.
func (h *Handler) SetInstance(i Instance) {
	fallback(&i.ID, DefaultID)
	fallback(&i.Account, "123456789012")
	fallback(&i.Region, "eu-central-1")
	fallback(&i.AvailabilityZone, i.Region+"a")
	fallback(&i.PrivateIP, DefaultPrivateIP)
	fallback(&i.Hostname, "ip-"+strings.ReplaceAll(i.PrivateIP, ".", "-")+"."+i.Region+".compute.internal")
	fallback(&i.MAC, "02:00:0a:00:00:01")
	fallback(&i.VPC, "vpc-sandbox")
	fallback(&i.Role, "ecsInstanceRole")
	document, _ := json.MarshalIndent(map[string]any{ // strings and one nil always marshal
		"accountId":        i.Account,
		"architecture":     "x86_64",
		"availabilityZone": i.AvailabilityZone,
		"billingProducts":  nil,
		"imageId":          "ami-0123456789abcdef0",
		"instanceId":       i.ID,
		"instanceType":     "t3.small",
		"pendingTime": h.now().
			UTC().
			Format(time.RFC3339),
		"privateIp": i.PrivateIP,
		"region":    i.Region,
		"version":   "2017-09-30",
	}, "", "  ")
	nic := "meta-data/network/interfaces/macs/" + i.MAC + "/"
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values = map[string]string{
		"meta-data/instance-id":                        i.ID,
		"meta-data/instance-type":                      "t3.small",
		"meta-data/local-ipv4":                         i.PrivateIP,
		"meta-data/local-hostname":                     i.Hostname,
		"meta-data/hostname":                           i.Hostname,
		"meta-data/mac":                                i.MAC,
		nic + "vpc-id":                                 i.VPC,
		nic + "local-ipv4s":                            i.PrivateIP,
		nic + "mac":                                    i.MAC,
		"meta-data/placement/region":                   i.Region,
		"meta-data/placement/availability-zone":        i.AvailabilityZone,
		"meta-data/iam/security-credentials/" + i.Role: "", // made when asked for
		"dynamic/instance-identity/document":           string(document),
		"meta-data/services/partition":                 "aws",
		"meta-data/services/domain":                    "amazonaws.com",
	}
}

const credentials = "meta-data/iam/security-credentials/"

// Set sets the value of a path below /latest/, such as meta-data/autoscaling/target-lifecycle-state.
func (h *Handler) Set(path, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values[strings.Trim(path, "/")] = value
}

// Unset makes a path answer 404.
func (h *Handler) Unset(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.values, strings.Trim(path, "/"))
}

// Values returns all that is set.
func (h *Handler) Values() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.values)
}

// SetMode changes how the service behaves from now on.
func (h *Handler) SetMode(m Mode) error {
	if !slices.Contains([]Mode{Up, Failing, Unreachable, Silent}, m) {
		return fmt.Errorf("read mode %q: there are up, failing, unreachable, silent", m)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mode = m
	return nil
}

// Mode is how the service behaves.
func (h *Handler) Mode() Mode {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mode
}

// Calls returns the requests so far.
func (h *Handler) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Clear forgets the requests so far.
func (h *Handler) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, header := h.answer(r)
	h.mu.Lock()
	h.calls = append(h.calls, Call{h.now(), r.Method, r.URL.Path, status})
	if over := len(h.calls) - maxCalls; over > 0 {
		h.calls = slices.Delete(h.calls, 0, over+maxCalls/10)
	}
	mode := h.mode
	h.mu.Unlock()
	switch mode {
	case Silent:
		<-r.Context().Done()
		return
	case Unreachable:
		if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = connection.Close()
		}
		return
	}
	maps.Copy(w.Header(), header)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "EC2ws")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client may be gone
}

const ttlHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"

func (h *Handler) answer(r *http.Request) (int, string, http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/latest"), "/")
	switch {
	case h.mode == Failing:
		return http.StatusInternalServerError, "", nil
	case h.mode != Up:
		return 0, "", nil
	case r.Method == http.MethodPut && path == "api/token":
		return h.token(r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed, "", nil
	}
	if expires, ok := h.tokens[r.Header.Get("X-Aws-Ec2-Metadata-Token")]; !ok || !h.now().Before(expires) {
		return http.StatusUnauthorized, "", nil
	}
	if value, ok := h.values[path]; ok {
		if strings.HasPrefix(path, credentials) && value == "" {
			value = h.credentials()
		}
		return http.StatusOK, value, nil
	}
	if listing := h.list(path); listing != "" {
		return http.StatusOK, listing, nil
	}
	return http.StatusNotFound, "", nil
}

// token begins a session. A request that came through a proxy gets none.
func (h *Handler) token(r *http.Request) (int, string, http.Header) {
	if r.Header.Get("X-Forwarded-For") != "" {
		return http.StatusForbidden, "", nil
	}
	seconds, err := strconv.Atoi(r.Header.Get(ttlHeader))
	if err != nil || seconds < 1 || seconds > 21600 {
		return http.StatusBadRequest, "", nil
	}
	token := fmt.Sprintf("AQAEA%016x%016x==", h.random.Uint64(), h.random.Uint64())
	maps.DeleteFunc(h.tokens, func(_ string, expires time.Time) bool { return !h.now().Before(expires) })
	h.tokens[token] = h.now().Add(time.Duration(seconds) * time.Second)
	return http.StatusOK, token, http.Header{ttlHeader: {strconv.Itoa(seconds)}}
}

// list returns what is directly below a path, directories with a slash.
func (h *Handler) list(path string) string {
	prefix := path + "/"
	if path == "" {
		prefix = ""
	}
	var names []string
	for p := range h.values {
		rest, below := strings.CutPrefix(p, prefix)
		if !below {
			continue
		}
		name, _, directory := strings.Cut(rest, "/")
		if directory {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n")
}

// credentials of the instance's role; they are good for six hours.
func (h *Handler) credentials() string {
	document, _ := json.MarshalIndent(map[string]string{ // strings always marshal
		"Code":            "Success",
		"LastUpdated":     h.now().UTC().Format(time.RFC3339),
		"Type":            "AWS-HMAC",
		"AccessKeyId":     "ASIASANDBOX",
		"SecretAccessKey": "sandbox",
		"Token":           "sandbox",
		"Expiration":      h.now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
	}, "", "  ")
	return string(document)
}
