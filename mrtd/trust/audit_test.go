package trust_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

func TestAudit(t *testing.T) {
	a, b := authority(t, "a"), renamed(t, "b", "CSCA 2")
	link, err := a.Link(b)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(b.CSCA())
	broken[len(broken)-1] ^= 1
	orphan, err := authority(t, "gone").Link(b)
	if err != nil {
		t.Fatal(err)
	}
	p := specimen.DefaultProfile(begin.AddDate(-20, 0, 0))
	p.Country, p.CSCA = "XO", specimen.KeyKind{Scheme: trust.RSAPKCS1, Bits: 1024, Hash: crypto.SHA1}
	weak, err := specimen.NewAuthority(p, specimen.Seed("weak"))
	if err != nil {
		t.Fatal(err)
	}
	s := storeOf(t, a.CSCA(), link, b.CSCA(), broken, orphan, weak.CSCA())
	addCRL(t, s, crl(t, b, 1, this, next))
	if _, err := s.Import("list", deviations(t, a, this, specimen.Deviation{Type: typeDGHash}), nil, now); err != nil {
		t.Fatal(err)
	}
	at := next.AddDate(0, 1, 0)
	audit := s.Audit(at)
	for i, want := range []struct {
		issuer   []byte
		findings string
	}{
		{a.CSCA(), "crl_overdue"},
		{a.CSCA(), "crl_overdue"},
		{b.CSCA(), "crl_overdue"},
		{nil, "crl_overdue signature_invalid"},
		{nil, "crl_overdue issuer_absent"},
		{weak.CSCA(), "crl_unknown expired hash_algorithm_weak key_weak"},
	} {
		got := audit.Anchors[i]
		var words []string
		for _, f := range got.Findings {
			words = append(words, string(f))
		}
		if g := strings.Join(words, " "); g != want.findings || (got.Issuer == nil) != (want.issuer == nil) || got.Issuer != nil && !bytes.Equal(got.Issuer.Raw, want.issuer) {
			t.Errorf("anchor %d: got %s by %v; want %s", i, g, got.Issuer, want.findings)
		}
		if got.TrustDate != begin || got.Covered == (want.issuer != nil && bytes.Equal(want.issuer, weak.CSCA())) {
			t.Errorf("anchor %d: trust of %v, covered %v", i, got.TrustDate, got.Covered)
		}
		if bad := slices.ContainsFunc(got.Findings, trust.Finding.Bad); bad != strings.Contains(want.findings, "invalid") {
			t.Errorf("anchor %d: bad %v", i, bad)
		}
	}
	if len(audit.CRLs) != 1 || !slices.Equal(audit.CRLs[0].Findings, []trust.Finding{trust.CRLOverdue}) || audit.CRLs[0].Age != at.Sub(this) {
		t.Errorf("revocation lists: got %+v", audit.CRLs)
	}
	if len(audit.Deviations) != 1 || audit.Deviations[0].Age != at.Sub(this) {
		t.Errorf("deviation lists: got %d", len(audit.Deviations))
	}
	addCRL(t, s, crl(t, b, 2, this.AddDate(0, 0, 1), next, revoke(t, b.CSCA(), this)))
	if f := s.Audit(now).Anchors[2].Findings; !slices.Equal(f, []trust.Finding{trust.AnchorRevoked}) {
		t.Errorf("a revoked CSCA: got %v", f)
	}
}

// A store whose anchor is gone still holds the list that the anchor bore out.
func TestListWithoutItsAnchorDoesNotHold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a := authority(t, "a")
	impostor, err := a.Impostor(specimen.Seed("impostor"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		b    []byte
	}{{"a.cer", a.CSCA()}, {"impostor.cer", impostor.CSCA()}, {"impostor.crl", crl(t, impostor, 1, this, next)}} {
		if _, err := s.Import(c.name, c.b, nil, now); err != nil {
			t.Fatal(err)
		}
	}
	// The self-made CSCA, taken by mistake, is taken out of the index again.
	path := filepath.Join(dir, "index.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var index map[string]any
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	for name := range index["certificates"].(map[string]any) {
		der, err := os.ReadFile(filepath.Join(dir, name+".cer"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(der, impostor.CSCA()) {
			delete(index["certificates"].(map[string]any), name)
		}
	}
	if text, err = json.Marshal(index); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	back, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := back.Revoked(parse(t, a.Signer()), now); r.Covered || !r.Invalid || r.List != nil {
		t.Errorf("got %+v, want an invalid list", r)
	}
	if f := back.Audit(now).CRLs[0].Findings; !slices.Contains(f, trust.CRLSignatureInvalid) {
		t.Errorf("audit: got %v", f)
	}
}

func TestStoresOfVersion1Open(t *testing.T) {
	dir := t.TempDir()
	a := authority(t, "a")
	s, err := trust.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import("a.cer", a.CSCA(), nil, now); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "index.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(strings.Replace(string(text), `"version": 2`, `"version": 1`, 1), `"kind": "certificates",`, "", 1)
	if old == string(text) || strings.Contains(old, "kind") || strings.Contains(old, "crls") {
		t.Fatalf("not an index of version 1: %s", old)
	}
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err = trust.Open(dir); err != nil || s.Len() != 1 {
		t.Fatalf("got %v, %v", s, err)
	}
	if _, err := s.Import("a.crl", crl(t, a, 1, this, next), nil, now); err != nil {
		t.Errorf("a list into a store of version 1: %v", err)
	}
	if s, err = trust.Open(dir); err != nil || s.Len() != 1 || len(s.CRLs()) != 1 {
		t.Errorf("opened again: %v", err)
	}
}

// What is imported without anyone's word for it has to come from a CSCA of the store.
func TestLinksOnly(t *testing.T) {
	a, b, c := authority(t, "a"), renamed(t, "b", "CSCA 2"), renamed(t, "c", "CSCA 3")
	stranger := authority(t, "stranger")
	impostor, err := b.Impostor(specimen.Seed("impostor"))
	if err != nil {
		t.Fatal(err)
	}
	links := map[string][]byte{}
	for name, pair := range map[string][2]*specimen.Authority{"a to b": {a, b}, "b to c": {b, c}, "impostor to c": {impostor, c}, "stranger to c": {stranger, c}} {
		if links[name], err = pair[0].Link(pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	take := func(s *trust.Store, list ...[]byte) (trust.Counts, error) {
		i, err := s.ImportFrom("links.pem", bytes.NewReader(pemOf(list...)), trust.Vouching{LinksOnly: true}, now)
		return i.Counts, err
	}
	s := storeOf(t, a.CSCA())
	if n, err := take(s, c.CSCA(), links["b to c"], links["a to b"], stranger.CSCA(), links["stranger to c"]); err != nil || n.Added != 3 || n.Refused != 2 {
		t.Errorf("two links and what they vouch for, in any order: got %+v, %v", n, err)
	}
	for name, b := range map[string][]byte{
		"a CSCA alone": b.CSCA(), "its signer": a.Signer(), "a link of an impostor": links["impostor to c"], "a link of another CSCA of the same name": links["stranger to c"],
	} {
		if n, err := take(storeOf(t, a.CSCA()), b); err == nil {
			t.Errorf("%s: taken, %+v", name, n)
		}
	}
	// A revoked key vouches for nothing.
	s = storeOf(t, a.CSCA())
	addCRL(t, s, crl(t, a, 1, this, next, revoke(t, a.CSCA(), this)))
	if n, err := take(s, links["a to b"]); err == nil {
		t.Errorf("a link of a revoked CSCA: taken, %+v", n)
	}
}

func TestAuditOfRealLists(t *testing.T) {
	dir := repotest.Shared(t, "data/emrtd/masterlists")
	s := trust.NewStore()
	for list, root := range map[string]string{"DE_ML_2026-05-28-08-28-45.ml": "DE_ROOT_CA_CSCA07.cer", "NL_ML_2026-07-22.ml": "NL_ROOT_CA.cer"} {
		b, err := os.ReadFile(filepath.Join(dir, list))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(list, b, readPEM(t, filepath.Join(dir, root)), now); err != nil {
			t.Fatal(err)
		}
	}
	counts := map[trust.Finding]int{}
	links := 0
	for _, a := range s.Audit(begin.AddDate(2, 7, 0)).Anchors {
		if a.Issuer != nil && !bytes.Equal(a.Issuer.Raw, a.Raw) {
			links++
		}
		for _, f := range a.Findings {
			if f.Bad() {
				t.Errorf("%s of %s: %s", a.Subject, a.NotBefore, f)
			}
			counts[f]++
		}
	}
	// Eleven link certificates come without the CSCA that signed them.
	if links != 202 || counts[trust.IssuerAbsent] != 11 || counts[trust.CRLUnknown] != 627 {
		t.Errorf("got %d links, %v; want 202 links, 11 without an issuer, 627 without a revocation list", links, counts)
	}
	t.Logf("%d anchors, %d links that hold, %v", s.Len(), links, counts)
}
