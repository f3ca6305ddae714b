package route53_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

// canned is an HTTP client whose every answer has the same status and body.
type canned struct {
	mu     sync.Mutex
	status int
	body   string
}

func (c *canned) Do(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &http.Response{
		StatusCode:    c.status,
		Header:        http.Header{},
		Request:       r,
		Body:          io.NopCloser(strings.NewReader(c.body)),
		ContentLength: int64(len(c.body)),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}, nil
}

// Whatever answers in Route 53's place, what is taken for records are ones that Route 53 could hold, a name's group is
// that name's alone, and there is an end to it.
func FuzzAnswer(f *testing.F) {
	one := listed("web.example.", "i-1:ecs:x", "1", "0", "1 1 80 h")
	f.Add(200, head+one+tail)
	f.Add(200, head+listed(`\052.WEB.example`, "a&lt;b", "255", "2147483647", "1\n2")+one+one+tail)
	f.Add(
		200,
		head+strings.ReplaceAll(
			one,
			"SRV",
			"A",
		)+
			"<ResourceRecordSet><Name>x</Name><Type>A</Type>"+
			"<AliasTarget><DNSName>y</DNSName></AliasTarget></ResourceRecordSet>"+tail,
	)
	f.Add(
		200,
		strings.Replace(
			head+one+tail,
			"<IsTruncated>false",
			"<NextRecordName>web.example.</NextRecordName><IsTruncated>true",
			1,
		),
	)
	f.Add(200, "")
	f.Add(200, head+one)
	f.Add(400, "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>")
	f.Add(400, "<InvalidChangeBatch><Messages><Message>x</Message></Messages></InvalidChangeBatch>")
	f.Add(301, "<html/>")
	http53 := &canned{}
	zone := route53.New(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""), HTTPClient: http53,
	}).Zone("Z1")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 499 || status == 429 {
			return // the SDK waits before it asks again
		}
		http53.mu.Lock()
		http53.status, http53.body = status, body
		http53.mu.Unlock()
		group, err := zone.Group(t.Context(), "web.example", record.SRV)
		assert.True(t, err == nil || group == nil, "half an answer is not taken for one")
		assert.True(t, err == nil || len(err.Error()) < 3000)
		assert.True(t, err == nil || status < 300 || group == nil)
		for _, r := range group {
			assert.Equal(t, "web.example", r.Name)
			assert.Equal(t, record.SRV, r.Type)
			within(t, r)
		}
		if err != nil && status >= 300 {
			return // as would the listing of all, which asks again and again where the code is one of throttling
		}
		pages := 0
		err = zone.Each(t.Context(), func(page []record.Record, listed int) error {
			pages++
			assert.LessOrEqual(t, len(page), listed)
			for _, r := range page {
				assert.NotEmpty(t, r.SetID, "only weighted records")
				assert.Contains(t, []record.Type{record.SRV, record.A}, r.Type)
				within(t, r)
			}
			return nil
		})
		assert.LessOrEqual(t, pages, 2, "the same page over and over is noticed")
		assert.True(t, err == nil || len(err.Error()) < 3000)
	})
}

func within(t *testing.T, r record.Record) {
	t.Helper()
	assert.LessOrEqual(t, len(r.Name), 1024)
	assert.LessOrEqual(t, utf8.RuneCountInString(r.SetID), 128)
	assert.True(t, 0 <= r.Weight && r.Weight <= 255, "%d", r.Weight)
	assert.True(t, 0 <= r.TTL && r.TTL <= 2147483647, "%d", r.TTL)
}
