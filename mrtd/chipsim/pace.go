package chipsim

import (
	"bytes"
	"crypto/subtle"
	"io"
	"math/big"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// paceRun is a run of PACE between MSE:SET AT and the tokens (Doc 9303-11, 4.4).
// Keys are in the form they are sent.
type paceRun struct {
	oid        string
	mapping    mapping
	cipher     access.Cipher
	agreement  agreement
	static     *ChipKey // which chip authentication mapping proves
	password   access.Password
	step       int // GENERAL AUTHENTICATE commands answered
	nonce      []byte
	mapPrivate *big.Int
	generator  []byte
	own        []byte
	theirs     []byte
	suite      *access.Suite
}

// setTemplate is MSE:SET AT for PACE (4.4.4.1). Objects it does not know are
// ignored, as note 2 asks.
func (c *Card) setTemplate(cmd apdu.Command) apdu.Response {
	if cmd.P1 != 0xC1 || cmd.P2 != 0xA4 || len(c.p.PACE) == 0 {
		return status(apdu.WrongP1P2)
	}
	objects, err := ber.List(cmd.Data)
	if err != nil {
		return status(apdu.WrongData)
	}
	var oid string
	reference, parameterID := byte(0), -1
	for _, o := range objects {
		switch {
		case o.Tag == 0x80:
			t, err := ber.Parse(ber.Encode(ber.OID, o.Value), ber.OID)
			if err == nil {
				oid, err = t.OID()
			}
			if err != nil {
				return status(apdu.WrongData)
			}
		case o.Tag == 0x83 && len(o.Value) == 1:
			reference = o.Value[0]
		case o.Tag == 0x84 && len(o.Value) > 0 && len(o.Value) <= 3:
			parameterID = int(new(big.Int).SetBytes(o.Value).Int64())
		case o.Tag == 0x83 || o.Tag == 0x84:
			return status(apdu.WrongData)
		}
	}
	run := &paceRun{oid: oid}
	switch {
	case reference == 1:
		run.password = access.MRZPassword(mrzInformation(c.p.MRZ))
	case reference == 2 && c.p.CAN != "":
		run.password = access.CANPassword(c.p.CAN)
	default:
		return status(apdu.ReferenceNotFound)
	}
	v, sw := c.variant(oid, parameterID)
	if sw != apdu.Success {
		return status(sw)
	}
	if sw := c.opt.Faults.PACERefused; sw != 0 && v == c.p.PACE[0] {
		return status(sw)
	}
	if !run.setUp(v, c.p.CAM) {
		return status(apdu.WrongData)
	}
	c.pace = run
	if n := c.opt.Faults.PACETries; n > 0 {
		return status(0x63C0 | apdu.StatusWord(min(n, 15)))
	}
	return status(apdu.Success)
}

// variant picks the chip's variant of a protocol; asked for no domain
// parameters where it bears several, the chip cannot know which.
func (c *Card) variant(oid string, asked int) (PACE, apdu.StatusWord) {
	var of []PACE
	for _, v := range c.p.PACE {
		if v.OID == oid {
			of = append(of, v)
		}
	}
	switch {
	case len(of) == 0:
		return PACE{}, apdu.WrongData
	case asked < 0 && c.opt.Faults.PACENamed:
		return PACE{}, wrongLc
	case asked < 0 && len(of) == 1:
		return of[0], apdu.Success
	}
	for _, v := range of {
		if v.ParameterID == asked {
			return v, apdu.Success
		}
	}
	return PACE{}, apdu.ReferenceNotFound
}

// setUp takes what a variant says; false where the chip was personalized with
// one that cannot run.
func (run *paceRun) setUp(v PACE, static []ChipKey) bool {
	var overCurve, ok bool
	if run.mapping, run.cipher, overCurve, ok = scheme(v.OID); !ok {
		return false
	}
	if !overCurve {
		g := v.Group
		if g == nil {
			g = dh.ByParameterID(v.ParameterID)
		}
		run.agreement = group{g}
		return g != nil && g.Q != nil
	}
	c := v.Curve
	if c == nil {
		c = ec.ByParameterID(v.ParameterID)
	}
	if c == nil || run.mapping == integrated && !c.EncodesField() {
		return false
	}
	run.agreement = curve{c}
	for i, k := range static {
		if k.Curve.Equal(c) {
			run.static = &static[i]
		}
	}
	return run.mapping != chipAuthentication || run.static != nil
}

// generalAuthenticate is one of PACE's four steps, in order; any fault ends the
// run. Some chips then still wait for the last command of its chain.
func (c *Card) generalAuthenticate(cmd apdu.Command) apdu.Response {
	r := c.paceStep(cmd)
	c.chainOpen = c.opt.Faults.ChainStaysOpen && cmd.CLA&0x10 != 0 && r.SW != apdu.Success
	return r
}

func (c *Card) paceStep(cmd apdu.Command) apdu.Response {
	run := c.pace
	c.pace = nil
	if run == nil || c.sm != nil {
		return status(apdu.ConditionsOfUse)
	}
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return status(apdu.WrongP1P2)
	}
	if chained := cmd.CLA&0x10 != 0; chained != (run.step < 3) {
		if chained {
			return status(apdu.LastCommandExpected)
		}
		return status(apdu.ChainingUnsupported)
	}
	if cmd.Le == 0 {
		return status(apdu.WrongLength)
	}
	if sw := c.opt.Faults.PACEBreaks; sw != 0 && run.step == 1 {
		return status(sw)
	}
	wrapper, err := ber.Parse(cmd.Data, 0x7C)
	if err != nil {
		return status(apdu.WrongData)
	}
	objects, err := wrapper.Children()
	if err != nil {
		return status(apdu.WrongData)
	}
	steps := [4]func([]ber.TLV, *Card) ([]byte, apdu.StatusWord){
		run.sendNonce, run.mapNonce, run.agree, run.authenticate,
	}
	do, sw := steps[run.step](objects, c)
	if sw != apdu.Success {
		return status(sw)
	}
	answer := ber.Encode(0x7C, do)
	if len(answer) > cmd.Le {
		return status(apdu.WrongLength)
	}
	if run.step++; run.step < len(steps) {
		c.pace = run
	} else {
		c.sm, c.opened = newSecure(run.suite, 0), true
		c.chipID = run.agreement.compressed(run.own)
		if run.mapping == chipAuthentication { // which stands in for chip authentication (Doc 9303-11, 7.1.2)
			c.terminalKey = run.agreement.compressed(run.theirs)
		}
		c.seen.PACE++
	}
	return apdu.Response{Data: answer, SW: apdu.Success}
}

func (run *paceRun) sendNonce(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 0 {
		return nil, apdu.WrongData
	}
	s := make([]byte, run.nonceLen())
	if _, err := io.ReadFull(c.opt.Random, s); err != nil {
		return nil, apdu.NoDiagnosis
	}
	suite, err := run.password.NonceSuite(run.cipher)
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	run.nonce = s
	return ber.Encode(0x80, suite.Encrypt(make([]byte, run.cipher.BlockSize()), s)), apdu.Success
}

func (run *paceRun) agree(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 1 || objects[0].Tag != 0x83 || !run.agreement.admits(objects[0].Value) {
		return nil, apdu.WrongData
	}
	run.theirs = objects[0].Value
	private, own, err := run.agreement.draw(c.opt.Random, run.generator)
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	run.own = own
	k, ok := run.agreement.power(run.theirs, private)
	if !ok || bytes.Equal(own, run.theirs) {
		return nil, apdu.WrongData
	}
	if run.suite, err = access.SessionSuite(run.cipher, run.agreement.secret(k)); err != nil {
		return nil, apdu.NoDiagnosis
	}
	return ber.Encode(0x84, own), apdu.Success
}

func (run *paceRun) authenticate(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 1 || objects[0].Tag != 0x85 {
		return nil, apdu.WrongData
	}
	if c.opt.Faults.PACEFails || subtle.ConstantTimeCompare(objects[0].Value, run.token(run.own)) != 1 {
		c.seen.Refused++
		return nil, apdu.AuthenticationFailed
	}
	out := ber.Encode(0x86, run.token(run.theirs))
	for i, reference := range c.p.CARs[:min(len(c.p.CARs), 2)] {
		out = append(out, ber.Encode(ber.Tag(0x87+i), []byte(reference))...)
	}
	if run.mapping == chipAuthentication {
		out = append(out, run.proofObject(c.opt.Faults.Proof)...)
	} else if c.opt.Faults.ProofUnasked {
		out = append(out, ber.Encode(0x8A, run.suite.Encrypt(make([]byte, run.suite.Cipher().BlockSize()), make([]byte, 48)))...)
	}
	return out, apdu.Success
}

// token is the MAC over the public key data object of a key (4.4.3.4).
func (run *paceRun) token(key []byte) []byte {
	return run.suite.Token(ber.Encode(0x7F49, ber.EncodeOID(run.oid), ber.Encode(run.agreement.tag(), key)))
}

// proofObject is the proof as it is sent, spoiled or not.
func (run *paceRun) proofObject(spoiled ProofFault) []byte {
	switch spoiled {
	case ProofMissing:
		return nil
	case ProofEmpty:
		return ber.Encode(0x8A)
	case ProofMalformed:
		return ber.Encode(0x8A, run.proof()[1:])
	case ProofWrong:
		run.mapPrivate = new(big.Int).Add(run.mapPrivate, big.NewInt(1))
	case ProofMisplaced:
		return ber.Encode(0x8B, run.proof())
	}
	return ber.Encode(0x8A, run.proof())
}

// proof is the encrypted chip authentication data: the mapping's private key
// divided by the static one (4.4.3.5.1).
func (run *paceRun) proof() []byte {
	n := run.static.Curve.N
	ca := new(big.Int).ModInverse(run.static.Private, n)
	ca.Mul(ca, run.mapPrivate).Mod(ca, n)
	plain := access.Pad(ca.FillBytes(make([]byte, (n.BitLen()+7)/8)), 16)
	return run.suite.Encrypt(run.suite.IV(bytes.Repeat([]byte{0xFF}, 16)), plain)
}
