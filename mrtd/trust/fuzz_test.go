package trust

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/ber"
)

// FuzzLDIFReader reads entries without judging what they hold.
func FuzzLDIFReader(f *testing.F) {
	for _, s := range []string{
		"version: 1\n\ndn: cn=x,o=dsc,c=UT\nuserCertificate;binary:: MAA=\n\n",
		"\xEF\xBB\xBF# comment\n more\r\nversion: 1\r\n\r\ndn:: Y249eA==\r\na:: QUFB\r\n QUFB\r\n",
		"dn: cn=x\nchangetype: modify\nreplace: a\na:: QUFB\n-\n\ndn: cn=y\nb:< file:///x\nc: d\n",
		"dn: x\na::%\n \n \n\n\n:\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		looksLikeLDIF(b)
		r := newLDIF(bytes.NewReader(b))
		octets := 0
		for {
			e, err := r.next()
			if err != nil {
				if errors.Is(err, io.EOF) && r.line > len(b) {
					t.Errorf("%d lines in %d octets", r.line, len(b))
				}
				return
			}
			if e.line < 1 || e.line > r.line || len(e.values) > maxLDIFValues {
				t.Errorf("an entry of line %d of %d with %d values", e.line, r.line, len(e.values))
			}
			for _, v := range e.values {
				octets += len(v.value)
			}
			if octets > len(b) {
				t.Errorf("%d octets of values from %d", octets, len(b))
			}
		}
	})
}

// FuzzDeviations reads the content of a deviation list as if it were signed.
func FuzzDeviations(f *testing.F) {
	german, err := hex.DecodeString("3081BD020100300706052B0E03021A3181AE3081AB3057A155304F310B3009060355040613024445310D300B060355040A0C0462756E64310C300A060355040B0C03627369" +
		"310C300A0603550405130330313331153013060355" + "04030C0C637363612D6765726D616E7902020142" +
		"3150304E133D436F756E747279206E616D6520697320656E636F646564206173205554462D3820696E7374656164206F66205072696E7461626C6520537472696E672E06086781080101070102A003020100")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(german)
	documents := ber.Encode(ber.Sequence, ber.Encode(0x80, []byte("P")), ber.Encode(0x83, make([]byte, 32)),
		ber.Encode(0xA4, ber.Encode(ber.GeneralizedTime, []byte("20171001000000Z")), ber.Encode(ber.GeneralizedTime, []byte("20180205235959.999Z"))),
		ber.Encode(0xA5, ber.Encode(ber.PrintableString, []byte("CA00000AL")), ber.Encode(ber.PrintableString, []byte("CA00001AL"))))
	f.Add(ber.Encode(ber.Sequence, ber.Encode(ber.Integer, []byte{0}), ber.Encode(ber.Sequence, ber.EncodeOID("2.16.840.1.101.3.4.2.1")), ber.Encode(ber.Set,
		ber.Encode(ber.Sequence, documents, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.23.136.1.1.7.2.2"), ber.Encode(0xA0, ber.Encode(ber.Integer, []byte{12})), ber.Encode(0xA1, []byte{5, 0})))))))
	f.Add(ber.Encode(ber.Sequence, ber.Encode(ber.Integer, []byte{0}), ber.Encode(ber.Set,
		ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.Encode(0x82, []byte{1, 2})), ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.23.136.1.1.7.3.1"), ber.Encode(0xA0, ber.EncodeOID("2.5.29.35"))))))))
	signer := &Certificate{Serial: big.NewInt(0x142), SubjectKeyID: []byte{1, 2}}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := repotest.Parsed(t, b, func(b []byte) (l DeviationList, err error) {
			err = l.setContent(b)
			return l, err
		})
		if err != nil {
			return
		}
		for _, d := range l.Deviations {
			if d.OID == "" || d.Defect == "" || d.Numbers > len(b)/2 {
				t.Errorf("deviation %q of type %q with %d numbers", d, d.OID, d.Numbers)
			}
			d.concerns(signer, "P", "CA00001AL", time.Date(2017, 12, 1, 0, 0, 0, 0, time.UTC))
		}
	})
}
