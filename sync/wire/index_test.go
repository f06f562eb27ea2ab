package wire

import (
	"bytes"
	"crypto/rand"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
)

func sampleDelta() Delta {
	return Delta{Version: IndexVersion, Device: "gate-1", From: 3, To: 9, AsOf: 1790000000000, Sightings: []Sighting{
		{Traces: []Trace{{[]byte("key1"), hashOf(1)}}, Device: "gate-2", Number: 7, Site: "port", At: 1790000000000, Record: "id", Outcome: "admit", Pseudonym: hashOf(2), Proof: "pace_mapping", SODMark: hashOf(3), KeyMark: hashOf(4)},
		{Traces: []Trace{{[]byte("key1"), hashOf(1)}}, Device: "gate-2", Number: 8, Record: "id", Outcome: "refuse", Said: true, Pseudonym: hashOf(2)},
	}}
}

func TestDeltas(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	want := sampleDelta()
	sealed, err := want.Seal(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenDelta(sealed, verifier); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for i := range sealed {
		bent := bytes.Clone(sealed)
		bent[i] ^= 4
		if got, err := OpenDelta(bent, verifier); err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("byte %d changed: another delta was read", i)
		}
	}
	for name, bend := range map[string]func(*Delta){
		"backwards":      func(d *Delta) { d.To = 2 },
		"nobody's":       func(d *Delta) { d.Device = "" },
		"too many":       func(d *Delta) { d.Sightings = make([]Sighting, MaxSightings+1) },
		"no trace":       func(d *Delta) { d.Sightings[0].Traces = nil },
		"short trace":    func(d *Delta) { d.Sightings[0].Traces = []Trace{{[]byte("key"), hashOf(1)}} },
		"short name":     func(d *Delta) { d.Sightings[0].Pseudonym = nil },
		"long mark":      func(d *Delta) { d.Sightings[0].KeyMark = make([]byte, maxMark+1) },
		"long site":      func(d *Delta) { d.Sightings[0].Site = strings.Repeat("x", maxWord+1) },
		"topic's device": func(d *Delta) { d.Sightings[0].Device = "a/b" },
	} {
		d := sampleDelta()
		bend(&d)
		if _, err := d.Seal(signer); err == nil {
			t.Errorf("%s: was sealed", name)
		}
		plain, err := encoding.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readDelta(plain); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
	if _, err := inflate(bomb(t)); err == nil {
		t.Error("a payload that grows beyond its bounds was decompressed")
	}
}

// bomb is far smaller than what it decompresses to.
func bomb(t *testing.T) []byte {
	t.Helper()
	return deflate(make([]byte, maxInflated+1))
}

func FuzzDelta(f *testing.F) {
	plain, err := encoding.Marshal(sampleDelta())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	skey, vkey, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		f.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	sealed, err := sampleDelta().Seal(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := repotest.Parsed(t, b, readDelta); err == nil {
			if _, err := d.Seal(signer); err != nil {
				t.Fatalf("a delta that was read cannot be sealed: %v", err)
			}
		}
		if !bytes.Equal(b, sealed) {
			if _, err := repotest.Parsed(t, b, func(b []byte) (Delta, error) { return OpenDelta(b, verifier) }); err == nil {
				t.Fatal("a delta that the centre did not sign was read")
			}
		}
	})
}
