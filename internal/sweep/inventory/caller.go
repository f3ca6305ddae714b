package inventory

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Caller asks STS and EC2 about the caller: its identity, and the instance and VPC that it runs in. No call is retried.
type Caller struct {
	identity func(context.Context, *sts.GetCallerIdentityInput,
		...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
	describeInstances func(context.Context, *ec2.DescribeInstancesInput,
		...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
	vpcAttribute func(context.Context, *ec2.DescribeVpcAttributeInput,
		...func(*ec2.Options)) (*ec2.DescribeVpcAttributeOutput, error)
}

// NewCaller returns a Caller for the region of config.
func NewCaller(config aws.Config) *Caller {
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	e := ec2.NewFromConfig(config)
	return &Caller{sts.NewFromConfig(config).GetCallerIdentity, e.DescribeInstances, e.DescribeVpcAttribute}
}

// ARN returns the ARN that the credentials belong to. It needs no permission.
func (c *Caller) ARN(ctx context.Context) (string, error) {
	answer, err := c.identity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("ask STS whose credentials these are: %w", err)
	}
	return aws.ToString(answer.Arn), nil
}

// MetadataAccess is who can read an instance's metadata, and with it at the credentials of its role.
type MetadataAccess struct {
	HopLimit int32 // 1: processes of the host and containers on its network; 2: those in a bridge too
	Tokens   bool  // a session token is required (IMDSv2)
}

// MetadataAccess asks EC2 about one instance; it needs the permission ec2:DescribeInstances.
func (c *Caller) MetadataAccess(ctx context.Context, instance string) (MetadataAccess, error) {
	answer, err := c.describeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{instance}})
	if err != nil {
		return MetadataAccess{}, fmt.Errorf("describe instance %s: %w", instance, err)
	}
	for _, r := range answer.Reservations {
		for _, i := range r.Instances {
			if o := i.MetadataOptions; aws.ToString(i.InstanceId) == instance && o != nil {
				return MetadataAccess{
					aws.ToInt32(o.HttpPutResponseHopLimit),
					o.HttpTokens == types.HttpTokensStateRequired,
				}, nil
			}
		}
	}
	return MetadataAccess{}, fmt.Errorf("describe instance %s: EC2 does not say who can get at its metadata", instance)
}

// VPCDNS reports whether a VPC has the two attributes that private hosted zones need ("Considerations when working with
// a private hosted zone", Route 53 developer guide). It makes two calls and needs the permission
// ec2:DescribeVpcAttribute.
func (c *Caller) VPCDNS(ctx context.Context, vpc string) (support, hostnames bool, err error) {
	answer, err := c.vpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{
		VpcId:     &vpc,
		Attribute: types.VpcAttributeNameEnableDnsSupport,
	})
	if err == nil && answer.EnableDnsSupport != nil {
		support = aws.ToBool(answer.EnableDnsSupport.Value)
		answer, err = c.vpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{
			VpcId:     &vpc,
			Attribute: types.VpcAttributeNameEnableDnsHostnames,
		})
	}
	if err != nil {
		return false, false, fmt.Errorf("describe the attributes of %s: %w", vpc, err)
	}
	return support, answer.EnableDnsHostnames != nil && aws.ToBool(answer.EnableDnsHostnames.Value), nil
}
