package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A store's folder holds each certificate as <sha256>.cer and index.json,
// which names the sources and which certificates came from which. A
// certificate the index does not name is not trusted.
const (
	indexName    = "index.json"
	indexVersion = 1
	maxIndex     = 64 << 20
)

type index struct {
	Version      int              `json:"version"`
	Sources      []Source         `json:"sources"`
	Certificates map[string][]int `json:"certificates"` // sha256 to indices of sources
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
	if idx.Version != indexVersion {
		return fmt.Errorf("%s is of version %d, this system reads %d", indexName, idx.Version, indexVersion)
	}
	s.sources = idx.Sources
	for _, name := range slices.Sorted(maps.Keys(idx.Certificates)) {
		sources := idx.Certificates[name]
		if len(sources) == 0 || slices.Min(sources) < 0 || slices.Max(sources) >= len(s.sources) {
			return fmt.Errorf("%s: certificate %s has no source", indexName, name)
		}
		if digest, err := hex.DecodeString(name); err != nil || len(digest) != sha256.Size {
			return fmt.Errorf("%s: %q is no SHA-256", indexName, name)
		}
		der, err := os.ReadFile(filepath.Join(s.dir, name+".cer"))
		if err != nil {
			return err
		}
		c, err := ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%s.cer: %w", name, err)
		}
		if hex.EncodeToString(c.digest[:]) != name {
			return fmt.Errorf("%s.cer has been changed: its SHA-256 is %x", name, c.digest)
		}
		s.insert(&anchor{c, sources})
	}
	return nil
}

// Import takes a file's bytes: a master list, which root must vouch for (see
// VerifyMasterList), or certificates in DER or PEM, for which the caller
// vouches and root is not looked at. at is the day of import. A store of a
// folder is written before Import returns.
func (s *Store) Import(name string, b []byte, root *Certificate, at time.Time) (Counts, error) {
	digest := sha256.Sum256(b)
	from := Source{Name: name, SHA256: hex.EncodeToString(digest[:]), Imported: at.UTC().Truncate(time.Second)}
	certificates, err := ParseCertificates(b)
	var list MasterList
	if err != nil {
		// What is signed data is meant as a list, and judged as one.
		if _, cms := ParseSignedData(b); cms != nil {
			return Counts{}, fmt.Errorf("cannot import %s: neither a certificate (%v) nor a master list (%v)", name, err, cms)
		}
		if list, err = VerifyMasterList(b, root); err != nil {
			return Counts{}, fmt.Errorf("cannot import %s: %w", name, err)
		}
		certificates = list.Certificates
		from.MasterList, from.Signed, from.Signer = true, list.SigningTime.UTC(), list.Signer.Subject.String()
	}
	n := s.Add(from, certificates...)
	n.Duplicates += list.Duplicates
	n.Unreadable += len(list.Unreadable)
	n.Total += list.Duplicates + len(list.Unreadable)
	s.sources[len(s.sources)-1].Counts = n
	if s.dir != "" {
		if err := s.save(); err != nil {
			return Counts{}, fmt.Errorf("cannot store %s: %w", name, err)
		}
	}
	return n, nil
}

// save writes the certificates first and the index last, each whole or not at
// all: an interrupted import leaves the store as it was.
func (s *Store) save() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	idx := index{indexVersion, s.sources, map[string][]int{}}
	for _, a := range s.anchors {
		name := hex.EncodeToString(a.digest[:])
		idx.Certificates[name] = a.sources
		path := filepath.Join(s.dir, name+".cer")
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := writeWhole(path, a.Raw); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(idx, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(s.dir, indexName), b)
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
