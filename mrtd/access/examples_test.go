package access_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"io"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// example is a worked example: named values, and the exchange of commands.
type example struct {
	values    map[string]string
	exchanges [][2][]byte
}

func readExample(t testing.TB, name string) example {
	t.Helper()
	var e example
	e.values, e.exchanges = access.ReadVector(t, name)
	for _, what := range []string{"name", "part", "edition", "clause"} {
		if e.values[what] == "" {
			t.Errorf("%s does not say its %s", name, what)
		}
	}
	return e
}

func (e example) hex(t testing.TB, name string) []byte {
	t.Helper()
	return access.Unhex(t, e.values[name])
}

// replay sends the example's commands to a chip and compares its answers.
func (e example) replay(t *testing.T, chip apdu.Card) {
	t.Helper()
	for i, x := range e.exchanges {
		got, err := chip.Transmit(t.Context(), x[0])
		if err != nil || !bytes.Equal(got, x[1]) {
			t.Fatalf("chip's answer %d:\n got %X, %v\nwant %X", i+1, got, err, x[1])
		}
	}
}

// printed is a TD3 machine readable zone that gives this information.
func printed(information string) string {
	return "P<UTO" + strings.Repeat("<", 39) + "\n" +
		information[:10] + "UTO" + information[10:17] + "M" + information[17:24] + strings.Repeat("<", 14) + "00"
}

func TestWorkedExampleBAC(t *testing.T) {
	e := readExample(t, "bac.txt")
	suite, err := access.DocumentAccessSuite(e.values["mrz_information"])
	if err != nil {
		t.Fatal(err)
	}
	sameSuite(t, "document basic access keys", suite, access.TripleDES, e.hex(t, "kenc"), e.hex(t, "kmac"))
	for counter, want := range map[uint32]string{1: "kenc", 2: "kmac"} {
		if got := access.TripleDES.Derive(e.hex(t, "kseed"), counter); !bytes.Equal(got, e.hex(t, want)) {
			t.Errorf("%s: got %X, want %s", want, []byte(got), e.values[want])
		}
	}
	if suite, err = access.SessionSuite(access.TripleDES, e.hex(t, "session_seed")); err != nil {
		t.Fatal(err)
	}
	sameSuite(t, "session keys", suite, access.TripleDES, e.hex(t, "session_kenc"), e.hex(t, "session_kmac"))

	card := access.NewPlayback(t, e.exchanges)
	random := bytes.NewReader(append(e.hex(t, "rnd_ifd"), e.hex(t, "k_ifd")...))
	session, err := access.BAC(t.Context(), card, e.values["mrz_information"], random)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, c := range []apdu.Command{apdu.SelectFile(0x011E), apdu.ReadBinary(0, 4), apdu.ReadBinary(4, 0x12)} {
		r, err := apdu.Send(t.Context(), session, c)
		if err != nil || r.SW != apdu.Success {
			t.Fatalf("%s: %v, %v", c.Name(), r.SW, err)
		}
		got = append(got, r.Data...)
	}
	if want := e.hex(t, "ef_com"); !bytes.Equal(got, want) || card.Left() > 0 {
		t.Errorf("EF.COM: got %X, want %X; %d exchanges of the example never happened", got, want, card.Left())
	}

	chip := chipsim.New(chipsim.Passport{
		MRZ: printed(e.values["mrz_information"]), BAC: true,
		Files: map[lds.Path][]byte{lds.EFCOM.Path(): e.hex(t, "ef_com")},
	}, chipsim.Options{Random: bytes.NewReader(append(e.hex(t, "rnd_ic"), e.hex(t, "k_ic")...))})
	if _, err := apdu.Send(t.Context(), chip, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		t.Fatal(err)
	}
	e.replay(t, chip)
}

// sameSuite fails unless a suite has these keys: both seal a message alike.
func sameSuite(t *testing.T, what string, got *access.Suite, c access.Cipher, enc, mac []byte) {
	t.Helper()
	want, err := access.NewSuite(c, enc, mac)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, c.BlockSize())
	if !bytes.Equal(got.Encrypt(block, block), want.Encrypt(block, block)) || !bytes.Equal(got.Token(nil), want.Token(nil)) {
		t.Errorf("%s are not the example's", what)
	}
}

// sameSession fails unless a new session has these keys: both protect a command alike.
func sameSession(t *testing.T, session *access.Session, card *last, c access.Cipher, enc, mac []byte) {
	t.Helper()
	suite, err := access.NewSuite(c, enc, mac)
	if err != nil {
		t.Fatal(err)
	}
	example, err := access.NewSession(card, suite, nil)
	if err != nil {
		t.Fatal(err)
	}
	apdu.Send(t.Context(), session, apdu.SelectFile(0x011E))
	got := card.command
	apdu.Send(t.Context(), example, apdu.SelectFile(0x011E))
	if !bytes.Equal(got, card.command) {
		t.Errorf("first protected command: got %X, want %X", got, card.command)
	}
}

// last passes commands on, then keeps the last of them and answers 6700.
type last struct {
	card    *access.Playback
	command []byte
}

func (l *last) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if l.card.Left() > 0 {
		return l.card.Transmit(ctx, command)
	}
	l.command = append([]byte(nil), command...)
	return []byte{0x67, 0x00}, nil
}

func (e example) password() access.Password {
	if can := e.values["can"]; can != "" {
		return access.CANPassword(can)
	}
	return access.MRZPassword(e.values["mrz_information"])
}

func (e example) infos(t *testing.T) lds.SecurityInfos {
	t.Helper()
	infos, err := lds.ParseCardAccess(ber.Encode(ber.Set, e.hex(t, "pace_info"), e.hex(t, "public_key_info")))
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

func (e example) variant(t *testing.T) access.Variant {
	t.Helper()
	variants := access.Variants(e.infos(t))
	if len(variants) != 1 {
		t.Fatalf("variants: got %v, want one", variants)
	}
	return variants[0]
}

// randomness is what one side of the example drew: nonces as they are, private
// keys as GenerateKey draws them, less one and below the order.
func (e example) randomness(t *testing.T, v access.Variant, names ...string) io.Reader {
	t.Helper()
	order := new(big.Int)
	if v.Group != nil {
		order.Set(v.Group.Q)
	} else {
		order.Set(v.Curve.N)
	}
	var out []byte
	for _, name := range names {
		b := e.hex(t, name)
		if strings.Contains(name, "private") && len(b) > 0 {
			d := new(big.Int).SetBytes(b)
			d.Mod(d, order).Sub(d, big.NewInt(1))
			b = d.FillBytes(make([]byte, (order.BitLen()+7)/8))
		}
		out = append(out, b...)
	}
	return bytes.NewReader(out)
}

func (e example) reader(t *testing.T) (*access.Opened, *last) {
	t.Helper()
	v := e.variant(t)
	card := &last{card: access.NewPlayback(t, e.exchanges)}
	random := e.randomness(t, v, "nonce_ifd", "map_private_ifd", "dh_private_ifd")
	opened, err := access.PACE(t.Context(), card, v, e.password(), random)
	if err != nil {
		t.Fatal(err)
	}
	return opened, card
}

// chip has the example's keys and draws its numbers. The chip of the chip
// authentication mapping has the static key that follows from what it sent.
func (e example) chip(t *testing.T) *chipsim.Card {
	t.Helper()
	v := e.variant(t)
	p := chipsim.Passport{PACE: []chipsim.PACE{{OID: v.OID, ParameterID: v.ParameterID}}, CAN: e.values["can"]}
	if info := e.values["mrz_information"]; info != "" {
		p.MRZ = printed(info)
	}
	if reference := e.values["cars"]; reference != "" {
		p.CARs = []string{reference}
	}
	if v.Mapping == access.CAM {
		static := new(big.Int).ModInverse(new(big.Int).SetBytes(e.hex(t, "ca_data")), v.Curve.N)
		static.Mul(static, new(big.Int).SetBytes(e.hex(t, "map_private_ic"))).Mod(static, v.Curve.N)
		key := chipsim.ChipKey{KeyID: 13, Curve: v.Curve, Private: static}
		if !bytes.Equal(key.Public(), v.Curve.Marshal(e.infos(t).PublicKeys[0].Point)) {
			t.Error("the static key is not that of the example's public key")
		}
		p.CAM = []chipsim.ChipKey{key}
	}
	return chipsim.New(p, chipsim.Options{Random: e.randomness(t, v, "nonce", "map_private_ic", "dh_private_ic")})
}

// object is a data object of an answer of GENERAL AUTHENTICATE.
func object(t *testing.T, answer []byte, tag ber.Tag) []byte {
	t.Helper()
	outer, err := ber.Parse(answer[:len(answer)-2], 0x7C)
	if err != nil {
		t.Fatal(err)
	}
	do, ok := outer.Find(tag)
	if !ok {
		t.Fatalf("no object %X in the answer", tag)
	}
	return do.Value
}

// Every worked example of PACE, from the reader's side and from the chip's.
func TestWorkedExamplesPACE(t *testing.T) {
	files, err := filepath.Glob("testdata/pace_*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			e := readExample(t, filepath.Base(file))
			v := e.variant(t)
			if got, want := []byte(e.password().Key(v.Cipher)), e.hex(t, "kpi"); !bytes.Equal(got, want) {
				t.Errorf("K_pi: got %X, want %X", got, want)
			}
			opened, card := e.reader(t)
			sameSession(t, opened.Session, card, v.Cipher, e.hex(t, "ksenc"), e.hex(t, "ksmac"))
			want := e.hex(t, "chip_key")
			if v.Group != nil {
				h := sha1.Sum(object(t, e.exchanges[3][1], 0x84))
				want = h[:]
			}
			if !bytes.Equal(opened.ChipKey, want) {
				t.Errorf("compressed key of the chip: got %X, want %X", opened.ChipKey, want)
			}
			if got := string(bytes.Join(opened.CARs, []byte(","))); got != e.values["cars"] {
				t.Errorf("certification authority references: got %q, want %q", got, e.values["cars"])
			}
			if (opened.CAM != nil) != (v.Mapping == access.CAM) {
				t.Errorf("%s: got proof %v", v.Name(), opened.CAM)
			}
			if opened.CAM != nil {
				if err := opened.CAM.Verify(e.infos(t).PublicKeys[0]); err != nil {
					t.Errorf("the chip's key: %v", err)
				}
			}
			e.replay(t, e.chip(t))
		})
	}
}
