package doctor

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/ecssd/ecssd/internal/sweep/inventory"
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

const (
	// AWS refuses a signature whose time is more than 5 minutes off ("Troubleshoot Signature Version 4", IAM user
	// guide).
	refusedSkew = 5 * time.Minute
	// Clocks that are kept differ by milliseconds.
	oddSkew = 30 * time.Second
)

func (w *wire) clock() Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.known {
		return bad("clock", Skip, "not checked: AWS gave no answer to compare with")
	}
	off, which := w.ahead, "ahead of"
	if off < 0 {
		off, which = -off, "behind"
	}
	const hint = "chronyc makestep; systemctl enable --now chronyd; AWS's own time is at 169.254.169.123"
	switch {
	case off > refusedSkew:
		return bad(
			"clock",
			Fail,
			"this host's clock is %s %s AWS's, which refuses calls signed so",
			off.Round(time.Second),
			which,
		).hint(hint)
	case off > oddSkew:
		return bad(
			"clock",
			Warn,
			"this host's clock is %s %s AWS's, which refuses calls from 5 minutes on",
			off.Round(time.Second),
			which,
		).hint(hint)
	}
	return ok("clock", "this host's clock agrees with AWS's")
}

// access is the way to AWS.
type access struct {
	config aws.Config
	source string    // of the credentials
	failed []Finding // why there is no way
}

func (d *doctor) credentials(ctx context.Context, w *wire) access {
	region := d.identity().Region
	ctx, cancel := limited(ctx)
	defer cancel()
	config, err := d.LoadAWS(ctx, region)
	if err != nil {
		f := bad("credentials", Fail, "the AWS configuration cannot be read: %v", err)
		return access{
			failed: []Finding{
				f.hint("see AWS_CONFIG_FILE, AWS_PROFILE and the other AWS_… settings in /etc/ecssd/ecssd.conf"),
			},
		}
	}
	found, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		f := bad("credentials", Fail, "there are no credentials: %s", why(err))
		switch {
		case d.Metadata.Off():
			return access{
				failed: []Finding{
					f.hint(
						"AWS_EC2_METADATA_DISABLED=true keeps the instance's role away: take it out of the environment " +
							"and of /etc/ecssd/ecssd.conf, or give credentials there",
					),
				},
			}
		case d.identity().InstanceID == "": // the metadata, of which they come
			return access{failed: []Finding{f.hint("see metadata")}}
		}
		return access{
			failed: []Finding{
				f.hint(
					"give the instance a role with the permissions of cloudformation/environment.cform: aws ec2 associate-iam-instance-profile",
				),
			},
		}
	}
	w.next = config.HTTPClient
	if w.next == nil {
		w.next = awshttp.NewBuildableClient()
	}
	config.HTTPClient = w
	return access{config: config, source: found.Source}
}

// whoCalls asks STS, for which no permission is needed, though a way to it.
func (d *doctor) whoCalls(ctx context.Context) Finding {
	const check = "credentials"
	a := d.access()
	if a.failed != nil {
		return a.failed[0]
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	arn, err := inventory.NewCaller(a.config).ARN(ctx)
	switch {
	case err == nil:
		return ok(check, "%s (%s)", arn, a.source)
	case troubleOf(err) == unauthentic:
		return bad(check, Fail, "the credentials (%s) are refused: %s", a.source, why(err)).
			hint("where they come from a file or variables: renew them; else see clock, and the instance's role")
	}
	f := optional(check, "sts:GetCallerIdentity", err)
	f.Detail = "there are some (" + a.source + "); whose is " + f.Detail
	return f
}

// lookAtHops says who on this host can take its credentials from the metadata.
func (d *doctor) lookAtHops(ctx context.Context) Finding {
	const check = "hops"
	id, a := d.identity(), d.access()
	switch {
	case !id.EC2:
		return bad(check, Skip, "not checked: EC2 metadata does not say which instance this is")
	case a.failed != nil:
		return bad(check, Skip, "not checked: no credentials")
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	access, err := inventory.NewCaller(a.config).MetadataAccess(ctx, id.InstanceID)
	hint := "aws ec2 modify-instance-metadata-options --instance-id " + id.InstanceID + " --http-tokens required --http-put-response-hop-limit 1"
	switch {
	case err != nil:
		return optional(check, "ec2:DescribeInstances", err)
	case !access.Tokens:
		return bad(
			check,
			Warn,
			"metadata is given without a token: whoever makes a process here fetch an address gets this host's credentials",
		).hint("%s", hint)
	case access.HopLimit > 1:
		return bad(
			check,
			Warn,
			"the metadata hop limit is %d: containers in a bridge can take this host's credentials",
			access.HopLimit,
		).
			hint("%s; unless the agent itself runs in one", hint)
	}
	return ok(check, "metadata takes a token, and its hop limit is 1")
}

func (d *doctor) lookAtVPC(ctx context.Context) Finding {
	const check = "vpc"
	id, a := d.identity(), d.access()
	switch {
	case id.VPC == "":
		return bad(check, Skip, "not checked: the VPC of this host is not known")
	case a.failed != nil:
		return bad(check, Skip, "not checked: no credentials")
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	support, hostnames, err := inventory.NewCaller(a.config).VPCDNS(ctx, id.VPC)
	switch {
	case err != nil:
		return optional(check, "ec2:DescribeVpcAttribute", err)
	case !support:
		return bad(
			check,
			Fail,
			"enableDnsSupport of %s is off, so that private hosted zones do not work in it",
			id.VPC,
		).
			hint("aws ec2 modify-vpc-attribute --vpc-id %s --enable-dns-support", id.VPC)
	case !hostnames:
		return bad(
			check,
			Fail,
			"enableDnsHostnames of %s is off, so that private hosted zones do not work in it",
			id.VPC,
		).
			hint("aws ec2 modify-vpc-attribute --vpc-id %s --enable-dns-hostnames", id.VPC)
	}
	return ok(check, "enableDnsSupport and enableDnsHostnames of %s are on", id.VPC)
}
