// Package consumer is the example in docs/reference.md of how a program finds a service: the standard library is all it
// takes.
package consumer

import (
	"context"
	"net"
	"strconv"
	"strings"
)

// Find returns the address of one container of a service, chosen by Route 53 by weight: ask again for each connection.
func Find(ctx context.Context, r *net.Resolver, service string) (string, error) {
	_, targets, err := r.LookupSRV(ctx, "", "", service+".servicediscovery.internal.")
	if err != nil {
		return "", err
	}
	host := strings.TrimSuffix(targets[0].Target, ".")
	return net.JoinHostPort(host, strconv.Itoa(int(targets[0].Port))), nil
}
