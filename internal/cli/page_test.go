package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/test/browser"
	"github.com/ecssd/ecssd/internal/test/enginetest"
)

func TestPageFollowsTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	b := browser.Start(t)
	origin := "http://" + w.listen
	b.Size(1000, 400)
	b.Open(origin + "/")
	assert.Equal(t, "ecssd "+instanceID, browser.Eval[string](b, "document.title"))
	b.Eventually(`document.querySelector("#ready").innerText === "ready"`, "the agent is ready")
	browser.Eval[any](b, `window.same = true; document.querySelector('a[href="/metrics"]').focus(); scrollTo(0, 150); null`)
	scrolled := browser.Eval[float64](b, "scrollY")
	require.Positive(t, scrolled)

	c := w.container("web", enginetest.Options{})
	shows(b, w.prefix+"web", "serving")
	row := browser.Eval[string](b, fmt.Sprintf(`document.querySelector('tr[data-name=%q]').innerText`, w.prefix+"web"))
	assert.Contains(t, row, c.Name)
	assert.Contains(t, row, fmt.Sprintf("10.0.0.1:%d", c.HostPort("8080/tcp")))
	c.Pause()
	shows(b, w.prefix+"web", "on standby")
	b.Eventually(`document.body.innerText.includes("the container is paused")`, "why")
	c.Unpause()
	shows(b, w.prefix+"web", "serving")
	c.Stop(5)
	shows(b, w.prefix+"web", "")

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
	shows(b, w.prefix+"sick", "serving")
	b.Eventually(healthy, "the weight of a healthy container")
	become("unhealthy")
	shows(b, w.prefix+"sick", "on standby")
	b.Eventually(
		cell("Weight")+` === "0 of 1" && `+cell("State")+` === "on standby its health check reports unhealthy"`,
		"its weight, and why",
	)
	become("healthy")
	shows(b, w.prefix+"sick", "serving")
	b.Eventually(healthy, "its weight again")

	require.NoError(t, w.command("standby", "--state-dir", w.dir, "--listen", w.listen).Run())
	b.Eventually(`document.body.innerText.includes("This host is on standby: by hand, ")`, "the host on standby")
	assert.Equal(t, "Standby: ecssd "+instanceID, browser.Eval[string](b, "document.title"))

	assert.True(t, browser.Eval[bool](b, "window.same === true"), "it was loaded anew")
	assert.Equal(t, "/metrics", browser.Eval[string](b, `document.activeElement.getAttribute("href")`), "the focus has moved")
	assert.GreaterOrEqual(
		t,
		browser.Eval[float64](b, "scrollY"),
		scrolled,
		"it has jumped up; down by as much as has come above is right",
	)
	b.AssertQuiet(origin)

	w.stop()
	b.Eventually(
		`!document.querySelector("#unreachable").hidden && document.querySelector("#unreachable").innerText.startsWith("The agent does not answer.")`,
		"that nobody answers",
	)
	assert.True(t, strings.HasPrefix(browser.Eval[string](b, "document.title"), "No answer: "))
	w.start()
	b.Eventually(`document.querySelector("#unreachable").hidden`, "that the agent answers again")
	assert.False(t, strings.HasPrefix(browser.Eval[string](b, "document.title"), "No answer: "))
}

func TestPageWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	with := browser.Start(t)
	without := with.Another()
	browser.Call(without, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	origin := "http://" + w.listen
	for _, b := range []*browser.Tab{with, without} {
		b.Open(origin + "/")
	}
	w.container("web", enginetest.Options{})
	text := func(b *browser.Tab) (shown string) {
		// By the accessibility tree: scripts cannot be asked for it where there are none.
		nodes := b.Tree()
		for _, n := range nodes {
			if n.Role == "StaticText" && strings.Contains(n.Name, w.prefix) {
				shown += n.Name + "\n"
			}
		}
		return shown
	}
	shows(with, w.prefix+"web", "serving")
	w.eventually(
		"the page without a script shows the same",
		func() bool { return text(without) != "" && text(with) == text(without) },
	)
	with.AssertQuiet(origin)
	without.AssertQuiet(origin)
	assert.NotContains(t, without.Requested(), origin+"/page.js")
}

// shows waits until the page has a row of this name in this state; empty: no row.
func shows(b *browser.Tab, name, state string) {
	row := fmt.Sprintf(`document.querySelector('tr[data-name=%q]')`, name)
	if state == "" {
		b.Eventually(row+" === null", name+" is gone")
		return
	}
	b.Eventually(
		fmt.Sprintf(`%s?.dataset.state === %q && %s.querySelector('.is').innerText === %q`, row, state, row, state),
		name+" "+state,
	)
}
