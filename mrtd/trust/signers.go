package trust

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"

	"limen/mrtd/ber"
)

// signers are the document signers' certificates that directories brought, for
// documents that do not carry their own. They are no anchors: whoever uses one
// judges its chain. The PKD has thirty thousand of them, 50 MB, so they lie in
// packs, certificate after certificate, and only where each lies is kept; even
// that is read when the first document asks.
type signers struct {
	packs []*pack
	once  sync.Once
	err   error
	at    map[signerKey][]signerPlace
	known map[[sha256.Size]byte]bool
}

// pack is a file <sha256>.dsc of the store's folder, or bytes of a store in memory.
type pack struct {
	Name    string `json:"sha256"`
	Signers int    `json:"signers"`
	Source  int    `json:"source"`

	content []byte // of a store in memory
}

// signerKey is a digest of issuer and serial, or of a key identifier.
type signerKey [16]byte

type signerPlace struct {
	pack   *pack
	offset int64
	length int
}

const (
	packSuffix = ".dsc"
	maxPack    = 1 << 30
	maxFound   = 8 // certificates that one name of a signer is looked up to

	maxStoredSigners = 1_000_000
)

func keyOfIssuer(issuer Name, serial string) signerKey {
	return signerKey(sha256Of("issuer", issuer.key, serial))
}

func keyOfID(id []byte) signerKey { return signerKey(sha256Of("key", string(id), "")) }

func sha256Of(kind, a, b string) []byte {
	sum := sha256.Sum256([]byte(kind + "\x00" + a + "\x00" + b))
	return sum[:len(signerKey{})]
}

func (s *signers) place(c *Certificate, at signerPlace) {
	s.known[c.digest] = true
	key := keyOfIssuer(c.Issuer, serialKey(c.Serial))
	s.at[key] = append(s.at[key], at)
	if len(c.SubjectKeyID) > 0 {
		key = keyOfID(c.SubjectKeyID)
		s.at[key] = append(s.at[key], at)
	}
}

// load finds out where each certificate lies.
func (s *signers) load(dir string) error {
	s.once.Do(func() {
		s.at, s.known = map[signerKey][]signerPlace{}, map[[sha256.Size]byte]bool{}
		for _, p := range s.packs {
			if s.err = s.scan(p, dir); s.err != nil {
				s.err = fmt.Errorf("cannot read the document signers %s%s: %w", p.Name, packSuffix, s.err)
				return
			}
		}
	})
	return s.err
}

func (s *signers) scan(p *pack, dir string) error {
	var in io.Reader = bytes.NewReader(p.content)
	if p.content == nil {
		f, err := os.Open(filepath.Join(dir, p.Name+packSuffix))
		if err != nil {
			return err
		}
		defer f.Close()
		in = io.LimitReader(f, maxPack)
	}
	digest := sha256.New()
	r := bufio.NewReaderSize(io.TeeReader(in, digest), 2*maxCertificate)
	for offset := int64(0); ; {
		head, err := r.Peek(8)
		if len(head) == 0 && errors.Is(err, io.EOF) {
			break
		}
		_, length, header, _, err := ber.ParseHeader(head)
		if err != nil {
			return err
		}
		if length > maxCertificate {
			return fmt.Errorf("a certificate of %d bytes is longer than %d", length, maxCertificate)
		}
		der := make([]byte, header+length)
		if _, err := io.ReadFull(r, der); err != nil {
			return err
		}
		c, err := ParseCertificate(der)
		if err != nil {
			return err
		}
		s.place(c, signerPlace{p, offset, len(der)})
		offset += int64(len(der))
	}
	if got := hex.EncodeToString(digest.Sum(nil)); got != p.Name {
		return fmt.Errorf("it has been changed: its SHA-256 is %s", got)
	}
	return nil
}

// FindSigners returns the document signers' certificates that a signer of a
// message names. They are not anchors: their chain is still to be judged. An
// error says that the store could not be read.
func (s *Store) FindSigners(info *SignerInfo) ([]*Certificate, error) {
	if len(s.signers.packs) == 0 {
		return nil, nil
	}
	if err := s.signers.load(s.dir); err != nil {
		return nil, err
	}
	key := keyOfID(info.SubjectKeyID)
	if info.Serial != nil {
		key = keyOfIssuer(info.Issuer, serialKey(info.Serial))
	}
	var out []*Certificate
	for _, at := range s.signers.at[key] {
		if len(out) == maxFound {
			break
		}
		der, err := at.read(s.dir)
		if err != nil {
			return nil, fmt.Errorf("cannot read a document signer: %w", err)
		}
		if c, err := ParseCertificate(der); err == nil && info.Identifies(c) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (p signerPlace) read(dir string) ([]byte, error) {
	if p.pack.content != nil {
		return p.pack.content[p.offset : p.offset+int64(p.length)], nil
	}
	f, err := os.Open(filepath.Join(dir, p.pack.Name+packSuffix))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	der := make([]byte, p.length)
	_, err = f.ReadAt(der, p.offset)
	return der, err
}

// Signers is the number of document signers' certificates in the store.
func (s *Store) Signers() int {
	n := 0
	for _, p := range s.signers.packs {
		n += p.Signers
	}
	return n
}

// packWriter collects certificates into a pack: a file at once, so that a
// directory of any size is imported in little memory.
type packWriter struct {
	store  *Store
	pack   pack
	digest hash.Hash
	file   *os.File
	memory bytes.Buffer // of a store without a folder
	out    *bufio.Writer
	size   int64
}

func (s *Store) newPack(source int) (*packWriter, error) {
	if err := s.signers.load(s.dir); err != nil {
		return nil, err
	}
	return &packWriter{store: s, pack: pack{Source: source}, digest: sha256.New()}, nil
}

// holds tells whether the store or the pack has a certificate already.
func (w *packWriter) holds(c *Certificate) bool { return w.store.signers.known[c.digest] }

func (w *packWriter) add(c *Certificate) error {
	if w.store.Signers()+w.pack.Signers >= maxStoredSigners || w.size+int64(len(c.Raw)) > maxPack {
		return errors.New("more document signers than the store takes")
	}
	if w.out == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.digest.Write(c.Raw)
	w.store.signers.known[c.digest] = true
	w.pack.Signers++
	w.size += int64(len(c.Raw))
	_, err := w.out.Write(c.Raw)
	return err
}

func (w *packWriter) begin() error {
	if w.store.dir == "" {
		w.out = bufio.NewWriter(&w.memory)
		return nil
	}
	if err := os.MkdirAll(w.store.dir, 0o755); err != nil {
		return err
	}
	var err error
	if w.file, err = os.CreateTemp(w.store.dir, ".new-*"); err == nil {
		w.out = bufio.NewWriter(w.file)
	}
	return err
}

// finish puts the pack into the store. The store's index still has to name it.
func (w *packWriter) finish() error {
	if w.out == nil {
		return nil
	}
	err := w.out.Flush()
	w.pack.Name = hex.EncodeToString(w.digest.Sum(nil))
	if w.file == nil {
		w.pack.content = w.memory.Bytes()
	} else if err == nil {
		if err = w.file.Chmod(0o644); err == nil {
			err = w.file.Sync()
		}
		if err == nil {
			err = os.Rename(w.file.Name(), filepath.Join(w.store.dir, w.pack.Name+packSuffix))
		}
	}
	if err == nil {
		w.store.signers = &signers{packs: append(w.store.signers.packs, &w.pack)}
	}
	return err
}

// close ends the writing; a pack that was not finished leaves nothing behind.
func (w *packWriter) close() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name()) // gone already once renamed
	}
	if w.out != nil && w.pack.Name == "" {
		w.store.signers = &signers{packs: w.store.signers.packs}
	}
}
