package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A store's folder holds each certificate as <sha256>.cer, revocation list as
// .crl, deviation list as .dvl, document signers in packs as .dsc, and
// index.json, which names the sources and what came from which. What the index
// does not name is not trusted. Version 1 knew certificates only.
const (
	indexName    = "index.json"
	indexVersion = 2
	maxIndex     = 64 << 20

	certificateSuffix = ".cer"
	crlSuffix         = ".crl"
	deviationsSuffix  = ".dvl"
)

type index struct {
	Version      int              `json:"version"`
	Sources      []Source         `json:"sources"`
	Certificates map[string][]int `json:"certificates"` // sha256 to indices of sources
	CRLs         map[string]int   `json:"crls,omitempty"`
	Deviations   map[string]int   `json:"deviation_lists,omitempty"`
	Signers      []*pack          `json:"signers,omitempty"`
}

// Open reads the store of a folder. A folder that is absent or empty is an
// empty store; Import makes it.
func Open(dir string) (*Store, error) {
	s := NewStore()
	s.dir = dir
	b, err := os.ReadFile(filepath.Join(dir, indexName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the trust store's index: %w", err)
	}
	if err := s.load(b); err != nil {
		return nil, fmt.Errorf("trust store %s: %w; remove the folder and import its sources again", dir, err)
	}
	return s, nil
}

func (s *Store) load(b []byte) error {
	var idx index
	if len(b) > maxIndex {
		return fmt.Errorf("%s of %d bytes is longer than %d", indexName, len(b), maxIndex)
	}
	if err := json.Unmarshal(b, &idx); err != nil {
		return fmt.Errorf("%s: %w", indexName, err)
	}
	if idx.Version < 1 || idx.Version > indexVersion {
		return fmt.Errorf("%s is of version %d, this system reads 1 to %d", indexName, idx.Version, indexVersion)
	}
	s.sources = idx.Sources
	for _, name := range sortedKeys(idx.Certificates) {
		sources := idx.Certificates[name]
		if len(sources) == 0 || slices.Min(sources) < 0 || slices.Max(sources) >= len(s.sources) {
			return fmt.Errorf("%s: certificate %s has no source", indexName, name)
		}
		der, err := s.read(name, certificateSuffix)
		if err != nil {
			return err
		}
		c, err := ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%s%s: %w", name, certificateSuffix, err)
		}
		s.insert(&anchor{c, sources})
	}
	return s.loadLists(idx)
}

func (s *Store) loadLists(idx index) error {
	for _, name := range sortedKeys(idx.CRLs) {
		der, err := s.read(name, crlSuffix)
		if err != nil {
			return err
		}
		l, err := ParseCRL(der)
		if err != nil {
			return fmt.Errorf("%s%s: %w", name, crlSuffix, err)
		}
		s.crls[l.Issuer.key] = &heldCRL{CRL: l, source: idx.CRLs[name]}
	}
	for _, name := range sortedKeys(idx.Deviations) {
		b, err := s.read(name, deviationsSuffix)
		if err != nil {
			return err
		}
		l, err := openDeviationList(b)
		if err != nil {
			return fmt.Errorf("%s%s: %w", name, deviationsSuffix, err)
		}
		s.deviations[l.Signer.Subject.key] = &heldDeviations{l, idx.Deviations[name]}
	}
	for _, p := range idx.Signers {
		if digest, err := hex.DecodeString(p.Name); err != nil || len(digest) != sha256.Size {
			return fmt.Errorf("%s: %q is no SHA-256", indexName, p.Name)
		}
	}
	s.signers.packs = idx.Signers
	return nil
}

// read reads a file that is named by its SHA-256.
func (s *Store) read(name, suffix string) ([]byte, error) {
	if digest, err := hex.DecodeString(name); err != nil || len(digest) != sha256.Size {
		return nil, fmt.Errorf("%s: %q is no SHA-256", indexName, name)
	}
	b, err := os.ReadFile(filepath.Join(s.dir, name+suffix))
	if err != nil {
		return nil, err
	}
	if digest := sha256.Sum256(b); hex.EncodeToString(digest[:]) != name {
		return nil, fmt.Errorf("%s%s has been changed: its SHA-256 is %x", name, suffix, digest)
	}
	return b, nil
}

// save writes what is new first and the index last, each whole or not at all:
// an interrupted import leaves the store as it was. What the index no longer
// names goes last.
func (s *Store) save() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	idx := index{indexVersion, s.sources, map[string][]int{}, map[string]int{}, map[string]int{}, s.signers.packs}
	for _, a := range s.anchors {
		idx.Certificates[hex.EncodeToString(a.digest[:])] = a.sources
		if err := s.keep(a.digest, certificateSuffix, a.Raw); err != nil {
			return err
		}
	}
	for _, h := range s.crls {
		idx.CRLs[hex.EncodeToString(h.digest[:])] = h.source
		if err := s.keep(h.digest, crlSuffix, h.Raw); err != nil {
			return err
		}
	}
	for _, h := range s.deviations {
		idx.Deviations[hex.EncodeToString(h.digest[:])] = h.source
		if err := s.keep(h.digest, deviationsSuffix, h.raw); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(idx, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(filepath.Join(s.dir, indexName), b); err != nil {
		return err
	}
	s.sweep(idx)
	return nil
}

func (s *Store) keep(digest [sha256.Size]byte, suffix string, b []byte) error {
	path := filepath.Join(s.dir, hex.EncodeToString(digest[:])+suffix)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return writeWhole(path, b)
}

// sweep removes lists and packs that the index does not name: others took
// their place, or an import ended early. What cannot be removed is not read.
func (s *Store) sweep(idx index) {
	packs := map[string]int{}
	for _, p := range idx.Signers {
		packs[p.Name] = p.Source
	}
	for suffix, named := range map[string]map[string]int{crlSuffix: idx.CRLs, deviationsSuffix: idx.Deviations, packSuffix: packs} {
		files, _ := os.ReadDir(s.dir)
		for _, f := range files {
			name, list := strings.CutSuffix(f.Name(), suffix)
			if _, kept := named[name]; list && !kept && len(name) == 2*sha256.Size {
				_ = os.Remove(filepath.Join(s.dir, f.Name()))
			}
		}
	}
}

func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already once renamed
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
