package main

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var (
	usualCSCA = ecKind("brainpoolP384r1", true, crypto.SHA384)
	usualDS   = ecKind("brainpoolP256r1", true, crypto.SHA256)
)

func rsaKind(scheme trust.Scheme, bits int, hash crypto.Hash) specimen.KeyKind {
	return specimen.KeyKind{Scheme: scheme, Bits: bits, Hash: hash}
}

func ecKind(curve string, explicit bool, hash crypto.Hash) specimen.KeyKind {
	return specimen.KeyKind{Scheme: trust.ECDSA, Curve: curve, Explicit: explicit, Hash: hash}
}

// usualHash is the hash that issuers use with a curve.
var usualHash = map[string]crypto.Hash{
	"P-192": crypto.SHA1, "brainpoolP192r1": crypto.SHA1, "P-224": crypto.SHA224, "brainpoolP224r1": crypto.SHA224, "P-256": crypto.SHA256, "brainpoolP256r1": crypto.SHA256,
	"brainpoolP320r1": crypto.SHA256, "P-384": crypto.SHA384, "brainpoolP384r1": crypto.SHA384, "brainpoolP512r1": crypto.SHA512, "P-521": crypto.SHA512,
}

var everyHash = []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}

// issuers are the authorities of the matrix by their names.
func issuers() map[string]*issuer {
	all := map[string]*issuer{
		"usual":                 {csca: usualCSCA, ds: usualDS},
		"cards":                 {csca: usualCSCA, ds: usualDS, documents: []string{"I", "P"}},
		"RSA-3072 SHA-256":      {csca: usualCSCA, ds: rsaKind(trust.RSAPKCS1, 3072, crypto.SHA256)},
		"RSA-4096 SHA-512":      {csca: rsaKind(trust.RSAPKCS1, 4096, crypto.SHA512), ds: rsaKind(trust.RSAPKCS1, 4096, crypto.SHA512)},
		"RSA-1024 SHA-1":        {csca: usualCSCA, ds: rsaKind(trust.RSAPKCS1, 1024, crypto.SHA1)},
		"CSCA RSA-3072":         {csca: rsaKind(trust.RSAPKCS1, 3072, crypto.SHA256), ds: usualDS},
		"CSCA RSA-PSS-2048":     {csca: rsaKind(trust.RSAPSS, 2048, crypto.SHA512), ds: usualDS},
		"CSCA RSA, signer RSA":  {csca: rsaKind(trust.RSAPKCS1, 2048, crypto.SHA1), ds: rsaKind(trust.RSAPKCS1, 1536, crypto.SHA1)},
		"CSCA ECDSA P-521":      {csca: ecKind("P-521", false, crypto.SHA512), ds: usualDS},
		"CSCA ECDSA brainpool":  {csca: ecKind("brainpoolP512r1", true, crypto.SHA512), ds: ecKind("brainpoolP384r1", true, crypto.SHA384)},
		"ECDSA P-256 explicit":  {csca: usualCSCA, ds: ecKind("P-256", true, crypto.SHA256)},
		"ECDSA brainpool named": {csca: usualCSCA, ds: ecKind("brainpoolP256r1", false, crypto.SHA256)},
	}
	for _, hash := range everyHash {
		all["RSA-2048 "+hash.String()] = &issuer{csca: usualCSCA, ds: rsaKind(trust.RSAPKCS1, 2048, hash)}
		all["RSA-PSS-2048 "+hash.String()] = &issuer{csca: usualCSCA, ds: rsaKind(trust.RSAPSS, 2048, hash)}
		all["ECDSA P-384 "+hash.String()] = &issuer{csca: usualCSCA, ds: ecKind("P-384", false, hash)}
	}
	for curve, hash := range usualHash {
		all["ECDSA "+curve] = &issuer{csca: usualCSCA, ds: ecKind(curve, true, hash)}
	}
	return all
}

// issuerProfiles are the ways in which documents are signed (Doc 9303-10, 4.6.2;
// Doc 9303-12, 4.4 and 7.1).
func issuerProfiles() []profile {
	var all []profile
	names := []string{}
	for name := range issuers() {
		if name != "usual" && name != "cards" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		way := part(bac)
		if i%3 == 2 {
			way = pace("ECDH-GM", access.AES128, 12)
		}
		clause := "12 4.4"
		if name == "CSCA RSA, signer RSA" {
			clause = "DPRCTD-SHA1"
		}
		all = append(all, document(clause, way, issuedBy(name)))
	}
	for _, hash := range everyHash {
		all = append(all, document("10 4.6.2", bac, issued("groups hashed by "+hash.String(), func(s *specimen.Spec) { s.Hash = hash })))
	}
	keyID := issued("signer named by key identifier", func(s *specimen.Spec) { s.SignerByKeyID = true })
	return append(all,
		document("10 4.6.2", bac, keyID),
		document("10 4.6.2", bac, keyID, issuedBy("RSA-2048 SHA-256")),
		document("10 4.6.2", bac, issued("no signing time", func(s *specimen.Spec) { s.SignedAt = time.Time{} })),
		document("10 4.6.2", bac, issued("the first content type", func(s *specimen.Spec) { s.ContentType = "1.3.27.1.1.1" })),
		document("10 4.6.2", bac, issued("signer's certificate not carried", func(s *specimen.Spec) { s.WithoutSigner = true }),
			ends(1, "signer_missing"), gives(func(o *outcome) {
				o.passive, o.chip, o.active = report.Failed, report.Undetermined, report.Undetermined // that it has no keys is nobody's word then
			})),
		document("10 4.6.1", bac, issued("version 1.7 in EF.COM alone", func(s *specimen.Spec) { s.Unversioned = true })),
		document("10 4.6.1", bac, issued("version 1.8", func(s *specimen.Spec) { s.Version = "0108" })),
		document("10 4.6.1", bac, issued("version 1.8", func(s *specimen.Spec) { s.Version = "0108" }), without(lds.EFCOM)),
		document("10 4.6.1", pace("ECDH-GM", access.AES128, 12), issued("version 1.8", func(s *specimen.Spec) { s.Version = "0108" }), without(lds.EFCOM),
			proves(onCurve(access.AES128, "P-256", -1)), signsECDSA("P-256", false, crypto.SHA256)))
}

// documentProfiles are what documents bear (Doc 9303-10, 4.7).
func documentProfiles() []profile {
	var all []profile
	add := func(n int, kind string) {
		clause, way := fmt.Sprintf("10 4.7.%d", n), part(bac)
		if len(all)%4 == 3 {
			way = pace("ECDH-GM", access.AES256, 13)
		}
		all = append(all, document(clause, way, bears(n, kind)))
	}
	every := []part{bac}
	for n := 2; n <= 16; n++ {
		for i, kind := range specimen.ExampleKinds(n) {
			add(n, kind)
			if i == 0 && n > 2 {
				every = append(every, bears(n, kind))
			}
		}
	}
	return append(all,
		document("10 4.7", every...),
		document("10 4.7", bac, called("long"), issued("DG2 of 40 kB", func(s *specimen.Spec) { s.Groups[2] = long(40_000) })),
		document("10 4.7", pace("ECDH-GM", access.AES128, 12), called("long"), issued("DG2 of 40 kB", func(s *specimen.Spec) { s.Groups[2] = long(40_000) }), reading("--max-le", "223")),
		document("10 3.11", bac, changed("EF.DIR", func(c *chipsim.Passport) {
			c.Files[lds.EFDIR.Path()] = lds.EncodeDIR(lds.DIR{{AID: lds.AIDTravelDocument}})
		})),
	)
}

// long is a DG2 with a picture of so many bytes.
func long(n int) []byte {
	b, err := lds.EncodeDG2(append([]byte("\xFF\xD8\xFF\xE0"), make([]byte, n-4)...), 413, 531)
	if err != nil {
		panic(err)
	}
	return b
}
