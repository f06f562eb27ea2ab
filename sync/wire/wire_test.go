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

func hashOf(b byte) []byte { return bytes.Repeat([]byte{b}, hashSize) }

func sampleBatch() Batch {
	return Batch{
		Version: BatchVersion, Kind: KindEntries, Device: "gate-1", First: 7, Checkpoint: []byte("a signed note"),
		Entries:  []Entry{{Leaf: hashOf(1), Salt: hashOf(2), Body: []byte("body")}, {Leaf: hashOf(3)}},
		Mappings: []Mapping{{hashOf(4), []byte("key1"), hashOf(5)}}, Mapped: []byte("a third"), Tombstones: [][]byte{[]byte("a fourth")},
	}
}

func TestRoundTrips(t *testing.T) {
	b := sampleBatch()
	raw, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeBatch(raw); err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("batch: got %+v, %v; want %+v", got, err, b)
	}
	s := Status{Version: StatusVersion, Kind: KindStatus, Device: "gate-1", Session: "a1", State: StateRunning, Software: "limen 1", Size: 9,
		Health: &Health{At: 1, Site: "utopia", Parts: []Part{{"camera", PartAway}}, DiskFree: 2, DiskSize: 3, TrustList: 4, StopList: 5, Full: true}}
	if raw, err = s.Encode(); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeStatus(raw); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("status: got %+v, %v; want %+v", got, err, s)
	}
	a := Answer{Version: AnswerVersion, Kind: KindReceipt, Device: "gate-1", Refusal: RefusedGap, Have: 4, Detail: "send from 4"}
	if raw, err = a.Encode(); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeAnswer(raw); err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("answer: got %+v, %v; want %+v", got, err, a)
	}
	if _, err := DecodeBatch(raw); err == nil {
		t.Error("an answer was read as a batch")
	}
}

// A status of version 1 is read still, and has no health.
func TestStatusBounds(t *testing.T) {
	many := make([]Part, maxParts+1)
	for k := range many {
		many[k] = Part{"a", PartWorking}
	}
	for name, c := range map[string]struct {
		bend func(*Status)
		ok   bool
	}{
		"version 1":              {func(s *Status) { s.Version, s.Health = 1, nil }, true},
		"version 2, no health":   {func(s *Status) { s.Health = nil }, true},
		"version 1 with health":  {func(s *Status) { s.Version = 1 }, false},
		"version 3":              {func(s *Status) { s.Version = 3 }, false},
		"too many parts":         {func(s *Status) { s.Health.Parts = many }, false},
		"a part of no name":      {func(s *Status) { s.Health.Parts[0].Name = "" }, false},
		"a part of another kind": {func(s *Status) { s.Health.Parts[0].State = "broken" }, false},
		"a long site":            {func(s *Status) { s.Health.Site = strings.Repeat("a", maxWord+1) }, false},
		"before 1970":            {func(s *Status) { s.Health.At = -1 }, false},
	} {
		s := Status{Version: StatusVersion, Kind: KindStatus, Device: "gate-1", Session: "a", State: StateRunning, Health: &Health{At: 1, Parts: []Part{{"camera", PartAway}}}}
		c.bend(&s)
		raw, err := encoding.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeStatus(raw); (err == nil) != c.ok {
			t.Errorf("%s: got %v, want it read: %v", name, err, c.ok)
		}
	}
	b, err := Health{At: 7}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if h, err := DecodeHealth(b); err != nil || h.At != 7 {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, bad := range []string{"", "\xf6", "\xa0\x00", "x"} {
		if _, err := DecodeHealth([]byte(bad)); err == nil {
			t.Errorf("DecodeHealth(%q) was accepted", bad)
		}
	}
}

func TestBatchBounds(t *testing.T) {
	for name, bend := range map[string]func(*Batch){
		"no entries":       func(b *Batch) { b.Entries = nil },
		"too many entries": func(b *Batch) { b.Entries = make([]Entry, MaxEntries+1) },
		"short leaf":       func(b *Batch) { b.Entries[0].Leaf = b.Entries[0].Leaf[:31] },
		"salt alone":       func(b *Batch) { b.Entries[0].Body = nil },
		"body alone":       func(b *Batch) { b.Entries[0].Salt = nil },
		"body too long":    func(b *Batch) { b.Entries[0].Body = make([]byte, MaxBody+1) },
		"no checkpoint":    func(b *Batch) { b.Checkpoint = nil },
		"wildcard device":  func(b *Batch) { b.Device = "+" },
		"other version":    func(b *Batch) { b.Version = 1 },
		"no tombstone":     func(b *Batch) { b.Tombstones = nil },
		"nobody maps":      func(b *Batch) { b.Mapped = nil },
		"maps nothing":     func(b *Batch) { b.Mappings = nil },
		"short key":        func(b *Batch) { b.Mappings[0].Key = []byte("key") },
		"many mappings":    func(b *Batch) { b.Mappings = make([]Mapping, MaxMappings+1) },
		"long tombstone":   func(b *Batch) { b.Tombstones[0] = make([]byte, maxTombstone+1) },
		"many tombstones":  func(b *Batch) { b.Tombstones = make([][]byte, MaxTombstones+1) },
		"other kind":       func(b *Batch) { b.Kind = KindStatus },
		"index overflow":   func(b *Batch) { b.First = 1<<64 - 1 },
	} {
		b := sampleBatch()
		bend(&b)
		raw, err := encoding.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeBatch(raw); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	if _, err := DecodeBatch(make([]byte, MaxMessage+1)); err == nil {
		t.Error("a payload over the limit was read")
	}
	raw, _ := sampleBatch().Encode()
	if _, err := DecodeBatch(append(raw, 0)); err == nil {
		t.Error("trailing bytes were accepted")
	}
}

// The largest batch an outbox makes fits a message.
func TestLargestBatchFits(t *testing.T) {
	b := sampleBatch()
	b.Entries = nil
	for range MaxEntries {
		b.Entries = append(b.Entries, Entry{Leaf: hashOf(1), Salt: hashOf(2), Body: make([]byte, MaxBatchBytes/MaxEntries)})
	}
	b.Entries[0] = Entry{Leaf: hashOf(1)}
	b.Checkpoint, b.Mapped = make([]byte, maxNote), make([]byte, maxNote)
	for range MaxMappings {
		b.Mappings = append(b.Mappings, Mapping{hashOf(1), []byte("key1"), hashOf(2)})
	}
	b.Mappings = b.Mappings[1:]
	b.Tombstones = nil
	for range MaxTombstones {
		b.Tombstones = append(b.Tombstones, make([]byte, maxTombstone))
	}
	raw, err := b.Encode()
	if err != nil || len(raw) > MaxMessage {
		t.Errorf("got %d bytes, %v; want at most %d", len(raw), err, MaxMessage)
	}
}

func TestForgotten(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	graves := [][]byte{[]byte("one"), []byte("two")}
	signed, err := SignForgotten("gate-1", graves, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckForgotten(signed, "gate-1", graves, verifier); err != nil {
		t.Errorf("the centre's word: %v", err)
	}
	for name, c := range map[string]struct {
		device string
		graves [][]byte
	}{"another device": {"gate-2", graves}, "fewer": {"gate-1", graves[:1]}, "run together": {"gate-1", [][]byte{[]byte("onet"), []byte("wo")}}} {
		if CheckForgotten(signed, c.device, c.graves, verifier) == nil {
			t.Errorf("%s: the word was taken for it", name)
		}
	}
}

func TestTopics(t *testing.T) {
	if got := Topic("gate-1", KindEntries); got != "limen/v1/gate-1/entries" {
		t.Errorf("Topic: got %q", got)
	}
	d, k, err := ParseTopic("limen/v1/gate-1/receipt")
	if d != "gate-1" || k != KindReceipt || err != nil {
		t.Errorf("ParseTopic: got %q %q %v", d, k, err)
	}
	for _, bad := range []string{"", "limen/v1/gate-1", "limen/v2/gate-1/entries", "limen/v1/Gate/entries", "limen/v1/+/entries",
		"limen/v1/a.b/entries", "limen/v1/gate-1/other", "limen/v1/-a/entries", "limen/v1/a-/entries", "limen/v1/" + strings.Repeat("a", 41) + "/status"} {
		if _, _, err := ParseTopic(bad); err == nil {
			t.Errorf("ParseTopic(%q) was accepted", bad)
		}
	}
}

func TestReceipts(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	r := Receipt{Device: "gate-1", Size: 12, Root: [32]byte(hashOf(9))}
	signed, err := r.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenReceipt(signed, verifier); err != nil || got != r {
		t.Errorf("got %+v, %v; want %+v", got, err, r)
	}
	if _, err := OpenReceipt(bytes.Replace(signed, []byte("\n12\n"), []byte("\n13\n"), 1), verifier); err == nil {
		t.Error("a changed receipt was accepted")
	}
	other, _, _ := note.GenerateKey(rand.Reader, "centre")
	forger, _ := note.NewSigner(other)
	forged, _ := r.Sign(forger)
	if _, err := OpenReceipt(forged, verifier); err == nil {
		t.Error("a receipt under another key of the same name was accepted")
	}
	for _, bad := range []string{"", "limen receipt v1\ngate-1\n12\n", "limen receipt v1\ngate-1\n012\n" + strings.Repeat("A", 43) + "=\n",
		"limen receipt v1\ngate-1\n12\nAAAA\n", "gate-1\n12\n\n\n", r.Text() + "more\n"} {
		if _, err := ParseReceipt(bad); err == nil {
			t.Errorf("ParseReceipt(%q) was accepted", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	raw, _ := sampleBatch().Encode()
	f.Add(raw)
	f.Add(squeezer.EncodeAll(make([]byte, 1<<20), nil))
	raw, _ = Status{Device: "gate-1", Session: "s", State: StateLost}.Encode()
	f.Add(raw)
	raw, _ = Status{Device: "gate-1", Session: "s", State: StateRunning, Health: &Health{At: 1, Parts: []Part{{"camera", PartAway}}}}.Encode()
	f.Add(raw)
	raw, _ = Answer{Device: "gate-1", Receipt: []byte("note")}.Encode()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, err := repotest.Parsed(t, b, unsqueeze)
		if err != nil {
			return
		}
		if v, err := repotest.Parsed(t, plain, decode[Batch]); err == nil {
			again, err := v.Encode()
			if err != nil {
				t.Fatalf("a batch that was read cannot be written: %v", err)
			}
			if w, err := DecodeBatch(again); err != nil || len(w.Entries) != len(v.Entries) {
				t.Fatalf("a batch does not survive writing: %v", err)
			}
		}
		if v, err := repotest.Parsed(t, b, DecodeStatus); err == nil {
			if _, err := v.Encode(); err != nil {
				t.Fatalf("a status that was read cannot be written: %v", err)
			}
		}
		if v, err := repotest.Parsed(t, b, DecodeAnswer); err == nil {
			if _, err := v.Encode(); err != nil {
				t.Fatalf("an answer that was read cannot be written: %v", err)
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add(Receipt{Device: "gate-1", Size: 12}.Text())
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := repotest.Parsed(t, []byte(text), func([]byte) (Receipt, error) { return ParseReceipt(text) }); err == nil && r.Text() != text {
			t.Fatalf("got %q, want %q", r.Text(), text)
		}
	})
}
