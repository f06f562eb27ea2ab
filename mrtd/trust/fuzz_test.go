package trust

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
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
		repotest.Bounded(t, len(b), func() {
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

// FuzzVerify reads a key and an algorithm and judges a signature by them: of the
// three nothing is trusted, and nobody signed.
func FuzzVerify(f *testing.F) {
	c := ec.ByName("P-256")
	point := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), ber.EncodeOID(c.OID())), ber.EncodeBits(c.Marshal(c.G)))
	modulus := ber.Encode(ber.Sequence, ber.Encode(ber.Integer, bytes.Repeat([]byte{0xA5}, 128)), ber.EncodeInt(big.NewInt(65537)))
	rsa := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID(oidRSA), ber.Encode(ber.Null)), ber.EncodeBits(modulus))
	sha256 := ber.Encode(ber.Sequence, ber.EncodeOID("2.16.840.1.101.3.4.2.1"))
	mask := ber.Encode(ber.Sequence, ber.EncodeOID(oidMGF1), sha256)
	f.Add(point, ber.Encode(ber.Sequence, ber.EncodeOID(SignatureOID(ECDSA, crypto.SHA256))), ber.Encode(ber.Sequence, []byte{2, 1, 1, 2, 1, 1}))
	f.Add(point, ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.1.4.1.3")), bytes.Repeat([]byte{1}, 64))
	f.Add(rsa, ber.Encode(ber.Sequence, ber.EncodeOID(SignatureOID(RSAPKCS1, crypto.SHA1)), ber.Encode(ber.Null)), bytes.Repeat([]byte{1}, 128))
	f.Add(rsa, ber.Encode(ber.Sequence, ber.EncodeOID(oidPSS), ber.Encode(ber.Sequence, ber.Encode(0xA0, sha256), ber.Encode(0xA1, mask), ber.Encode(0xA2, []byte{2, 1, 32}))), bytes.Repeat([]byte{1}, 128))
	f.Fuzz(func(t *testing.T, spki, identifier, signature []byte) {
		repotest.Bounded(t, len(spki)+len(identifier)+len(signature), func() {
			key, err := ParsePublicKey(spki)
			if err != nil {
				return
			}
			if n := key.SignatureLength(); n < 0 || n > 2*maxModulusBits/8 || !key.Equal(key) && n > 0 {
				t.Errorf("%s with signatures of %d octets", key, n)
			}
			element, _, err := ber.Next(identifier)
			if err != nil {
				return
			}
			a, err := parseAlgorithm(element)
			if err != nil {
				return
			}
			_ = a.String()
			if Verify(key, a, crypto.SHA256, []byte("what nobody signed"), signature) == nil && bytes.Equal(spki, rsa) {
				t.Errorf("%s verifies", a)
			}
		})
	})
}

// FuzzParseName reads a distinguished name, and the DER of it.
func FuzzParseName(f *testing.F) {
	part := func(oid string, tag ber.Tag, value string) []byte {
		return ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oid), ber.Encode(tag, []byte(value))))
	}
	f.Add(ber.Encode(ber.Sequence, part(oidCountry, ber.PrintableString, "UT"), part("2.5.4.10", ber.UTF8String, "Utopia  State"), part("2.5.4.3", 0x1E, "\x00C\x00S\x00C\x00A")))
	f.Add(ber.Encode(ber.Sequence, part("1.2.3", 0x14, "M\xFCller")))
	f.Add(ber.Encode(ber.Sequence, part("1.8.48", ber.UTF8String, "\u0080\u009B2J\u202E"))) // what steers a screen
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := repotest.Parsed(t, b, ParseName)
		if err != nil {
			return
		}
		if !n.Equal(n) || strings.ContainsFunc(n.String()+n.Country, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("name %q", n)
		}
		der, err := repotest.Parsed(t, b, canonical)
		if err != nil {
			return
		}
		again, err := canonical(der)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("%X in DER is not DER: %X, %v", der, again, err)
		}
	})
}
