package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/settings"
)

// Settings are the flags that all commands share. Each can also be set by a variable: ECSSD_ZONE_ID for --zone-id.
type Settings struct {
	Zone         string        `help:"Name of the private hosted zone." default:"servicediscovery.internal"`
	ZoneID       string        `help:"ID of the hosted zone; without it the zone is found by its name." placeholder:"Z…"`
	InstanceID   string        `help:"ID of this host, the owner of its records; from EC2 metadata where not given." placeholder:"ID"`
	HostIP       string        `help:"IPv4 address of this host that consumers reach; from EC2 metadata where not given." placeholder:"ADDRESS"`
	Region       string        `help:"AWS region whose APIs are called; from the environment or EC2 metadata where not given."`
	Target       string        `help:"What SRV records point to: a name of the host in the zone, with an A record (zone), or its EC2 private DNS name (ec2)." enum:"zone,ec2" default:"zone"`
	TTL          int64         `name:"ttl" help:"TTL of SRV records, in seconds; A records have 60." default:"0"`
	Weight       int           `help:"Weight of containers that ask for none, 0 to 255." default:"1"`
	MaxWeight    int           `help:"Highest weight that a container may ask for, 0 to 255." default:"255"`
	AllowNames   string        `help:"Regular expression that a whole service name must match to be registered." placeholder:"REGEXP"`
	NameTemplate string        `help:"Go template of service names, over .Service .Cluster .Family .Revision .Port .Proto." default:"{{.Service}}"`
	EventBus     string        `help:"Name or ARN of an EventBridge bus that gets an event for each change of an endpoint; where not given, no events are sent." placeholder:"BUS"`
	StateDir     string        `help:"Directory of the journal of what this host has written." default:"/var/lib/ecssd"`
	Listen       string        `help:"Address and port of the page, /state, /healthz, /readyz and /metrics." default:"127.0.0.1:9553"`
	Resync       time.Duration `help:"Time between full snapshots of the Engine, which make up for lost events." default:"1m"`
	LogLevel     string        `help:"Least severe log entries to write: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	LogFormat    string        `help:"Format of the log: text or json." enum:"text,json" default:"text"`
	DockerHost   string        `help:"Socket of the Docker Engine; DOCKER_HOST or unix:///var/run/docker.sock where not given." placeholder:"unix://…"`

	version string            // of this program
	from    settings.Settings // where the values come from
}

// Validate checks what the types of the flags do not. Kong calls it before the command runs.
func (s *Settings) Validate() error {
	s.Zone = strings.ToLower(strings.TrimSuffix(s.Zone, "."))
	s.ZoneID = strings.TrimPrefix(s.ZoneID, "/hostedzone/")
	_, policyErr := s.policy()
	return oneLine(
		check(endpoint.CheckName(s.Zone, "") == nil, "--zone %q is not a domain name", s.Zone),
		check(
			s.ZoneID == "" || record.ValidZoneID(s.ZoneID),
			"--zone-id %q is not the ID of a hosted zone, such as Z0123456789ABCDEFGHIJ",
			s.ZoneID,
		),
		check(
			s.InstanceID == "" || host.CheckInstanceID(s.InstanceID) == nil,
			"--instance-id %q is not 1 to 45 letters, digits, '.', '_' or '-'",
			s.InstanceID,
		),
		s.checkHostIP(),
		s.checkEventBus(),
		check(
			s.Region == "" || record.ValidRegion(s.Region),
			"--region %q is not the name of a region, such as eu-central-1",
			s.Region,
		),
		check(0 <= s.TTL && s.TTL <= 1<<31-1, "--ttl %d is not within 0 to 2147483647", s.TTL),
		check(0 <= s.Weight && s.Weight <= 255, "--weight %d is not within 0 to 255", s.Weight),
		check(0 <= s.MaxWeight && s.MaxWeight <= 255, "--max-weight %d is not within 0 to 255", s.MaxWeight),
		check(s.Weight <= s.MaxWeight, "--weight %d is above --max-weight %d", s.Weight, s.MaxWeight),
		check(s.Resync >= time.Second, "--resync %s is less than a second", s.Resync),
		check(listenable(s.Listen), "--listen %q is not an address and port, such as 127.0.0.1:9553", s.Listen),
		check(s.StateDir != "", "--state-dir is empty"),
		policyErr,
	)
}

// checkHostIP checks that other hosts can connect to the address.
func (s *Settings) checkHostIP() error {
	address := s.address()
	for _, c := range []struct {
		wrong bool
		why   string
	}{
		{!address.Is4(), "is not an IPv4 address"},
		{address.IsUnspecified(), "means all addresses: give the one that consumers connect to"},
		{address.IsLoopback(), "is a loopback address, which no other host can connect to"},
		{address.IsMulticast(), "is a multicast address"},
		{address == netip.AddrFrom4([4]byte{255, 255, 255, 255}), "is the broadcast address"},
	} {
		if s.HostIP != "" && c.wrong {
			return fmt.Errorf("--host-ip %q %s", s.HostIP, c.why)
		}
	}
	return nil
}

// busARN and busName are what EventBridge allows (API reference, PutEventsRequestEntry and CreateEventBus).
var (
	busARN  = regexp.MustCompile(`^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[/._A-Za-z0-9-]{1,256}$`)
	busName = regexp.MustCompile(`^[/._A-Za-z0-9-]{1,256}$`)
)

func (s *Settings) checkEventBus() error {
	return check(s.EventBus == "" || busARN.MatchString(s.EventBus) || busName.MatchString(s.EventBus),
		"--event-bus %q is neither the name nor the ARN of an event bus, such as "+
			"arn:aws:events:eu-central-1:123456789012:event-bus/default", s.EventBus)
}

// oneLine joins errors with semicolons.
func oneLine(errs ...error) error {
	var lines []string
	for _, err := range errs {
		if err != nil {
			lines = append(lines, err.Error())
		}
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "; "))
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func listenable(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port != ""
}

func (s *Settings) address() netip.Addr {
	address, _ := netip.ParseAddr(s.HostIP)
	return address
}

// policy returns what the operator allows and chooses of names and weights.
func (s *Settings) policy() (endpoint.Policy, error) {
	policy := endpoint.Policy{Zone: s.Zone, DefaultWeight: s.Weight, MaxWeight: s.MaxWeight}
	template, err := endpoint.ParseTemplate(s.NameTemplate)
	if err != nil {
		return policy, fmt.Errorf("--name-template %q: %w", s.NameTemplate, err)
	}
	policy.Template = template
	if s.AllowNames != "" {
		if _, err := regexp.Compile(s.AllowNames); err != nil {
			return policy, fmt.Errorf("--allow-names %q: %w", s.AllowNames, err)
		}
		policy.Allow = regexp.MustCompile(`^(?:` + s.AllowNames + `)$`)
	}
	return policy, nil
}

// owner returns the host as records need it.
func (s *Settings) owner(id host.Identity) record.Owner {
	owner := record.Owner{
		InstanceID: id.InstanceID,
		Address:    id.Address,
		Account:    id.Account,
		Region:     id.Region,
	}
	if s.Target == "ec2" {
		owner.DNSName = id.PrivateDNSName
	}
	return owner
}

// logger returns a log that writes to out.
func (s *Settings) logger(out io.Writer) *logrus.Entry {
	log := logrus.New()
	log.SetOutput(out)
	level, err := logrus.ParseLevel(s.LogLevel)
	if err == nil {
		log.SetLevel(level)
	}
	if s.LogFormat == "json" {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "2006-01-02T15:04:05.000Z07:00"})
	}
	return logrus.NewEntry(log)
}
