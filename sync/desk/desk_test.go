package desk

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/sync/fleet"
	"limen/sync/wire"
)

func TestNothingIsServedToThoseNotSignedIn(t *testing.T) {
	s := newSite(t, "", nil)
	b := s.browser()
	for path, want := range map[string]int{
		"/": 303, "/devices/gate-1": 303, "/figures": 303, "/alarms": 303, "/search": 303, "/audit": 303, "/events": 401, "/api/devices": 401,
		"/healthz": 200, "/sign-in": 200, "/style.css": 200, "/desk.js": 200, "/nothing": 404, "/metrics": 404, "/page/fleet.html": 404,
	} {
		r, body := b.get(path)
		if r.StatusCode != want || want == 303 && r.Header.Get("Location") != "/sign-in" {
			t.Errorf("%s: got %s, want %d", path, r.Status, want)
		}
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got the headers %v", path, r.Header)
		}
		for _, elsewhere := range []string{"http://", "https://", "style=", "onclick"} {
			if strings.Contains(body, elsewhere) {
				t.Errorf("%s has %q", path, elsewhere)
			}
		}
	}
	for path := range map[string]bool{"/search": true, "/alarms": true, "/proof": true, "/sign-out": true, "/devices/gate-1": true} {
		if r, _ := b.post(path, url.Values{"csrf": {"x"}}); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("POST %s: got %s, want 401", path, r.Status)
		}
	}
	for host, want := range map[string]int{"evil.example": 403, "localhost:1": 200, "127.0.0.1": 200} {
		b.header.Set("Host", host)
		if r, _ := b.get("/sign-in"); r.StatusCode != want {
			t.Errorf("asked as %s: got %s, want %d", host, r.Status, want)
		}
	}
}

func TestWhatEachRoleSees(t *testing.T) {
	s := newSite(t, "", nil)
	d := s.newDevice("gate-1", "utopia-airport", 1)
	d.connect()
	search := url.Values{"document": {"abcd0001"}, "purpose": {purposes[0]}, "reason": {"case 2026-17"}}
	checks := url.Values{"purpose": {purposes[0]}, "reason": {"case 2026-17"}}
	for role, want := range map[fleet.UserRole]map[string]int{
		fleet.Viewer:         {"/search": 403, "/audit": 403, "POST /search": 403, "POST /devices/gate-1": 403, "POST /alarms": 403},
		fleet.Operator:       {"/search": 403, "/audit": 403, "POST /search": 403, "POST /devices/gate-1": 403, "POST /alarms": 400},
		fleet.Supervisor:     {"/search": 200, "/audit": 403, "POST /search": 200, "POST /devices/gate-1": 200, "POST /alarms": 400},
		fleet.PrivacyOfficer: {"/search": 200, "/audit": 200, "POST /search": 200, "POST /devices/gate-1": 200, "POST /alarms": 403},
		fleet.Technician:     {"/search": 403, "/audit": 403, "POST /search": 403, "POST /devices/gate-1": 403, "POST /alarms": 400},
	} {
		b := s.as(role)
		csrf := b.csrf()
		for _, path := range []string{"/", "/figures", "/figures?span=month&site=utopia-airport", "/alarms", "/devices/gate-1", "/api/devices"} {
			want[path] = 200
		}
		want["/devices/gate-9"] = 404
		for path, status := range want {
			var r *http.Response
			var page string
			if target, post := strings.CutPrefix(path, "POST "); post {
				form := url.Values{}
				switch target {
				case "/search":
					form = search
				case "/devices/gate-1":
					form = checks
				}
				form.Set("csrf", csrf)
				r, page = b.post(target, form)
			} else {
				r, page = b.get(path)
			}
			if r.StatusCode != status {
				t.Errorf("%s, %s: got %s, want %d", role, path, r.Status, status)
			}
			if menu := strings.Contains(page, `href="/audit"`); path == "/" && menu != (role == fleet.PrivacyOfficer) {
				t.Errorf("%s: the menu has the audit: %v", role, menu)
			}
		}
	}
}

func TestSignInAndOut(t *testing.T) { onBoth(t, testSignInAndOut) }

func testSignInAndOut(t *testing.T, database string) {
	s := newSite(t, database, nil)
	b := s.browser()
	r, page := b.post("/sign-in", url.Values{"name": {"viewer"}, "password": {"wrong"}})
	if r.StatusCode != http.StatusUnauthorized || !strings.Contains(page, "wrong, or the account is locked") || len(b.cookies) != 0 {
		t.Errorf("wrong password: got %s, cookies %v", r.Status, b.cookies)
	}
	b.post("/sign-in", url.Values{"name": {"my secret password"}, "password": {"viewer"}})
	r, _ = b.post("/sign-in", url.Values{"name": {"viewer"}, "password": {password}})
	cookie := r.Header.Get("Set-Cookie")
	if r.StatusCode != http.StatusSeeOther || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || !strings.Contains(cookie, "Path=/;") {
		t.Fatalf("got %s, cookie %s", r.Status, cookie)
	}
	if r, page := b.get("/"); r.StatusCode != 200 || !strings.Contains(page, "viewer") {
		t.Errorf("signed in: got %s", r.Status)
	}
	csrf := b.csrf()
	for name, form := range map[string]url.Values{"without": {}, "of another": {"csrf": {"AAAA"}}} {
		if r, _ := b.post("/sign-out", form); r.StatusCode != http.StatusForbidden {
			t.Errorf("a form %s token: got %s", name, r.Status)
		}
	}
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		b.header.Set(header, value)
		if r, _ := b.post("/sign-out", url.Values{"csrf": {csrf}}); r.StatusCode != http.StatusForbidden {
			t.Errorf("from another site (%s): got %s", header, r.Status)
		}
		b.header.Del(header)
	}
	was := b.cookies["limen-fleet"]
	if r, _ := b.post("/sign-out", url.Values{"csrf": {csrf}}); r.StatusCode != http.StatusSeeOther {
		t.Errorf("sign out: got %s", r.Status)
	}
	b.cookies["limen-fleet"] = was
	if r, _ := b.get("/"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("with the old cookie: got %s", r.Status)
	}
	b = s.as(fleet.Viewer)
	s.clock.forward(fleet.SessionIdle - time.Minute)
	b.header.Set(liveHeader, "1") // the page itself: no use
	if r, _ := b.get("/"); r.StatusCode != http.StatusOK {
		t.Errorf("not idle for long enough: got %s", r.Status)
	}
	s.clock.forward(2 * time.Minute)
	b.header.Del(liveHeader)
	if r, _ := b.get("/"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("idle: got %s", r.Status)
	}
	lines, err := s.records.Audit(t.Context(), 0, 10)
	var actions []string
	for _, l := range lines {
		actions = append(actions, l.Action+" "+l.Name)
	}
	slices.Reverse(actions)
	if want := []string{"sign_in_refused viewer", "sign_in viewer", "sign_out viewer", "sign_in viewer"}; err != nil || !slices.Equal(actions, want) {
		t.Errorf("the audit: got %q, %v; want %q", actions, err, want)
	}
}

// searched is a site with two devices that met one document three times.
func searched(t *testing.T, database string) (*site, *device) {
	s := newSite(t, database, nil)
	now := time.Now()
	gate, handheld := s.newDevice("gate-1", "utopia-airport", 1), s.newDevice("handheld-2", "utopia-border", 2)
	gate.record(inspection(now.Add(-2*time.Hour), 1, limen.Admit))
	gate.record(inspection(now.Add(-time.Hour), 2, limen.Refer, "face_mismatch"))
	gate.record(inspection(now.Add(-time.Hour), 1, limen.Refer, "chip_lost"))
	handheld.record(inspection(now.Add(-time.Minute), 1, limen.Refer, "dg_hash_mismatch"))
	for _, d := range []*device{gate, handheld} {
		d.connect()
		d.settled()
	}
	return s, gate
}

func TestSearchNeedsAReasonAndIsLogged(t *testing.T) { onBoth(t, testSearch) }

func testSearch(t *testing.T, database string) {
	s, gate := searched(t, database)
	b := s.as(fleet.Supervisor)
	form := func(change ...string) url.Values {
		f := url.Values{"csrf": {b.csrf()}, "document": {"ABCD0001"}, "purpose": {"investigation"}, "reason": {"case 2026-17"}}
		for k := 0; k < len(change); k += 2 {
			f.Set(change[k], change[k+1])
		}
		return f
	}
	before, err := s.records.Audit(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]url.Values{
		"no reason": form("reason", ""), "a keystroke": form("reason", "x      "), "no purpose": form("purpose", ""), "another purpose": form("purpose", "curiosity"),
		"a short document": form("document", "abcd"), "a wildcard": form("document", "%%%%%%%%"), "a name": form("document", "ERIKSSON"),
	} {
		if r, page := b.post("/search", f); r.StatusCode != http.StatusBadRequest || strings.Contains(page, "gate-1") {
			t.Errorf("%s: got %s", name, r.Status)
		}
	}
	if after, err := s.records.Audit(t.Context(), 0, 100); err != nil || len(after) != len(before) {
		t.Errorf("refused searches: %d lines more, %v", len(after)-len(before), err)
	}
	r, page := b.post("/search", form())
	if r.StatusCode != http.StatusOK {
		t.Fatalf("got %s", r.Status)
	}
	for _, want := range []string{"3 entries, 2 sites, 2 devices", "Chip lost", "DG hash mismatch", "utopia-border", "Signed: entry 2 of 3", "abcd0001"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Face mismatch") || strings.Contains(page, "abcd00015e") {
		t.Error("the page shows another document's check, or more of a pseudonym than was asked for")
	}
	lines, err := s.records.Audit(t.Context(), 0, 1)
	if err != nil || lines[0].Action != fleet.ActionSearch || lines[0].Subject != "document abcd0001" || lines[0].Reason != "investigation: case 2026-17" || lines[0].Name != "supervisor" {
		t.Errorf("the audit: got %+v, %v", lines, err)
	}
	r, bundle := b.post("/proof", form("device", "gate-1", "index", "2"))
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(bundle, "c2sp.org/tlog-proof@v1\n") || !strings.Contains(bundle, "index 2\n") || !strings.Contains(bundle, wire.Origin(gate.name)) {
		t.Errorf("proof: got %s, %.80q", r.Status, bundle)
	}
	for name, f := range map[string]url.Values{"no such entry": form("device", "gate-1", "index", "7"), "no number": form("device", "gate-1", "index", "-1"), "no device": form("device", "gate-9", "index", "1")} {
		if r, _ := b.post("/proof", f); r.StatusCode < 400 || r.StatusCode >= 500 {
			t.Errorf("%s: got %s", name, r.Status)
		}
	}
	if r, page := b.post("/devices/gate-1", form()); r.StatusCode != 200 || strings.Count(page, "Signed: entry") != 3 {
		t.Errorf("the device's checks: got %s", r.Status)
	}
	if r, page := b.post("/devices/gate-1", form("reason", "")); r.StatusCode != 400 || strings.Contains(page, "Signed: entry") {
		t.Errorf("the device's checks for no reason: got %s", r.Status)
	}
	audit, page := s.as(fleet.PrivacyOfficer).get("/audit")
	if audit.StatusCode != 200 || !strings.Contains(page, "Searched for a document") || !strings.Contains(page, "case 2026-17") || !strings.Contains(page, "without a gap") {
		t.Errorf("the audit's page: got %s", audit.Status)
	}
}

func TestAlarmsAreAcknowledged(t *testing.T) {
	s := newSite(t, "", nil)
	d := s.newDevice("gate-1", "utopia-airport", 1)
	d.connect()
	d.change(func(h *wire.Health) { h.Full = true })
	until(t, "an alarm", func() bool {
		n, err := s.records.Unanswered(t.Context())
		return err == nil && n[fleet.TroubleFull] == 1
	})
	b := s.as(fleet.Operator)
	_, page := b.get("/alarms")
	alarms, err := s.records.Alarms(t.Context())
	if err != nil || !strings.Contains(page, "Journal full: everybody is referred") {
		t.Fatalf("got %+v, %v; the page lacks it", alarms, err)
	}
	opened, _ := json.Marshal(int64(alarms[0].Opened))
	form := url.Values{"csrf": {b.csrf()}, "device": {"gate-1"}, "kind": {fleet.TroubleFull}, "opened": {string(opened)}, "note": {""}}
	if r, _ := b.post("/alarms", form); r.StatusCode != http.StatusBadRequest {
		t.Errorf("without a word: got %s", r.Status)
	}
	form.Set("note", "a technician is on the way")
	if r, _ := b.post("/alarms", form); r.StatusCode != http.StatusSeeOther {
		t.Errorf("got %s", r.Status)
	}
	if r, page := b.post("/alarms", form); r.StatusCode != http.StatusConflict || !strings.Contains(page, "acknowledged that alarm already") {
		t.Errorf("again: got %s", r.Status)
	}
	if _, page := s.as(fleet.Viewer).get("/alarms"); !strings.Contains(page, "Acknowledged by operator") || strings.Contains(page, `name="note"`) {
		t.Error("a viewer does not see who acknowledged, or could acknowledge")
	}
}

// What devices say is shown as it was said, and never as HTML.
func TestHostileWordsAreText(t *testing.T) {
	s := newSite(t, "", nil)
	d := s.newDevice("gate-1", "<script>alert(1)</script>", 1)
	d.record(inspection(time.Now(), 1, "<img src=x>", `"><script>`))
	d.connect()
	d.settled()
	b := s.as(fleet.Supervisor)
	for _, path := range []string{"/", "/figures", "/devices/gate-1", "/figures?site=<script>", "/?site=%22%3E%3Cscript%3E"} {
		_, page := b.get(path)
		if strings.Contains(page, "<script>") || strings.Contains(page, "<img") {
			t.Errorf("%s has a device's word as HTML", path)
		}
	}
}

func TestFiguresByHand(t *testing.T) {
	if r := rateOf(0, 0); r.Known {
		t.Error("a rate of nothing is known")
	}
	if r := rateOf(5, 10); r.Of != .5 || r.Low < .2365 || r.Low > .2367 || r.High < .7633 || r.High > .7635 { // Wilson, by hand
		t.Errorf("5 of 10: got %+v", r)
	}
	for n, want := range map[int64]int64{0: 2, 2: 2, 3: 4, 5: 10, 11: 20, 41: 100, 999: 1000} {
		if got := roundUp(n); got != want {
			t.Errorf("roundUp(%d): got %d, want %d", n, got, want)
		}
	}
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	hour := func(k int) int64 { return from.Add(time.Duration(k) * time.Hour).UnixMilli() }
	figures := []fleet.Figure{
		{Hour: hour(0), Site: "a", What: fleet.CountOutcome, Code: "admit", Count: 3}, {Hour: hour(1), Site: "a", What: fleet.CountOutcome, Code: "refer", Count: 1},
		{Hour: hour(-1), Site: "a", What: fleet.CountOutcome, Code: "admit", Count: 9}, {Hour: hour(2), Site: "b", What: fleet.CountOutcome, Code: "admit", Count: 9},
		{Hour: hour(1), Site: "a", What: fleet.CountReason, Code: "chip_lost", Count: 1}, {Hour: hour(1), Site: "a", What: fleet.CountOfficer, Code: "admit", Count: 1},
		{Hour: hour(1), Site: "a", What: fleet.CountTime, Code: "total", Count: 26_000},
	}
	c := checksChart(figures, from, 2, time.Hour)
	if c.Total != 4 || c.Bins[0].Counts[0] != 3 || c.Bins[1].Counts[1] != 1 || c.Bins[0].Rects[0].Height <= c.Bins[1].Rects[1].Height {
		t.Errorf("got %+v", c)
	}
	rows := ratesOf(figures)
	if len(rows) != 3 || rows[0].Checks != 13 || rows[0].Referred != 1 || rows[0].Cleared != 1 || rows[0].Seconds != 2 || rows[2].Checks != 22 {
		t.Errorf("got %+v", rows)
	}
}

// Pages with a certificate of their own speak HTTP/2, and their cookie is for
// TLS and this host alone.
func TestPagesOverTLS(t *testing.T) {
	dir := t.TempDir()
	authority, err := fleet.NewAuthority(filepath.Join(dir, "authority"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := fleet.Open(fleet.Config{
		Dir: filepath.Join(dir, "centre"), MQTT: "127.0.0.1:0", HTTP: "127.0.0.1:0", CA: authority.CAPath(), Certificate: server.Certificate, Key: server.Key,
		HTTPCertificate: server.Certificate, HTTPKey: server.Key,
		Pages: func(c *fleet.Centre) (http.Handler, error) {
			d, err := New(c, Options{})
			if err != nil {
				return nil, err
			}
			return d.Handler(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, centre: c, records: c.Records(), clock: &clock{}}
	s.background("centre", c.Run)
	if err := s.records.AddUser(t.Context(), "viewer", password, fleet.Roles{fleet.Viewer}, time.Now()); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(authority.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.PostForm("https://"+c.HTTPAddr()+"/sign-in", url.Values{"name": {"viewer"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	cookie := r.Header.Get("Set-Cookie")
	if r.ProtoMajor != 2 || r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(cookie, "__Host-limen-fleet=") || !strings.Contains(cookie, "; Secure") || r.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("got %s by %s, cookie %s", r.Status, r.Proto, cookie)
	}
}
