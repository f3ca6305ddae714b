package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCause(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"an answer of AWS": {
			fmt.Errorf("list zones: %w", &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}),
			"AccessDenied: no",
		},
		"a deadline":            {fmt.Errorf("ask: %w", context.DeadlineExceeded), NoAnswer},
		"the metadata client's": {errors.New("get: net/http: timeout awaiting response headers"), NoAnswer},
		"a connection": {
			fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
			"dial tcp: connection refused",
		},
		"anything else": {errors.New("odd"), "odd"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, Cause(c.err)) })
	}
}

func TestCauseOfRequests(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	_, err := (&http.Client{Timeout: time.Millisecond}).Get(server.URL)
	require.Error(t, err)
	assert.Equal(t, NoAnswer, Cause(err))
	_, err = http.Get("odd://server")
	require.Error(t, err)
	assert.Equal(t, `unsupported protocol scheme "odd"`, Cause(err))
}
