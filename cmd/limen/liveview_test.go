package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"golang.org/x/image/vp8"
	"golang.org/x/mod/sumdb/note"

	"limen/device"
	"limen/hw/keystore"
	simcamera "limen/hw/sim/camera"
	pages "limen/sync/desk"
	"limen/sync/fleet"
	"limen/sync/history"
	"limen/sync/view"
)

// watchedFleet is a centre with its pages and people, and appliances.
type watchedFleet struct {
	t         *testing.T
	dir       string
	authority *fleet.Authority
	centre    *fleet.Centre
	ctx       context.Context
}

const viewPassword = "correct horse battery"

func newWatchedFleet(t *testing.T) *watchedFleet {
	t.Helper()
	f := &watchedFleet{t: t, dir: t.TempDir()}
	var err error
	f.authority, err = fleet.NewAuthority(f.at("authority"))
	f.must(err)
	server, err := f.authority.Server("127.0.0.1")
	f.must(err)
	f.centre, err = fleet.Open(fleet.Config{
		Dir: f.at("centre"), MQTT: "127.0.0.1:0", HTTP: "127.0.0.1:0", CA: f.authority.CAPath(), Certificate: server.Certificate, Key: server.Key,
		Pages: func(c *fleet.Centre) (http.Handler, error) {
			d, err := pages.New(c, pages.Options{})
			if err != nil {
				return nil, err
			}
			return d.Handler(), nil
		},
	})
	f.must(err)
	ctx, stop := context.WithCancel(context.Background())
	f.ctx = ctx
	ended := make(chan error, 1)
	go func() { ended <- f.centre.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, role := range []fleet.UserRole{fleet.Supervisor, fleet.Technician} {
		f.must(f.centre.Records().AddUser(ctx, string(role), viewPassword, fleet.Roles{role}, time.Now()))
	}
	return f
}

func (f *watchedFleet) at(name ...string) string {
	return filepath.Join(append([]string{f.dir}, name...)...)
}

func (f *watchedFleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// appliance runs a device of the fleet; an empty source is no camera.
func (f *watchedFleet) appliance(name, source string, allowed bool) *assembly {
	f.t.Helper()
	client, err := f.authority.Device(name)
	f.must(err)
	keys, err := keystore.Create(f.at(name, "keys"), nil, nil)
	f.must(err)
	f.must(f.centre.Records().Enrol(f.ctx, name, keys.Signer().PublicKey(), time.Now()))
	c := device.Defaults()
	c.Site, c.Device, c.Store, c.Keys, c.Socket, c.Sets, c.Trust = "north", name, f.at(name, "store"), f.at(name, "keys"), "", f.at(name, "sets"), f.at(name, "trust")
	c.Console.Listen = "127.0.0.1:0"
	c.Camera = device.CameraConfig{Source: source, Width: 640, Height: 480, FPS: 25}
	c.Uplink = device.UplinkConfig{Broker: "tls://" + f.centre.MQTTAddr(), CA: f.authority.CAPath(), Certificate: client.Certificate, Key: client.Key, ReceiptKey: f.centre.ReceiptKey(), LiveView: allowed}
	a, err := assembleFrom("", c, slog.New(slog.DiscardHandler), nil)
	f.must(err)
	ctx, stop := context.WithCancel(f.ctx)
	ran := make(chan error, 1)
	go func() { ran <- a.run(ctx) }()
	f.t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			f.t.Error(err)
		}
	})
	f.within(name+" connected", func() bool { return a.uplink.State().Phase == "connected" })
	return a
}

func (f *watchedFleet) within(what string, is func() bool) {
	f.t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(60 * time.Second); !is(); {
		select {
		case <-look.C:
		case <-limit:
			f.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// noticed tells whether a device's journal has a notice.
func noticed(a *assembly, what, says string) bool {
	shown, err := a.history.Show(-1, 50)
	return err == nil && slices.ContainsFunc(shown, func(s history.Shown) bool {
		n := s.Record.Notice
		return n != nil && n.What == what && strings.Contains(n.Says, says)
	})
}

// audited tells whether the centre's audit has a line.
func (f *watchedFleet) audited(action, name, subject, reason string) bool {
	lines, err := f.centre.Records().Audit(f.ctx, 0, 50)
	return err == nil && slices.ContainsFunc(lines, func(l fleet.Access) bool {
		return l.Action == action && l.Name == name && l.Subject == subject && strings.Contains(l.Reason, reason)
	})
}

// visitor is somebody signed in at the centre's pages.
type visitor struct {
	f    *watchedFleet
	http *http.Client
	csrf string
}

func (f *watchedFleet) signIn(role fleet.UserRole) *visitor {
	f.t.Helper()
	jar, err := cookiejar.New(nil)
	f.must(err)
	p := &visitor{f: f, http: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
	p.post("/sign-in", url.Values{"name": {string(role)}, "password": {viewPassword}})
	r, err := p.http.Get(f.url("/"))
	f.must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	f.must(err)
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(b)
	if found == nil {
		f.t.Fatalf("%s is not signed in", role)
	}
	p.csrf = string(found[1])
	return p
}

func (f *watchedFleet) url(path string) string { return "http://" + f.centre.HTTPAddr() + path }

func (p *visitor) post(path string, form url.Values) (int, string) {
	p.f.t.Helper()
	r, err := p.http.PostForm(p.f.url(path), form)
	p.f.must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	p.f.must(err)
	return r.StatusCode, string(b)
}

// look asks to look through a device's camera.
func (p *visitor) look(name, reason, offer string) (int, string) {
	p.f.t.Helper()
	return p.post("/devices/"+name+"/camera", url.Values{"csrf": {p.csrf}, "purpose": {"fault of a device"}, "reason": {reason}, "offer": {offer}})
}

// watcher is a browser's WebRTC, played by pion.
type watcher struct {
	pc      *webrtc.PeerConnection
	offer   string
	picture chan image.Image // decoded key frames
}

func newWatcher(t *testing.T, c webrtc.Configuration) *watcher {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var media webrtc.MediaEngine
	fail(media.RegisterDefaultCodecs())
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(&media), webrtc.WithSettingEngine(setting)).NewPeerConnection(c)
	fail(err)
	w := &watcher{pc: pc, picture: make(chan image.Image, 1)}
	t.Cleanup(func() { pc.Close() })
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { w.read(track) })
	_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	fail(err)
	offer, err := pc.CreateOffer(nil)
	fail(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	fail(pc.SetLocalDescription(offer))
	<-gathered
	w.offer = pc.LocalDescription().SDP
	return w
}

func (w *watcher) read(track *webrtc.TrackRemote) {
	var frame []byte
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		var payload codecs.VP8Packet
		if _, err := payload.Unmarshal(p.Payload); err != nil {
			continue
		}
		if payload.S == 1 && payload.PID == 0 {
			frame = nil
		}
		frame = append(frame, payload.Payload...)
		if !p.Marker {
			continue
		}
		d := vp8.NewDecoder()
		d.Init(bytes.NewReader(frame), len(frame))
		if h, err := d.DecodeFrameHeader(); err == nil && h.KeyFrame {
			if m, err := d.DecodeFrame(); err == nil {
				select {
				case w.picture <- m:
				default:
				}
			}
		}
	}
}

// Somebody of the centre who has the role and gives a reason sees the camera
// of a device that allows it, while the device says so; both journals have who,
// why and how long. Nobody else sees anything.
func TestCentreLooksThroughACamera(t *testing.T) {
	f := newWatchedFleet(t)
	sim, err := simcamera.New(simcamera.Options{})
	f.must(err)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- sim.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	gate := f.appliance("gate-1", sim.URL(), true)
	blind := f.appliance("gate-2", "", true)
	off := f.appliance("gate-3", "", false)
	supervisor, technician := f.signIn(fleet.Supervisor), f.signIn(fleet.Technician)
	const why = "the lock is reported stuck"
	w := newWatcher(t, webrtc.Configuration{})

	for name, c := range map[string]struct {
		who                  *visitor
		device, reason, text string
		status               int
	}{
		"without the role":   {technician, "gate-1", why, "Your role does not allow this", http.StatusForbidden},
		"without a reason":   {supervisor, "gate-1", "", "Say why you ask", http.StatusBadRequest},
		"without a camera":   {supervisor, "gate-2", why, "it has no camera", http.StatusConflict},
		"where it is off":    {supervisor, "gate-3", why, "uplink.live_view", http.StatusConflict},
		"of no such device":  {supervisor, "gate-9", why, "There is no such device", http.StatusNotFound},
		"of no browser's":    {supervisor, "gate-1", why, "cannot use the browser", http.StatusConflict},
		"without form token": {&visitor{f: f, http: supervisor.http}, "gate-1", why, "not from this page", http.StatusForbidden},
	} {
		offer := w.offer
		if name == "of no browser's" {
			offer = "v=0"
		}
		if status, text := c.who.look(c.device, c.reason, offer); status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s: got %d %.300s, want %d and %q", name, status, text, c.status, c.text)
		}
	}
	if !noticed(blind, "view_refused", "asked for by supervisor") || !noticed(off, "view_refused", "asked for by supervisor") {
		t.Error("a refused view is not in the device's journal")
	}
	if gate.console.Watched() || noticed(gate, "view_refused", "") {
		t.Error("the device speaks of somebody watching, or refuses, before anybody asked well")
	}
	stranger, _, err := note.GenerateKey(nil, "stranger")
	f.must(err)
	signer, err := note.NewSigner(stranger)
	f.must(err)
	sealed, err := view.Request{Device: "gate-1", ID: make([]byte, 16), Issued: time.Now().UnixMilli(), Expires: time.Now().Add(view.Life).UnixMilli(), By: "x", Why: why, Offer: view.HashOf(w.offer)}.Sign(signer)
	f.must(err)
	gate.command(sealed)
	f.within("a stranger's request recorded", func() bool { return noticed(gate, "view_refused", "signature") })

	status, text := supervisor.look("gate-1", why, w.offer)
	var got struct{ ID, Answer string }
	if status != http.StatusOK || json.Unmarshal([]byte(text), &got) != nil {
		t.Fatalf("got %d %s", status, text)
	}
	if !gate.console.Watched() || !noticed(gate, "view_began", "asked for by supervisor: fault of a device: "+why) || !f.audited(fleet.ActionView, "supervisor", "gate-1", why) {
		t.Error("the device answered before its light was on, and both journals had it")
	}
	f.must(w.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: got.Answer}))
	select {
	case m := <-w.picture:
		if m.Bounds().Dx() != 640 || m.Bounds().Dy() != 480 {
			t.Errorf("got a picture of %v, want 640×480", m.Bounds())
		}
	case <-time.After(60 * time.Second):
		t.Fatal("no picture decoded within a minute")
	}
	if status, text := supervisor.look("gate-1", why, newWatcher(t, webrtc.Configuration{}).offer); status != http.StatusConflict || !strings.Contains(text, "watches already") {
		t.Errorf("a second one: got %d %s", status, text)
	}
	f.must(w.pc.Close())
	f.within("the light off", func() bool { return !gate.console.Watched() })
	f.within("the end recorded", func() bool {
		return noticed(gate, "view_ended", "its browser left after") && f.audited(fleet.ActionViewEnded, "supervisor", "gate-1", "its browser left after")
	})

	gate.viewLimit = time.Second // nobody watches: it is read with the next request
	w = newWatcher(t, webrtc.Configuration{})
	status, text = supervisor.look("gate-1", why, w.offer)
	if status != http.StatusOK || json.Unmarshal([]byte(text), &got) != nil {
		t.Fatalf("got %d %s", status, text)
	}
	f.within("the end by its limit recorded", func() bool {
		return noticed(gate, "view_ended", "its time was up after 1 s") && f.audited(fleet.ActionViewEnded, "supervisor", "gate-1", "its time was up")
	})
	f.within("all eight notices at the centre", func() bool {
		n, err := f.centre.Records().Stored(f.ctx, "gate-1")
		return err == nil && n == 8
	})
	t.Run("in a browser", func(t *testing.T) { f.looksInABrowser(t, gate) })
	if v, err := f.centre.Records().VerifyAudit(f.ctx, fleet.Access{}); err != nil || v.Fault != "" {
		t.Errorf("the audit: %+v, %v", v, err)
	}
}

// looksInABrowser does what a supervisor does, with the page as it is.
func (f *watchedFleet) looksInABrowser(t *testing.T, gate *assembly) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: apt-get install chromium")
	}
	gate.viewLimit = viewLimit
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-background-networking", true))...)
	defer endAllocator()
	browser, endBrowser := chromedp.NewContext(allocator)
	defer endBrowser()
	defer chromedp.Cancel(browser) // waits for the browser to exit
	if err := chromedp.Run(browser); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(browser, time.Minute)
	defer stop()
	do := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			var says string
			_ = chromedp.Run(browser, chromedp.Evaluate(`document.body.innerText`, &says))
			t.Fatalf("browser: %v\npage says:\n%s", err, says)
		}
	}
	const frames = `document.querySelector("#picture").getVideoPlaybackQuality().totalVideoFrames`
	do(chromedp.Navigate(f.url("/")), chromedp.WaitVisible("#password"), chromedp.SendKeys("#name", string(fleet.Supervisor)), chromedp.SendKeys("#password", viewPassword+kb.Enter), chromedp.WaitVisible("nav"),
		chromedp.Navigate(f.url("/devices/gate-1")), chromedp.Click("#camera"), chromedp.WaitVisible("#ask"),
		chromedp.SetValue("#purpose", "fault of a device"), chromedp.SendKeys("#reason", "as a browser does it"+kb.Enter),
		chromedp.Poll(frames+` >= 10`, nil))
	if !gate.console.Watched() || !noticed(gate, "view_began", "as a browser does it") {
		t.Error("the browser has pictures, and the device's light is off or its journal does not know")
	}
	do(chromedp.Click("#end"))
	f.within("the light off when the browser ended", func() bool { return !gate.console.Watched() })
	f.within("the browser's end recorded", func() bool {
		return noticed(gate, "view_ended", "as a browser does it") && f.audited(fleet.ActionViewEnded, "supervisor", "gate-1", "its browser left")
	})
}
