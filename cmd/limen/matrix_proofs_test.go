package main

import (
	"crypto"
	"fmt"
	"math/big"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// proofProfiles are the ways in which a chip proves that it is no copy, and a
// terminal its rights (Doc 9303-11, 6 and 7.1).
func proofProfiles() []profile {
	return slices.Concat(chipAuthProfiles(), activeAuthProfiles(), terminalProfiles(), proofsTogether())
}

func chipAuthProfiles() []profile {
	var all []profile
	add := func(key specimen.ChipAuth) {
		way := part(bac)
		if len(all)%2 == 1 {
			way = pace("ECDH-GM", access.AES128, 13)
		}
		all = append(all, document("11 6.2", way, proves(key)))
	}
	for _, cipher := range ciphers {
		add(onCurve(cipher, "brainpoolP256r1", -1))
		add(onCurve(cipher, "P-256", 1))
	}
	for i, curve := range []string{"P-192", "brainpoolP192r1", "P-224", "brainpoolP224r1", "brainpoolP320r1", "P-384", "brainpoolP384r1", "brainpoolP512r1", "P-521"} {
		add(onCurve(ciphers[i%4], curve, -1))
	}
	for i, cipher := range ciphers {
		add(inGroup(cipher, i%3, -1))
		add(inGroup(cipher, (i+1)%3, 2))
	}
	unannounced := onCurve(access.TripleDES, "brainpoolP256r1", -1)
	unannounced.Unannounced = true
	add(unannounced)
	unannounced = inGroup(access.TripleDES, 0, -1)
	unannounced.Unannounced = true
	add(unannounced)
	return append(all,
		document("11 6.2", bac, proves(onCurve(access.AES128, "P-256", 1), onCurve(access.AES256, "brainpoolP384r1", 2))),
		document("11 6.2", bac, proves(inGroup(access.TripleDES, 2, 1), onCurve(access.AES128, "P-256", 2))),
		document("11 6.2", bac, proves(onCurve(access.TripleDES, "P-256", 1), onCurve(access.AES128, "P-256", 1))),
		document("11 6.2", called("no access control"), opensBy("none"), proves(onCurve(access.AES128, "P-256", -1))))
}

func activeAuthProfiles() []profile {
	var all []profile
	add := func(proof part) {
		way := part(bac)
		if len(all)%2 == 1 {
			way = pace("ECDH-GM", access.AES128, 13)
		}
		all = append(all, document("11 6.1", way, proof))
	}
	hashes := []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	for i, bits := range []int{1024, 1280, 1536, 1792, 3072} {
		add(signsRSA(bits, hashes[i%3]))
	}
	for _, hash := range hashes {
		add(signsRSA(2048, hash))
		add(signsECDSA("brainpoolP512r1", false, hash))
	}
	for _, c := range []struct {
		curve string
		hash  crypto.Hash
	}{
		{"P-192", crypto.SHA1}, {"brainpoolP192r1", crypto.SHA224}, {"P-224", crypto.SHA224}, {"brainpoolP224r1", crypto.SHA224}, {"P-256", crypto.SHA256},
		{"brainpoolP256r1", crypto.SHA256}, {"brainpoolP320r1", crypto.SHA256}, {"P-384", crypto.SHA384}, {"brainpoolP384r1", crypto.SHA384}, {"P-521", crypto.SHA512},
	} {
		add(signsECDSA(c.curve, len(all)%3 == 0, c.hash))
	}
	return all
}

// terminalProfiles open DG3 and DG4, or fail to.
func terminalProfiles() []profile {
	key := func(k specimen.KeyKind) func(*specimen.VerifierProfile) {
		return func(v *specimen.VerifierProfile) { v.Key = k }
	}
	chip := proves(onCurve(access.AES128, "brainpoolP256r1", -1))
	both := func(p *profile) { bears(3, "wsq-2005")(p); bears(4, "jp2-2005")(p) }
	var all []profile
	for _, c := range []struct {
		name   string
		change func(*specimen.VerifierProfile)
	}{
		{"ECDSA brainpoolP256r1", nil},
		{"one link", func(v *specimen.VerifierProfile) { v.Links = 1 }},
		{"two links", func(v *specimen.VerifierProfile) { v.Links = 2 }},
		{"foreign verifier", func(v *specimen.VerifierProfile) { v.Foreign = true }},
		{"ECDSA P-384", key(ecKind("P-384", false, crypto.SHA384))},
		{"ECDSA P-224", key(ecKind("P-224", false, crypto.SHA224))},
		{"RSA", key(rsaKind(trust.RSAPKCS1, 1536, crypto.SHA256))},
		{"RSA-PSS", key(rsaKind(trust.RSAPSS, 1536, crypto.SHA256))},
	} {
		all = append(all, document("11 7.1", bac, chip, both, inspected(c.name, c.change)))
	}
	unread := func(groups ...int) part {
		return gives(func(o *outcome) {
			o.groups = slices.DeleteFunc(o.groups, func(n int) bool { return slices.Contains(groups, n) })
		})
	}
	return append(all,
		document("11 7.1", pace("ECDH-GM", access.AES256, 13), chip, both, inspected("behind PACE", nil)),
		document("11 7.1.2", pace("ECDH-CAM", access.AES128, 13), both, inspected("behind PACE-CAM", nil)),
		document("11 7.1.2", pace("ECDH-CAM", access.AES256, 16), both, inspected("behind PACE-CAM, one link", func(v *specimen.VerifierProfile) { v.Links = 1 })),
		document("11 7.1.2", pace("ECDH-CAM", access.AES128, 13), proves(onCurve(access.AES128, "brainpoolP256r1", 13)), both, inspected("behind PACE-CAM and CA", nil)),
		document("11 7.1", bac, proves(inGroup(access.TripleDES, 1, -1)), both, inspected("behind CA in a group", nil)),
		document("11 7.1", bac, chip, bears(3, "wsq-39794"), inspected("for DG3 alone", func(v *specimen.VerifierProfile) { v.Rights = cvc.ReadDG3 })),
		document("11 7.1", bac, chip, bears(4, "png-2011"), inspected("for DG4 alone", func(v *specimen.VerifierProfile) { v.Rights = cvc.ReadDG4 })),
		document("11 7.1", bac, chip, both, inspected("by nobody", nil), unseenTerminal, unread(3, 4)),
	)
}

// unseenTerminal leaves the terminal at home: what it opens stays closed, which
// is no fault of the document.
func unseenTerminal(p *profile) {
	p.alone = true
	p.want.terminal = report.NotPerformed
}

// dg14 is a DG14 of these SecurityInfos, in the place of what is usual.
func dg14(infos ...[]byte) part {
	return issued(fmt.Sprintf("DG14 of %d infos", len(infos)), func(s *specimen.Spec) { s.Groups[14] = ber.Encode(0x6E, ber.Encode(ber.Set, infos...)) })
}

// cam128 is the PACEInfo of the variant ECDH-CAM, AES-128, brainpoolP256r1 (Doc 9303-11, 9.2.1).
var cam128 = ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.4.6.2"), ber.EncodeInt(big.NewInt(2)), ber.EncodeInt(big.NewInt(13)))

// forged has an EF.CardSecurity whose signature does not verify.
var forged = changed("a changed EF.CardSecurity", func(c *chipsim.Passport) {
	b := c.Files[lds.EFCardSecurity.Path()]
	b[len(b)-1] ^= 1
})

func proofsTogether() []profile {
	cam, ca := pace("ECDH-CAM", access.AES128, 13), proves(onCurve(access.AES256, "brainpoolP384r1", 1))
	rsa, curve := signsRSA(2048, crypto.SHA256), signsECDSA("P-256", false, crypto.SHA256)
	spoiled := func(clause, name string, parts ...part) profile {
		return document(clause, append([]part{cam, misbehaves(name), gives(func(o *outcome) { o.mapping = report.Failed }), ends(1, "chip_mapping_failed")}, parts...)...)
	}
	notMade := func(check *report.Status) { *check = "" }
	return []profile{
		spoiled("ISO7816_C_29", "mapping_proof_missing"),
		spoiled("ISO7816_C_30", "mapping_proof_malformed"),
		spoiled("ISO7816_C_31", "mapping_proof_wrong"),
		spoiled("ISO7816_C_32", "mapping_proof_misplaced"),
		spoiled("ISO7816_C_33", "mapping_proof_empty"),
		spoiled("11 4.4.3.5", "mapping_proof_wrong", ca, curve),
		document("ISO7816_C_34", cam, called("passive authentication of EF.CardSecurity by RSA"), issuedBy("RSA-2048 SHA-256")),
		document("ISO7816_C_35", pace("ECDH-GM", access.AES128, 13), misbehaves("mapping_proof_unasked")),
		document("ISO7816_C_36", cam, dg14(), ends(1, "card_access_unconfirmed:EF.CardAccess")),
		document("LDS_J", cam, dg14(cam128), called("the key in EF.CardSecurity alone")),
		document("LDS_J", cam, dg14(cam128), forged, gives(func(o *outcome) { o.mapping = report.Undetermined }), ends(1, "chip_key_not_authentic:EF.CardSecurity")),
		document("LDS_J", cam, dg14(cam128), without(lds.EFCardSecurity), gives(func(o *outcome) { o.mapping = report.Undetermined }), ends(1, "chip_key_not_authentic:EF.CardSecurity")),
		document("LDS_J", cam, called("the key in DG14 too"), forged),
		document("LDS_J", cam, called("the key in DG14 too"), without(lds.EFCardSecurity)),
		document("11 4.2", cam, ca),
		document("11 4.2", cam, rsa),
		document("11 4.2", cam, ca, curve),
		document("11 4.2", bac, ca, rsa),
		document("11 4.2", bac, ca, curve, issuedBy("RSA-PSS-2048 SHA-256")),
		document("11 4.2", bac, ca, curve, reading("--proof", "once"), gives(func(o *outcome) { notMade(&o.active); o.groups = []int{1, 2, 14} })),
		document("11 4.2", cam, ca, curve, reading("--proof", "once"), gives(func(o *outcome) { notMade(&o.active); notMade(&o.chip); o.groups = []int{1, 2, 14} })),
		document("11 4.2", bac, curve, reading("--proof", "once")),
		document("11 4.2", bac, ca, rsa, reading("--proof", "none"), gives(func(o *outcome) { notMade(&o.active); notMade(&o.chip); o.groups = []int{1, 2} })),
	}
}
