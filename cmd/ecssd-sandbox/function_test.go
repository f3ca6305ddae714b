package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/patience"
)

// manage sends a request to the management API, and reads its answer.
func manage(t *testing.T, method, url, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, string(text))
	require.NoError(t, json.Unmarshal(text, into))
}

type invocation struct {
	Source  string
	Event   struct{ Records []struct{ Body string } }
	Payload map[string]string
}

func TestTheFunctionIsInvokedByScheduleByQueueAndByHand(t *testing.T) {
	c := command("--listen=127.0.0.1:0", "--dns=127.0.0.1:0", "--manage=127.0.0.1:0", "--function="+os.Args[0],
		"--function-env=OWN=a=b,c", "--function-memory=1024", "--function-schedule=1s", "--function-queue=states")
	var log strings.Builder
	c.Stderr = &log // complete when the process has ended
	output, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // where the test failed before the signal
	var api, management string
	lines := bufio.NewScanner(output)
	for management == "" && lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "export AWS_ENDPOINT_URL="); ok {
			api = rest
		}
		if rest, ok := strings.CutPrefix(lines.Text(), "# management: "); ok {
			management = rest
		}
	}
	var result struct{ Payload map[string]string }
	manage(t, "POST", management+"/function/invocations", `{"dryRun": true}`, &result)
	assert.Equal(t, map[string]string{"own": "a=b,c", "api": api}, result.Payload)

	_, err = ec2.New(ec2.Options{
		BaseEndpoint: &api,
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("k", "s", ""),
	}).TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
	require.NoError(t, err)
	seen := map[string]bool{}
	patience.Eventually(t, "an invocation of each kind, and both states", func() bool {
		var all []invocation
		manage(t, "GET", management+"/function/invocations", "", &all)
		for _, i := range all {
			seen[i.Source] = true
			for _, r := range i.Event.Records {
				for _, state := range []string{"shutting-down", "terminated"} {
					seen[state] = seen[state] || strings.Contains(r.Body, `"state":"`+state+`"`)
				}
			}
		}
		return len(seen) == 5 && seen["terminated"] && seen["shutting-down"]
	})
	for _, what := range []string{"invoke", "schedule", "states", "shutting-down", "terminated"} {
		assert.True(t, seen[what], what)
	}
	var function struct {
		Mappings []struct{ Queue string }
	}
	manage(t, "GET", management+"/function", "", &function)
	assert.Equal(t, "states", function.Mappings[0].Queue)

	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
	assert.Contains(t, log.String(), "\nREPORT RequestId: ")
	assert.NotContains(t, log.String(), "DATA RACE")
}
