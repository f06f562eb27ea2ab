package trust_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

const (
	attributeDSC = "userCertificate;binary"
	attributeCRL = "certificateRevocationList;binary"
	attributeML  = "pkdMasterListContent"
	attributeCA  = "cACertificate;binary"
)

func importLDIF(s *trust.Store, b []byte, roots ...*trust.Certificate) (trust.Counts, error) {
	i, err := s.ImportFrom("icaopkd.ldif", bytes.NewReader(b), trust.Vouching{Roots: roots}, now)
	return i.Counts, err
}

// A directory as the PKD ships it: everything in it has to hold by itself.
func TestLDIF(t *testing.T) {
	a, b := authority(t, "a"), renamed(t, "b", "CSCA 2")
	stranger := authority(t, "stranger")
	link, err := a.Link(b)
	if err != nil {
		t.Fatal(err)
	}
	usage, err := a.NewSigner(specimen.SignerSpec{CA: true})
	if err != nil {
		t.Fatal(err)
	}
	abroad, err := a.NewSigner(specimen.SignerSpec{Country: "XO"})
	if err != nil {
		t.Fatal(err)
	}
	file := specimen.LDIF(
		// What needs others comes before what vouches for it.
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "signer of the new CSCA", Attribute: attributeDSC, Value: b.Signer()},
		specimen.LDIFEntry{Branch: "crl", Country: "UT", Name: "its list", Attribute: attributeCRL, Value: crl(t, b, 1, this, next)},
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "signer, of a CSCA in the store", Attribute: attributeDSC, Value: a.Signer()},
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "the same", Attribute: attributeDSC, Value: a.Signer()},
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "of an unknown CSCA", Attribute: attributeDSC, Value: stranger.Signer()},
		specimen.LDIFEntry{Branch: "dsc", Country: "XO", Name: "of another country than its CSCA", Attribute: attributeDSC, Value: abroad.Signer()},
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "no certificate", Attribute: attributeDSC, Value: []byte{0x30, 0}},
		specimen.LDIFEntry{Branch: "csca", Country: "UT", Name: "the new CSCA", Attribute: attributeCA, Value: b.CSCA()},
		specimen.LDIFEntry{Branch: "csca", Country: "UT", Name: "its link", Attribute: attributeCA, Value: link},
		specimen.LDIFEntry{Branch: "csca", Country: "UT", Name: "an unknown CSCA", Attribute: attributeCA, Value: stranger.CSCA()},
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "a CA as a signer", Attribute: attributeDSC, Value: usage.Signer()},
		specimen.LDIFEntry{Branch: "crl", Country: "UT", Name: "of an unknown CSCA", Attribute: attributeCRL, Value: crl(t, stranger, 9, this, next)},
		specimen.LDIFEntry{Branch: "ml", Country: "UT", Name: "a list", Attribute: attributeML, Value: masterList(t, a, this, a.CSCA())},
		specimen.LDIFEntry{Branch: "ml", Country: "UT", Name: "a list of no root", Attribute: attributeML, Value: masterList(t, stranger, this, stranger.CSCA())},
		specimen.LDIFEntry{Branch: "dl", Country: "UT", Name: "deviations", Attribute: "anyName;binary", Value: deviations(t, a, this, specimen.Deviation{Signer: a.Signer(), Type: typeDGHash})},
	)
	s := storeOf(t, a.CSCA())
	got, err := importLDIF(s, file, parse(t, a.CSCA()))
	if err != nil {
		t.Fatal(err)
	}
	want := trust.Counts{
		Total: 6, Added: 3, Duplicates: 1, Refused: 1, Unreadable: 1, // new CSCA, link, the CA as a signer, which is a's own key; the list's one; the stranger; what is none
		Signers: 2, SignersHeld: 1, Unchained: 2, Lists: 3, ListsRefused: 2,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if s.Signers() != 2 || len(s.DeviationLists()) != 1 || len(s.CRLs()) != 1 {
		t.Errorf("the store holds %d signers, %d deviation lists, %d revocation lists", s.Signers(), len(s.DeviationLists()), len(s.CRLs()))
	}
	for _, c := range s.Certificates() {
		if bytes.Equal(c.Raw, a.Signer()) || bytes.Equal(c.Raw, b.Signer()) {
			t.Error("a document signer has become an anchor")
		}
	}
	if r := s.Revoked(parse(t, b.Signer()), now); !r.Covered {
		t.Error("the new CSCA's list is not there")
	}
}

func TestSignersAreFoundByBothNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	a := authority(t, "a")
	more, err := a.NewSigner(specimen.SignerSpec{})
	if err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]string{"folder": dir, "memory": ""} {
		s := trust.NewStore()
		if where != "" {
			if s, err = trust.Open(where); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			name string
			b    []byte
			want trust.Counts
		}{
			{"a.cer", a.CSCA(), trust.Counts{Total: 1, Added: 1}},
			{"1.ldif", specimen.LDIF(specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "1", Attribute: attributeDSC, Value: a.Signer()}), trust.Counts{Signers: 1}},
			{"2.ldif", specimen.LDIF(
				specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "1", Attribute: attributeDSC, Value: a.Signer()},
				specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "2", Attribute: attributeDSC, Value: more.Signer()}), trust.Counts{Signers: 1, SignersHeld: 1}},
			{"empty.ldif", []byte("version: 1\n\n"), trust.Counts{}},
		} {
			if n, err := s.Import(step.name, step.b, nil, now); err != nil || n != step.want {
				t.Errorf("%s: %s: got %+v, %v; want %+v", name, step.name, n, err, step.want)
			}
		}
		if where != "" {
			if s, err = trust.Open(where); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range []*specimen.Authority{a, more} {
			ds := parse(t, x.Signer())
			for _, info := range []*trust.SignerInfo{{Issuer: ds.Issuer, Serial: ds.Serial}, {SubjectKeyID: ds.SubjectKeyID}} {
				found, err := s.FindSigners(info)
				if err != nil || len(found) != 1 || !bytes.Equal(found[0].Raw, ds.Raw) {
					t.Errorf("%s: %v: found %d, %v", name, info.Serial, len(found), err)
				}
			}
		}
		unknown := parse(t, authority(t, "b").Signer())
		if found, err := s.FindSigners(&trust.SignerInfo{Issuer: unknown.Issuer, Serial: unknown.Serial}); err != nil || len(found) != 0 {
			t.Errorf("%s: an unknown signer: found %d, %v", name, len(found), err)
		}
	}
	packs, _ := filepath.Glob(filepath.Join(dir, "*.dsc"))
	rest, _ := filepath.Glob(filepath.Join(dir, ".new-*"))
	if len(packs) != 2 || len(rest) != 0 {
		t.Fatalf("files: %v and %v, want two packs", packs, rest)
	}
	b, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(packs[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.FindSigners(&trust.SignerInfo{SubjectKeyID: []byte{1}}); err == nil || !strings.Contains(err.Error(), "has been changed") {
		t.Errorf("a changed pack: got %v", err)
	}
}

// Forms RFC 2849 allows, and ones it does not.
func TestLDIFForms(t *testing.T) {
	a := authority(t, "a")
	value := base64.StdEncoding.EncodeToString(a.Signer())
	folded := value[:10] + "\n " + value[10:50] + "\n " + value[50:]
	one := trust.Counts{Signers: 1}
	for name, c := range map[string]struct {
		text string
		want trust.Counts
		err  string
	}{
		"folded":             {"version: 1\n\ndn: cn=x\nuserCertificate;binary:: " + folded + "\n", one, ""},
		"not folded":         {"dn: cn=x\nuserCertificate;binary:: " + value, one, ""},
		"CRLF":               {"version: 1\r\n\r\ndn: cn=x\r\nUSERCERTIFICATE::" + strings.ReplaceAll(folded, "\n", "\r\n") + "\r\n\r\n", one, ""},
		"byte order mark":    {"\xEF\xBB\xBFversion: 1\n\ndn: cn=x\nuserCertificate;binary:: " + value + "\n", one, ""},
		"comments":           {"# folded\n comment: of two lines\nversion: 1\n# more\n\n\n\ndn:: Y249eA==\n# inside\nuserCertificate;binary:: " + value + "\n#\n\n\n", one, ""},
		"change record":      {"dn: cn=x\nchangetype: modify\nreplace: userCertificate;binary\nuserCertificate;binary:: " + value + "\n-\n\ndn: cn=y\nuserCertificate;binary:: " + value + "\n", trust.Counts{Signers: 1, Skipped: 1}, ""},
		"deletion":           {"dn: cn=x\nchangetype: delete\n", trust.Counts{Skipped: 1}, ""},
		"URL":                {"dn: cn=x\nuserCertificate;binary:< file:///etc/passwd\n", trust.Counts{Skipped: 1}, ""},
		"text value":         {"dn: cn=x\nuserCertificate: hello\n", trust.Counts{}, ""},
		"other attribute":    {"dn: cn=x\njpegPhoto:: " + value + "\n", trust.Counts{}, ""},
		"no base64":          {"dn: cn=x\nuserCertificate;binary:: %%%\n\ndn: cn=y\nuserCertificate;binary:: " + value + "\n", trust.Counts{Total: 1, Unreadable: 1, Signers: 1}, ""},
		"nothing to take":    {"dn: cn=x\nuserCertificate;binary:: %%%\n", trust.Counts{}, "none of its 1"},
		"no name":            {"version: 1\n\nuserCertificate;binary:: " + value + "\n", trust.Counts{}, "line 3: an entry that does not begin with its name"},
		"no colon":           {"dn: cn=x\nhello\n", trust.Counts{}, "line 2: not an attribute"},
		"version 2":          {"version: 2\n\ndn: cn=x\n", trust.Counts{}, "version of LDIF"},
		"a name of a mile":   {"dn: cn=x\n" + strings.Repeat("x", 200) + ": y\n", trust.Counts{}, "not an attribute"},
		"values without end": {"dn: cn=x\n" + strings.Repeat("a:: YQ==\n", 300), trust.Counts{}, "more than 256 values"},
	} {
		got, err := importLDIF(storeOf(t, a.CSCA()), []byte(c.text))
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %+v, %v; want %+v, %q", name, got, err, c.want, c.err)
		}
	}
	s := storeOf(t, a.CSCA())
	broken := "dn: cn=x\nuserCertificate;binary:: " + value + "\n\nbroken\n"
	if _, err := importLDIF(s, []byte(broken)); err == nil || s.Signers() != 0 || len(s.Sources()) != 1 {
		t.Errorf("a file that breaks off: got %v, and %d signers of it stayed", err, s.Signers())
	}
}

// repeated is a file made of a head and one part many times, and the most
// memory that was in use while it was read.
type repeated struct {
	head, part []byte
	size, at   int64
	probed     int64
	most       uint64
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	n := 0
	for n < len(b) && r.at < r.size {
		from := r.head
		i := r.at
		if i >= int64(len(r.head)) {
			from, i = r.part, (r.at-int64(len(r.head)))%int64(len(r.part))
		}
		m := copy(b[n:], from[i:])
		n, r.at = n+m, r.at+int64(m)
	}
	if r.at-r.probed > 8<<20 {
		r.probed = r.at
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.most = max(r.most, m.HeapAlloc)
	}
	return n, nil
}

func (r *repeated) Seek(offset int64, _ int) (int64, error) {
	r.at, r.probed = offset, offset
	return offset, nil
}

// Files of any size are read in the memory of one entry, and an entry has its bound.
func TestLDIFBombs(t *testing.T) {
	a := authority(t, "a")
	entry := []byte("dn: cn=x\nuserCertificate;binary:: " + base64.StdEncoding.EncodeToString(a.Signer()) + "\n\n")
	for name, c := range map[string]struct {
		file repeated
		want string
	}{
		"80 MB of signers":     {repeated{head: []byte("version: 1\n\n"), part: entry, size: 80 << 20}, ""},
		"24 MB of one value":   {repeated{head: []byte("dn: cn=x\nuserCertificate;binary:: "), part: []byte("QUFB"), size: 80 << 20}, "longer than"},
		"24 MB of folds":       {repeated{head: []byte("dn: cn=x\nuserCertificate;binary::"), part: []byte("\n A"), size: 80 << 20}, "longer than"},
		"24 MB of a comment":   {repeated{head: []byte("version: 1\n# "), part: []byte("comment "), size: 80 << 20}, "longer than"},
		"24 MB of comments":    {repeated{head: []byte("version: 1\n"), part: []byte("# comment\n"), size: 80 << 20}, ""},
		"24 MB of empty lines": {repeated{head: []byte("version: 1\n"), part: []byte("\n"), size: 80 << 20}, "entries"},
		"24 MB of text values": {repeated{head: []byte("dn: cn=x\n"), part: []byte("cn: x\n"), size: 80 << 20}, "longer than"},
	} {
		if testing.Short() && c.want == "" {
			continue
		}
		s := storeOf(t, a.CSCA())
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := s.ImportFrom("bomb.ldif", &c.file, trust.Vouching{}, now)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if used := int64(c.file.most) - int64(before.HeapAlloc); used > 40<<20 {
			t.Errorf("%s: %d MB were in use, want at most 40", name, used>>20)
		}
	}
}

// The mock signers as a directory, their CSCAs in the store.
func TestLDIFOfMockSigners(t *testing.T) {
	dir := repotest.Shared(t, "data/emrtd/mock-pki")
	signers, err := filepath.Glob(filepath.Join(dir, "*", "mock_dsc.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := trust.NewStore()
	var entries []specimen.LDIFEntry
	for _, path := range signers {
		ds := readPEM(t, path)
		entries = append(entries, specimen.LDIFEntry{Branch: "dsc", Country: "XX", Name: filepath.Base(filepath.Dir(path)), Attribute: attributeDSC, Value: ds.Raw})
	}
	anchors, err := filepath.Glob(filepath.Join(dir, "*", "mock_csca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range anchors {
		s.Add(trust.Source{Name: "csca"}, readPEM(t, path))
	}
	n, err := importLDIF(s, specimen.LDIF(entries...))
	if err != nil || n.Signers != len(signers) || n.Unchained != 0 {
		t.Errorf("got %+v, %v; want %d signers of %d CSCAs", n, err, len(signers), s.Len())
	}
	for _, path := range signers {
		ds := readPEM(t, path)
		found, err := s.FindSigners(&trust.SignerInfo{Issuer: ds.Issuer, Serial: ds.Serial})
		if err != nil || len(found) == 0 {
			t.Errorf("%s: found %d, %v", filepath.Dir(path), len(found), err)
		}
	}
}

func readPEM(t testing.TB, path string) *trust.Certificate {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := trust.ParseCertificates(b)
	if err != nil {
		t.Fatal(err)
	}
	return c[0]
}

// The real master lists as the PKD ships such, under one root of the two.
func TestLDIFOfRealMasterLists(t *testing.T) {
	dir := repotest.Shared(t, "data/emrtd/masterlists")
	var entries []specimen.LDIFEntry
	for _, name := range []string{"DE_ML_2026-05-28-08-28-45.ml", "NL_ML_2026-07-22.ml"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, specimen.LDIFEntry{Branch: "ml", Country: name[:2], Name: name, Attribute: attributeML, Value: b})
	}
	file := specimen.LDIF(entries...)
	roots := map[string]*trust.Certificate{}
	for _, name := range []string{"DE_ROOT_CA_CSCA07.cer", "NL_ROOT_CA.cer"} {
		roots[name[:2]] = readPEM(t, filepath.Join(dir, name))
	}
	for name, c := range map[string]struct {
		roots []*trust.Certificate
		want  trust.Counts
	}{
		"both": {[]*trust.Certificate{roots["DE"], roots["NL"]}, trust.Counts{Total: 999, Added: 627, Duplicates: 372, Lists: 2}},
		"NL":   {[]*trust.Certificate{roots["NL"]}, trust.Counts{Total: 411, Added: 411, Lists: 1, ListsRefused: 1}},
	} {
		if n, err := importLDIF(trust.NewStore(), file, c.roots...); err != nil || n != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", name, n, err, c.want)
		}
	}
	if _, err := importLDIF(trust.NewStore(), file); err == nil || errors.Is(err, trust.ErrSignature) {
		t.Errorf("no root: got %v, want an error that is no judgment", err)
	}
}

func FuzzLDIF(f *testing.F) {
	a := authority(f, "fuzz")
	other := authority(f, "other")
	f.Add(specimen.LDIF(
		specimen.LDIFEntry{Branch: "dsc", Country: "UT", Name: "x", Attribute: attributeDSC, Value: a.Signer()},
		specimen.LDIFEntry{Branch: "crl", Country: "UT", Name: "x", Attribute: attributeCRL, Value: crl(f, a, 1, this, next)},
		specimen.LDIFEntry{Branch: "csca", Country: "UT", Name: "x", Attribute: attributeCA, Value: other.CSCA()},
		specimen.LDIFEntry{Branch: "ml", Country: "UT", Name: "x", Attribute: attributeML, Value: masterList(f, a, this, a.CSCA(), other.CSCA())}))
	f.Add([]byte("version: 1\n# comment\n\ndn:: Y249eA==\nchangetype: delete\n\ndn: cn=y\nuserCertificate;binary:< file:///x\na:: %\n -\n"))
	f.Add(fmt.Appendf(nil, "dn: cn=x\r\nuserCertificate::%s\r\n", base64.StdEncoding.EncodeToString(a.Signer())))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !bytes.HasPrefix(b, []byte("dn:")) && !bytes.HasPrefix(b, []byte("version:")) {
			b = append([]byte("version: 1\n\n"), b...)
		}
		var s *trust.Store
		n, err := repotest.Parsed(t, b, func(b []byte) (trust.Counts, error) {
			s = storeOf(t, a.CSCA())
			return importLDIF(s, b)
		})
		if err != nil && (s.Signers() != 0 || len(s.Sources()) != 1) {
			t.Error("a refused file left something in the store")
		}
		// The one anchor vouches for its own certificates alone.
		if s.Len() > 1 || s.Signers() > 1 || err == nil && n.Signers != s.Signers() {
			t.Errorf("%d anchors and %d signers of %+v", s.Len(), s.Signers(), n)
		}
	})
}
