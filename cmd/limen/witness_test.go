package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen"
	"limen/device"
	"limen/hw/keystore"
	"limen/internal/repotest"
)

// An appliance cosigns its neighbor's checkpoints, as the limen.yaml of both
// has it.
func TestNeighborsCosign(t *testing.T) {
	root := t.TempDir()
	keys := func(name string) (log, cosigner string) {
		t.Helper()
		k, err := keystore.Create(filepath.Join(root, name, "keys"), nil, nil)
		if err == nil {
			log, cosigner, err = neighborKeys(name, k.Signer())
		}
		if err != nil {
			t.Fatal(err)
		}
		return log, cosigner
	}
	start := func(name, witness string) *assembly {
		t.Helper()
		dir := filepath.Join(root, name)
		text := fmt.Sprintf(`site: utopia-airport
device: %s
store: %[2]s/store
keys: %[2]s/keys
trust: %[2]s/trust
socket: %[2]s/limen.sock
console: {listen: "127.0.0.1:0"}
models: {detector: "", recogniser: "", spoof: []}
witness: %[3]s
`, name, dir, witness)
		path := filepath.Join(dir, "limen.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := device.LoadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		a, err := assemble(cfg, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- a.run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		return a
	}
	log, _ := keys("gate-1")
	_, cosigner := keys("gate-2")
	neighbor := start("gate-2", fmt.Sprintf(`{listen: "127.0.0.1:0", neighbors: ["%s"]}`, log))
	gate := start("gate-1", fmt.Sprintf(`{ask: [{url: "http://%s", key: "%s"}], quorum: 1}`, neighbor.witnessing.listener.Addr(), cosigner))
	now := limen.MomentOf(time.Now())
	r := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: "a", Site: gate.cfg.Site, Device: gate.cfg.Device, Started: now, Ended: now}
	if _, err := gate.history.Append(t.Context(), r, limen.Subject{}); err != nil {
		t.Fatal(err)
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(time.Minute); ; {
		v, err := gate.history.Verify(t.Context())
		if err != nil || v.Fault != nil {
			t.Fatalf("got %+v, %v", v, err)
		}
		if v.Witnessed.Covered == 1 {
			break
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatal(v.Witnessed)
		}
	}
	var out, errOut bytes.Buffer
	code := run(t.Context(), []string{"history", "verify", "--config", filepath.Join(root, "gate-1", "limen.yaml")}, &out, &errOut)
	if code != 0 || !strings.Contains(out.String(), "1 of 1 witnesses cover 1 entries (limen/gate-2 up to entry 1, at ") {
		t.Errorf("limen history verify: got %d, %s%s", code, &out, &errOut)
	}
}

// limen keys seal moves the keys into the TPM; without it they stay shut, and
// what to do is said.
func TestKeysAreSealedInTheTPM(t *testing.T) {
	path, stop := repotest.StartTPM(t, t.TempDir())
	d := newDesk(t)
	d.see("L898902C3")
	text, err := os.ReadFile(d.config())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.config(), append(text, "tpm: {device: "+path+", pcrs: [7]}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	limen := func(args ...string) (int, string) {
		var out bytes.Buffer
		return run(t.Context(), append(args, "--config", d.config()), &out, &out), out.String()
	}
	if code, said := limen("keys", "seal"); code != 0 || !strings.Contains(said, "sealed in the TPM at "+path) {
		t.Fatalf("keys seal: got %d, %s", code, said)
	}
	b, err := os.ReadFile(filepath.Join(d.dir, "keys", "keys.json"))
	if err != nil || !bytes.Contains(b, []byte("tpm2+")) {
		t.Errorf("the key file is not the TPM's (%v)", err)
	}
	if code, said := limen("keys", "rotate"); code != 0 {
		t.Errorf("keys rotate: got %d, %s", code, said)
	}
	if code, said := limen("history", "verify"); code != 0 || !strings.Contains(said, "1 entries, all in order") {
		t.Errorf("history verify: got %d, %s", code, said)
	}
	stop()
	if code, said := limen("history", "verify"); code != 3 || !strings.Contains(said, "the TPM cannot be reached: switch it on") {
		t.Errorf("without the TPM: got %d, %s; want 3, and what to do", code, said)
	}
}
