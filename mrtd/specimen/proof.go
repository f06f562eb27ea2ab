package specimen

import (
	"bytes"
	"crypto"
	"fmt"
	"math/big"
	"slices"

	"limen/mrtd/access"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/trust"
)

// ActiveAuth asks for a key of active authentication, which makes DG15 (Doc
// 9303-11, 6.1): on Curve, or RSA of Bits where no curve is named.
type ActiveAuth struct {
	Curve    string // a name package ec knows
	Explicit bool   // spell the curve's parameters out
	Bits     int
	Hash     crypto.Hash // of the signatures the chip makes; for a curve DG14 names it
}

// ChipAuth asks for a key of chip authentication and one protocol it runs,
// which DG14 announces (Doc 9303-11, 6.2): on Curve, or in Group where no curve
// is named. Requests of one KeyID share its key.
type ChipAuth struct {
	Cipher access.Cipher
	Curve  string // a name package ec knows
	Group  string // a name package dh knows
	KeyID  int    // -1 for a key without identifier, which is then the only one
	// Unannounced leaves the ChipAuthenticationInfo out of DG14, as early French
	// passports do.
	Unannounced bool
}

const (
	oidChipAuth   = "0.4.0.127.0.7.2.2.3"
	oidChipKey    = "0.4.0.127.0.7.2.2.1"
	oidActiveAuth = "2.23.136.1.1.5"
	oidDHPublic   = "1.2.840.10046.2.1"
)

// oid is the protocol's object identifier (9.2.7).
func (c ChipAuth) oid() string {
	kind := 1
	if c.Curve != "" {
		kind = 2
	}
	return fmt.Sprintf("%s.%d.%d", oidChipAuth, kind, c.Cipher)
}

// proofs are the keys that prove a chip genuine: as the chip holds them and as
// the signed groups announce them.
type proofs struct {
	chip    []chipsim.ChipAuth
	mapping []chipsim.ChipKey
	active  *chipsim.ActiveKey
	infos   [][]byte // for DG14
	dg15    []byte
}

// proofs makes the keys a specification asks for, those of chip authentication
// first, in the order of the requests, then those of PACE's mapping by it.
func (a *Authority) proofs(s Spec) (proofs, error) {
	var out proofs
	for i, c := range s.ChipAuth {
		if err := out.addChipAuth(a, s.ChipAuth[:i], c); err != nil {
			return proofs{}, fmt.Errorf("chip authentication: %w", err)
		}
	}
	if err := out.addMapping(a, s.PACE); err != nil {
		return proofs{}, fmt.Errorf("chip authentication mapping: %w", err)
	}
	if s.ActiveAuth == nil {
		return out, nil
	}
	if err := out.addActiveAuth(a, *s.ActiveAuth); err != nil {
		return proofs{}, fmt.Errorf("active authentication: %w", err)
	}
	return out, nil
}

func (p *proofs) addChipAuth(a *Authority, before []ChipAuth, c ChipAuth) error {
	if c.Cipher < access.TripleDES || c.Cipher > access.AES256 {
		return fmt.Errorf("%s of number %d", c.Cipher, c.Cipher)
	}
	if i := slices.IndexFunc(p.chip, func(h chipsim.ChipAuth) bool { return h.Key.KeyID == c.KeyID }); i >= 0 {
		same := func(b ChipAuth) bool { return b.KeyID == c.KeyID && b.Curve == c.Curve && b.Group == c.Group }
		if !slices.ContainsFunc(before, same) {
			return fmt.Errorf("two keys of identifier %d", c.KeyID)
		}
		p.chip[i].OIDs = append(p.chip[i].OIDs, c.oid())
	} else {
		if len(p.chip) > 0 && (c.KeyID < 0 || p.chip[0].Key.KeyID < 0) {
			return fmt.Errorf("one of several keys has no identifier")
		}
		key, public, err := newChipKey(a, c)
		if err != nil {
			return err
		}
		p.chip = append(p.chip, chipsim.ChipAuth{OIDs: []string{c.oid()}, Key: key})
		oid := oidChipKey + ".1"
		if key.Curve != nil {
			oid = oidChipKey + ".2"
		}
		p.infos = append(p.infos, ber.Encode(ber.Sequence, ber.EncodeOID(oid), public, keyID(c.KeyID)))
	}
	if !c.Unannounced {
		p.infos = append(p.infos, ber.Encode(ber.Sequence, ber.EncodeOID(c.oid()), ber.EncodeInt(big.NewInt(1)), keyID(c.KeyID)))
	}
	return nil
}

func keyID(id int) []byte {
	if id < 0 {
		return nil
	}
	return ber.EncodeInt(big.NewInt(int64(id)))
}

// newChipKey makes a static key and its SubjectPublicKeyInfo, domain parameters
// spelled out (9.5.2).
func newChipKey(a *Authority, c ChipAuth) (chipsim.ChipKey, []byte, error) {
	out := chipsim.ChipKey{KeyID: c.KeyID}
	var public ec.Point
	var err error
	switch {
	case c.Curve != "":
		if out.Curve = ec.ByName(c.Curve); out.Curve == nil {
			return out, nil, fmt.Errorf("curve %q is not known; brainpoolP256r1 and P-256 are", c.Curve)
		}
		out.Private, public, err = out.Curve.GenerateKey(a.random, ec.Point{})
		k := key{kind: KeyKind{Explicit: true}, curve: out.Curve, point: public}
		info, _ := k.publicKey()
		return out, info, err
	case c.Group != "":
		if out.Group = dh.ByName(c.Group); out.Group == nil {
			return out, nil, fmt.Errorf("group %q is not known; RFC 5114 2048/256 is", c.Group)
		}
		g := out.Group
		var y *big.Int
		out.Private, y, err = g.GenerateKey(a.random, nil)
		if err != nil {
			return out, nil, err
		}
		parameters := ber.Encode(ber.Sequence, ber.EncodeInt(g.P), ber.EncodeInt(g.G), ber.EncodeInt(g.Q))
		return out, ber.Encode(ber.Sequence,
			ber.Encode(ber.Sequence, ber.EncodeOID(oidDHPublic), parameters), ber.EncodeBits(ber.EncodeInt(y))), nil
	}
	return out, nil, fmt.Errorf("neither a curve nor a group is named")
}

func (p *proofs) addActiveAuth(a *Authority, s ActiveAuth) error {
	kind := KeyKind{Scheme: trust.ECDSA, Curve: s.Curve, Explicit: s.Explicit, Bits: s.Bits, Hash: s.Hash}
	if s.Curve == "" {
		kind.Scheme = trust.RSAPKCS1 // the key is the same for every scheme
	}
	k, err := newKey(kind, a.random)
	if err != nil {
		return err
	}
	info, _ := k.publicKey()
	p.active = &chipsim.ActiveKey{Modulus: k.modulus, Curve: k.curve, Private: k.private, Hash: s.Hash}
	p.dg15 = ber.Encode(0x6F, info)
	if k.curve != nil {
		p.infos = append(p.infos, ber.Encode(ber.Sequence,
			ber.EncodeOID(oidActiveAuth), ber.EncodeInt(big.NewInt(1)), ber.EncodeOID(plainOID(s.Hash))))
	}
	return nil
}

// plainOID is ecdsa-plain-signatures with a hash (BSI TR-03111, 5.2.1).
func plainOID(hash crypto.Hash) string {
	order := []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	return fmt.Sprintf("0.4.0.127.0.7.1.1.4.1.%d", 1+slices.Index(order, hash))
}

// encodeInfos writes a SET OF SecurityInfo in DER's order.
func encodeInfos(infos ...[]byte) []byte {
	infos = slices.Clone(infos)
	slices.SortFunc(infos, bytes.Compare)
	return ber.Encode(ber.Set, infos...)
}
