package sandbox_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/sandbox"
	"github.com/ecssd/ecssd/internal/sandbox/throttle"
	"github.com/ecssd/ecssd/internal/test/picture"
)

// tab is a page in a headless Chromium.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	failures  []string // on the console: errors, exceptions, what the content security policy has blocked
	asked     []string // URLs
	disturbed bool     // since it was set to false: see networkChanged
}

// networkChanged is why Chromium drops requests, also of a page on this machine, while containers of other tests bring
// networks and take them away.
const networkChanged = "net::ERR_NETWORK_CHANGED"

// browse opens the sandbox's page in a Chromium of its own.
func browse(t *testing.T, s *sandbox.Server) *tab {
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
	parent, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	b := &tab{t: t}
	b.ctx, cancel = chromedp.NewContext(parent, chromedp.WithListener(b.note))
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(b.ctx)) // which opens it
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	b.open(s)
	return b
}

func (b *tab) open(s *sandbox.Server) {
	b.t.Helper()
	for {
		b.mu.Lock()
		b.disturbed = false
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
		err := chromedp.Do(ctx, chromedp.Navigate(s.ManageURL()+"/"))
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

func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, networkChanged) {
			b.disturbed = true
			return
		}
		b.failures = append(b.failures, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.failures = append(b.failures, fmt.Sprintf("%s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	require.NoError(b.t, err)
	return answer
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return value
}

// becomes waits until an expression is true.
func (b *tab) becomes(expression, what string) {
	b.t.Helper()
	if !assert.Eventually(b.t, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
		defer cancel()
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		return err == nil && yes
	}, 20*time.Second, 50*time.Millisecond) {
		require.Fail(b.t, "the page does not show: "+what, eval[string](b, "document.body.innerText"))
	}
}

// press clicks a switch and waits until it is pressed, or is not.
func (b *tab) press(id string, pressed bool) {
	b.t.Helper()
	button := fmt.Sprintf("document.getElementById('switch-%s')", id)
	eval[any](b, button+".click(); null")
	if id != "all" {
		b.becomes(fmt.Sprintf(`%s.getAttribute("aria-pressed") === "%t"`, button, pressed), id)
	}
}

func TestPageFollowsTheSandbox(t *testing.T) {
	t.Parallel()
	s, zone, c := start(t, sandbox.Config{})
	b := browse(t, s)
	assert.Equal(t, "ecssd-sandbox", eval[string](b, "document.title"))
	eval[any](b, `window.same = true; document.getElementById("switch-slow").focus(); null`)
	row := func(id string) string { return fmt.Sprintf(`document.querySelector('tr[data-set=%q]')`, id) }

	require.NoError(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 1)))
	b.becomes(row("a")+`?.querySelector('.share').innerText.trim() === "100 %"`, "the record")
	require.NoError(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("b", 3)))
	b.becomes(row("a")+`?.querySelector('.share').innerText.trim() === "25 %"`, "the share of one of two")
	b.becomes(
		`document.querySelector("#calls tbody tr").innerText.includes("UPSERT web.servicediscovery.internal. SRV b")`,
		"the call",
	)

	b.press("throttle", true)
	b.becomes(`document.title === "Faulty: ecssd-sandbox"`, "faults")
	code, _ := codeOf(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 9)))
	assert.Equal(t, "Throttling", code)
	b.becomes(`document.querySelector("#calls tbody tr").dataset.code === "Throttling"`, "the refused call")
	b.press("throttle", false)
	require.NoError(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 9)))
	b.becomes(row("a")+`?.querySelector('.share').innerText.trim() === "75 %"`, "the new share")

	b.press("lost", true)
	b.press("spot", true)
	require.Error(t, change(t.Context(), c, zone, types.ChangeActionDelete, srv("b", 3)))
	b.becomes(row("b")+` === null`, "the record is gone, though the answer was lost")
	assert.Contains(t, s.Metadata().Values(), "meta-data/spot/instance-action")
	b.press("all", false)
	b.becomes(
		`document.querySelectorAll('[aria-pressed="true"]').length === 0 && document.title === "ecssd-sandbox"`,
		"no faults",
	)
	require.NoError(t, change(t.Context(), c, zone, types.ChangeActionDelete, srv("a", 9)))
	assert.NotContains(t, s.Metadata().Values(), "meta-data/spot/instance-action")
	second, err := s.CreateZone("other.internal")
	require.NoError(t, err)
	b.becomes(
		fmt.Sprintf(`document.getElementById("zone-%s")?.previousElementSibling.id === "zone-%s"`, second, zone),
		"a new zone, in its place",
	)
	s.RemoveZone(second)
	b.becomes(fmt.Sprintf(`document.getElementById("zone-%s") === null`, second), "a zone that is removed")

	assert.True(t, eval[bool](b, "window.same === true"), "it was loaded anew")
	assert.Equal(
		t,
		"switch-slow",
		eval[string](b, "document.activeElement.id"),
		"the focus is kept when its section is replaced",
	)
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(t, b.failures)
	for _, url := range b.asked {
		assert.True(t, strings.HasPrefix(url, s.ManageURL()+"/") || url == "data:,", url)
	}
}

func TestPageSaysThatTheSandboxIsGone(t *testing.T) {
	t.Parallel()
	s, err := sandbox.Start(sandbox.Config{Seed: 1})
	require.NoError(t, err)
	b := browse(t, s)
	assert.True(t, eval[bool](b, `document.getElementById("unreachable").hidden`))
	require.NoError(t, s.Close())
	b.becomes(`!document.getElementById("unreachable").hidden`, "that nobody answers")
}

func TestPageFitsAPhone(t *testing.T) {
	t.Parallel()
	s, zone, c := start(t, sandbox.Config{})
	set := seed("i-0123456789abcdef0:ecs:"+strings.Repeat("0123456789abcdef", 4)+":65535/tcp", 1)
	set.Name = strings.Repeat("long-name-", 6) + ".servicediscovery.internal."
	require.NoError(t, s.Seed(zone, set))
	require.NoError(t, change(t.Context(), c, zone, types.ChangeActionUpsert, srv("a", 1)))
	require.Error(t, change(t.Context(), c, zone, types.ChangeActionCreate, srv("a", 1)))
	require.NoError(t, s.AddFault(sandbox.Fault{
		Kind:    sandbox.Delay,
		Latency: time.Millisecond,
		Names:   strings.Repeat("n", 200),
	}))
	b := browse(t, s)
	for _, width := range []int64{320, 768, 1280} {
		call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width:             width,
			Height:            800,
			DeviceScaleFactor: 1,
			Mobile:            width < 700,
		})
		b.open(s)
		assert.LessOrEqual(
			t,
			eval[int64](b, "document.documentElement.scrollWidth"),
			width,
			"it has to be moved sideways",
		)
	}
}

var update = flag.Bool("update", false, "take the pictures of the page anew")

// The pictures in docs are of two hosts' records with some faults. go test ./internal/sandbox -run Screenshot -update
// takes them anew; for that the machine needs a font (fonts-dejavu-core), and the sandbox's own ports must be free.
func TestScreenshots(t *testing.T) {
	files := map[string]string{"light": "../../docs/sandbox-light.png", "dark": "../../docs/sandbox-dark.png"}
	if *update {
		b := browse(t, busy(t))
		call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width:             picture.Width,
			Height:            900,
			DeviceScaleFactor: 1,
		})
		for scheme, path := range files {
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			screenshot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			require.NoError(t, err)
			picture.Write(t, path, screenshot)
		}
	}
	for scheme, path := range files {
		picture.Check(t, path, scheme)
	}
}

// busy returns a sandbox, at the addresses of ecssd-sandbox, with the records of two hosts and some of its faults on.
func busy(t *testing.T) *sandbox.Server {
	t.Helper()
	s, zone, c := start(t, sandbox.Config{
		Listen:   "127.0.0.1:4566",
		DNS:      "127.0.0.1:5300",
		Manage:   "127.0.0.1:4567",
		Settings: sandbox.Settings{Throttle: throttle.Current()},
	})
	named := func(name, kind, id, value string, weight int64) types.ResourceRecordSet {
		return types.ResourceRecordSet{
			Name:            aws.String(name + "." + zoneName + "."),
			Type:            types.RRType(kind),
			SetIdentifier:   &id,
			Weight:          &weight,
			TTL:             aws.Int64(0),
			ResourceRecords: []types.ResourceRecord{{Value: &value}},
		}
	}
	host := func(instance, address string) types.ResourceRecordSet {
		return named(
			"ip-"+strings.ReplaceAll(address, ".", "-"),
			"A",
			instance+":host:123456789012/eu-central-1",
			address,
			1,
		)
	}
	service := func(name, instance, target, container string, port, weight int64) types.ResourceRecordSet {
		id := fmt.Sprintf("%s:ecs:%s:8080/tcp", instance, strings.Repeat(container, 4))
		return named(name, "SRV", id, fmt.Sprintf("1 %d %d %s.%s", weight, port, target, zoneName), weight)
	}
	const one, two, target, other = "i-0123456789abcdef0", "i-0fedcba9876543210", "ip-10-0-0-1", "ip-10-0-0-2"
	calc := service("calc", one, target, "2f3c8e51a9d04b6e", 32770, 1)
	web := service("web", two, other, "7a0e95c2d4f1b386", 32769, 1)
	upsert := func(sets ...types.ResourceRecordSet) error {
		return change(t.Context(), c, zone, types.ChangeActionUpsert, sets...)
	}

	require.NoError(t, upsert(host(one, "10.0.0.1"), calc, service("time", one, target, "9b1deb4d3b7d4bad", 32768, 1)))
	require.NoError(t, upsert(host(two, "10.0.0.2"), service("time", two, other, "1c6a0dd2f1b45e83", 32768, 3), web))
	s.ClearCalls()
	require.NoError(t, upsert(service("web", one, target, "c4d8f0316b27ae95", 32771, 1)))
	_, err := c.ListResourceRecordSets(t.Context(), &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
	require.NoError(t, err)
	for _, name := range []string{"calc", "time", "time", "web", "web", "web", "nobody"} {
		_, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(name+"."+zoneName+".", dns.TypeSRV), s.DNSAddr())
		require.NoError(t, err)
	}
	require.NoError(t, s.AddFault(sandbox.Fault{
		Kind:      sandbox.Lose,
		Operation: "ChangeResourceRecordSets",
		Names:     "web.*",
		Count:     1,
	}))
	web.Weight = aws.Int64(0)
	require.Error(t, upsert(web), "the answer is lost")
	require.Equal(t, http.StatusSeeOther, press(t, s, "throttle", true))
	require.Equal(t, http.StatusSeeOther, press(t, s, "spot", true))
	require.Error(t, change(t.Context(), c, zone, types.ChangeActionDelete, calc), "it is throttled")
	return s
}
