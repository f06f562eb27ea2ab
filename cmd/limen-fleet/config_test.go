package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/sync/fleet"
)

// The sample in the repository is the defaults, and has every key.
func TestSampleConfiguration(t *testing.T) {
	path := filepath.Join(repotest.Root(t), "firmware-config", "centre", "fleet.yaml")
	s, err := where{Config: path}.settings()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Pages.OIDC.Roles) == 0 {
		s.Pages.OIDC.Roles = nil
	}
	if len(s.Pages.ICEServers) == 0 {
		s.Pages.ICEServers = nil
	}
	for _, list := range []*[]string{&s.Hosts, &s.Queue.NATS, &s.Cluster.Routes, &s.Pages.OIDC.Scopes} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	if want := defaults(); !reflect.DeepEqual(s, want) {
		t.Errorf("the sample says %+v, want the defaults %+v", s, want)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var keys func(reflect.Type)
	keys = func(of reflect.Type) {
		for f := range of.Fields() {
			if !regexp.MustCompile(`(?m)^ *` + f.Tag.Get("yaml") + `:`).Match(b) {
				t.Errorf("the sample lacks %s", f.Tag.Get("yaml"))
			}
			if f.Type.Kind() == reflect.Struct {
				keys(f.Type)
			}
		}
	}
	keys(reflect.TypeOf(s))
}

func TestConfigurationSaysWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"roel: ingest":               "fleet.yaml:1:1: there is no key \"roel\": firmware-config/centre/fleet.yaml lists them all",
		"mqtt: [1]":                  "fleet.yaml:1:7",
		"dir: /a\nqueue:\n  nat: []": "fleet.yaml:3:3: there is no key \"nat\"",
		"pages: {ice_servers: [{urls: ['http://x']}]}":       "is no address such as stun:",
		"pages: {ice_servers: [{urls: ['turn:x.example']}]}": "wants a username",
		"role: brokr":                           "none of broker, ingest, api",
		"role: ingest":                          "name a PostgreSQL database",
		"database: mysql://x":                   "must begin with postgres://",
		"role: api":                             "name a PostgreSQL database",
		"role: broker":                          "each node needs a name",
		"queue: {replicas: 9}":                  "9 is not 1 to 5",
		"ca: x":                                 "belong together",
		"role: ingest\ndatabase: postgres:///x": "name servers of a NATS cluster",
		"role: ingest\ndatabase: postgres:///x\nqueue: {nats: [a], mqtt: b}": "name servers of a NATS cluster",
		"role: ingest\ndatabase: postgres:///x\nqueue: {nats: ['a:4222']}":   "limen-fleet certify worker",
		"role: broker\ncluster: {name: a}":                                   "limen-fleet certify node",
		"http: 0.0.0.0:8480":                                                 "is open to the network, and passwords go over it",
		"http: :8480\npages: {public_url: 'http://fleet.example'}":           "is open to the network",
		"pages: {certificate: a}":                                            "certificate and key belong together",
		"pages: {oidc: {issuer: 'https://id.example'}}":                      "pages.public_url: the identity provider sends browsers back",
	} {
		path := filepath.Join(t.TempDir(), "fleet.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errText := command(t, "serve", "--config", path, "--dir", t.TempDir()); code != 2 || !strings.Contains(errText, says) {
			t.Errorf("%q: got %d, %s; want 2, ... %s", text, code, errText, says)
		}
	}
	if code, _, errText := command(t, "devices", "--config", "/nowhere/fleet.yaml"); code != 2 || !strings.Contains(errText, "copy firmware-config/centre/fleet.yaml there") {
		t.Errorf("no file: got %d, %s", code, errText)
	}
}

func TestBackupCommands(t *testing.T) {
	dir, file := filepath.Join(t.TempDir(), "centre"), filepath.Join(t.TempDir(), "b")
	if code, _, errText := command(t, "enrol", "gate-1", "--key", publicKey(1), "--out", t.TempDir(), "--dir", dir); code != 0 {
		t.Fatal(errText)
	}
	if code, text, errText := command(t, "backup", file, "--dir", dir); code != 0 || !strings.Contains(text, "1 devices, 0 entries") {
		t.Fatalf("backup: got %d, %s, %s", code, text, errText)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: got %v, %v; want mode 0600", info, err)
	}
	if code, _, errText := command(t, "backup", file, "--dir", dir); code != 3 || !strings.Contains(errText, "exists: name another file") {
		t.Errorf("over a file: got %d, %s", code, errText)
	}
	other := filepath.Join(t.TempDir(), "other")
	var s fleet.BackupSummary
	code, text, errText := command(t, "restore", file, "--dir", other, "--json")
	if err := json.Unmarshal([]byte(text), &s); code != 0 || err != nil || len(s.Verdict) != 1 {
		t.Errorf("restore: got %d, %s, %s, %v", code, text, errText, err)
	}
	if code, _, errText := command(t, "restore", file, "--dir", other); code != 3 || !strings.Contains(errText, "restore into an empty folder") {
		t.Errorf("restore over it: got %d, %s", code, errText)
	}
	if code, text, _ := command(t, "migrate", "--dir", other); code != 0 || !strings.Contains(text, "already") {
		t.Errorf("migrate: got %d, %s", code, text)
	}
}

// The role api refuses a database that nobody migrated, and serves one that is.
func TestRoleNeedsMigratedRecords(t *testing.T) {
	server, err := repotest.NewPostgres()
	if err != nil {
		t.Fatal(err)
	}
	if server == nil {
		t.Skip("this needs Debian's postgresql-15: make deps-test installs it")
	}
	t.Cleanup(server.Stop)
	at, err := server.Database()
	if err != nil {
		t.Fatal(err)
	}
	serve := []string{"serve", "--role", "api", "--database", at, "--http", "127.0.0.1:0"}
	if code, _, errText := command(t, serve...); code != 3 || !strings.Contains(errText, "run `limen-fleet migrate`") {
		t.Fatalf("before the migration: got %d, %s", code, errText)
	}
	if code, text, errText := command(t, "migrate", "--database", at); code != 0 || !strings.Contains(text, "were of version 0") {
		t.Fatalf("migrate: got %d, %s, %s", code, text, errText)
	}
	ctx, stop := context.WithCancel(t.Context())
	var out lines
	done := make(chan int, 1)
	go func() { done <- run(ctx, serve, &out, &out) }()
	page := out.await(t, regexp.MustCompile(`page: (http://\S+)`))
	response, err := http.Get(page + "healthz")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("page: got %v, %v", response, err)
	}
	response.Body.Close()
	stop()
	select {
	case code := <-done:
		if code != 0 {
			t.Errorf("serve: got %d, want 0", code)
		}
	case <-time.After(30 * time.Second):
		t.Error("serve did not stop")
	}
}

// A device is told the keys that the centre of the configuration signs with,
// wherever those lie.
func TestEnrolTellsTheConfiguredKeys(t *testing.T) {
	dir, shared, out := t.TempDir(), t.TempDir(), t.TempDir()
	receipts, err := fleet.PrepareReceiptKey(shared)
	if err != nil {
		t.Fatal(err)
	}
	witness, err := fleet.PrepareWitnessKey(shared)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, extra string
		own         bool
	}{{"in its folder", "", true}, {"elsewhere", "receipt_key: " + filepath.Join(shared, "receipt.key") + "\n", false}} {
		path := filepath.Join(t.TempDir(), "fleet.yaml")
		if err := os.WriteFile(path, []byte("dir: "+dir+"\n"+test.extra), 0o600); err != nil {
			t.Fatal(err)
		}
		code, text, errText := command(t, "enrol", "gate-1", "--key", publicKey(1), "--out", out, "--config", path, "--json")
		var e enrolled
		if err := json.Unmarshal([]byte(text), &e); code != 0 || err != nil {
			t.Errorf("%s: got %d, %s, %v", test.name, code, errText, err)
			continue
		}
		if (e.ReceiptKey == receipts) == test.own || (e.WitnessKey == witness) == test.own {
			t.Errorf("%s: got %s and %s; want the configured keys", test.name, e.ReceiptKey, e.WitnessKey)
		}
	}
}
