package chipsim

import (
	"bytes"
	"time"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/lds"
)

// maxChain bounds the data of a command that comes in a chain.
const maxChain = 4096

// trustStore is what the chip keeps when it loses power: the keys it lets
// certificates start from, the most recent first, and the latest day it has
// reason to believe in (BSI TR-03110-3, 2.5).
type trustStore struct {
	points []imported
	today  time.Time
}

// imported is a public key the chip has taken over from a certificate.
type imported struct {
	*cvc.Certificate
	key    cvc.PublicKey
	rights cvc.Rights // effective
}

// terminalRun is terminal authentication under way or done; it ends with the session.
type terminalRun struct {
	issuer   *imported // whose key MSE:Set DST has named
	imported *imported // the last key that came in a certificate
	selected bool      // MSE:Set AT has named that key
	chain    apdu.Command
	done     bool
	rights   cvc.Rights
	boundTo  []byte // the terminal's ephemeral key that the signature covered
}

// personalize takes over the trust points; what is no CVCA's certificate with
// its domain parameters is none. The chip's day is that of its newest key.
func personalize(certificates [][]byte) trustStore {
	var t trustStore
	for _, b := range certificates {
		c, err := cvc.Parse(b)
		if err == nil && c.Authorization.Role == cvc.CVCA && (c.Key.Curve != nil || c.Key.Modulus != nil) {
			t.add(imported{c, c.Key, c.Authorization.Rights})
		}
	}
	return t
}

// add keeps at most the two most recent trust points and moves the day on.
func (t *trustStore) add(i imported) {
	at := 0
	for at < len(t.points) && t.points[at].Effective.After(i.Effective) {
		at++
	}
	points := append(append(append([]imported(nil), t.points[:at]...), i), t.points[at:]...)
	t.points = points[:min(len(points), 2)]
	t.advance(i.Effective)
}

func (t *trustStore) advance(day time.Time) {
	if day.After(t.today) {
		t.today = day
	}
}

func (t *trustStore) find(reference string) *imported {
	for i := range t.points {
		if t.points[i].Holder == reference {
			return &t.points[i]
		}
	}
	return nil
}

// content is a file as the chip holds it. EF.CVCA follows the trust points,
// unless the passport was personalized with another.
func (c *Card) content(f lds.File) ([]byte, bool) {
	b, ok := c.p.Files[f.Path()]
	if ok || f != lds.EFCVCA || len(c.trusted.points) == 0 {
		return b, ok
	}
	references := lds.CVCA{Current: c.trusted.points[0].Holder}
	if len(c.trusted.points) > 1 {
		references.Previous = c.trusted.points[1].Holder
	}
	b, err := lds.EncodeCVCA(references)
	return b, err == nil
}

// maySense tells whether a file is open to the terminal: fingerprints and
// irises of a chip with trust points only to one that has proven its right to
// them, under the keys it has proven it with (Doc 9303-11, 7.1.3).
func (c *Card) maySense(f lds.File) bool {
	asked := map[int]cvc.Rights{3: cvc.ReadDG3, 4: cvc.ReadDG4}[f.Group]
	if asked == 0 || f.MasterFile || len(c.p.CVCA) == 0 {
		return true
	}
	return c.terminal.done && c.terminal.rights.Has(asked) && bytes.Equal(c.terminal.boundTo, c.terminalKey)
}

// terminalCommand answers the commands of terminal authentication; false for
// every other one. The chip runs it in the application, under the keys of chip
// authentication, once in a session.
func (c *Card) terminalCommand(cmd apdu.Command, challenge []byte) (apdu.Response, bool) {
	run := &c.terminal
	begun := run.chain
	run.chain = apdu.Command{}
	at := uint16(cmd.P1)<<8 | uint16(cmd.P2)
	switch {
	case len(c.p.CVCA) == 0:
		return apdu.Response{}, false
	case cmd.INS == 0x22 && (at == 0x81B6 || at == 0x81A4), cmd.INS == 0x2A:
	case (cmd.INS == 0x84 || cmd.INS == 0x82) && c.sm != nil:
	default:
		return apdu.Response{}, false
	}
	if c.sm == nil || c.terminalKey == nil || !c.inApplication || run.done {
		return status(apdu.SecurityStatus), true
	}
	if cmd.CLA&0x10 != 0 || begun.INS != 0 {
		var r apdu.Response
		var whole bool
		if cmd, r, whole = run.unchain(begun, cmd); !whole {
			return r, true
		}
	}
	c.challenge = nil // good for one try, and for the next command
	switch {
	case cmd.INS == 0x84:
		return c.sendChallenge(cmd), true
	case cmd.Le != 0:
		return status(apdu.WrongLength), true
	case cmd.INS == 0x2A && at != 0x00BE, cmd.INS == 0x82 && at != 0:
		return status(apdu.WrongP1P2), true
	case cmd.INS == 0x2A:
		return status(c.verifyCertificate(cmd.Data)), true
	case cmd.INS == 0x82:
		return status(c.verifyTerminal(cmd.Data, challenge)), true
	}
	object, err := ber.Parse(cmd.Data, 0x83)
	if err != nil {
		return status(apdu.WrongData), true
	}
	if at == 0x81B6 {
		return status(c.setIssuer(string(object.Value))), true
	}
	return status(c.setTerminal(string(object.Value))), true
}

// unchain joins the parts of a chain (ISO/IEC 7816-4, 5.1.1). Certificates and
// signatures may come in one.
func (run *terminalRun) unchain(begun, part apdu.Command) (apdu.Command, apdu.Response, bool) {
	same := begun.INS == part.INS && begun.P1 == part.P1 && begun.P2 == part.P2
	switch {
	case begun.INS != 0 && !same:
		return part, status(apdu.LastCommandExpected), false
	case part.INS != 0x2A && part.INS != 0x82:
		return part, status(apdu.ChainingUnsupported), false
	case len(begun.Data)+len(part.Data) > maxChain:
		return part, status(apdu.WrongLength), false
	}
	more := part.CLA&0x10 != 0
	part.Data = append(append([]byte(nil), begun.Data...), part.Data...)
	if more {
		run.chain = part
		return part, status(apdu.Success), false
	}
	return part, apdu.Response{}, true
}

// setIssuer is MSE:Set DST: a trust point, or the key imported last.
func (c *Card) setIssuer(reference string) apdu.StatusWord {
	run := &c.terminal
	run.selected = false
	if run.issuer = c.trusted.find(reference); run.issuer == nil && run.imported != nil && run.imported.Holder == reference {
		run.issuer = run.imported
	}
	if run.issuer == nil {
		return apdu.ReferenceNotFound
	}
	return apdu.Success
}

// verifyCertificate is PSO:Verify Certificate and the import that follows
// (BSI TR-03110-3, 2.5.1 and A.7.2). A key named once serves once.
func (c *Card) verifyCertificate(data []byte) apdu.StatusWord {
	issuer := c.terminal.issuer
	c.terminal.issuer, c.terminal.selected = nil, false
	if issuer == nil {
		return apdu.ConditionsOfUse
	}
	certificate, err := cvc.Parse(ber.Encode(0x7F21, data))
	if err != nil || certificate.Authorization.Type != cvc.InspectionSystems || certificate.Authority != issuer.Holder {
		return apdu.WrongData
	}
	role, by := certificate.Authorization.Role, issuer.Authorization.Role
	if role != cvc.CVCA && certificate.Key.Explicit {
		return apdu.WrongData // domain parameters are the CVCA's to state (D.3.3)
	}
	if certificate.VerifySignatureBy(issuer.key) != nil {
		c.seen.Refused++
		return apdu.AuthenticationFailed
	}
	key, err := certificate.Key.Inherit(issuer.key)
	if err != nil {
		return apdu.WrongData
	}
	link, verifier := by == cvc.CVCA && role == cvc.CVCA, by == cvc.CVCA && role.DocumentVerifier()
	terminal := by.DocumentVerifier() && role == cvc.Terminal
	switch {
	case !link && !verifier && !terminal,
		c.trusted.find(certificate.Holder) != nil,               // a key known for good is not replaced
		!link && certificate.Expired(c.trusted.today),           // links are taken though they have expired
		verifier && issuer.Certificate.Expired(c.trusted.today): // an expired key certifies links alone
		return apdu.ConditionsOfUse
	}
	c.seen.Certificates++
	if link {
		c.trusted.add(imported{certificate, key, certificate.Authorization.Rights})
		return apdu.Success
	}
	if verifier || by == cvc.DVDomestic { // whose word on the date counts
		c.trusted.advance(certificate.Effective)
	}
	c.terminal.imported = &imported{certificate, key, certificate.Authorization.Rights & issuer.rights}
	return apdu.Success
}

// setTerminal is MSE:Set AT: the key imported last, if it is a terminal's.
func (c *Card) setTerminal(reference string) apdu.StatusWord {
	run := &c.terminal
	run.selected = run.imported != nil && run.imported.Holder == reference && run.imported.Authorization.Role == cvc.Terminal
	if !run.selected {
		return apdu.ReferenceNotFound
	}
	return apdu.Success
}

// verifyTerminal is EXTERNAL AUTHENTICATE: the signature over the chip's
// identifier, its challenge and the terminal's ephemeral key (Doc 9303-11, 7.1.2).
func (c *Card) verifyTerminal(signature, challenge []byte) apdu.StatusWord {
	run := &c.terminal
	if !run.selected || challenge == nil {
		return apdu.ConditionsOfUse
	}
	id := c.chipID
	if id == nil { // BAC
		information := mrzInformation(c.p.MRZ)
		id = []byte(information[:max(0, len(information)-14)])
	}
	message := append(append(append([]byte(nil), id...), challenge...), c.terminalKey...)
	if run.imported.key.Verify(message, signature) != nil {
		c.seen.Refused++
		return apdu.AuthenticationFailed
	}
	run.done, run.rights, run.boundTo = true, run.imported.rights, bytes.Clone(c.terminalKey)
	c.seen.TerminalAuth++
	return apdu.Success
}
