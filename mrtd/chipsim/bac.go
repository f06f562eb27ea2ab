package chipsim

import (
	"crypto/subtle"
	"encoding/binary"
	"io"
	"strings"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
)

// getChallenge is GET CHALLENGE of BAC; a chip without BAC does not know it.
func (c *Card) getChallenge(cmd apdu.Command) apdu.Response {
	switch {
	case !c.p.BAC:
		return status(apdu.WrongINS)
	case !c.inApplication:
		return status(apdu.ConditionsOfUse)
	case cmd.P1 != 0 || cmd.P2 != 0:
		return status(apdu.WrongP1P2)
	}
	return c.sendChallenge(cmd)
}

// sendChallenge draws the challenge of the next EXTERNAL AUTHENTICATE.
func (c *Card) sendChallenge(cmd apdu.Command) apdu.Response {
	if cmd.Le != 8 && cmd.Le != 256 || len(cmd.Data) > 0 {
		return status(apdu.WrongLength)
	}
	rnd := make([]byte, 8)
	if _, err := io.ReadFull(c.opt.Random, rnd); err != nil {
		return status(apdu.NoDiagnosis)
	}
	c.challenge = rnd
	return apdu.Response{Data: append([]byte(nil), rnd...), SW: apdu.Success}
}

// externalAuthenticate is the chip's half of BAC (Doc 9303-11, 4.3.1, step 3).
func (c *Card) externalAuthenticate(cmd apdu.Command, rndIC []byte) apdu.Response {
	switch {
	case !c.p.BAC:
		return status(apdu.WrongINS)
	case c.sm != nil || rndIC == nil:
		return status(apdu.ConditionsOfUse)
	case cmd.P1 != 0 || cmd.P2 != 0:
		return status(apdu.WrongP1P2)
	case len(cmd.Data) != 40 || cmd.Le < 40:
		return status(apdu.WrongLength)
	case c.opt.Faults.BACMissing:
		return status(apdu.ReferenceNotFound)
	}
	suite, err := access.DocumentAccessSuite(mrzInformation(c.p.MRZ))
	if err != nil {
		return status(apdu.NoDiagnosis)
	}
	zero := make([]byte, 8)
	if subtle.ConstantTimeCompare(suite.Token(cmd.Data[:32]), cmd.Data[32:]) != 1 {
		return c.refuse()
	}
	s, err := suite.Decrypt(zero, cmd.Data[:32])
	if err != nil || subtle.ConstantTimeCompare(s[8:16], rndIC) != 1 {
		return c.refuse()
	}
	rndIFD, kIFD := s[:8], s[16:32]
	kIC := make([]byte, 16)
	if _, err := io.ReadFull(c.opt.Random, kIC); err != nil {
		return status(apdu.NoDiagnosis)
	}
	answer := append(append(append([]byte(nil), rndIC...), rndIFD...), kIC...)
	cryptogram := suite.Encrypt(zero, answer)
	seed := make([]byte, 16)
	subtle.XORBytes(seed, kIFD, kIC)
	session, err := access.SessionSuite(access.TripleDES, seed)
	if err != nil {
		return status(apdu.NoDiagnosis)
	}
	ssc := uint64(binary.BigEndian.Uint32(rndIC[4:]))<<32 | uint64(binary.BigEndian.Uint32(rndIFD[4:]))
	c.sm, c.opened = newSecure(session, ssc), true
	c.seen.BAC++
	return apdu.Response{Data: append(cryptogram, suite.Token(cryptogram)...), SW: apdu.Success}
}

func (c *Card) refuse() apdu.Response {
	c.seen.Refused++
	return status(apdu.AuthenticationFailed)
}

// mrzInformation takes document number, date of birth and date of expiry with
// their check digits out of printed lines, as personalization would: TD3 and
// TD2 have them in the second of two lines, TD1 in the first two of three. A
// number that runs on into the optional data (TD1, TD2) is put together again.
func mrzInformation(printed string) string {
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	var number, optional, dates string
	switch {
	case len(lines) == 3 && len(lines[0]) == 30 && len(lines[1]) == 30:
		number, optional, dates = lines[0][5:15], lines[0][15:30], lines[1]
		return runOn(number, optional) + dates[0:7] + dates[8:15]
	case len(lines) == 2 && (len(lines[1]) == 36 || len(lines[1]) == 44):
		number, dates = lines[1][:10], lines[1][13:28]
		if len(lines[1]) == 36 {
			optional = lines[1][28:35]
		}
		return runOn(number, optional) + dates[0:7] + dates[8:15]
	}
	return ""
}

func runOn(number, optional string) string {
	rest, _, _ := strings.Cut(optional, "<")
	if number[9] != '<' || rest == "" {
		return number
	}
	return number[:9] + rest
}
