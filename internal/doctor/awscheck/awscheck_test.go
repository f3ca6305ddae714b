package awscheck

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/sandbox"
)

const instanceID = "i-0123456789abcdef0" // the one of the sandbox

// onEC2 is who the host is.
var onEC2 = host.Identity{
	InstanceID: instanceID,
	Region:     "eu-central-1",
	VPC:        sandbox.DefaultVPC,
	EC2:        true,
}

// look returns a look at a sandbox with static credentials, of a host with an identity.
func look(t *testing.T, id host.Identity) (*AWS, *sandbox.Server) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return New(Config{
		Metadata: host.NewMetadata(aws.Config{}),
		Identity: func(context.Context) host.Identity { return id },
		LoadAWS: func(_ context.Context, region string) (aws.Config, error) {
			return aws.Config{
				BaseEndpoint: aws.String(s.URL()),
				Region:       region,
				HTTPClient:   awshttp.NewBuildableClient(),
				Credentials:  credentials.NewStaticCredentialsProvider("k", "s", ""),
				Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
			}, nil
		},
	}), s
}

// found runs all checks, and returns the result of each.
func found(t *testing.T, a *AWS) map[string]doctor.Result {
	t.Helper()
	byCheck := map[string]doctor.Result{}
	for _, r := range doctor.Run(t.Context(), append(a.Checks(), a.Clock(func(context.Context) {}))) {
		require.NotContains(t, byCheck, r.Check)
		check := r.Check
		r.Check = ""
		byCheck[check] = r
	}
	return byCheck
}

func TestChecks(t *testing.T) {
	a, s := look(t, onEC2)
	assert.Equal(t, map[string]doctor.Result{
		"hops": doctor.Okf("metadata takes a token, and its hop limit is 1"),
		"credentials": doctor.Okf("arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/%s "+
			"(StaticCredentials)", instanceID),
		"vpc":   doctor.Okf("enableDnsSupport and enableDnsHostnames of vpc-sandbox are on"),
		"clock": doctor.Okf("this host's clock agrees with AWS's"),
	}, found(t, a))
	assert.Equal(t, 4, a.Calls())
	assert.Len(t, s.Calls(), 4)
	_, there := a.Access(t.Context())
	assert.True(t, there)
}

func TestChecksOffEC2(t *testing.T) {
	a, _ := look(t, host.Identity{InstanceID: "i-1"})
	results := found(t, a)
	assert.Equal(t, doctor.Skipf("not checked: EC2 metadata does not say which instance this is"), results["hops"])
	assert.Equal(t, doctor.Skipf("not checked: the VPC of this host is not known"), results["vpc"])
}

// An AWS that is not reached or that throttles is said to be so by each check.
func TestChecksOfCallsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		code                   string
		hops, credentials, vpc doctor.Result
	}{
		"denied": {
			"UnauthorizedOperation",
			doctor.Skipf("not checked: these credentials lack the permission ec2:DescribeInstances").
				Hintf("allow ec2:DescribeInstances to the role of this host; the agent does without"),
			doctor.Skipf("there are credentials (StaticCredentials); whose they are is not checked: " +
				"these credentials lack the permission sts:GetCallerIdentity").
				Hintf("allow sts:GetCallerIdentity to the role of this host; the agent does without"),
			doctor.Skipf("not checked: these credentials lack the permission ec2:DescribeVpcAttribute").
				Hintf("allow ec2:DescribeVpcAttribute to the role of this host; the agent does without"),
		},
		"expired": {
			"ExpiredToken",
			doctor.Skipf("not checked: ExpiredToken: The security token included in the request is expired").
				Hintf("see credentials"),
			doctor.Failf("the credentials (StaticCredentials) are refused: " +
				"ExpiredToken: The security token included in the request is expired").
				Hintf("where they come from a file or variables: renew them; else see clock, and the instance's role"),
			doctor.Skipf("not checked: ExpiredToken: The security token included in the request is expired").
				Hintf("see credentials"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, s := look(t, onEC2)
			require.NoError(t, s.AddFault(sandbox.Fault{Kind: sandbox.Fail, Code: c.code, Status: 403}))
			results := found(t, a)
			assert.Equal(t, c.hops, results["hops"])
			assert.Equal(t, c.credentials, results["credentials"])
			assert.Equal(t, c.vpc, results["vpc"])
			assert.Equal(t, doctor.OK, results["clock"].State, "an error has a date, too")
		})
	}
}

func TestChecksWithoutAWS(t *testing.T) {
	a, s := look(t, onEC2)
	require.NoError(t, s.SetListening(false))
	results := found(t, a)
	assert.Equal(t, doctor.Skipf("not checked: AWS gave no answer to compare with"), results["clock"])
	for _, check := range []string{"hops", "vpc", "credentials"} {
		assert.Equal(t, doctor.Skip, results[check].State)
		assert.Contains(t, results[check].Detail, "connection refused")
		assert.Contains(t, results[check].Hint, "let this host reach AWS: ")
	}
	assert.Positive(t, a.Calls())
}

// The clock is compared with whoever answers, after all have been asked.
func TestClockWaitsForMore(t *testing.T) {
	a, _ := look(t, onEC2)
	asked := false
	doctor.Run(t.Context(), []doctor.Check{a.Clock(func(context.Context) { asked = true })})
	assert.True(t, asked)
	assert.Equal(t, 3, a.Calls(), "one of STS and two of EC2")
}

func TestNoCredentials(t *testing.T) {
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role")
	})
	off, err := config.LoadDefaultConfig(t.Context(), config.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		config.WithCredentialsProvider(none))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		id       host.Identity
		metadata aws.Config
		hint     string
	}{
		"of a host without role": {
			onEC2, aws.Config{},
			"give the instance a role with the permissions of cloudformation/environment.cform: " +
				"aws ec2 associate-iam-instance-profile",
		},
		"of a host without metadata": {host.Identity{}, aws.Config{}, "see metadata"},
		"of a host whose metadata is switched off": {
			onEC2, off,
			"AWS_EC2_METADATA_DISABLED=true keeps the instance's role away: take it out of the environment and of " +
				"/etc/ecssd/ecssd.conf, or give credentials there",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, s := look(t, c.id)
			a.Metadata = host.NewMetadata(c.metadata)
			a.LoadAWS = func(context.Context, string) (aws.Config, error) { return aws.Config{Credentials: none}, nil }
			results := found(t, a)
			assert.Equal(t, doctor.Failf("there are no credentials: no role").Hintf("%s", c.hint),
				results["credentials"])
			if c.id.EC2 {
				assert.Equal(t, doctor.Skipf("not checked: no credentials"), results["hops"])
				assert.Equal(t, doctor.Skipf("not checked: no credentials"), results["vpc"])
			}
			_, there := a.Access(t.Context())
			assert.False(t, there)
			assert.Empty(t, s.Calls())
		})
	}
}

func TestUnreadableConfiguration(t *testing.T) {
	a, _ := look(t, onEC2)
	a.LoadAWS = func(context.Context, string) (aws.Config, error) { return aws.Config{}, errors.New("no profile x") }
	assert.Equal(t, doctor.Failf("the AWS configuration cannot be read: no profile x").
		Hintf("see AWS_CONFIG_FILE, AWS_PROFILE and the other AWS_… settings in /etc/ecssd/ecssd.conf"),
		found(t, a)["credentials"])
}

// A configuration without an HTTP client of its own gets one that counts.
func TestConfigurationWithoutClient(t *testing.T) {
	a, _ := look(t, onEC2)
	load := a.LoadAWS
	a.LoadAWS = func(ctx context.Context, region string) (aws.Config, error) {
		assert.Equal(t, "eu-central-1", region)
		config, err := load(ctx, region)
		config.HTTPClient = nil
		return config, err
	}
	assert.Equal(t, doctor.OK, found(t, a)["credentials"].State)
	assert.Equal(t, 4, a.Calls())
}
