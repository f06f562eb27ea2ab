package cvc

import (
	"errors"
	"fmt"
	"strings"

	"limen/mrtd/ber"
)

// InspectionSystems is the terminal type whose certificates open data groups of
// the eMRTD application (id-IS; BSI TR-03110-4, 2.2.2).
const InspectionSystems = "0.4.0.127.0.7.3.1.2.1"

// Authorization is a certificate holder authorization template: who the holder
// is, and what the issuer lets it read (BSI TR-03110-3, C.1.5).
type Authorization struct {
	Type   string // object identifier of the terminal type
	Role   Role
	Rights Rights // none for a terminal type that is not InspectionSystems
}

// Role is the two top bits of the authorization.
type Role byte

// The roles of a certificate's holder.
const (
	Terminal   Role = 0x00 // an inspection system
	DVForeign  Role = 0x40
	DVDomestic Role = 0x80
	CVCA       Role = 0xC0
)

// String names the role.
func (r Role) String() string {
	switch r {
	case Terminal:
		return "terminal"
	case DVForeign:
		return "foreign document verifier"
	case DVDomestic:
		return "domestic document verifier"
	case CVCA:
		return "CVCA"
	}
	return "no role"
}

// DocumentVerifier tells whether the role is a document verifier's.
func (r Role) DocumentVerifier() bool { return r == DVForeign || r == DVDomestic }

// mayCertify is the order of the hierarchy: a CVCA its next key and document
// verifiers, these terminals, terminals nobody.
func (r Role) mayCertify(holder Role) bool {
	return r == CVCA && (holder == CVCA || holder.DocumentVerifier()) || r.DocumentVerifier() && holder == Terminal
}

// Rights is what an inspection system may read. What a chip grants is what all
// certificates from its CVCA's down to the terminal's grant (2.7).
type Rights byte

// The rights of inspection systems.
const (
	ReadDG3 Rights = 0x01 // fingerprints
	ReadDG4 Rights = 0x02 // irises

	everyRight = ReadDG3 | ReadDG4
)

// Has tells whether all of the rights asked for are among r.
func (r Rights) Has(asked Rights) bool { return r&asked == asked }

// String lists the rights: "DG3, DG4", or "none".
func (r Rights) String() string {
	var out []string
	if r.Has(ReadDG3) {
		out = append(out, "DG3")
	}
	if r.Has(ReadDG4) {
		out = append(out, "DG4")
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}

const tagDiscretionary ber.Tag = 0x53

func parseAuthorization(t ber.TLV) (Authorization, error) {
	parts, err := t.Children()
	if err != nil {
		return Authorization{}, err
	}
	if len(parts) != 2 || parts[1].Tag != tagDiscretionary || len(parts[1].Value) == 0 {
		return Authorization{}, errors.New("not a terminal type and a relative authorization")
	}
	var a Authorization
	if a.Type, err = parts[0].OID(); err != nil {
		return Authorization{}, err
	}
	bits := parts[1].Value
	a.Role = Role(bits[0] & 0xC0)
	if a.Type == InspectionSystems {
		if len(bits) != 1 {
			return Authorization{}, fmt.Errorf("authorization of %d bytes where an inspection system's has one", len(bits))
		}
		a.Rights = Rights(bits[0]) & everyRight // the bits between have no meaning here and are ignored (Doc 9303-11, 7.1.4.3.6)
	}
	return a, nil
}

func (a Authorization) encode() []byte {
	return ber.Encode(tagAuthorization, ber.EncodeOID(a.Type), ber.Encode(tagDiscretionary, []byte{byte(a.Role) | byte(a.Rights)}))
}
