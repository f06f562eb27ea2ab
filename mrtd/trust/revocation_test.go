package trust_test

import (
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

func addCRL(t testing.TB, s *trust.Store, b []byte) {
	t.Helper()
	if added, err := s.AddCRL(trust.Source{Name: "crl"}, parseCRL(t, b), now); err != nil || !added {
		t.Fatalf("revocation list: added %v, %v", added, err)
	}
}

func TestRevoked(t *testing.T) {
	a := authority(t, "a")
	good, err := a.NewSigner(specimen.SignerSpec{})
	if err != nil {
		t.Fatal(err)
	}
	s := storeOf(t, a.CSCA())
	ds := parse(t, a.Signer())
	if r := s.Revoked(ds, now); r.Covered || r.Revoked || r.List != nil {
		t.Errorf("no list: got %+v", r)
	}
	entry := revoke(t, a.Signer(), begin.AddDate(0, 1, 0))
	entry.Reason = 1
	addCRL(t, s, crl(t, a, 1, this, next, entry))
	r := s.Revoked(ds, now)
	if !r.Covered || !r.Revoked || r.Reason != trust.KeyCompromise || !r.Since.Equal(begin.AddDate(0, 1, 0)) {
		t.Errorf("revoked: got %+v", r)
	}
	r = s.Revoked(parse(t, good.Signer()), now)
	if !r.Covered || r.Revoked || r.Age != now.Sub(this) || r.Overdue || r.ByCountry || r.List.NumberText() != "1" {
		t.Errorf("not revoked: got %+v", r)
	}
	if r = s.Revoked(parse(t, good.Signer()), next.Add(time.Hour)); !r.Overdue {
		t.Error("after the next update: not overdue")
	}
	if r := s.RevokedCSCA(parse(t, a.CSCA()), now); !r.Covered || r.Revoked {
		t.Errorf("the CSCA: got %+v", r)
	}
}

// Which lists a store takes, each against the list it holds.
func TestAddCRL(t *testing.T) {
	a := authority(t, "a")
	impostor, err := a.Impostor(specimen.Seed("impostor"))
	if err != nil {
		t.Fatal(err)
	}
	other := authority(t, "other") // same name, another key
	entry := specimen.Revoked{Serial: big.NewInt(5), At: begin}
	held := crl(t, a, 7, this, next)
	for name, c := range map[string]struct {
		b     []byte
		added bool
		is    error  // nil: none is asked for
		text  string // of the error
	}{
		"newer":                        {crl(t, a, 8, this.AddDate(0, 0, 1), next, entry), true, nil, ""},
		"newer, counted anew":          {crl(t, a, 1, this.AddDate(0, 0, 1), next, entry), true, nil, ""},
		"same time, higher number":     {crl(t, a, 8, this, next, entry), true, nil, ""},
		"the same":                     {held, false, nil, ""},
		"same time and number":         {crl(t, a, 7, this, next, entry), false, trust.ErrOlder, "older than the list the store holds"},
		"older, without the revoked":   {crl(t, a, 6, this.AddDate(0, 0, -1), next), false, trust.ErrOlder, "number 6"},
		"older with a higher number":   {crl(t, a, 9, this.AddDate(0, 0, -1), next), false, trust.ErrOlder, ""},
		"self-made CSCA, same key id":  {crl(t, impostor, 9, now, next), false, trust.ErrSignature, ""},
		"self-made CSCA, its own key":  {crl(t, other, 9, now, next), false, trust.ErrSignature, ""},
		"still to come":                {crl(t, a, 9, now.AddDate(0, 0, 2), next.AddDate(1, 0, 0)), false, nil, "still to come"},
		"made before the CSCA's start": {crl(t, a, 9, begin.AddDate(0, 0, -2), next), false, trust.ErrSignature, "not valid"},
	} {
		s := storeOf(t, a.CSCA())
		addCRL(t, s, held)
		added, err := s.AddCRL(trust.Source{Name: name}, parseCRL(t, c.b), now)
		if added != c.added || c.is != nil && !errors.Is(err, c.is) || c.text == "" && c.is == nil && err != nil ||
			c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: got %v, %v; want %v, %v %q", name, added, err, c.added, c.is, c.text)
		}
		if n := s.CRLs()[0].Len(); len(s.CRLs()) != 1 || (n == 1) != c.added {
			t.Errorf("%s: the store holds %d lists, the first of %d entries", name, len(s.CRLs()), n)
		}
	}
	if _, err := trust.NewStore().AddCRL(trust.Source{}, parseCRL(t, held), now); err == nil || errors.Is(err, trust.ErrSignature) {
		t.Errorf("an empty store: got %v, want an error that is no judgment", err)
	}
	late := begin.AddDate(15, 0, 1)
	if _, err := storeOf(t, a.CSCA()).AddCRL(trust.Source{}, parseCRL(t, crl(t, a, 9, late, late.AddDate(0, 3, 0))), late); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("signed after the CSCA's end: got %v, want ErrSignature", err)
	}
}

// renamed is an authority of the same country under another name.
func renamed(t testing.TB, seed, name string) *specimen.Authority {
	t.Helper()
	p := specimen.DefaultProfile(begin)
	p.Name = name
	p.CSCA.Curve, p.DS.Curve = "P-384", "P-256"
	a, err := specimen.NewAuthority(p, specimen.Seed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A CSCA's list is signed with its newest key and under its newest name, and
// covers what it signed before (Doc 9303-12, 4.1.5 and D.1.2.3).
func TestListOfTheNewNameCoversTheOld(t *testing.T) {
	old, next1 := renamed(t, "old", "CSCA 1"), renamed(t, "new", "CSCA 2")
	link, err := old.Link(next1)
	if err != nil {
		t.Fatal(err)
	}
	former, err := next1.CRLWith(1, this, next, [][]byte{specimen.Extension("2.5.29.18", false,
		ber.Encode(ber.Sequence, ber.Encode(0x82, []byte("csca.example")), ber.Encode(0xA4, parse(t, old.CSCA()).Subject.Raw)))}, revoke(t, old.Signer(), begin))
	if err != nil {
		t.Fatal(err)
	}
	revoking := crl(t, next1, 1, this, next, revoke(t, old.Signer(), begin))
	ds := parse(t, old.Signer())
	for name, c := range map[string]struct {
		anchors   [][]byte
		list      []byte
		byCountry bool
	}{
		"joined by a link certificate": {[][]byte{old.CSCA(), link, next1.CSCA()}, revoking, false},
		"named as a former issuer":     {[][]byte{old.CSCA(), next1.CSCA()}, former, false},
		"of the same country":          {[][]byte{old.CSCA(), next1.CSCA()}, revoking, true},
	} {
		s := storeOf(t, c.anchors...)
		addCRL(t, s, c.list)
		if r := s.Revoked(ds, now); !r.Covered || !r.Revoked || r.ByCountry != c.byCountry {
			t.Errorf("%s: got %+v, want revoked, by country: %v", name, r, c.byCountry)
		}
	}
	// The key tells the CSCA where the name is written in another way.
	impostor, err := old.Impostor(specimen.Seed("key"))
	if err != nil {
		t.Fatal(err)
	}
	other := renamed(t, "other", "CSCA 9")
	s := storeOf(t, old.CSCA(), other.CSCA())
	addCRL(t, s, crl(t, old, 1, this, next))
	addCRL(t, s, crl(t, other, 1, this, next, revoke(t, old.Signer(), begin)))
	byKey := *parse(t, impostor.Signer())
	if byKey.Issuer, err = trust.ParseName(ber.Encode(ber.Sequence, ber.Encode(ber.Set, ber.Encode(ber.Sequence, ber.EncodeOID("2.5.4.6"), ber.Encode(ber.PrintableString, []byte("UT")))))); err != nil {
		t.Fatal(err)
	}
	if r := s.Revoked(&byKey, now); !r.Covered || r.Revoked || r.ByCountry {
		t.Errorf("another form of the issuer's name: got %+v, want covered by its key's list", r)
	}
	// The list of its own CSCA goes before that of another of its country.
	s = storeOf(t, old.CSCA(), next1.CSCA())
	addCRL(t, s, revoking)
	addCRL(t, s, crl(t, old, 1, this, next))
	if r := s.Revoked(ds, now); !r.Covered || r.Revoked || r.ByCountry {
		t.Errorf("own list beside another's: got %+v, want covered and not revoked", r)
	}
	foreign := specimen.DefaultProfile(begin)
	foreign.Country = "XO"
	abroad, err := specimen.NewAuthority(foreign, specimen.Seed("abroad"))
	if err != nil {
		t.Fatal(err)
	}
	s = storeOf(t, old.CSCA(), abroad.CSCA())
	addCRL(t, s, crl(t, abroad, 1, this, next, revoke(t, old.Signer(), begin)))
	if r := s.Revoked(ds, now); r.Covered || r.Revoked {
		t.Errorf("another country's list: got %+v", r)
	}
}

// Revoking a CSCA's certificate revokes its key, whichever certificate carries
// it, and the keys it vouched for (Doc 9303-12, 4.1.5.1).
func TestRevokedCSCATakesItsLinksAlong(t *testing.T) {
	old, next1 := renamed(t, "old", "CSCA 1"), renamed(t, "new", "CSCA 2")
	link, err := old.Link(next1)
	if err != nil {
		t.Fatal(err)
	}
	for reason, after := range map[int]bool{0: true, 1: true, 4: false, 5: false} { // superseded and closed take none along
		s := storeOf(t, old.CSCA(), link, next1.CSCA())
		entry := revoke(t, old.CSCA(), begin)
		entry.Reason = reason
		addCRL(t, s, crl(t, next1, 1, this, next, entry))
		for _, c := range []struct {
			der  []byte
			want bool
		}{{old.CSCA(), true}, {link, after}, {next1.CSCA(), after}} {
			if r := s.RevokedCSCA(parse(t, c.der), now); r.Revoked != c.want {
				t.Errorf("reason %d: %s: revoked %v, want %v", reason, parse(t, c.der).Subject, r.Revoked, c.want)
			}
		}
	}
	// The link certificate alone is listed: the key it carries is revoked.
	s := storeOf(t, old.CSCA(), link, next1.CSCA())
	addCRL(t, s, crl(t, old, 1, this, next, revoke(t, link, begin)))
	if r := s.RevokedCSCA(parse(t, next1.CSCA()), now); !r.Revoked {
		t.Error("the link certificate is listed: its key counts as good")
	}
	if r := s.RevokedCSCA(parse(t, old.CSCA()), now); r.Revoked {
		t.Error("the link certificate is listed: the key before it counts as revoked")
	}
	// A key that signed its own revocation signs no list any more.
	a := authority(t, "a")
	s = storeOf(t, a.CSCA())
	addCRL(t, s, crl(t, a, 1, this, next, revoke(t, a.CSCA(), begin)))
	if r := s.RevokedCSCA(parse(t, a.CSCA()), now); !r.Revoked {
		t.Error("its own list names the CSCA: not revoked")
	}
	if _, err := s.AddCRL(trust.Source{}, parseCRL(t, crl(t, a, 2, now, next)), now); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("the next list of a revoked key: got %v, want ErrSignature", err)
	}
}

func TestCRLInTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := authority(t, "a")
	if _, err := s.Import("early.crl", crl(t, a, 1, this, next), nil, now); err == nil || !strings.Contains(err.Error(), "could have issued") {
		t.Errorf("before its CSCA: got %v", err)
	}
	for _, c := range []struct {
		name string
		b    []byte
		held bool
	}{{"csca.cer", a.CSCA(), false}, {"1.crl", crl(t, a, 1, this, next), false}, {"1.crl", crl(t, a, 1, this, next), true}, {"2.crl", crl(t, a, 2, this.AddDate(0, 0, 1), next, revoke(t, a.Signer(), begin)), false}} {
		i, err := s.ImportFrom(c.name, strings.NewReader(string(c.b)), trust.Vouching{}, now)
		// ECDSA is signed anew each time: the second "1.crl" is of the same time and another.
		if c.held {
			if !errors.Is(err, trust.ErrOlder) {
				t.Errorf("%s again: got %v, want ErrOlder", c.name, err)
			}
			continue
		}
		if err != nil || i.Held {
			t.Errorf("%s: got %+v, %v", c.name, i, err)
		}
	}
	if _, err := s.Import("1.crl", crl(t, a, 1, this, next), nil, now); !errors.Is(err, trust.ErrOlder) {
		t.Errorf("rollback: got %v, want ErrOlder", err)
	}
	back, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := back.Revoked(parse(t, a.Signer()), now); !r.Covered || !r.Revoked || r.List.NumberText() != "2" {
		t.Errorf("opened again: got %+v", r)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.crl")); len(files) != 1 {
		t.Errorf("files of lists: %v, want that of the newest", files)
	}
	// The replaced list's source is forgotten with it.
	if n := len(back.Sources()); n != 2 {
		t.Errorf("%d sources, want 2: the certificate and the newest list", n)
	}
}
