// Package sandbox is the parts of AWS that ecssd uses, in memory. README.md has what it does not imitate, how to run
// it, and how to break it.
//
// It shares no code with the rest of ecssd, so that a misreading of Route 53 cannot hide on both sides.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ecssd/ecssd/internal/sandbox/account"
	"github.com/ecssd/ecssd/internal/sandbox/dns"
	"github.com/ecssd/ecssd/internal/sandbox/ec2"
	"github.com/ecssd/ecssd/internal/sandbox/ecs"
	"github.com/ecssd/ecssd/internal/sandbox/engine"
	"github.com/ecssd/ecssd/internal/sandbox/eventbridge"
	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/function"
	"github.com/ecssd/ecssd/internal/sandbox/gate"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/imds"
	"github.com/ecssd/ecssd/internal/sandbox/route53"
	"github.com/ecssd/ecssd/internal/sandbox/route53/zone"
	"github.com/ecssd/ecssd/internal/sandbox/sqs"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// The nouns of the packages below, for those who only start a Server.
type (
	Set      = zone.Set
	Change   = zone.Change
	Zone     = zone.Zone
	VPC      = zone.VPC
	Event    = zone.Event
	Fault    = fault.Fault
	Call     = history.Call
	Instance = imds.Instance
	Settings struct {
		zone.Rules
		route53.Behaviour
		account.Delays
		Throttle    throttle.Policy `json:"throttle"` // of Route 53
		ECSThrottle throttle.Policy `json:"ecsThrottle"`
		EC2Throttle throttle.Policy `json:"ec2Throttle"`
		// Page makes the pages of ECS and EC2 shorter than asked for, as AWS may at any time. 0 does not.
		Page int `json:"page"`
		// Transition is how long an instance is pending, stopping or shutting-down.
		Transition time.Duration        `json:"-"`
		Delivery   eventbridge.Delivery `json:"delivery"` // of events to the targets of rules
	}
)

// The kinds of faults.
const (
	Fail   = fault.Fail
	Delay  = fault.Delay
	Reset  = fault.Reset
	Stall  = fault.Stall
	Lose   = fault.Lose
	Hang   = fault.Hang
	Garble = fault.Garble
	Flood  = fault.Flood
)

// Config of a Server. Its zero value listens on free ports of 127.0.0.1 and throttles nothing.
type Config struct {
	Listen string // API and metadata
	DNS    string // UDP and TCP
	Manage string

	VPC      string // that DNS is asked from; vpc-sandbox
	Instance Instance
	Settings Settings
	Seed     uint64           // of all random choices; 0: another one each time
	Now      func() time.Time // time.Now

	// Engine makes tasks of the local Docker Engine's containers that carry ECS's labels, on the instance of the
	// metadata.
	Engine bool
}

// Server is a running sandbox.
type Server struct {
	store       *zone.Store
	account     *account.Store
	faults      *fault.Set
	log         *history.Log
	route53     *route53.Handler
	ecs         *ecs.Handler
	ec2         *ec2.Handler
	eventbridge *eventbridge.Handler
	sqs         *sqs.Handler
	queues      *sqs.Store
	bus         *eventbridge.Bus
	imds        *imds.Handler
	dns         *dns.Server

	limiter, ecsLimiter, ec2Limiter *throttle.Limiter

	region      string // of the instance
	url, manage string
	closeBack   func() error       // ends management
	unfollow    context.CancelFunc // ends the mirror of the Engine
	done        sync.WaitGroup

	mu         sync.Mutex
	closeFront func() error // ends API and metadata; nil while they do not listen
	settings   Settings
	function   *function.Function // nil where there is none
}

// DefaultVPC is the VPC that DNS is asked from, DefaultRegion and DefaultAccount are where the instance is, unless
// Config differs.
const (
	DefaultVPC     = "vpc-sandbox"
	DefaultRegion  = "eu-central-1"
	DefaultAccount = "123456789012"
)

// complete fills in what is empty.
func (c *Config) complete() {
	for _, addr := range []*string{&c.Listen, &c.DNS, &c.Manage} {
		if *addr == "" {
			*addr = "127.0.0.1:0"
		}
	}
	if c.VPC == "" {
		c.VPC = DefaultVPC
	}
	if c.Instance.VPC == "" {
		c.Instance.VPC = c.VPC
	}
	if c.Instance.Region == "" {
		c.Instance.Region = DefaultRegion
	}
	if c.Instance.Account == "" {
		c.Instance.Account = DefaultAccount
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
}

// Start starts a Server; Close ends it.
func Start(c Config) (*Server, error) {
	c.complete()
	random := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, stream)) }
	s := &Server{
		store:    zone.New(c.Now, random(1), c.Settings.Rules),
		account:  account.New(c.Instance.Account, c.Instance.Region, c.VPC, c.Now, random(5)),
		faults:   fault.NewSet(random(2)),
		log:      &history.Log{},
		imds:     imds.New(c.Instance, c.Now, random(3)),
		settings: c.Settings,
		region:   c.Instance.Region,

		limiter:    throttle.New(c.Settings.Throttle),
		ecsLimiter: throttle.New(c.Settings.ECSThrottle),
		ec2Limiter: throttle.New(c.Settings.EC2Throttle),
	}
	s.queues = sqs.New(c.Instance.Account, c.Instance.Region, c.Now, random(6))
	s.bus = eventbridge.NewBus(c.Instance.Account, c.Instance.Region, s.queues, c.Now, random(7))
	s.account.Watch(func(c account.StateChange) { s.bus.StateChange(c.Time, c.InstanceID, c.State) })
	s.serveAPIs(c)
	if err := s.account.Put(account.State{Instances: []account.Instance{s.own()}}); err != nil {
		return nil, fmt.Errorf("make the instance known to EC2: %w", err)
	}
	s.apply(c.Settings)
	ctx, unfollow := context.WithCancel(context.Background())
	s.unfollow = unfollow
	if c.Engine {
		mirror, err := engine.New(ctx, s.account, s.own().ID)
		if err != nil {
			unfollow()
			return nil, err
		}
		s.done.Go(func() { mirror.Run(ctx) })
	}
	if err := s.listen(c, random(4)); err != nil {
		unfollow()
		s.done.Wait()
		return nil, err
	}
	return s, nil
}

// serveAPIs makes the handlers of the services.
func (s *Server) serveAPIs(c Config) {
	entrance := func(l *throttle.Limiter, throttling string) *gate.Gate {
		return &gate.Gate{
			Limiter:    l,
			Throttling: throttling,
			Faults:     s.faults,
			Log:        s.log,
			Now:        c.Now,
		}
	}
	s.route53 = route53.New(
		route53.Config{Store: s.store, Gate: entrance(s.limiter, "Throttling"), Account: c.Instance.Account},
	)
	s.ecs = ecs.New(s.account, entrance(s.ecsLimiter, "ThrottlingException"))
	s.ec2 = ec2.New(s.account, entrance(s.ec2Limiter, "RequestLimitExceeded"))
	unlimited := func() *gate.Gate { return entrance(throttle.New(throttle.None()), "ThrottlingException") }
	s.eventbridge = eventbridge.New(s.bus, unlimited())
	s.sqs = sqs.NewHandler(s.queues, unlimited(), func() string { return s.url })
}

// listen begins to serve.
func (s *Server) listen(c Config, random *rand.Rand) error {
	front, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	back, err := net.Listen("tcp", c.Manage)
	if err != nil {
		_ = front.Close()
		return fmt.Errorf("listen for management: %w", err)
	}
	s.dns, err = dns.Listen(c.DNS, c.VPC, s.store, random)
	if err != nil {
		_ = front.Close()
		_ = back.Close()
		return err
	}
	s.url, s.manage = "http://"+front.Addr().String(), "http://"+back.Addr().String()
	s.closeFront = s.serve(front, http.HandlerFunc(s.route))
	s.closeBack = s.serve(back, s.management())
	return nil
}

// serve answers on a listener and returns what ends that. The listener is closed apart from its server, which may not
// have taken it up yet.
func (s *Server) serve(l net.Listener, h http.Handler) (end func() error) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.done.Go(func() { _ = server.Serve(l) }) // says only that it was closed
	return func() error {
		err := l.Close()
		if closed := server.Close(); !errors.Is(closed, net.ErrClosed) {
			err = errors.Join(err, closed)
		}
		return err
	}
}

// own is the instance of the metadata, as EC2 knows it.
func (s *Server) own() account.Instance {
	values := s.imds.Values()
	nic := "meta-data/network/interfaces/macs/" + values["meta-data/mac"] + "/"
	return account.Instance{
		ID:               values["meta-data/instance-id"],
		PrivateIP:        values["meta-data/local-ipv4"],
		PrivateDNSName:   values["meta-data/local-hostname"],
		VPC:              values[nic+"vpc-id"],
		AvailabilityZone: values["meta-data/placement/availability-zone"],
	}
}

// apply puts settings into effect. Buckets begin full again.
func (s *Server) apply(c Settings) {
	s.store.SetRules(c.Rules)
	s.route53.SetBehaviour(c.Behaviour)
	s.account.SetDelays(c.Delays)
	s.ecs.SetPage(c.Page)
	s.ec2.SetPage(c.Page)
	s.ec2.SetTransition(c.Transition)
	s.bus.SetDelivery(c.Delivery)
	s.limiter.SetPolicy(c.Throttle)
	s.ecsLimiter.SetPolicy(c.ECSThrottle)
	s.ec2Limiter.SetPolicy(c.EC2Throttle)
}

// route finds the service that a request at the one address is for. The SDKs send ECS, EC2 and STS calls to the path /.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/latest/"):
		s.imds.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/2013-04-01/"):
		s.route53.ServeHTTP(w, r)
	case r.URL.Path == "/" && strings.HasPrefix(r.Header.Get("X-Amz-Target"), eventbridge.TargetPrefix):
		s.eventbridge.ServeHTTP(w, r)
	case r.URL.Path == "/" && strings.HasPrefix(r.Header.Get("X-Amz-Target"), sqs.TargetPrefix):
		s.sqs.ServeHTTP(w, r)
	case r.URL.Path == "/" && r.Header.Get("X-Amz-Target") != "":
		s.ecs.ServeHTTP(w, r)
	case r.URL.Path == "/" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		s.ec2.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// Close ends all that the Server does, calls in flight included.
func (s *Server) Close() error {
	s.unfollow()
	if f := s.Function(); f != nil {
		f.Close()
	}
	err := errors.Join(s.SetListening(false), s.closeBack())
	s.dns.Close()
	s.ec2.Close()
	s.bus.Close()
	s.done.Wait()
	return err
}

// SetListening refuses connections to the API and the metadata service, and ends those that are open, or accepts them
// again.
func (s *Server) SetListening(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on == (s.closeFront != nil) {
		return nil
	}
	if !on {
		err := s.closeFront()
		s.closeFront = nil
		return err
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	s.closeFront = s.serve(l, http.HandlerFunc(s.route))
	return nil
}

// Listening reports whether connections to the API and the metadata service are accepted.
func (s *Server) Listening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeFront != nil
}

// URL of the API and the metadata service.
func (s *Server) URL() string { return s.url }

// DNSAddr is host and port of DNS.
func (s *Server) DNSAddr() string { return s.dns.Addr() }

// ManageURL is where the management API is.
func (s *Server) ManageURL() string { return s.manage }

// Environment returns the variables that point an AWS SDK at the sandbox. AWS's command line and botocore read the
// region from AWS_DEFAULT_REGION, the others from AWS_REGION.
func (s *Server) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.url,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + s.url,
		"AWS_ACCESS_KEY_ID=sandbox",
		"AWS_SECRET_ACCESS_KEY=sandbox",
		"AWS_REGION=" + s.region,
		"AWS_DEFAULT_REGION=" + s.region,
	}
}

// Private makes a zone private to a VPC, to several when given again.
func Private(vpc, region string) func(*Zone) {
	return func(z *Zone) { z.Private, z.VPCs = true, append(z.VPCs, VPC{ID: vpc, Region: region}) }
}

// WithID sets the ID of a zone.
func WithID(id string) func(*Zone) { return func(z *Zone) { z.ID = id } }

// CloudMap makes a zone one that AWS Cloud Map owns.
func CloudMap() func(*Zone) { return func(z *Zone) { z.CloudMap = true } }

// CreateZone makes a hosted zone, a public one unless an option says otherwise, and returns its ID.
func (s *Server) CreateZone(name string, options ...func(*Zone)) (string, error) {
	z := Zone{Name: name}
	for _, o := range options {
		o(&z)
	}
	z, _, err := s.store.Create(z)
	if err != nil {
		return "", fmt.Errorf("create zone %s: %w", name, err)
	}
	return z.ID, nil
}

// Zones describes all hosted zones, oldest first.
func (s *Server) Zones() []Zone { return s.store.Zones() }

// RemoveZone removes a hosted zone whatever is in it.
func (s *Server) RemoveZone(id string) { s.store.Remove(id) }

// Seed puts record sets into a zone as UPSERTs by somebody else would: by the rules, but in batches of any number, and
// neither throttled nor remembered as a call.
func (s *Server) Seed(zoneID string, sets ...Set) error {
	return s.batches("seed", zoneID, zone.Upsert, sets)
}

// Erase deletes record sets, which must be given as they are, in the same way.
func (s *Server) Erase(zoneID string, sets ...Set) error {
	return s.batches("erase from", zoneID, zone.Delete, sets)
}

func (s *Server) batches(what, zoneID string, action zone.Action, sets []Set) error {
	for len(sets) > 0 {
		n := min(len(sets), 50)
		changes := make([]Change, 0, n)
		for _, set := range sets[:n] {
			changes = append(changes, Change{Action: action, Set: set})
		}
		if _, err := s.store.Change(zoneID, changes, ""); err != nil {
			return fmt.Errorf("%s zone %s: %w", what, zoneID, err)
		}
		sets = sets[n:]
	}
	return nil
}

// Records returns the record sets of a zone in Route 53's order, without the zone's own SOA and NS.
func (s *Server) Records(zoneID string) []Set {
	z, err := s.store.Get(zoneID)
	if err != nil {
		return nil
	}
	page, err := s.store.List(zoneID, zone.Position{}, z.Sets)
	if err != nil {
		return nil
	}
	sets := page.Sets[:0]
	for _, set := range page.Sets {
		if set.Name != z.Name || set.Type != "NS" && set.Type != "SOA" {
			sets = append(sets, set)
		}
	}
	return sets
}

// Calls returns the API calls that have ended, in the order of arrival: all, or those of the operations named.
func (s *Server) Calls(operations ...string) []Call { return s.log.Calls(operations...) }

// ClearCalls forgets the API calls and the metadata requests so far, and the events.
func (s *Server) ClearCalls() {
	s.log.Clear()
	s.imds.Clear()
	s.store.ClearEvents()
}

// Put returns the events that were put on an EventBridge bus, oldest first.
func (s *Server) Put() []eventbridge.Entry { return s.eventbridge.Entries() }

// Events returns when DNS came to show which record set, oldest first.
func (s *Server) Events() []Event { return s.store.Events() }

// SetFaults switches these faults on and all others off; without any, all off.
func (s *Server) SetFaults(faults ...Fault) error { return s.faults.Replace(faults...) }

// AddFault switches one more fault on.
func (s *Server) AddFault(f Fault) error { return s.faults.Add(f) }

// Faults lists the faults that are on, and how often they struck.
func (s *Server) Faults() []fault.Active { return s.faults.Active() }

// Settings in force.
func (s *Server) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// Configure changes settings from now on. Buckets begin full again.
func (s *Server) Configure(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
	s.apply(s.settings)
}

// Fleet is what ECS and EC2 list. It begins with the instance of the metadata, running, as all that there is.
func (s *Server) Fleet() *account.Store { return s.account }

// Queues is the queues of SQS.
func (s *Server) Queues() *sqs.Store { return s.queues }

// Bus is the rules of EventBridge, and what became of events.
func (s *Server) Bus() *eventbridge.Bus { return s.bus }

// Metadata is the instance metadata service: its values, its mode, its requests.
func (s *Server) Metadata() *imds.Handler { return s.imds }

// Queries returns how many DNS queries were answered, by response code.
func (s *Server) Queries() map[string]int { return s.dns.Queries() }
