package lds

import (
	"bytes"
	"math/big"
	"testing"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
)

// x942 and pkcs3 spell a group out as the two standards do.
func x942(g *dh.Group) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidDHPublicNumber),
		ber.Encode(ber.Sequence, ber.EncodeInt(g.P), ber.EncodeInt(g.G), ber.EncodeInt(g.Q)))
}

func pkcs3(g *dh.Group) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidDHKeyAgreement),
		ber.Encode(ber.Sequence, ber.EncodeInt(g.P), ber.EncodeInt(g.G), ber.EncodeInt(big.NewInt(256))))
}

func publicKeyInfo(algorithm []byte, y *big.Int) []byte {
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidPublicKey+".1"),
		ber.Encode(ber.Sequence, algorithm, ber.EncodeBits(ber.EncodeInt(y))), ber.EncodeInt(big.NewInt(3)))
}

func TestParseDiffieHellmanInfos(t *testing.T) {
	g := dh.ByParameterID(2)
	standard := ber.Encode(ber.Sequence, ber.EncodeOID(oidStandard), ber.EncodeInt(big.NewInt(2)))
	other := &dh.Group{P: g.P, G: g.Exp(g.G, big.NewInt(7)), Q: g.Q} // another generator is another group
	y := g.Exp(g.G, big.NewInt(123456789))
	minus := new(big.Int).Sub(g.P, big.NewInt(1))
	infos, err := ParseSecurityInfos(ber.Encode(ber.Set,
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+".1"), x942(other), ber.EncodeInt(big.NewInt(32))),
		publicKeyInfo(standard, y), publicKeyInfo(x942(g), y), publicKeyInfo(pkcs3(g), y), publicKeyInfo(pkcs3(other), y),
		publicKeyInfo(standard, new(big.Int).Neg(y)), publicKeyInfo(standard, minus), publicKeyInfo(pkcs3(other), minus)))
	if err != nil {
		t.Fatal(err)
	}
	if len(infos.Domains) != 1 || infos.Domains[0].Group == nil || infos.Domains[0].Group.G.Cmp(other.G) != 0 ||
		infos.Domains[0].Group.Name != "" || infos.Domains[0].Curve != nil || infos.Domains[0].ParameterID != 32 {
		t.Errorf("domains: got %+v", infos.Domains)
	}
	if len(infos.PublicKeys) != 4 {
		t.Fatalf("public keys: got %d, want 4", len(infos.PublicKeys))
	}
	for i, k := range infos.PublicKeys {
		if k.Value.Cmp(y) != 0 || k.Curve != nil || k.KeyID != 3 || (k.Group == g) != (i < 3) {
			t.Errorf("public key %d: got %+v", i, k)
		}
	}
	if q := infos.PublicKeys[3].Group.Q; q != nil {
		t.Errorf("PKCS #3 states no order, got %v", q)
	}
	if len(infos.Unknown) != 3 {
		t.Errorf("unknown: got %d infos, want the 3 keys outside their group", len(infos.Unknown))
	}
}

func TestGroupsSpelledOutAreBounded(t *testing.T) {
	g := dh.ByParameterID(0)
	var list []byte
	for i := range maxGroups + 2 { // each twice: the second costs nothing
		other := &dh.Group{P: g.P, G: g.Exp(g.G, big.NewInt(int64(i+2))), Q: g.Q}
		info := ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+".1"), x942(other), ber.EncodeInt(big.NewInt(32)))
		list = append(list, bytes.Repeat(info, 2)...)
	}
	infos, err := ParseSecurityInfos(ber.Encode(ber.Set, list))
	if err != nil || len(infos.Domains) != 2*maxGroups || len(infos.Unknown) != 4 {
		t.Errorf("got %d domains and %d unknown, %v; want %d and 4", len(infos.Domains), len(infos.Unknown), err, 2*maxGroups)
	}
}
