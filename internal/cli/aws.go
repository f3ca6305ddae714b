package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/ecssd/ecssd/internal/host"
)

// openMetadata returns the client of EC2 metadata that everything shares, led by the AWS configuration of the
// environment. Where that cannot be read, it returns one for the usual address beside the error.
func openMetadata(ctx context.Context, s *Settings) (*host.Metadata, error) {
	// No credentials, and no mode that asks the metadata itself, through whatever proxy.
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(s.Region),
		config.WithCredentialsProvider(aws.AnonymousCredentials{}), config.WithDefaultsMode(aws.DefaultsModeLegacy))
	if err != nil {
		err = unreadableAWS(err)
	}
	return host.NewMetadata(loaded), err
}

// loadAWS reads the AWS configuration of the environment. Where it names no region the host's own is used: Route 53 is
// one service for all regions of a partition, and the region tells the partition.
func loadAWS(ctx context.Context, s *Settings, metadata *host.Metadata, region string) (aws.Config, error) {
	loaded, err := readAWS(ctx, s, metadata)
	loaded.Region = cmp.Or(loaded.Region, region, "us-east-1")
	return loaded, err
}

// readAWS reads the AWS configuration of the environment, which may name no region. Credentials of this host come from
// metadata and, in a container of ECS, from the ECS agent, and neither is asked through a proxy.
func readAWS(ctx context.Context, s *Settings, metadata *host.Metadata) (aws.Config, error) {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(s.Region),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = metadata.Client() }),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = host.Direct() }),
		config.WithDefaultsMode("", func(o *config.DefaultsModeOptions) { o.IMDSClient = metadata.Client() }))
	if err != nil {
		return aws.Config{}, unreadableAWS(err)
	}
	return loaded, nil
}

func unreadableAWS(err error) error {
	return UsageError{fmt.Errorf("read the AWS configuration: %w", err)}
}
