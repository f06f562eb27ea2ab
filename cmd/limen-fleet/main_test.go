package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"limen/sync/fleet"
)

func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func publicKey(seed byte) string {
	k := ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))
	return base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

func TestEnrolThenAsk(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "centre"), filepath.Join(t.TempDir(), "carry")
	code, text, errText := command(t, "enrol", "gate-1", "--key", publicKey(1), "--out", out, "--dir", dir, "--json")
	var e enrolled
	if err := json.Unmarshal([]byte(text), &e); code != 0 || err != nil || !strings.HasPrefix(e.ReceiptKey, "limen-centre+") {
		t.Fatalf("enrol: got %d, %s, %s, %v", code, text, errText, err)
	}
	for _, path := range []string{e.CA, e.Certificate, e.Key} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v; want mode 0600", path, info, err)
		}
	}
	code, text, _ = command(t, "enrol", "gate-2", "--key", publicKey(2), "--out", out, "--dir", dir)
	if code != 0 || !strings.Contains(text, "receipt_key: "+e.ReceiptKey) || !strings.Contains(text, "device-gate-2.pem") {
		t.Errorf("enrol: got %d, %s; want the lines for limen.yaml", code, text)
	}
	if code, _, errText := command(t, "enrol", "gate-1", "--key", publicKey(3), "--out", out, "--dir", dir); code != 3 || !strings.Contains(errText, "enrolled with another key") {
		t.Errorf("another key: got %d, %s", code, errText)
	}
	var devices []fleet.DeviceView
	code, text, _ = command(t, "devices", "--json", "--dir", dir)
	if err := json.Unmarshal([]byte(text), &devices); code != 0 || err != nil || len(devices) != 2 || devices[1].Name != "gate-2" {
		t.Errorf("devices: got %d, %s, %v", code, text, err)
	}
	code, text, _ = command(t, "verify", "--dir", dir)
	if code != 0 || !strings.Contains(text, "gate-1: 0 entries hold") {
		t.Errorf("verify: got %d, %s", code, text)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "fleet.db")) // an entry is said to be held, and is not
	if err == nil {
		_, err = db.Exec("UPDATE devices SET size = 1 WHERE name = 'gate-2'")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var found verified
	code, text, _ = command(t, "verify", "--json", "--dir", dir)
	if err := json.Unmarshal([]byte(text), &found); code != 1 || err != nil || found.Devices[0].Fault != nil || found.Devices[1].Fault == nil {
		t.Errorf("verify of tampered records: got %d, %s, %v; want 1 and the fault of gate-2", code, text, err)
	}
	if code, text, _ := command(t, "verify", "--dir", dir); code != 1 || !strings.Contains(text, "gate-2: entry 0, leaf: the entry is missing") {
		t.Errorf("verify of tampered records: got %d, %s", code, text)
	}
	if code, text, _ := command(t, "history", "0123abcd", "--reason", "case 2026-17", "--dir", dir); code != 1 || text != "0 entries\n" {
		t.Errorf("history of an unknown document: got %d, %s; want 1", code, text)
	}
}

// Sets and commands from the command line, with the key that enrolment made.
func TestSetsAndCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "centre")
	code, text, errText := command(t, "enrol", "gate-1", "--key", publicKey(1), "--out", t.TempDir(), "--dir", dir, "--json")
	var e enrolled
	if err := json.Unmarshal([]byte(text), &e); code != 0 || err != nil || !strings.HasPrefix(e.OperationsKey, "limen-operations+") {
		t.Fatalf("enrol: got %d, %s, %s, %v", code, text, errText, err)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	for _, content := range []string{"name: one", "name: two"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, text, errText := command(t, "sets", "publish", "policy", file, "--for", "site:north", "--dir", dir); code != 0 || !strings.Contains(text, "for site:north") {
			t.Fatalf("publish: got %d, %s, %s", code, text, errText)
		}
	}
	for _, test := range []struct {
		want int
		says string
		args []string
	}{
		{2, "say to whom", []string{"sets", "rollout", "policy", "2"}},
		{3, "there is no set policy number 3", []string{"sets", "rollout", "policy", "3", "--all"}},
		{0, "devices at north are to run", []string{"sets", "rollout", "policy", "2", "--site", "north"}},
		{0, "it is number 1 again", []string{"sets", "rollback", "policy"}},
		{2, "is no address", []string{"sets", "publish", "policy", file, "--for", "everybody"}},
		{0, "gate-1: command 1, health", []string{"command", "send", "gate-1", "health", "--by", "4711", "--reason", "slow"}},
		{0, "command 2, operations_key", []string{"command", "rotate", "--by", "4711", "--reason", "yearly", "--out", filepath.Join(dir, "next.key")}},
		{0, "not told yet", []string{"command", "show"}},
		{1, "", []string{"command", "erase", "0123456789", "--by", "4711", "--reason", "order 7"}},
		{3, "no such device", []string{"command", "send", "gate-9", "lock", "--by", "4711", "--reason", "stolen"}},
	} {
		code, text, errText := command(t, append(test.args, "--dir", dir)...)
		if code != test.want || !strings.Contains(text+errText, test.says) {
			t.Errorf("%v: got %d, %s, %s; want %d, ... %s", test.args, code, text, errText, test.want, test.says)
		}
	}
	var sets []fleet.SetView
	code, text, _ = command(t, "sets", "show", "--json", "--dir", dir)
	if err := json.Unmarshal([]byte(text), &sets); code != 0 || err != nil || len(sets) != 3 || sets[2].Repeats != 1 || len(sets[2].Sites) != 1 {
		t.Errorf("show: got %d, %s, %v; want number 3 repeat 1, at one site", code, text, err)
	}
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		want int
		args []string
		says string
	}{
		{0, []string{"--help"}, ""},
		{2, []string{"fly"}, "unexpected argument"},
		{2, []string{"enrol", "gate-1", "--key", "abc", "--out", dir, "--dir", dir}, "--key is no base64 of 32 bytes"},
		{2, []string{"enrol", "Gate 1", "--key", publicKey(1), "--out", dir, "--dir", dir}, "device name"},
		{2, []string{"enrol", "gate-1", "--dir", dir}, "missing flags"},
		{2, []string{"history", "abc", "--reason", "case 2026-17", "--dir", dir}, "8 to 64 hex digits"},
		{2, []string{"history", "abcd0123", "--dir", dir}, "missing flags: --reason"},
		{2, []string{"history", "abcd0123", "--reason", "x", "--dir", dir}, "--reason says why you ask"},
		{2, []string{"verify", "--audit", "7", "--dir", dir}, "NUMBER:HASH"},
		{2, []string{"users", "add", "ana", "--role", "king", "--dir", dir}, "there is no role \"king\""},
		{2, []string{"serve", "--ca", "x", "--dir", dir}, "belong together"},
		{3, []string{"devices", "--dir", dir}, "no centre has worked in"},
		{3, []string{"verify", "--json", "--dir", dir}, "no centre has worked in"},
		{3, []string{"serve", "--dir", dir, "--mqtt", "nowhere"}, "is not host:port"},
	} {
		if code, _, errText := command(t, test.args...); code != test.want || !strings.Contains(errText, test.says) {
			t.Errorf("%v: got %d, %s; want %d, ... %s", test.args, code, errText, test.want, test.says)
		}
	}
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	var out lines
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"}, &out, &out)
	}()
	page := out.await(t, regexp.MustCompile(`page: (http://\S+)`))
	out.await(t, regexp.MustCompile(`devices: (tls://127\.0\.0\.1:\d+)`))
	response, err := http.Get(page)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("page: got %v, %v", response, err)
	}
	response.Body.Close()
	// Enrolled in another process's way while it runs.
	if code, _, errText := command(t, "enrol", "gate-1", "--key", publicKey(1), "--out", t.TempDir(), "--dir", dir); code != 0 {
		t.Errorf("enrol: got %d, %s", code, errText)
	}
	if code, _, errText := command(t, "serve", "--dir", dir, "--mqtt", "127.0.0.1:0", "--http", ""); code != 3 || !strings.Contains(errText, "another centre runs") {
		t.Errorf("a second centre: got %d, %s", code, errText)
	}
	stop()
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("serve: got %d, want 0", code)
		}
	case <-time.After(8 * time.Second):
		t.Error("serve did not stop")
	}
}

// lines is output read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) await(t *testing.T, re *regexp.Regexp) string {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(8 * time.Second); ; {
		l.mu.Lock()
		m := re.FindStringSubmatch(l.b.String())
		text := l.b.String()
		l.mu.Unlock()
		if m != nil {
			return m[1]
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("not printed: %v, in: %s", re, text)
		}
	}
}
