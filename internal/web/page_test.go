package web

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/health"
	"github.com/ecssd/ecssd/internal/status"
	"github.com/ecssd/ecssd/internal/test/browser"
	"github.com/ecssd/ecssd/internal/test/picture"
	"github.com/ecssd/ecssd/internal/test/statetest"
)

func TestPageRestsWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	var counter int
	var mu sync.Mutex
	server := example(t, func(s *status.State) {
		mu.Lock()
		defer mu.Unlock()
		counter++
		s.Counts.Serving = counter
	})
	seen := browser.Start(t)
	unseen := seen.Another()
	const served = `Number(document.querySelector("dd").innerText)`
	show := func(b *browser.Tab, hidden bool) {
		browser.Eval[any](
			b,
			fmt.Sprintf(
				`Object.defineProperty(document, "hidden", {value: %t, configurable: true}); document.dispatchEvent(new Event("visibilitychange")); null`,
				hidden,
			),
		)
	}
	for _, b := range []*browser.Tab{seen, unseen} {
		b.Open(server.URL + "/")
		show(b, b == unseen)
	}
	refreshes := func() {
		first := browser.Eval[int](seen, served)
		seen.Eventually(fmt.Sprintf("%s >= %d", served, first+3), "three refreshes")
	}
	refreshes() // a request that was under way is answered meanwhile
	still := browser.Eval[int](unseen, served)
	refreshes()
	assert.Equal(t, still, browser.Eval[int](unseen, served), "it is refreshed and nobody looks")
	show(unseen, false)
	unseen.Eventually(fmt.Sprintf("%s > %d", served, still), "a refresh once somebody looks")
}

// example serves the page of statetest.State; change may change it for each request.
func example(t *testing.T, change func(*status.State)) *httptest.Server {
	t.Helper()
	c := Config{Registry: prometheus.NewRegistry(), Readiness: &health.Readiness{}, State: func() status.State {
		s := statetest.State(t)
		change(&s)
		return s
	}}
	server := httptest.NewServer(c.server().Handler)
	t.Cleanup(server.Close)
	return server
}

func TestPageTellsScreenReadersOfChanges(t *testing.T) {
	t.Parallel()
	var steps atomic.Int64
	server := example(t, func(s *status.State) {
		switch steps.Load() {
		case 1:
			s.Containers[0].Endpoints[0].State = status.Standby
		case 2:
			s.Containers = s.Containers[1:]
			s.Ready, s.Missing = false, []string{"engine: not connected"}
		case 3:
			s.Containers = nil
		}
	})
	b := browser.Start(t)
	b.Open(server.URL + "/")
	const news = `document.querySelector("#news").innerText`
	assert.Empty(t, browser.Eval[string](b, news), "nothing has changed")
	for step, want := range []string{
		1: "calc: on standby",
		2: "the agent: not ready, calc: gone",
		3: "10 changes of state",
	} {
		steps.Store(int64(step))
		b.Eventually(fmt.Sprintf("%s === %q", news, want), want)
	}
	assert.Contains(t, browser.Eval[string](b, "document.body.innerText"), "No container runs on this host.")
	b.AssertQuiet(server.URL)
}

// whole is the state as the file has it.
func whole(*status.State) {}

const longest = 255

func TestPageIsReadableOnAPhone(t *testing.T) {
	t.Parallel()
	server := example(t, func(s *status.State) {
		for i := range s.Containers {
			s.Containers[i].Name = strings.Repeat("w", longest)
			for j := range s.Containers[i].Endpoints {
				s.Containers[i].Endpoints[j].Name = strings.Repeat("m", 63)
			}
		}
		s.Refused[0].Message = strings.Repeat("x", longest)
	})
	b := browser.Start(t)
	for _, width := range []int64{320, 390, 768, 1280} {
		b.Size(width, 800)
		b.Open(server.URL + "/")
		assert.LessOrEqual(
			t,
			browser.Eval[int64](b, "document.documentElement.scrollWidth"),
			width,
			"it scrolls sideways at %d px",
			width,
		)
		assert.Empty(
			t,
			browser.Eval[[]string](b, `[...document.querySelectorAll("main *")].filter((e) => e.closest("thead") === null &&
			e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 200))`),
			"at %d px",
			width,
		)
	}
	b.AssertQuiet(server.URL)
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
	b := browser.Start(t)
	ground := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		b.Scheme(scheme)
		b.Open(server.URL + "/")
		found := browser.Eval[[]any](b, contrasts)
		assert.GreaterOrEqual(t, found[0], 4.5, "%s: %s", scheme, found[1])
		assert.Greater(t, found[2], 50.0)
		ground[scheme] = browser.Eval[string](b, "getComputedStyle(document.body).backgroundColor")
	}
	assert.Equal(t, map[string]string{"light": "rgb(245, 246, 248)", "dark": "rgb(18, 21, 26)"}, ground)
	b.AssertQuiet(server.URL)
}

func TestPageForScreenReaders(t *testing.T) {
	t.Parallel()
	server := example(t, whole)
	b := browser.Start(t)
	for _, width := range []int64{390, 1280} {
		b.Size(width, 800)
		b.Open(server.URL + "/")
		landmarks, names, level := map[string]int{}, []string{}, 0.0
		headers, cells, rowHeaders := 0, 0, 0
		for _, n := range b.Tree() {
			switch n.Role {
			case "main", "banner", "contentinfo", "status":
				landmarks[n.Role]++
			case "heading":
				assert.LessOrEqual(t, n.Level, level+1, "heading %q leaves a level out", n.Name)
				assert.NotEmpty(t, n.Name)
				level = n.Level
			case "table":
				names = append(names, n.Name)
			case "columnheader":
				headers++
				assert.Contains(t, n.Parents, "table")
			case "rowheader":
				rowHeaders++
			case "cell", "gridcell":
				cells++
				assert.Contains(t, n.Parents, "row")
			case "link":
				assert.NotEmpty(t, n.Name)
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
		assert.Equal(t, "en", browser.Eval[string](b, "document.documentElement.lang"))
		assert.Equal(
			t,
			browser.Eval[int](b, `document.querySelectorAll("th").length`),
			browser.Eval[int](b, `document.querySelectorAll("th[scope]").length`),
		)
	}
	// Chromium takes a table for one however it is displayed. Other browsers do not, unless it has the role.
	assert.Zero(t, browser.Eval[int](b, `document.querySelectorAll(":is(table, thead, tbody, tr, th, td):not([role])").length`))
	// What has the focus is seen to have it.
	require.NoError(t, chromedp.Do(b.Context(), chromedp.KeyEvent("\t")))
	assert.Equal(t, "A", browser.Eval[string](b, "document.activeElement.tagName"))
	assert.Equal(t, "solid", browser.Eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"))
	b.AssertQuiet(server.URL)
}

// Whatever a container, ECS or Route 53 says is text.
func TestPageOfHostileTexts(t *testing.T) {
	t.Parallel()
	const markup = `"'></td></table><script>window.owned = 1</script><img src=x onerror="window.owned = 1"><a href="javascript:owned=1">{{.}}`
	server := example(t, func(s *status.State) {
		*s = statetest.Replaced(t, *s, markup)
	})
	b := browser.Start(t)
	b.Open(server.URL + "/")
	assert.False(t, browser.Eval[bool](b, `"owned" in window`))
	assert.Equal(t, 1, browser.Eval[int](b, `document.scripts.length`))
	assert.Zero(t, browser.Eval[int](b, `document.querySelectorAll("img, a:not(footer a)").length`))
	assert.Greater(t, browser.Eval[int](b, `document.body.innerText.split("window.owned").length`), 40)
	browser.Eval[any](b, `document.querySelector("#now").textContent = ""; null`)
	b.Eventually(`document.querySelector("#now").textContent !== ""`, "a refresh")
	assert.False(t, browser.Eval[bool](b, `"owned" in window`))
	b.AssertQuiet(server.URL)
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

var update = flag.Bool("update", false, "take the pictures in docs anew")

// The pictures in docs are of the page as it is made of
// internal/test/statetest/state.json. go test ./internal/web -run Screenshot
// -update takes them anew; for that the machine needs a font (fonts-dejavu-core).
func TestScreenshots(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		path := "../../docs/page-" + scheme + ".png"
		if *update {
			b := browser.Start(t)
			b.Scheme(scheme)
			b.Size(picture.Width, 900)
			b.Open(example(t, whole).URL + "/")
			screenshot, err := chromedp.Run(b.Context(), chromedp.FullScreenshot(100))
			require.NoError(t, err)
			picture.Write(t, path, screenshot)
		}
		picture.Check(t, path, scheme)
	}
}
