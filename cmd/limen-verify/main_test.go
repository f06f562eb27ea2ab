package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/journal"
	"limen/sync/witness"
)

type key struct{ ed25519.PrivateKey }

func newKey(seed string) key {
	s := sha256.Sum256([]byte(seed))
	return key{ed25519.NewKeyFromSeed(s[:])}
}

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, m), nil }
func (k key) PublicKey() []byte             { return k.Public().(ed25519.PublicKey) }

var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// sample is a journal of 21 entries, the first 20 of which two witnesses
// cosigned, and how to check what comes out of it.
type sample struct {
	journal   *journal.Journal
	device    string
	witnesses []string
	keys      Keys
}

func newSample(t testing.TB) sample {
	t.Helper()
	var s sample
	var err error
	now := func() time.Time { return day }
	s.journal, err = journal.Open(t.TempDir(), journal.Options{Key: make([]byte, 32), Name: "limen/gate-1", Signer: newKey("gate-1"), Now: now, Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.journal.Close() })
	grow := func(n int) {
		for range n {
			if _, err := s.journal.Append(t.Context(), fmt.Appendf(nil, "record %d", s.journal.Size())); err != nil {
				t.Fatal(err)
			}
		}
	}
	grow(20)
	checkpoint, err := s.journal.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"limen/gate-2", "limen-centre"} {
		w, err := witness.Open(witness.Options{Dir: t.TempDir(), Name: name, Key: newKey(name), Logs: []note.Verifier{s.journal.Verifier()}, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		r, err := witness.ParseRequest(witness.Request{Checkpoint: checkpoint}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		lines, err := w.Add(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		known, err := journal.ParseCosignatureKey(w.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := witness.Keep(t.Context(), s.journal, 20, lines, known); err != nil {
			t.Fatal(err)
		}
		w.Close()
		mine, err := parseWitness(w.Key())
		if err != nil {
			t.Fatal(err)
		}
		s.witnesses, s.keys.Witnesses = append(s.witnesses, w.Key()), append(s.keys.Witnesses, mine)
	}
	grow(1)
	s.keys.Quorum = 2
	if s.device, err = note.NewEd25519VerifierKey("limen/gate-1", newKey("gate-1").PublicKey()); err != nil {
		t.Fatal(err)
	}
	if s.keys.Device, err = note.NewVerifier(s.device); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s sample) bundle(t testing.TB, i uint64) []byte {
	t.Helper()
	b, err := s.journal.Bundle(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryEntryHolds(t *testing.T) {
	s := newSample(t)
	for i := range uint64(20) {
		e, err := Check(s.bundle(t, i), s.keys)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if e.Index != i || e.Origin != "limen/gate-1" || e.Size != 20 || string(e.Body) != fmt.Sprintf("record %d", i) ||
			len(e.Cosigned) != 2 || !e.Cosigned[0].At.Equal(day) {
			t.Errorf("entry %d: got %+v", i, e)
		}
	}
	last := s.bundle(t, 20) // after the cosigned checkpoint
	keys := s.keys
	if _, err := Check(last, keys); err == nil || !strings.Contains(err.Error(), "0 of the 2 witnesses given cosigned") {
		t.Errorf("an entry no witness saw: got %v", err)
	}
	keys.Quorum = 0
	if e, err := Check(last, keys); err != nil || e.Size != 21 || len(e.Cosigned) != 0 {
		t.Errorf("the same, with none asked for: got %+v, %v", e, err)
	}
	if err := s.journal.Erase(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.journal.Bundle(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "erased") {
		t.Errorf("an erased entry: got %v, want that it was erased", err)
	}
	if _, err := Check(s.bundle(t, 4), s.keys); err != nil {
		t.Errorf("its neighbor: %v", err)
	}
}

// What does not hold is named.
func TestWhatDoesNotHoldIsNamed(t *testing.T) {
	s := newSample(t)
	good := string(s.bundle(t, 5))
	other := string(s.bundle(t, 6))
	line := func(b string, n int) string { return strings.SplitAfter(b, "\n")[n] }
	swap := func(n int, with string) string {
		lines := strings.SplitAfter(good, "\n")
		lines[n] = with
		return strings.Join(lines, "")
	}
	content, err := base64.StdEncoding.DecodeString(strings.TrimSpace(strings.TrimPrefix(line(good, 1), "extra ")))
	if err != nil {
		t.Fatal(err)
	}
	edited := "extra " + base64.StdEncoding.EncodeToString(append(bytes.Clone(content[:len(content)-1]), '6')) + "\n"
	head, checkpoint, _ := strings.Cut(good, "\n\n")
	lines := strings.SplitAfter(checkpoint, "\n") // three of text, an empty one, three signatures
	with := func(parts ...string) string { return head + "\n\n" + strings.Join(parts, "") }
	forger, err := note.NewEd25519VerifierKey("limen/gate-1", newKey("somebody").PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	forged := s.keys
	if forged.Device, err = note.NewVerifier(forger); err != nil {
		t.Fatal(err)
	}
	lenient := s.keys
	lenient.Quorum = 1
	for _, c := range []struct {
		name, bundle string
		keys         Keys
		want         string // "" where it holds
	}{
		{"nothing changed", good, s.keys, ""},
		{"record edited", swap(1, edited), s.keys, "does not lead from this record"},
		{"another entry's record", swap(1, line(other, 1)), s.keys, "does not lead from this record"},
		{"another index", swap(2, "index 6\n"), s.keys, "does not lead from this record"},
		{"an index beyond", swap(2, "index 20\n"), s.keys, "covers 20 entries and this is entry 20"},
		{"another proof", swap(3, line(other, 3)), s.keys, "does not lead from this record"},
		{"a proof cut", swap(3, ""), s.keys, "does not lead from this record"},
		{"size edited", with(lines[0], "19\n", lines[2], "\n", lines[4], lines[5], lines[6]), s.keys, "the signature of limen/gate-1 on the checkpoint does not verify"},
		{"no device's signature", with(lines[0], lines[1], lines[2], "\n", lines[5], lines[6]), s.keys, "the device, limen/gate-1, did not sign"},
		{"another device's key", good, forged, "the device, limen/gate-1, did not sign"},
		{"a cosignature gone", with(lines[0], lines[1], lines[2], "\n", lines[4], lines[5]), s.keys, "1 of the 2 witnesses given cosigned"},
		{"a cosignature gone, one asked for", with(lines[0], lines[1], lines[2], "\n", lines[4], lines[5]), lenient, ""},
		{"a cosignature of others as well", good + "— witness.example/w9 " + strings.Repeat("A", 101) + "E==\n", s.keys, ""},
		{"no lines", "", s.keys, "it is no bundle: its first line"},
		{"cut within", good[:200], s.keys, "it is no bundle"},
	} {
		e, err := Check([]byte(c.bundle), c.keys)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: got %v, want it to hold", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %+v, %v, want … %s", c.name, e, err, c.want)
		}
	}
}

// No byte can be changed so that a bundle holds and says something else.
func TestEveryByteIsHeld(t *testing.T) {
	s := newSample(t)
	good := s.bundle(t, 5)
	want, err := Check(good, s.keys)
	if err != nil {
		t.Fatal(err)
	}
	unseen := func(bent []byte, what string, at int) {
		if e, err := Check(bent, s.keys); err == nil {
			t.Errorf("%s at byte %d of %d holds still (the same: %v)", what, at, len(good), reflect.DeepEqual(e, want))
		}
	}
	for i := range good {
		for bit := range 8 {
			bent := bytes.Clone(good)
			bent[i] ^= 1 << bit
			unseen(bent, "a bit flipped", i)
		}
		unseen(append(bytes.Clone(good[:i]), good[i+1:]...), "a byte left out", i)
	}
	for i := range good {
		unseen(good[:i], "the end cut off", i)
	}
	unseen(append(bytes.Clone(good), '\n'), "a byte more", len(good))
}

// It is one file that anybody can read, and uses what its comment says.
func TestOneFileAndItsImports(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) != 2 {
		t.Fatalf("got %v, %v; want main.go and its test", files, err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(path, "/")
		ours := path == "golang.org/x/mod/sumdb/note" || path == "golang.org/x/mod/sumdb/tlog"
		if !ours && (strings.Contains(first, ".") || first == "limen" || path == "C" || path == "unsafe") {
			t.Errorf("main.go imports %s", path)
		}
	}
}

func TestCommandLine(t *testing.T) {
	s := newSample(t)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := put("5.tlog-proof", s.bundle(t, 5)), put("bad.tlog-proof", bytes.Replace(s.bundle(t, 5), []byte("index 5"), []byte("index 6"), 1))
	late, device := put("20.tlog-proof", s.bundle(t, 20)), put("device.key", []byte(s.device+"\n"))
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string
	}{
		{"holds", []string{"-device", s.device, "-witness", s.witnesses[0], "-witness", s.witnesses[1], good}, 0, "entry 5 of limen/gate-1, among the first 20; limen-centre saw it by 2026-11-23T09:00:00Z; limen/gate-2"},
		{"key from a file, no witness", []string{"-device", "@" + device, good, late}, 0, "entry 20 of limen/gate-1, among the first 21\n"},
		{"does not hold", []string{"-device", s.device, good, bad}, 1, "DOES NOT HOLD  " + bad},
		{"too few witnesses", []string{"-device", s.device, "-witness", s.witnesses[0], late}, 1, "0 of the 1 witnesses"},
		{"the record", []string{"-device", s.device, "-body", good}, 0, "record 5"},
		{"no key", []string{good}, 2, ""},
		{"a witness's key for the device's", []string{"-device", s.witnesses[0], good}, 2, ""},
		{"more witnesses than given", []string{"-device", s.device, "-quorum", "1", good}, 2, ""},
		{"no file", []string{"-device", s.device, filepath.Join(dir, "none")}, 3, ""},
	} {
		var out, errOut bytes.Buffer
		if code := run(c.args, &out, &errOut); code != c.code || !strings.Contains(out.String(), c.out) {
			t.Errorf("%s: got %d, %s%s; want %d, … %s", c.name, code, &out, &errOut, c.code, c.out)
		}
	}
	var out bytes.Buffer
	run([]string{"-device", s.device, "-json", good}, &out, os.Stderr)
	var f finding
	if err := json.Unmarshal(out.Bytes(), &f); err != nil || !f.Holds || f.Entry == nil || f.Index != 5 || string(f.Body) != "record 5" {
		t.Errorf("as JSON: got %s, %v", &out, err)
	}
}

func FuzzCheck(f *testing.F) {
	s := newSample(f)
	f.Add(s.bundle(f, 0))
	f.Add(s.bundle(f, 20))
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n"))
	keys := s.keys
	keys.Quorum = 0
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := repotest.Parsed(t, b, func(b []byte) (*Entry, error) { return Check(b, keys) })
		if err == nil && (e.Index >= e.Size || e.Origin != "limen/gate-1") {
			t.Errorf("holds with %+v", e)
		}
	})
}
