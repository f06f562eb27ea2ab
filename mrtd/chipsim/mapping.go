package chipsim

import (
	"encoding/hex"
	"math/big"
	"strings"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
)

// mapping is how the second step of PACE finds the generator (Doc 9303-11, 4.4.3.3).
type mapping byte

const (
	generic mapping = iota + 1
	integrated
	chipAuthentication
)

// scheme takes a PACE protocol's identifier apart (9.2.3).
func scheme(oid string) (m mapping, cipher access.Cipher, overCurve, ok bool) {
	arcs := strings.Split(strings.TrimPrefix(oid, "0.4.0.127.0.7.2.2.4."), ".")
	if len(arcs) != 2 || len(arcs[1]) != 1 || !strings.Contains("1234", arcs[1]) {
		return 0, 0, false, false
	}
	cipher = map[string]access.Cipher{"1": access.TripleDES, "2": access.AES128, "3": access.AES192, "4": access.AES256}[arcs[1]]
	switch arcs[0] {
	case "1":
		return generic, cipher, false, true
	case "2":
		return generic, cipher, true, true
	case "3":
		return integrated, cipher, false, true
	case "4":
		return integrated, cipher, true, true
	case "6":
		return chipAuthentication, cipher, true, cipher != access.TripleDES
	}
	return 0, 0, false, false
}

// nonceLen is how long the chip's nonce is: the integrated mapping takes whole
// blocks of at least the key's length, the others a block of 128 bits.
func (run *paceRun) nonceLen() int {
	if run.mapping == integrated && run.cipher >= access.AES192 {
		return 32
	}
	return 16
}

func (run *paceRun) mapNonce(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 1 || objects[0].Tag != 0x81 {
		return nil, apdu.WrongData
	}
	if run.mapping == integrated {
		x, ok := run.pseudoRandom(objects[0].Value)
		if !ok {
			return nil, apdu.WrongData
		}
		if run.generator, ok = run.agreement.encode(x); !ok {
			return nil, apdu.WrongData
		}
		return ber.Encode(0x82), apdu.Success
	}
	theirs := objects[0].Value
	if !run.agreement.admits(theirs) {
		return nil, apdu.WrongData
	}
	private, own, err := run.agreement.draw(c.opt.Random, nil)
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	h, ok := run.agreement.power(theirs, private)
	if !ok {
		return nil, apdu.WrongData
	}
	masked, ok := run.agreement.power(run.agreement.generator(), new(big.Int).SetBytes(run.nonce))
	if !ok {
		return nil, apdu.WrongData
	}
	if run.generator, ok = run.agreement.combine(masked, h); !ok {
		return nil, apdu.WrongData
	}
	run.mapPrivate = private
	return ber.Encode(0x82, own), apdu.Success
}

// The constants c0 and c1 of figure 2, for nonces of 16 and of 32 bytes.
var pseudoRandomConstants = map[int][2]string{
	16: {"a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"},
	32: {
		"d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
		"54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
	},
}

// pseudoRandom is R_p(s, t) of 4.4.3.3.2, s the nonce of this run.
func (run *paceRun) pseudoRandom(t []byte) (*big.Int, bool) {
	size := map[access.Cipher]int{access.TripleDES: 16, access.AES128: 16, access.AES192: 24, access.AES256: 32}[run.cipher]
	constants := pseudoRandomConstants[len(run.nonce)]
	c0, err0 := hex.DecodeString(constants[0])
	c1, err1 := hex.DecodeString(constants[1])
	if len(t) != size || err0 != nil || err1 != nil {
		return nil, false
	}
	encrypt := func(key, plain []byte) []byte {
		suite, err := access.NewSuite(run.cipher, key[:size], key[:size])
		if err != nil {
			return nil
		}
		return suite.Encrypt(make([]byte, run.cipher.BlockSize()), plain)
	}
	bits := run.agreement.prime().BitLen() + 64
	x := new(big.Int)
	key := encrypt(t, run.nonce)
	for have := 0; have < bits && key != nil; have += 8 * len(c1) {
		x.Lsh(x, uint(8*len(c1)))
		x.Or(x, new(big.Int).SetBytes(encrypt(key, c1)))
		key = encrypt(key, c0)
	}
	return x.Mod(x, run.agreement.prime()), key != nil
}
