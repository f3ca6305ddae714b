package sandbox_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
)

// get asks as a browser does.
func get(t *testing.T, s *sandbox.Server, path string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ManageURL()+path, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	return response, string(text)
}

// press presses a switch of the page as a browser without scripts does, and gives the status.
func press(t *testing.T, s *sandbox.Server, id string, on bool, header ...string) int {
	t.Helper()
	form := url.Values{"id": {id}, "on": {map[bool]string{true: "true", false: "false"}[on]}}
	r, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodPost,
		s.ManageURL()+"/page/switch",
		strings.NewReader(form.Encode()),
	)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

// rows returns the weights and shares of a name on the page, in its order.
func rows(page, name string) (found []string) {
	row := regexp.MustCompile(`(?s)<tr role="row"[^>]* data-name="` + regexp.QuoteMeta(name) + `".*?</tr>`)
	cell := regexp.MustCompile(`data-set="([^"]*)"|data-label="Weight">([^<]*)<|</meter> ([0-9.]+ %)`)
	for _, text := range row.FindAllString(page, -1) {
		var cells []string
		for _, match := range cell.FindAllStringSubmatch(text, -1) {
			cells = append(cells, match[1]+match[2]+match[3])
		}
		found = append(found, strings.Join(cells, " "))
	}
	return found
}

// The share of a record is how often DNS answers with it.
func TestPageShowsRecordsAndTheirShares(t *testing.T) {
	s, zone, _ := start(t, sandbox.Config{})
	assert.Contains(t, second(get(t, s, "/")), "No records but")
	named := func(name, id string, weight int64) sandbox.Set {
		set := seed(id, weight)
		set.Name = name
		return set
	}
	require.NoError(t, s.Seed(
		zone,
		named(
			"a.servicediscovery.internal.",
			"1",
			3,
		),
		named("a.servicediscovery.internal.", "2", 1),
		named("a.servicediscovery.internal.", "3", 0),
		named(
			"b.servicediscovery.internal.",
			"1",
			0,
		),
		named("b.servicediscovery.internal.", "2", 0),
		named("b.servicediscovery.internal.", "3", 0),
		sandbox.Set{
			Name:   "c.servicediscovery.internal",
			Type:   "A",
			TTL:    60,
			Values: []string{"10.0.0.1", "10.0.0.2"},
		},
	))
	_, page := get(t, s, "/")
	assert.Equal(t, []string{"1 3 75 %", "2 1 25 %", "3 0 0 %"}, rows(page, "a.servicediscovery.internal."))
	assert.Equal(t, []string{
		"1 0 33.3 %",
		"2 0 33.3 %",
		"3 0 33.3 %",
	}, rows(page, "b.servicediscovery.internal."), "weight 0 is answered where all have it")
	assert.Equal(t, []string{" – 100 %"}, rows(page, "c.servicediscovery.internal."))
	assert.Contains(t, page, zone)
	assert.Contains(t, page, `<th role="rowheader" scope="row">a <small>SRV</small>`, "the zone's name stands above")
}

func TestPageOfAFullZoneShowsItsBeginning(t *testing.T) {
	s, zone, _ := start(t, sandbox.Config{})
	sets := make([]sandbox.Set, 0, 600)
	for i := range 600 {
		set := seed("i", 1)
		set.Name = "s" + strings.Repeat(
			"0",
			i/26/26,
		) + string(
			rune('a'+i/26%26),
		) + string(
			rune('a'+i%26),
		) + ".servicediscovery.internal."
		sets = append(sets, set)
	}
	require.NoError(t, s.Seed(zone, sets...))
	_, page := get(t, s, "/")
	assert.Equal(t, 500, strings.Count(page, " data-set="))
	assert.Contains(t, page, "and 100 more")
}

// What records, calls and faults say comes from anybody, and is text.
func TestPageShowsMarkupAsText(t *testing.T) {
	s, zone, c := start(t, sandbox.Config{})
	const nasty = `<script>alert(1)</script>"'>`
	set := seed(nasty, 1)
	require.NoError(t, s.Seed(zone, set))
	record := srv(nasty, 7)
	require.Error(t, change(t.Context(), c, zone, types.ChangeActionDelete, record))
	require.NoError(t, s.AddFault(sandbox.Fault{
		Kind:      sandbox.Fail,
		Code:      nasty,
		Status:    400,
		Message:   nasty,
		Operation: nasty,
	}))
	_, page := get(t, s, "/")
	assert.NotContains(t, page, "<script>alert")
	assert.GreaterOrEqual(t, strings.Count(page, html.EscapeString("<script>alert(1)</script>")), 4)
	response, _ := get(t, s, "/")
	policy := response.Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self';")
	assert.NotContains(t, policy, "unsafe")
	assert.NotRegexp(
		t,
		` (style|on[a-z]+)="[^tf]`,
		page,
		"the policy blocks styles and scripts in attributes; on= is the button's name",
	)
}

func TestAPIIsStillExplainedToPrograms(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	assert.True(t, strings.HasPrefix(manage(t, s, "GET", "/", "", 200), "Management of the sandbox."))
	_, page := get(t, s, "/")
	assert.Contains(t, page, "POST   /faults")
}

func TestEverySwitchCanBeSwitchedOnAndOff(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	pressed := func(on bool) (ids []string) {
		_, page := get(t, s, "/")
		for _, match := range regexp.MustCompile(`id="switch-([a-z]+)" name="on" value="(true|false)" aria-pressed="(true|false)"`).FindAllStringSubmatch(page, -1) {
			assert.NotEqual(t, match[2], match[3], "a switch offers the other state")
			if (match[3] == "true") == on {
				ids = append(ids, match[1])
			}
		}
		return ids
	}
	ids := pressed(false)
	require.Len(t, ids, 10)
	for _, id := range ids {
		require.Equal(t, http.StatusSeeOther, press(t, s, id, true), id)
		require.Equal(t, http.StatusSeeOther, press(t, s, id, true), "pressed on a page that is behind")
		assert.Equal(t, []string{id}, pressed(true))
		require.Equal(t, http.StatusSeeOther, press(t, s, id, false), id)
		assert.Empty(t, pressed(true), id)
	}
	for _, id := range ids {
		press(t, s, id, true)
	}
	assert.Equal(t, ids, pressed(true), "all at once")
	require.NoError(t, s.AddFault(sandbox.Fault{Kind: sandbox.Reset}))
	require.Equal(t, http.StatusSeeOther, press(t, s, "all", false))
	assert.Empty(t, pressed(true))
	assert.Empty(t, s.Faults(), "those of the management API, too")
	assert.Equal(t, http.StatusBadRequest, press(t, s, "none", true))
}

// Switching one fault off leaves another with its count.
func TestSwitchesLeaveOtherFaultsAlone(t *testing.T) {
	s, zone, c := start(t, sandbox.Config{})
	require.NoError(t, s.AddFault(sandbox.Fault{Kind: sandbox.Lose, Operation: "ChangeResourceRecordSets", Count: 1}))
	require.Error(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 1)))
	press(t, s, "lost", true)
	press(t, s, "lost", false)
	require.Len(t, s.Faults(), 1)
	assert.Equal(t, 1, s.Faults()[0].Hits)
	assert.NoError(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 1)))
}

// Whoever visits a page of another site with a browser does not change the sandbox by it.
func TestPagesOfOtherSitesChangeNothing(t *testing.T) {
	s, _, _ := start(t, sandbox.Config{})
	assert.Equal(t, http.StatusForbidden, press(t, s, "throttle", true, "Sec-Fetch-Site", "cross-site"))
	assert.Equal(t, http.StatusForbidden, press(t, s, "throttle", true, "Origin", "https://example.com"))
	assert.Empty(t, s.Faults())
	assert.Equal(
		t,
		http.StatusSeeOther,
		press(t, s, "throttle", true, "Sec-Fetch-Site", "same-origin", "Origin", s.ManageURL()),
	)
	assert.Len(t, s.Faults(), 1)
}

func second[A, B any](_ A, b B) B { return b }
