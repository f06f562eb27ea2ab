package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
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

// Two appliances of one site cosign each other's checkpoints, as their
// limen.yaml has it.
func TestNeighborsCosign(t *testing.T) {
	type gate struct {
		name, listen, log, cosigner string
		*assembly
	}
	gates := []*gate{{name: "gate-1"}, {name: "gate-2"}}
	root := t.TempDir()
	for _, g := range gates {
		keys, err := keystore.Create(filepath.Join(root, g.name, "keys"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if g.log, g.cosigner, err = neighborKeys(g.name, keys.Signer()); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, and soon taken again
		if err != nil {
			t.Fatal(err)
		}
		g.listen = l.Addr().String()
		l.Close()
	}
	for k, g := range gates {
		other, dir := gates[1-k], filepath.Join(root, g.name)
		text := fmt.Sprintf(`site: utopia-airport
device: %s
store: %[2]s/store
keys: %[2]s/keys
trust: %[2]s/trust
socket: %[2]s/limen.sock
console: {listen: "127.0.0.1:0"}
models: {detector: "", recogniser: "", spoof: []}
witness:
  listen: %[3]s
  neighbors: ["%[4]s"]
  ask: [{url: "http://%[5]s", key: "%[6]s"}]
  quorum: 1
`, g.name, dir, g.listen, other.log, other.listen, other.cosigner)
		path := filepath.Join(dir, "limen.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := device.LoadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		if g.assembly, err = assemble(cfg, slog.New(slog.DiscardHandler), nil); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- g.run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Errorf("%s: %v", g.name, err)
			}
		})
	}
	for _, g := range gates {
		now := limen.MomentOf(time.Now())
		r := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: "a-" + g.name, Site: g.cfg.Site, Device: g.cfg.Device, Started: now, Ended: now}
		if _, err := g.history.Append(t.Context(), r, limen.Subject{}); err != nil {
			t.Fatal(err)
		}
	}
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	limit := time.After(time.Minute)
	for k, g := range gates {
		for {
			v, err := g.history.Verify(t.Context())
			if err != nil || v.Fault != nil {
				t.Fatalf("%s: got %+v, %v", g.name, v, err)
			}
			if w := v.Witnessed; w.Covered == 1 && len(w.Witnesses) == 1 && w.Witnesses[0].Name == "limen/"+gates[1-k].name {
				break
			}
			select {
			case <-look.C:
			case <-limit:
				t.Fatalf("%s: %s", g.name, v.Witnessed)
			}
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
