// Package route53 reads and changes one hosted zone of Route 53: it finds the zone, lists and changes its weighted SRV
// and A records, and classifies every error by what a caller may do about it. A change is one call and never repeated
// here, since what is to be tried again is the newest state wanted and not the call; only a listing of the whole zone
// repeats what fails. How often it is called is the caller's to decide.
package route53

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
)

const (
	// callTimeout bounds a call where the context does not do so earlier.
	callTimeout = 8 * time.Second
	// idleTimeout is how long an unused connection is kept. Route 53 answers from one region: from another, a TCP and
	// TLS handshake costs several times what the call itself does. When AWS closes the connection first, it is dropped
	// at once. Only a change that is sent in that very moment fails (net/http repeats no POST of which something was
	// written); its outcome is unknown, as after every connection lost, and a change can be made twice.
	idleTimeout = 5 * time.Minute
)

// Client calls Route 53. Its methods may be called from several goroutines.
type Client struct {
	api api
}

// api is the calls that are made, and not the SDK's client: in a program that looks methods up by name, as
// text/template does, the linker keeps all methods of a type that is reached through an interface, and the client's
// other 66 calls are a tenth of the program, on disk and in memory.
type api struct {
	change    operation[sdk.ChangeResourceRecordSetsInput, sdk.ChangeResourceRecordSetsOutput]
	list      operation[sdk.ListResourceRecordSetsInput, sdk.ListResourceRecordSetsOutput]
	listZones operation[sdk.ListHostedZonesByNameInput, sdk.ListHostedZonesByNameOutput]
	getZone   operation[sdk.GetHostedZoneInput, sdk.GetHostedZoneOutput]
	getLimit  operation[sdk.GetHostedZoneLimitInput, sdk.GetHostedZoneLimitOutput]
}

// operation is one method of the SDK's client.
type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

// New returns a Client with its own connections.
func New(config aws.Config) *Client {
	client := sdk.NewFromConfig(config, func(o *sdk.Options) {
		o.Retryer = aws.NopRetryer{}
		// The configured client is built upon and not replaced: it knows of AWS_CA_BUNDLE.
		if client, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = client.WithTimeout(callTimeout).
				WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = idleTimeout }).Freeze()
		}
		o.HTTPClient = bounded{o.HTTPClient}
	})
	return &Client{api{
		change:    client.ChangeResourceRecordSets,
		list:      client.ListResourceRecordSets,
		listZones: client.ListHostedZonesByName,
		getZone:   client.GetHostedZone,
		getLimit:  client.GetHostedZoneLimit,
	}}
}

// Zone returns the hosted zone with an ID. It is not asked whether there is one.
func (c *Client) Zone(id string) *Zone { return &Zone{ID: id, api: c.api} }
