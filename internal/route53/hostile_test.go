package route53_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

// impostor returns a client of something that answers in Route 53's place.
func impostor(t *testing.T, answer http.HandlerFunc) *route53.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return route53.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})
}

// says answers every request alike.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const (
	head = `<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets>`
	tail = `</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`
)

// listed is a record as Route 53 lists it.
func listed(name, id, weight, ttl, value string) string {
	return "<ResourceRecordSet><Name>" + name + "</Name><Type>SRV</Type><SetIdentifier>" + id +
		"</SetIdentifier><Weight>" + weight +
		"</Weight><TTL>" + ttl + "</TTL><ResourceRecords><ResourceRecord><Value>" + value +
		"</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
}

// everything lists a zone.
func everything(t *testing.T, c *route53.Client) ([]record.Record, error) {
	t.Helper()
	var found []record.Record
	err := c.Zone("Z1").Each(t.Context(), func(page []record.Record, _ int) error {
		found = append(found, page...)
		return nil
	})
	return found, err
}

// An answer that is not Route 53's must not pass for one with nothing in it: a host would take its records for written,
// or for gone, and a listing for done.
func TestAnswersOfAnImpostor(t *testing.T) {
	page := listed("web.example.", "i-1:ecs:x", "1", "0", "1 1 80 h")
	for name, c := range map[string]struct {
		body    string
		error   string // of a listing
		changed bool   // whether a change passes for made
	}{
		"nothing at all": {"", "not one of Route 53", false},
		"a login page":   {"<html><body>Sign in</body></html>", "not one of Route 53", false},
		"words":          {"OK", "not one of Route 53", false},
		"JSON":           {`{"ResourceRecordSets":[]}`, "not one of Route 53", false},
		"another answer of Route 53": {
			"<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id>" +
				"<Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo>" +
				"</ChangeResourceRecordSetsResponse>",
			"not one of Route 53",
			true,
		},
		"a change without an ID": {
			"<ChangeResourceRecordSetsResponse><ChangeInfo></ChangeInfo></ChangeResourceRecordSetsResponse>",
			"not one of Route 53",
			false,
		},
		"cut off after a record":  {head + page, "unexpected EOF", false},
		"cut off within a record": {head + page[:40], "unexpected EOF", false},
		"cut off within a name":   {head + "<ResourceRecordSet><Name>we", "unexpected EOF", false},
		"elements crossed": {
			head + "<ResourceRecordSet><Name>web</ResourceRecordSet></Name>" + tail,
			"closed by",
			false,
		},
		"bytes that are no text": {
			head + listed("\xff\xfe", "i-1:ecs:x", "1", "0", "1") + tail,
			"invalid UTF-8",
			false,
		},
		"a control character": {
			head + listed("&#27;[31m", "i-1:ecs:x", "1", "0", "1") + tail,
			"illegal character code",
			false,
		},
		"an entity of its own": {
			`<!DOCTYPE x [<!ENTITY a "aaaa">]>` + head + listed("&a;", "i-1:ecs:x", "1", "0", "1") + tail,
			"invalid character entity",
			false,
		},
		"a weight that is no number": {
			head + listed("web.example.", "i-1:ecs:x", "many", "0", "1") + tail,
			"many",
			false,
		},
		"a weight of 256": {
			head + listed("web.example.", "i-1:ecs:x", "256", "0", "1") + tail,
			"has the weight 256",
			false,
		},
		"a negative weight": {
			head + listed("web.example.", "i-1:ecs:x", "-1", "0", "1") + tail,
			"has the weight -1",
			false,
		},
		"a negative TTL": {
			head + listed("web.example.", "i-1:ecs:x", "1", "-1", "1") + tail,
			"the TTL -1",
			false,
		},
		"a TTL of 2^31": {
			head + listed("web.example.", "i-1:ecs:x", "1", "2147483648", "1") + tail,
			"the TTL 2147483648",
			false,
		},
		"a TTL beyond 64 bits": {
			head + listed("web.example.", "i-1:ecs:x", "1", "9999999999999999999", "1") + tail,
			"out of range",
			false,
		},
		"a name of 64 kilobytes": {
			head + listed(strings.Repeat("a", 1<<16), "i-1:ecs:x", "1", "0", "1") + tail,
			"a name of 65536 characters",
			false,
		},
		"an identifier of 64 kilobytes": {
			head + listed("web.example.", strings.Repeat("a", 1<<16), "1", "0", "1") + tail,
			"identifier of 65536 bytes",
			false,
		},
	} {
		// Not in parallel: a call that takes longer than 8 s is given up, and the machine may be busy.
		t.Run(name, func(t *testing.T) {
			client := impostor(t, says(http.StatusOK, c.body))
			found, err := everything(t, client)
			require.ErrorContains(t, err, c.error)
			assert.Empty(t, found)
			assert.Less(t, len(err.Error()), 3000)
			group, err := client.Zone("Z1").Group(t.Context(), "web.example", record.SRV)
			require.ErrorContains(t, err, c.error)
			assert.Empty(t, group)
			_, err = client.Zone("Z1").LowerNegativeTTL(t.Context(), "example", 60, false)
			assert.Error(t, err)
			if strings.Contains(c.error, "not one of Route 53") {
				_, err = client.FindZone(t.Context(), "example", "")
				require.ErrorContains(t, err, c.error)
				assert.NotErrorIs(t, err, plan.ErrNoSuchZone, "the zone has not been shown to be missing")
			}
			err = client.Zone("Z1").Change(t.Context(), upsert(web(1)))
			var refusal *plan.Refusal
			assert.False(t, errors.As(err, &refusal), "the outcome is not known")
			assert.Equal(t, c.changed, err == nil, "%v", err)
		})
	}
}

// What Route 53 may hold is listed, whoever wrote it: a stranger's longest identifier must not keep a zone from being
// read. One more of anything is no record of Route 53's.
func TestRecordsAtTheLimits(t *testing.T) {
	name := func(n int) string { return strings.Repeat("a", n) }
	for what, c := range map[string]struct {
		id, name    string
		weight, ttl string
		error       string
	}{
		"an identifier of 128 letters":     {id: strings.Repeat("x", 128)},
		"an identifier of 129 letters":     {id: strings.Repeat("x", 129), error: "identifier of 129 bytes"},
		"128 letters of two bytes each":    {id: strings.Repeat("é", 128)},
		"129 letters of two bytes each":    {id: strings.Repeat("é", 129), error: "identifier of 258 bytes"},
		"a name of 1,024 characters":       {name: name(1024)},
		"a name of 1,025 characters":       {name: name(1025), error: "a name of 1025 characters"},
		"the highest weight and TTL":       {weight: "255", ttl: "2147483647"},
		"the lowest weight and TTL":        {weight: "0", ttl: "0"},
		"the lowest weight, the next TTL":  {weight: "0", ttl: "2147483648", error: "the TTL 2147483648"},
		"the next weight, the highest TTL": {weight: "256", ttl: "2147483647", error: "the weight 256"},
	} {
		t.Run(what, func(t *testing.T) {
			want := record.Record{
				Name:  cmp.Or(c.name, "web.example"),
				Type:  record.SRV,
				SetID: cmp.Or(c.id, "primary"),
				Value: "1 1 80 h",
			}
			weight, ttl := cmp.Or(c.weight, "1"), cmp.Or(c.ttl, "60")
			want.Weight, _ = strconv.ParseInt(weight, 10, 64)
			want.TTL, _ = strconv.ParseInt(ttl, 10, 64)
			client := impostor(t, says(http.StatusOK, head+listed(want.Name, want.SetID, weight, ttl, want.Value)+tail))
			found, err := everything(t, client)
			group, groupErr := client.Zone("Z1").Group(t.Context(), want.Name, record.SRV)
			if c.error != "" {
				assert.ErrorContains(t, err, c.error)
				assert.ErrorContains(t, groupErr, c.error)
				return
			}
			require.NoError(t, errors.Join(err, groupErr))
			assert.Equal(t, []record.Record{want}, found)
			assert.Equal(t, []record.Record{want}, group)
		})
	}
}

// streams answers with head and then filler, again and again, until the other side has had enough, and counts bytes.
func streams(status int, head, filler string, sent *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		sent.Store(0)
		_, err := io.WriteString(w, head)
		for err == nil && sent.Load() < 1<<30 {
			var n int
			n, err = io.WriteString(w, filler)
			sent.Add(int64(n))
		}
	}
}

func TestEndlessAnswers(t *testing.T) {
	one := listed("web.example.", "i-1:ecs:x", "1", "0", "1 1 80 h")
	for name, c := range map[string]struct {
		status       int
		head, filler string
	}{
		"records":   {200, head, strings.Repeat(one, 100)},
		"one name":  {200, head + "<ResourceRecordSet><Name>", strings.Repeat("a", 1<<16)},
		"a comment": {200, "<!--", strings.Repeat("a", 1<<16)},
		"an error's message": {
			400,
			"<ErrorResponse><Error><Code>InvalidInput</Code><Message>",
			strings.Repeat("a", 1<<16),
		},
		"a server's error": {501, "", strings.Repeat("a", 1<<16)},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			client := impostor(t, streams(c.status, c.head, c.filler, &sent))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			found, err := client.Zone("Z1").Group(t.Context(), "web.example", record.SRV)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			// On a slow machine, as under the race detector, the call's time is over first.
			assert.Regexp(t, "the answer is longer than|deadline exceeded|Client.Timeout", err.Error())
			assert.Less(t, len(err.Error()), 3000)
			assert.Empty(t, found)
			assert.Less(t, sent.Load(), int64(64<<20), "what was read, and what was on its way")
			assert.Less(t, after.HeapInuse, before.HeapInuse+512<<20)
		})
	}
}

// The texts here are short enough to come in one piece with the header: the SDK's client closes a connection whose
// answer begins before its own request has quite ended, as an answer may that comes from the same machine.
func TestLongWordsAreCutShort(t *testing.T) {
	for _, code := range []string{"InvalidInput", "InvalidChangeBatch", "Throttling", "AccessDenied", "LimitsExceeded",
		"NoSuchHostedZone", "Whatever"} {
		t.Run(code, func(t *testing.T) {
			client := impostor(
				t,
				says(http.StatusBadRequest, "<ErrorResponse><Error><Type>Sender</Type><Code>"+code+"</Code><Message>"+
					strings.Repeat("é", 1500)+"</Message></Error></ErrorResponse>"),
			)
			err := client.Zone("Z1").Change(t.Context(), upsert(web(1)))
			require.ErrorContains(t, err, "…")
			assert.Less(t, len(err.Error()), 2300)
			var answer interface{ ErrorCode() string }
			if code == "Whatever" {
				require.ErrorAs(t, err, &answer, "what it was can still be told")
				assert.Equal(t, code, answer.ErrorCode())
			}
		})
	}
}

// pages answers a listing with pages, each naming the next as next says; n is the number of the call.
func pages(calls *atomic.Int64, next func(n int64) string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n := calls.Add(1)
		_, _ = fmt.Fprintf(
			w,
			`%s%s</ResourceRecordSets><IsTruncated>true</IsTruncated><MaxItems>300</MaxItems>%s</ListResourceRecordSetsResponse>`,
			head,
			listed("web.example.", fmt.Sprintf("i-1:ecs:%d", n), "1", "0", "1 1 80 h"),
			next(n),
		)
	}
}

func marker(name, id string) string {
	return "<NextRecordName>" + name + "</NextRecordName><NextRecordType>SRV</NextRecordType><NextRecordIdentifier>" +
		id + "</NextRecordIdentifier>"
}

func TestListingThatNeverEnds(t *testing.T) {
	for name, c := range map[string]struct {
		next  func(n int64) string
		most  int64 // calls
		error string
	}{
		"each page is the next": {
			func(int64) string { return marker("web.example.", "i-1:ecs:1") },
			2,
			"in a circle",
		},
		"two pages by turns": {
			func(n int64) string { return marker("web.example.", fmt.Sprint("i-1:ecs:", n%2)) },
			3,
			"in a circle",
		},
		"truncated, but no next page": {func(int64) string { return "" }, 2, "in a circle"},
		"only the name differs": {
			func(n int64) string { return marker(fmt.Sprintf("web%d.example.", n%3), "i-1:ecs:1") },
			4,
			"in a circle",
		},
		"always another one": {
			func(n int64) string { return marker("web.example.", fmt.Sprint("i-1:ecs:", n)) },
			1001,
			"more than 1000 pages",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			_, err := everything(t, impostor(t, pages(&calls, c.next)))
			require.ErrorContains(t, err, c.error)
			assert.LessOrEqual(t, calls.Load(), c.most)
		})
	}
}

func TestZonesThatNeverEnd(t *testing.T) {
	var calls atomic.Int64
	_, err := impostor(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(
			w,
			`<ListHostedZonesByNameResponse><HostedZones><HostedZone><Id>/hostedzone/Z1</Id><Name>example.</Name></HostedZone>`+
				`</HostedZones><IsTruncated>true</IsTruncated><NextDNSName>example.</NextDNSName><NextHostedZoneId>Z1</NextHostedZoneId><MaxItems>100</MaxItems></ListHostedZonesByNameResponse>`,
		)
	}).FindZone(t.Context(), "example", "")
	require.ErrorContains(t, err, "in a circle")
	assert.EqualValues(t, 2, calls.Load())
}

// Whoever sends a byte now and then must not hold up the writer for ever.
func TestAnswerThatTricklesIn(t *testing.T) {
	t.Parallel()
	client := impostor(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	begun := time.Now()
	_, err := client.Zone("Z1").Group(t.Context(), "web.example", record.SRV)
	require.Error(t, err)
	assert.Regexp(t, "deadline exceeded|Client.Timeout", err.Error(), "by whichever limit is noticed first")
	assert.Less(t, time.Since(begun), 20*time.Second)
}
