package specimen

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/internal/repotest"
	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

var utopia = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}

var day = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func picture(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 413, 531)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func order(t testing.TB) Order {
	t.Helper()
	text, err := os.ReadFile("testdata/utopia.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o, err := ParseSpec(text, func(name string) ([]byte, error) {
		switch name {
		case "portrait.jpg":
			return picture(t), nil
		case "dg13.bin":
			return []byte{0x6D, 1, 0xAA}, nil
		}
		return nil, fs.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestUtopiaHoldsWhatItsOrderAsks(t *testing.T) {
	a, p, err := order(t).Issue()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(Files(p), " "), "DG1 DG2 DG13 DG14 DG15 EF.SOD EF.COM EF.CardAccess EF.CardSecurity"; got != want {
		t.Errorf("files: got %s, want %s", got, want)
	}
	lines, err := lds.ParseDG1(p.Files[0x0101])
	if err != nil || !reflect.DeepEqual([]string(lines), utopia) {
		t.Errorf("DG1 is not the order's: %v", err)
	}
	dg2, err := lds.ParseDG2(p.Files[0x0102])
	if err != nil || len(dg2.Faces) != 1 || dg2.Faces[0].Width != 413 || dg2.Faces[0].Height != 531 ||
		dg2.Faces[0].Format != lds.JPEG || dg2.Faces[0].Stated != lds.JPEG || !bytes.Equal(dg2.Faces[0].Image, picture(t)) {
		t.Errorf("DG2: got %v, %v; want one JPEG of 413 by 531", dg2, err)
	}
	access, err := lds.ParseCardAccess(p.Files[0x3F00011C])
	want := lds.PACEInfo{OID: "0.4.0.127.0.7.2.2.4.2.2", Version: 2, ParameterID: 13}
	if err != nil || len(access.PACE) != 4 || !slices.Contains(access.PACE, want) {
		t.Errorf("EF.CardAccess: got %+v, %v", access.PACE, err)
	}
	com, err := lds.ParseCOM(p.Files[0x011E])
	if err != nil || !reflect.DeepEqual(com.Groups, []int{1, 2, 13, 14, 15}) || com.LDSVersion != "0107" {
		t.Errorf("EF.COM: got %+v, %v", com, err)
	}
	sod, err := lds.ParseSOD(p.Files[0x011D])
	if err != nil || !reflect.DeepEqual(sod.Groups(), com.Groups) || sod.Version != 1 || sod.LDSVersion != "0107" {
		t.Fatalf("EF.SOD: got %v, %v", sod, err)
	}
	csca, err := trust.ParseCertificate(a.CSCA())
	if err != nil || csca.Subject.Country != "UT" || !csca.IsCA() || csca.Link() || !csca.Key.Explicit || csca.VerifySignatureBy(csca) != nil {
		t.Errorf("CSCA: got %+v, %v", csca, err)
	}
	ds, err := trust.ParseCertificate(sod.Certificates[0])
	if err != nil || ds.VerifySignatureBy(csca) != nil || ds.Key.String() != "RSA 2048" || sod.Verify(sod.Signers[0], ds) != nil {
		t.Errorf("document signer: got %+v, %v", ds, err)
	}
	if got := sod.Signers[0].SigningTime; !got.Equal(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("signing time: got %v", got)
	}
}

func TestTheSameSeedIsTheSamePassport(t *testing.T) {
	o := order(t)
	o.Profile.DS = DefaultProfile(day).DS
	_, one, err := o.Issue()
	if err != nil {
		t.Fatal(err)
	}
	o.Profile.From = o.Profile.From.UTC()
	_, two, err := o.Issue()
	if err != nil || !reflect.DeepEqual(one, two) {
		t.Errorf("two passports of one seed differ: %v", err)
	}
	o.Seed = "another"
	_, three, err := o.Issue()
	if err != nil || bytes.Equal(one.Files[0x011D], three.Files[0x011D]) {
		t.Errorf("two seeds made one EF.SOD: %v", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	o := order(t)
	o.Profile.DS = DefaultProfile(day).DS
	_, p, err := o.Issue()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Save(p, dir); err != nil {
		t.Fatal(err)
	}
	back, err := Load(os.DirFS(dir))
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("a saved passport came back changed: %v", err)
	}
	// Without passport.yaml the files say how to open the chip; the CAN is lost, and the keys and trust points that are in no file.
	if err := os.Remove(dir + "/passport.yaml"); err != nil {
		t.Fatal(err)
	}
	// The mapping that takes a private key is lost too, and the order is that of the set.
	p.CAN, p.CAM, p.ChipAuth, p.ActiveAuth, p.CVCA = "", nil, nil, nil, nil
	p.PACE = []chipsim.PACE{p.PACE[3], p.PACE[0], p.PACE[2]}
	back, err = Load(os.DirFS(dir))
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("bare files: got %v, %v", Files(back), err)
	}
	if err := os.WriteFile(dir+"/copy.bin", p.Files[0x0101], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), "another DG1") {
		t.Errorf("two DG1: got %v", err)
	}
	if _, err := Load(os.DirFS(t.TempDir())); err == nil {
		t.Error("an empty folder was loaded")
	}
}

func TestLoadServesFilesReadFromElsewhere(t *testing.T) {
	p, err := Load(os.DirFS(repotest.Shared(t, "data/emrtd/specimen/bsi2008")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(Files(p), " "), "DG1 DG2 DG3 DG4 DG14 DG15 EF.SOD EF.COM"; got != want || !p.BAC || p.MRZ == "" {
		t.Errorf("got %s, BAC %v; want %s, BAC", got, p.BAC, want)
	}
}

func TestOrderErrorsNameLineAndColumn(t *testing.T) {
	const mrz = "mrz: [x]\nsigned: 2024-01-01\n"
	for _, c := range []struct{ name, text, where, what string }{
		{"unknown key", mrz + "colour: red\n", "[3:1]", "colour"},
		{"repeated key", mrz + "bac: true\nbac: false\n", "[4:1]", "bac"},
		{"wrong type", mrz + "bac: maybe\n", "[3:6]", ""},
		{"CAN", mrz + "can: \"12\"\n", "[3:6]", "six digits"},
		{"protocol", mrz + "pace:\n  - protocol: X\n    curve: P-256\n", "[4:15]", "PACE protocol"},
		{"curve", mrz + "pace:\n  - protocol: ECDH-GM-AES-CBC-CMAC-128\n    curve: P-99\n", "[5:12]", "P-99"},
		{"curve for DH", mrz + "pace:\n  - protocol: DH-GM-AES-CBC-CMAC-128\n    curve: P-256\n", "[4:13]", "group \"\""},
		{"group", mrz + "pace:\n  - protocol: DH-IM-AES-CBC-CMAC-128\n    group: 3\n", "[5:12]", "group"},
		{"curve and group", mrz + "pace:\n  - protocol: DH-IM-AES-CBC-CMAC-128\n    group: 1\n    curve: P-256\n", "[5:12]", "not both"},
		{"IM over P-224", mrz + "pace:\n  - protocol: ECDH-IM-AES-CBC-CMAC-128\n    curve: P-224\n", "[5:12]", "integrated mapping"},
		{"CAM with 3DES", mrz + "pace:\n  - protocol: ECDH-CAM-3DES-CBC-CBC\n    curve: P-256\n", "[4:15]", "PACE protocol"},
		{"reserved number", mrz + "pace:\n  - protocol: ECDH-GM-AES-CBC-CMAC-128\n    curve: P-256\n    parameters: 31\n", "[6:17]", "32"},
		{"hash", mrz + "hash: MD5\n", "[3:7]", "SHA-256"},
		{"date", "mrz: [x]\nsigned: yesterday\n", "[2:9]", "2026-01-31"},
		{"portrait", mrz + "portrait: nowhere.jpg\n", "[3:11]", "portrait"},
		{"bits", mrz + "issuer:\n  csca: {scheme: rsa, bits: 5, hash: SHA-256}\n", "[4:29]", "1024"},
		{"cipher", mrz + "chip_auth:\n  - cipher: DES\n    curve: P-256\n", "[4:13]", "AES-128"},
		{"neither curve nor group", mrz + "chip_auth:\n  - cipher: 3DES\n", "[4:11]", "curve or a group"},
		{"both curve and group", mrz + "chip_auth:\n  - {cipher: 3DES, curve: P-256, group: RFC 5114 2048/256}\n", "[4:5]", "curve or a group"},
		{"group", mrz + "chip_auth:\n  - {cipher: 3DES, group: MODP}\n", "[4:27]", "MODP"},
		{"curve of a key", mrz + "chip_auth:\n  - {cipher: 3DES, curve: P-99}\n", "[4:27]", "P-99"},
		{"key identifier", mrz + "chip_auth:\n  - {cipher: 3DES, curve: P-256, key_id: -1}\n", "[4:42]", "not negative"},
		{"a key's number in an order", mrz + "chip_auth:\n  - {cipher: 3DES, curve: P-256, private: \"1\"}\n", "[4:3]", "numbers"},
		{"scheme", mrz + "active: {scheme: dsa, bits: 1024, hash: SHA-1}\n", "[3:18]", "neither rsa nor ecdsa"},
		{"hash of signatures", mrz + "active: {scheme: rsa, bits: 1024, hash: MD5}\n", "[3:41]", "SHA-256"},
		{"length of a key", mrz + "active: {scheme: rsa, bits: 1000, hash: SHA-1}\n", "[3:29]", "1024"},
		{"curve of signatures", mrz + "active: {scheme: ecdsa, curve: x, hash: SHA-1}\n", "[3:32]", "not known"},
		{"no date", "mrz: [x]\n", "[1:", "date"},
		{"no mrz", "signed: 2024-01-01\n", "[1:", "mrz is missing"},
		{"not YAML", "mrz: [x\n", "[1:", ""},
	} {
		_, err := ParseSpec([]byte(c.text), func(string) ([]byte, error) { return nil, errors.New("not there") })
		if err == nil || !strings.Contains(err.Error(), c.where) || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: got %v; want %s and %q", c.name, err, c.where, c.what)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	a, err := NewAuthority(DefaultProfile(day), Seed("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Spec{
		"short lines":        {Lines: []string{"P<UTO"}},
		"no lines":           {},
		"three of 44":        {Lines: append([]string{utopia[0]}, utopia...)},
		"bad picture":        {Lines: utopia, Portrait: []byte("GIF89a")},
		"letters in CAN":     {Lines: utopia, CAN: "12345a"},
		"group without tag":  {Lines: utopia, Groups: map[int][]byte{13: {1, 2, 3}}},
		"group 17":           {Lines: utopia, Groups: map[int][]byte{17: {0x70, 0}}},
		"DG1 twice":          {Lines: utopia, Groups: map[int][]byte{1: {0x61, 0}}},
		"DG15 twice":         {Lines: utopia, ActiveAuth: &ActiveAuth{Curve: "P-256", Hash: crypto.SHA256}, Groups: map[int][]byte{15: {0x6F, 0}}},
		"no such curve":      {Lines: utopia, ActiveAuth: &ActiveAuth{Curve: "P-99", Hash: crypto.SHA256}},
		"no hash":            {Lines: utopia, ActiveAuth: &ActiveAuth{Curve: "P-256"}},
		"no cipher":          {Lines: utopia, ChipAuth: []ChipAuth{{Curve: "P-256"}}},
		"no domain":          {Lines: utopia, ChipAuth: []ChipAuth{{Cipher: access.AES128}}},
		"no such group":      {Lines: utopia, ChipAuth: []ChipAuth{{Cipher: access.AES128, Group: "x"}}},
		"key without name":   {Lines: utopia, ChipAuth: []ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}, {Cipher: access.AES128, Curve: "P-384", KeyID: -1}}},
		"two keys of a name": {Lines: utopia, ChipAuth: []ChipAuth{{Cipher: access.AES128, Curve: "P-256", KeyID: 1}, {Cipher: access.AES128, Curve: "P-384", KeyID: 1}}},
	} {
		if _, err := a.Issue(s); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestSpecPrintsRedacted(t *testing.T) {
	s := Spec{Lines: utopia, CAN: "123456"}
	lines := lds.MRZ(utopia)
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v", s, s), fmt.Sprintf("%v %#v", lines, lines)} {
		if strings.Contains(text, "ERIKSSON") || strings.Contains(text, "123456") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestProtocolNames(t *testing.T) {
	for name, oid := range map[string]string{
		"ECDH-GM-AES-CBC-CMAC-256":  oidPACE + ".2.4",
		"ECDH-CAM-AES-CBC-CMAC-128": oidPACE + ".6.2",
		"DH-GM-3DES-CBC-CBC":        oidPACE + ".1.1",
		"ECDH-CAM-3DES-CBC-CBC":     "",
		"ECDH":                      "",
	} {
		if got := ProtocolOID(name); got != oid {
			t.Errorf("%s: got %s, want %s", name, got, oid)
		}
		if oid != "" && ProtocolName(oid) != name {
			t.Errorf("%s: got %s, want %s", oid, ProtocolName(oid), name)
		}
	}
}

// What DG14 and DG15 announce is what the chip holds.
func TestKeysThatProveTheChip(t *testing.T) {
	_, p, err := order(t).Issue()
	if err != nil {
		t.Fatal(err)
	}
	infos, err := lds.ParseDG14(p.Files[0x010E])
	if err != nil {
		t.Fatal(err)
	}
	if len(infos.PACE) != len(p.PACE) || len(infos.ActiveAuth) != 1 || infos.ActiveAuth[0] != (lds.ActiveAuthenticationInfo{Version: 1, Algorithm: "0.4.0.127.0.7.1.1.4.1.3"}) {
		t.Errorf("DG14: got %d PACE infos, %+v", len(infos.PACE), infos.ActiveAuth)
	}
	if len(infos.PublicKeys) != 2 || len(infos.ChipAuth) != 1 || infos.ChipAuth[0] != (lds.ChipAuthenticationInfo{OID: oidChipAuth + ".2.2", Version: 1, KeyID: 1}) {
		t.Fatalf("DG14: got %d keys, %+v", len(infos.PublicKeys), infos.ChipAuth)
	}
	for _, a := range p.ChipAuth {
		found := false
		for _, k := range infos.PublicKeys {
			public := []byte(nil)
			if k.Curve != nil {
				public = k.Curve.Marshal(k.Point)
			} else {
				public = k.Group.Marshal(k.Value)
			}
			found = found || k.KeyID == a.Key.KeyID && bytes.Equal(public, a.Key.Public())
		}
		if !found {
			t.Errorf("key %d of the chip is not the one DG14 announces", a.Key.KeyID)
		}
	}
	key, err := lds.ParseDG15(p.Files[0x010F])
	active := p.ActiveAuth
	if err != nil || !key.Explicit || key.Curve != active.Curve || !key.Point.Equal(active.Curve.ScalarMult(active.Curve.G, active.Private)) {
		t.Errorf("DG15: got %v, %v", key, err)
	}
}

func TestSaveAndLoadKeys(t *testing.T) {
	a, err := NewAuthority(DefaultProfile(day), Seed("keys"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Spec{
		"RSA": {ActiveAuth: &ActiveAuth{Bits: 1024, Hash: crypto.SHA224}},
		"one key, two protocols": {ChipAuth: []ChipAuth{
			{Cipher: access.TripleDES, Curve: "P-384", KeyID: -1}, {Cipher: access.AES256, Curve: "P-384", KeyID: -1}}},
		"two keys": {ChipAuth: []ChipAuth{
			{Cipher: access.TripleDES, Group: "RFC 5114 1024/160", KeyID: 0}, {Cipher: access.AES192, Curve: "brainpoolP512r1", KeyID: 700}}},
	} {
		s.Lines, s.BAC = utopia, true
		p, err := a.Issue(s)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := Save(p, dir); err != nil {
			t.Fatal(err)
		}
		back, err := Load(os.DirFS(dir))
		if err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s: came back changed: %v", name, err)
		}
	}
	unnamed := *ec.ByName("P-256")
	unnamed.Name = ""
	p := chipsim.Passport{MRZ: "x", ActiveAuth: &chipsim.ActiveKey{Curve: &unnamed, Private: unnamed.N, Hash: crypto.SHA256}}
	if err := Save(p, t.TempDir()); err == nil {
		t.Error("a key on a curve without a name was saved")
	}
}

func TestLoadRefusesBadKeys(t *testing.T) {
	const secret = "5EC2E75EC2E75EC2E7"
	for name, text := range map[string]string{
		"scalar of zero":        "active: {scheme: ecdsa, curve: P-256, hash: SHA-256, private: \"0\"}\n",
		"scalar too large":      "active: {scheme: ecdsa, curve: P-256, hash: SHA-256, private: \"" + strings.Repeat("F", 64) + "\"}\n",
		"no scalar":             "active: {scheme: ecdsa, curve: P-256, hash: SHA-256}\n",
		"not hexadecimal":       "active: {scheme: ecdsa, curve: P-256, hash: SHA-256, private: \"" + secret + "x\"}\n",
		"no such curve":         "active: {scheme: ecdsa, curve: P-1, hash: SHA-256, private: \"1\"}\n",
		"no hash":               "active: {scheme: ecdsa, curve: P-256, private: \"1\"}\n",
		"no scheme":             "active: {hash: SHA-256, private: \"1\"}\n",
		"short modulus":         "active: {scheme: rsa, modulus: \"" + secret + "\", hash: SHA-256, private: \"1\"}\n",
		"no modulus":            "active: {scheme: rsa, hash: SHA-256, private: \"1\"}\n",
		"chip key out of range": "chip_auth: [{cipher: AES-128, curve: P-224, private: \"" + strings.Repeat("F", 60) + "\"}]\n",
		"chip key of no cipher": "chip_auth: [{cipher: X, curve: P-224, private: \"1\"}]\n",
	} {
		dir := t.TempDir()
		dg1, err := lds.EncodeDG1(utopia)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(dir+"/DG1.bin", dg1, 0o600), os.WriteFile(dir+"/passport.yaml", []byte("mrz: [x]\nbac: true\n"+text), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err = Load(os.DirFS(dir))
		if err == nil || !strings.Contains(err.Error(), "[3:") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got %v; want an error at line 3 that keeps the number to itself", name, err)
		}
	}
}

// EF.SOD and EF.COM state the version asked for, EF.SOD none where it is not to,
// and the signer's certificate the documents it signs.
func TestVersionAndDocuments(t *testing.T) {
	p := DefaultProfile(day)
	p.Documents = []string{"I", "P"}
	a, err := NewAuthority(p, Seed("versions"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := trust.ParseCertificate(a.Signer())
	if err != nil || !slices.Equal(signer.DocumentTypes, p.Documents) {
		t.Errorf("the signer's documents: got %v, %v; want %v", signer.DocumentTypes, err, p.Documents)
	}
	for _, c := range []struct {
		spec     Spec
		com, sod string
	}{
		{Spec{}, "0107", "0107"}, {Spec{Unversioned: true}, "0107", ""}, {Spec{Version: "0108"}, "0108", "0108"},
	} {
		c.spec.Lines = utopia
		issued, err := a.Issue(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		com, err := lds.ParseCOM(issued.Files[lds.EFCOM.Path()])
		if err != nil || com.LDSVersion != c.com {
			t.Errorf("EF.COM states %q, %v; want %q", com.LDSVersion, err, c.com)
		}
		sod, err := lds.ParseSOD(issued.Files[lds.EFSOD.Path()])
		if err != nil || sod.LDSVersion != c.sod {
			t.Errorf("EF.SOD states %q, %v; want %q", sod.LDSVersion, err, c.sod)
		}
	}
}
