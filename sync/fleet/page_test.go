package fleet

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"limen"
	"limen/sync/wire"
)

func get(t *testing.T, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(b)
}

func TestPageShowsDevicesAndChecks(t *testing.T) {
	s := newSite(t)
	s.start()
	d := s.newDevice("gate-1", 1, s.ReceiptKey())
	if err := s.Enrol(d.name, d.key.PublicKey()); err != nil {
		t.Fatal(err)
	}
	if err := s.Enrol("gate-2", newKey(2).PublicKey()); err != nil {
		t.Fatal(err)
	}
	d.append(3)
	hostile, err := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, Site: "<script>alert(1)</script>", Device: "gate-1",
		Decision: limen.Decision{Outcome: limen.Admit}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.journal.Append(t.Context(), hostile); err != nil {
		t.Fatal(err)
	}
	d.connect(s.MQTTAddr())
	s.settled(d)

	base := "http://" + s.HTTPAddr()
	response, page := get(t, base+"/", "")
	csp := response.Header.Get("Content-Security-Policy")
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("page: got %s, policy %q; want 200 and nothing allowed by default", response.Status, csp)
	}
	for _, want := range []string{"gate-1", "gate-2", "connected", "unseen", "utopia-airport", "refer", "dg_hash_mismatch:DG2", "<code>abcd0000</code>", "2026-11-23 09:00:01 UTC", "&lt;script&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, forbidden := range []string{"<script", "http://", "https://", "style=", hex.EncodeToString([]byte{0xab, 0xcd, 0, 0, 0})} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	if response, css := get(t, base+"/style.css", ""); response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/css") || strings.Contains(css, "url(") {
		t.Errorf("style sheet: got %s, %s", response.Status, response.Header.Get("Content-Type"))
	}

	var devices []DeviceView
	_, body := get(t, base+"/api/devices", "")
	if err := json.Unmarshal([]byte(body), &devices); err != nil || len(devices) != 2 || !devices[0].Connected || devices[0].Held != 4 || devices[0].Outcome != "admit" || devices[0].State != "running" || devices[1].Connected {
		t.Errorf("devices: got %s, %v", body, err)
	}
	var checks []CheckView
	_, body = get(t, base+"/api/checks?n=2", "")
	if err := json.Unmarshal([]byte(body), &checks); err != nil || len(checks) != 2 || checks[0].Index != 3 || checks[1].Index != 2 || checks[1].Document != "abcd0200" || checks[1].Reasons[0] != "dg_hash_mismatch:DG2" {
		t.Errorf("checks: got %s, %v", body, err)
	}

	for path, want := range map[string]int{"/api/checks?n=0": 400, "/api/checks?n=100000": 400, "/api/checks?n=x": 400, "/nothing": 404, "/page.html": 404} {
		if response, _ := get(t, base+path, ""); response.StatusCode != want {
			t.Errorf("%s: got %s, want %d", path, response.Status, want)
		}
	}
	for host, want := range map[string]int{"evil.example": 403, "localhost:1": 200, "127.0.0.1": 200} {
		if response, _ := get(t, base+"/", host); response.StatusCode != want {
			t.Errorf("asked as %s: got %s, want %d", host, response.Status, want)
		}
	}
}

func TestHistoryFindsADocumentEverywhere(t *testing.T) {
	b := newBare(t, inSQLite)
	b.append(3)
	b.wantReceipt("all", b.send(b.name, b.batch(b.journal, 0, 3)), 3)
	for digits, want := range map[string]int{"abcd01" + "00": 1, "ABCD0000": 1, "abcd0500": 0, "abcd01" + strings.Repeat("0", 58): 1} {
		got, err := b.records.History(t.Context(), digits)
		if err != nil || len(got) != want {
			t.Errorf("%s: got %d, %v; want %d", digits, len(got), err, want)
		}
	}
	for _, bad := range []string{"", "abcd", "abcd010g", strings.Repeat("a", 65), "%"} {
		if _, err := b.records.History(t.Context(), bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestSubjectsAreTopics(t *testing.T) {
	if got := subject("gate-1", wire.KindReceipt); got != "limen.v1.gate-1.receipt" {
		t.Errorf("got %s", got)
	}
	if d, k, err := deviceOf("limen.v1.gate-1.entries"); d != "gate-1" || k != wire.KindEntries || err != nil {
		t.Errorf("got %s, %s, %v", d, k, err)
	}
}
