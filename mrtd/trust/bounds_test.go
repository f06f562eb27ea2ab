package trust_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// swellable are signed things of every kind by the name of what reads them.
func swellable(t testing.TB) (root *trust.Certificate, all map[string][]byte) {
	a, other := authority(t, "swell"), authority(t, "other")
	revoked := specimen.Revoked{Serial: big.NewInt(77), At: begin, Reason: 1}
	return parse(t, a.CSCA()), map[string][]byte{
		"certificate":     a.CSCA(),
		"signer":          a.Signer(),
		"revocation list": crl(t, a, 1, this, next, revoked),
		"master list":     masterList(t, a, this, a.CSCA(), other.CSCA()),
		"deviation list": deviations(t, a, this, specimen.Deviation{Signer: a.Signer(), DocumentType: "P", Type: typeDGHash, Parameter: number(2), Description: "words"},
			specimen.Deviation{Signer: a.Signer(), By: specimen.ByDigest, From: begin, Until: now, Numbers: []string{"A1"}, Type: typeMRZData, Parameter: number(9)}),
	}
}

// Whatever is taken in, and as whatever it is read, it costs no more memory than
// its length warrants.
func TestSwollenListsStayWithinTheBound(t *testing.T) {
	root, all := swellable(t)
	for name, file := range all {
		t.Run(name, func(t *testing.T) {
			repotest.Inflate(file, func(b []byte) {
				repotest.Bounded(t, len(b), func() { trust.ParseCertificates(b) })
				repotest.Bounded(t, len(b), func() { trust.ParseCRL(b) })
				repotest.Bounded(t, len(b), func() { trust.VerifyMasterList(b, root) })
				repotest.Bounded(t, len(b), func() { trust.VerifyDeviationList(b, root) })
				repotest.Bounded(t, len(b), func() { trust.ParseSignedData(b) })
			})
		})
	}
}

// A directory is read entry by entry; PEM may repeat what it holds.
func TestSwollenTextsStayWithinTheBound(t *testing.T) {
	a := authority(t, "swell")
	signer := base64.StdEncoding.EncodeToString(a.Signer())
	for name, b := range map[string][]byte{
		"empty entries":    append([]byte("version: 1\n\n"), bytes.Repeat([]byte("dn: c=UT\n\n"), 4000)...),
		"empty values":     append([]byte("version: 1\n\ndn: c=UT\n"), bytes.Repeat([]byte("a:\n"), 20000)...),
		"folded lines":     append([]byte("version: 1\n\ndn: c=UT\na:: "), bytes.Repeat([]byte("QQ==\n "), 10000)...),
		"the same signer":  append([]byte("version: 1\n\n"), bytes.Repeat(fmt.Appendf(nil, "dn: cn=x,o=dsc,c=UT\nuserCertificate;binary:: %s\n\n", signer), 50)...),
		"no certificates":  append([]byte("version: 1\n\n"), bytes.Repeat([]byte("dn: cn=x,o=dsc,c=UT\nuserCertificate;binary:: MAA=\n\n"), 2000)...),
		"certificates":     bytes.Repeat(pemOf(a.CSCA()), 50),
		"empty PEM blocks": bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), 2000),
		"another's blocks": bytes.Repeat([]byte("-----BEGIN X-----\nMAA=\n-----END X-----\n"), 2000),
	} {
		t.Run(name, func(t *testing.T) {
			repotest.Bounded(t, len(b), func() { storeOf(t, a.CSCA()).Import(name, b, nil, now) })
		})
	}
}

// Numbers, names and points of keys.
func TestSwollenKeysStayWithinTheBound(t *testing.T) {
	root, _ := swellable(t)
	name := root.Subject.Raw
	repotest.Inflate(name, func(b []byte) { repotest.Bounded(t, len(b), func() { trust.ParseName(b) }) })
	rsa := ber.Encode(ber.Sequence, ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.113549.1.1.1"), ber.Encode(ber.Null)),
		ber.EncodeBits(ber.Encode(ber.Sequence, ber.Encode(ber.Integer, bytes.Repeat([]byte{0x5B}, 256)), ber.EncodeInt(big.NewInt(65537)))))
	if _, err := trust.ParsePublicKey(rsa); err != nil {
		t.Fatal(err)
	}
	repotest.Inflate(rsa, func(b []byte) { repotest.Bounded(t, len(b), func() { trust.ParsePublicKey(b) }) })
}
