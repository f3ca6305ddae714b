package httpcheck_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sweep/httpcheck"
)

// Real requests to a server on loopback.
func TestAll(t *testing.T) {
	for name, test := range map[string]struct {
		answer   func(w http.ResponseWriter, r *http.Request, attempt int32)
		attempts int32
		fails    string // part of the error; empty: the check passes
	}{
		"200": {
			answer:   func(w http.ResponseWriter, _ *http.Request, _ int32) { w.WriteHeader(200) },
			attempts: 1,
		},
		"399": {
			answer:   func(w http.ResponseWriter, _ *http.Request, _ int32) { w.WriteHeader(399) },
			attempts: 1,
		},
		"400": {
			answer:   func(w http.ResponseWriter, _ *http.Request, _ int32) { w.WriteHeader(400) },
			attempts: 3,
			fails:    "HTTP status 400",
		},
		"503, and then 200": {
			answer: func(w http.ResponseWriter, _ *http.Request, attempt int32) {
				if attempt == 1 {
					w.WriteHeader(503)
				}
			},
			attempts: 2,
		},
		"a redirect passes and is not followed": {
			answer: func(w http.ResponseWriter, r *http.Request, _ int32) {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			},
			attempts: 1,
		},
		"a header of 1 MiB": {
			answer: func(w http.ResponseWriter, _ *http.Request, _ int32) {
				w.Header().Set("X", strings.Repeat("x", 1<<20))
			},
			attempts: 3,
			fails:    "check: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "GET /health?deep=1", r.Method+" "+r.URL.RequestURI())
				test.answer(w, r, asked.Add(1))
			}))
			t.Cleanup(server.Close)
			errs := httpcheck.New("/health").All(t.Context(), []string{server.URL + "/health?deep=1"})
			require.Len(t, errs, 1)
			assert.Equal(t, test.attempts, asked.Load())
			if test.fails == "" {
				assert.NoError(t, errs[0])
				return
			}
			assert.ErrorContains(t, errs[0], test.fails)
			assert.Less(t, len(errs[0].Error()), 400, "the container may have written part of the error")
		})
	}
}

// answer is a transport. It answers each request by its path, in virtual time.
type answer func(r *http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// Each error belongs to the URL at its index, in whatever order they were checked.
func TestErrorsStandAtTheIndexOfTheirURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcheck.New("/")
		c.Client.Transport = answer(func(r *http.Request) (*http.Response, error) {
			status := http.StatusOK
			if r.URL.Path == "/fails" {
				status = http.StatusInternalServerError
			}
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		})
		urls := make([]string, 200)
		for i := range urls {
			urls[i] = "http://192.0.2.1/passes"
			if i%7 == 0 {
				urls[i] = "http://192.0.2.1/fails"
			}
		}
		for i, err := range c.All(t.Context(), urls) {
			assert.Equal(t, i%7 == 0, err != nil, "%d: %v", i, err)
		}
	})
}

// A check that ctx cuts short has neither passed nor failed.
func TestUnchecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := httpcheck.New("/")
		c.Client.Transport = answer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for _, err := range c.All(ctx, slices.Repeat([]string{"http://192.0.2.1/"}, 100)) {
			assert.ErrorIs(t, err, httpcheck.ErrUnchecked)
		}
	})
}
