package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

type resolveCommand struct {
	Name   string `arg:"" help:"A service (time), or a full name (time.servicediscovery.internal)."`
	Server string `help:"Address and port of the DNS server to ask; the system's where not given." placeholder:"ADDRESS:PORT"`
}

// Help is printed by ecssd resolve --help.
func (resolveCommand) Help() string {
	return `Looks up the SRV records of the name and the addresses of their targets. A name answers with one container at a time, chosen
by weight: repeat the command to see others. It asks DNS alone, which may be up to a minute behind a change, and resolvers in
between may cache an answer. ecssd ls shows what the zone holds.

    ecssd resolve time
    ecssd resolve time.servicediscovery.internal
    ecssd resolve time --server 169.254.169.253:53     # the VPC's resolver, without this host's cache

The exit status is 1 if the name or the address of its target is not found, or no answer comes within 10 seconds.`
}

func (c resolveCommand) Run(ctx context.Context, s *Settings, std streams) error {
	resolver := net.DefaultResolver
	if c.Server != "" {
		if !listenable(c.Server) {
			return UsageError{fmt.Errorf("--server %q is not an address and port", c.Server)}
		}
		resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.Server)
		}}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	name := strings.ToLower(strings.TrimSuffix(c.Name, "."))
	if name != s.Zone && !strings.HasSuffix(name, "."+s.Zone) {
		name += "." + s.Zone
	}
	// Rooted, so that no search domain is tried.
	_, targets, err := resolver.LookupSRV(ctx, "", "", name+".")
	if err != nil {
		return fmt.Errorf("look up SRV %s: %w", name, c.of(err))
	}
	for _, target := range targets {
		addresses, err := resolver.LookupNetIP(ctx, "ip4", target.Target)
		if err != nil {
			return fmt.Errorf("look up the target of %s, %s: %w", name, target.Target, c.of(err))
		}
		for _, address := range addresses {
			_, err := fmt.Fprintf(std.Out, "%s:%d\t%s\tpriority %d, weight %d\n", address.Unmap(), target.Port,
				strings.TrimSuffix(target.Target, "."), target.Priority, target.Weight)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// of returns the error of a look-up with the server that was asked. Package net names the one in /etc/resolv.conf,
// whatever Dial dials.
func (c resolveCommand) of(err error) error {
	var failed *net.DNSError
	if c.Server != "" && errors.As(err, &failed) {
		failed.Server = c.Server
	}
	return err
}
