package lds

import (
	"encoding/hex"
	"math/big"
	"os"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// PACEInfo as in Doc 9303-11, appendix G.1.
const paceInfoG1 = "3012060A04007F0007020204020202010202010D"

func TestParseCardAccess(t *testing.T) {
	infos, err := ParseCardAccess(octets(t, "3114"+paceInfoG1+"0000")) // padded file
	if err != nil || len(infos.PACE) != 1 {
		t.Fatalf("got %+v, %v", infos, err)
	}
	want := PACEInfo{"0.4.0.127.0.7.2.2.4.2.2", 2, 13}
	if infos.PACE[0] != want {
		t.Errorf("got %+v, want %+v", infos.PACE[0], want)
	}
	for _, bad := range []string{"", "31", "3114", "3000", "310430020500", "31023000"} {
		if infos, err := ParseCardAccess(octets(t, bad)); err == nil {
			t.Errorf("%s: got %+v", bad, infos)
		}
	}
}

func explicitParameters(c *ec.Curve) []byte {
	n := c.ByteLen()
	return ber.Encode(ber.Sequence, ber.EncodeOID(oidECKey), ber.Encode(ber.Sequence,
		ber.EncodeInt(big.NewInt(1)),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPrimeField), ber.EncodeInt(c.P)),
		ber.Encode(ber.Sequence, ber.Encode(ber.OctetString, c.A.FillBytes(make([]byte, n))), ber.Encode(ber.OctetString, c.B.FillBytes(make([]byte, n)))),
		ber.Encode(ber.OctetString, c.Marshal(c.G)),
		ber.EncodeInt(c.N), ber.EncodeInt(big.NewInt(1))))
}

func TestParseSecurityInfosOfEveryKind(t *testing.T) {
	c := ec.ByName("brainpoolP320r1")
	one, two := ber.EncodeInt(big.NewInt(1)), ber.EncodeInt(big.NewInt(2))
	standard := ber.Encode(ber.Sequence, ber.EncodeOID(oidStandard), ber.EncodeInt(big.NewInt(13)))
	key := ber.Encode(ber.Sequence, explicitParameters(c), ber.EncodeBits(c.Marshal(c.G)))
	off := c.Marshal(c.G)
	off[len(off)-1] ^= 1
	infos, err := ParseSecurityInfos(ber.Encode(ber.Set,
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+".2"), explicitParameters(c), ber.EncodeInt(big.NewInt(40))),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+".2"), standard),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidCA+".2.4"), two, one),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPublicKey+".2"), key, two),
		ber.Encode(ber.Sequence, ber.EncodeOID(oidPublicKey+".2"), ber.Encode(ber.Sequence, explicitParameters(c), ber.EncodeBits(off))),
		ber.Encode(ber.Sequence, ber.EncodeOID("2.23.136.1.1.5"), one),
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(infos.Domains) != 2 || infos.Domains[0].Curve != c || infos.Domains[0].ParameterID != 40 ||
		infos.Domains[1].Curve != ec.ByName("brainpoolP256r1") || infos.Domains[1].ParameterID != -1 {
		t.Errorf("domains: got %+v", infos.Domains)
	}
	if len(infos.ChipAuth) != 1 || infos.ChipAuth[0].KeyID != 1 || infos.ChipAuth[0].Version != 2 {
		t.Errorf("chip authentication: got %+v", infos.ChipAuth)
	}
	if len(infos.PublicKeys) != 1 || !infos.PublicKeys[0].Point.Equal(c.G) || infos.PublicKeys[0].KeyID != 2 {
		t.Errorf("public keys: got %+v", infos.PublicKeys)
	}
	// The key off its curve and the unknown protocol are kept as they came.
	if len(infos.Unknown) != 2 || infos.Unknown[1].OID != "2.23.136.1.1.5" {
		t.Errorf("unknown: got %+v", infos.Unknown)
	}
}

func TestParseRealDG14(t *testing.T) {
	b, err := os.ReadFile(repotest.Shared(t, "data/emrtd/specimen/spec_sample_encoded_dg14.bin"))
	if err != nil {
		t.Fatal(err)
	}
	dg14, err := ber.Parse(b, 0x6E)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := ParseSecurityInfos(dg14.Value)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d PACE, %d chip authentication, %d keys, %d unknown", len(infos.PACE), len(infos.ChipAuth), len(infos.PublicKeys), len(infos.Unknown))
	if len(infos.PublicKeys) == 0 {
		t.Error("got no chip authentication key")
	}
}

func FuzzParseCardAccess(f *testing.F) {
	f.Add(octets(f, "3114"+paceInfoG1))
	f.Add(ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+".2"), explicitParameters(ec.ByName("P-224")))))
	g := dh.ByParameterID(0)
	f.Add(ber.Encode(ber.Set, publicKeyInfo(x942(g), g.G), publicKeyInfo(pkcs3(g), g.G)))
	f.Fuzz(func(t *testing.T, b []byte) {
		infos, err := repotest.Parsed(t, b, ParseCardAccess)
		if err != nil {
			return
		}
		for _, k := range infos.PublicKeys {
			if k.Curve != nil && !k.Curve.Contains(k.Point) || k.Group != nil && !k.Group.Contains(k.Value) {
				t.Error("a key outside its curve or group")
			}
		}
	})
}
