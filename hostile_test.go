package limen

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// A chip brings its signer's certificate itself, and what it says of itself
// goes into the record before anybody has vouched for it: at any length the
// record could not be stored, or not be read again, and the attempt would leave
// no trace.
func TestSelfMadeSignerDoesNotSwellTheRecord(t *testing.T) {
	for _, country := range []string{strings.Repeat("\xFF", 63000), "U", "U7", "UT\xFF", "<b>", ""} {
		synctest.Test(t, func(t *testing.T) {
			x := newCrossing(t)
			x.chip.Files[lds.EFSOD.Path()] = withCountry(t, x.chip.Files[lds.EFSOD.Path()], country)
			f := x.run()
			if f.Record.Decision.Outcome != Refer {
				t.Errorf("self-made signer: got %s, want %s", f.Record.Decision.Outcome, Refer)
			}
			b, err := f.Record.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := DecodeRecord(b); err != nil {
				t.Errorf("country of %d octets: %v", len(country), err)
			}
			if got := f.Record.Chip.SignerCountry; got != "" {
				t.Errorf("country of %d octets: the record holds %.10q, want none", len(country), got)
			}
		})
	}
}

// withCountry puts a country in place of the name of EF.SOD's first certificate.
func withCountry(t *testing.T, sod []byte, country string) []byte {
	t.Helper()
	children := func(x ber.TLV) []ber.TLV {
		c, err := x.Children()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	join := func(tag ber.Tag, list []ber.TLV) []byte {
		var raw [][]byte
		for _, x := range list {
			raw = append(raw, x.Raw)
		}
		return ber.Encode(tag, raw...)
	}
	file, err := ber.Parse(sod, lds.EFSOD.Tag)
	if err != nil {
		t.Fatal(err)
	}
	message := children(children(file)[0])
	signed := children(message[1])[0]
	fields := children(signed)
	certificate := children(children(fields[3])[0])
	tbs := children(certificate[0])
	const teletex = 0x14 // an octet above 7F becomes two
	tbs[5].Raw = ber.Encode(ber.Sequence, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.5.4.6"), ber.Encode(teletex, []byte(country)))))
	certificate[0].Raw = join(ber.Sequence, tbs)
	fields[3].Raw = ber.Encode(0xA0, join(ber.Sequence, certificate))
	message[1].Raw = ber.Encode(0xA0, join(ber.Sequence, fields))
	return lds.EncodeSOD(join(ber.Sequence, message))
}

// A chip that opens with any key and holds another's genuine files.
func TestAnotherDocumentsFilesAreFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		lines := slices.Clone(x.printed.Lines)
		lines[0] = strings.Replace(lines[0], "ANNA", "ANNE", 1) // no check digit covers a name
		x.printed.Lines = lines
		f := x.run()
		if d := f.Record.Decision; d.Outcome != Refer || !slices.Equal(codes(d.Reasons), []string{"mrz_chip_mismatch:name"}) {
			t.Errorf("got %s %v, want %s for mrz_chip_mismatch:name", d.Outcome, codes(d.Reasons), Refer)
		}
	})
}

// The portrait is decoded while other files travel. It counts only if it is of
// the very bytes whose hash is judged.
func TestPortraitOfOtherBytesIsNobodys(t *testing.T) {
	x := newCrossing(t)
	dg2 := x.chip.Files[group(2).Path()]
	other := bytes.Clone(dg2)
	other[len(other)-1] ^= 1
	for name, c := range map[string]struct {
		judged []byte
		want   Status
	}{"the same": {bytes.Clone(dg2), Passed}, "another": {other, Failed}, "none": {nil, Failed}} {
		e := x.in.awaitPortrait(t.Context())
		e.arrive(group(2), dg2)
		p := e.portrait(chipReading{files: map[lds.Path][]byte{group(2).Path(): c.judged}})
		if got := p.status(CheckPortrait, ""); got != c.want || (p.image != nil) != (c.want == Passed) {
			t.Errorf("%s: got %s, a picture: %v; want %s", name, got, p.image != nil, c.want)
		}
	}
}

// A score that is no number is below every threshold.
func TestNoNumberIsNoMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.ports.face = fakeFace{score: math.NaN()}
		f := x.run()
		if d := f.Record.Decision; d.Outcome != Refer || !slices.Equal(codes(d.Reasons), []string{"face_mismatch"}) {
			t.Errorf("got %s %v, want %s for face_mismatch", d.Outcome, codes(d.Reasons), Refer)
		}
	})
}

// Whatever is done to a chip's files, nobody is admitted on changed groups, no
// step panics, and the attempt leaves a record that can be read.
func TestChangedFilesNeverAdmit(t *testing.T) {
	const rounds = 150
	r := rand.New(rand.NewPCG(9303, 11))
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newCrossing(t)
				before := map[lds.Path][]byte{}
				for fid, b := range x.chip.Files {
					before[fid] = bytes.Clone(b)
				}
				for range 1 + r.IntN(3) {
					spoil(r, x.chip)
				}
				f := x.run()
				b, err := f.Record.Encode()
				if err == nil {
					_, err = DecodeRecord(b)
				}
				if err != nil || len(x.ports.appended) != 1 {
					t.Errorf("%d records (%v), want one that can be read", len(x.ports.appended), err)
				}
				if f.Record.Decision.Outcome != Admit {
					return
				}
				for _, n := range wanted {
					fid := group(n).Path()
					if got := x.chip.Files[fid]; len(got) < len(before[fid]) || !bytes.Equal(got[:len(before[fid])], before[fid]) {
						t.Errorf("admitted with DG%d changed", n)
					}
				}
			})
		})
	}
}

// spoil changes one of a chip's files: an octet, a piece gone, a piece twice.
func spoil(r *rand.Rand, p chipsim.Passport) {
	fids := []lds.Path{lds.EFCOM.Path(), lds.EFSOD.Path(), group(1).Path(), group(2).Path()}
	fid := fids[r.IntN(len(fids))]
	b := p.Files[fid]
	if len(b) < 4 {
		return
	}
	at := r.IntN(len(b))
	end := min(at+1+r.IntN(16), len(b))
	switch r.IntN(4) {
	case 0:
		b = bytes.Clone(b)
		b[at] ^= 1 << r.IntN(8)
	case 1:
		b = slices.Concat(b[:at], b[end:])
	case 2:
		b = slices.Concat(b[:end], b[at:])
	case 3:
		b = bytes.Clone(b)
		b[min(r.IntN(8), len(b)-1)] = byte(r.Uint32()) // a tag or a length
	}
	p.Files[fid] = b
}
