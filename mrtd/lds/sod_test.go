package lds_test

import (
	"bytes"
	"crypto"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// specimenSOD is EF.SOD of a specimen, signed by package specimen.
func specimenSOD(t testing.TB) []byte {
	t.Helper()
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	a, err := specimen.NewAuthority(specimen.DefaultProfile(at), specimen.Seed("sod"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, SignedAt: at,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Files[lds.EFSOD.Path()]
}

func TestSecurityObjectVersions(t *testing.T) {
	good := specimenSOD(t)
	sod, err := lds.ParseSOD(good)
	if err != nil || sod.Version != 1 || sod.Hash != crypto.SHA256 || len(sod.Hashes) != 1 || len(sod.Certificates) != 1 || len(sod.Signers) != 1 {
		t.Fatalf("got %v, %v", sod, err)
	}
	hash := bytes.Repeat([]byte{7}, 32)
	object := func(b []byte) []byte { // the specimen's message around another object
		return lds.EncodeSOD(ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.7.2"), ber.Encode(0xA0, ber.Encode(ber.Sequence,
			[]byte{2, 1, 3}, ber.Encode(ber.Set),
			ber.Encode(ber.Sequence, ber.EncodeOID("1.3.27.1.1.1"), ber.Encode(0xA0, ber.Encode(ber.OctetString, b))),
			signers(t, good)))))
	}
	v0 := lds.EncodeSecurityObject(crypto.SHA256, map[int][]byte{1: hash, 16: hash}, "", "")
	sod, err = lds.ParseSOD(object(v0))
	if err != nil || sod.Version != 0 || sod.LDSVersion != "" || len(sod.Hashes) != 2 || sod.ContentType != "1.3.27.1.1.1" {
		t.Errorf("version 0 under the old identifier: got %v, %v", sod, err)
	}
	entry := func(n byte, h []byte) []byte {
		return ber.Encode(ber.Sequence, []byte{2, 1, n}, ber.Encode(ber.OctetString, h))
	}
	with := func(version byte, oid string, entries ...[]byte) []byte {
		return object(ber.Encode(ber.Sequence, []byte{2, 1, version}, ber.Encode(ber.Sequence, ber.EncodeOID(oid)), ber.Encode(ber.Sequence, entries...)))
	}
	const sha256 = "2.16.840.1.101.3.4.2.1"
	for _, c := range []struct {
		name string
		in   []byte
		err  string
	}{
		{"version 2", with(2, sha256, entry(1, hash)), "neither 0 nor 1"},
		{"group 17", with(0, sha256, entry(17, hash)), "not 1 to 16"},
		{"group 0", with(0, sha256, entry(0, hash)), "not 1 to 16"},
		{"twice", with(0, sha256, entry(1, hash), entry(1, hash)), "two hashes of DG1"},
		{"short hash", with(0, sha256, entry(1, hash[:20])), "DG1 has 20 bytes"},
		{"no hashes", with(0, sha256), "no hash"},
		{"not tag 77", good[4:], "tag 30"},
		{"bytes after", append(bytes.Clone(good), 0), "after"},
		{"cut", good[:len(good)-1], "truncated"},
	} {
		if _, err := lds.ParseSOD(c.in); err == nil || !strings.HasPrefix(err.Error(), "EF.SOD: ") || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.err)
		}
	}
	// A hash this version does not know is read; nothing can pass under it.
	sod, err = lds.ParseSOD(with(0, "1.2.3.4", entry(1, hash)))
	if err != nil || sod.Hash != 0 || sod.HashOID != "1.2.3.4" {
		t.Errorf("unknown hash: got %v, %v", sod, err)
	}
}

// signers is the SET OF SignerInfo of a security object.
func signers(t *testing.T, sod []byte) []byte {
	t.Helper()
	b := sod
	for range 3 { // 77, ContentInfo, [0]
		tlv, _, err := ber.Next(b)
		if err != nil {
			t.Fatal(err)
		}
		b = tlv.Value
		if tlv.Tag == ber.Sequence {
			parts, err := tlv.Children()
			if err != nil {
				t.Fatal(err)
			}
			b = parts[1].Raw
		}
	}
	data, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := data.Children()
	if err != nil {
		t.Fatal(err)
	}
	return fields[len(fields)-1].Raw
}

func FuzzParseSOD(f *testing.F) {
	f.Add(specimenSOD(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		sod, err := repotest.Parsed(t, b, lds.ParseSOD)
		if err != nil {
			return
		}
		if len(sod.Hashes) == 0 || len(sod.Signers) == 0 {
			t.Errorf("%d hashes, %d signers", len(sod.Hashes), len(sod.Signers))
		}
	})
}
