package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

// Texts that do something to a terminal, a log or a document that shows them as they are.
const (
	titleSequence = "\x1b]0;owned\x07"                   // sets a terminal's title
	c1Sequence    = "\u009b31m"                          // the same as ESC [, in one character
	forgedLine    = "a\ntime=\"2026\" level=error msg=x" // a second line of a log
	markup        = `</Value><x y="&lt;'>`
	turned        = "\u202eexe.gpj" // shown from right to left
)

// hostile gives containers that want to do harm with what they are called, by what they do.
func (w *world) hostile() map[string]enginetest.Options {
	settings := func(count int, value string) map[string]string {
		labels := enginetest.ECSLabels(w.prefix + "many")
		for n := range count {
			labels[fmt.Sprintf("SERVICE_%d_NAME", n+1)] = value
		}
		return labels
	}
	with := func(key, value string) map[string]string {
		labels := enginetest.ECSLabels(w.prefix + "hostile")
		labels[key] = value
		return labels
	}
	var names, variables []string
	for n := range 500 {
		names = append(names, w.prefix+"claims-"+strconv.Itoa(n))
	}
	for n := range 10 {
		variables = append(variables, fmt.Sprintf("BIG%d=%s", n, strings.Repeat("x", 100<<10)))
	}
	return map[string]enginetest.Options{
		"name that sets a title": {Labels: enginetest.ECSLabels(w.prefix + titleSequence)},
		"name with one-byte CSI": {Labels: enginetest.ECSLabels(w.prefix + c1Sequence)},
		"name with a line break": {Labels: with("SERVICE_NAME", forgedLine)},
		"name with markup":       {Labels: with("SERVICE_8080_NAME", markup)},
		"name with an escape":    {Labels: with("SERVICE_8080_NAME", `a\052b`)},
		"name turned round":      {Labels: with("SERVICE_NAME", turned)},
		"key that sets a title": {
			Labels: with("SERVICE_"+titleSequence+"_NAME", "x"),
			Env:    []string{"SERVICE_NAME=" + forgedLine},
		},
		"key with a line break": {
			Labels: with("SERVICE_80\n_NAME", "x"),
			Env:    []string{"SERVICE_\r\x1b[2K_WEIGHT=1", "SERVICE_NAME=" + forgedLine},
		},
		"weight that sets a title":   {Labels: with("SERVICE_WEIGHT", titleSequence)},
		"ten thousand settings":      {Labels: settings(10000, "x")},
		"a thousand bad names":       {Labels: settings(900, titleSequence)},
		"a label of three megabytes": {Labels: with("SERVICE_NAME", strings.Repeat("y", 3<<20))},
		"environment of a megabyte":  {Env: variables, Labels: with("SERVICE_NAME", titleSequence)},
		"five hundred names":         {Labels: with("SERVICE_8080_NAME", strings.Join(names, ",")[:4000])},
		"a long name of its own": {
			Name:   w.prefix + strings.Repeat("z", 20000),
			Labels: with("SERVICE_NAME", titleSequence),
		},
	}
}

// assertHarmless asserts that a text does nothing but stand there: one may print it.
func assertHarmless(t *testing.T, what, text string) {
	t.Helper()
	assert.True(t, utf8.ValidString(text), "%s is not UTF-8", what)
	for line := range strings.Lines(text) {
		bad := strings.IndexFunc(
			strings.TrimSuffix(line, "\n"),
			func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) },
		)
		if !assert.Negative(t, bad, "%s: %.300q", what, line) {
			return
		}
		if !assert.LessOrEqual(t, len(line), 4096, "%s: %.300q…", what, line) {
			return
		}
	}
}

// metrics gives what the agent answers to /metrics.
func (w *world) metrics() string {
	w.t.Helper()
	response, err := http.Get("http://" + w.listen + "/metrics")
	require.NoError(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return string(body)
}

// largest gives the most memory that the agent has had, in bytes.
func (w *world) largest() int {
	w.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.agent.Process.Pid))
	require.NoError(w.t, err)
	kilobytes := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(w.t, kilobytes)
	n, err := strconv.Atoi(string(kilobytes[1]))
	require.NoError(w.t, err)
	return n << 10
}

// Two agents, which differ in how they log, look at the same containers, on an Engine of their own: the agents of other
// tests would look at these containers as well.
func TestHostileContainersHarmNobody(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewOwn(t)
	text := newWorld(
		t,
		"--docker-host",
		engine.Host(),
		"--log-format",
		"text",
		"--log-level",
		"debug",
		"--resync",
		"1s",
	)
	inJSON := newWorld(
		t,
		"--docker-host",
		engine.Host(),
		"--log-format",
		"json",
		"--log-level",
		"debug",
		"--resync",
		"1s",
	)
	inJSON.prefix = text.prefix
	worlds := []*world{text, inJSON}
	first := text.container("web", enginetest.Options{Engine: engine})
	series, memory := map[*world]int{}, map[*world]int{}
	for _, w := range worlds {
		w.start()
		w.has("web", 1)
		series[w], memory[w] = strings.Count(w.metrics(), "\n"), w.largest()
	}

	ids := map[string]string{}
	for what, options := range text.hostile() {
		options.Engine = engine
		ids[what] = text.container("", options).ID
	}
	second := text.container("web", enginetest.Options{Engine: engine})
	told := func(w *world) map[string]int {
		lines := map[string]int{}
		for what, id := range ids {
			lines[what] = strings.Count(w.log.String(), id)
		}
		return lines
	}
	once := map[*world]map[string]int{}
	for _, w := range worlds {
		w.right("web", []*enginetest.Container{first, second})
		for what, id := range ids {
			w.eventually(
				"it is said of a container why it is not announced: "+what,
				func() bool { return w.says(id) },
			)
		}
		once[w] = told(w)
		for what, lines := range once[w] {
			assert.LessOrEqual(t, lines, 20, what)
		}
	}
	first.Stop(1) // each change has everything looked at again, and would have it told again
	for _, w := range worlds {
		w.right("web", []*enginetest.Container{second})
		assert.Equal(t, once[w], told(w))

		assert.Less(t, w.largest()-memory[w], 96<<20, "bytes of memory")
		after := w.metrics()
		assert.Less(
			t,
			strings.Count(after, "\n"),
			series[w]+20,
			"metrics have grown with the names of containers:\n%s",
			after,
		)
		assertHarmless(t, "metrics", after)
		assert.NotContains(t, after, w.prefix)
		assertHarmless(t, "log", w.log.String())
		for line := range strings.Lines(w.log.String()) {
			if w == inJSON {
				assert.True(t, json.Valid([]byte(line)), "%.300q", line)
			} else {
				assert.Regexp(t, `^time="[^"]+" level=(debug|info|warning|error) msg=`, line)
			}
		}
		claims := 0
		for _, set := range w.sandbox.Records(w.zone) {
			if strings.HasPrefix(set.Name, w.prefix+"claims-") {
				claims++
			} else {
				assert.Regexp(t, `^(ip-10-0-0-1|`+w.prefix+`(web|hostile))\.`, set.Name)
			}
		}
		assert.Equal(t, 100, claims, "the most names of one container")
	}
	text.program = released(t)
	for what, id := range ids {
		output, err := text.command("explain", "--docker-host", engine.Host(), id).Output()
		require.NoError(t, err, what)
		assertHarmless(t, "explain: "+what, string(output))
		assert.Less(t, len(output), 512<<10, what)
	}
}

// Whoever may write to the zone chooses names, targets and identifiers that others list.
func TestListingAHostileZoneIsHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := func(instance string, n int) string { return fmt.Sprintf("%s:ecs:%064x:80/tcp", instance, n) }
	seed := func(name, identifier, value string) {
		t.Helper()
		require.NoError(t, w.sandbox.Seed(w.zone, sandbox.Set{
			Name:          name + "." + zoneName,
			Type:          "SRV",
			SetIdentifier: identifier,
			Weight:        new(int64(1)),
			Values:        []string{value},
		}))
	}
	seed(`\033]0;owned\007`, id("i-1", 1), "1 1 80 h.example")
	seed(`a\012b\011c\233`, id("i-1", 2), "1 1 80 h.example")
	seed("fine", id("i-1", 3), `1 1 80 \033[31m.example`)
	seed("fine", fmt.Sprintf("\u009b31m:%064x", 4), "1 1 80 h.example")
	seed("fine", fmt.Sprintf("host name:%064x", 5), "1 1 80 h.example")
	for _, args := range [][]string{
		{"ls"},
		{"ls", "--json"},
		{"sweep", "--dry-run"},
		{"sweep", "--dry-run", "--json"},
	} {
		command := w.command(args...)
		var said logBuffer
		command.Stderr = &said
		output, err := command.Output()
		require.NoError(t, err, said.String())
		assertHarmless(t, strings.Join(args, " "), string(output))
		assertHarmless(t, strings.Join(args, " ")+", said", said.String())
		assert.NotContains(t, string(output), "31m:", "an identifier that no host name stands in is nobody's of ours")
		if args[0] == "ls" {
			assert.Contains(t, string(output), `]0`[1:])
		}
	}
}
