package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/apply/metrics"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/endpoint"
	"github.com/ecssd/ecssd/internal/footprint"
	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/statedir"
	"github.com/ecssd/ecssd/internal/web"
)

const (
	// verifyEvery is how often a page of the zone with own records is read back.
	verifyEvery = 15 * time.Minute
	// onceTimeout is how long a command that works once tries.
	onceTimeout = time.Minute
)

// parts is an agent, and what it uses on this host.
type parts struct {
	settings *Settings
	policy   endpoint.Policy
	log      *logrus.Entry
	registry *prometheus.Registry
	engine   *docker.Engine
	metadata *host.Metadata
	agent    *agent.Agent
	health   *health.Readiness

	id      host.Identity // once it is known
	changed counts
	closers []func() error
}

// assemble makes the agent, for which nobody is asked anything yet.
func assemble(ctx context.Context, s *Settings, std streams) (*parts, error) {
	engine, err := docker.New(s.DockerHost)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--docker-host: %w", err)}
	}
	policy, err := s.policy()
	if err != nil {
		return nil, UsageError{err}
	}
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return nil, err
	}
	log := s.logger(std.Err)
	for _, unknown := range s.from.Variables().Unknown {
		log.Warn("setting ignored: " + unknown.String())
	}
	registry := prometheus.NewRegistry()
	p := &parts{
		settings: s,
		policy:   policy,
		log:      log,
		registry: registry,
		engine:   engine,
		metadata: metadata,
		health:   &health.Readiness{},
		closers:  []func() error{engine.Close},
	}
	p.agent = agent.New(p.config())
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(s.version),
		health.Collector(p.agent.State),
	)
	return p, nil
}

// buildInfo is a metric that has the version of this program as its label.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_build_info", Help: "Always 1; the label is the version of ecssd.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}

func (p *parts) config() agent.Config {
	s := p.settings
	introspection := host.NewIntrospection(host.IntrospectionURL)
	return agent.Config{
		Version:     s.version,
		ZoneName:    s.Zone,
		ZoneID:      s.ZoneID,
		TTL:         s.TTL,
		Policy:      p.policy,
		Identify:    p.identify,
		Open:        p.open,
		Engine:      p.engine,
		Tasks:       func(ctx context.Context) (map[string]agent.Task, error) { return tasks(ctx, introspection) },
		Suspended:   host.Suspended,
		Resync:      s.Resync,
		VerifyEvery: verifyEvery,
		LookUp:      lookUp,
		Log:         p.log,
		Readiness:   p.health,
		Metrics:     health.NewMetrics(p.registry),
		Writer:      metrics.New(p.registry),
		Following:   func() { notify(p.log, daemon.SdNotifyReady) },
		Alive:       func() { notify(p.log, daemon.SdNotifyWatchdog) },
	}
}

// identify returns who this host is.
func (p *parts) identify(ctx context.Context) (owner record.Owner, err error) {
	p.id, err = identify(ctx, p.metadata, p.settings)
	return p.settings.owner(p.id), err
}

// open opens what depends on who this host is.
func (p *parts) open(ctx context.Context) (agent.Host, error) {
	s, id := p.settings, p.id
	config, err := loadAWS(ctx, s, p.metadata, id.Region)
	if err != nil {
		return agent.Host{}, err
	}
	j, err := p.openJournal()
	if err != nil {
		return agent.Host{}, err
	}
	notices := p.metadata
	if !id.EC2 {
		notices = nil
	}
	onEvent, stop := sendEvents(ctx, s.EventBus, id.InstanceID, config, p.registry, p.log)
	p.closers = append(p.closers, j.Close, func() error { stop(); return nil })
	p.log.WithFields(logrus.Fields{
		"version":     s.version,
		"instance_id": id.InstanceID,
		"address":     id.Address.String(),
		"zone":        s.Zone,
	}).Info("host identified; starting the agent")
	client := route53.New(config)
	return agent.Host{
		Journal: j,
		FindZone: func(ctx context.Context) (string, error) {
			zone, err := client.FindZone(ctx, s.Zone, id.VPC)
			return zone.ID, err
		},
		OpenZone:    func(id string) agent.Zone { return counting{client.Zone(id), &p.changed} },
		HostStandby: hostStandby(s.StateDir, id.InstanceID, notices),
		OnEvent:     onEvent,
	}, nil
}

func (p *parts) openJournal() (*journal.Journal, error) {
	boot, err := host.BootID()
	if err != nil {
		p.log.WithError(err).
			Warn("cannot read the boot ID; a reboot of this host will be taken for a restart of the agent")
	}
	j, err := journal.Open(p.settings.StateDir, p.id.InstanceID, boot)
	if errors.Is(err, statedir.ErrLocked) {
		return nil, fmt.Errorf("%w (hint: stop it first: systemctl stop ecssd)", err)
	} else if err != nil {
		return nil, err
	}
	if notice := j.Notice(); notice != "" {
		p.log.Warn(notice)
	}
	if err := j.Err(); err != nil {
		p.log.WithError(err).Error("cannot write the journal; " +
			"records of containers that end while the agent does not run will be found late")
	}
	return j, nil
}

// close closes what is open, what was opened last first.
func (p *parts) close() error {
	var errs []error
	for _, closer := range slices.Backward(p.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

func identify(ctx context.Context, metadata *host.Metadata, s *Settings) (host.Identity, error) {
	id, err := metadata.Identify(ctx, host.Given{InstanceID: s.InstanceID, Address: s.address()})
	if err == nil && s.Target == "ec2" && id.PrivateDNSName == "" {
		err = errors.New("--target ec2: EC2 metadata names no private DNS name for this host; leave the flag out")
	}
	return id, err
}

// lookUp returns the addresses that DNS knows of a name, none where it says that there are none.
func lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name+".")
	for i := range found {
		found[i] = found[i].Unmap()
	}
	if none := (*net.DNSError)(nil); errors.As(err, &none) && none.IsNotFound {
		return nil, nil
	}
	return found, err
}

// tasks returns what the ECS agent of this host knows, by container ID.
func tasks(ctx context.Context, introspection *host.Introspection) (map[string]agent.Task, error) {
	found, err := introspection.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]agent.Task{}
	for _, task := range found {
		for _, c := range task.Containers {
			byID[c.DockerID] = agent.Task{
				Address:  c.Address,
				Restarts: c.Restarts,
				Stopping: task.DesiredStatus == "STOPPED",
			}
		}
	}
	return byID, nil
}

type agentCommand struct{}

// Help is printed by ecssd agent --help.
func (agentCommand) Help() string {
	return `Follows Docker's events and keeps the records of this host in step with its containers. What it needs and cannot have yet,
Docker, the zone or AWS, it waits for; its log and /readyz at --listen say so. SIGTERM or Ctrl-C ends it with status 0, and the
records stay, so that an upgrade interrupts nothing: ecssd deregister removes them.

    sudo ecssd agent --zone-id Z0123456789ABCDEFGHIJ
    sudo ecssd agent --allow-names 'web.*' --max-weight 10       # where tenants share hosts
    sudo ecssd agent --instance-id host-1 --host-ip 10.0.0.1     # outside EC2

It is mostly run as a service, with settings from /etc/ecssd/ecssd.conf: systemctl start ecssd. The exit status is 2 if the
settings are wrong, and 1 if another ecssd process uses the state directory.`
}

func (agentCommand) Run(ctx context.Context, s *Settings, std streams) (err error) {
	go footprint.Keep(ctx)
	p, err := assemble(ctx, s, std)
	if err != nil {
		return err
	}
	defer func() {
		if closing := p.close(); closing != nil { // which does not make a failure of an end that was asked for
			p.log.WithError(closing).
				Error("cannot write the journal; " +
					"records of containers that end before the next start will be found late")
		}
	}()
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	serving.Go(func() {
		web.Serve(ctx, web.Config{
			Addr:      s.Listen,
			Registry:  p.registry,
			Readiness: p.health,
			State:     p.agent.State,
			Log:       p.log,
		})
	})
	serving.Go(func() { notifyStatus(ctx, p.log, func() string { return statusLine(p.agent.State()) }) })
	return p.agent.Run(ctx)
}

type syncCommand struct{}

// Help is printed by ecssd sync --help.
func (syncCommand) Help() string {
	return `Does the agent's work once: looks at the containers, writes and removes records of this host accordingly, and ends. Where the
state directory holds no journal yet it lists the zone too, and replaces what the agent of 2016 has written of these containers.
No agent may run meanwhile.

    sudo ecssd sync
    sudo ecssd sync && sudo systemctl start ecssd     # when moving over from the agent of 2016

The exit status is 0 if the zone is in step, and 1 if it is not within a minute, or Route 53 refuses a part.`
}

func (syncCommand) Run(ctx context.Context, s *Settings, std streams) error {
	return once(ctx, s, std, (*agent.Agent).Sync, func(p *parts) string {
		state := p.agent.State()
		return fmt.Sprintf("In step: %s (%s) has %s and %s of this host; %d written, %d removed.",
			state.Zone.Name, state.Zone.ID,
			several(state.Counts.SRV, "SRV record"), several(state.Counts.A, "A record"),
			p.changed.written.Load(), p.changed.removed.Load())
	})
}

type deregisterCommand struct{}

// Help is printed by ecssd deregister --help.
func (deregisterCommand) Help() string {
	return `Removes the records of this host from each zone in its journal; where there is no journal it lists the zone to find them. It
stops no container and needs no Docker. Stop the agent first: while it runs this is refused, and when it starts again it writes
the records again. When the host goes down, ecssd-deregister.service does this by itself.

    sudo systemctl stop ecssd
    sudo ecssd deregister

To keep consumers away for a while ecssd standby is enough. It tries for a minute. The exit status is 0 if all the records are
gone, else 1.`
}

func (deregisterCommand) Run(ctx context.Context, s *Settings, std streams) error {
	return once(ctx, s, std, (*agent.Agent).Deregister, func(p *parts) string {
		if n := p.changed.removed.Load(); n > 0 {
			return several(int(n), "record") + " of this host removed."
		}
		return "This host has no records: nothing to remove."
	})
}

// several returns a number of things in words: "1 record", "2 records".
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// once does one thing within onceTimeout, and prints its result.
func once(
	ctx context.Context,
	s *Settings,
	std streams,
	work func(*agent.Agent, context.Context) error,
	result func(*parts) string,
) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, onceTimeout, fmt.Errorf("not done within %s", onceTimeout))
	defer cancel()
	p, err := assemble(ctx, s, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := work(p.agent, ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.Out, result(p))
	return err
}
