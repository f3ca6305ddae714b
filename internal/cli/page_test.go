package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/agent"
	"github.com/ecssd/ecssd/internal/test/enginetest"
	"github.com/ecssd/ecssd/internal/test/picture"
)

// tab is a page in a headless Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	troubles  []string // errors on the console, exceptions, what the content security policy has blocked
	requested []string // URLs
	disturbed bool     // since it was set to false: see networkChanged
}

// networkChanged is why Chromium drops requests, also of a page on this machine, while containers bring networks and
// take them away.
const networkChanged = "net::ERR_NETWORK_CHANGED"

// browser starts a Chromium with one tab.
func browser(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(
		t,
		err,
		"the page is tested in Chromium: as root on Debian, .ci/packaging installs it; elsewhere install it first",
	)
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	return newTab(t, ctx)
}

func newTab(t *testing.T, parent context.Context) *tab {
	t.Helper()
	b := &tab{t: t}
	var cancel func()
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithListener(b.note))
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(b.ctx)) // which opens it
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	return b
}

// note notes what happens in the tab.
func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, networkChanged) {
			b.disturbed = true
			return
		}
		b.troubles = append(b.troubles, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		b.troubles = append(b.troubles, "console."+string(e.Type))
	case *network.EventRequestWillBeSent:
		b.requested = append(b.requested, e.Request.URL)
	}
}

// patience bounds one thing that the browser is asked to do.
const patience = 2 * time.Minute

// call makes a call of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	require.NoError(b.t, err)
	return answer
}

func (b *tab) open(url string) {
	b.t.Helper()
	for {
		b.mu.Lock()
		b.disturbed = false
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		err := chromedp.Do(ctx, chromedp.Navigate(url))
		cancel()
		b.mu.Lock()
		again := b.disturbed || err != nil && strings.Contains(err.Error(), networkChanged)
		b.mu.Unlock()
		if !again {
			require.NoError(b.t, err)
			return
		}
	}
}

// size gives the window a width and a height.
func (b *tab) size(width, height int64) {
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width:             width,
		Height:            height,
		DeviceScaleFactor: 1,
		Mobile:            width < 700,
	})
}

// scheme makes the tab prefer light or dark.
func (b *tab) scheme(which string) {
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
}

// eval gives the value of a JavaScript expression.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	value, err := try[T](b, expression)
	require.NoError(b.t, err, expression)
	return value
}

func try[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// eventually waits until an expression is true.
func (b *tab) eventually(expression, what string) {
	b.t.Helper()
	if !assert.Eventually(b.t, func() bool {
		yes, err := try[bool](b, expression)
		return err == nil && yes
	}, time.Minute, 50*time.Millisecond) {
		require.Fail(b.t, "the page does not show: "+what, eval[string](b, "document.body.innerText"))
	}
}

// shows waits until the page has a row of this name in this state; empty: no row.
func (b *tab) shows(name, state string) {
	b.t.Helper()
	row := fmt.Sprintf(`document.querySelector('tr[data-name=%q]')`, name)
	if state == "" {
		b.eventually(row+" === null", name+" is gone")
		return
	}
	b.eventually(
		fmt.Sprintf(`%s?.dataset.state === %q && %s.querySelector('.is').innerText === %q`, row, state, row, state),
		name+" "+state,
	)
}

// assertQuiet asserts that the page loaded nothing from elsewhere, and that nothing went wrong in it.
func (b *tab) assertQuiet(origin string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b.t, b.troubles)
	assert.NotEmpty(b.t, b.requested)
	for _, url := range b.requested {
		assert.True(b.t, strings.HasPrefix(url, origin+"/"), url)
	}
}

func TestPageFollowsTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	b := browser(t)
	origin := "http://" + w.listen
	b.size(1000, 400)
	b.open(origin + "/")
	assert.Equal(t, "ecssd "+instanceID, eval[string](b, "document.title"))
	b.eventually(`document.querySelector("#ready").innerText === "ready"`, "the agent is ready")
	eval[any](b, `window.same = true; document.querySelector('a[href="/metrics"]').focus(); scrollTo(0, 150); null`)
	scrolled := eval[float64](b, "scrollY")
	require.Positive(t, scrolled)

	c := w.container("web", enginetest.Options{})
	b.shows(w.prefix+"web", "serving")
	row := eval[string](b, fmt.Sprintf(`document.querySelector('tr[data-name=%q]').innerText`, w.prefix+"web"))
	assert.Contains(t, row, c.Name)
	assert.Contains(t, row, fmt.Sprintf("10.0.0.1:%d", c.HostPort("8080/tcp")))
	c.Pause()
	b.shows(w.prefix+"web", "on standby")
	b.eventually(`document.body.innerText.includes("the container is paused")`, "why")
	c.Unpause()
	b.shows(w.prefix+"web", "serving")
	c.Stop(5)
	b.shows(w.prefix+"web", "")

	c = w.container("sick", enginetest.Options{Health: enginetest.Probe(time.Second)})
	become := func(status string) {
		response, err := http.Post(
			fmt.Sprintf("http://127.0.0.1:%d/health?status=%s", c.HostPort("8080/tcp"), status),
			"",
			nil,
		)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	cell := func(label string) string {
		return fmt.Sprintf(
			`document.querySelector('tr[data-name=%q] [data-label=%q]').innerText`,
			w.prefix+"sick",
			label,
		)
	}
	healthy := cell("Weight") + ` === "1" && ` + cell("State") + ` === "serving"`
	b.shows(w.prefix+"sick", "serving")
	b.eventually(healthy, "the weight of a healthy container")
	become("unhealthy")
	b.shows(w.prefix+"sick", "on standby")
	b.eventually(
		cell("Weight")+` === "0 of 1" && `+cell("State")+` === "on standby its health check says unhealthy"`,
		"its weight, and why",
	)
	become("healthy")
	b.shows(w.prefix+"sick", "serving")
	b.eventually(healthy, "its weight again")

	require.NoError(t, w.command("standby", "--state-dir", w.dir, "--listen", w.listen).Run())
	b.eventually(`document.body.innerText.includes("This host is on standby: by hand, ")`, "the host on standby")
	assert.Equal(t, "Standby: ecssd "+instanceID, eval[string](b, "document.title"))

	assert.True(t, eval[bool](b, "window.same === true"), "it was loaded anew")
	assert.Equal(t, "/metrics", eval[string](b, `document.activeElement.getAttribute("href")`), "the focus has moved")
	assert.GreaterOrEqual(
		t,
		eval[float64](b, "scrollY"),
		scrolled,
		"it has jumped up; down by as much as has come above is right",
	)
	b.assertQuiet(origin)

	w.stop()
	b.eventually(
		`!document.querySelector("#unreachable").hidden && document.querySelector("#unreachable").innerText.startsWith("The agent does not answer.")`,
		"that nobody answers",
	)
	assert.True(t, strings.HasPrefix(eval[string](b, "document.title"), "No answer: "))
	w.start()
	b.eventually(`document.querySelector("#unreachable").hidden`, "that the agent answers again")
	assert.False(t, strings.HasPrefix(eval[string](b, "document.title"), "No answer: "))
}

func TestPageWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	with := browser(t)
	without := newTab(t, with.ctx)
	call(without, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	origin := "http://" + w.listen
	for _, b := range []*tab{with, without} {
		b.open(origin + "/")
	}
	w.container("web", enginetest.Options{})
	text := func(b *tab) (shown string) {
		// By the accessibility tree: scripts cannot be asked for it where there are none.
		nodes := b.tree()
		for _, n := range nodes {
			if n.role == "StaticText" && strings.Contains(n.name, w.prefix) {
				shown += n.name + "\n"
			}
		}
		return shown
	}
	with.shows(w.prefix+"web", "serving")
	w.eventually(
		20*time.Second,
		"the page without a script shows the same",
		func() bool { return text(without) != "" && text(with) == text(without) },
	)
	with.assertQuiet(origin)
	without.assertQuiet(origin)
	assert.NotContains(t, without.requested, origin+"/page.js")
}

func TestPageRestsWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	var counter int
	var mu sync.Mutex
	server := example(t, func(s *state) {
		mu.Lock()
		defer mu.Unlock()
		counter++
		s.Counts.Serving = counter
	})
	seen := browser(t)
	unseen := newTab(t, seen.ctx)
	const served = `Number(document.querySelector("dd").innerText)`
	show := func(b *tab, hidden bool) {
		eval[any](
			b,
			fmt.Sprintf(
				`Object.defineProperty(document, "hidden", {value: %t, configurable: true}); document.dispatchEvent(new Event("visibilitychange")); null`,
				hidden,
			),
		)
	}
	for _, b := range []*tab{seen, unseen} {
		b.open(server.URL + "/")
		show(b, b == unseen)
	}
	refreshes := func() {
		first := eval[int](seen, served)
		seen.eventually(fmt.Sprintf("%s >= %d", served, first+3), "three refreshes")
	}
	refreshes() // a request that was under way is answered meanwhile
	still := eval[int](unseen, served)
	refreshes()
	assert.Equal(t, still, eval[int](unseen, served), "it is refreshed and nobody looks")
	show(unseen, false)
	unseen.eventually(fmt.Sprintf("%s > %d", served, still), "a refresh once somebody looks")
}

// example serves the page of a made-up state that has one of everything; change may change it for each request.
func example(t *testing.T, change func(*state)) *httptest.Server {
	t.Helper()
	content, err := os.ReadFile("testdata/state.json")
	require.NoError(t, err)
	server := httptest.NewServer(guarded("", handler(prometheus.NewRegistry(), &agent.Readiness{}, func() state {
		var s state
		if err := json.Unmarshal(content, &s); err != nil {
			panic(err)
		}
		change(&s)
		return s
	})).Handler)
	t.Cleanup(server.Close)
	return server
}

func TestPageTellsScreenReadersOfChanges(t *testing.T) {
	t.Parallel()
	var steps atomic.Int64
	server := example(t, func(s *state) {
		switch steps.Load() {
		case 1:
			s.Containers[0].Endpoints[0].State = isStandby
		case 2:
			s.Containers = s.Containers[1:]
			s.Ready, s.Missing = false, []string{"engine: not connected"}
		case 3:
			s.Containers = nil
		}
	})
	b := browser(t)
	b.open(server.URL + "/")
	const news = `document.querySelector("#news").innerText`
	assert.Empty(t, eval[string](b, news), "nothing has changed")
	for step, want := range []string{
		1: "calc: on standby",
		2: "the agent: not ready, calc: gone",
		3: "10 changes of state",
	} {
		steps.Store(int64(step))
		b.eventually(fmt.Sprintf("%s === %q", news, want), want)
	}
	assert.Contains(t, eval[string](b, "document.body.innerText"), "No container runs on this host.")
	b.assertQuiet(server.URL)
}

// whole is the state as the file has it.
func whole(*state) {}

const longest = 255

func TestPageIsReadableOnAPhone(t *testing.T) {
	t.Parallel()
	server := example(t, func(s *state) {
		for i := range s.Containers {
			s.Containers[i].Name = strings.Repeat("w", longest)
			for j := range s.Containers[i].Endpoints {
				s.Containers[i].Endpoints[j].Name = strings.Repeat("m", 63)
			}
		}
		s.Refused[0].Message = strings.Repeat("x", longest)
	})
	b := browser(t)
	for _, width := range []int64{320, 390, 768, 1280} {
		b.size(width, 800)
		b.open(server.URL + "/")
		assert.LessOrEqual(
			t,
			eval[int64](b, "document.documentElement.scrollWidth"),
			width,
			"it scrolls sideways at %d px",
			width,
		)
		assert.Empty(
			t,
			eval[[]string](b, `[...document.querySelectorAll("main *")].filter((e) => e.closest("thead") === null &&
			e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 200))`),
			"at %d px",
			width,
		)
	}
	b.assertQuiet(server.URL)
}

// contrasts gives the least contrast of any text of the page to what is behind it (WCAG 2.2, relative luminance), and
// whose.
const contrasts = `(() => {
	const rgba = (c) => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
	const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255]; };
	let least = [21, ""], seen = 0;
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim()) || e.closest(".unseen, [hidden]")) continue;
		const a = light(rgba(getComputedStyle(e).color)), b = light(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		seen++;
		if (ratio < least[0]) least = [ratio, e.outerHTML];
	}
	return [least[0], least[1], seen];
})()`

func TestPageInLightAndDark(t *testing.T) {
	t.Parallel()
	server := example(t, whole)
	b := browser(t)
	ground := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		b.open(server.URL + "/")
		found := eval[[]any](b, contrasts)
		assert.GreaterOrEqual(t, found[0], 4.5, "%s: %s", scheme, found[1])
		assert.Greater(t, found[2], 50.0)
		ground[scheme] = eval[string](b, "getComputedStyle(document.body).backgroundColor")
	}
	assert.Equal(t, map[string]string{"light": "rgb(245, 246, 248)", "dark": "rgb(18, 21, 26)"}, ground)
	b.assertQuiet(server.URL)
}

// node is one of the accessibility tree.
type node struct {
	role, name string
	level      float64 // of a heading
	parents    []string
}

// tree gives what a screen reader is told of, in the order of the page.
func (b *tab) tree() (nodes []node) {
	b.t.Helper()
	all := call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	byID := map[accessibility.NodeID]*accessibility.Node{}
	for _, n := range all {
		byID[n.NodeID] = n
	}
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	var walk func(id accessibility.NodeID, parents []string)
	walk = func(id accessibility.NodeID, parents []string) {
		n, ok := byID[id]
		if !ok {
			return
		}
		if !n.Ignored {
			told := node{role: text(n.Role), name: text(n.Name), parents: parents}
			for _, p := range n.Properties {
				if p.Name == "level" {
					_ = json.Unmarshal(p.Value.Value, &told.level)
				}
			}
			nodes = append(nodes, told)
			parents = append(parents[:len(parents):len(parents)], told.role)
		}
		for _, child := range n.ChildIDs {
			walk(child, parents)
		}
	}
	require.NotEmpty(b.t, all)
	walk(all[0].NodeID, nil)
	return nodes
}

func TestPageForScreenReaders(t *testing.T) {
	t.Parallel()
	server := example(t, whole)
	b := browser(t)
	for _, width := range []int64{390, 1280} {
		b.size(width, 800)
		b.open(server.URL + "/")
		landmarks, names, level := map[string]int{}, []string{}, 0.0
		headers, cells, rowHeaders := 0, 0, 0
		for _, n := range b.tree() {
			switch n.role {
			case "main", "banner", "contentinfo", "status":
				landmarks[n.role]++
			case "heading":
				assert.LessOrEqual(t, n.level, level+1, "heading %q leaves a level out", n.name)
				assert.NotEmpty(t, n.name)
				level = n.level
			case "table":
				names = append(names, n.name)
			case "columnheader":
				headers++
				assert.Contains(t, n.parents, "table")
			case "rowheader":
				rowHeaders++
			case "cell", "gridcell":
				cells++
				assert.Contains(t, n.parents, "row")
			case "link":
				assert.NotEmpty(t, n.name)
			}
		}
		assert.Equal(t, map[string]int{
			"main":        1,
			"banner":      1,
			"contentinfo": 1,
			"status":      1,
		}, landmarks, "at %d px", width)
		assert.Equal(
			t,
			[]string{"Refused by Route 53", "Containers", "Pending changes", "Last changes"},
			names,
			"tables at %d px",
			width,
		)
		assert.Equal(t, 4+6+3+4, headers, "column headers at %d px", width)
		assert.Greater(t, rowHeaders, 5)
		assert.Greater(t, cells, 30)
		assert.Equal(t, "en", eval[string](b, "document.documentElement.lang"))
		assert.Equal(
			t,
			eval[int](b, `document.querySelectorAll("th").length`),
			eval[int](b, `document.querySelectorAll("th[scope]").length`),
		)
	}
	// Chromium takes a table for one however it is displayed. Other browsers do not, unless it has the role.
	assert.Zero(t, eval[int](b, `document.querySelectorAll(":is(table, thead, tbody, tr, th, td):not([role])").length`))
	// What has the focus is seen to have it.
	require.NoError(t, chromedp.Do(b.ctx, chromedp.KeyEvent("\t")))
	assert.Equal(t, "A", eval[string](b, "document.activeElement.tagName"))
	assert.Equal(t, "solid", eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"))
	b.assertQuiet(server.URL)
}

// Whatever a container, ECS or Route 53 says is text.
func TestPageOfHostileTexts(t *testing.T) {
	t.Parallel()
	const markup = `"'></td></table><script>window.owned = 1</script><img src=x onerror="window.owned = 1"><a href="javascript:owned=1">{{.}}`
	server := example(t, func(s *state) {
		content, err := json.Marshal(s)
		require.NoError(t, err)
		var any map[string]any
		require.NoError(t, json.Unmarshal(content, &any))
		content, err = json.Marshal(hostile(any, markup))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, s))
	})
	b := browser(t)
	b.open(server.URL + "/")
	assert.False(t, eval[bool](b, `"owned" in window`))
	assert.Equal(t, 1, eval[int](b, `document.scripts.length`))
	assert.Zero(t, eval[int](b, `document.querySelectorAll("img, a:not(footer a)").length`))
	assert.Greater(t, eval[int](b, `document.body.innerText.split("window.owned").length`), 40)
	eval[any](b, `document.querySelector("#now").textContent = ""; null`)
	b.eventually(`document.querySelector("#now").textContent !== ""`, "a refresh")
	assert.False(t, eval[bool](b, `"owned" in window`))
	b.assertQuiet(server.URL)
}

// hostile gives a value in which every text is markup, but for times.
func hostile(value any, markup string) any {
	switch v := value.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return v
		}
		return markup
	case map[string]any:
		for key := range v {
			v[key] = hostile(v[key], markup)
		}
	case []any:
		for i := range v {
			v[i] = hostile(v[i], markup)
		}
	}
	return value
}

func TestPageHasAStrictPolicy(t *testing.T) {
	server := example(t, whole)
	get := func(path string) (*http.Response, int) {
		response, err := http.Get(server.URL + path)
		require.NoError(t, err)
		response.Body.Close()
		return response, response.StatusCode
	}
	response, status := get("/")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, pagePolicy, response.Header.Get("Content-Security-Policy"))
	assert.NotContains(t, pagePolicy, "unsafe")
	for path, kind := range map[string]string{
		"/page.css": "text/css; charset=utf-8",
		"/page.js":  "text/javascript; charset=utf-8",
		"/page.svg": "image/svg+xml",
	} {
		response, status := get(path)
		assert.Equal(t, http.StatusOK, status, path)
		assert.Equal(t, kind, response.Header.Get("Content-Type"))
		assert.Equal(t, "default-src 'none'; frame-ancestors 'none'", response.Header.Get("Content-Security-Policy"))
	}
	_, status = get("/page.html")
	assert.Equal(t, http.StatusNotFound, status, "the template is nobody's business")
}

// The pictures in docs are of the page as it is made of testdata/state.json. go test ./internal/cli -run Screenshot
// -update takes them anew; for that the machine needs a font (fonts-dejavu-core).
func TestScreenshots(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		path := "../../docs/page-" + scheme + ".png"
		if *update {
			b := browser(t)
			b.scheme(scheme)
			b.size(picture.Width, 900)
			b.open(example(t, whole).URL + "/")
			screenshot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			require.NoError(t, err)
			picture.Write(t, path, screenshot)
		}
		picture.Check(t, path, scheme)
	}
}
