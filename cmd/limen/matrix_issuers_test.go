package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
)

// The passports of the matrix are signed within the period of their signers' keys.
var (
	issuedFrom = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	signedAt   = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
)

// travelers are the lines of the specimens of Doc 9303-4 to -6, valid still.
var travelers = map[mrz.Layout][]string{
	mrz.TD3: lines(mrz.Fields{Layout: mrz.TD3, DocumentCode: "P", Number: "L898902C3", Optional: "ZE184226B"}),
	mrz.TD2: lines(mrz.Fields{Layout: mrz.TD2, DocumentCode: "I", Number: "D23145890"}),
	mrz.TD1: lines(mrz.Fields{Layout: mrz.TD1, DocumentCode: "I", Number: "D23145890"}),
}

// lines are those of the specimen traveler, with what f says of the document.
func lines(f mrz.Fields) []string {
	f.Issuer, f.Nationality, f.Primary, f.Secondary, f.Sex = "UTO", "UTO", "ERIKSSON", "ANNA MARIA", mrz.Female
	f.Birth, f.Expiry = mrz.Date{Year: 1974, Month: 8, Day: 12}, mrz.Date{Year: 2034, Month: 4, Day: 15}
	out, err := mrz.Format(f)
	if err != nil {
		panic(err)
	}
	return out
}

func example(n int, kind string) []byte {
	b, err := specimen.ExampleGroup(n, kind)
	if err != nil {
		panic(err)
	}
	return b
}

// office issues the matrix's passports. Its authorities and RSA keys are made
// when a profile asks for them first, and serve all that do.
type office struct {
	dir     string
	issuers map[string]*issuer
	keys    sync.Map // of active authentication: their lengths to func() (activeKey, error)
}

func newOffice(dir string) *office {
	return &office{dir: dir, issuers: issuers()}
}

// issuer is an authority and the trust store that knows it.
type issuer struct {
	csca, ds  specimen.KeyKind
	documents []string

	once      sync.Once
	mu        sync.Mutex // an authority draws on one source of randomness
	authority *specimen.Authority
	store     string
	err       error
}

// issue makes the profile's passport. It returns the trust store to read it
// with, and the folder of the terminal to read it as, if any.
func (o *office) issue(t *testing.T, p profile) (passport chipsim.Passport, store, terminal string) {
	t.Helper()
	name := cmp.Or(p.issuer, "usual")
	i := o.issuers[name]
	if i == nil {
		t.Fatalf("there is no issuer %q", name)
	}
	if i.once.Do(func() { i.err = i.open(t.Context(), name, o.dir) }); i.err != nil {
		t.Fatalf("issuer %s: %v", name, i.err)
	}
	if p.inspector != nil {
		v, err := specimen.NewVerifier(*p.inspector, specimen.Seed("matrix verifier"))
		if !p.alone && err == nil {
			terminal = t.TempDir()
			err = v.Save(terminal)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.spec.CVCA = [][]byte{v.TrustPoint()}
	}
	var key activeKey
	if a := p.spec.ActiveAuth; a != nil && a.Curve == "" {
		key = o.rsaKey(t, a.Bits)
		key.private.Hash = a.Hash
		p.spec.ActiveAuth, p.spec.Groups = nil, maps.Clone(p.spec.Groups)
		p.spec.Groups[15] = key.dg15
	}
	i.mu.Lock()
	passport, err := i.authority.Issue(p.spec)
	i.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if key.dg15 != nil {
		passport.ActiveAuth = &key.private
	}
	for _, change := range p.change {
		change(&passport)
	}
	return passport, i.store, terminal
}

// open makes the authority and has `trust import` take its certificate and list.
func (i *issuer) open(ctx context.Context, name, dir string) (err error) {
	profile := specimen.Profile{Country: "UT", CSCA: i.csca, DS: i.ds, From: issuedFrom, Name: "CSCA " + name, Documents: i.documents}
	if i.authority, err = specimen.NewAuthority(profile, specimen.Seed("matrix "+name)); err != nil {
		return err
	}
	if dir, err = os.MkdirTemp(dir, "issuer-"); err != nil {
		return err
	}
	crl, err := crlOfToday(i.authority, issuedFrom)
	if err != nil {
		return err
	}
	args := []string{"trust", "import", "--trust", filepath.Join(dir, "trust")}
	for n, b := range [][]byte{i.authority.CSCA(), crl} { // a list is taken when its CSCA is known
		file := filepath.Join(dir, []string{"csca.cer", "csca.crl"}[n])
		if err := os.WriteFile(file, b, 0o644); err != nil {
			return err
		}
		args = append(args, file)
	}
	var said bytes.Buffer
	if i.store = filepath.Join(dir, "trust"); run(ctx, args, &said, &said) != 0 {
		return fmt.Errorf("its trust store was not made: %s", said.String())
	}
	return nil
}

// activeKey is an RSA key of active authentication.
type activeKey struct {
	dg15    []byte
	private chipsim.ActiveKey
}

func (o *office) rsaKey(t *testing.T, bits int) activeKey {
	t.Helper()
	known, _ := o.keys.LoadOrStore(bits, sync.OnceValues(func() (key activeKey, err error) {
		a, err := specimen.NewAuthority(specimen.Profile{Country: "UT", CSCA: usualCSCA, DS: usualDS, From: issuedFrom}, specimen.Seed(fmt.Sprint("matrix key ", bits)))
		if err != nil {
			return key, err
		}
		p, err := a.Issue(specimen.Spec{Lines: travelers[mrz.TD3], ActiveAuth: &specimen.ActiveAuth{Bits: bits, Hash: crypto.SHA256}})
		if err != nil {
			return key, err
		}
		f, _ := lds.FileOfGroup(15)
		return activeKey{p.Files[f.Path()], *p.ActiveAuth}, nil
	}))
	key, err := known.(func() (activeKey, error))()
	if err != nil {
		t.Fatalf("RSA key of %d bits: %v", bits, err)
	}
	return key
}
