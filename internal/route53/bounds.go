package route53

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/ecssd/ecssd/internal/record"
)

// What is taken of an answer. It may come from a proxy, or from whatever AWS_ENDPOINT_URL names.
const (
	// maxAnswer is in bytes. A page has at most 300 record sets, each with at most 32,000 characters of values.
	maxAnswer = 32 << 20
	// maxRefusal is of the answers that are errors, in bytes. One that names all of 1,000 changes has some 250 KB.
	maxRefusal = 1 << 20
	// maxWords is how much of an error's text is passed on, in bytes.
	maxWords = 2000
	// maxPages is 300,000 records, 30 times what a zone takes unless its quota was raised.
	maxPages = 1000
)

// Limits of one record set (Route 53 API reference, ResourceRecordSet).
const (
	maxName   = 1024 // characters, as listed
	maxWeight = 255
	maxTTL    = 2147483647
)

// bounded is an HTTP client that reads no more of an answer than it may have.
type bounded struct{ sdk.HTTPClient }

func (b bounded) Do(request *http.Request) (*http.Response, error) {
	response, err := b.HTTPClient.Do(request)
	if response != nil && response.Body != nil {
		most := maxAnswer
		if response.StatusCode >= http.StatusMultipleChoices {
			most = maxRefusal
		}
		response.Body = &body{response.Body, most, most}
	}
	return response, err
}

type body struct {
	io.ReadCloser
	left, most int
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.most)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// errForeign is the error of an answer that lacks what every answer of Route 53 has: something between has answered in
// its place. The SDK takes any document for an answer with nothing in it, and an empty one too.
var errForeign = errors.New(
	"the answer is not one of Route 53: does a proxy, or the endpoint that is configured, answer in its place?",
)

// trail is the places from which pages of a listing were asked for.
type trail map[string]bool

// next reports whether the next page may be asked for.
func (t trail) next(place ...*string) error {
	var key strings.Builder
	for _, part := range place {
		fmt.Fprintf(&key, "%q", aws.ToString(part))
	}
	if t[key.String()] {
		return errors.New("the listing goes round in a circle: a page names an earlier one as the next")
	}
	if len(t) == maxPages {
		return fmt.Errorf("the listing has more than %d pages", maxPages)
	}
	t[key.String()] = true
	return nil
}

// check returns an error for a record that Route 53 does not hold.
func check(r record.Record) error {
	switch {
	case len(r.Name) > maxName:
		return fmt.Errorf("a record has a name of %d characters", len(r.Name))
	case r.Weight < 0 || r.Weight > maxWeight || r.TTL < 0 || r.TTL > maxTTL:
		return fmt.Errorf("record %.300q has the weight %d and the TTL %d", r.Name, r.Weight, r.TTL)
	case utf8.RuneCountInString(r.SetID) > record.MaxSetID:
		return fmt.Errorf("record %.300q has a set identifier of %d bytes", r.Name, len(r.SetID))
	}
	return nil
}

// words returns as much of an error's text as is worth passing on.
func words(text string) string {
	if len(text) <= maxWords {
		return text
	}
	return strings.ToValidUTF8(text[:maxWords], "") + "…"
}

// brief is an error whose text is not passed on whole.
type brief struct{ error }

func (b brief) Error() string { return words(b.error.Error()) }
func (b brief) Unwrap() error { return b.error }
