package awscheck

import (
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ecssd/ecssd/internal/doctor"
)

// wire counts the calls of AWS's APIs, and compares the clock of this host with those that answer.
type wire struct {
	next aws.HTTPClient

	mu    sync.Mutex
	calls int
	known bool
	ahead time.Duration // of this host's clock before that of AWS, as of the last answer; known to a second
}

// Do makes a call.
func (w *wire) Do(request *http.Request) (*http.Response, error) {
	began := time.Now()
	response, err := w.next.Do(request)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if err == nil {
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			w.known, w.ahead = true, began.Add(time.Since(began)/2).Sub(date)
		}
	}
	return response, err
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// skew returns how much this host's clock is ahead of AWS's, and reports whether that is known.
func (w *wire) skew() (ahead time.Duration, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ahead, w.known
}

const (
	// AWS refuses a signature whose time is more than 5 minutes off ("Troubleshoot Signature Version 4", IAM user
	// guide).
	refusedSkew = 5 * time.Minute
	// Clocks that are synchronised differ by milliseconds.
	oddSkew = 30 * time.Second
)

func judgeClock(ahead time.Duration, known bool) doctor.Result {
	if !known {
		return doctor.Skipf("not checked: AWS gave no answer to compare with")
	}
	off, which := ahead.Round(time.Second), "ahead of"
	if off < 0 {
		off, which = -off, "behind"
	}
	const hint = "chronyc makestep; systemctl enable --now chronyd; AWS's own time is at 169.254.169.123"
	switch {
	case off > refusedSkew:
		return doctor.Failf("this host's clock is %s %s AWS's, which refuses calls signed so", off, which).
			Hintf(hint)
	case off > oddSkew:
		return doctor.Warnf("this host's clock is %s %s AWS's, which refuses calls from 5 minutes on", off, which).
			Hintf(hint)
	}
	return doctor.Okf("this host's clock agrees with AWS's")
}
