package limen

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"limen/internal/repotest"
)

type testKey struct{ ed25519.PrivateKey }

func (k testKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(k.PrivateKey, message), nil
}
func (k testKey) PublicKey() []byte { return k.Public().(ed25519.PublicKey) }

func sampleRecord() Record {
	return Record{
		Version: RecordVersion, Kind: KindInspection, ID: "0123", Site: "vilnius-airport", Device: "gate-1",
		Started: 1790000000000, Ended: 1790000004000, Document: Document{Format: "TD3", Code: "P", Issuer: "UTO", Pseudonym: Pseudonym{1, 2, 3}},
		Chip: ChipFacts{Access: "BAC", Groups: []int{1, 2}, Commands: 80, Bytes: 21000}, Face: &Comparison{Score: 0.7, Threshold: 0.41, Model: "m", Grade: "operational", FMR: 0.001},
		Checks:   []Check{pass(CheckMRZ), fail(CheckDGHash, because("dg_hash_mismatch", "DG2")).of("DG2")},
		Decision: Decision{Outcome: Refer, Reasons: []Reason{because("dg_hash_mismatch", "DG2")}, Recommendation: RecommendExamine},
		Spent:    Spent{1, 2, 3, 4}, Policy: "test", Software: "v0",
		Quality: []Quality{{PictureLive, []Component{{Name: "sharpness", Value: 97}, {Name: "luminance_mean", Value: 40, Low: true}}}},
	}
}

func TestRecordSurvivesItsEncoding(t *testing.T) {
	want := sampleRecord()
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeRecord(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("encoding is not deterministic: %x, then %x (%v)", b, again, err)
	}
}

// beforeQuality is sampleRecord as it was written before pictures were measured.
const beforeQuality = "rwEBAmppbnNwZWN0aW9uA2QwMTIzBG92aWxuaXVzLWFpcnBvcnQFZmdhdGUtMQYbAAABoMRQbAAHGwAAAaDEUHugCKQBY1REMwJhUANjVVRPBFggAQIDAAAA" +
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJpAFjQkFDAoIBAgYYUAcZUggKpQH7P+ZmZmZmZmYC+z/aPXCj1wo9A2FtBGtvcGVyYXRpb25hbAX7P1BiTdLx" +
	"qfwLgqIBY21yegNmcGFzc2VkpAFnZGdfaGFzaAJjREcyA2ZmYWlsZWQEgaIBcGRnX2hhc2hfbWlzbWF0Y2gCY0RHMgyjAWVyZWZlcgKBogFwZGdfaGFzaF9t" +
	"aXNtYXRjaAJjREcyBGdleGFtaW5lDaQBAQICAwMEBA5kdGVzdA9idjA="

// A history holds records of years: what is added to them leaves the old ones readable.
func TestRecordsOfBeforeQualityAreRead(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(beforeQuality)
	if err != nil {
		t.Fatal(err)
	}
	want := sampleRecord()
	want.Quality, want.Version = nil, 1
	got, err := DecodeRecord(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if again, err := got.Encode(); err != nil || !bytes.Equal(again, b) {
		t.Errorf("encoded again it is %x (%v), not the same bytes", again, err)
	}
}

func TestRecordRefusesWhatItIsNot(t *testing.T) {
	good, err := sampleRecord().Encode()
	if err != nil {
		t.Fatal(err)
	}
	newer := sampleRecord()
	newer.Version = 99
	future, err := newer.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"trailing byte": append(bytes.Clone(good), 0), "cut": good[:len(good)-1], "empty": nil, "newer version": future,
		"too long": make([]byte, maxRecord+1), "unknown key": {0xA1, 0x18, 0x63, 0x01},
	} {
		if _, err := DecodeRecord(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOfficerRecord(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, now := testKey{private}, time.UnixMilli(1790000010000)
	about := sampleRecord()
	r, err := NewOfficerRecord(about, Receipt{Index: 7}, Refuse, "officer-12", "document_false", "0124", now, key)
	if err != nil {
		t.Fatal(err)
	}
	if r.Officer.Index != 7 || r.Officer.Inspection != about.ID || r.Document.Pseudonym != about.Document.Pseudonym {
		t.Errorf("the officer's record does not point to the inspection: %+v", r.Officer)
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.VerifyOfficer(); err != nil {
		t.Errorf("own signature refused after storage: %v", err)
	}
	back.Decision.Outcome = Admit
	if back.VerifyOfficer() == nil {
		t.Error("a changed outcome still verifies")
	}
	for name, bad := range map[string]func() error{
		"refer is no officer's outcome": func() error {
			_, err := NewOfficerRecord(about, Receipt{}, Refer, "o", "g", "1", now, key)
			return err
		},
		"no officer": func() error { _, err := NewOfficerRecord(about, Receipt{}, Admit, "", "g", "1", now, key); return err },
		"no grounds": func() error { _, err := NewOfficerRecord(about, Receipt{}, Admit, "o", "", "1", now, key); return err },
		"about an officer's record": func() error {
			_, err := NewOfficerRecord(r, Receipt{}, Admit, "o", "g", "1", now, key)
			return err
		},
	} {
		if bad() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestMomentsAreReadableInJSON(t *testing.T) {
	b, err := json.Marshal(struct{ At Moment }{1790000000123})
	if err != nil || string(b) != `{"At":"2026-09-21T14:13:20.123Z"}` {
		t.Errorf("got %s, %v", b, err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	b, err := sampleRecord().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := repotest.Parsed(t, b, DecodeRecord)
		if err != nil {
			return
		}
		if _, err := r.Encode(); err != nil {
			t.Errorf("a decoded record does not encode: %v", err)
		}
		r.VerifyOfficer()
	})
}
