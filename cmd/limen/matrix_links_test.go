package main

import (
	"crypto"
	"fmt"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// typeB is a card of type B.
func typeB(p *profile) { p.call("type B"); p.typeB = true }

// shortOnly is a chip without extended length, which answers 6700 to it in the
// clear and ends the session.
func shortOnly(p *profile) { p.call("short lengths alone"); p.shortOnly = true }

// informs is an EF.ATR/INFO that tells how long a response the chip gives.
func informs(response int) part {
	return changed(fmt.Sprint("EF.ATR/INFO response ", response), func(c *chipsim.Passport) {
		c.Files[lds.EFATRInfo.Path()] = lds.EncodeATRInfo(lds.ATRInfo{ShortEF: true, ExtendedLength: response > 256, MaxCommand: 1000, MaxResponse: response})
	})
}

// linkProfiles are the ways in which bytes travel (Doc 9303-10, 3).
func linkProfiles() []profile {
	gm := pace("ECDH-GM", access.AES128, 13)
	var all []profile
	for _, way := range []part{bac, gm} {
		all = append(all,
			document("10 3.3", way, typeB),
			document("10 3.3", way, typeB, proves(onCurve(access.AES256, "P-256", -1)), signsRSA(1024, crypto.SHA1)),
			document("LDS_K", way, shortOnly, informs(256)),
			document("10 3.11.2", way, shortOnly, reading("--max-le", "256"), proves(onCurve(access.AES128, "P-256", -1)), signsRSA(1024, crypto.SHA1)),
		)
		for _, le := range []string{"96", "128", "223", "231", "256", "1000"} {
			all = append(all, document("10 3.6.3", way, reading("--max-le", le)))
		}
		all = append(all,
			document("LDS_K", way, informs(300)),
			document("LDS_K", way, informs(apdu.MaxLe)),
			document("LDS_K", way, changed("an empty EF.ATR/INFO", func(c *chipsim.Passport) { c.Files[lds.EFATRInfo.Path()] = []byte{} })),
			document("LDS_K", way, changed("an EF.ATR/INFO of noise", func(c *chipsim.Passport) { c.Files[lds.EFATRInfo.Path()] = []byte{0x7F, 0xFF, 0xFF, 0xFF} })),
		)
	}
	return all
}
