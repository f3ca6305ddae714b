package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileRoute53 plays Route 53: it lists two pages, and remembers the set identifiers of what it is asked to change.
type hostileRoute53 struct {
	first, second string // records of the pages; the second may be anything

	mu      sync.Mutex
	changed []string // "DELETE identifier"
}

var changeForm = regexp.MustCompile(`(?s)<Action>(\w+)</Action>.*?<SetIdentifier>(.*?)</SetIdentifier>`)

func (i *hostileRoute53) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == http.MethodPost:
		i.mu.Lock()
		defer i.mu.Unlock()
		for _, change := range changeForm.FindAllStringSubmatch(string(body), -1) {
			i.changed = append(i.changed, change[1]+" "+change[2])
		}
		_, _ = io.WriteString(
			w,
			`<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>`+
				`<SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`,
		)
	case r.URL.Query().Get("name") == "":
		_, _ = fmt.Fprintf(
			w,
			`<ListResourceRecordSetsResponse><ResourceRecordSets>%s</ResourceRecordSets><IsTruncated>true</IsTruncated>`+
				`<NextRecordName>web.%s.</NextRecordName><NextRecordType>SRV</NextRecordType><NextRecordIdentifier>x</NextRecordIdentifier>`+
				`<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`,
			i.first,
			zoneName,
		)
	default:
		_, _ = io.WriteString(w, i.second)
	}
}

func setOf(id string) string {
	return fmt.Sprintf(
		`<ResourceRecordSet><Name>web.%s.</Name><Type>SRV</Type><SetIdentifier>%s</SetIdentifier><Weight>1</Weight><TTL>0</TTL>`+
			`<ResourceRecords><ResourceRecord><Value>1 1 80 h</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`,
		zoneName,
		id,
	)
}

// A host without a journal believes the listing of the zone: it must delete nothing on the word of half of one, and
// never what is not its own.
func TestDeregisterByAHostileListing(t *testing.T) {
	t.Parallel()
	const end = `</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`
	container := strings.Repeat("c", 64)
	own := instanceID + ":ecs:" + container + ":80/tcp"
	others := ""
	for _, id := range []string{
		instanceID + "1:ecs:" + container + ":80/tcp",
		instanceID,
		instanceID[:18] + ":ecs:" + container + ":80/tcp",
		strings.ToUpper(own),
		" " + own, "x:" + own, "host:" + container, container, instanceID + "/:ecs:" + container + ":80/tcp",
		instanceID + "&#xA0;:ecs:" + container + ":80/tcp", instanceID + "：ecs:" + container + ":80/tcp",
	} {
		others += setOf(id)
	}
	for name, c := range map[string]struct {
		second string
		error  string // empty: it works
	}{
		"others' records, much alike": {`<ListResourceRecordSetsResponse><ResourceRecordSets>` + others + end, ""},
		"a page cut off": {
			`<ListResourceRecordSetsResponse><ResourceRecordSets>` + others,
			"unexpected EOF",
		},
		"a page that leads back": {`<ListResourceRecordSetsResponse><ResourceRecordSets></ResourceRecordSets><IsTruncated>true</IsTruncated>` +
			`<NextRecordName>web.` + zoneName + `.</NextRecordName><NextRecordType>SRV</NextRecordType><NextRecordIdentifier>x</NextRecordIdentifier>` +
			`<MaxItems>300</MaxItems></ListResourceRecordSetsResponse>`, "in a circle"},
		"a login page": {"<html><body>Sign in</body></html>", "not one of Route 53"},
		"nothing":      {"", "not one of Route 53"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := &hostileRoute53{first: setOf(own) + others, second: c.second}
			server := httptest.NewServer(i)
			t.Cleanup(server.Close)
			command := w.command("deregister", "--zone-id", "Z1", "--state-dir", t.TempDir())
			command.Env = append(command.Env, "AWS_ENDPOINT_URL_ROUTE_53="+server.URL)
			var said logBuffer
			command.Stdout, command.Stderr = &said, &said
			err := command.Run()
			i.mu.Lock()
			defer i.mu.Unlock()
			if c.error == "" {
				require.NoError(t, err, said.String())
				assert.Equal(t, []string{"DELETE " + own}, i.changed)
				return
			}
			assert.Error(t, err)
			assert.Contains(t, said.String(), c.error)
			assert.Empty(t, i.changed, "deleted on the word of half a listing")
		})
	}
}

// The agent runs in a state directory that anybody may write to, full of traps.
func TestStateDirectoryThatAnybodyMayWriteTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir = t.TempDir()
	require.NoError(t, os.Chmod(w.dir, 0o777))
	precious := t.TempDir() + "/precious"
	require.NoError(t, os.WriteFile(precious, []byte("precious"), 0o600))
	for _, name := range []string{"records.json", "records.json.unreadable", "lock", ".records.json1"} {
		require.NoError(t, os.Symlink(precious, w.dir+"/"+name))
	}
	w.start()
	c := w.some("web", 1)
	w.right("web", c)
	assert.True(t, w.says("journal not used"))
	content, err := os.ReadFile(precious)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
	journal, err := os.ReadFile(w.dir + "/records.json")
	require.NoError(t, err)
	assert.Contains(t, string(journal), c[0].ID)
	w.stop()

	// What others planted meanwhile would have another host's record deleted.
	others := "i-other:ecs:" + c[0].ID + ":8080/tcp"
	require.NoError(t, os.Remove(w.dir+"/records.json"))
	require.NoError(
		t,
		os.WriteFile(
			w.dir+"/records.json",
			[]byte(`{"Version":1,"Instance":"`+instanceID+`","Records":[{"Zone":"`+w.zone+
				`","Record":{"Name":"x.`+zoneName+`","Type":"SRV","SetID":"`+others+`","Weight":1,"Value":"1 1 1 h"}}]}`),
			0o666,
		),
	)
	require.NoError(t, os.Chmod(w.dir+"/records.json", 0o666))
	w.sandbox.ClearCalls()
	w.start()
	w.right("web", c)
	for _, call := range w.changes() {
		for _, change := range call.Changes {
			assert.NotEqual(t, others, change.Set.SetIdentifier)
		}
	}
}
