package console

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"limen"
	"limen/capture"
	"limen/capture/liveview"
)

var screens = flag.String("screens", "", "folder to write pictures of the page to")

// chromium is one browser for all tests; empty why means that it runs.
var chromium struct {
	once  sync.Once
	ctx   context.Context
	close func()
	why   string
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func startChromium() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		chromium.why = "chromium is not installed: apt-get install chromium"
		return
	}
	folder, err := os.MkdirTemp("", "limen-console-")
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

// browse opens the page in a fresh tab.
func browse(t *testing.T, s *Server, address string) context.Context {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.why != "" {
		t.Skip(chromium.why)
	}
	tab, closeTab := chromedp.NewContext(chromium.ctx)
	ctx, cancel := context.WithTimeout(tab, 20*time.Second)
	t.Cleanup(func() { closeTab(); cancel() })
	do(t, ctx, chromedp.Navigate(address))
	return ctx
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("browser: %v", err)
	}
}

// until waits until a JavaScript expression is true on the page.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	var ok bool
	if err := chromedp.Run(ctx, chromedp.Poll(expression, &ok, chromedp.WithPollingTimeout(10*time.Second), chromedp.WithPollingInterval(20*time.Millisecond))); err != nil {
		var text string
		_ = chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text))
		t.Fatalf("page never came to %s: %v\npage says:\n%s", expression, err, text)
	}
}

func textOf(t *testing.T, ctx context.Context, expression string) string {
	t.Helper()
	var text string
	do(t, ctx, chromedp.Evaluate(expression, &text))
	return text
}

// testCamera is a source of live frames for liveview: a picture at 25 a second.
type testCamera struct{ pool *capture.Pool }

func (c *testCamera) Subscribe() (<-chan *capture.Frame, func()) {
	frames, stop, stopped := make(chan *capture.Frame), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			f := c.pool.Get()
			for i := range f.Y {
				f.Y[i] = uint8(60 + (i/8+n*3)%120)
			}
			for i := range f.Cb {
				f.Cb[i], f.Cr[i] = 140, 118
			}
			select {
			case frames <- f:
			case <-stop:
				f.Release()
				return
			}
		}
	}()
	return frames, func() { close(stop); <-stopped }
}

func newLive(t *testing.T) *liveview.Stream {
	t.Helper()
	live, err := liveview.New(&testCamera{capture.NewPool(320, 240)}, liveview.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { live.Close() })
	return live
}

// TestScreens writes pictures of the page for whoever changes its looks:
//
//	go test ./device/console -run Screens -screens /tmp/screens
func TestScreens(t *testing.T) {
	if *screens == "" {
		t.Skip("no -screens FOLDER given")
	}
	live := newLive(t)
	for _, kind := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide-light", 1440, 1000, "light"}, {"wide-dark", 1440, 1000, "dark"}, {"tablet-light", 800, 1200, "light"}, {"phone-light", 360, 740, "light"}} {
		s, site := serve(t, Options{Live: live, Devices: someDevices, Officer: &testOfficer{}, CAN: &testCAN{}})
		ctx := browse(t, s, s.URL(site.Listener.Addr()))
		do(t, ctx, chromedp.EmulateViewport(kind.width, kind.height), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: kind.scheme}}))
		shoot := func(name string) {
			t.Helper()
			until(t, ctx, `document.querySelector("#live-state").hidden && [...document.images].every(i => i.complete)`)
			var wide int
			do(t, ctx, chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide))
			if int64(wide) > kind.width {
				t.Errorf("%s %s: page is %d wide, want no more than %d", kind.name, name, wide, kind.width)
			}
			var png []byte
			do(t, ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
				png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
				return err
			}))
			if err := chromedp.Run(ctx, chromedp.FullScreenshot(&png, 100)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*screens, kind.name+"-"+name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		until(t, ctx, `document.querySelectorAll("#devices li").length === 4`)
		shoot("1-idle")
		play(s, running(t, "one"))
		until(t, ctx, `document.body.dataset.phase === "running"`)
		shoot("2-running")
		play(s, admitted(t, "two"))
		until(t, ctx, `document.querySelector("#outcome").dataset.outcome === "admit"`)
		shoot("3-admit")
		play(s, referred(t, "three"))
		until(t, ctx, `document.querySelector("#outcome").dataset.outcome === "refer"`)
		shoot("4-refer")
		play(s, cloned(t, "clone"))
		until(t, ctx, `document.querySelectorAll("#earlier .more").length === 2 && document.querySelector("#slip img").naturalWidth > 100`)
		shoot("6-clone")
		play(s, mismatched(t, "four"))
		until(t, ctx, `!document.querySelector("#match").hidden`)
		shoot("5-mismatch")
	}
}

func TestThePageShowsAnInspection(t *testing.T) {
	can := &testCAN{}
	officer := &testOfficer{}
	s, site := serve(t, Options{Devices: someDevices, Officer: officer, CAN: can})
	ctx := browse(t, s, s.URL(site.Listener.Addr()))
	until(t, ctx, `document.querySelector("#word").textContent === "Ready for the next traveler"`)
	if got := textOf(t, ctx, `location.pathname + location.search`); got != "/" {
		t.Errorf("address bar %q, want / without the token", got)
	}

	play(s, admitted(t, "one"))
	until(t, ctx, `document.querySelector("#word").textContent === "ADMIT"`)
	until(t, ctx, `document.querySelector("#portrait img")?.naturalWidth === 240 && document.querySelector("#best img")?.naturalWidth === 480`)
	for what, c := range map[string][2]string{
		"checks":   {`String(document.querySelectorAll(".check").length)`, fmt.Sprint(len(goodChecks()))},
		"one":      {`document.querySelector("[data-check=dg_hash][data-subject=DG2] .status").textContent`, "Passed"},
		"shape":    {`document.querySelector("#shape").getAttribute("href")`, "#i-admit"},
		"name":     {`document.querySelector("#fields .name dd").textContent`, "ERIKSSON ANNA MARIA"},
		"score":    {`document.querySelector(".figures").textContent`, "Likeness 0.71 · needed 0.46"},
		"model":    {`document.querySelector("#model").textContent`, "Judged by sface 4ad2c1 (operational model)"},
		"quality":  {`document.querySelector("#quality [data-picture=live] summary").textContent`, "Live picture: look at even light, brightness"},
		"figure":   {`document.querySelector("#quality [data-picture=live] [data-component=sharpness] dd").textContent`, "97"},
		"closed":   {`[...document.querySelectorAll("#quality details")].map((d) => d.hidden + " " + d.open).join()`, "false false,false false"},
		"record":   {`document.querySelector("#record dd").textContent`, "Stored as number 4711 · 4.8\u00a0s"},
		"earlier":  {`document.querySelector("#earlier li .state").textContent`, "ADMIT"},
		"aloud":    {`document.querySelector("#announce").textContent`, "ADMIT All required checks passed. Let the traveler through."},
		"decision": {`String(document.querySelector("#decide").hidden)`, "true"},
		"device":   {`document.querySelector("[data-device=gate] .state").textContent`, "Not working"},
	} {
		if got := textOf(t, ctx, c[0]); got != c[1] {
			t.Errorf("%s: page shows %q, want %q", what, got, c[1])
		}
	}

	until(t, ctx, `document.querySelector("#slip img").naturalWidth > 100 && document.querySelector("#slip pre").textContent.includes("entry 4711")`)

	// The next inspection takes everything personal off the page.
	s.Observe(limen.Event{Inspection: "two", At: noon, Step: limen.StepDocument})
	until(t, ctx, `document.body.dataset.phase === "running"`)
	var left []string
	do(t, ctx, chromedp.Evaluate(`["ERIKSSON", "L898902C3", "1974-08-12", "/image/", "Port South", "brightness"].filter((s) => document.documentElement.outerHTML.includes(s))`, &left))
	if len(left) != 0 {
		t.Errorf("still on the page after the next inspection began: %q", left)
	}

	// The officer decides about a referral with keyboard and list.
	play(s, referred(t, "three"))
	until(t, ctx, `document.querySelector("#word").textContent === "REFER" && !document.querySelector("#decide").hidden`)
	do(t, ctx, chromedp.SendKeys(`#decide [name=officer]`, "4711"), chromedp.SetValue(`#decide select`, "document_confirmed"),
		chromedp.Evaluate(`document.querySelector("#decide select").dispatchEvent(new Event("change"))`, nil))
	if got := textOf(t, ctx, `[...document.querySelectorAll("#decide button:enabled")].map((b) => b.value).join()`); got != "admit" {
		t.Errorf("buttons open on grounds to admit: %q, want admit", got)
	}
	do(t, ctx, chromedp.Click(`#decide button.admit`))
	until(t, ctx, `document.querySelector("#outcome").dataset.outcome === "admit" && document.querySelector("#decide").hidden`)
	if got := officer.decisions(); len(got) != 1 || got[0] != "three admit 4711 document_confirmed" {
		t.Errorf("decisions stored: %v, want the officer's", got)
	}
	if got, want := textOf(t, ctx, `document.querySelector("#by").textContent`), "Admit by officer 4711: Document examined and found genuine"; got != want {
		t.Errorf("page shows %q, want %q", got, want)
	}

	do(t, ctx, chromedp.SendKeys(`#can input`, "12345\r"))
	until(t, ctx, `document.querySelector("#can .message").textContent.includes("six digits")`)
	do(t, ctx, chromedp.SendKeys(`#can input`, "6\r"))
	until(t, ctx, `document.querySelector("#can .message").textContent.includes("will be used")`)
	if got := can.taken(); got != "123456" {
		t.Errorf("card access number handed on: %q, want 123456", got)
	}
}

func TestThePageDecodesTheLivePicture(t *testing.T) {
	s, site := serve(t, Options{Live: newLive(t)})
	ctx := browse(t, s, s.URL(site.Listener.Addr()))
	until(t, ctx, `document.querySelector("#live").getVideoPlaybackQuality().totalVideoFrames >= 20`)
	until(t, ctx, `document.querySelector("#live-state").hidden`)
	if got := textOf(t, ctx, `(v => v.videoWidth + "×" + v.videoHeight)(document.querySelector("#live"))`); got != "320×240" {
		t.Errorf("live picture of %s, want 320×240", got)
	}
	var decoded int
	do(t, ctx, chromedp.Evaluate(`livePicture.getStats().then((all) => [...all.values()].find((r) => r.type === "inbound-rtp").framesDecoded)`, &decoded,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if decoded < 10 { // the browser's statistics are a moment old
		t.Errorf("frames decoded: %d, want at least 10", decoded)
	}
}

// TestALostApplianceIsSaidOnThePage ends the appliance under the page.
func TestALostApplianceIsSaidOnThePage(t *testing.T) {
	s, site := serve(t, Options{})
	ctx := browse(t, s, s.URL(site.Listener.Addr()))
	play(s, admitted(t, "one"))
	until(t, ctx, `document.querySelector("#word").textContent === "ADMIT"`)
	s.Close()
	until(t, ctx, `!document.querySelector("#lost").hidden`)
	until(t, ctx, `!document.documentElement.outerHTML.includes("ERIKSSON")`)
}
