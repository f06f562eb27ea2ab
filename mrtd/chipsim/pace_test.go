package chipsim

import (
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"limen/mrtd/ber"
	"limen/mrtd/dh"
	"limen/mrtd/ec"
)

// What the chip answers where a reader is wrong about the mapping, its key or
// the length of its command.
func TestPACEIsStrict(t *testing.T) {
	const (
		arc   = "04007F0007020204"
		nonce = "10860000027C0000"
		token = "0C7C0A85080000000000000000"
	)
	mse := func(oid string) string { return "0022C1A40F 800A" + arc + oid + " 830102" }
	step := func(do ...byte) string { // a short GENERAL AUTHENTICATE of one object, no Le
		data := ber.Encode(0x7C, do)
		return "10860000" + hex.EncodeToString(append([]byte{byte(len(data))}, data...))
	}
	g := dh.ByParameterID(0)
	minus := new(big.Int).Sub(g.P, big.NewInt(1))
	small := g.Exp(big.NewInt(3), new(big.Int).Div(minus, big.NewInt(10)))
	number := func(tag ber.Tag, b []byte) string { return step(ber.Encode(tag, b)...) + "00" }
	key := number(0x81, g.G.Bytes())
	long := append(ber.Encode(0x7C, ber.Encode(0x81, dh.ByParameterID(1).G.Bytes())), 0)[:264]

	brainpool := ec.ByName("brainpoolP256r1")
	static := []ChipKey{{KeyID: 13, Curve: brainpool, Private: big.NewInt(5)}}
	dhGM := PACE{OID: "0.4.0.127.0.7.2.2.4.1.2", ParameterID: 0}
	ecIM := PACE{OID: "0.4.0.127.0.7.2.2.4.4.4", ParameterID: 13}
	ecCAM := PACE{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}
	for _, c := range []struct {
		name   string
		pace   PACE
		static []ChipKey
		rows   [][2]string
	}{
		{"DH", dhGM, nil, [][2]string{
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, []byte{0}), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, []byte{1}), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, minus.Bytes()), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, small.Bytes()), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, append([]byte{0}, big.NewInt(4).Bytes()...)), "6A80"}, // leading zero
			{mse("0102"), "9000"}, {nonce, "9000"}, {number(0x81, nil), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {key, "9000"}, {number(0x83, small.Bytes()), "6A80"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {key[:len(key)-2] + "20", "6700"}, // the answer does not fit Le
			{mse("0202"), "6A80"}, // not offered
		}},
		{"DH, 2048 bits in a short command", PACE{OID: dhGM.OID, ParameterID: 1}, nil, [][2]string{
			{mse("0102"), "9000"}, {nonce, "9000"}, {"10860000 000108" + hex.EncodeToString(long) + "0000", "9000"},
			{mse("0102"), "9000"}, {nonce, "9000"}, {"10860000 000108" + hex.EncodeToString(long) + "0100", "6700"},
		}},
		{"IM", ecIM, nil, [][2]string{
			{mse("0404"), "9000"}, {nonce, "9000"}, {number(0x81, make([]byte, 32)), "9000"},
			{mse("0404"), "9000"}, {nonce, "9000"}, {number(0x81, make([]byte, 16)), "6A80"}, // nonce of another cipher
			{mse("0404"), "9000"}, {nonce, "9000"}, {number(0x82, make([]byte, 32)), "6A80"},
		}},
		{"IM over P-224", PACE{OID: ecIM.OID, ParameterID: 10}, nil, [][2]string{{mse("0404"), "6A80"}}},
		{"CAM", ecCAM, static, [][2]string{
			{mse("0602"), "9000"}, {nonce, "9000"}, {"10860000457C438141" + hex.EncodeToString(brainpool.Marshal(brainpool.G)) + "00", "9000"},
			{"10860000457C438341" + hex.EncodeToString(brainpool.Marshal(brainpool.G)) + "00", "9000"}, {"00860000" + token + "00", "6300"},
		}},
		{"CAM without a key", ecCAM, nil, [][2]string{{mse("0602"), "6A80"}}},
		{"CAM with a key over another curve", ecCAM, []ChipKey{{KeyID: 12, Curve: ec.ByName("P-256"), Private: big.NewInt(5)}}, [][2]string{{mse("0602"), "6A80"}}},
		{"parameters spelled out", PACE{OID: dhGM.OID, ParameterID: 300, Group: g}, nil, [][2]string{
			{"0022C1A413 800A" + arc + "0102 830102 8402012C", "9000"}, {nonce, "9000"}, {key, "9000"},
			{"0022C1A413 800A" + arc + "0102 830102 8402012D", "6A88"},
			{"0022C1A415 800A" + arc + "0102 830102 840400000120", "6A80"},
		}},
	} {
		card := New(Passport{MRZ: printedTD3, CAN: can, PACE: []PACE{c.pace}, CAM: c.static}, Options{Random: rnd{}})
		for _, row := range c.rows {
			r, err := card.Transmit(t.Context(), unhex(t, row[0]))
			if err != nil || len(r) < 2 {
				t.Fatalf("%s: %s: %X, %v", c.name, row[0], r, err)
			}
			if got := strings.ToUpper(hex.EncodeToString(r[len(r)-2:])); got != row[1] {
				t.Errorf("%s: %s: got %s, want %s", c.name, row[0], got, row[1])
			}
		}
		if card.opened {
			t.Errorf("%s: the chip opened without a token", c.name)
		}
	}
}

func TestChipKeyPrintsRedacted(t *testing.T) {
	k := ChipKey{KeyID: 1, Group: dh.ByParameterID(0), Private: big.NewInt(0xABCDEF)}
	text, _ := k.MarshalText()
	for _, got := range []string{string(text), k.LogValue().String()} {
		if got != redactedChipKey {
			t.Errorf("got %s", got)
		}
	}
}
