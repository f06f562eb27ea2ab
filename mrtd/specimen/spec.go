package specimen

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"limen/mrtd/chipsim"
	"limen/mrtd/trust"
)

// Order is a specimen passport and the authority that shall issue it, as a
// YAML file asks for them; testdata/utopia.yaml shows every key.
type Order struct {
	Spec    Spec
	Profile Profile
	Seed    string           // for Seed: the same seed is the same authority
	CVCA    *VerifierProfile // nil where the chip keeps nothing for terminals alone
}

// Issue makes the authority and its passport, which trusts the key of Verifier
// where the order asks for one.
func (o Order) Issue() (*Authority, chipsim.Passport, error) {
	v, err := o.Verifier()
	if err != nil {
		return nil, chipsim.Passport{}, err
	}
	if v != nil {
		o.Spec.CVCA = append(slices.Clone(o.Spec.CVCA), v.TrustPoint())
	}
	a, err := NewAuthority(o.Profile, Seed(o.Seed))
	if err != nil {
		return nil, chipsim.Passport{}, err
	}
	p, err := a.Issue(o.Spec)
	return a, p, err
}

type yamlOrder struct {
	MRZ      []string       `yaml:"mrz"`
	Portrait string         `yaml:"portrait"`
	CAN      string         `yaml:"can"`
	BAC      bool           `yaml:"bac"`
	PACE     []yamlPACE     `yaml:"pace"`
	ChipAuth []yamlChipAuth `yaml:"chip_auth"`
	Active   *yamlActive    `yaml:"active"`
	CVCA     *yamlVerifier  `yaml:"cvca"`
	Hash     string         `yaml:"hash"`
	Signed   string         `yaml:"signed"`
	Groups   map[int]string `yaml:"groups"`
	Issuer   yamlIssuer     `yaml:"issuer"`
}

type yamlIssuer struct {
	Country string  `yaml:"country"`
	From    string  `yaml:"from"`
	Seed    string  `yaml:"seed"`
	CSCA    yamlKey `yaml:"csca"`
	Signer  yamlKey `yaml:"signer"`
}

type yamlKey struct {
	Scheme   string `yaml:"scheme"`
	Curve    string `yaml:"curve"`
	Explicit bool   `yaml:"explicit"`
	Bits     int    `yaml:"bits"`
	Hash     string `yaml:"hash"`
}

const (
	maxYAML = 64 << 10
	dateOf  = time.DateOnly
)

// ParseSpec reads an order. Files it names are read with readFile, which
// resolves them as the caller sees fit. Errors name line and column and hold
// nothing the file says but the names of its keys.
func ParseSpec(text []byte, readFile func(name string) ([]byte, error)) (Order, error) {
	var y yamlOrder
	doc, err := decode(text, &y)
	if err != nil {
		return Order{}, err
	}
	o := Order{Seed: y.Issuer.Seed, Spec: Spec{Lines: y.MRZ, CAN: y.CAN, BAC: y.BAC}}
	if len(y.MRZ) == 0 {
		return Order{}, doc.errorAt("$", "mrz is missing: give the lines as printed")
	}
	if err := checkAccess(y.CAN, y.BAC, nil); err != nil {
		return Order{}, doc.errorAt("$.can", "%v", err)
	}
	if o.Spec.PACE, err = doc.pace(y.PACE); err != nil {
		return Order{}, err
	}
	if o.Spec.ChipAuth, err = doc.chipAuth(y.ChipAuth); err != nil {
		return Order{}, err
	}
	if o.Spec.ActiveAuth, err = doc.active(y.Active); err != nil {
		return Order{}, err
	}
	if y.Hash != "" {
		if o.Spec.Hash = hashes[y.Hash]; o.Spec.Hash == 0 {
			return Order{}, doc.errorAt("$.hash", "hash is none of SHA-1, SHA-224, SHA-256, SHA-384, SHA-512")
		}
	}
	if o.Spec.SignedAt, err = doc.date("$.signed", y.Signed); err != nil {
		return Order{}, err
	}
	if y.Portrait != "" {
		if o.Spec.Portrait, err = readFile(y.Portrait); err != nil {
			return Order{}, doc.errorAt("$.portrait", "cannot read the portrait: %w", err)
		}
	}
	for n, name := range y.Groups {
		b, err := readFile(name)
		if err != nil {
			return Order{}, doc.errorAt("$.groups", "cannot read DG%d: %w", n, err)
		}
		if o.Spec.Groups == nil {
			o.Spec.Groups = map[int][]byte{}
		}
		o.Spec.Groups[n] = b
	}
	if o.Profile, err = doc.profile(y.Issuer, o.Spec.SignedAt); err != nil {
		return Order{}, err
	}
	o.CVCA, err = doc.verifier(y.CVCA, o.Profile)
	return o, err
}

// profile fills what the file leaves out with DefaultProfile's. An issuer
// without a date begins a month before it signs.
func (d document) profile(y yamlIssuer, signed time.Time) (Profile, error) {
	from, err := d.date("$.issuer.from", y.From)
	if err != nil {
		return Profile{}, err
	}
	if from.IsZero() {
		if signed.IsZero() {
			return Profile{}, d.errorAt("$", "neither signed nor issuer.from is given: the certificates need a date to begin")
		}
		from = signed.AddDate(0, -1, 0)
	}
	p := DefaultProfile(from)
	if y.Country != "" {
		if p.Country = strings.ToUpper(y.Country); len(p.Country) != 2 {
			return Profile{}, d.errorAt("$.issuer.country", "country is not a code of two letters")
		}
	}
	if p.CSCA, err = d.kind("$.issuer.csca", y.CSCA, p.CSCA); err != nil {
		return Profile{}, err
	}
	p.DS, err = d.kind("$.issuer.signer", y.Signer, p.DS)
	return p, err
}

func (d document) kind(path string, y yamlKey, otherwise KeyKind) (KeyKind, error) {
	if y == (yamlKey{}) {
		return otherwise, nil
	}
	schemes := []trust.Scheme{trust.ECDSA, trust.RSAPKCS1, trust.RSAPSS}
	names := []string{"ecdsa", "rsa", "rsa-pss"}
	i := slices.Index(names, y.Scheme)
	if i < 0 {
		return KeyKind{}, d.errorAt(path, "scheme is none of %s", strings.Join(names, ", "))
	}
	k := KeyKind{Scheme: schemes[i], Curve: y.Curve, Explicit: y.Explicit, Bits: y.Bits, Hash: hashes[y.Hash]}
	if k.Hash == 0 {
		return KeyKind{}, d.errorAt(path+".hash", "hash is none of SHA-1, SHA-224, SHA-256, SHA-384, SHA-512")
	}
	if k.Scheme == trust.ECDSA {
		if _, err := parameterID(y.Curve); err != nil {
			return KeyKind{}, d.errorAt(path+".curve", "%v", err)
		}
	} else if y.Bits < 1024 || y.Bits > 8192 || y.Bits%16 != 0 {
		return KeyKind{}, d.errorAt(path+".bits", "bits of an RSA key are 1024 to 8192 in steps of 16")
	}
	return k, nil
}

func (d document) pace(list []yamlPACE) ([]chipsim.PACE, error) {
	var out []chipsim.PACE
	for i, y := range list {
		v, where, err := y.variant()
		if err != nil {
			return nil, d.errorAt(fmt.Sprintf("$.pace[%d]%s", i, where), "%w", err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (d document) date(path, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(dateOf, s)
	if err != nil {
		return time.Time{}, d.errorAt(path, "not a date in the form 2026-01-31")
	}
	return t, nil
}

// document knows where in the text a key stands.
type document struct{ file *ast.File }

// decode is strict: an unknown or repeated key is an error.
func decode(text []byte, into any) (document, error) {
	if len(text) > maxYAML {
		return document{}, fmt.Errorf("%d bytes are longer than %d", len(text), maxYAML)
	}
	file, err := parser.ParseBytes(text, 0)
	if err == nil {
		err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(into)
	}
	if err != nil {
		return document{}, errors.New(yaml.FormatError(err, false, false))
	}
	return document{file}, nil
}

// errorAt prefixes an error with the line and column of the key at path, or of
// the nearest one above it.
func (d document) errorAt(path, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	for path != "" {
		if p, perr := yaml.PathString(path); perr == nil {
			if node, ferr := p.FilterFile(d.file); ferr == nil && node != nil && node.GetToken() != nil {
				at := node.GetToken().Position
				return fmt.Errorf("[%d:%d] %w", at.Line, at.Column, err)
			}
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return err
}
