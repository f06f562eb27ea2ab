//go:build cgo

package token

import (
	"context"
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1"   // linked in for crypto.SHA1
	_ "crypto/sha256" // linked in for crypto.SHA224 and crypto.SHA256
	_ "crypto/sha512" // linked in for crypto.SHA384 and crypto.SHA512
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"

	"github.com/miekg/pkcs11"

	"limen/hw/keystore"
)

// Token is an open token, logged in as its user. It may be used by several
// goroutines; calls go one after the other.
type Token struct {
	library *pkcs11.Ctx
	session pkcs11.SessionHandle
	ours    bool          // we initialized the library
	turn    chan struct{} // holds one value while no call is under way; closed with the token
	label   string
}

// Format prints the label and no more.
func (t *Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[token %q]", t.label) }

// LogValue prints the label and no more.
func (t *Token) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// Open loads the library, finds the token and logs in. It fails with ErrNoToken,
// and with keystore.ErrPassphrase where the PIN is missing or wrong: tokens
// count wrong PINs and lock themselves.
func Open(cfg Config, pin keystore.Passphrase) (*Token, error) {
	t, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("token %q of %s: %w", cfg.Label, cfg.Module, err)
	}
	if err := t.login(pin); err != nil {
		return nil, errors.Join(fmt.Errorf("token %q: cannot log in: %w", cfg.Label, err), t.Close())
	}
	return t, nil
}

func open(cfg Config) (*Token, error) {
	library := pkcs11.New(cfg.Module)
	if library == nil {
		return nil, errors.New("the library cannot be loaded: install it, or correct its path")
	}
	t := &Token{library: library, turn: make(chan struct{}, 1), label: cfg.Label}
	t.turn <- struct{}{}
	switch err := library.Initialize(); {
	case err == nil:
		t.ours = true
	case !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)):
		library.Destroy()
		return nil, fmt.Errorf("the library cannot be used: %w", err)
	}
	slot, err := t.find(cfg.Label)
	if err == nil {
		t.session, err = library.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	}
	if err != nil {
		t.unload()
		return nil, err
	}
	return t, nil
}

func (t *Token) find(label string) (uint, error) {
	slots, err := t.library.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("its slots cannot be listed: %w", err)
	}
	for _, slot := range slots {
		if info, err := t.library.GetTokenInfo(slot); err == nil && strings.TrimRight(info.Label, " \x00") == label {
			return slot, nil
		}
	}
	return 0, ErrNoToken
}

func (t *Token) login(pin keystore.Passphrase) error {
	if pin == nil {
		return keystore.ErrPassphrase
	}
	word, err := pin()
	if err != nil {
		return err
	}
	err = t.library.Login(t.session, pkcs11.CKU_USER, string(word))
	clear(word)
	switch {
	case err == nil, errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)):
		return nil
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INCORRECT)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LEN_RANGE)), errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_INVALID)):
		return fmt.Errorf("%w: %w", keystore.ErrPassphrase, err)
	}
	return err
}

// Close waits for a call under way, logs out and unloads the library. Signers of
// the token are of no more use.
func (t *Token) Close() error {
	if _, open := <-t.turn; !open {
		return nil
	}
	close(t.turn) // no call can follow
	err := t.library.CloseSession(t.session)
	t.unload()
	return err
}

func (t *Token) unload() {
	if t.ours {
		_ = t.library.Finalize()
	}
	t.library.Destroy()
}

// call runs one call when its turn has come, and stops waiting when ctx ends.
func call[R any](ctx context.Context, t *Token, f func() (R, error)) (R, error) {
	var none R
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case _, open := <-t.turn:
		if !open {
			return none, errors.New("the token is closed")
		}
	case <-ctx.Done():
		return none, ctx.Err()
	}
	type result struct {
		value R
		err   error
	}
	done := make(chan result, 1)
	go func() { // Close waits for it by the turn
		value, err := f()
		t.turn <- struct{}{}
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Signer is one private key. It prints its label and no more.
type Signer struct {
	token *Token
	label string
	key   pkcs11.ObjectHandle
	rsa   bool
}

// Format prints the label and no more.
func (s *Signer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[key %q in a token]", s.label) }

// LogValue prints the label and no more.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// Signer finds a private key, RSA or EC, by its label (CKA_LABEL). It fails with
// ErrNoKey.
func (t *Token) Signer(ctx context.Context, label string) (*Signer, error) {
	s, err := call(ctx, t, func() (*Signer, error) {
		key, err := t.object(pkcs11.CKO_PRIVATE_KEY, label)
		if err != nil {
			return nil, err
		}
		kind, err := t.attribute(key, pkcs11.CKA_KEY_TYPE)
		if err != nil {
			return nil, err
		}
		s := &Signer{token: t, label: label, key: key}
		switch number(kind) {
		case pkcs11.CKK_RSA:
			s.rsa = true
		case pkcs11.CKK_EC:
		default:
			return nil, fmt.Errorf("a key of type %d is neither RSA nor EC", number(kind))
		}
		return s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("key %q in token %q: %w", label, t.label, err)
	}
	return s, nil
}

// number reads a CK_ULONG, in the machine's byte order; key types fit its first bytes.
func number(b []byte) uint {
	var n uint
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint(b[i])
	}
	return n
}

func (t *Token) object(class uint, label string) (pkcs11.ObjectHandle, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)}
	if err := t.library.FindObjectsInit(t.session, template); err != nil {
		return 0, err
	}
	found, _, err := t.library.FindObjects(t.session, 2)
	if err = errors.Join(err, t.library.FindObjectsFinal(t.session)); err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, ErrNoKey
	}
	return found[0], nil
}

func (t *Token) attribute(object pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	out, err := t.library.GetAttributeValue(t.session, object, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	if err != nil {
		return nil, err
	}
	return out[0].Value, nil
}

// Sign signs a digest made with opts.HashFunc(): RSA-PSS where opts is
// *rsa.PSSOptions, else RSA PKCS#1 v1.5 or ECDSA as the key is. An ECDSA
// signature is r and s concatenated, each at the length of the curve's order.
func (s *Signer) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	m, err := prepare(s.rsa, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("key %q in token %q: %w", s.label, s.token.label, err)
	}
	signature, err := call(ctx, s.token, func() ([]byte, error) {
		if err := s.token.library.SignInit(s.token.session, []*pkcs11.Mechanism{s.mechanism(m)}, s.key); err != nil {
			return nil, err
		}
		return s.token.library.Sign(s.token.session, m.data)
	})
	if err != nil {
		return nil, fmt.Errorf("key %q in token %q cannot sign: %w", s.label, s.token.label, err)
	}
	return signature, nil
}

func (s *Signer) mechanism(m mechanism) *pkcs11.Mechanism {
	switch {
	case m.pss:
		hash, mgf := pssNames(m.hash)
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, pkcs11.NewPSSParams(hash, mgf, uint(m.salt)))
	case s.rsa:
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil)
	}
	return pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)
}

func pssNames(hash crypto.Hash) (mechanism, mgf uint) {
	switch hash {
	case crypto.SHA1:
		return pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1
	case crypto.SHA224:
		return pkcs11.CKM_SHA224, pkcs11.CKG_MGF1_SHA224
	case crypto.SHA384:
		return pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384
	case crypto.SHA512:
		return pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512
	}
	return pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256
}

// Public reads the key's public half, for a certificate request. An EC key needs
// its public object beside it in the token, under the same label.
func (s *Signer) Public(ctx context.Context) (Public, error) {
	public, err := call(ctx, s.token, func() (Public, error) {
		if s.rsa {
			return s.publicRSA()
		}
		return s.publicEC()
	})
	if err != nil {
		return Public{}, fmt.Errorf("public half of key %q in token %q: %w", s.label, s.token.label, err)
	}
	return public, nil
}

func (s *Signer) publicRSA() (Public, error) {
	n, err := s.token.attribute(s.key, pkcs11.CKA_MODULUS)
	if err != nil {
		return Public{}, err
	}
	b, err := s.token.attribute(s.key, pkcs11.CKA_PUBLIC_EXPONENT)
	if err != nil {
		return Public{}, err
	}
	e := new(big.Int).SetBytes(b)
	if e.BitLen() > 31 {
		return Public{}, fmt.Errorf("an exponent of %d bits is not used here", e.BitLen())
	}
	return Public{RSA: &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())}}, nil
}

func (s *Signer) publicEC() (Public, error) {
	object, err := s.token.object(pkcs11.CKO_PUBLIC_KEY, s.label)
	if err != nil {
		return Public{}, err
	}
	parameters, err := s.token.attribute(object, pkcs11.CKA_EC_PARAMS)
	if err != nil {
		return Public{}, err
	}
	encoded, err := s.token.attribute(object, pkcs11.CKA_EC_POINT)
	if err != nil {
		return Public{}, err
	}
	var curve asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(parameters, &curve); err != nil || len(rest) > 0 {
		return Public{}, errors.New("its curve is not named")
	}
	var point []byte
	if rest, err := asn1.Unmarshal(encoded, &point); err != nil || len(rest) > 0 || len(point) == 0 || point[0] != 4 {
		return Public{}, errors.New("its point is not uncompressed")
	}
	return Public{Curve: curve.String(), Point: point}, nil
}
