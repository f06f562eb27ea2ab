package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// announced is what DG14 says of the static key of a worked example.
func announced(t *testing.T, v vector) lds.SecurityInfos {
	t.Helper()
	id, err := strconv.Atoi(v.values["parameter_id"])
	if err != nil {
		t.Fatal(err)
	}
	bits, kind := v.hex(t, "public_ic"), "2"
	if ec.ByParameterID(id) == nil {
		bits, kind = ber.EncodeInt(new(big.Int).SetBytes(bits)), "1"
	}
	var reference []byte
	if s := v.values["key_id"]; s != "" {
		reference = ber.Encode(ber.Integer, unhex(t, "0"+s))
	}
	infos, err := lds.ParseSecurityInfos(ber.Encode(ber.Set,
		ber.Encode(ber.Sequence, ber.EncodeOID(v.values["oid"]), ber.EncodeInt(big.NewInt(1)), reference),
		ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.2.2.1."+kind), ber.Encode(ber.Sequence,
			ber.Encode(ber.Sequence, ber.EncodeOID("0.4.0.127.0.7.1.2"), ber.EncodeInt(big.NewInt(int64(id)))),
			ber.EncodeBits(bits)), reference)))
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

// drawn feeds a private key to a generator that draws one less, below the order.
func drawn(private, order *big.Int) io.Reader {
	d := new(big.Int).Mod(private, order)
	return bytes.NewReader(d.Sub(d, big.NewInt(1)).FillBytes(make([]byte, (order.BitLen()+7)/8)))
}

func TestWorkedExamplesChipAuthentication(t *testing.T) {
	for _, name := range []string{"ca_ecdh_aes128.txt", "ca_ecdh_3des.txt", "ca_dh_aes128.txt"} {
		t.Run(name, func(t *testing.T) {
			v := readVector(t, name)
			variants := ChipAuthVariants(announced(t, v))
			if len(variants) != 1 || variants[0].OID != v.values["oid"] || variants[0].Guessed || variants[0].Ambiguous {
				t.Fatalf("got %d variants, want the example's", len(variants))
			}
			variant, private := variants[0], new(big.Int).SetBytes(v.hex(t, "private_ifd"))
			own, err := variant.agreeWith(private)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string][]byte{"public_ifd": own.public, "secret": own.secret, "compressed": own.compressed} {
				if want := v.hex(t, name); !bytes.Equal(got, want) {
					t.Errorf("%s: got %X, want %X", name, got, want)
				}
			}
			if nonce := v.hex(t, "nonce"); len(nonce) > 0 { // version 2: KDF(K, r, c)
				for name, counter := range map[string]uint32{"v2_ksenc": forEncryption, "v2_ksmac": forMAC} {
					if got, want := []byte(AES128.Derive(append(own.secret, nonce...), counter)), v.hex(t, name); !bytes.Equal(got, want) {
						t.Errorf("%s: got %X, want %X", name, got, want)
					}
				}
			}
			order := dh.ByParameterID(0).Q
			if c := variant.Key.Curve; c != nil {
				order = c.N
			}
			card := &playback{t, v.exchanges}
			got, err := ChipAuthentication(t.Context(), card, variant, drawn(private, order))
			if err != nil {
				t.Fatal(err)
			}
			if want := v.hex(t, "ksmac"); !bytes.Equal(got.Session.suite.macKey, want) {
				t.Errorf("KS_MAC: got %X, want %X", []byte(got.Session.suite.macKey), want)
			}
			if want := v.hex(t, "compressed"); !bytes.Equal(got.Key, want) {
				t.Errorf("Comp(PK): got %X, want %X", got.Key, want)
			}
			if got.Proven() {
				t.Error("proven before the chip has answered")
			}
			if err := got.Confirm(t.Context()); err != nil || !got.Proven() {
				t.Errorf("confirmed: got %v, %v", got.Proven(), err)
			}
			r, err := apdu.Send(t.Context(), got.Session, apdu.ReadBinarySFI(1, 4))
			if want := unhex(t, "615B5F1F"); err != nil || !bytes.Equal(r.Data, want) {
				t.Errorf("DG1: got %X, %v; want %X", r.Data, err, want)
			}
			if len(card.left) > 0 {
				t.Errorf("%d exchanges of the example never happened", len(card.left))
			}
		})
	}
}

// key is a static key for variants: a point, or a number.
func key(t *testing.T, id int, curve *ec.Curve, group *dh.Group) lds.ChipAuthenticationPublicKeyInfo {
	t.Helper()
	k := lds.ChipAuthenticationPublicKeyInfo{KeyID: id, Curve: curve, Group: group}
	if curve != nil {
		k.Point = curve.ScalarMult(curve.G, big.NewInt(int64(id+100)))
		k.Raw = curve.Marshal(k.Point)
	} else {
		k.Value = group.Exp(group.G, big.NewInt(int64(id+100)))
		k.Raw = group.Marshal(k.Value)
	}
	return k
}

func TestChipAuthVariants(t *testing.T) {
	c, g := ec.ByName("brainpoolP256r1"), dh.ByParameterID(2)
	cofactor := *c
	cofactor.H = 2
	type keys = []lds.ChipAuthenticationPublicKeyInfo
	info := func(tail string, version, id int) lds.ChipAuthenticationInfo {
		return lds.ChipAuthenticationInfo{OID: oidChipAuth + tail, Version: version, KeyID: id}
	}
	for _, test := range []struct {
		name  string
		infos lds.SecurityInfos
		want  string // protocol:identifier, ? for guessed, ! for ambiguous
	}{
		{"AES first, longer first, ECDH first", lds.SecurityInfos{
			ChipAuth:   []lds.ChipAuthenticationInfo{info("1.2", 1, 2), info("2.1", 1, 1), info("1.4", 1, 2), info("2.2", 1, 1)},
			PublicKeys: keys{key(t, 1, c, nil), key(t, 2, nil, g)}}, "1.4:2! 2.2:1! 1.2:2! 2.1:1!"},
		{"keys by their identifiers", lds.SecurityInfos{
			ChipAuth:   []lds.ChipAuthenticationInfo{info("2.2", 1, 5), info("2.4", 1, 4)},
			PublicKeys: keys{key(t, 4, c, nil), key(t, 5, c, nil)}}, "2.4:4! 2.2:5!"},
		{"an identifier on one side alone", lds.SecurityInfos{
			ChipAuth: []lds.ChipAuthenticationInfo{info("2.2", 1, 195)}, PublicKeys: keys{key(t, -1, c, nil)}}, "2.2:195"},
		{"no identifier", lds.SecurityInfos{
			ChipAuth: []lds.ChipAuthenticationInfo{info("2.2", 1, -1)}, PublicKeys: keys{key(t, 0, c, nil)}}, "2.2:0"},
		{"no info", lds.SecurityInfos{PublicKeys: keys{key(t, -1, c, nil)}}, "2.1:-1?"},
		{"no info, DH", lds.SecurityInfos{PublicKeys: keys{key(t, -1, nil, g)}}, "1.1:-1?"},
		{"the key of PACE's mapping is its own", lds.SecurityInfos{
			PACE: []lds.PACEInfo{{OID: oidPACECAM + "2", Version: 2, ParameterID: 13}}, PublicKeys: keys{key(t, 13, c, nil)}}, ""},
		{"the key of PACE's mapping is shared", lds.SecurityInfos{
			PACE:     []lds.PACEInfo{{OID: oidPACECAM + "2", Version: 2, ParameterID: 13}},
			ChipAuth: []lds.ChipAuthenticationInfo{info("2.2", 1, 13)}, PublicKeys: keys{key(t, 13, c, nil)}}, "2.2:13"},
		{"version 2 last, and once where version 1 is stated too", lds.SecurityInfos{
			ChipAuth:   []lds.ChipAuthenticationInfo{info("2.4", 2, 1), info("2.2", 2, 1), info("2.2", 1, 1), info("2.1", 1, 1)},
			PublicKeys: keys{key(t, 1, c, nil)}}, "2.2:1 2.1:1 2.4:1"},
		{"a key of another kind, a curve with a cofactor, no such cipher", lds.SecurityInfos{
			ChipAuth:   []lds.ChipAuthenticationInfo{info("1.2", 1, 1), info("2.2", 1, 2), info("2.5", 1, 1), info("2", 1, 1), info("2.2.1", 1, 1)},
			PublicKeys: keys{key(t, 1, c, nil), key(t, 2, &cofactor, nil)}}, ""},
		{"a key of no known kind", lds.SecurityInfos{
			ChipAuth:   []lds.ChipAuthenticationInfo{info("2.2", 1, -1)},
			PublicKeys: keys{{KeyID: -1}}}, ""},
		{"nothing", lds.SecurityInfos{}, ""},
	} {
		var got []string
		for _, v := range ChipAuthVariants(test.infos) {
			s := fmt.Sprintf("%s:%d", strings.TrimPrefix(v.OID, oidChipAuth), v.KeyID)
			if v.Guessed {
				s += "?"
			}
			if v.Ambiguous {
				s += "!"
			}
			got = append(got, s)
			if cipher, _, _ := ChipAuthCipher(v.OID); cipher != v.Cipher || v.Key.Curve == nil && v.Key.Group == nil {
				t.Errorf("%s: %s with %s and a key of no kind", test.name, v.OID, v.Cipher)
			}
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// script answers in turn, keeps what was sent, and carries extended length if told so.
type script struct {
	answers  []string
	sent     []string
	extended bool
}

func (s *script) card(t *testing.T) apdu.Card {
	card := cardFunc(func(c []byte) ([]byte, error) {
		s.sent = append(s.sent, fmt.Sprintf("%X", c))
		if len(s.answers) == 0 {
			return nil, errors.New("no answer left")
		}
		a := s.answers[0]
		s.answers = s.answers[1:]
		return unhex(t, a), nil
	})
	if s.extended {
		return extended{card}
	}
	return card
}

type extended struct{ apdu.Card }

func (extended) Limits() (command, response int) { return 65544, 65538 }

func TestChipAuthenticationIsDeclined(t *testing.T) {
	curve := key(t, -1, ec.ByName("P-256"), nil)
	named := key(t, 7, ec.ByName("P-256"), nil)
	group := key(t, -1, nil, dh.ByParameterID(2))
	v := ChipAuthVariant{OID: oidChipAuth + "2.2", Cipher: AES128, KeyID: -1, Key: curve}
	tripleDES := ChipAuthVariant{OID: oidChipAuth + "2.1", Cipher: TripleDES, KeyID: -1, Key: curve}
	withID := ChipAuthVariant{OID: oidChipAuth + "2.2", Cipher: AES128, KeyID: 7, Key: named}
	several := withID
	several.Ambiguous = true
	for _, c := range []struct {
		name     string
		v        ChipAuthVariant
		answers  []string
		commands int
		declined apdu.StatusWord // 0 for another error, 9000 for none
	}{
		{"at once", v, []string{"6A80"}, 1, 0x6A80},
		{"with the key", v, []string{"9000", "6300"}, 2, 0x6300},
		{"by agreement template", tripleDES, []string{"6A86"}, 1, 0x6A86},
		{"the identifier alone", withID, []string{"6A88", "9000", "7C009000"}, 3, apdu.Success},
		{"the identifier at use", withID, []string{"9000", "6A88", "9000", "7C009000"}, 4, apdu.Success},
		{"the identifier of one of several", several, []string{"6A88"}, 1, 0x6A88},
		{"the identifier for another reason", withID, []string{"6985"}, 1, 0x6985},
		{"no template in the answer", v, []string{"9000", "9000"}, 2, apdu.Success},
		{"an answer that is none", v, []string{"9000", "80009000"}, 2, 0},
		{"version 2", v, []string{"9000", "7C0881020102820203049000"}, 2, 0},
		{"a chip that is gone", v, []string{"9000"}, 2, 0},
		{"a key too long for short commands", ChipAuthVariant{OID: oidChipAuth + "1.1", Cipher: TripleDES, KeyID: -1, Key: group}, nil, 0, 0},
		{"no key", ChipAuthVariant{OID: oidChipAuth + "1.1", Cipher: TripleDES, KeyID: -1}, nil, 0, 0},
	} {
		s := script{answers: c.answers}
		got, err := ChipAuthentication(t.Context(), s.card(t), c.v, bytes.NewReader(make([]byte, 64)))
		sw, declined := Declined(err)
		switch {
		case len(s.sent) != c.commands || len(s.answers) > 0:
			t.Errorf("%s: %d commands, want %d", c.name, len(s.sent), c.commands)
		case c.declined == apdu.Success && (err != nil || got.Proven()):
			t.Errorf("%s: got %v", c.name, err)
		case c.declined == 0 && (err == nil || declined):
			t.Errorf("%s: got %v, want an error that is not the chip's word", c.name, err)
		case c.declined != 0 && c.declined != apdu.Success && (sw != c.declined || !declined || KeysDiffer(err)):
			t.Errorf("%s: got %v, want %s", c.name, err, c.declined)
		}
	}
	if _, err := ChipAuthentication(t.Context(), (&script{}).card(t), v, bytes.NewReader(nil)); err == nil {
		t.Error("no randomness: accepted")
	}
}

// A session that goes on after the chip declined, and one that must not be used
// after it was replaced.
func TestChipAuthenticationAndTheOldSession(t *testing.T) {
	s := suites(t)[1]
	v := ChipAuthVariant{OID: oidChipAuth + "2.1", Cipher: TripleDES, KeyID: -1, Key: key(t, -1, ec.ByName("P-256"), nil)}
	answers := [][]byte{
		sealed(s, counterAt(s, 2), nil, apdu.WrongData),
		sealed(s, counterAt(s, 4), []byte{1}, apdu.Success),
		sealed(s, counterAt(s, 6), nil, apdu.Success),
	}
	card := cardFunc(func([]byte) ([]byte, error) {
		a := answers[0]
		answers = answers[1:]
		return a, nil
	})
	old, err := NewSession(card, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	random := bytes.NewReader(bytes.Repeat([]byte{7}, 512))
	_, err = ChipAuthentication(t.Context(), old, v, random)
	if sw, declined := Declined(err); !declined || sw != apdu.WrongData {
		t.Fatalf("got %v, want 6A80", err)
	}
	if r, err := apdu.Send(t.Context(), old, apdu.ReadBinary(0, 1)); err != nil || len(r.Data) != 1 {
		t.Errorf("the old session after the chip declined: %v", err)
	}
	got, err := ChipAuthentication(t.Context(), old, v, random)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apdu.Send(t.Context(), old, apdu.ReadBinary(0, 1)); !errors.Is(err, ErrSessionOver) {
		t.Errorf("the old session: got %v, want ErrSessionOver", err)
	}
	if _, nested := got.Session.Card().(*Session); nested {
		t.Error("the new session runs inside the old one")
	}
}

// The first answer under the new keys is the proof; whatever is none is no proof.
func TestConfirmTakesNoOtherAnswer(t *testing.T) {
	v := ChipAuthVariant{OID: oidChipAuth + "2.1", Cipher: TripleDES, KeyID: -1, Key: key(t, -1, ec.ByName("P-256"), nil)}
	for _, c := range []struct {
		name, answer string
		differ       bool
	}{
		{"plain success", "9000", false},
		{"the chip finds the command wrong", "6988", true},
		{"the chip finds objects missing", "6987", true},
		{"a plain error", "6A82", false},
		{"plain data", "01029000", true},
		{"a checksum of other keys", "99029000 8E080102030405060708 9000", true},
	} {
		s := script{answers: []string{"9000", c.answer}}
		got, err := ChipAuthentication(t.Context(), s.card(t), v, bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Confirm(t.Context()); err == nil || got.Proven() || errors.Is(err, ErrChipKey) != c.differ {
			t.Errorf("%s: got %v, proven %v, want ErrChipKey: %v", c.name, err, got.Proven(), c.differ)
		}
	}
}

// A chip that says anything at any step must not break the reader, nor count as
// proven.
func FuzzChipProofAnswers(f *testing.F) {
	f.Add([]byte{0x90, 0}, []byte{0x7C, 0, 0x90, 0}, []byte{0x99, 2, 0x90, 0, 0x8E, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0}, byte(0))
	f.Add([]byte{0x6A, 0x88}, []byte{0x90, 0}, []byte{0x7C, 4, 0x81, 0, 0x82, 0, 0x90, 0}, byte(1))
	f.Add([]byte{0x67, 0}, []byte{1, 2, 3, 0x61, 5}, []byte{0x6C, 1}, byte(2))
	curve := ec.ByName("P-256")
	key := lds.ChipAuthenticationPublicKeyInfo{KeyID: 1, Curve: curve, Point: curve.ScalarMult(curve.G, big.NewInt(11))}
	f.Fuzz(func(t *testing.T, a, b, c []byte, which byte) {
		v := ChipAuthVariant{OID: oidChipAuth + "2.2", Cipher: AES128, KeyID: 1, Key: key}
		if which&1 == 1 {
			v.Cipher = TripleDES
		}
		n := len(a) + len(b) + len(c)
		repotest.Bounded(t, n, func() {
			got, err := ChipAuthentication(t.Context(), play(a, b, c), v, bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 5}, 64)))
			if err == nil && (got.Confirm(t.Context()) == nil || got.Proven()) {
				t.Error("proven by a chip without the key")
			}
			signature, err := ActiveAuthentication(t.Context(), play(a, b, c), make([]byte, 8), int(which)*8)
			if err == nil && len(signature) > n {
				t.Errorf("a signature of %d bytes out of %d", len(signature), n)
			}
		})
	})
}
