package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
)

func sampleAsks() []Ask {
	var out []Ask
	for _, a := range []Ask{
		{Sets: &SetsAsk{Site: "north", Runs: []Runs{{Name: "policy", Number: 3, Refused: 4, Why: "expired"}}}},
		{Piece: &PieceAsk{Name: "stop", Number: 3, Base: 2, Piece: 1}},
		{Piece: &PieceAsk{Name: "index.north", Number: 3}},
		{Commands: &CommandsAsk{Taken: 7, Done: []Result{{Number: 7, Result: "done"}}}},
		{Index: &IndexAsk{Site: "north", After: 9}},
		{Seen: &SeenAsk{Traces: [][]byte{make([]byte, 36)}, Since: 5}},
	} {
		a.Version, a.Kind, a.Device, a.ID = AskVersion, KindAsk, "gate-1", bytes.Repeat([]byte{9}, 16)
		out = append(out, a)
	}
	return out
}

func sampleReply() Reply {
	return Reply{Version: AskVersion, Kind: KindReply, Device: "gate-1", ID: make([]byte, 16), Offers: []Offer{{Manifest: []byte("a note"), Base: 1, Size: 9}}, Piece: []byte("p"), Commands: [][]byte{[]byte("another")}}
}

func TestAsksAndReplies(t *testing.T) {
	for _, a := range sampleAsks() {
		raw, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeAsk(raw); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("got %+v, %v; want %+v", got, err, a)
		}
	}
	r := sampleReply()
	raw, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeReply(raw); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v; want %+v", got, err, r)
	}
	for name, bend := range map[string]func(a *Ask, r *Reply){
		"no id":              func(a *Ask, r *Reply) { a.ID, r.ID = nil, nil },
		"nobody's":           func(a *Ask, r *Reply) { a.Device, r.Device = "Gate 1", "Gate 1" },
		"nothing, a bomb":    func(a *Ask, r *Reply) { a.Sets, r.Piece = nil, make([]byte, PieceSize+1) },
		"two, too many":      func(a *Ask, r *Reply) { a.Index, r.Offers = &IndexAsk{Site: "x"}, make([]Offer, MaxOffers+1) },
		"a name, a manifest": func(a *Ask, r *Reply) { a.Sets.Runs[0].Name, r.Offers[0].Manifest = "a/b", make([]byte, MaxSealed+1) },
	} {
		a, r := sampleAsks()[0], sampleReply()
		bend(&a, &r)
		if _, err := a.Encode(); err == nil {
			t.Errorf("%s: the ask was written", name)
		}
		if _, err := r.Encode(); err == nil {
			t.Errorf("%s: the reply was written", name)
		}
	}
	// Whatever it holds, a reply fits what a device takes in one packet.
	full := sampleReply()
	full.Piece, full.Commands, full.Offers = nil, nil, nil
	for range MaxOffers {
		full.Offers = append(full.Offers, Offer{Manifest: make([]byte, MaxSealed), Size: 1 << 40})
	}
	if raw, err := full.Encode(); err != nil || len(raw) > 15<<10 {
		t.Errorf("a full reply has %d bytes, %v", len(raw), err)
	}
}

// A statement counts by its signature, its head and nothing after it.
func TestSealed(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "limen-operations")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	verifier, _ := note.NewVerifier(public)
	keys := note.VerifierList(verifier)
	sealed, err := Seal("limen test v1", SeenAsk{Since: 7}, signer)
	if err != nil {
		t.Fatal(err)
	}
	var got SeenAsk
	if err := Unseal("limen test v1", sealed, keys, &got); err != nil || got.Since != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := Unseal("limen other v1", sealed, keys, &got); err == nil {
		t.Error("a statement under another head was read")
	}
	if err := Unseal("limen test v1", sealed, note.VerifierList(), &got); !errors.Is(err, ErrSignature) {
		t.Errorf("without a key: got %v", err)
	}
	if err := Unseal("limen test v1", []byte(strings.Replace(string(sealed), "limen test", "limen tess", 1)), keys, &got); !errors.Is(err, ErrSignature) {
		t.Errorf("changed: got %v", err)
	}
	if _, err := Seal("limen test v1", SeenAsk{Traces: [][]byte{make([]byte, MaxSealed)}}, signer); err == nil {
		t.Error("a statement beyond the bound was signed")
	}
}

func FuzzAsk(f *testing.F) {
	for _, a := range sampleAsks() {
		raw, _ := a.Encode()
		f.Add(raw)
	}
	raw, _ := sampleReply().Encode()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := repotest.Parsed(t, b, DecodeAsk); err == nil {
			if _, err := v.Encode(); err != nil {
				t.Fatalf("an ask that was read cannot be written: %v", err)
			}
		}
		if v, err := repotest.Parsed(t, b, DecodeReply); err == nil {
			if _, err := v.Encode(); err != nil {
				t.Fatalf("a reply that was read cannot be written: %v", err)
			}
		}
	})
}
