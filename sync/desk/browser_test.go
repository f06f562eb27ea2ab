package desk

import (
	"context"
	"flag"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"limen"
	"limen/sync/fleet"
	"limen/sync/wire"
)

var screens = flag.String("screens", "", "folder to write pictures of the pages to")

// chromium is one browser for all tests; empty why means that it runs.
var chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	why   string
}

func startChromium() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		chromium.why = "chromium is not installed: apt-get install chromium"
		return
	}
	folder, err := os.MkdirTemp("", "limen-desk-")
	if err != nil {
		chromium.why = err.Error()
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(folder), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	chromium.close = func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to exit
		endBrowser()
		endAllocator()
		os.RemoveAll(folder)
	}
	chromium.ctx = ctx
	if err := chromedp.Run(ctx); err != nil {
		chromium.why = "chromium does not start: " + err.Error()
	}
}

// tab is a fresh one; whoever was signed in in another is no longer.
func tab(t *testing.T) context.Context {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.why != "" {
		t.Skip(chromium.why)
	}
	tab, closeTab := chromedp.NewContext(chromium.ctx)
	ctx, cancel := context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(func() { closeTab(); cancel() })
	do(t, ctx, network.ClearBrowserCookies())
	return ctx
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("browser: %v", err)
	}
}

// becomes waits until a JavaScript expression is true on the page, also over
// the loading of another page.
func becomes(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	look := time.NewTicker(30 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(patience); ; {
		var ok bool
		err := chromedp.Run(ctx, chromedp.Evaluate("Boolean("+expression+")", &ok))
		if ok {
			return
		}
		select {
		case <-look.C:
		case <-limit:
			var text string
			_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text))
			t.Fatalf("page never came to %s: %v\npage says:\n%s", expression, err, text)
		}
	}
}

func textOf(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	var text string
	do(t, ctx, chromedp.Evaluate(expression, &text))
	return text
}

// signIn signs in as people do: by typing.
func (s *site) signIn(t *testing.T, ctx context.Context, role fleet.UserRole) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(s.url+"/"), chromedp.WaitVisible("#password"), chromedp.SendKeys("#name", string(role)), chromedp.SendKeys("#password", password+kb.Enter))
	becomes(t, ctx, `document.querySelector("h1")?.textContent === "Fleet"`)
}

// busy is a fleet of two sites in which something of everything happened.
func busy(t *testing.T) (s *site, gate, lost *device) {
	s = newSite(t, "", nil)
	now := time.Now()
	gate = s.newDevice("gate-1", "utopia-airport", 1)
	second := s.newDevice("gate-2", "utopia-airport", 2)
	handheld := s.newDevice("handheld-1", "utopia-border", 3)
	lost = s.newDevice("gate-3", "utopia-border", 4)
	reasons := []limen.ReasonCode{"face_mismatch", "chip_lost", "dg_hash_mismatch", "mrz_unreadable", "face_mismatch", "document_expired", "not_eligible"}
	for k, d := range []*device{gate, second, handheld, lost} {
		for n := range 60 - 12*k {
			at := now.Add(-time.Duration(n*(n%7+9)) * time.Minute * 2 / 3)
			if n%(4+k) == 0 {
				code := reasons[(n+k)%len(reasons)]
				d.record(inspection(at, byte(n%23), limen.Refer, code))
				officer := inspection(at.Add(time.Minute), byte(n%23), limen.Admit)
				if officer.Kind = limen.KindOfficer; n%8 == 0 {
					officer.Decision = limen.Decision{Outcome: limen.Refuse}
				}
				d.record(officer)
				continue
			}
			d.record(inspection(at, byte(n%23), limen.Admit))
		}
		d.connect()
		d.settled()
	}
	handheld.change(func(h *wire.Health) {
		h.Parts[1].State = wire.PartAway
		h.DiskFree, h.StopList = 3<<30, now.Add(-40*time.Hour).UnixMilli()
	})
	second.change(func(h *wire.Health) { h.Full = true })
	until(t, "the alarms", func() bool { n, err := s.records.Unanswered(t.Context()); return err == nil && len(n) == 2 })
	return s, gate, lost
}

func TestInTheBrowser(t *testing.T) {
	s, _, lost := busy(t)
	ctx := tab(t)
	var refused []string
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*network.EventLoadingFailed); ok && e.BlockedReason != "" {
			refused = append(refused, e.BlockedReason.String())
		}
	})
	do(t, ctx, network.Enable(), chromedp.Navigate(s.url+"/search"), chromedp.WaitVisible("#password"))
	do(t, ctx, chromedp.SendKeys("#name", "supervisor"), chromedp.SendKeys("#password", "wrong"+kb.Enter))
	becomes(t, ctx, `document.querySelector("[role=alert].wrong")?.textContent.includes("wrong")`)
	s.signIn(t, ctx, fleet.Supervisor)
	if got := textOf(t, ctx, `document.querySelector("#row-gate-1 .standing").textContent + "|" + document.querySelector("#row-handheld-1").innerText`); !strings.HasPrefix(got, "Online|") || !strings.Contains(got, "Degraded") || !strings.Contains(got, "Part away: camera") {
		t.Errorf("the fleet: got %q", got)
	}

	// A gate that dies is offline within seconds, on the page that is open, and the focus stays.
	do(t, ctx, chromedp.Focus("#to-gate-3"))
	lost.stop()
	becomes(t, ctx, `document.querySelector("#row-gate-3 .standing").textContent === "Offline"`)
	if got := textOf(t, ctx, `document.activeElement.id`); got != "to-gate-3" {
		t.Errorf("after the page was fetched anew the focus is at %q", got)
	}

	do(t, ctx, chromedp.SendKeys("#to-gate-3", kb.Enter))
	becomes(t, ctx, `document.querySelector("h1")?.textContent.includes("gate-3")`)
	do(t, ctx, chromedp.Navigate(s.url+"/search"), chromedp.WaitVisible("#document"), chromedp.SendKeys("#document", "abcd0004"),
		chromedp.SetValue("#purpose", "investigation"), chromedp.SendKeys("#reason", "case 2026-17"+kb.Enter))
	becomes(t, ctx, `document.querySelector("#found")?.textContent.includes("2 sites")`)
	if got := textOf(t, ctx, `String(document.querySelectorAll("main tbody .good").length === document.querySelectorAll("main tbody tr").length)`); got != "true" {
		t.Error("not every entry found is proven")
	}
	do(t, ctx, chromedp.Navigate(s.url+"/audit"))
	becomes(t, ctx, `document.querySelector("h1").textContent === "Your role does not allow this"`)

	do(t, ctx, chromedp.Navigate(s.url+"/alarms"), chromedp.WaitVisible(`[id^="note-"]`))
	before := textOf(t, ctx, `document.querySelector("#alarm-count .count").firstChild.data`)
	do(t, ctx, chromedp.SendKeys(`#note-gate-2-full`, "a technician is on the way"+kb.Enter))
	becomes(t, ctx, `document.body.innerText.includes("Acknowledged by supervisor")`)
	if after := textOf(t, ctx, `document.querySelector("#alarm-count .count")?.firstChild.data ?? "none"`); after == before {
		t.Errorf("the count of alarms stays at %s", after)
	}
	do(t, ctx, chromedp.Click(".who button"), chromedp.WaitVisible("#password"))
	if len(refused) > 0 {
		t.Errorf("the browser refused to load: %v", refused)
	}

	officer := tab(t)
	s.signIn(t, officer, fleet.PrivacyOfficer)
	do(t, officer, chromedp.Click(`nav a[href="/audit"]`))
	becomes(t, officer, `document.querySelector("#holds") && document.body.innerText.includes("case 2026-17")`)
}

// A gate whose process is killed, and one whose power or cable is gone, say no
// farewell: their last will speaks, in the first case at once, in the second
// after one and a half keep-alives. How long that took is logged (docs/figures.md).
func TestKilledGateShowsAsOffline(t *testing.T) {
	s := newSite(t, "", nil)
	killed, dark := s.newDevice("gate-1", "utopia-airport", 1), s.newDevice("gate-2", "utopia-airport", 2)
	lines := map[*device]*cable{}
	for _, d := range []*device{killed, dark} {
		lines[d] = s.newCable()
		d.broker = lines[d].Addr().String()
		d.keepAlive = *keepAlive
		d.connect()
	}
	ctx := tab(t)
	s.signIn(t, ctx, fleet.Viewer)
	online := func(name, standing string) string {
		return `document.querySelector("#row-` + name + ` .standing").textContent === "` + standing + `"`
	}
	becomes(t, ctx, online("gate-1", "Online")+" && "+online("gate-2", "Online"))
	lines[dark].cut.Store(true)
	began := time.Now()
	lines[killed].stop() // as the kernel closes what a killed process leaves
	becomes(t, ctx, online("gate-1", "Offline"))
	t.Logf("killed: offline on the page after %v", time.Since(began).Round(10*time.Millisecond))
	becomes(t, ctx, online("gate-2", "Offline"))
	t.Logf("dark, with a keep-alive of %v: offline on the page after %v", *keepAlive, time.Since(began).Round(10*time.Millisecond))
}

var keepAlive = flag.Duration("keepalive", time.Second, "keep-alive of the devices whose line is cut")

// cable is a TCP line to the broker that can be closed, or go dark: then
// nothing passes and nobody is told.
type cable struct {
	net.Listener
	cut  atomic.Bool
	stop func()
}

func (s *site) newCable() *cable {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	c := &cable{Listener: l}
	ctx, cancel := context.WithCancel(context.Background())
	var passing sync.WaitGroup
	c.stop = sync.OnceFunc(func() { l.Close(); cancel(); passing.Wait() })
	s.t.Cleanup(c.stop)
	passing.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", s.centre.MQTTAddr())
			if err != nil {
				near.Close()
				continue
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			passing.Go(func() { c.pass(ctx, near, far) })
			passing.Go(func() { c.pass(ctx, far, near) })
		}
	})
	return c
}

// pass copies until an end is closed; one side's end is the other's.
func (c *cable) pass(ctx context.Context, from, to net.Conn) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if c.cut.Load() {
			if err != nil {
				<-ctx.Done() // nobody is told
			}
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			from.Close()
			to.Close()
			return
		}
	}
}

// Each page, in each of the ways it is looked at, is no wider than the window;
// every control has a name, and text has enough contrast.
func TestPagesAreForEverybody(t *testing.T) {
	s, _, lost := busy(t)
	lost.stop()
	for _, kind := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide-light", 1280, 900, "light"}, {"wide-dark", 1280, 900, "dark"}, {"phone-light", 360, 740, "light"}} {
		ctx := tab(t)
		do(t, ctx, chromedp.EmulateViewport(kind.width, kind.height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: kind.scheme}}))
		look := func(name string) {
			t.Helper()
			becomes(t, ctx, `document.readyState === "complete"`)
			if got := textOf(t, ctx, audit); got != "" {
				t.Errorf("%s, %s: %s", name, kind.name, got)
			}
			if *screens == "" || !shot[name+"-"+kind.name] {
				return
			}
			var png []byte
			do(t, ctx, chromedp.FullScreenshot(&png, 100))
			if err := os.WriteFile(filepath.Join(*screens, "centre-"+name+"-"+kind.name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		do(t, ctx, chromedp.Navigate(s.url+"/sign-in"), chromedp.WaitVisible("#password"))
		look("sign-in")
		s.signIn(t, ctx, fleet.Supervisor)
		becomes(t, ctx, `document.querySelector("#row-gate-3 .standing").textContent === "Offline"`)
		look("fleet")
		for _, page := range []string{"devices/handheld-1", "figures?span=day", "alarms", "search"} {
			do(t, ctx, chromedp.Navigate(s.url+"/"+page), chromedp.WaitVisible("h1"))
			if page == "search" {
				becomes(t, ctx, `document.readyState === "complete"`) // keys sent to a page that is still being made can go astray
				do(t, ctx, chromedp.SetValue("#document", "abcd0004"), chromedp.SetValue("#purpose", "investigation"), chromedp.SetValue("#reason", "case 2026-17"), chromedp.Submit("#reason"), chromedp.WaitVisible("#found"))
			}
			u, _ := url.Parse(page)
			look(strings.TrimSuffix(strings.ReplaceAll(u.Path, "/", "-"), "s-handheld-1"))
		}
		privacy := tab(t)
		ctx = privacy
		do(t, ctx, chromedp.EmulateViewport(kind.width, kind.height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: kind.scheme}}))
		s.signIn(t, ctx, fleet.PrivacyOfficer)
		do(t, ctx, chromedp.Navigate(s.url+"/audit"), chromedp.WaitVisible("#holds"))
		look("audit")
	}
}

// shot are the pictures that docs/screens has.
var shot = map[string]bool{
	"sign-in-wide-light": true, "fleet-wide-light": true, "fleet-phone-light": true, "device-wide-light": true, "figures-wide-dark": true,
	"alarms-wide-light": true, "search-wide-light": true, "audit-wide-light": true, "search-phone-light": true,
}

// audit looks for what WCAG 2.2 AA forbids and a script can see: width,
// names of controls, contrast of text (1.4.3), targets (2.5.8), headings, language.
const audit = `(() => {
  const wrong = [];
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);
  if (document.documentElement.lang !== "en" || !document.title || document.querySelectorAll("h1").length !== 1 || !document.querySelector("main")) wrong.push("no language, title, main or one h1");
  for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']")) {
    const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent.trim();
    if (!name) wrong.push("no name: " + e.outerHTML);
    const box = e.getBoundingClientRect();
    if (e.matches("button, input, select") && box.height > 0 && Math.min(box.width, box.height) < 24) wrong.push("too small: " + e.outerHTML);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("twice: #" + id);
  const rgb = (s) => (s.match(/[\d.]+/g) || []).map(Number);
  const light = (c) => { const f = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility() || /^(SCRIPT|OPTION)$/.test(e.tagName)) continue;
    const svg = e.closest("svg.chart");
    const a = light(rgb(svg ? getComputedStyle(e).fill : getComputedStyle(e).color)), b = light(ground(svg || e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) wrong.push("contrast " + ratio.toFixed(2) + ": " + n.data.trim());
  }
  return wrong.join("; ");
})()`
