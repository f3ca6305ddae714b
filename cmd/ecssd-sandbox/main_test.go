package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// TestMain makes the test binary the command, so that a real process can be watched, and a Lambda function of it.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(func(event json.RawMessage) (map[string]string, error) {
			return map[string]string{"own": os.Getenv("OWN"), "api": os.Getenv("AWS_ENDPOINT_URL")}, nil
		})
	}
	if os.Getenv("BE_ECSSD_SANDBOX") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "BE_ECSSD_SANDBOX=1")
	return c
}

func TestServesUntilASignal(t *testing.T) {
	engine := enginetest.NewOwn(t) // that no other test keeps busy
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			c := command("--listen=127.0.0.1:0", "--dns=127.0.0.1:0", "--manage=127.0.0.1:0", "--zone=a.internal",
				"--zone=b.internal",
				"--public-zone=example.com", "--vpc=vpc-7", "--region=eu-west-1", "--account=210987654321", "--engine")
			c.Env = append(c.Env, "DOCKER_HOST="+engine.Host())
			var failed bytes.Buffer
			c.Stderr = &failed
			output, err := c.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, c.Start())
			t.Cleanup(func() { _ = c.Process.Kill() }) // where the test failed before the signal
			told := map[string]string{}
			lines := bufio.NewScanner(output)
			for lines.Scan() && !strings.Contains(lines.Text(), "example.com.") {
				name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
				if rest, ok := strings.CutPrefix(name, "# "); ok {
					name, value, _ = strings.Cut(rest, ": ")
				}
				told[name] = value
			}
			if told["AWS_ENDPOINT_URL"] == "" {
				require.NoError(t, c.Wait(), "%s", &failed)
			}
			client := route53.New(route53.Options{BaseEndpoint: aws.String(told["AWS_ENDPOINT_URL"]),
				Region: told["AWS_REGION"],
				Credentials: credentials.NewStaticCredentialsProvider(told["AWS_ACCESS_KEY_ID"],
					told["AWS_SECRET_ACCESS_KEY"], "")})
			zone, err := client.GetHostedZone(t.Context(),
				&route53.GetHostedZoneInput{Id: aws.String(told["private hosted zone b.internal."])})
			require.NoError(t, err)
			require.Len(t, zone.VPCs, 1)
			assert.Equal(t, "vpc-7", *zone.VPCs[0].VPCId)
			assert.Equal(t, []string{
				"eu-west-1",
				"eu-west-1",
			}, []string{
				told["AWS_REGION"],
				told["AWS_DEFAULT_REGION"],
			})
			who, err := sts.New(sts.Options{BaseEndpoint: aws.String(told["AWS_ENDPOINT_URL"]), Region: "eu-west-1",
				Credentials: credentials.NewStaticCredentialsProvider(
					"k",
					"s",
					"",
				)}).GetCallerIdentity(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, "210987654321", *who.Account)
			answer, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("a.internal.", dns.TypeSOA),
				told["DNS"])
			require.NoError(t, err)
			assert.Len(t, answer.Answer, 1)
			assert.Contains(t, told["management"], "http://127.0.0.1:")

			require.NoError(t, c.Process.Signal(signal))
			assert.NoError(t, c.Wait(), "exit status 0, which it is not after a data race either")
		})
	}
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stdout string
		stderr string
	}{
		{"help", []string{"--help"}, 0, "Usage: ecssd-sandbox", ""},
		{"examples", []string{"--help"}, 0, "\n    ecssd-sandbox --engine ", ""},
		{"unknown flag", []string{"--odd"}, 2, "", "unknown flag --odd"},
		{"unknown argument", []string{"odd"}, 2, "", "unexpected argument odd"},
		{"unknown policy", []string{"--throttle=slow"}, 2, "", `find throttle policy "slow"`},
		{"bad zone name", []string{"--listen=127.0.0.1:0", "--dns=127.0.0.1:0", "--manage=127.0.0.1:0",
			"--zone=a..b"}, 2, "", "DomainLabelEmpty"},
		{"no Engine", []string{"--listen=127.0.0.1:0", "--dns=127.0.0.1:0", "--manage=127.0.0.1:0", "--engine"}, 1, "",
			"list containers"},
		{"address of another host", []string{"--listen=192.0.2.1:1"}, 1, "", "listen for the API"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := command(test.args...)
			c.Env = append(c.Env, "DOCKER_HOST=unix:///nowhere/docker.sock")
			var stdout, stderr bytes.Buffer
			c.Stdout, c.Stderr = &stdout, &stderr
			_ = c.Run() // the status says all
			assert.Equal(t, test.status, c.ProcessState.ExitCode())
			assert.Contains(t, stdout.String(), test.stdout)
			assert.Contains(t, stderr.String(), test.stderr)
			assert.NotContains(t, stderr.String(), "DATA RACE")
		})
	}
}
