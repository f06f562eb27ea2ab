package access

import (
	"slices"
	"strings"

	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

const oidPACE = "0.4.0.127.0.7.2.2.4."

// Mapping is how PACE turns the nonce into a generator (4.4.3.3).
type Mapping int

// The mappings of PACE.
const (
	GM  Mapping = iota + 1 // generic: by a key agreement
	IM                     // integrated: by an encoding of numbers
	CAM                    // chip authentication: generic, and the chip proves its static key along with it
)

// String returns the mapping's abbreviation.
func (m Mapping) String() string {
	switch m {
	case GM:
		return "GM"
	case IM:
		return "IM"
	case CAM:
		return "CAM"
	}
	return "no mapping"
}

// Variant is one way to run PACE that chip and reader share. It is over Curve
// or in Group; the other is nil.
type Variant struct {
	OID         string
	Mapping     Mapping
	Cipher      Cipher
	ParameterID int // -1 where the chip names none
	Curve       *ec.Curve
	Group       *dh.Group
	Ambiguous   bool // the chip has several domain parameters: name the set in DO'84'
}

// Name is key agreement and mapping: "ECDH-GM", "ECDH-CAM", "DH-IM".
func (v Variant) Name() string {
	if v.Group != nil {
		return "DH-" + v.Mapping.String()
	}
	return "ECDH-" + v.Mapping.String()
}

// protocols is the arc behind id-PACE (9.2.3): key agreement and mapping. The
// cipher is the arc behind that, numbered as Cipher is.
var protocols = map[string]struct {
	mapping Mapping
	curve   bool
}{
	"1": {GM, false}, "2": {GM, true}, "3": {IM, false}, "4": {IM, true}, "6": {CAM, true},
}

// Variants lists the variants of EF.CardAccess that run here, best first:
//
//  1. by the strength of what follows: longer AES keys before shorter, those before 3DES;
//  2. chip authentication mapping before the others, which leave the chip to be proven by a further protocol;
//  3. as the chip lists them.
//
// Left out are curves with a cofactor, which none of table 12 has; groups whose
// order is not known, since keys cannot be validated in them; and, for the
// integrated mapping, curves without an encoding of field elements (P-224).
func Variants(infos lds.SecurityInfos) []Variant {
	var out []Variant
	sets := map[int]bool{}
	for _, info := range infos.PACE {
		sets[info.ParameterID] = true
		if v, ok := variantOf(info, infos.Domains); ok && info.Version == 2 {
			out = append(out, v)
		}
	}
	for i := range out {
		out[i].Ambiguous = len(sets) > 1
	}
	slices.SortStableFunc(out, func(a, b Variant) int { return b.rank() - a.rank() })
	return out
}

// rank orders variants by cipher, then by whether the chip is proven.
func (v Variant) rank() int {
	if v.Mapping == CAM {
		return 2*int(v.Cipher) + 1
	}
	return 2 * int(v.Cipher)
}

func variantOf(info lds.PACEInfo, domains []lds.PACEDomainParameterInfo) (Variant, bool) {
	v := Variant{OID: info.OID, ParameterID: info.ParameterID}
	tail, _ := strings.CutPrefix(info.OID, oidPACE)
	arc, cipher, _ := strings.Cut(tail, ".")
	protocol, known := protocols[arc]
	if !known || len(cipher) != 1 || cipher[0] < '1' || cipher[0] > '4' {
		return v, false
	}
	v.Mapping, v.Cipher = protocol.mapping, Cipher(cipher[0]-'0')
	if v.Mapping == CAM && v.Cipher == TripleDES {
		return v, false // not defined (table 3)
	}
	if protocol.curve {
		v.Curve = ec.ByParameterID(info.ParameterID)
	} else {
		v.Group = dh.ByParameterID(info.ParameterID)
	}
	for _, d := range domains {
		if v.Curve != nil || v.Group != nil {
			break
		}
		if d.ParameterID == info.ParameterID && strings.HasPrefix(info.OID, d.OID+".") {
			if protocol.curve {
				v.Curve = d.Curve
			} else {
				v.Group = d.Group
			}
		}
	}
	return v, v.runs()
}

// runs tells whether the parameters bear the mapping.
func (v Variant) runs() bool {
	switch {
	case v.Group != nil:
		return v.Group.Q != nil
	case v.Curve == nil || v.Curve.H != 1:
		return false
	}
	return v.Mapping != IM || v.Curve.EncodesField()
}

// Longest is how long the variant's longest command and response are, in bytes:
// keys of 2048 bits need extended length, which not every reader carries.
func (v Variant) Longest() (command, response int) {
	const overhead = 18 // header, extended lengths, DO'7C' and the key's object
	if v.Group != nil {
		return v.Group.ByteLen() + overhead, v.Group.ByteLen() + overhead
	}
	return 1 + 2*v.Curve.ByteLen() + overhead, 1 + 2*v.Curve.ByteLen() + overhead
}
