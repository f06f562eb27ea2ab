package specimen

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// firstExplicit is the first number that parameters spelled out may have; those
// below are standardized or reserved (Doc 9303-11, 9.5.1).
const firstExplicit = 32

// yamlPACE is a variant of PACE: a protocol over a named curve or in a group,
// whose parameters are spelled out where a number is given for that.
type yamlPACE struct {
	Protocol   string `yaml:"protocol"`
	Curve      string `yaml:"curve,omitempty"`
	Group      string `yaml:"group,omitempty"`
	Parameters int    `yaml:"parameters,omitempty"`
}

// variant reads it; where tells which key an error is about.
func (y yamlPACE) variant() (v chipsim.PACE, where string, err error) {
	v.OID = ProtocolOID(y.Protocol)
	if v.OID == "" && ProtocolName(y.Protocol) != "" {
		v.OID = y.Protocol
	}
	if v.OID == "" {
		return v, ".protocol", errors.New("protocol is not a PACE protocol such as ECDH-GM-AES-CBC-CMAC-128")
	}
	var curve *ec.Curve
	var group *dh.Group
	if overCurve(v.OID) {
		where = ".curve"
		if v.ParameterID, err = parameterID(y.Curve); err != nil {
			return v, where, err
		}
		curve = ec.ByName(y.Curve)
	} else {
		where = ".group"
		if group = groupNamed(y.Group); group == nil {
			return v, where, fmt.Errorf("group %q is not known; 0, 1 and 2 are", y.Group)
		}
		v.ParameterID = group.ParameterID()
	}
	if (y.Curve == "") == (y.Group == "") {
		return v, where, errors.New("the protocol takes a curve or a group, not both")
	}
	if y.Parameters != 0 {
		v.ParameterID, v.Curve, v.Group = y.Parameters, curve, group
	}
	if err := checkVariant(v); err != nil {
		if y.Parameters != 0 && y.Parameters < firstExplicit {
			where = ".parameters"
		}
		return v, where, err
	}
	return v, "", nil
}

// saved is the variant as yamlPACE has it.
func saved(v chipsim.PACE) (yamlPACE, error) {
	y := yamlPACE{Protocol: ProtocolName(v.OID)}
	curve, group := parametersOf(v)
	switch {
	case y.Protocol == "":
	case curve != nil && curve.Name != "":
		y.Curve = curve.Name
	case group != nil && group.Name != "":
		y.Group = strconv.Itoa(group.ParameterID())
	}
	if y.Curve+y.Group == "" {
		return y, fmt.Errorf("PACE %s with parameters %d has no name", v.OID, v.ParameterID)
	}
	if v.Curve != nil || v.Group != nil {
		y.Parameters = v.ParameterID
	}
	return y, nil
}

// groupNamed finds a group by its name or its standardized number.
func groupNamed(s string) *dh.Group {
	if id, err := strconv.Atoi(s); err == nil {
		return dh.ByParameterID(id)
	}
	return dh.ByName(s)
}

// overCurve tells whether a PACE protocol runs on a curve.
func overCurve(oid string) bool { return strings.HasPrefix(ProtocolName(oid), "ECDH-") }

// parametersOf are a variant's domain parameters, spelled out or standardized:
// a curve, a group, or neither where it has none that fit its protocol.
func parametersOf(v chipsim.PACE) (*ec.Curve, *dh.Group) {
	switch {
	case overCurve(v.OID) && v.Curve != nil:
		return v.Curve, nil
	case overCurve(v.OID):
		return ec.ByParameterID(v.ParameterID), nil
	case v.Group != nil:
		return nil, v.Group
	}
	return nil, dh.ByParameterID(v.ParameterID)
}

// checkVariant tells whether a chip can run a variant.
func checkVariant(v chipsim.PACE) error {
	name := ProtocolName(v.OID)
	if name == "" {
		return fmt.Errorf("PACE protocol %s is not one of Doc 9303-11, 9.2.3", v.OID)
	}
	curve, group := parametersOf(v)
	explicit := v.Curve != nil || v.Group != nil
	switch {
	case curve == nil && group == nil:
		return fmt.Errorf("parameters %d do not fit PACE protocol %s", v.ParameterID, name)
	case explicit && (v.ParameterID < firstExplicit || v.ParameterID > 0xFFFF):
		return fmt.Errorf("parameters spelled out have a number from %d, not %d", firstExplicit, v.ParameterID)
	case strings.HasPrefix(name, "ECDH-IM-") && !curve.EncodesField():
		return errors.New("the integrated mapping is not defined over this curve")
	case group != nil && group.Q == nil:
		return errors.New("the group has no order")
	}
	return nil
}

// paceInfos writes a PACEInfo for each variant (Doc 9303-11, 9.2.1), and a
// PACEDomainParameterInfo for parameters that are spelled out (9.2.2).
func paceInfos(variants []chipsim.PACE) [][]byte {
	var infos [][]byte
	had := map[string]bool{}
	for _, v := range variants {
		id := ber.EncodeInt(big.NewInt(int64(v.ParameterID)))
		infos = append(infos, ber.Encode(ber.Sequence, ber.EncodeOID(v.OID), ber.EncodeInt(big.NewInt(2)), id))
		if v.Curve == nil && v.Group == nil {
			continue
		}
		curve, group := parametersOf(v)
		family := v.OID[:strings.LastIndexByte(v.OID, '.')]
		info := ber.Encode(ber.Sequence, ber.EncodeOID(family), explicitAlgorithm(curve, group), id)
		if !had[string(info)] {
			infos = append(infos, info)
		}
		had[string(info)] = true
	}
	return infos
}

// explicitAlgorithm is the AlgorithmIdentifier of parameters spelled out (9.5.2).
func explicitAlgorithm(curve *ec.Curve, group *dh.Group) []byte {
	if curve != nil {
		return ber.Encode(ber.Sequence, ber.EncodeOID("1.2.840.10045.2.1"), explicit(curve))
	}
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidDHPublic),
		ber.Encode(ber.Sequence, ber.EncodeInt(group.P), ber.EncodeInt(group.G), ber.EncodeInt(group.Q)))
}

// announced are the variants of EF.CardAccess that a chip can run without more
// than the file says: not the mapping by chip authentication, which takes a
// private key.
func announced(infos lds.SecurityInfos) []chipsim.PACE {
	var out []chipsim.PACE
	for _, info := range infos.PACE {
		v := chipsim.PACE{OID: info.OID, ParameterID: info.ParameterID}
		for _, d := range infos.Domains {
			if v.ParameterID >= firstExplicit && d.ParameterID == v.ParameterID && strings.HasPrefix(v.OID, d.OID+".") {
				v.Curve, v.Group = d.Curve, d.Group
			}
		}
		if checkVariant(v) == nil && !strings.HasPrefix(ProtocolName(v.OID), "ECDH-CAM-") {
			out = append(out, v)
		}
	}
	return out
}
