package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ecssd/ecssd/internal/demo/consumer"
)

// useDNS makes the consumer ask a DNS server instead of the system's.
func (d *demo) useDNS(address string) {
	d.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	dialer := net.Dialer{Resolver: d.resolver}
	d.http = &http.Client{ // without a proxy
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}, Timeout: 5 * time.Second,
	}
}

// get returns the answer at a URL. Any status but 200 is an error.
func (d *demo) get(ctx context.Context, url string) (string, error) {
	return d.ask(ctx, http.MethodGet, url, "")
}

// post sends a request to the sandbox's management API. Any status but 200 is an error.
func (d *demo) post(ctx context.Context, url, content string) error {
	_, err := d.ask(ctx, http.MethodPost, url, content)
	return err
}

func (d *demo) ask(ctx context.Context, method, url, content string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(content))
	if err != nil {
		return "", err
	}
	response, err := d.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}

// answers reports whether a URL answers now.
func (d *demo) answers(ctx context.Context, url string) func() bool {
	return func() bool {
		_, err := d.get(ctx, url)
		return err == nil
	}
}

// registered reports whether the zone now has a record of a container, whose ID is part of its set identifier; or has
// none, as wanted.
func (d *demo) registered(ctx context.Context, c *container, wanted bool) func() bool {
	return func() bool {
		records, err := d.get(ctx, d.records)
		return err == nil && strings.Contains(records, c.id) == wanted
	}
}

// spread looks a service up lookups times, and counts by host port what it finds.
func (d *demo) spread(ctx context.Context, service string) (map[string]int, error) {
	found := map[string]int{}
	for range lookups {
		address, err := consumer.Find(ctx, d.resolver, service)
		if err != nil {
			return nil, err
		}
		_, hostPort, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found[hostPort]++
	}
	return found, nil
}

const lookups = 100
