package chipsim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

const oidCA = "0.4.0.127.0.7.2.2.3"

// example is a worked example of package access: its values, and the exchange.
func example(t *testing.T, name string) (values map[string]string, exchanges [][2][]byte) {
	t.Helper()
	b, err := os.ReadFile("../access/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	values = map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			exchanges = append(exchanges, [2][]byte{unhex(t, line[2:])})
		case strings.HasPrefix(line, "< "):
			exchanges[len(exchanges)-1][1] = unhex(t, line[2:])
		case line != "" && line[0] != '#':
			key, value, _ := strings.Cut(line, "=")
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values, exchanges
}

func TestWorkedExamplesChipAuthentication(t *testing.T) {
	for _, name := range []string{"ca_ecdh_aes128.txt", "ca_ecdh_3des.txt", "ca_dh_aes128.txt"} {
		values, exchanges := example(t, name)
		id, err := strconv.Atoi(values["parameter_id"])
		if err != nil {
			t.Fatal(err)
		}
		key := ChipKey{KeyID: 1, Curve: ec.ByParameterID(id), Group: dh.ByParameterID(id), Private: new(big.Int).SetBytes(unhex(t, values["private_ic"]))}
		if want := unhex(t, values["public_ic"]); !bytes.Equal(key.Public(), want) {
			t.Errorf("%s: public key: got %X, want %X", name, key.Public(), want)
		}
		secret, compressed, ok := key.agree(unhex(t, values["public_ifd"]))
		if want := unhex(t, values["secret"]); !ok || !bytes.Equal(secret, want) {
			t.Errorf("%s: secret: got %X, want %X", name, secret, want)
		}
		if want := unhex(t, values["compressed"]); !bytes.Equal(compressed, want) {
			t.Errorf("%s: Comp(PK): got %X, want %X", name, compressed, want)
		}
		card := New(Passport{
			Files:    map[lds.Path][]byte{0x010E: {0x6E, 2, 0x31, 0}, 0x0101: append(unhex(t, "615B5F1F58"), make([]byte, 88)...)},
			ChipAuth: []ChipAuth{{OIDs: []string{values["oid"]}, Key: key}},
		}, Options{})
		card.Transmit(t.Context(), unhex(t, "00A4040C07A0000002471001"))
		for i, e := range exchanges {
			got, err := card.Transmit(t.Context(), e[0])
			if err != nil || !bytes.Equal(got, e[1]) {
				t.Fatalf("%s: answer %d: got %X, %v; want %X", name, i+1, got, err, e[1])
			}
		}
		if !bytes.Equal(card.terminalKey, compressed) {
			t.Errorf("%s: the chip did not keep the reader's key", name)
		}
	}
}

// extended is a reader that carries extended length.
type extended struct{ apdu.Card }

func (extended) Limits() (command, response int) { return 65544, 65538 }

// chipKey makes a static key, and the reader's view of it.
func chipKey(t testing.TB, id int, curve *ec.Curve, group *dh.Group) (ChipKey, lds.ChipAuthenticationPublicKeyInfo) {
	t.Helper()
	key := ChipKey{KeyID: id, Curve: curve, Group: group}
	seen := lds.ChipAuthenticationPublicKeyInfo{KeyID: id, Curve: curve, Group: group}
	var err error
	if curve != nil {
		key.Private, seen.Point, err = curve.GenerateKey(rand.Reader, ec.Point{})
	} else {
		key.Private, seen.Value, err = group.GenerateKey(rand.Reader, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	seen.Raw = key.Public()
	return key, seen
}

// protocol is a chip authentication protocol as chip and reader have it.
func protocol(key ChipKey, seen lds.ChipAuthenticationPublicKeyInfo, cipher access.Cipher) (ChipAuth, access.ChipAuthVariant) {
	kind := 1
	if key.Curve != nil {
		kind = 2
	}
	oid := fmt.Sprintf("%s.%d.%d", oidCA, kind, cipher)
	return ChipAuth{OIDs: []string{oid}, Key: key}, access.ChipAuthVariant{OID: oid, Cipher: cipher, KeyID: key.KeyID, Key: seen}
}

func TestEveryKeyAndCipherAuthenticatesTheChip(t *testing.T) {
	type domain struct {
		curve *ec.Curve
		group *dh.Group
	}
	var domains []domain
	for id := 8; id <= 18; id++ {
		if c := ec.ByParameterID(id); c != nil {
			domains = append(domains, domain{curve: c})
		}
	}
	for id := range 3 {
		domains = append(domains, domain{group: dh.ByParameterID(id)})
	}
	for _, d := range domains {
		key, seen := chipKey(t, -1, d.curve, d.group)
		for cipher := access.TripleDES; cipher <= access.AES256; cipher++ {
			auth, v := protocol(key, seen, cipher)
			p := specimen(true)
			p.ChipAuth = []ChipAuth{auth}
			for _, plain := range []bool{false, true} {
				p.BAC = !plain
				card := New(p, Options{})
				name := fmt.Sprintf("%s without session %v", v.OID, plain)
				session := open(t, extended{card}, plain)
				before := card.sm
				got, err := access.ChipAuthentication(t.Context(), session, v, rand.Reader)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got.Session.Cipher() != cipher || card.sm == before || card.Seen().ChipAuth != 1 {
					t.Errorf("%s: secure messaging was not restarted", name)
				}
				if !bytes.Equal(got.Key, card.terminalKey) {
					t.Errorf("%s: reader and chip compress the key differently", name)
				}
				r, err := apdu.Send(t.Context(), got.Session, apdu.ReadBinarySFI(1, 16))
				if err != nil || len(r.Data) != 16 || !got.Proven() {
					t.Errorf("%s: DG1: got %d bytes, %v", name, len(r.Data), err)
				}
				if card.Seen().SMErrors != 0 {
					t.Errorf("%s: the chip found %d commands wrong", name, card.Seen().SMErrors)
				}
			}
		}
	}
}

// open selects the application, and runs BAC where the chip has it.
func open(t testing.TB, card apdu.Card, plain bool) apdu.Card {
	t.Helper()
	if _, err := apdu.Send(context.Background(), card, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		t.Fatal(err)
	}
	if plain {
		return card
	}
	session, err := access.BAC(context.Background(), card, keyTD3, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestChipOfTwoKeys(t *testing.T) {
	one, seenOne := chipKey(t, 1, ec.ByName("P-256"), nil)
	two, seenTwo := chipKey(t, 300, ec.ByName("brainpoolP384r1"), nil)
	first, v1 := protocol(one, seenOne, access.TripleDES)
	second, v2 := protocol(two, seenTwo, access.AES256)
	v1.Ambiguous, v2.Ambiguous = true, true
	p := specimen(true)
	p.ChipAuth = []ChipAuth{first, second}
	unnamed, swapped := v1, v2
	unnamed.KeyID, swapped.KeyID = -1, 1
	for _, c := range []struct {
		name string
		v    access.ChipAuthVariant
		want apdu.StatusWord
	}{
		{"the first", v1, apdu.Success},
		{"the second", v2, apdu.Success},
		{"neither named", unnamed, apdu.ReferenceNotFound},
		{"the other's identifier", swapped, apdu.ReferenceNotFound},
	} {
		card := New(p, Options{})
		got, err := access.ChipAuthentication(t.Context(), open(t, extended{card}, false), c.v, rand.Reader)
		if err == nil {
			err = got.Confirm(t.Context())
		}
		if sw, _ := access.Declined(err); (err == nil) != (c.want == apdu.Success) || err != nil && sw != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// A copy says 9000 and is found out by its first answer.
func TestCopiesWithoutTheChipKey(t *testing.T) {
	key, seen := chipKey(t, -1, ec.ByName("brainpoolP256r1"), nil)
	for cipher := access.TripleDES; cipher <= access.AES256; cipher++ {
		auth, v := protocol(key, seen, cipher)
		p := specimen(true)
		p.ChipAuth = []ChipAuth{auth}
		got, err := access.ChipAuthentication(t.Context(), open(t, New(p, Options{Faults: Faults{ChipAuthOtherKey: true}}), false), v, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Confirm(t.Context()); !errors.Is(err, access.ErrChipKey) || got.Proven() {
			t.Errorf("%s, other key: got %v, proven %v", cipher, err, got.Proven())
		}
		card := New(p, Options{Faults: Faults{ChipAuthRefused: apdu.ConditionsOfUse}})
		session := open(t, card, false)
		_, err = access.ChipAuthentication(t.Context(), session, v, rand.Reader)
		if sw, ok := access.Declined(err); !ok || sw != apdu.ConditionsOfUse {
			t.Errorf("%s, declined: got %v", cipher, err)
		}
		if r, err := apdu.Send(t.Context(), session, apdu.ReadBinarySFI(1, 4)); err != nil || r.SW != apdu.Success {
			t.Errorf("%s: the session after the chip declined: %v, %v", cipher, r.SW, err)
		}
	}
}

func TestChipAuthenticationStatusWords(t *testing.T) {
	curve := ec.ByName("P-256")
	one, _ := chipKey(t, 1, curve, nil)
	group := dh.ByParameterID(0)
	two, _ := chipKey(t, 2, nil, group)
	single, both := specimen(false), specimen(false)
	single.ChipAuth = []ChipAuth{{OIDs: []string{oidCA + ".2.1", oidCA + ".2.2"}, Key: one}}
	both.ChipAuth = append(single.ChipAuth[:1:1], ChipAuth{OIDs: []string{oidCA + ".1.1", oidCA + ".1.2"}, Key: two})
	point := hex.EncodeToString(curve.Marshal(curve.ScalarMult(curve.G, big.NewInt(3))))
	off := point[:len(point)-2] + "00"
	compressed := "03" + point[2:66]
	y := hex.EncodeToString(group.Marshal(group.G))
	kat := func(objects string) string { return fmt.Sprintf("002241A6%02X%s", len(objects)/2, objects) }
	at := func(objects string) string { return fmt.Sprintf("002241A4%02X%s", len(objects)/2, objects) }
	ga := func(object string) string {
		object = fmt.Sprintf("7C%s%s", length(len(object)/2), object)
		return fmt.Sprintf("00860000%02X%s00", len(object)/2, object)
	}
	aes, aesDH := "800A04007F00070202030202", "800A04007F00070202030102"
	selected := [2]string{"00A4040C07A0000002471001", "9000"}
	for _, c := range []struct {
		name string
		p    Passport
		rows [][2]string
	}{
		{"no chip authentication", specimen(false), [][2]string{selected, {at(aes), "6A86"}, {kat("9141" + point), "6A86"}}},
		{"not in the master file", single, [][2]string{{at(aes), "6985"}, {kat("9141" + point), "6985"}}},
		{"agreement template", single, [][2]string{
			selected, {kat("9141" + off), "6A80"}, {kat("9121" + compressed), "6A80"}, {kat("910100"), "6A80"}, {kat("9100"), "6A80"},
			{kat("8041" + point), "6A80"}, {kat("9141" + point + "840102"), "6A88"}, {kat("840101" + "9141" + point), "6A80"},
			{kat("9141" + point + "9141" + point), "6A80"}, {"002241A6", "6A80"}, {kat("91"), "6A80"}, {kat("9141"+point) + "00", "6700"},
			{kat("9141" + point + "840101"), "9000"},
		}},
		{"agreement template, no identifier", single, [][2]string{selected, {kat("9141" + point), "9000"}, {"00B0000000", "6986"}}},
		{"authentication template", single, [][2]string{
			selected, {at("800A04007F00070202030204"), "6A80"}, {at("800A04007F00070202040202"), "6A80"}, {at("840101"), "6A80"}, {at("8000"), "6A80"},
			{at(aes + "840102"), "6A88"}, {"002241B6020000", "6A86"},
			{at(aes), "9000"}, {"10" + ga("8041" + point)[2:], "6883"},
			{at(aes), "9000"}, {ga("8041" + off), "6A80"}, {ga("8041" + point), "6985"}, // a failed run is over
			{at(aes), "9000"}, {ga("8141" + point), "6A80"}, {at(aes), "9000"}, {ga(""), "6A80"},
			{at(aes), "9000"}, {strings.TrimSuffix(ga("8041"+point), "00"), "6700"},
			{at(aes), "9000"}, {"0086000100", "6A86"},
			{at(aes), "9000"}, {"00B0810000", "9000"}, {ga("8041" + point), "6985"}, // interrupted
			{at(aes + "840101"), "9000"}, {ga("8041" + point), "9000"},
		}},
		{"two keys", both, [][2]string{
			selected, {at(aes), "6A88"}, {at(aes + "840102"), "6A88"}, {kat("9141" + point), "6A88"},
			{at(aesDH + "840102"), "9000"}, {ga("80818000" + y[2:]), "6A80"}, // not an unsigned integer of fewest octets
			{at(aesDH + "840102"), "9000"}, {ga("800101"), "6A80"}, // 1 generates nothing
			{at(aesDH + "840102"), "9000"}, {ga("808180" + y), "9000"},
		}},
	} {
		card := New(c.p, Options{})
		for _, row := range c.rows {
			r, err := card.Transmit(t.Context(), unhex(t, row[0]))
			if err != nil || len(r) < 2 {
				t.Fatalf("%s: %s: %X, %v", c.name, row[0], r, err)
			}
			if got := strings.ToUpper(hex.EncodeToString(r[len(r)-2:])); got != row[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, row[0], got, row[1])
			}
		}
	}
	locked := single
	locked.BAC = true
	card := New(locked, Options{})
	for _, row := range [][2]string{selected, {at(aes), "6982"}} {
		if r, _ := card.Transmit(t.Context(), unhex(t, row[0])); !strings.EqualFold(hex.EncodeToString(r), row[1]) {
			t.Errorf("before access control: %s: got %X, want %s", row[0], r, row[1])
		}
	}
}

// length is a BER length in hexadecimal.
func length(n int) string {
	if n < 128 {
		return fmt.Sprintf("%02X", n)
	}
	return fmt.Sprintf("81%02X", n)
}

// What a chip learnt under the old keys is not sent under the new: a plain
// command afterwards ends the session and the rights with it.
func TestPlainCommandEndsTheRestartedSession(t *testing.T) {
	key, seen := chipKey(t, -1, ec.ByName("P-256"), nil)
	auth, v := protocol(key, seen, access.AES128)
	p := specimen(true)
	p.ChipAuth = []ChipAuth{auth}
	card := New(p, Options{})
	got, err := access.ChipAuthentication(t.Context(), open(t, card, false), v, rand.Reader)
	if err != nil || got.Confirm(t.Context()) != nil {
		t.Fatal(err)
	}
	if b, err := card.Transmit(t.Context(), unhex(t, "00B0810000")); err != nil || !bytes.Equal(b, []byte{0x69, 0x82}) || card.terminalKey != nil {
		t.Errorf("a plain read: got %X, %v; want 6982 and the reader's key forgotten", b, err)
	}
	var plain *access.PlainStatusError
	if _, err := apdu.Send(t.Context(), got.Session, apdu.ReadBinarySFI(1, 4)); !errors.As(err, &plain) {
		t.Errorf("the session afterwards: got %v", err)
	}
}

func FuzzChipProofCommands(f *testing.F) {
	curve := ec.ByName("P-256")
	p := specimen(false)
	p.ChipAuth = []ChipAuth{
		{OIDs: []string{oidCA + ".2.1", oidCA + ".2.2"}, Key: ChipKey{KeyID: 1, Curve: curve, Private: big.NewInt(77)}},
		{OIDs: []string{oidCA + ".1.2"}, Key: ChipKey{KeyID: 2, Group: dh.ByParameterID(0), Private: big.NewInt(99)}},
	}
	p.ActiveAuth = &ActiveKey{Curve: curve, Private: big.NewInt(55), Hash: crypto.SHA256}
	point := hex.EncodeToString(curve.Marshal(curve.G))
	f.Add(unhex(f, "002241A40F800A04007F00070202030202840101"), unhex(f, "00860000457C438041"+point+"00"))
	f.Add(unhex(f, "002241A646"+"9141"+point+"840101"), unhex(f, "0CB08100000D9701048E080102030405060708000000"))
	f.Add(unhex(f, "0088000008010203040506070800"), unhex(f, "002241A40F800A04007F00070202030102840102"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		repotest.Bounded(t, len(first)+len(second), func() {
			card := New(p, Options{Random: rnd{}})
			for _, c := range [][]byte{unhex(t, "00A4040C07A0000002471001"), first, second} {
				b, err := card.Transmit(context.Background(), c)
				if err != nil || len(b) < 2 || len(b) > apdu.MaxLe+2 {
					t.Errorf("%X: answered %d bytes, %v", c, len(b), err)
				}
			}
			if card.sm != nil && card.Seen().ChipAuth == 0 {
				t.Error("secure messaging without a key agreement")
			}
		})
	})
}
