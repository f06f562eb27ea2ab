package chipsim

import (
	"crypto/sha1"
	"math/big"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// ChipAuth is a static key with which the chip runs chip authentication, and
// the protocols it runs with it (Doc 9303-11, 9.2.7). DG14 announces both.
type ChipAuth struct {
	OIDs []string // "0.4.0.127.0.7.2.2.3.2.2" is id-CA-ECDH-AES-CBC-CMAC-128
	Key  ChipKey
}

// chipAuthRun is chip authentication between MSE:Set AT and GENERAL AUTHENTICATE.
type chipAuthRun struct {
	key    ChipKey
	cipher access.Cipher
}

// setChipAuth is MSE:Set KAT (41A6), which does all of it for 3DES, or MSE:Set
// AT (41A4), which chooses protocol and key (Doc 9303-11, 6.2.4). This chip
// takes objects in the order of the tables alone, and knows no others.
func (c *Card) setChipAuth(cmd apdu.Command) apdu.Response {
	switch {
	case len(c.p.ChipAuth) == 0 || cmd.P2 != 0xA4 && cmd.P2 != 0xA6:
		return status(apdu.WrongP1P2)
	case c.opt.Faults.ChipAuthRefused != 0:
		return status(c.opt.Faults.ChipAuthRefused)
	case !c.inApplication:
		return status(apdu.ConditionsOfUse)
	case !c.mayRead(lds.File{}):
		return status(apdu.SecurityStatus)
	case cmd.Le != 0:
		return status(apdu.WrongLength)
	}
	objects, err := ber.List(cmd.Data)
	if err != nil || len(objects) == 0 || len(objects) > 2 || len(objects) == 2 && objects[1].Tag != 0x84 {
		return status(apdu.WrongData)
	}
	first, reference := objects[0], objects[1:]
	if cmd.P2 == 0xA6 {
		key, ok := c.keyFor(func(oid string) bool { cipher, _, _ := access.ChipAuthCipher(oid); return cipher == access.TripleDES }, reference)
		switch {
		case first.Tag != 0x91:
			return status(apdu.WrongData)
		case !ok:
			return status(apdu.ReferenceNotFound)
		}
		if sw := c.opt.Faults.ChipAuthFirst; sw != 0 && key.KeyID == c.p.ChipAuth[0].Key.KeyID {
			return status(sw)
		}
		return c.chipAuthenticate(chipAuthRun{key, access.TripleDES}, first.Value)
	}
	oid, err := ber.TLV{Tag: ber.OID, Value: first.Value}.OID()
	cipher, _, known := access.ChipAuthCipher(oid)
	runs := func(o string) bool { return o == oid }
	switch {
	case first.Tag != 0x80 || err != nil || !known:
		return status(apdu.WrongData)
	case !slices.ContainsFunc(c.p.ChipAuth, func(a ChipAuth) bool { return slices.ContainsFunc(a.OIDs, runs) }):
		return status(apdu.WrongData)
	}
	key, ok := c.keyFor(runs, reference)
	if !ok {
		return status(apdu.ReferenceNotFound)
	}
	if sw := c.opt.Faults.ChipAuthFirst; sw != 0 && key.KeyID == c.p.ChipAuth[0].Key.KeyID {
		return status(sw)
	}
	c.chipAuth = &chipAuthRun{key, cipher}
	return status(apdu.Success)
}

// keyFor finds the key that runs a protocol. A chip of several keys must be
// told which, and one that knows no key by the identifier it is told has none.
func (c *Card) keyFor(runs func(oid string) bool, reference []ber.TLV) (ChipKey, bool) {
	if len(reference) == 0 && len(c.p.ChipAuth) > 1 {
		return ChipKey{}, false
	}
	for _, a := range c.p.ChipAuth {
		if !slices.ContainsFunc(a.OIDs, runs) {
			continue
		}
		if len(reference) == 0 || a.Key.KeyID >= 0 && new(big.Int).SetBytes(reference[0].Value).Cmp(big.NewInt(int64(a.Key.KeyID))) == 0 {
			return a.Key, true
		}
	}
	return ChipKey{}, false
}

// finishChipAuth is GENERAL AUTHENTICATE after MSE:Set AT.
func (c *Card) finishChipAuth(cmd apdu.Command, run chipAuthRun) apdu.Response {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return status(apdu.WrongP1P2)
	case cmd.CLA&0x10 != 0:
		return status(apdu.LastCommandExpected)
	case cmd.Le == 0:
		return status(apdu.WrongLength)
	}
	template, err := ber.Parse(cmd.Data, 0x7C)
	if err != nil {
		return status(apdu.WrongData)
	}
	objects, err := template.Children()
	if err != nil || len(objects) != 1 || objects[0].Tag != 0x80 {
		return status(apdu.WrongData)
	}
	r := c.chipAuthenticate(run, objects[0].Value)
	if r.SW == apdu.Success {
		r.Data = ber.Encode(0x7C)
	}
	return r
}

// chipAuthenticate agrees with the reader's ephemeral key and restarts secure
// messaging: the response at hand still leaves under the old keys.
func (c *Card) chipAuthenticate(run chipAuthRun, theirs []byte) apdu.Response {
	secret, compressed, ok := run.key.agree(theirs)
	if !ok {
		return status(apdu.WrongData)
	}
	if c.opt.Faults.ChipAuthOldKeys {
		return status(apdu.Success)
	}
	if c.opt.Faults.ChipAuthOtherKey {
		secret = append(secret, "of another key"...)
	}
	suite, err := access.SessionSuite(run.cipher, secret)
	if err != nil {
		return status(apdu.NoDiagnosis)
	}
	c.sm, c.opened, c.terminalKey = newSecure(suite, 0), true, compressed
	c.seen.ChipAuth++
	return status(apdu.Success)
}

// agree validates a public key and agrees with it (Doc 9303-11, 9.6). It also
// returns the key compressed, as terminal authentication will sign it.
func (k ChipKey) agree(theirs []byte) (secret, compressed []byte, ok bool) {
	if k.Curve != nil {
		if len(theirs) == 0 || theirs[0] != 4 {
			return nil, nil, false
		}
		p, err := k.Curve.Unmarshal(theirs)
		if err != nil {
			return nil, nil, false
		}
		shared := k.Curve.ScalarMult(p, k.Private)
		if shared.Infinity() {
			return nil, nil, false
		}
		n := k.Curve.ByteLen()
		return shared.X.FillBytes(make([]byte, n)), theirs[1 : 1+n], true
	}
	y, err := k.Group.Unmarshal(theirs)
	if err != nil || theirs[0] == 0 { // an unsigned integer has no leading zeros (9.4.1)
		return nil, nil, false
	}
	hash := sha1.Sum(theirs)
	return k.Group.Marshal(k.Group.Exp(y, k.Private)), hash[:], true
}
