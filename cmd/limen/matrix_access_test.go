package main

import (
	"math/big"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
)

// ciphers of secure messaging; the mapping by chip authentication has no 3DES.
var ciphers = []access.Cipher{access.TripleDES, access.AES128, access.AES192, access.AES256}

// accessProfiles are the ways into a chip (Doc 9303-11, 4).
func accessProfiles() []profile {
	all := []profile{
		document("11 4.3", bac),
		document("11 4.2", called("no access control"), opensBy("none", "chip_open_without_key")),
		document("11 4.4", bac, pace("ECDH-GM", access.AES128, 12)),
		document("11 4.4", bac, pace("ECDH-GM", access.AES128, 12), byCAN),
		document("11 4.2", called("two sets of parameters"), pace("ECDH-GM", access.AES128, 12), pace("ECDH-GM", access.AES256, 13)),
		document("11 4.2", called("three mappings"), pace("ECDH-IM", access.AES128, 13), pace("ECDH-GM", access.AES128, 13), pace("ECDH-CAM", access.AES128, 13)),
		document("11 4.2", called("curve and group"), pace("DH-GM", access.AES128, 2), pace("ECDH-GM", access.AES256, 16)),
		document("11 4.4.1", called("another CAN, then the MRZ"), pace("ECDH-GM", access.AES128, 13), reading("--can", "654321"),
			issued("", func(s *specimen.Spec) { s.CAN = "123456" })),
	}
	return slices.Concat(all, standardized(), explicit(), layouts())
}

// standardized are all mappings, with all ciphers over one set of parameters and
// over all of table 12's with one cipher or more.
func standardized() []profile {
	var all []profile
	add := func(clause, mapping string, cipher access.Cipher, parameters int) {
		p := document(clause, pace(mapping, cipher, parameters))
		if len(all)%2 == 1 {
			p = document(clause, pace(mapping, cipher, parameters), byCAN)
		}
		all = append(all, p)
	}
	for _, m := range []struct{ mapping, clause string }{{"ECDH-GM", "11 4.4.3.3.1"}, {"ECDH-IM", "11 4.4.3.3.2"}, {"ECDH-CAM", "ISO7816_C_34"}} {
		for i, cipher := range ciphers {
			if m.mapping != "ECDH-CAM" || cipher != access.TripleDES {
				add(m.clause, m.mapping, cipher, 13)
			}
			for id := 8; id <= 18; id++ {
				c := ec.ByParameterID(id)
				if id != 13 && (m.mapping != "ECDH-IM" || c.EncodesField()) && max(id%4, map[string]int{"ECDH-CAM": 1}[m.mapping]) == i {
					add(m.clause, m.mapping, cipher, id)
				}
			}
		}
	}
	for _, m := range []struct{ mapping, clause string }{{"DH-GM", "11 4.4.3.3.1"}, {"DH-IM", "11 4.4.3.3.2"}} {
		for i, cipher := range ciphers {
			add(m.clause, m.mapping, cipher, 0)
			add(m.clause, m.mapping, cipher, 1+i%2)
		}
	}
	return all
}

// explicit are parameters spelled out in a PACEDomainParameterInfo (9.2.2),
// those of a table and others.
func explicit() []profile {
	c, g := ec.ByName("brainpoolP256r1"), dh.ByParameterID(0)
	at := c.ScalarMult(c.G, big.NewInt(7))
	other, err := ec.Explicit(c.P, c.A, c.B, at.X, at.Y, c.N, 1)
	if err != nil {
		panic(err)
	}
	otherGroup := &dh.Group{P: g.P, G: g.Exp(g.G, big.NewInt(7)), Q: g.Q}
	var all []profile
	for i, mapping := range []string{"ECDH-GM", "ECDH-IM", "ECDH-CAM"} {
		all = append(all,
			document("11 9.2.2", paceOver(mapping, access.AES128, chipsim.PACE{ParameterID: 32, Curve: ec.ByName("brainpoolP320r1")}, "brainpoolP320r1")),
			document("11 9.2.2", paceOver(mapping, ciphers[1+i], chipsim.PACE{ParameterID: 200, Curve: other}, "")))
	}
	for i, mapping := range []string{"DH-GM", "DH-IM"} {
		all = append(all,
			document("11 9.2.2", paceOver(mapping, access.AES128, chipsim.PACE{ParameterID: 33, Group: dh.ByParameterID(1)}, "RFC 5114 2048/224")),
			document("11 9.2.2", paceOver(mapping, ciphers[2+i], chipsim.PACE{ParameterID: 300, Group: otherGroup}, "")))
	}
	return all
}

// layouts are the forms of the MRZ that opens the chip (Doc 9303-4 to -6), long
// and short document numbers among them.
func layouts() []profile {
	var all []profile
	for _, l := range []struct {
		name, clause string
		lines        []string
	}{
		{"TD1", "5 4.2", travelers[mrz.TD1]}, {"TD2", "6 4.2", travelers[mrz.TD2]},
		{"TD1 long number", "5 4.2.2", lines(mrz.Fields{Layout: mrz.TD1, DocumentCode: "I", Number: "D231458907349"})},
		{"TD2 long number", "6 4.2.2", lines(mrz.Fields{Layout: mrz.TD2, DocumentCode: "I", Number: "D23145890734"})},
		{"TD1 longest number", "5 4.2.2", lines(mrz.Fields{Layout: mrz.TD1, DocumentCode: "I", Number: "D2314589073490123456789"})},
		{"TD1 optional data", "5 4.2", lines(mrz.Fields{Layout: mrz.TD1, DocumentCode: "I", Number: "D23145890", Optional: "A1B2", Optional2: "C3"})},
	} {
		of := issued(l.name, func(s *specimen.Spec) { s.Lines = l.lines })
		all = append(all, document(l.clause, of, issuedBy("cards"), bac),
			document(l.clause, of, issuedBy("cards"), pace("ECDH-GM", access.AES128, 13)),
			document(l.clause, of, issuedBy("cards"), pace("ECDH-IM", access.AES256, 12), byCAN))
	}
	short := lines(mrz.Fields{Layout: mrz.TD3, DocumentCode: "P", Number: "L89"})
	of := issued("TD3 short number", func(s *specimen.Spec) { s.Lines = short })
	return append(all, document("4 4.2.2", of, bac), document("4 4.2.2", of, pace("ECDH-GM", access.AES128, 13)))
}
