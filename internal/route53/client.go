// Package route53 reads and changes one hosted zone of Route 53: it finds the zone, lists and changes its weighted SRV and A
// records, and says of every error what a caller may do about it. Each method that reads a name or changes records makes one
// call. It retries nothing, since what is to be retried is the newest state wanted and not the call; and it waits for
// nobody: how often it is called is the caller's to decide.
package route53

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
)

const (
	// callTimeout bounds a call where the context does not do so earlier.
	callTimeout = 8 * time.Second
	// idleTimeout is how long an unused connection is kept. Route 53 answers from one region: from another, a TCP and TLS
	// handshake costs several times what the call itself does. When AWS closes the connection first, it is dropped at once.
	// Only a change that is sent in that very moment fails (net/http repeats no POST of which something was written); its
	// outcome is unknown, as after every connection lost, and a change can be made twice.
	idleTimeout = 5 * time.Minute
)

// Client calls Route 53. Its methods may be called from several goroutines.
type Client struct {
	api *sdk.Client
}

// New gives a Client with its own connections.
func New(config aws.Config) *Client {
	return &Client{sdk.NewFromConfig(config, func(o *sdk.Options) {
		o.Retryer = aws.NopRetryer{}
		// The configured client is built upon and not replaced: it knows of AWS_CA_BUNDLE.
		if client, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = client.WithTimeout(callTimeout).
				WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = idleTimeout }).Freeze()
		}
	})}
}

// Zone gives the hosted zone with an ID. It is not asked whether there is one.
func (c *Client) Zone(id string) *Zone { return &Zone{ID: id, api: c.api} }
