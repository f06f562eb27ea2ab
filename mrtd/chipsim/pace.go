package chipsim

import (
	"crypto/subtle"
	"io"
	"math/big"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
)

// paceRun is a run of PACE with generic mapping between MSE:SET AT and the
// tokens (Doc 9303-11, 4.4).
type paceRun struct {
	oid       string
	cipher    access.Cipher
	curve     *ec.Curve
	password  access.Password
	step      int // GENERAL AUTHENTICATE commands answered
	nonce     *big.Int
	generator ec.Point
	own       ec.Point
	theirs    ec.Point
	suite     *access.Suite
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
		case o.Tag == 0x84 && len(o.Value) == 1:
			parameterID = int(o.Value[0])
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
	id, sw := c.parameters(oid, parameterID)
	if sw != apdu.Success {
		return status(sw)
	}
	run.cipher, _ = access.PACECipher(oid)
	run.curve = ec.ByParameterID(id)
	if run.cipher == 0 || run.curve == nil {
		return status(apdu.WrongData)
	}
	c.pace = run
	return status(apdu.Success)
}

// parameters picks the domain parameters for a protocol; asked for none where
// it bears several, the chip cannot know which.
func (c *Card) parameters(oid string, asked int) (int, apdu.StatusWord) {
	var ids []int
	for _, v := range c.p.PACE {
		if v.OID == oid {
			ids = append(ids, v.ParameterID)
		}
	}
	switch {
	case len(ids) == 0:
		return 0, apdu.WrongData
	case asked < 0 && len(ids) == 1:
		return ids[0], apdu.Success
	}
	for _, id := range ids {
		if id == asked {
			return id, apdu.Success
		}
	}
	return 0, apdu.ReferenceNotFound
}

// generalAuthenticate is one of PACE's four steps, in order; any fault ends the run.
func (c *Card) generalAuthenticate(cmd apdu.Command) apdu.Response {
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
	if run.step++; run.step < len(steps) {
		c.pace = run
	}
	return apdu.Response{Data: ber.Encode(0x7C, do), SW: apdu.Success}
}

func (run *paceRun) sendNonce(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 0 {
		return nil, apdu.WrongData
	}
	s := make([]byte, 16)
	if _, err := io.ReadFull(c.opt.Random, s); err != nil {
		return nil, apdu.NoDiagnosis
	}
	suite, err := run.password.NonceSuite(run.cipher)
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	run.nonce = new(big.Int).SetBytes(s)
	return ber.Encode(0x80, suite.Encrypt(make([]byte, run.cipher.BlockSize()), s)), apdu.Success
}

// point reads the one object a step carries as an uncompressed point of the curve.
func (run *paceRun) point(objects []ber.TLV, tag ber.Tag) (ec.Point, bool) {
	if len(objects) != 1 || objects[0].Tag != tag || len(objects[0].Value) == 0 || objects[0].Value[0] != 4 {
		return ec.Point{}, false
	}
	p, err := run.curve.Unmarshal(objects[0].Value)
	return p, err == nil
}

func (run *paceRun) mapNonce(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	theirs, ok := run.point(objects, 0x81)
	if !ok {
		return nil, apdu.WrongData
	}
	private, own, err := run.curve.GenerateKey(c.opt.Random, ec.Point{})
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	h := run.curve.ScalarMult(theirs, private)
	run.generator = run.curve.Add(run.curve.ScalarMult(run.curve.G, new(big.Int).Mod(run.nonce, run.curve.N)), h)
	if h.Infinity() || run.generator.Infinity() {
		return nil, apdu.WrongData
	}
	return ber.Encode(0x82, run.curve.Marshal(own)), apdu.Success
}

func (run *paceRun) agree(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	var ok bool
	if run.theirs, ok = run.point(objects, 0x83); !ok {
		return nil, apdu.WrongData
	}
	private, own, err := run.curve.GenerateKey(c.opt.Random, run.generator)
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	run.own = own
	k := run.curve.ScalarMult(run.theirs, private)
	if k.Infinity() || own.Equal(run.theirs) {
		return nil, apdu.WrongData
	}
	run.suite, err = access.SessionSuite(run.cipher, k.X.FillBytes(make([]byte, run.curve.ByteLen())))
	if err != nil {
		return nil, apdu.NoDiagnosis
	}
	return ber.Encode(0x84, run.curve.Marshal(own)), apdu.Success
}

func (run *paceRun) authenticate(objects []ber.TLV, c *Card) ([]byte, apdu.StatusWord) {
	if len(objects) != 1 || objects[0].Tag != 0x85 {
		return nil, apdu.WrongData
	}
	want := access.PACEToken(run.suite, run.oid, run.curve, run.own)
	if c.opt.Faults.PACEFails || subtle.ConstantTimeCompare(objects[0].Value, want) != 1 {
		c.seen.Refused++
		return nil, apdu.AuthenticationFailed
	}
	c.sm, c.opened = newSecure(run.suite, 0), true
	c.chipID = run.own.X.FillBytes(make([]byte, run.curve.ByteLen()))
	c.seen.PACE++
	return ber.Encode(0x86, access.PACEToken(run.suite, run.oid, run.curve, run.theirs)), apdu.Success
}
