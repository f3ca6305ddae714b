package gate

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox/fault"
	"github.com/ecssd/ecssd/internal/sandbox/history"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
)

// counter is an API with one operation, which counts its calls.
type counter struct{ calls int }

func (c *counter) Understand(r *http.Request, _ []byte, record *history.Call) (*Call, *Failure) {
	record.Operation = "Count"
	if r.Header.Get("Odd") != "" {
		return nil, Refuse(400, "Odd", "an odd request")
	}
	return &Call{
		Fault:    fault.Call{Operation: "Count"},
		Bucket:   "Count",
		Denial:   "not allowed",
		Changing: true,
		Perform: func(string) (Answer, *Failure) {
			c.calls++
			return JSON(200, map[string]int{"calls": c.calls}), nil
		},
	}, nil
}

func (c *counter) Refuse(f *Failure, _, _ string) Answer { return RefuseJSON(f) }

func serve(t *testing.T, faults ...fault.Fault) (g *Gate, c *counter, url string) {
	t.Helper()
	c = &counter{}
	g = &Gate{
		Limiter:    throttle.New(throttle.Policy{Account: throttle.Bucket{Burst: 2}}),
		Throttling: "ThrottlingException",
		Faults:     fault.NewSet(rand.New(rand.NewPCG(1, 1))),
		Log:        &history.Log{},
		Now:        time.Now,
	}
	require.NoError(t, g.Faults.Replace(faults...))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.Serve(w, r, c) }))
	t.Cleanup(s.Close)
	return g, c, s.URL
}

func TestAFaultTakesEffectBeforeOrAfterTheCall(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   fault.Fault
		status  int // 0: no answer
		applied bool
		code    string
	}{
		{
			name:    "none",
			fault:   fault.Fault{Kind: fault.Delay, Latency: time.Nanosecond},
			status:  200,
			applied: true,
		},
		{
			name:   "denied",
			fault:  fault.Fault{Kind: fault.Fail, Code: "AccessDeniedException"},
			status: 400,
			code:   "AccessDeniedException",
		},
		{name: "reset before", fault: fault.Fault{Kind: fault.Reset}},
		{name: "lost after", fault: fault.Fault{Kind: fault.Lose}, applied: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, c, url := serve(t, test.fault)
			response, err := http.Post(url, "text/plain", strings.NewReader("body"))
			if test.status == 0 {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				assert.Equal(t, test.status, response.StatusCode)
			}
			calls := g.Log.Calls()
			require.Len(t, calls, 1)
			assert.Equal(t, test.status, calls[0].Status)
			assert.Equal(t, test.applied, calls[0].Applied)
			assert.Equal(t, test.code, calls[0].Code)
			assert.Equal(t, test.applied, c.calls == 1)
		})
	}
}

func TestTheWordsOfADenialAreTheServices(t *testing.T) {
	g, _, url := serve(t, fault.Fault{Kind: fault.Fail, Code: "AccessDeniedException"})
	response, err := http.Post(url, "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, "not allowed", g.Log.Calls()[0].Message)
}

func TestACallThatIsNotUnderstoodDrawsNoToken(t *testing.T) {
	g, c, url := serve(t)
	for range 5 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		require.NoError(t, err)
		request.Header.Set("Odd", "1")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	var codes []string
	for range 3 {
		response, err := http.Post(url, "", nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	for _, call := range g.Log.Calls() {
		codes = append(codes, call.Code)
	}
	assert.Equal(t, []string{"Odd", "Odd", "Odd", "Odd", "Odd", "", "", "ThrottlingException"}, codes)
	assert.Equal(t, 2, c.calls)
}

func TestAccessKey(t *testing.T) {
	for _, test := range []struct {
		name, header, key string
	}{
		{"signed", "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-central-1/ecs/aws4_request, SignedHeaders=host, " +
			"Signature=0", "AKID"},
		{"for another service", "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-central-1/ec2/aws4_request, " +
			"Signature=0", ""},
		{"version 2", "AWS AKID:signature", ""},
		{"no scope", "AWS4-HMAC-SHA256 Credential=AKID", ""},
		{"none", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Authorization", test.header)
			key, ok := AccessKey(r, "ecs")
			assert.Equal(t, test.key, key)
			assert.Equal(t, test.key != "", ok)
		})
	}
}
