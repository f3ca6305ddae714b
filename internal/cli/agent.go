package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/sirupsen/logrus"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/docker"
	"github.com/ecssd/ecssd/internal/footprint"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/route53"
	"github.com/ecssd/ecssd/internal/statedir"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/web"
)

const (
	// verifyEvery is how often a page of the zone with own records is read back.
	verifyEvery = 15 * time.Minute
	// onceTimeout is how long a command that works once tries.
	onceTimeout = time.Minute
)

// parts is everything that an agent is made of.
type parts struct {
	log       *logrus.Entry
	registry  *prometheus.Registry
	readiness *agent.Readiness
	metrics   *agent.Metrics
	engine    *docker.Engine
	journal   *journal.Journal
	agent     *agent.Agent
	tellers   tellers
}

// prepare makes what needs nobody's answer.
func prepare(s *Settings, std streams) (*parts, error) {
	engine, err := docker.New(s.DockerHost)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--docker-host: %w", err)}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(s.version),
	)
	readiness := &agent.Readiness{}
	readiness.Register(registry)
	return &parts{
		log:       s.logger(std.Err),
		registry:  registry,
		readiness: readiness,
		metrics:   agent.NewMetrics(registry),
		engine:    engine,
	}, nil
}

// buildInfo is a metric that says which version this is, by its label.
func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ecssd_build_info", Help: "Always 1; the label is the version of ecssd.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}

// assemble waits for what the agent cannot be without, who this host is, and makes the agent.
func (p *parts) assemble(ctx context.Context, s *Settings) error {
	metadata, err := openMetadata(ctx, s)
	if err != nil {
		return err
	}
	var id host.Identity
	err = agent.Await(ctx, p.log, p.readiness, "identity", func(ctx context.Context) (err error) {
		id, err = identify(ctx, metadata, s)
		return err
	})
	if err != nil {
		return fmt.Errorf("find out who this host is: %w", err)
	}
	awsConfig, err := loadAWS(ctx, s, metadata, id.Region)
	if err != nil {
		return err
	}
	policy, err := s.policy()
	if err != nil {
		return UsageError{err}
	}
	boot, err := host.BootID()
	if err != nil {
		p.log.WithError(err).Warn("a reboot of this host cannot be told from a restart of the agent")
	}
	p.journal, err = journal.Open(s.StateDir, id.InstanceID, boot)
	if errors.Is(err, statedir.ErrLocked) {
		return fmt.Errorf("%w: stop it first (systemctl stop ecssd)", err)
	} else if err != nil {
		return err
	}
	if notice := p.journal.Notice(); notice != "" {
		p.log.Warn(notice)
	}
	if err := p.journal.Err(); err != nil {
		p.log.WithError(err).
			Error("the journal cannot be written: records of containers that end while the agent does not run will be found late")
	}
	client := route53.New(awsConfig)
	introspection := host.NewIntrospection(host.IntrospectionURL)
	notices := metadata
	if !id.EC2 {
		notices = nil
	}
	p.agent = agent.New(agent.Config{
		Owner:    s.owner(id),
		ZoneName: s.Zone,
		ZoneID:   s.ZoneID,
		TTL:      s.TTL,
		Policy:   policy,
		Engine:   p.engine,
		Tasks:    func(ctx context.Context) (map[string]agent.Task, error) { return tasks(ctx, introspection) },
		FindZone: func(ctx context.Context) (string, error) {
			zone, err := client.FindZone(ctx, s.Zone, id.VPC)
			return zone.ID, err
		},
		OpenZone:    func(id string) agent.Zone { return client.Zone(id) },
		Journal:     p.journal,
		Suspended:   host.Suspended,
		HostStandby: hostStandby(s.StateDir, id.InstanceID, notices),
		Resync:      s.Resync,
		VerifyEvery: verifyEvery,
		LookUp:      lookUp,
		Log:         p.log,
		Readiness:   p.readiness,
		Metrics:     p.metrics,
		OnEvent:     p.tellers.start(ctx, s.EventBus, id.InstanceID, awsConfig, p.registry, p.log),
		Following:   func() { notify(p.log, daemon.SdNotifyReady) },
		Alive:       func() { notify(p.log, daemon.SdNotifyWatchdog) },
	})
	p.log.WithFields(logrus.Fields{
		"version": s.version, "instance_id": id.InstanceID, "address": id.Address.String(), "zone": s.Zone,
	}).Info("this is the host")
	return nil
}

// close gives up what prepare and assemble took.
func (p *parts) close() error {
	p.tellers.stop()
	var err error
	if p.journal != nil {
		err = p.journal.Close()
	}
	return errors.Join(err, p.engine.Close())
}

func identify(ctx context.Context, metadata *host.Metadata, s *Settings) (host.Identity, error) {
	id, err := metadata.Identify(ctx, host.Given{InstanceID: s.InstanceID, Address: s.address()})
	if err == nil && s.Target == "ec2" && id.PrivateDNSName == "" {
		err = errors.New("--target ec2: EC2 metadata names no private DNS name for this host; leave the flag out")
	}
	return id, err
}

// lookUp gives the addresses that DNS knows of a name, none where it says that there are none.
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

// tasks tells what the ECS agent of this host knows, by container ID.
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
	p, err := prepare(s, std)
	if err != nil {
		return err
	}
	defer func() {
		if closing := p.close(); closing != nil { // which does not make a failure of an end that was asked for
			p.log.WithError(closing).
				Error("cannot save the journal: records of containers that end before the next start will be found late")
		}
	}()
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running atomic.Pointer[agent.Agent]
	listener := web.Config{
		Addr:      s.Listen,
		Registry:  p.registry,
		Readiness: p.readiness,
		State: func() status.State {
			return web.StateOf(s.version, s.Zone, p.readiness.Missing(), running.Load(), time.Now())
		},
		Log: p.log,
	}
	serving.Go(func() { web.Serve(ctx, listener) })
	serving.Go(func() { notifyStatus(ctx, p.log, func() string { return statusLine(p.readiness, running.Load()) }) })
	if err := p.assemble(ctx, s); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	running.Store(p.agent)
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
	return once(ctx, s, std, (*agent.Agent).Sync)
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
	return once(ctx, s, std, (*agent.Agent).Deregister)
}

// once does one thing within onceTimeout.
func once(ctx context.Context, s *Settings, std streams, work func(*agent.Agent, context.Context) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, onceTimeout, fmt.Errorf("not done within %s", onceTimeout))
	defer cancel()
	p, err := prepare(s, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.assemble(ctx, s); err != nil {
		return err
	}
	return work(p.agent, ctx)
}
