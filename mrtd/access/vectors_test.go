package access

import (
	"bytes"
	"context"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"os"
	"strings"
	"testing"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// vector is a worked example: named values, and the exchange of commands.
type vector struct {
	values    map[string]string
	exchanges [][2][]byte
}

func readVector(t *testing.T, name string) vector {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	v := vector{values: map[string]string{}}
	for _, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			v.exchanges = append(v.exchanges, [2][]byte{unhex(t, line[2:])})
		case strings.HasPrefix(line, "< "):
			v.exchanges[len(v.exchanges)-1][1] = unhex(t, line[2:])
		case line != "" && line[0] != '#':
			key, value, _ := strings.Cut(line, "=")
			v.values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return v
}

func (v vector) hex(t *testing.T, name string) []byte { t.Helper(); return unhex(t, v.values[name]) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// playback answers the commands of a worked example and fails on any other.
type playback struct {
	t    *testing.T
	left [][2][]byte
}

func (p *playback) Transmit(_ context.Context, command []byte) ([]byte, error) {
	p.t.Helper()
	if len(p.left) == 0 {
		p.t.Fatalf("unexpected command %X after the example's last", command)
	}
	next := p.left[0]
	p.left = p.left[1:]
	if !bytes.Equal(command, next[0]) {
		p.t.Fatalf("command\n got %X\nwant %X", command, next[0])
	}
	return append([]byte(nil), next[1]...), nil
}

func TestWorkedExampleBAC(t *testing.T) {
	v := readVector(t, "bac.txt")
	seed := v.hex(t, "kseed")
	if got, want := []byte(TripleDES.Derive(seed, forEncryption)), v.hex(t, "kenc"); !bytes.Equal(got, want) {
		t.Errorf("K_Enc: got %X, want %X", got, want)
	}
	if got, want := []byte(TripleDES.Derive(seed, forMAC)), v.hex(t, "kmac"); !bytes.Equal(got, want) {
		t.Errorf("K_MAC: got %X, want %X", got, want)
	}
	card := &playback{t, v.exchanges}
	random := bytes.NewReader(append(v.hex(t, "rnd_ifd"), v.hex(t, "k_ifd")...))
	session, err := BAC(t.Context(), card, v.values["mrz_information"], random)
	if err != nil {
		t.Fatal(err)
	}
	if want := v.hex(t, "ssc"); !bytes.Equal(session.ssc, want) {
		t.Errorf("SSC: got %X, want %X", session.ssc, want)
	}
	if want := v.hex(t, "session_kmac"); !bytes.Equal(session.suite.macKey, want) {
		t.Errorf("KS_MAC: got %X, want %X", []byte(session.suite.macKey), want)
	}
	var got []byte
	for _, c := range []apdu.Command{apdu.SelectFile(0x011E), apdu.ReadBinary(0, 4), apdu.ReadBinary(4, 0x12)} {
		r, err := apdu.Send(t.Context(), session, c)
		if err != nil || r.SW != apdu.Success {
			t.Fatalf("%s: %v, %v", c.Name(), r.SW, err)
		}
		got = append(got, r.Data...)
	}
	if want := v.hex(t, "ef_com"); !bytes.Equal(got, want) {
		t.Errorf("EF.COM: got %X, want %X", got, want)
	}
	if len(card.left) > 0 {
		t.Errorf("%d exchanges of the example never happened", len(card.left))
	}
}

// scalars feeds private keys to ec.GenerateKey, which draws d-1 below n-1.
func scalars(t *testing.T, v vector, names ...string) io.Reader {
	var b []byte
	for _, name := range names {
		d := new(big.Int).SetBytes(v.hex(t, name))
		b = append(b, d.Sub(d, big.NewInt(1)).FillBytes(make([]byte, 32))...)
	}
	return bytes.NewReader(b)
}

func TestWorkedExamplePACE(t *testing.T) {
	v := readVector(t, "pace_gm_ecdh.txt")
	password := MRZPassword(v.values["mrz_information"])
	if want := v.hex(t, "k"); !bytes.Equal(password.encoded, want) {
		t.Errorf("K: got %X, want %X", []byte(password.encoded), want)
	}
	if got, want := []byte(password.Key(AES128)), v.hex(t, "kpi"); !bytes.Equal(got, want) {
		t.Errorf("K_pi: got %X, want %X", got, want)
	}
	infos, err := lds.ParseCardAccess(v.hex(t, "card_access"))
	if err != nil {
		t.Fatal(err)
	}
	variants := Variants(infos)
	if len(variants) != 1 || variants[0].Curve != ec.ByName("brainpoolP256r1") || variants[0].Cipher != AES128 {
		t.Fatalf("variants: got %v, want one, AES-128 over brainpoolP256r1", variants)
	}
	card := &playback{t, v.exchanges}
	session, err := PACE(t.Context(), card, variants[0], password, scalars(t, v, "map_private_ifd", "dh_private_ifd"))
	if err != nil {
		t.Fatal(err)
	}
	if want := v.hex(t, "ksmac"); !bytes.Equal(session.suite.macKey, want) {
		t.Errorf("KS_MAC: got %X, want %X", []byte(session.suite.macKey), want)
	}
	block, err := aes.NewCipher(v.hex(t, "ksenc"))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 16)
	block.Encrypt(want, make([]byte, 16))
	if got := session.suite.IV(make([]byte, 16)); !bytes.Equal(got, want) {
		t.Errorf("KS_Enc is not the example's")
	}
}

// A chip that returns the reader's own keys, or a point off the curve, is an attack.
func TestPACERefusesBadPoints(t *testing.T) {
	v := readVector(t, "pace_gm_ecdh.txt")
	infos, _ := lds.ParseCardAccess(v.hex(t, "card_access"))
	for _, c := range []struct {
		name   string
		at     int
		change func([]byte) []byte
	}{
		{"mapping key echoed", 2, func([]byte) []byte { return echo(v.exchanges[2][0], 0x82) }},
		{"agreement key echoed", 3, func([]byte) []byte { return echo(v.exchanges[3][0], 0x84) }},
		{"mapping key off the curve", 2, flip},
		{"agreement key off the curve", 3, flip},
		{"compressed point", 2, compressed},
		{"infinity", 3, func([]byte) []byte { return unhex(t, "7C038401009000") }},
		{"token changed", 4, flip},
		{"no token", 4, func([]byte) []byte { return unhex(t, "7C009000") }},
		{"nonce of odd length", 1, func([]byte) []byte { return unhex(t, "7C0380010A9000") }},
	} {
		exchanges := append([][2][]byte(nil), v.exchanges...)
		exchanges[c.at][1] = c.change(exchanges[c.at][1])
		_, err := PACE(t.Context(), &playback{t, exchanges}, Variants(infos)[0], MRZPassword(v.values["mrz_information"]),
			scalars(t, v, "map_private_ifd", "dh_private_ifd"))
		if err == nil {
			t.Errorf("%s: accepted", c.name)
		}
		if c.at == 4 != errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func flip(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[len(b)-3] ^= 1
	return b
}

// compressed is the chip's own point in the form that 4.4.3.2 rules out.
func compressed(b []byte) []byte {
	x, y := b[5:37], b[37:69]
	return append(append([]byte{0x7C, 0x23, 0x82, 0x21, 2 + y[31]&1}, x...), 0x90, 0)
}

func echo(command []byte, tag byte) []byte {
	b := append([]byte(nil), command[5:len(command)-1]...)
	b[2] = tag
	return append(b, 0x90, 0)
}

// proofs answers BAC as a chip with the key would, but for what change does to
// the plain proof RND.IC || RND.IFD || K.IC.
func proofs(t *testing.T, change func(proof []byte)) apdu.Card {
	suite, err := DocumentAccessSuite("L898902C<369080619406236")
	if err != nil {
		t.Fatal(err)
	}
	zero := make([]byte, 8)
	return cardFunc(func(command []byte) ([]byte, error) {
		if command[1] == 0x84 {
			return unhex(t, "4608F919887022129000"), nil
		}
		s, err := suite.Decrypt(zero, command[5:37])
		if err != nil {
			return nil, err
		}
		proof := append(append(append([]byte(nil), s[8:16]...), s[:8]...), make([]byte, 16)...)
		change(proof)
		cryptogram := suite.Encrypt(zero, proof)
		return append(append(cryptogram, suite.Token(cryptogram)...), 0x90, 0), nil
	})
}

func TestBACRefusesProofOfAnotherSession(t *testing.T) {
	for name, at := range map[string]int{"RND.IC": 0, "RND.IFD": 15} {
		_, err := BAC(t.Context(), proofs(t, func(b []byte) { b[at] ^= 1 }), "L898902C<369080619406236", bytes.NewReader(make([]byte, 24)))
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s changed: got %v, want ErrRefused", name, err)
		}
	}
	honest := proofs(t, func([]byte) {})
	forged := cardFunc(func(command []byte) ([]byte, error) {
		b, err := honest.Transmit(t.Context(), command)
		if err == nil && len(b) == 42 {
			b[39] ^= 1
		}
		return b, err
	})
	if _, err := BAC(t.Context(), forged, "L898902C<369080619406236", bytes.NewReader(make([]byte, 24))); !errors.Is(err, ErrRefused) {
		t.Errorf("checksum changed: got %v, want ErrRefused", err)
	}
	if _, err := BAC(t.Context(), proofs(t, func([]byte) {}), "L898902C<369080619406236", bytes.NewReader(make([]byte, 24))); err != nil {
		t.Errorf("true proof: %v", err)
	}
}

func TestVariantsWithExplicitParameters(t *testing.T) {
	c := ec.ByName("brainpoolP320r1")
	cofactor := *c
	cofactor.H = 2
	infos := lds.SecurityInfos{
		PACE: []lds.PACEInfo{{OID: oidPACE + "2.2", Version: 2, ParameterID: 40}, {OID: oidPACE + "2.3", Version: 2, ParameterID: 41}, {OID: oidPACE + "2.4", Version: 2, ParameterID: 42}},
		Domains: []lds.PACEDomainParameterInfo{
			{OID: oidPACE + "2", ParameterID: 40, Curve: c},
			{OID: oidPACE + "2", ParameterID: 41, Curve: &cofactor},
			{OID: oidPACE + "4", ParameterID: 42, Curve: c},
		},
	}
	got := Variants(infos)
	if len(got) != 1 || got[0].Curve != c || got[0].ParameterID != 40 {
		t.Errorf("got %v, want the one whose parameters belong to it and have no cofactor", got)
	}
}

func TestVariants(t *testing.T) {
	// 3DES over P-256, CAM (not run here), AES-256 over brainpoolP384r1, version 1 (old), DH.
	var set []byte
	for _, row := range []struct {
		oid         string
		version, id int64
	}{{"2.1", 2, 12}, {"6.2", 2, 13}, {"2.4", 2, 16}, {"2.2", 1, 13}, {"1.2", 2, 0}} {
		set = append(set, ber.Encode(ber.Sequence, ber.EncodeOID(oidPACE+row.oid),
			ber.EncodeInt(big.NewInt(row.version)), ber.EncodeInt(big.NewInt(row.id)))...)
	}
	infos, err := lds.ParseCardAccess(ber.Encode(ber.Set, set))
	if err != nil {
		t.Fatal(err)
	}
	got := Variants(infos)
	if len(got) != 2 || got[0].Cipher != AES256 || got[1].Cipher != TripleDES || !got[0].Ambiguous {
		t.Errorf("got %v, want AES-256 before 3DES, ambiguous", got)
	}
}

// CMAC examples of RFC 4493, section 4.
func TestCMAC(t *testing.T) {
	block, err := aes.NewCipher(unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	if err != nil {
		t.Fatal(err)
	}
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		if got := cmac(block, message[:n]); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("CMAC of %d bytes: got %X, want %s", n, got, want)
		}
	}
}
