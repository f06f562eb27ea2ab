package specimen

import (
	"context"
	"crypto"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/cvc"
	"limen/mrtd/trust"
)

// VerifierProfile describes who may read the fingerprints and irises on a
// state's chips: its CVCA, one document verifier and one inspection system.
type VerifierProfile struct {
	Country string // alpha-2; "UT" is Utopia
	Key     KeyKind
	// Links is how many times the CVCA has changed its key since the chips were
	// made: each time a link certificate came of it. 0 to 8.
	Links   int
	Foreign bool       // the document verifier is another state's
	Rights  cvc.Rights // of the inspection system; the others have all
	From    time.Time  // start of the CVCA's newest key, the document verifier and the inspection system
}

// DefaultVerifier is Utopia's with the keys most states use now, from a time.
func DefaultVerifier(from time.Time) VerifierProfile {
	return VerifierProfile{
		Country: "UT", From: from, Rights: cvc.ReadDG3 | cvc.ReadDG4,
		Key: KeyKind{Scheme: trust.ECDSA, Curve: "brainpoolP256r1", Hash: crypto.SHA256},
	}
}

const (
	maxLinks      = 8
	yearsBetween  = 3  // keys of a CVCA
	yearsVerifier = 10 // longer than any real one: specimens must not expire in a demonstration
	oidTerminal   = "0.4.0.127.0.7.2.2.2"
)

// Verifier is a hierarchy of card-verifiable certificates with its keys.
type Verifier struct {
	cvca     []*cvc.Certificate // self-signed, the chips' own first, the newest last
	links    []*cvc.Certificate
	document *cvc.Certificate
	terminal *cvc.Certificate
	key      *cvc.Key
}

// NewVerifier makes keys and certificates from random; the same bytes make the
// same hierarchy.
func NewVerifier(p VerifierProfile, random io.Reader) (*Verifier, error) {
	v, err := newVerifier(p, random)
	if err != nil {
		return nil, fmt.Errorf("cannot make a CVCA: %w", err)
	}
	return v, nil
}

func newVerifier(p VerifierProfile, random io.Reader) (*Verifier, error) {
	algorithm, known := cvc.AlgorithmOf(p.Key.Scheme, p.Key.Hash)
	switch {
	case len(p.Country) != 2:
		return nil, fmt.Errorf("country %q is not a code of two letters", p.Country)
	case !known:
		return nil, fmt.Errorf("%s with %s is no algorithm of terminal authentication", p.Key.Scheme, p.Key.Hash)
	case p.Links < 0 || p.Links > maxLinks:
		return nil, fmt.Errorf("%d links are not 0 to %d", p.Links, maxLinks)
	}
	m := hierarchy{p, algorithm, random}
	var v Verifier
	var issuer holder
	for i := 0; i <= p.Links; i++ {
		from := p.From.AddDate(-yearsBetween*(p.Links-i), 0, 0)
		next, err := m.holder("CVCA", i+1, cvc.CVCA, cvc.ReadDG3|cvc.ReadDG4)
		if err != nil {
			return nil, err
		}
		own, err := m.certify(next, next, from)
		if err != nil {
			return nil, err
		}
		if v.cvca = append(v.cvca, own); i > 0 {
			link, err := m.certify(issuer, next, from)
			if err != nil {
				return nil, err
			}
			v.links = append(v.links, link)
		}
		issuer = next
	}
	role := cvc.DVDomestic
	if p.Foreign {
		role = cvc.DVForeign
	}
	document, err := m.holder("DV", 1, role, cvc.ReadDG3|cvc.ReadDG4)
	if err != nil {
		return nil, err
	}
	terminal, err := m.holder("IS", 1, cvc.Terminal, p.Rights)
	if err != nil {
		return nil, err
	}
	if v.document, err = m.certify(issuer, document, p.From); err != nil {
		return nil, err
	}
	if v.terminal, err = m.certify(document, terminal, p.From); err != nil {
		return nil, err
	}
	v.key = terminal.private
	return &v, nil
}

// hierarchy is what all certificates of a Verifier have in common.
type hierarchy struct {
	p         VerifierProfile
	algorithm cvc.Algorithm
	random    io.Reader
}

// holder is a name with a key and a role.
type holder struct {
	name          string
	key           *key
	private       *cvc.Key
	authorization cvc.Authorization
}

func (m hierarchy) holder(mnemonic string, number int, role cvc.Role, rights cvc.Rights) (holder, error) {
	h := holder{
		name:          fmt.Sprintf("%s%s%05d", m.p.Country, mnemonic, number),
		authorization: cvc.Authorization{Type: cvc.InspectionSystems, Role: role, Rights: rights},
	}
	var err error
	if h.key, err = newKey(m.p.Key, m.random); err != nil {
		return h, err
	}
	h.private, err = h.key.terminalKey()
	return h, err
}

func (m hierarchy) certify(issuer, subject holder, from time.Time) (*cvc.Certificate, error) {
	public, err := subject.private.Public(m.algorithm)
	if err != nil {
		return nil, err
	}
	public.Explicit = subject.authorization.Role == cvc.CVCA
	return cvc.Issue(context.Background(), cvc.Certificate{
		Authority: issuer.name, Holder: subject.name, Key: public, Authorization: subject.authorization,
		Effective: from, Expires: from.AddDate(yearsVerifier, 0, 0),
	}, m.algorithm, issuer.key)
}

// terminalKey is the key in the form in which inspection systems keep it.
func (k *key) terminalKey() (*cvc.Key, error) {
	if k.curve != nil {
		return cvc.ECKey(k.curve, k.private)
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: k.modulus, E: exponent}, D: k.private, Primes: k.primes}
	private.Precompute()
	return cvc.RSAKey(private), private.Validate()
}

// Sign makes key a cvc.Signer whose randomness is the specimen's.
func (k *key) Sign(_ context.Context, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	if k.curve == nil {
		return k.signRSA(digest)
	}
	r, s, err := k.curve.Sign(k.random, k.private, digest)
	if err != nil {
		return nil, err
	}
	n := (k.curve.N.BitLen() + 7) / 8
	return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
}

// TrustPoint is the certificate of the CVCA's key that chips were made with:
// one for Spec.CVCA.
func (v *Verifier) TrustPoint() []byte { return v.cvca[0].Raw }

// Certificates are all of the hierarchy's: the CVCA's own, its links, the
// document verifier's and the inspection system's.
func (v *Verifier) Certificates() []*cvc.Certificate {
	out := append(append([]*cvc.Certificate(nil), v.cvca...), v.links...)
	return append(out, v.document, v.terminal)
}

// Key is the inspection system's.
func (v *Verifier) Key() *cvc.Key { return v.key }

// InspectionSystem is the hierarchy's terminal on a day.
func (v *Verifier) InspectionSystem(at time.Time) *cvc.InspectionSystem {
	s := &cvc.InspectionSystem{Certificates: v.Certificates(), Keys: map[string]cvc.Signer{}, At: at}
	s.Add(v.key)
	return s
}

// Save writes the hierarchy's certificates as *.cvcert, by authority and holder
// for links, and the inspection system's key as *.pem, which its owner alone may
// read, into a folder that cvc.Load reads; it is made where it is absent.
func (v *Verifier) Save(dir string) error {
	text, err := v.key.PEM()
	if err != nil {
		return fmt.Errorf("cannot save the inspection system's key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot save the certificates: %w", err)
	}
	for _, c := range v.Certificates() {
		name := c.Holder
		if c.Authorization.Role == cvc.CVCA && !c.SelfSigned() {
			name = c.Authority + "-" + c.Holder
		}
		if err := os.WriteFile(filepath.Join(dir, name+".cvcert"), c.Raw, 0o644); err != nil {
			return fmt.Errorf("cannot save the certificate of %s: %w", c.Holder, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, v.terminal.Holder+".pem"), text, 0o600); err != nil {
		return fmt.Errorf("cannot save the inspection system's key: %w", err)
	}
	return nil
}

// terminalInfos announce terminal authentication in DG14 (BSI TR-03110-3, A.1.1.3).
func (s Spec) terminalInfos() [][]byte {
	if len(s.CVCA) == 0 {
		return nil
	}
	return [][]byte{ber.Encode(ber.Sequence, ber.EncodeOID(oidTerminal), ber.EncodeInt(big.NewInt(1)))}
}

// Verifier makes the hierarchy of the order, nil where it asks for none.
func (o Order) Verifier() (*Verifier, error) {
	if o.CVCA == nil {
		return nil, nil
	}
	return NewVerifier(*o.CVCA, Seed(o.Seed+"\nverifier"))
}
