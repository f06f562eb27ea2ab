package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/device"
	"limen/hw/keystore"
	"limen/sync/history"
	"limen/sync/index"
	"limen/sync/journal"
	"limen/sync/wire"
)

// desk is an appliance's folder with a history in it and no appliance running.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{t, t.TempDir()}
	config := fmt.Sprintf("site: utopia-airport\ndevice: gate-1\nstore: %[1]s/store\nkeys: %[1]s/keys\nsocket: %[1]s/limen.sock\nhistory:\n  scope: [{documents: [P], issuers: [UTO]}]\n", d.dir)
	if err := os.WriteFile(d.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keystore.Create(filepath.Join(d.dir, "keys"), nil, nil); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d desk) config() string { return filepath.Join(d.dir, "limen.yaml") }

// see records one inspection of each document, by the appliance's own parts.
func (d desk) see(numbers ...string) {
	d.t.Helper()
	cfg, err := device.LoadConfig(d.config())
	if err != nil {
		d.t.Fatal(err)
	}
	keys, err := keystore.Open(cfg.Keys, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	key := keys.StoreKey()
	j, err := journal.Open(cfg.Store, journal.Options{Key: key[:], Name: wire.Origin(cfg.Device), Signer: keys.Signer()})
	if err != nil {
		d.t.Fatal(err)
	}
	h := history.New(j, history.Options{Pseudonyms: pseudonyms{keys}, Signer: keys.Signer(), Site: cfg.Site, Device: cfg.Device})
	defer h.Close()
	for i, number := range numbers {
		about, err := h.Subject(d.t.Context(), pseudonyms{keys}.Traces("UTO", number))
		if err != nil {
			d.t.Fatal(err)
		}
		now := limen.MomentOf(time.Now())
		r := limen.Record{Version: limen.RecordVersion, Kind: limen.KindInspection, ID: fmt.Sprint("id", i), Site: cfg.Site, Device: cfg.Device, Started: now, Ended: now,
			Document: limen.Document{Code: "P", Issuer: "UTO", Pseudonym: about.Pseudonym}, Decision: limen.Decision{Outcome: limen.Admit}}
		if _, err := h.Append(d.t.Context(), r, about); err != nil {
			d.t.Fatal(err)
		}
	}
}

// limen runs a command on the desk's configuration.
func (d desk) limen(want int, args ...string) (out, errs string) {
	d.t.Helper()
	var o, e bytes.Buffer
	if code := run(d.t.Context(), append(args, "--config", d.config()), &o, &e); code != want {
		d.t.Fatalf("limen %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, o.String(), e.String())
	}
	return o.String(), e.String()
}

const (
	line1 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
	line2 = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
)

// A person's history from the command line: asked for, corrected, taken out with
// proofs that another program checks, and erased; each is in the journal.
func TestHistoryOfAPerson(t *testing.T) {
	d := newDesk(t)
	d.see("L898902C3", "UT0000001", "L898902C3")
	var found history.Found
	out, _ := d.limen(0, "history", "find", "--mrz", line1, "--mrz", line2, "--reason", "case 12", "--officer", "4711", "--json")
	if err := json.Unmarshal([]byte(out), &found); err != nil || found.Times != 2 || found.Devices[0].Device != "gate-1" || found.Checks[0].Outcome != limen.Admit {
		t.Fatalf("find: got %s (%v)", out, err)
	}
	if out, _ := d.limen(0, "history", "find", "--document", "UTO/L898902C3", "--reason", "again"); !strings.Contains(out, "checked 2 times") || !strings.Contains(out, "as gate-1 knows it at") {
		t.Errorf("find in words: %s", out)
	}
	if out, _ := d.limen(1, "history", "find", "--document", "UTO", "--document", "X000000", "--reason", "nobody"); !strings.Contains(out, "never checked") {
		t.Errorf("an unknown document: %s", out)
	}
	if out, _ := d.limen(0, "history", "correct", "0", "the traveler was sent on by hand", "--officer", "4711"); !strings.Contains(out, "entry 6 corrects entry 0") {
		t.Errorf("correct: %s", out)
	}
	if out, _ := d.limen(0, "history", "show", "0"); !strings.Contains(out, "CORRECTED: the traveler was sent on by hand") {
		t.Errorf("show: %s", out)
	}
	picture := filepath.Join(d.dir, "slip.png")
	if out, _ := d.limen(0, "history", "slip", "0", "--out", picture); !strings.Contains(out, "record id0\nentry 0\n") || !bytes.HasPrefix(must(os.ReadFile(picture)), []byte("\x89PNG")) {
		t.Errorf("slip: %s", out)
	}
	d.limen(1, "history", "slip", "6")
	d.exportIsProven()
	if out, _ := d.limen(0, "history", "erase", "--document", "UTO/L898902C3", "--order", "7 K 12/26", "--json"); strings.TrimSpace(out) != `{"entries":3,"documents":1}` {
		t.Errorf("erase: got %s, want two inspections and a correction", out)
	}
	d.limen(1, "history", "find", "--document", "UTO/L898902C3", "--reason", "is it gone")
	out, _ = d.limen(0, "history", "show", "--last", "10")
	for _, want := range []string{"find by 4711, 2 found: case 12", "3 found: order 7 K 12/26", "0  erased", "export by"} {
		if !strings.Contains(out, want) {
			t.Errorf("show lacks %q:\n%s", want, out)
		}
	}
	if out, _ := d.limen(0, "history", "verify"); !strings.Contains(out, "all in order") {
		t.Errorf("verify: %s", out)
	}
}

// exportIsProven takes the person's data out, and has limen-verify check it.
func (d desk) exportIsProven() {
	d.t.Helper()
	dir := filepath.Join(d.dir, "out")
	d.limen(0, "history", "export", "--document", "UTO/L898902C3", "--reason", "access request", "--out", dir)
	proofs, err := filepath.Glob(filepath.Join(dir, "*.tlog-proof"))
	if err != nil || len(proofs) != 3 {
		d.t.Fatalf("got proofs %v, %v; want 3", proofs, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "export.json"))
	if err != nil {
		d.t.Fatal(err)
	}
	var e history.Exported
	if err := json.Unmarshal(b, &e); err != nil || len(e.Records) != 3 || len(e.Questions) != 3 {
		d.t.Errorf("export.json: got %d records and %d questions, %v; want 3 and 3", len(e.Records), len(e.Questions), err)
	}
	keys, err := keystore.Open(filepath.Join(d.dir, "keys"), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	key, err := note.NewEd25519VerifierKey(wire.Origin("gate-1"), keys.Signer().PublicKey())
	if err != nil {
		d.t.Fatal(err)
	}
	verify := exec.Command("go", append([]string{"run", "limen/cmd/limen-verify", "-device", key}, proofs...)...)
	if out, err := verify.CombinedOutput(); err != nil {
		d.t.Errorf("limen-verify: %v\n%s", err, out)
	}
	if err := os.WriteFile(proofs[0], bytes.Replace(must(os.ReadFile(proofs[0])), []byte("\nindex "), []byte("\nindex 1"), 1), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if out, err := exec.Command("go", "run", "limen/cmd/limen-verify", "-device", key, proofs[0]).CombinedOutput(); err == nil {
		d.t.Errorf("limen-verify took a changed proof:\n%s", out)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Wrong questions are refused with what to do, and repeat nothing a document says.
func TestHistoryQuestionsThatAreRefused(t *testing.T) {
	d := newDesk(t)
	d.see("L898902C3")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"find", "--document", "UTO/L898902C3"}, "say why with --reason"},
		{[]string{"find", "--reason", "x"}, "name the document"},
		{[]string{"find", "--reason", "x", "--document", "UTOPIA/L898902C3"}, "a state is 1 to 3 letters"},
		{[]string{"find", "--reason", "x", "--mrz", line1, "--mrz", strings.Replace(line2, "C36", "C37", 1)}, "a check digit does not hold"},
		{[]string{"find", "--reason", "x", "--mrz", line1, "--document", "UTO/L898902C3"}, "not by both"},
		{[]string{"erase", "--document", "UTO/L898902C3"}, "say why with --order"},
		{[]string{"erase", "--reason", "x"}, "say what to erase"},
		{[]string{"erase", "--reason", "x", "--older-than", "90d", "--entry", "0"}, "just one of"},
		{[]string{"erase", "--reason", "x", "--older-than", "soon"}, "is no age"},
		{[]string{"export", "--document", "UTO/L898902C3"}, "say why with --reason"},
	} {
		_, errs := d.limen(2, append([]string{"history"}, c.args...)...)
		if !strings.Contains(errs, c.want) {
			t.Errorf("%v: got %q, want %q", c.args, errs, c.want)
		}
		for _, said := range []string{"L898902C3", "ERIKSSON"} {
			if strings.Contains(errs, said) {
				t.Errorf("%v: the error says %s", c.args, said)
			}
		}
	}
}

// What other devices saw is found from the command line too, with its age.
func TestHistoryFindsWhatOthersSaw(t *testing.T) {
	d := newDesk(t)
	d.see("L898902C3")
	keys, err := keystore.Open(filepath.Join(d.dir, "keys"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := keys.StoreKey()
	x, err := index.Open(filepath.Join(d.dir, "store", "region"), key[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	hash := keys.Traces("UTO", "L898902C3")[0].Hash
	seen := limen.Record{Kind: limen.KindInspection, ID: "r", Started: limen.MomentOf(time.Now().Add(-time.Hour)), Decision: limen.Decision{Outcome: limen.Refer}}
	row, _ := index.RowOf(seen, [][]byte{index.DocumentKey(hash[:])}, make([]byte, index.HandleSize))
	next := index.Next{Site: "s", Region: "all", Number: 1, AsOf: time.Now().UnixMilli()}
	err = x.Apply(next, index.Delta{Places: []string{"land-border-east/handheld-7"}, Proofs: []string{""}, Rows: []index.Row{row}})
	if err := errors.Join(err, x.Close()); err != nil {
		t.Fatal(err)
	}
	find := func(code int, want ...string) {
		t.Helper()
		out, _ := d.limen(code, "history", "find", "--document", "UTO/L898902C3", "--reason", "case 12")
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("find lacks %q:\n%s", w, out)
			}
		}
	}
	find(0, "checked 2 times", "land-border-east/handheld-7", "as region knows it at")
	d.limen(0, "history", "erase", "--document", "UTO/L898902C3", "--reason", "order 7")
	find(1, "never checked")
}

// The fleet key goes from device to device and rotates; documents are found on.
func TestFleetKeyFromTheCommandLine(t *testing.T) {
	one, two := newDesk(t), newDesk(t)
	one.see("L898902C3")
	file := filepath.Join(t.TempDir(), "fleet.key")
	one.limen(0, "keys", "export", file)
	one.limen(2, "keys", "export", file)
	two.limen(0, "keys", "rotate", "--with", file, "--keep", "0")
	names := func(d desk) string { out, _ := d.limen(0, "keys", "show", "--json"); return out }
	if names(one) != names(two) {
		t.Errorf("fleet keys: %s and %s, want the same", names(one), names(two))
	}
	one.limen(0, "keys", "rotate")
	one.limen(0, "history", "find", "--document", "UTO/L898902C3", "--reason", "under the earlier key")
	one.limen(0, "keys", "retire")
	two.limen(2, "keys", "rotate", "--with", one.config())
	secret := strings.TrimSpace(strings.TrimPrefix(string(must(os.ReadFile(file))), "limen-fleet-key-v1 "))
	if b, err := base64.StdEncoding.DecodeString(secret); err != nil || len(b) != 32 || strings.Contains(names(one)+names(two), secret) {
		t.Errorf("the exported key: %d bytes, %v", len(b), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the exported key's file: %v, %v; want mode 0600", info.Mode(), err)
	}
}
