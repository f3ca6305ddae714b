package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/demo/consumer"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// story is what the demo shows, until a step fails or ctx ends.
func (d *demo) story(ctx context.Context) error {
	for _, step := range []struct {
		heading string
		show    func(context.Context) error
	}{
		{"Build a service's image, from nothing but a Go program", d.buildImage},
		{"Start ecssd-sandbox in place of Route 53, its DNS and EC2 metadata", d.startSandbox},
		{"Start the agent, pointed at the sandbox by the AWS SDK's own variables", d.startAgent},
		{"Run two containers of time and one of calc, labelled as ECS does it", d.runServices},
		{"Look the names up in DNS, as a consumer does, and call what is found", d.consume},
		{"Two quiet seconds later, stop one: it drains for " + drain.String() + ", serving", d.stopOne},
		{"A second host has died whole, and its records are left: sweep them", d.sweepHost},
	} {
		heading(step.heading)
		if err := step.show(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) buildImage(ctx context.Context) error {
	if err := d.prepare(ctx); err != nil {
		return err
	}
	begun := time.Now()
	image, err := enginetest.BuildImage(ctx, d.engine)
	d.image = image
	say("image %s, in %s", image, since(begun))
	return err
}

func (d *demo) startSandbox(ctx context.Context) (err error) {
	if d.address, err = ownAddress(); err != nil {
		return err
	}
	const free = "127.0.0.1:0"
	d.sandbox, err = d.start("ecssd-sandbox", "--listen", free, "--dns", free, "--manage", free, "--host-ip", d.address)
	if err != nil {
		return err
	}
	const zone = "# private hosted zone servicediscovery.internal.: "
	ready := func() bool { return strings.Contains(d.sandbox.output(), zone) }
	if err := await(ctx, "the sandbox is ready", ready); err != nil {
		return err
	}
	var id string
	for line := range strings.Lines(d.sandbox.output()) {
		line = strings.TrimSpace(line)
		if variable, ok := strings.CutPrefix(line, "export "); ok {
			d.environment = append(d.environment, variable)
		}
		for prefix, value := range map[string]*string{"# DNS: ": &d.dns, "# management: ": &d.manage, zone: &id} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				*value = rest
			}
		}
	}
	d.records = d.manage + "/zones/" + id + "/records"
	d.useDNS(d.dns)
	say("DNS of servicediscovery.internal at %s", d.dns)
	return nil
}

// ownAddress returns an address of this machine at which published ports of containers answer: any but loopback.
func ownAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", errors.New("find an IPv4 address of this machine: it has none but loopback")
}

func (d *demo) startAgent(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	d.listen = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return fmt.Errorf("free port %s: %w", d.listen, err)
	}
	say("$ ecssd agent")
	begun := time.Now()
	d.agent, err = d.start(
		"ecssd",
		"agent",
		"--listen",
		d.listen,
		"--state-dir",
		d.dir,
		"--allow-names",
		d.prefix+"(time|calc)",
	)
	if err != nil {
		return err
	}
	err = await(ctx, "the agent is ready", d.answers(ctx, "http://"+d.listen+"/readyz"))
	say("ready in %s", since(begun))
	return err
}

func (d *demo) runServices(ctx context.Context) error {
	for _, want := range []struct {
		service string
		weight  int
	}{{"time", 3}, {"time", 1}, {"calc", 1}} {
		c, err := d.run(ctx, d.prefix+want.service, want.weight)
		if err != nil {
			return fmt.Errorf("run a container of %s: %w", want.service, err)
		}
		d.containers = append(d.containers, c)
		if err := await(ctx, c.id+" is registered", d.registered(ctx, c, true)); err != nil {
			return err
		}
		say("%s, weight %d, runs as %s: in DNS %s after its start", c.service, c.weight, c.id, since(c.started))
		if err := await(ctx, c.id+" answers", d.answers(ctx, d.url(c))); err != nil {
			return err
		}
	}
	return d.show(ctx, "ls")
}

func (d *demo) consume(ctx context.Context) error {
	for _, name := range []string{"time", "time", "calc"} {
		service := d.prefix + name
		address, err := consumer.Find(ctx, d.resolver, service)
		if err != nil {
			return err
		}
		answer, err := d.get(ctx, "http://"+address)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(answer, service+" ") {
			return fmt.Errorf("call %s at %s: %q answers", service, address, answer)
		}
		say("%s is at %s: %q", service, address, answer)
	}
	found, err := d.spread(ctx, d.prefix+"time")
	if err != nil {
		return err
	}
	for _, c := range d.containers[:2] {
		say("%d of %d look-ups of %s give %s, of weight %d", found[c.hostPort], lookups, c.service, c.id, c.weight)
		if found[c.hostPort] == 0 {
			return fmt.Errorf("look %s up %d times: container %s is never found", c.service, lookups, c.id)
		}
	}
	return nil
}

func (d *demo) stopOne(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second): // while a host is busy the agent gathers changes, for half a second at most
	}
	c := d.containers[0]
	signalled := time.Now()
	if err := d.engine.ContainerKill(ctx, c.id, "SIGTERM"); err != nil {
		return fmt.Errorf("send container %s the stop signal: %w", c.id, err)
	}
	if err := await(ctx, c.id+" is no longer registered", d.registered(ctx, c, false)); err != nil {
		return err
	}
	say("%s is out of DNS %s after its stop signal", c.id, since(signalled))
	found, err := d.spread(ctx, c.service)
	if err != nil {
		return err
	}
	say("%d of %d look-ups of %s give it", found[c.hostPort], lookups, c.service)
	if found[c.hostPort] > 0 {
		return fmt.Errorf("look %s up: container %s is found, though it stops", c.service, c.id)
	}
	answer, err := d.get(ctx, d.url(c))
	if err != nil {
		return fmt.Errorf("call container %s while it drains: %w", c.id, err)
	}
	say("who had found it before is still served, after %s: %q", since(signalled), answer)
	return d.show(ctx, "ls")
}

// sweepHost makes a host terminated in the sandbox's EC2, puts the records into the zone that its agent has left,
// and sweeps.
func (d *demo) sweepHost(ctx context.Context) error {
	const id, zone = "i-0fedcba9876543210", ".servicediscovery.internal"
	if err := d.post(ctx, d.manage+"/fleet", `{"instances": [{"id": "`+id+`", "state": "terminated"}]}`); err != nil {
		return err
	}
	err := d.post(ctx, d.records, `[
		{"type": "A", "name": "ip-10-99-0-1`+zone+`", "setIdentifier": "`+id+`:host:123456789012/eu-central-1", "weight": 1, "values": ["10.99.0.1"]},
		{"type": "SRV", "name": "`+d.prefix+`time`+zone+`", "setIdentifier": "`+id+`:ecs:`+strings.Repeat("dead", 16)+`:8080/tcp", "weight": 1,
		 "values": ["1 1 32768 ip-10-99-0-1`+zone+`"]}]`)
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"ls"}, {"sweep", "--log-level", "warn"}, {"ls"}} {
		if err := d.show(ctx, args...); err != nil {
			return err
		}
	}
	left, err := d.get(ctx, d.records)
	if err == nil && strings.Contains(left, id) {
		err = errors.New("sweep: records of the host that died are left")
	}
	return err
}

// playOn prints how to go on by hand, and waits for Ctrl-C.
func (d *demo) playOn(ctx context.Context) {
	heading("Play on in a browser and in another terminal. Ctrl-C here ends it")
	fmt.Printf(
		"the agent:                         http://%s/\nthe sandbox, with faults to play:  %s/\n",
		d.listen,
		d.manage,
	)
	for _, variable := range append(slices.Clone(d.environment), `PATH="`+d.bin+`:$PATH"`) {
		fmt.Println("export", variable)
	}
	fmt.Printf("ecssd ls\necssd resolve %stime --server %s\ncurl http://%s/readyz\n", d.prefix, d.dns, d.listen)
	<-ctx.Done()
	fmt.Println()
}
