package witness

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"

	f_note "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/journal"
)

// Somebody else's code takes our cosignatures, and we take theirs.
func TestCosignaturesOfAnotherImplementation(t *testing.T) {
	j := openJournal(t, t.TempDir())
	grow(t, j, 3)
	w := openWitness(t, options(t, t.TempDir()))
	r := parsed(t, request(t, j, 0, 3))
	lines, err := w.Add(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := f_note.NewVerifierForCosignatureV1(w.Key())
	if err != nil {
		t.Fatalf("our key: %v", err)
	}
	n, err := note.Open(append(bytes.Clone(r.Checkpoint), lines...), note.VerifierList(theirs, j.Verifier()))
	if err != nil || len(n.Sigs) != 2 {
		t.Fatalf("our cosignature: got %+v, %v", n, err)
	}
	if when, err := f_note.CoSigV1Timestamp(n.Sigs[1]); err != nil || !when.Equal(day) {
		t.Errorf("its time: got %v, %v; want %v", when, err, day)
	}

	secret, public, err := note.GenerateKey(rand.Reader, "witness.example/w1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := f_note.NewSignerForCosignatureV1(secret)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = f_note.VKeyToCosignatureV1(public); err != nil {
		t.Fatal(err)
	}
	known, err := journal.ParseCosignatureKey(public)
	if err != nil {
		t.Fatalf("their key: %v", err)
	}
	if known.String() != public {
		t.Errorf("their key, written again: got %s, want %s", known, public)
	}
	text, _, _ := strings.Cut(string(r.Checkpoint), "\n\n")
	whole, err := note.Sign(&note.Note{Text: text + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := journal.Cosignatures(whole, known); err != nil || len(got) != 1 || got[0].Witness != "witness.example/w1" {
		t.Errorf("their cosignature: got %+v, %v", got, err)
	}
}

func TestWitnessKeysAreReadStrictly(t *testing.T) {
	good := openWitness(t, options(t, t.TempDir())).Key()
	plain, err := note.NewEd25519VerifierKey("limen/gate-2", newKey("gate-2").PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a log's key": plain, "empty": "", "another name": strings.Replace(good, "gate-2", "gate-4", 1),
		"cut": good[:len(good)-4], "longer": good + "AAAA", "another hash": strings.Replace(good, "+", "+0", 1),
	} {
		if _, err := journal.ParseCosignatureKey(text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("old 0\n\nlimen/gate-1\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— limen/gate-1 AAAAAAAA\n"))
	f.Add([]byte("old 3\n" + strings.Repeat("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 3) + "\nlimen/gate-1\n9\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := repotest.Parsed(t, b, ParseRequest)
		if err == nil && !bytes.Equal(r.Encode(), b) {
			t.Errorf("read and written again: got %q, want %q", r.Encode(), b)
		}
	})
}

func FuzzCosigned(f *testing.F) {
	checkpoint := []byte("limen/gate-1\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— limen/gate-1 AAAAAAAA\n")
	known, err := journal.NewCosignatureVerifier("limen/gate-2", newKey("gate-2").PublicKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("— limen/gate-2 AAAAAAAA\n"))
	f.Add([]byte("— limen/gate-2 " + strings.Repeat("A", 102) + "==\n— limen/gate-2 AAAAAAAA"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		if len(lines) > maxAnswer {
			return
		}
		_, err := repotest.Parsed(t, lines, func(b []byte) ([]byte, error) { return Cosigned(checkpoint, b, known) })
		if err == nil {
			t.Error("a cosignature nobody made was taken")
		}
	})
}
