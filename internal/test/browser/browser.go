// Package browser drives pages in a headless Chromium. Only tests import it.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds one thing that the browser is asked to do.
const patience = 2 * time.Minute

// networkChanged is why Chromium drops requests, also of a page on this machine, while containers of other tests create
// and remove networks.
const networkChanged = "net::ERR_NETWORK_CHANGED"

// Tab is a page in a headless Chromium.
type Tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	errors    []string // on the console: errors, exceptions, what the content security policy has blocked
	requested []string // URLs
	disturbed bool     // since it was set to false: see networkChanged
}

// Start starts a Chromium with one tab.
func Start(t *testing.T) *Tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err,
		"pages are tested in Chromium: as root on Debian, .ci/packaging installs it; elsewhere install it first")
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

// Another opens another tab of the same Chromium.
func (b *Tab) Another() *Tab { return newTab(b.t, b.ctx) }

func newTab(t *testing.T, parent context.Context) *Tab {
	t.Helper()
	b := &Tab{t: t}
	var cancel func()
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithListener(b.note))
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(b.ctx)) // which opens it
	Call(b, log.Enable, cdp.Empty{})
	Call(b, network.Enable, network.EnableParams{})
	return b
}

// note notes what happens in the tab.
func (b *Tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, networkChanged) {
			b.disturbed = true
			return
		}
		b.errors = append(b.errors, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		b.errors = append(b.errors, "console."+string(e.Type))
	case *network.EventRequestWillBeSent:
		b.requested = append(b.requested, e.Request.URL)
	}
}

// Call makes a call of the DevTools protocol.
func Call[P, R any](b *Tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	require.NoError(b.t, err)
	return answer
}

// Context returns the context of the tab, for chromedp.
func (b *Tab) Context() context.Context { return b.ctx }

// Open opens a URL.
func (b *Tab) Open(url string) {
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

// Size sets the size of the window. Below 700 it is a phone.
func (b *Tab) Size(width, height int64) {
	Call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width:             width,
		Height:            height,
		DeviceScaleFactor: 1,
		Mobile:            width < 700,
	})
}

// Scheme sets the preferred colour scheme: light or dark.
func (b *Tab) Scheme(which string) {
	Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: which}},
	})
}

// Eval returns the value of a JavaScript expression.
func Eval[T any](b *Tab, expression string) (value T) {
	b.t.Helper()
	value, err := try[T](b, expression)
	require.NoError(b.t, err, expression)
	return value
}

func try[T any](b *Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// Eventually waits until a JavaScript expression is true.
func (b *Tab) Eventually(expression, what string) {
	b.t.Helper()
	if !assert.Eventually(b.t, func() bool {
		yes, err := try[bool](b, expression)
		return err == nil && yes
	}, patience, 50*time.Millisecond) {
		require.Fail(b.t, "the page does not show: "+what, Eval[string](b, "document.body.innerText"))
	}
}

// AssertQuiet asserts that the page loaded nothing from elsewhere, and that it had no errors.
func (b *Tab) AssertQuiet(origin string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b.t, b.errors)
	assert.NotEmpty(b.t, b.requested)
	for _, url := range b.requested {
		assert.True(b.t, strings.HasPrefix(url, origin+"/"), url)
	}
}

// Requested returns the URLs that the page has requested.
func (b *Tab) Requested() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.requested...)
}

// Node is a node of the accessibility tree.
type Node struct {
	Role, Name string
	Level      float64  // of a heading
	Parents    []string // roles, outermost first
}

// Tree returns what a screen reader reads, in the order of the page.
func (b *Tab) Tree() (nodes []Node) {
	b.t.Helper()
	all := Call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
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
			node := Node{Role: text(n.Role), Name: text(n.Name), Parents: parents}
			for _, p := range n.Properties {
				if p.Name == "level" {
					_ = json.Unmarshal(p.Value.Value, &node.Level)
				}
			}
			nodes = append(nodes, node)
			parents = append(parents[:len(parents):len(parents)], node.Role)
		}
		for _, child := range n.ChildIDs {
			walk(child, parents)
		}
	}
	require.NotEmpty(b.t, all)
	walk(all[0].NodeID, nil)
	return nodes
}
