package cvc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// InspectionSystem is what a terminal has to show to chips: certificates of any
// number of CVCAs, and the keys of its own among them. It is what package
// access asks for terminal authentication.
type InspectionSystem struct {
	Certificates []*Certificate
	Keys         map[string]Signer // by the reference of the certificate's holder
	// At is the day of the inspection: certificates that have expired are not shown.
	At time.Time
}

// Chain is Find for the certificates this inspection system has the keys of.
func (s *InspectionSystem) Chain(trustPoints []string) ([]*Certificate, error) {
	return find(s.Certificates, trustPoints, s.At, func(c *Certificate) bool { return s.Keys[c.Holder] != nil })
}

// Sign signs a message with the key of one of its certificates, by that
// certificate's algorithm. A signature that the certificate does not verify is
// an error here: the chip would only say that it is wrong, not why.
func (s *InspectionSystem) Sign(ctx context.Context, c *Certificate, message []byte) ([]byte, error) {
	signer := s.Keys[c.Holder]
	if signer == nil {
		return nil, fmt.Errorf("cvc: no key for certificate %s", c)
	}
	a := c.Key.Algorithm
	signature, err := signer.Sign(ctx, a.digest(message), a.options())
	if err != nil {
		return nil, fmt.Errorf("cannot sign as %s: %w", c.Holder, err)
	}
	if !c.Key.known() {
		return signature, nil // only the chip can tell
	}
	if err := c.Key.Verify(message, signature); err != nil {
		return nil, fmt.Errorf("the key kept for %s is not the one certified: %w", c, err)
	}
	return signature, nil
}

// Bounds of a folder of certificates: a site has a few for each country.
const (
	maxCertificates = 1024
	certificateName = "*.cvcert"
	keyName         = "*.pem"
)

// LoadCertificates reads the certificates of a folder, its files *.cvcert.
func LoadCertificates(fsys fs.FS) ([]*Certificate, error) {
	names, err := fs.Glob(fsys, certificateName)
	if err != nil {
		return nil, err
	}
	if len(names) > maxCertificates {
		return nil, fmt.Errorf("cvc: %d certificates are more than %d", len(names), maxCertificates)
	}
	out := make([]*Certificate, 0, len(names))
	for _, name := range names {
		b, err := readBounded(fsys, name, maxCertificate)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path.Base(name), err)
		}
		c, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path.Base(name), err)
		}
		out = append(out, c)
	}
	return out, nil
}

// Load reads a folder of certificates and of keys in software, its files *.pem,
// each of which must belong to one of the certificates.
func Load(fsys fs.FS, at time.Time) (*InspectionSystem, error) {
	certificates, err := LoadCertificates(fsys)
	if err != nil {
		return nil, err
	}
	if len(certificates) == 0 {
		return nil, errors.New("cvc: no file *.cvcert in the folder")
	}
	s := &InspectionSystem{Certificates: certificates, Keys: map[string]Signer{}, At: at}
	names, err := fs.Glob(fsys, keyName)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := readBounded(fsys, name, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path.Base(name), err)
		}
		key, err := ParseKey(b)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path.Base(name), err)
		}
		if !s.Add(key) {
			return nil, fmt.Errorf("cvc: %s is the key of none of the folder's certificates", path.Base(name))
		}
	}
	return s, nil
}

// Add keeps a key for every certificate of an inspection system that is for it,
// and tells whether there is one.
func (s *InspectionSystem) Add(k *Key) bool {
	added := false
	for _, c := range s.Certificates {
		if c.Authorization.Role == Terminal && k.Certified(c) {
			s.Keys[c.Holder], added = k, true
		}
	}
	return added
}

func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return b, err
}
