package awscheck

import (
	"context"

	"github.com/ecssd/ecssd/internal/doctor"
	"github.com/ecssd/ecssd/internal/sweep/inventory"
)

// checkHops reports who on this host can take its credentials from the metadata.
func (a *AWS) checkHops(ctx context.Context) doctor.Result {
	id, way := a.Identity(ctx), a.lookForAccess(ctx)
	switch {
	case !id.EC2:
		return doctor.Skipf("not checked: EC2 metadata does not say which instance this is")
	case way.failed != nil:
		return doctor.Skipf("not checked: no credentials")
	}
	ctx, cancel := doctor.Limit(ctx)
	defer cancel()
	access, err := inventory.NewCaller(way.config).MetadataAccess(ctx, id.InstanceID)
	if err != nil {
		return Optional("ec2:DescribeInstances", err)
	}
	return judgeHops(access, id.InstanceID)
}

func judgeHops(access inventory.MetadataAccess, instance string) doctor.Result {
	hint := "aws ec2 modify-instance-metadata-options --instance-id " + instance + " --http-tokens required " +
		"--http-put-response-hop-limit 1"
	switch {
	case !access.Tokens:
		return doctor.Warnf("metadata is given without a token: whoever makes a process here fetch an address gets "+
			"this host's credentials").
			Hintf("%s", hint)
	case access.HopLimit > 1:
		return doctor.Warnf("the metadata hop limit is %d: containers in a bridge can take this host's "+
			"credentials", access.HopLimit).
			Hintf("%s; unless the agent itself runs in one", hint)
	}
	return doctor.Okf("metadata takes a token, and its hop limit is 1")
}

// checkVPC looks at the two attributes of the VPC that private hosted zones need.
func (a *AWS) checkVPC(ctx context.Context) doctor.Result {
	return a.vpc.Get(func() doctor.Result {
		id, way := a.Identity(ctx), a.lookForAccess(ctx)
		switch {
		case id.VPC == "":
			return doctor.Skipf("not checked: the VPC of this host is not known")
		case way.failed != nil:
			return doctor.Skipf("not checked: no credentials")
		}
		ctx, cancel := doctor.Limit(ctx)
		defer cancel()
		support, hostnames, err := inventory.NewCaller(way.config).VPCDNS(ctx, id.VPC)
		if err != nil {
			return Optional("ec2:DescribeVpcAttribute", err)
		}
		return judgeVPC(id.VPC, support, hostnames)
	})
}

func judgeVPC(vpc string, support, hostnames bool) doctor.Result {
	switch {
	case !support:
		return doctor.Failf("enableDnsSupport of %s is off, so that private hosted zones do not work in it", vpc).
			Hintf("aws ec2 modify-vpc-attribute --vpc-id %s --enable-dns-support", vpc)
	case !hostnames:
		return doctor.Failf("enableDnsHostnames of %s is off, so that private hosted zones do not work in it", vpc).
			Hintf("aws ec2 modify-vpc-attribute --vpc-id %s --enable-dns-hostnames", vpc)
	}
	return doctor.Okf("enableDnsSupport and enableDnsHostnames of %s are on", vpc)
}
