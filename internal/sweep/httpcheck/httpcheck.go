// Package httpcheck checks containers over HTTP: GET, three attempts, any status from 200 to 399 passes. It treats
// every server as hostile: it follows no redirect, uses no proxy, and reads at most 16 KiB of header and 4 KiB of body.
// It does not decide what is checked or what a failure means.
package httpcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ecssd/ecssd/internal/backoff"
)

const (
	timeout     = 2 * time.Second
	attempts    = 3
	pause       = time.Second // between two attempts
	concurrency = 64
	maxHeader   = 16 << 10 // bytes
	maxBody     = 4 << 10  // bytes
)

// ErrUnchecked is the result of a check for which there was no time.
var ErrUnchecked = errors.New("no time left to check")

// Checker checks URLs.
type Checker struct {
	Client *http.Client
	Path   string // where a container names none of its own
}

// New returns a Checker.
func New(path string) *Checker {
	return &Checker{Path: path, Client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeader,
			Proxy:                  nil, // the containers are in the same VPC
		},
		// A redirect is an answer of the container. What it points to is not the container.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// All checks URLs, many at once, until ctx ends. It returns an error for each: nil where the check passed, ErrUnchecked
// where there was no time. It takes them in random order, so that none is always last.
func (c *Checker) All(ctx context.Context, urls []string) []error {
	errs := make([]error, len(urls))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for _, i := range rand.Perm(len(urls)) {
		group.Go(func() error {
			errs[i] = c.check(ctx, urls[i])
			return nil
		})
	}
	_ = group.Wait()
	return errs
}

// check makes requests until one passes.
func (c *Checker) check(ctx context.Context, url string) (err error) {
	for n := range attempts {
		if n > 0 {
			backoff.Sleep(ctx, pause)
		}
		if ctx.Err() != nil {
			return ErrUnchecked
		}
		if err = c.get(ctx, url); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ErrUnchecked
	}
	return err
}

// get makes one request. Its error is at most about 300 bytes long, since the container may have written part of it.
func (c *Checker) get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check: %.300s", err)
	}
	response, err := c.Client.Do(request)
	if err != nil {
		return fmt.Errorf("check: %.300s", err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxBody)
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("check %.200s: HTTP status %d", url, response.StatusCode)
	}
	return nil
}
