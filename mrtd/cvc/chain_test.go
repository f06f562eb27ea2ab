package cvc

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/trust"
)

// tree issues certificates under names of Utopia; every key is its own.
type tree struct {
	t    *testing.T
	a    Algorithm
	keys map[string]*Key
	made map[string]*Certificate
}

func newTree(t *testing.T) *tree {
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	return &tree{t, a, map[string]*Key{}, map[string]*Certificate{}}
}

func (p *tree) key(holder string) (*Key, PublicKey) {
	k := p.keys[holder]
	if k == nil {
		k, _ = newKey(p.t, p.a, "brainpoolP256r1")
		p.keys[holder] = k
	}
	public, err := k.Public(p.a)
	if err != nil {
		p.t.Fatal(err)
	}
	return k, public
}

func (p *tree) issue(authority, holder string, role Role, rights Rights, expires string) *Certificate {
	p.t.Helper()
	signer, _ := p.key(authority)
	_, public := p.key(holder)
	public.Explicit = role == CVCA && authority == holder
	c, err := Issue(p.t.Context(), Certificate{
		Authority: authority, Holder: holder, Key: public,
		Authorization: Authorization{Type: InspectionSystems, Role: role, Rights: rights},
		Effective:     day("2024-01-01"), Expires: day(expires),
	}, p.a, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	p.made[authority+">"+holder] = c
	return c
}

func (p *tree) all() []*Certificate {
	var out []*Certificate
	for _, c := range p.made {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	return out
}

func names(path []*Certificate) string {
	var out []string
	for _, c := range path {
		out = append(out, c.Holder)
	}
	return strings.Join(out, " ")
}

func TestFind(t *testing.T) {
	p := newTree(t)
	p.issue("UTCVCA00001", "UTCVCA00001", CVCA, everyRight, "2027-01-01")
	p.issue("UTCVCA00001", "UTCVCA00002", CVCA, everyRight, "2024-01-02") // an expired link is still a link
	p.issue("UTCVCA00002", "UTCVCA00003", CVCA, everyRight, "2030-01-01")
	p.issue("UTCVCA00003", "UTCVCA00003", CVCA, everyRight, "2030-01-01")
	p.issue("UTCVCA00002", "UTDV00002", DVDomestic, everyRight, "2026-01-01")
	p.issue("UTCVCA00003", "UTDV00003", DVDomestic, everyRight, "2026-01-01")
	p.issue("UTDV00002", "UTIS00002", Terminal, everyRight, "2025-01-01")
	p.issue("UTDV00003", "UTIS00003", Terminal, ReadDG3, "2025-02-01")
	p.issue("UTDV00003", "UTIS00004", Terminal, ReadDG3, "2025-03-01")
	p.issue("XXCVCA00001", "UTDVXX001", DVForeign, everyRight, "2026-01-01")
	p.issue("UTDVXX001", "UTISXX001", Terminal, everyRight, "2026-01-01")

	for _, c := range []struct {
		name   string
		trusts []string
		at     string
		want   string
	}{
		{"by two links", []string{"UTCVCA00001"}, "2025-01-02", "UTCVCA00002 UTCVCA00003 UTDV00003 UTIS00004"},
		{"by the shortest", []string{"UTCVCA00001"}, "2025-01-01", "UTCVCA00002 UTDV00002 UTIS00002"},
		{"directly", []string{"UTCVCA00003"}, "2024-06-01", "UTDV00003 UTIS00004"},
		{"the newer key first", []string{"UTCVCA00003", "UTCVCA00002"}, "2024-06-01", "UTDV00003 UTIS00004"},
		{"the older key where it is shorter", []string{"UTCVCA00001", "UTCVCA00002"}, "2024-06-01", "UTDV00002 UTIS00002"},
		{"all but one expired", []string{"UTCVCA00003"}, "2025-03-01", "UTDV00003 UTIS00004"},
		{"all expired", []string{"UTCVCA00003"}, "2025-03-02", ""},
		{"a foreign CVCA without its certificate", []string{"XXCVCA00001"}, "2024-06-01", "UTDVXX001 UTISXX001"},
		{"nobody's", []string{"UTCVCA00004"}, "2024-06-01", ""},
		{"no key", nil, "2024-06-01", ""},
	} {
		path, err := Find(p.all(), c.trusts, day(c.at))
		if got := names(path); got != c.want || (c.want == "") != errors.Is(err, ErrNoChain) {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
		if len(path) > 0 && c.trusts[0] != "XXCVCA00001" && path[len(path)-1].Key.Curve == nil {
			t.Errorf("%s: the terminal's key has not inherited its curve", c.name)
		}
	}
}

// A damaged certificate is passed over where another serves, and named where none does.
func TestFindVerifies(t *testing.T) {
	p := newTree(t)
	p.issue("UTCVCA00001", "UTCVCA00001", CVCA, everyRight, "2027-01-01")
	good := p.issue("UTCVCA00001", "UTDV00001", DVDomestic, everyRight, "2026-01-01")
	p.issue("UTDV00001", "UTIS00001", Terminal, everyRight, "2026-01-01")
	raw := bytes.Clone(good.Raw)
	raw[len(raw)-1] ^= 1
	bad := mustParse(t, raw)
	p.made["bad"] = bad
	if path, err := Find(p.all(), []string{"UTCVCA00001"}, day("2024-06-01")); err != nil || names(path) != "UTDV00001 UTIS00001" || !bytes.Equal(path[0].Raw, good.Raw) {
		t.Errorf("beside a good one: got %q, %v", names(path), err)
	}
	delete(p.made, "UTCVCA00001>UTDV00001")
	if _, err := Find(p.all(), []string{"UTCVCA00001"}, day("2024-06-01")); !errors.Is(err, ErrNoChain) || !errors.Is(err, trust.ErrSignature) || !strings.Contains(err.Error(), "UTDV00001") {
		t.Errorf("alone: got %v; want ErrNoChain, trust.ErrSignature and the holder", err)
	}
}

// Certificates that name each other in circles, by hundreds, end the search.
func TestFindEnds(t *testing.T) {
	p := newTree(t)
	one := p.issue("UTCVCA00001", "UTCVCA00002", CVCA, everyRight, "2027-01-01")
	two := p.issue("UTCVCA00002", "UTCVCA00001", CVCA, everyRight, "2027-01-01")
	dv := p.issue("UTCVCA00001", "UTDV00001", DVDomestic, everyRight, "2027-01-01")
	is := p.issue("UTDV00001", "UTIS00001", Terminal, everyRight, "2027-01-01")
	certs := []*Certificate{dv, is}
	for range 200 {
		certs = append(certs, one, two)
	}
	if path, err := Find(certs, []string{"UTCVCA00001"}, day("2024-06-01")); err != nil || names(path) != "UTDV00001 UTIS00001" {
		t.Errorf("got %q, %v; want the chain, though no domain parameters are known", names(path), err)
	}
	if path, err := Find(certs, []string{"UTCVCA00009"}, day("2024-06-01")); !errors.Is(err, ErrNoChain) {
		t.Errorf("got %v, %v", path, err)
	}
}

func TestVerifyRefusesWhatTheHierarchyDoesNot(t *testing.T) {
	p := newTree(t)
	cvca := p.issue("UTCVCA00001", "UTCVCA00001", CVCA, everyRight, "2027-01-01")
	dv := p.issue("UTCVCA00001", "UTDV00001", DVDomestic, everyRight, "2026-01-01")
	is := p.issue("UTDV00001", "UTIS00001", Terminal, everyRight, "2026-01-01")
	if _, err := Verify(cvca, dv, is); err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string][]*Certificate{
		"a terminal certified by the CVCA":               {p.issue("UTCVCA00001", "UTIS00002", Terminal, everyRight, "2026-01-01")},
		"a document verifier by another":                 {dv, p.issue("UTDV00001", "UTDV00002", DVDomestic, everyRight, "2026-01-01")},
		"a CVCA by a document verifier":                  {dv, p.issue("UTDV00001", "UTCVCA00002", CVCA, everyRight, "2026-01-01")},
		"a terminal by a terminal":                       {dv, is, p.issue("UTIS00001", "UTIS00003", Terminal, everyRight, "2026-01-01")},
		"another authority's":                            {dv, p.issue("UTDV00009", "UTIS00001", Terminal, everyRight, "2026-01-01")},
		"one left out":                                   {is},
		"the right names and roles with another's key":   {dv, reissued(t, p, is)},
		"another terminal type under inspection systems": {otherType(t, dv)},
	} {
		if _, err := Verify(cvca, chain...); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

// reissued is a certificate as its issuer would have made it, signed by somebody else.
func reissued(t *testing.T, p *tree, c *Certificate) *Certificate {
	thief, _ := newKey(t, p.a, "brainpoolP256r1")
	copied := *c
	_, copied.Key = p.key(c.Holder)
	out, err := Issue(t.Context(), copied, p.a, thief)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func otherType(t *testing.T, c *Certificate) *Certificate {
	raw := bytes.Clone(c.Raw)
	at := bytes.Index(raw, []byte{0x7F, 0x00, 0x07, 0x03, 0x01, 0x02, 0x01})
	raw[at+6] = 2 // id-AT
	return mustParse(t, raw)
}

func TestEffectiveRights(t *testing.T) {
	c := func(role Role, rights Rights) *Certificate {
		return &Certificate{Authorization: Authorization{Type: InspectionSystems, Role: role, Rights: rights}}
	}
	for _, x := range []struct {
		path []*Certificate
		want Rights
	}{
		{nil, 0},
		{[]*Certificate{c(DVDomestic, ReadDG3), c(Terminal, everyRight)}, ReadDG3}, // a terminal that claims more than its verifier
		{[]*Certificate{c(DVDomestic, everyRight), c(Terminal, ReadDG4)}, ReadDG4},
		{[]*Certificate{c(DVForeign, ReadDG3), c(Terminal, ReadDG4)}, 0},
		{[]*Certificate{c(CVCA, ReadDG3), c(DVDomestic, everyRight), c(Terminal, everyRight)}, ReadDG3},
		{[]*Certificate{c(CVCA, 0), c(CVCA, everyRight), c(DVDomestic, everyRight), c(Terminal, everyRight)}, everyRight},
	} {
		if got := Effective(x.path); got != x.want {
			t.Errorf("%v: got %s, want %s", x.path, got, x.want)
		}
	}
	for r, want := range map[Rights]string{0: "none", ReadDG3: "DG3", ReadDG4: "DG4", everyRight: "DG3, DG4"} {
		if r.String() != want {
			t.Errorf("got %s, want %s", r, want)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	p := newTree(t)
	signer, public := p.key("UTCVCA00001")
	whole := Certificate{Authority: "UTCVCA00001", Holder: "UTDV00001", Key: public,
		Authorization: Authorization{Type: InspectionSystems, Role: DVDomestic}, Effective: day("2024-01-01"), Expires: day("2025-01-01")}
	if _, err := Issue(t.Context(), whole, p.a, signer); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Certificate){
		"no key":           func(c *Certificate) { c.Key = PublicKey{Algorithm: p.a} },
		"no algorithm":     func(c *Certificate) { c.Key.Algorithm = Algorithm{} },
		"another type":     func(c *Certificate) { c.Authorization.Type = "0.4.0.127.0.7.3.1.2.2" },
		"before 2000":      func(c *Certificate) { c.Effective = day("1999-12-31") },
		"beyond 2099":      func(c *Certificate) { c.Expires = day("2100-01-01") },
		"no name":          func(c *Certificate) { c.Holder = "" },
		"a name too long":  func(c *Certificate) { c.Holder = "UTDOCUMENTVERIFIER" },
		"no authority":     func(c *Certificate) { c.Authority = "" },
		"a key of no kind": func(c *Certificate) { c.Key.Point.X = nil },
	} {
		c := whole
		change(&c)
		if made, err := Issue(t.Context(), c, p.a, signer); err == nil {
			t.Errorf("%s: issued %s", name, made)
		}
	}
}

func TestRequests(t *testing.T) {
	p := newTree(t)
	signer, public := p.key("UTIS00001")
	r, err := NewRequest(t.Context(), "UTDV00001", "UTIS00001", public, signer)
	if err != nil {
		t.Fatal(err)
	}
	if r.Authority != "UTDV00001" || r.Holder != "UTIS00001" || !r.Key.Equal(public) || !r.Key.Explicit || r.Voucher != "" {
		t.Errorf("got %+v", r)
	}
	if r.VerifyVoucher(public) == nil {
		t.Error("an outer signature that is not there verified")
	}
	voucher, vouching := p.key("UTIS00000")
	vouched, err := r.Vouch(t.Context(), "UTIS00000", p.a, voucher)
	if err != nil || vouched.Voucher != "UTIS00000" || vouched.Holder != "UTIS00001" {
		t.Fatalf("got %+v, %v", vouched, err)
	}
	if err := vouched.VerifyVoucher(vouching); err != nil {
		t.Error(err)
	}
	if err := vouched.VerifyVoucher(public); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("by another key: got %v", err)
	}
	for i := range r.Raw {
		changed := bytes.Clone(r.Raw)
		changed[i] ^= 1
		if got, err := ParseRequest(changed); err == nil {
			t.Errorf("byte %d changed: got %+v", i, got)
		}
	}
	open, err := NewRequest(t.Context(), "", "UTIS00001", public, signer)
	if err != nil || open.Authority != "" {
		t.Errorf("without an authority: got %+v, %v", open, err)
	}
	thief, _ := newKey(t, p.a, "brainpoolP256r1")
	if _, err := NewRequest(t.Context(), "UTDV00001", "UTIS00001", public, thief); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("signed by another key: got %v", err)
	}
}

func FuzzParseRequest(f *testing.F) {
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	k, public := newKey(f, a, "brainpoolP256r1")
	r, err := NewRequest(f.Context(), "UTDV00001", "UTIS00001", public, k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Raw)
	if r, err = r.Vouch(f.Context(), "UTIS00000", a, k); err != nil {
		f.Fatal(err)
	}
	f.Add(r.Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := repotest.Parsed(t, b, ParseRequest); err == nil && r.Voucher != "" {
			_ = r.VerifyVoucher(r.Key)
		}
	})
}
