package awscheck

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/ecssd/ecssd/internal/awserr"
	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

// access is the way to AWS.
type access struct {
	config aws.Config
	source string         // of the credentials
	failed *doctor.Result // why there is no way; nil where there is one
}

func (a *AWS) lookForAccess(ctx context.Context) access {
	return a.access.Get(func() access {
		region := a.Identity(ctx).Region
		limited, cancel := doctor.Limit(ctx)
		defer cancel()
		config, err := a.LoadAWS(limited, region)
		if err != nil {
			r := doctor.Failf("the AWS configuration cannot be read: %v", err).
				Hintf("see AWS_CONFIG_FILE, AWS_PROFILE and the other AWS_… settings in /etc/ecssd/ecssd.conf")
			return access{failed: &r}
		}
		found, err := config.Credentials.Retrieve(limited)
		if err != nil {
			r := a.noCredentials(ctx, err)
			return access{failed: &r}
		}
		a.wire.next = config.HTTPClient
		if a.wire.next == nil {
			a.wire.next = awshttp.NewBuildableClient()
		}
		config.HTTPClient = &a.wire
		return access{config: config, source: found.Source}
	})
}

func (a *AWS) noCredentials(ctx context.Context, err error) doctor.Result {
	r := doctor.Failf("there are no credentials: %s", doctor.Cause(err))
	switch {
	case a.Metadata.Off():
		return r.Hintf("AWS_EC2_METADATA_DISABLED=true keeps the instance's role away: take it out of the " +
			"environment " +
			"and of /etc/ecssd/ecssd.conf, or give credentials there")
	case a.Identity(ctx).InstanceID == "": // the metadata, which hands them out, does not answer
		return r.Hintf("see metadata")
	}
	return r.Hintf("give the instance a role with the permissions of cloudformation/environment.cform: " +
		"aws ec2 associate-iam-instance-profile")
}

// checkCaller asks STS whose the credentials are. It takes no permission, but a way to STS.
func (a *AWS) checkCaller(ctx context.Context) doctor.Result {
	return a.caller.Get(func() doctor.Result {
		way := a.lookForAccess(ctx)
		if way.failed != nil {
			return *way.failed
		}
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		arn, err := inventory.NewCaller(way.config).ARN(ctx)
		switch {
		case err == nil:
			return doctor.Okf("%s (%s)", arn, way.source)
		case ClassOf(err) == awserr.Credentials:
			return doctor.Failf("the credentials (%s) are refused: %s", way.source, doctor.Cause(err)).
				Hintf("where they come from a file or variables: renew them; else see clock, and the instance's role")
		}
		r := Optional("sts:GetCallerIdentity", err)
		r.Detail = "there are credentials (" + way.source + "); whose they are is " + r.Detail
		return r
	})
}
