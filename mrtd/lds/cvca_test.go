package lds

import (
	"math/big"
	"reflect"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
)

func TestParseCVCA(t *testing.T) {
	one := "420b" + "55544356434130303031" + "31" // UTCVCA00011
	two := "420b5554435643413030303130"
	zeros := func(n int) string { return strings.Repeat("00", n) }
	for _, c := range []struct {
		name, file string
		want       CVCA
	}{
		{"one reference", one + zeros(23), CVCA{Current: "UTCVCA00011"}},
		{"two", one + two + zeros(10), CVCA{"UTCVCA00011", "UTCVCA00010"}},
		{"not filled up", one + two, CVCA{"UTCVCA00011", "UTCVCA00010"}},
		{"more than filled up", one + zeros(100), CVCA{Current: "UTCVCA00011"}},
	} {
		got, err := ParseCVCA(octets(t, c.file))
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
		whole, err := EncodeCVCA(c.want)
		if back, perr := ParseCVCA(whole); err != nil || perr != nil || back != c.want || len(whole) != CVCALen {
			t.Errorf("%s: written: %X, %v", c.name, whole, err)
		}
	}
	for _, bad := range []string{"", zeros(36), one[:10], one + "01", one + zeros(4) + "42", one + two + one, "4200" + one, "4211" + zeros(17), "5f2003555401"} {
		if got, err := ParseCVCA(octets(t, bad)); err == nil {
			t.Errorf("%s: got %+v", bad, got)
		}
	}
	for _, bad := range []CVCA{{}, {Current: "UTCVCA00001UTCVCA00001"}} {
		if got, err := EncodeCVCA(bad); err == nil {
			t.Errorf("%+v: wrote %X", bad, got)
		}
	}
}

func TestTerminalAuthenticationInfo(t *testing.T) {
	one := ber.EncodeInt(big.NewInt(1))
	info := func(rest ...[]byte) []byte {
		return ber.Encode(ber.Sequence, append([][]byte{ber.EncodeOID(oidTA)}, rest...)...)
	}
	file := func(parts ...[]byte) []byte { return ber.Encode(ber.Sequence, parts...) }
	octetString := func(b ...byte) []byte { return ber.Encode(ber.OctetString, b) }
	for _, c := range []struct {
		name string
		info []byte
		want []TerminalAuthenticationInfo
		file File
	}{
		{"version alone", info(one), []TerminalAuthenticationInfo{{Version: 1}}, EFCVCA},
		{"another file", info(one, file(octetString(0x01, 0x2C))), []TerminalAuthenticationInfo{{1, 0x012C, 0}}, File{Name: "EF.CVCA", FID: 0x012C}},
		{"and its short identifier", info(one, file(octetString(0x01, 0x2C), octetString(0x12))), []TerminalAuthenticationInfo{{1, 0x012C, 0x12}}, File{Name: "EF.CVCA", FID: 0x012C, SFI: 0x12}},
		{"a file identifier of one byte", info(one, file(octetString(1))), nil, EFCVCA},
		{"a short identifier of 31", info(one, file(octetString(1, 2), octetString(31))), nil, EFCVCA},
		{"no version", info(), nil, EFCVCA},
	} {
		infos, err := ParseSecurityInfos(ber.Encode(ber.Set, c.info))
		if err != nil || !reflect.DeepEqual(infos.TermAuth, c.want) || infos.EFCVCA() != c.file {
			t.Errorf("%s: got %+v in %+v, %v; want %+v in %+v", c.name, infos.TermAuth, infos.EFCVCA(), err, c.want, c.file)
		}
		if (c.want == nil) != (len(infos.Unknown) == 1) {
			t.Errorf("%s: unknown infos: got %v", c.name, infos.Unknown)
		}
	}
}

func FuzzParseCVCA(f *testing.F) {
	f.Add(octets(f, "420b55544356434130303031314200"))
	f.Add(make([]byte, CVCALen))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, ParseCVCA)
		if err != nil {
			return
		}
		if whole, err := EncodeCVCA(c); err != nil || len(whole) != CVCALen {
			t.Errorf("%+v: written again: %X, %v", c, whole, err)
		}
	})
}
