package chipsim

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

const (
	// The specimens of Doc 9303-11, appendix D.2, and of Doc 9303-4.
	printedTD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
	keyTD3     = "L898902C3674081221204159"
	can        = "123456"
	oidPACE    = "0.4.0.127.0.7.2.2.4."
	oid128     = oidPACE + "2.2"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func specimen(bac bool, pace ...PACE) Passport {
	return Passport{
		MRZ: printedTD3, CAN: can, BAC: bac, PACE: pace,
		Files: map[lds.Path][]byte{
			0x3F00011C: ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID(oid128), []byte{2, 1, 2}, []byte{2, 1, 12})),
			0x011E:     ber.Encode(0x60, ber.Encode(0x5F01, []byte("0107")), ber.Encode(0x5F36, []byte("040000")), ber.Encode(0x5C, []byte{0x61, 0x75})),
			0x0101:     ber.Encode(0x61, make([]byte, 300)),
			0x0102:     ber.Encode(0x75, bytes.Repeat([]byte{0xD2}, 40000)),
		},
	}
}

// MRZ information of appendix D.2's four documents.
func TestMRZInformation(t *testing.T) {
	for _, c := range []struct{ name, printed, want string }{
		{"TD3", printedTD3, keyTD3},
		{"TD2, long number", "I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<\nD23145890<UTO3407127M95071227349<<<8", "D23145890734934071279507122"},
		{"TD2", "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL898902C<3UTO6908061F9406236<<<<<<<8", "L898902C<369080619406236"},
		{"TD1, long number", "I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<", "D23145890734934071279507122"},
		{"TD1", "I<UTOL898902C<3<<<<<<<<<<<<<<<\n6908061F9406236UTO<<<<<<<<<<<1\nERIKSSON<<ANNA<MARIA<<<<<<<<<<", "L898902C<369080619406236"},
		{"none", "", ""},
	} {
		if got := mrzInformation(c.printed); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// What the chip was personalized with is what the reader takes from the print.
func TestMRZInformationAgreesWithReader(t *testing.T) {
	for _, printed := range []string{
		printedTD3,
		"I<UTOD23145890<7349<<<<<<<<<<<\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<",
		"I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<\nD23145890<UTO3407127M95071227349<<<8",
	} {
		m, err := mrz.Parse(strings.Split(printed, "\n"), time.Date(2012, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.KeyMaterial(), mrzInformation(printed); got != want {
			t.Errorf("reader takes %s, chip has %s", got, want)
		}
	}
}

// One line a command: what is sent, and the status word it must earn.
func TestStatusWords(t *testing.T) {
	pace := PACE{OID: oid128, ParameterID: 12}
	mse := "0022C1A40F 800A04007F00070202040202 830101"
	g := "04" + hex.EncodeToString(ec.ByName("P-256").Marshal(ec.ByName("P-256").G))[2:]
	for _, c := range []struct {
		name string
		p    Passport
		opt  Options
		rows [][2]string
	}{
		{"locked by BAC", specimen(true), Options{}, [][2]string{
			{"00B09E0000", "6A82"}, // no such file in the master file
			{"00A4040C07A0000002471001", "9000"},
			{"00B09E0000", "6982"}, {"00A4020C02011E", "6982"}, {"00A4020C020110", "6982"}, {"00B0000000", "6982"},
			{"00A4040C07A0000002471002", "6A82"},
			{"00A4000C023F00", "9000"}, {"00A4020C02011C", "9000"}, {"00B0000000", "9000"}, {"00B0001700", "6B00"},
			{"00B0001000", "9000"}, {"00B0000020", "6282"}, {"00B0000016", "9000"}, {"00B09C0000", "9000"},
		}},
		{"odd instructions and classes", specimen(true), Options{}, [][2]string{
			{"00D0000000", "6D00"}, {"80B0000000", "6E00"}, {"0CB0000000", "6988"}, {"00A40", "6700"},
			{"00A4FF0C023F00", "6A86"}, {"10B09C0000", "6884"}, {"00B09C00", "6700"},
		}},
		{"BAC", specimen(true), Options{}, [][2]string{
			{"0084000008", "6985"}, // the application must be selected first
			{"00A4040C07A0000002471001", "9000"},
			{"008200002800" + strings.Repeat("00", 39) + "28", "6985"}, // no challenge yet
			{"0084000008", "9000"}, {"008200002700" + strings.Repeat("00", 38) + "28", "6700"},
			{"0084000008", "9000"}, {"008200002800" + strings.Repeat("00", 39) + "28", "6300"},
			{"008200002800" + strings.Repeat("00", 39) + "28", "6985"}, // a challenge serves one try
			{"0084000007", "6700"},
		}},
		{"no BAC", specimen(false, pace), Options{}, [][2]string{{"00A4040C07A0000002471001", "9000"}, {"0084000008", "6D00"}}},
		{"PACE out of order", specimen(false, pace), Options{}, [][2]string{
			{"10860000027C0000", "6985"}, // before MSE:SET AT
			{mse, "9000"}, {"00860000027C0000", "6884"},
			{mse, "9000"}, {"10860000027C00", "6700"},
			{mse, "9000"}, {"10860000047C02800000", "6A80"}, // step 1 carries nothing
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000457C438341" + g + "00", "6A80"}, // step 3's object in step 2
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"00B09C0000", "9000"}, {"10860000457C438141" + g + "00", "6985"}, // interrupted
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000457C438141" + g + "00", "9000"}, {"10860000457C438341" + g + "00", "9000"}, {"108600000C7C0A8508000000000000000000", "6883"},
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000457C438141" + g + "00", "9000"}, {"10860000457C438341" + g + "00", "9000"}, {"008600000C7C0A8508000000000000000000", "6300"},
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000457C438141" + g[:len(g)-2] + "0000", "6A80"}, // off the curve
			{mse, "9000"}, {"10860000027C0000", "9000"}, {"10860000057C0381010000", "6A80"}, // infinity
		}},
		{"MSE:SET AT", specimen(false, pace), Options{}, [][2]string{
			{"0022C1A40F 800A04007F00070202040204 830101", "6A80"}, // another cipher
			{"0022C1A40F 800A04007F00070202040202 830103", "6A88"}, // no PIN
			{"0022C1A412 800A04007F00070202040202 830101 84010D", "6A88"},
			{"0022C1A412 800A04007F00070202040202 830101 84010C", "9000"},
			{"0022C1A411 800A04007F00070202040202 830101 9900", "9000"}, // unknown objects are ignored
			{"002241A40F 800A04007F00070202040202 830101", "6A86"},
			{"0022C1A401 80", "6A80"},
		}},
		{"ambiguous parameters", specimen(false, pace, PACE{OID: oid128, ParameterID: 13}), Options{}, [][2]string{
			{mse, "6A88"}, {"0022C1A412 800A04007F00070202040202 830101 84010D", "9000"},
		}},
		{"open chip", specimen(false), Options{}, [][2]string{
			{"00A4040C07A0000002471001", "9000"}, {"00B0000000", "6986"}, {"00B0820000", "9000"},
			{"00B1000004 54028000 00", "9000"}, {"00B1000004 54029C50 00", "6B00"}, {"00B1000004 54028000", "6700"},
			{"00B1000002 5400 00", "6A80"}, {"00B1000104 54028000 00", "6A86"}, {"00B0830000", "6A82"}, {"00B0FF0000", "6A86"},
			{"00B08200 00 0400", "9000"}, {"00B0820001 00 00", "6700"},
		}},
		{"no extended length", specimen(false), Options{ShortOnly: true}, [][2]string{{"00B09C00 00 0400", "6700"}, {"00B09C0000", "9000"}}},
		{"EF.CardAccess 6985", specimen(true), Options{Faults: Faults{CardAccess: 0x6985}}, [][2]string{{"00B09C0000", "6985"}, {"00A4020C02011C", "6985"}}},
	} {
		card := New(c.p, c.opt)
		for _, row := range c.rows {
			raw, err := hex.DecodeString(strings.ReplaceAll(row[0], " ", ""))
			if err != nil {
				raw = unhex(t, row[0][:4]) // an odd digit: a truncated command
			}
			r, err := card.Transmit(t.Context(), raw)
			if err != nil || len(r) < 2 {
				t.Fatalf("%s: %s: %X, %v", c.name, row[0], r, err)
			}
			if got := strings.ToUpper(hex.EncodeToString(r[len(r)-2:])); got != row[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, row[0], got, row[1])
			}
		}
	}
}

// opened is a chip in session, the session, and the tap between them.
func opened(t testing.TB, opt Options) (*Card, *tap, *access.Session) {
	t.Helper()
	card := New(specimen(true), opt)
	between := &tap{card: card}
	if _, err := apdu.Send(context.Background(), between, apdu.SelectApplication(apdu.EMRTD())); err != nil {
		t.Fatal(err)
	}
	session, err := access.BAC(context.Background(), between, keyTD3, rnd{})
	if err != nil {
		t.Fatal(err)
	}
	return card, between, session
}

type rnd struct{}

func (rnd) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(i * 29)
	}
	return len(b), nil
}

// tap changes commands on their way and keeps the last as it was sent.
type tap struct {
	card   *Card
	change func([]byte) []byte
	last   []byte
}

func (t *tap) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	if t.change != nil {
		c = t.change(c)
	}
	t.last = append([]byte(nil), c...)
	return t.card.Transmit(ctx, c)
}

func TestSecureMessagingIsChecked(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   apdu.StatusWord
	}{
		{"P2 changed", func(b []byte) []byte { b[3] ^= 1; return b }, apdu.SMObjectsIncorrect},
		{"data changed", func(b []byte) []byte { b[9] ^= 1; return b }, apdu.SMObjectsIncorrect},
		{"checksum changed", func(b []byte) []byte { b[len(b)-2] ^= 1; return b }, apdu.SMObjectsIncorrect},
		{"checksum missing", func(b []byte) []byte {
			n := len(b) - 11
			return append(append(append([]byte{}, b[:4]...), byte(n-5)), append(b[5:n:n], 0)...)
		}, apdu.SMObjectsMissing},
		{"no objects", func(b []byte) []byte { return append(b[:4:4], 0) }, apdu.SMObjectsMissing},
		{"no TLV", func(b []byte) []byte { return append(b[:4:4], 1, 0xFF, 0) }, apdu.SMObjectsIncorrect},
	} {
		card, between, session := opened(t, Options{})
		between.change = c.change
		_, err := apdu.Send(t.Context(), session, apdu.SelectFile(0x011E))
		var plain *access.PlainStatusError
		if !errors.As(err, &plain) || plain.SW != c.want {
			t.Errorf("%s: got %v, want a plain %v", c.name, err, c.want)
		}
		if card.Seen().SMErrors != 1 {
			t.Errorf("%s: the chip counted %d errors", c.name, card.Seen().SMErrors)
		}
		// The keys are gone, and the rights with them.
		if b, err := card.Transmit(t.Context(), unhex(t, "00B09E0000")); err != nil || !bytes.Equal(b, []byte{0x69, 0x82}) {
			t.Errorf("%s: afterwards a plain read got %X, %v; want 6982", c.name, b, err)
		}
	}
}

func TestReplayIsRefused(t *testing.T) {
	card, between, session := opened(t, Options{})
	if _, err := apdu.Send(t.Context(), session, apdu.ReadBinarySFI(0x1E, 16)); err != nil {
		t.Fatal(err)
	}
	b, err := card.Transmit(t.Context(), between.last)
	if err != nil || !bytes.Equal(b, []byte{0x69, 0x88}) {
		t.Errorf("a replayed command got %X, %v; want 6988", b, err)
	}
}

func TestPlainCommandEndsTheSession(t *testing.T) {
	card, _, session := opened(t, Options{})
	if b, err := card.Transmit(t.Context(), unhex(t, "00B09E0000")); err != nil || !bytes.Equal(b, []byte{0x69, 0x82}) {
		t.Errorf("a plain read in session got %X, %v; want 6982", b, err)
	}
	_, err := apdu.Send(t.Context(), session, apdu.ReadBinarySFI(0x1E, 4))
	var plain *access.PlainStatusError
	if !errors.As(err, &plain) || plain.SW != apdu.SMObjectsIncorrect {
		t.Errorf("the session afterwards: got %v, want a plain 6988", err)
	}
}

func TestGoneAndBack(t *testing.T) {
	card := New(specimen(true), Options{Faults: Faults{GoneAfter: 2}})
	read := func() error { _, err := card.Transmit(t.Context(), unhex(t, "00B09C0000")); return err }
	if err := errors.Join(read(), read()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var gone interface{ CardGone() bool }
		if err := read(); !errors.As(err, &gone) || !gone.CardGone() {
			t.Errorf("got %v, want a card that is gone", err)
		}
	}
	card.Enter()
	if err := read(); err != nil {
		t.Errorf("back in the field: %v", err)
	}
}

func TestResetForgets(t *testing.T) {
	card, _, _ := opened(t, Options{})
	card.Reset()
	if b, _ := card.Transmit(t.Context(), unhex(t, "00B09E0000")); !bytes.Equal(b, []byte{0x6A, 0x82}) {
		t.Errorf("after reset: got %X, want 6A82 from the master file", b)
	}
}

func TestATR(t *testing.T) {
	card := New(specimen(true), Options{})
	atr := card.ATR()
	check := byte(0)
	for _, b := range atr[1:] {
		check ^= b
	}
	if check != 0 || int(atr[1]&0xF) != len(atr)-5 || atr[0] != 0x3B {
		t.Errorf("ATR %X: check %02X", atr, check)
	}
	ats := card.ATS()
	if int(ats[0]) != len(ats) || !bytes.HasSuffix(ats, atr[4:len(atr)-1]) {
		t.Errorf("ATS %X does not carry the historical bytes of %X", ats, atr)
	}
	if short := New(specimen(true), Options{ShortOnly: true}).ATS(); short[len(short)-1]&0x40 != 0 {
		t.Errorf("ATS %X promises extended length", short)
	}
}

func TestEveryFileIsServed(t *testing.T) {
	p := specimen(false)
	for _, f := range lds.EveryFile() {
		p.Files[f.Path()] = ber.Encode(f.Tag, big.NewInt(int64(f.FID)).Bytes())
	}
	card := New(p, Options{})
	for _, f := range lds.EveryFile() {
		if !f.MasterFile {
			card.Transmit(t.Context(), unhex(t, "00A4040C07A0000002471001"))
		}
		b, err := card.Transmit(t.Context(), []byte{0x00, 0xB0, 0x80 | f.SFI, 0, 0})
		if err != nil || !bytes.Equal(b[:len(b)-2], p.Files[f.Path()]) {
			t.Errorf("%s: got %X, %v", f, b, err)
		}
	}
}

func FuzzCommands(f *testing.F) {
	for _, seed := range []string{"00A4040C07A0000002471001", "0084000008", "00B09C0000", "0022C1A40F800A04007F00070202040202830101", "10860000027C0000", "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "00B10000045402800000"} {
		f.Add(unhex(f, seed), unhex(f, seed), false)
		f.Add(unhex(f, "0022C1A40F800A04007F00070202040202830101"), unhex(f, seed), true)
	}
	for _, oid := range []string{"0402", "0602", "0102", "0302"} {
		f.Add(unhex(f, "0022C1A40F800A04007F0007020204"+oid+"830101"), unhex(f, "10860000027C0000"), false)
	}
	f.Fuzz(func(t *testing.T, first, second []byte, inSession bool) {
		p := specimen(true, PACE{OID: oid128, ParameterID: 12}, PACE{OID: oidPACE + "4.2", ParameterID: 13},
			PACE{OID: oidPACE + "6.2", ParameterID: 13}, PACE{OID: oidPACE + "1.2", ParameterID: 0}, PACE{OID: oidPACE + "3.2", ParameterID: 0})
		p.CAM = []ChipKey{{KeyID: 13, Curve: ec.ByName("brainpoolP256r1"), Private: big.NewInt(7)}}
		repotest.Metered(t, func() int {
			card := New(p, Options{Random: rnd{}})
			if inSession {
				card, _, _ = opened(t, Options{})
			}
			n := len(first) + len(second)
			for _, c := range [][]byte{first, second} {
				b, err := card.Transmit(context.Background(), c)
				if err != nil || len(b) < 2 || len(b) > apdu.MaxLe+2 {
					t.Errorf("%X: answered %d bytes, %v", c, len(b), err)
				}
				n += len(b)
			}
			if card.opened && !inSession {
				t.Error("the chip opened without a key")
			}
			return n
		})
	})
}
