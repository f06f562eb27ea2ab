package lds_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// cardSecurity is EF.CardSecurity of a specimen whose PACE maps by chip
// authentication, and the key it announces.
func cardSecurity(t testing.TB) ([]byte, chipsim.ChipKey) {
	t.Helper()
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	a, err := specimen.NewAuthority(specimen.DefaultProfile(at), specimen.Seed("card security"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}, SignedAt: at,
		PACE: []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Files[lds.EFCardSecurity.Path()], p.CAM[0]
}

func TestParseCardSecurity(t *testing.T) {
	good, key := cardSecurity(t)
	for name, b := range map[string][]byte{"as it is": good, "padded": append(bytes.Clone(good), 0, 0, 0)} {
		c, err := lds.ParseCardSecurity(b)
		if err != nil || len(c.Infos.PACE) != 1 || len(c.Infos.PublicKeys) != 1 || len(c.Signers) != 1 || len(c.Certificates) != 1 {
			t.Fatalf("%s: got %v, %v", name, c, err)
		}
		k := c.Infos.PublicKeys[0]
		if k.KeyID != 13 || !bytes.Equal(k.Curve.Marshal(k.Point), key.Public()) {
			t.Errorf("%s: key %d is not the chip's", name, k.KeyID)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, c); got != "[EF.CardSecurity of 1 PACE variants and 1 keys]" {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
	sod := specimenSOD(t)
	other := bytes.Replace(bytes.Clone(good), []byte("\x04\x00\x7F\x00\x07\x03\x02\x01"), []byte("\x04\x00\x7F\x00\x07\x03\x02\x02"), 1)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"nothing":        {nil, "truncated"},
		"cut off":        {good[:len(good)-1], "truncated"},
		"another type":   {other, "content type"},
		"another file":   {sod[4:], "content type"},
		"no message":     {[]byte{0x30, 0x00}, "signed message"},
		"too long":       {make([]byte, 1<<20), "longer than"},
		"bare infos":     {[]byte("\x31\x14\x30\x12\x06\x0A\x04\x00\x7F\x00\x07\x02\x02\x04\x02\x02\x02\x01\x02\x02\x01\x0D"), "signed message"},
		"unended length": {[]byte{0x30, 0x80, 0x30}, "truncated"},
	} {
		got, err := lds.ParseCardSecurity(c.in)
		if err == nil || !strings.HasPrefix(err.Error(), "EF.CardSecurity: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want %q", name, got, err, c.want)
		}
	}
}

func FuzzParseCardSecurity(f *testing.F) {
	good, _ := cardSecurity(f)
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, lds.ParseCardSecurity)
		if err != nil {
			return
		}
		for _, k := range c.Infos.PublicKeys {
			if k.Curve != nil && !k.Curve.Contains(k.Point) || k.Group != nil && !k.Group.Contains(k.Value) {
				t.Error("a key outside its curve or group")
			}
		}
	})
}
