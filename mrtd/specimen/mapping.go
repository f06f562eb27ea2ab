package specimen

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// addMapping makes a static key for each curve that PACE with chip
// authentication mapping runs on, which the mapping proves (Doc 9303-11,
// 4.4.3.5). A key of chip authentication over the curve serves both.
func (p *proofs) addMapping(a *Authority, variants []chipsim.PACE) error {
	for _, v := range variants {
		curve, _ := parametersOf(v)
		if !strings.HasPrefix(ProtocolName(v.OID), "ECDH-CAM-") ||
			slices.ContainsFunc(p.mapping, func(k chipsim.ChipKey) bool { return k.Curve.Equal(curve) }) {
			continue
		}
		if i := slices.IndexFunc(p.chip, func(c chipsim.ChipAuth) bool { return c.Key.Curve.Equal(curve) }); i >= 0 {
			p.mapping = append(p.mapping, p.chip[i].Key)
			continue
		}
		if len(p.chip) > 0 && p.chip[0].Key.KeyID < 0 {
			return errors.New("the key of chip authentication needs an identifier beside that of the mapping")
		}
		private, _, err := curve.GenerateKey(a.random, ec.Point{})
		if err != nil {
			return fmt.Errorf("source of randomness: %w", err)
		}
		k := chipsim.ChipKey{KeyID: p.freeID(v.ParameterID), Curve: curve, Private: private}
		p.mapping = append(p.mapping, k)
		p.infos = append(p.infos, mappingKeyInfo(k))
	}
	return nil
}

// freeID is the number of the domain parameters, by which chips name the
// mapping's key, or the next that no other key has.
func (p *proofs) freeID(id int) int {
	for slices.ContainsFunc(p.chip, func(c chipsim.ChipAuth) bool { return c.Key.KeyID == id }) ||
		slices.ContainsFunc(p.mapping, func(k chipsim.ChipKey) bool { return k.KeyID == id }) {
		id++
	}
	return id
}

// mappingKeyInfo is the ChipAuthenticationPublicKeyInfo of a key (9.2.6), its
// curve by number where it has one.
func mappingKeyInfo(k chipsim.ChipKey) []byte {
	algorithm := explicitAlgorithm(k.Curve, nil)
	if id := k.Curve.ParameterID(); id >= 0 {
		algorithm = ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.2"), ber.EncodeInt(big.NewInt(int64(id))))
	}
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidChipKey+".2"),
		ber.Encode(ber.Sequence, algorithm, ber.EncodeBits(k.Public())), keyID(k.KeyID))
}

// cardSecurity makes EF.CardSecurity: the infos of EF.CardAccess and the keys
// of the mapping, signed by the document signer (9.2.11).
func (a *Authority) cardSecurity(s Spec, keys proofs) ([]byte, error) {
	infos := paceInfos(s.PACE)
	for _, k := range keys.mapping {
		infos = append(infos, mappingKeyInfo(k))
	}
	return message{contentType: lds.SecurityInfosType, content: encodeInfos(infos...), key: a.ds, signer: a.dsDER, at: s.SignedAt}.sign()
}

// yamlMapping is the static key of a mapping as passport.yaml keeps it.
type yamlMapping struct {
	KeyID   *int   `yaml:"key_id,omitempty"`
	Curve   string `yaml:"curve"`
	Private string `yaml:"private"`
}

// saveMapping writes the private keys, which are a specimen's.
func saveMapping(keys []chipsim.ChipKey) ([]yamlMapping, error) {
	var out []yamlMapping
	for _, k := range keys {
		if k.Curve == nil || k.Curve.Name == "" {
			return nil, errors.New("the curve of a key of chip authentication mapping has no name")
		}
		y := yamlMapping{Curve: k.Curve.Name, Private: k.Private.Text(16)}
		if id := k.KeyID; id >= 0 {
			y.KeyID = &id
		}
		out = append(out, y)
	}
	return out, nil
}

// mapping reads the private keys of passport.yaml.
func (d document) mapping(list []yamlMapping) ([]chipsim.ChipKey, error) {
	var out []chipsim.ChipKey
	for i, y := range list {
		path := fmt.Sprintf("$.cam[%d]", i)
		if _, err := parameterID(y.Curve); err != nil {
			return nil, d.errorAt(path+".curve", "%w", err)
		}
		k := chipsim.ChipKey{KeyID: -1, Curve: ec.ByName(y.Curve)}
		if y.KeyID != nil {
			k.KeyID = *y.KeyID
		}
		var err error
		if k.Private, err = number(y.Private, k.Curve.N); err != nil {
			return nil, d.errorAt(path+".private", "%w", err)
		}
		out = append(out, k)
	}
	return out, nil
}
