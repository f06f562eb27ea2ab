//go:build cgo

package token

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"limen/hw/keystore"
)

// softHSM is a token in software, made for the test alone.
func softHSM(t *testing.T) Config {
	t.Helper()
	library := ""
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib*/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			library = found[0]
			break
		}
	}
	if library == "" {
		t.Skip("libsofthsm2.so is not installed: the token's test needs Debian's package softhsm2")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", dir), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "limen test", "--pin", "1234", "--so-pin", "5678").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
	return Config{Module: library, Label: "limen test"}
}

func pin(word string) keystore.Passphrase {
	return func() ([]byte, error) { return []byte(word), nil }
}

func opened(t *testing.T) *Token {
	t.Helper()
	token, err := Open(softHSM(t), pin("1234"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := token.Close(); err != nil {
			t.Error(err)
		}
	})
	return token
}

// generate makes a key pair in the token, as its tools would, under a label.
func generate(t *testing.T, token *Token, mechanism uint, label string, public ...*pkcs11.Attribute) {
	t.Helper()
	slot, err := token.find(token.label)
	if err != nil {
		t.Fatal(err)
	}
	session, err := token.library.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	common := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)}
	_, _, err = token.library.GenerateKeyPair(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)},
		append(append(public, common...), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true)),
		append(common, pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false)))
	if err != nil {
		t.Fatalf("cannot make key %q: %v", label, err)
	}
	if err := token.library.CloseSession(session); err != nil {
		t.Fatal(err)
	}
}

func generateEC(t *testing.T, token *Token, label string, curve asn1.ObjectIdentifier) {
	t.Helper()
	parameters, err := asn1.Marshal(curve)
	if err != nil {
		t.Fatal(err)
	}
	generate(t, token, pkcs11.CKM_EC_KEY_PAIR_GEN, label, pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, parameters))
}

var (
	p256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	brainpool = asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}
)

func digest(h crypto.Hash) []byte {
	d := h.New()
	d.Write([]byte("threshold"))
	return d.Sum(nil)
}

func TestSignECDSA(t *testing.T) {
	token := opened(t)
	for label, curve := range map[string]asn1.ObjectIdentifier{"P-256": p256, "brainpoolP256r1": brainpool} {
		generateEC(t, token, label, curve)
		s, err := token.Signer(t.Context(), label)
		if err != nil {
			t.Fatal(err)
		}
		public, err := s.Public(t.Context())
		if err != nil || public.Curve != curve.String() || len(public.Point) != 65 || public.RSA != nil {
			t.Fatalf("%s: public half: got %+v, %v", label, public, err)
		}
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			signature, err := s.Sign(t.Context(), digest(h), h)
			if err != nil || len(signature) != 64 {
				t.Fatalf("%s, %s: got %d bytes, %v; want r and s of 32 bytes", label, h, len(signature), err)
			}
			if !verifyECDSA(t, public, digest(h), signature) {
				t.Errorf("%s, %s: the signature does not verify", label, h)
			}
		}
	}
}

// verifyECDSA leaves brainpool curves to OpenSSL, which the standard library does not know.
func verifyECDSA(t *testing.T, public Public, digest, signature []byte) bool {
	t.Helper()
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if public.Curve == p256.String() {
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), public.Point)
		if err != nil {
			t.Fatal(err)
		}
		return ecdsa.Verify(key, digest, r, s)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	// SubjectPublicKeyInfo of id-ecPublicKey on brainpoolP256r1.
	key, _ := hex.DecodeString("305a301406072a8648ce3d020106092b2403030208010107034200")
	dir := t.TempDir()
	for name, b := range map[string][]byte{"key": append(key, public.Point...), "digest": digest, "signature": der} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-in", "digest", "-sigfile", "signature")
	c.Dir = dir
	out, err := c.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("openssl is not installed")
	}
	return err == nil && bytes.Contains(out, []byte("Verified Successfully"))
}

func TestSignRSA(t *testing.T) {
	token := opened(t)
	generate(t, token, pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, "UTIS00001",
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	s, err := token.Signer(t.Context(), "UTIS00001")
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.Public(t.Context())
	if err != nil || public.RSA == nil || public.RSA.N.BitLen() != 2048 || public.RSA.E != 65537 || public.Point != nil {
		t.Fatalf("public half: got %+v, %v", public, err)
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		signature, err := s.Sign(t.Context(), digest(h), h)
		if err != nil || rsa.VerifyPKCS1v15(public.RSA, h, digest(h), signature) != nil {
			t.Errorf("PKCS#1 v1.5 %s: %v", h, err)
		}
		for _, salt := range []int{rsa.PSSSaltLengthEqualsHash, 11} {
			opts := &rsa.PSSOptions{SaltLength: salt, Hash: h}
			signature, err := s.Sign(t.Context(), digest(h), opts)
			if err != nil || rsa.VerifyPSS(public.RSA, h, digest(h), signature, opts) != nil {
				t.Errorf("PSS %s, salt %d: %v", h, salt, err)
			}
		}
	}
	for name, opts := range map[string]crypto.SignerOpts{
		"another hash's length": crypto.SHA512, "no salt length": &rsa.PSSOptions{Hash: crypto.SHA256}, "no hash": crypto.Hash(0), "MD5": crypto.MD5,
	} {
		if _, err := s.Sign(t.Context(), digest(crypto.SHA256), opts); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	cfg := softHSM(t)
	for _, c := range []struct {
		name string
		cfg  Config
		pin  keystore.Passphrase
		want error
	}{
		{"wrong PIN", cfg, pin("4321"), keystore.ErrPassphrase},
		{"no PIN", cfg, nil, keystore.ErrPassphrase},
		{"no such token", Config{cfg.Module, "another"}, pin("1234"), ErrNoToken},
	} {
		if token, err := Open(c.cfg, c.pin); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.name, token, err, c.want)
		}
	}
	if token, err := Open(Config{"/nowhere/lib.so", "x"}, pin("1234")); err == nil || !strings.Contains(err.Error(), "/nowhere/lib.so") {
		t.Errorf("no library: got %v, %v", token, err)
	}
	word := []byte("1234")
	token, err := Open(cfg, func() ([]byte, error) { return word, nil })
	if err != nil || !bytes.Equal(word, make([]byte, 4)) {
		t.Fatalf("got %v, PIN %q; want it wiped", err, word)
	}
	if _, err := token.Signer(t.Context(), "nobody's"); !errors.Is(err, ErrNoKey) {
		t.Errorf("no such key: got %v, want ErrNoKey", err)
	}
	generateEC(t, token, "twice", p256)
	generateEC(t, token, "twice", p256)
	if _, err := token.Signer(t.Context(), "twice"); !errors.Is(err, ErrNoKey) {
		t.Errorf("two keys of a label: got %v, want ErrNoKey", err)
	}
	generateEC(t, token, "once", p256)
	s, err := token.Signer(t.Context(), "once")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), digest(crypto.SHA256), &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}); err == nil {
		t.Error("an EC key signed by RSA-PSS")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ended, digest(crypto.SHA256), crypto.SHA256); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context's end: got %v", err)
	}
	if text := fmt.Sprintf("%v %+v", token, s); text != `[token "limen test"] [key "once" in a token]` {
		t.Errorf("printed: %s", text)
	}
	if err := errors.Join(token.Close(), token.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Sign(t.Context(), digest(crypto.SHA256), crypto.SHA256); err == nil {
		t.Error("a closed token signed")
	}
}

func TestSignersTakeTurns(t *testing.T) {
	token := opened(t)
	generateEC(t, token, "shared", p256)
	s, err := token.Signer(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error)
	for range 8 {
		go func() {
			signature, err := s.Sign(t.Context(), digest(crypto.SHA256), crypto.SHA256)
			if err == nil && !verifyECDSA(t, public, digest(crypto.SHA256), signature) {
				err = errors.New("a signature does not verify")
			}
			results <- err
		}()
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
