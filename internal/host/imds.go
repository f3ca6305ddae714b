package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/ecssd/ecssd/internal/record"
)

const (
	// metadataTimeout bounds all that is asked of the metadata service, which answers within milliseconds where it is.
	metadataTimeout  = 5 * time.Second
	metadataAttempts = 2
	// maxMetadata is the longest value read, in bytes.
	maxMetadata = 4 << 10
)

const metadataAdvice = "in a container: use --network host, or raise the instance's metadata hop limit; " +
	"off EC2: give --instance-id and --host-ip"

// Metadata is the EC2 instance metadata service. One client asks it for all: who this host is, whether it is about to
// go, and, for the SDK, the credentials of its role.
type Metadata struct {
	client   *imds.Client
	off      bool
	endpoint string // that the configuration names in place of the usual one; mostly empty
}

// NewMetadata returns a client that has not asked anything yet. The configuration may name the service's endpoint or
// mode, or switch it off: AWS_EC2_METADATA_SERVICE_ENDPOINT, …_ENDPOINT_MODE, AWS_EC2_METADATA_DISABLED, and the first
// two in its file.
func NewMetadata(config aws.Config) *Metadata {
	m := &Metadata{}
	m.client = imds.NewFromConfig(config, func(o *imds.Options) {
		o.HTTPClient = Direct()
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = metadataAttempts })
		o.EnableFallback = aws.FalseTernary // version 2 or nothing
		m.off = o.ClientEnableState == imds.ClientDisabled
		if m.endpoint = o.Endpoint; m.endpoint == "" && o.EndpointMode == imds.EndpointModeStateIPv6 {
			m.endpoint = "http://[fd00:ec2::254]"
		}
	})
	return m
}

// Direct returns an HTTP client that goes through no proxy, whatever the environment says. Who answers for this host's
// metadata and hands out credentials has an address that is this host's alone: a proxy on another machine would answer
// for that one. And EC2 refuses a forwarded request for a token.
func Direct() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
}

// Client returns the client for the SDK, which takes credentials from it.
func (m *Metadata) Client() *imds.Client { return m.client }

// Off reports whether the configuration switches the metadata service off.
func (m *Metadata) Off() bool { return m.off }

// Endpoint returns where the configuration has the metadata service asked; empty where that is its usual address.
func (m *Metadata) Endpoint() string { return m.endpoint }

// Identify finds out who this host is. Where both the instance ID and the address are given, EC2 metadata is not asked:
// such a host may stand anywhere.
func (m *Metadata) Identify(ctx context.Context, given Given) (Identity, error) {
	id := Identity{InstanceID: given.InstanceID, Address: given.Address}
	if id.InstanceID == "" || !id.Address.IsValid() {
		if err := m.describe(ctx, &id); err != nil {
			return Identity{}, err
		}
	}
	if err := CheckInstanceID(id.InstanceID); err != nil {
		return Identity{}, err
	}
	if !id.Address.Is4() {
		return Identity{}, fmt.Errorf("host address %s is not IPv4", id.Address)
	}
	return id, nil
}

// describe fills in from EC2 metadata what is not set.
func (m *Metadata) describe(ctx context.Context, id *Identity) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	document, err := m.identityDocument(ctx)
	if err != nil {
		return fmt.Errorf("ask EC2 metadata who this host is (%s): %w", m.advice(), err)
	}
	if id.InstanceID == "" {
		id.InstanceID = document.InstanceID
	}
	if !id.Address.IsValid() {
		if id.Address, err = netip.ParseAddr(document.PrivateIP); err != nil {
			return fmt.Errorf(
				"read the private IPv4 address from EC2 metadata (where there is none, give --host-ip): %w",
				err,
			)
		}
	}
	if id.Region = document.Region; id.Region != "" && !record.ValidRegion(id.Region) {
		return fmt.Errorf("read the region from EC2 metadata: %.60q is none", id.Region)
	}
	if record.ValidAccountID(document.AccountID) { // what plays EC2's metadata may have other ones
		id.Account = document.AccountID
	}
	id.EC2 = true
	mac, err := m.read(ctx, "mac")
	if err != nil {
		return err
	}
	if mac != "" {
		if id.VPC, err = m.read(ctx, "network/interfaces/macs/"+mac+"/vpc-id"); err != nil {
			return err
		}
	}
	names, err := m.read(ctx, "local-hostname")
	id.PrivateDNSName = hostName(names)
	return err
}

// hostName returns the first name of local-hostname, of which a DHCP option set with several domains makes several;
// empty where it is no name in DNS.
func hostName(names string) string {
	first, _, _ := strings.Cut(names, " ")
	name := strings.ToLower(strings.TrimSuffix(first, "."))
	if len(name) > 253 || !dnsName.MatchString(name) {
		return ""
	}
	return name
}

// dnsName is a name in lower case, as the target of an SRV record is read again.
var dnsName = regexp.MustCompile(`^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$`)

// advice returns what may be done where the metadata service does not say who this host is.
func (m *Metadata) advice() string {
	switch {
	case m.off:
		return "AWS_EC2_METADATA_DISABLED=true switches it off: take that out, or give --instance-id and --host-ip"
	case m.endpoint != "":
		return "the AWS configuration has it asked at " + m.endpoint + "; " + metadataAdvice
	}
	return metadataAdvice
}

// identityDocument returns the instance identity document, or what of it stands elsewhere in the metadata where a
// service that plays EC2's has no such document: all but the account.
func (m *Metadata) identityDocument(ctx context.Context) (imds.InstanceIdentityDocument, error) {
	found, err := m.client.GetInstanceIdentityDocument(ctx, nil)
	if err == nil {
		return found.InstanceIdentityDocument, nil
	}
	if !missing(err) {
		return imds.InstanceIdentityDocument{}, err
	}
	var document imds.InstanceIdentityDocument
	for path, field := range map[string]*string{
		"instance-id": &document.InstanceID, "local-ipv4": &document.PrivateIP, "placement/region": &document.Region,
	} {
		if *field, err = m.read(ctx, path); err != nil {
			return document, err
		}
	}
	return document, nil
}

// missing reports whether the metadata service has answered that there is no such thing.
func missing(err error) bool {
	var response interface{ HTTPStatusCode() int }
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound
}

// read returns one value of the instance's metadata; it is empty where there is none.
func (m *Metadata) read(ctx context.Context, path string) (string, error) {
	out, err := m.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask EC2 metadata for %s: %w", path, err)
	}
	defer out.Content.Close()
	value, err := io.ReadAll(io.LimitReader(out.Content, maxMetadata))
	if err != nil {
		return "", fmt.Errorf("ask EC2 metadata for %s: %w", path, err)
	}
	return strings.TrimSpace(string(value)), nil
}
