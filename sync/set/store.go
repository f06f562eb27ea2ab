package set

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// Keys are the operations keys of a device.
type Keys interface {
	// Now are those that what is new must be signed by.
	Now() note.Verifiers
	// Ever are those and the ones before, by which what is here was signed.
	Ever() note.Verifiers
}

// Options say whose sets they are.
type Options struct {
	Dir          string
	Site, Device string
	Keys         Keys
	// Apply makes the device run a set's content, by the set's name, or says
	// why it cannot. A set nobody applies is refused.
	Apply map[string]func(m Manifest, content []byte) error
	// Refused and Taken are told once of each set that was; both may be nil.
	Refused func(Refusal)
	Taken   func(Manifest)
	Now     func() time.Time // time.Now when nil
}

// Store is the sets of one device: of each the one it runs.
//
//	<dir>/<name>/manifest         as it was signed; says which content counts
//	<dir>/<name>/content-<number>
//	<dir>/<name>/part-<number>-<base>, what was fetched so far of a packed form
type Store struct {
	opts Options

	mu      sync.Mutex
	held    map[string]held
	refused map[string]Refusal // by name, the last
	let     map[string]bool    // manifests refused before, as they came
}

type held struct {
	Manifest
	signed []byte
}

// OpenStore opens the sets in a folder, and applies them. One that does not
// verify or apply any more is left out and returned as an error beside the
// store: the device goes on without it, and fetches it anew.
func OpenStore(opts Options) (*Store, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Store{opts: opts, held: map[string]held{}, refused: map[string]Refusal{}, let: map[string]bool{}}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of sets: %w", err)
	}
	names, err := os.ReadDir(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder of sets: %w", err)
	}
	var errs []error
	for _, n := range names {
		if !n.IsDir() || wire.CheckIdentifier(n.Name()) != nil {
			continue
		}
		if err := s.reopen(n.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("set %s is left out: %w", n.Name(), err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *Store) reopen(name string) error {
	signed, err := os.ReadFile(s.path(name, "manifest"))
	if err != nil {
		return err
	}
	m, err := Open(signed, s.opts.Keys.Ever())
	if err != nil {
		return err
	}
	if m.Name != name {
		return fmt.Errorf("its manifest is that of %s", m.Name)
	}
	// The number stands whatever became of the content: nothing older is taken.
	s.held[name] = held{m, signed}
	content, err := s.read(m)
	if err != nil {
		return errors.Join(err, os.Remove(s.contentPath(m)))
	}
	if apply := s.opts.Apply[name]; apply != nil {
		return apply(m, content)
	}
	return nil
}

func (s *Store) path(name, file string) string { return filepath.Join(s.opts.Dir, name, file) }
func (s *Store) contentPath(m Manifest) string {
	return s.path(m.Name, "content-"+strconv.FormatUint(m.Number, 10))
}

func (s *Store) read(m Manifest) ([]byte, error) {
	f, err := os.Open(s.contentPath(m))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if uint64(info.Size()) != m.Size {
		return nil, errors.New("its content has another size than its manifest says")
	}
	content := make([]byte, info.Size())
	if _, err := f.ReadAt(content, 0); err != nil && len(content) > 0 {
		return nil, err
	}
	if !m.holds(content) {
		return nil, errors.New("its content is not what its manifest names")
	}
	return content, nil
}

// Number is the number of a set that is here; 0 for none.
func (s *Store) Number(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[name].Number
}

// Runs is what the device reports.
func (s *Store) Runs() (out []wire.Runs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.opts.Apply {
		r := wire.Runs{Name: name, Number: s.held[name].Number}
		if no, ok := s.refused[name]; ok && no.Number != r.Number {
			r.Refused, r.Why = no.Number, string(no.Why)
		}
		if len(out) < wire.MaxRuns {
			out = append(out, r)
		}
	}
	return out
}

// refuse notes a refusal, and tells of it once for each manifest as it came.
func (s *Store) refuse(signed []byte, no *Refusal) error {
	const remembered = 1000
	s.mu.Lock()
	if len(s.let) >= remembered { // whoever sends so many has them recorded again
		clear(s.let)
	}
	known := s.let[string(signed)]
	s.let[string(signed)] = true
	if no.Name != "" {
		s.refused[no.Name] = *no
	}
	s.mu.Unlock()
	if !known && s.opts.Refused != nil {
		s.opts.Refused(*no)
	}
	return no
}

// known tells whether a manifest, as it came, was taken or refused before.
func (s *Store) known(signed []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if bytes.Equal(h.signed, signed) {
			return true
		}
	}
	return s.let[string(signed)]
}

// take makes a content that fits its manifest the one that counts: applied
// first, then on disk, then named by the manifest that replaces the one before.
func (s *Store) take(m Manifest, signed, content []byte) error {
	if err := s.opts.Apply[m.Name](m, content); err != nil {
		return s.refuse(signed, refuse(m, WhyUnfit, "%v", err))
	}
	if err := os.MkdirAll(filepath.Join(s.opts.Dir, m.Name), 0o700); err != nil {
		return fmt.Errorf("cannot keep set %s: %w", m.Name, err)
	}
	if err := replaceFile(s.contentPath(m), content); err != nil {
		return fmt.Errorf("cannot keep set %s: %w", m.Name, err)
	}
	if err := replaceFile(s.path(m.Name, "manifest"), signed); err != nil {
		return fmt.Errorf("cannot keep set %s: %w", m.Name, err)
	}
	s.mu.Lock()
	s.held[m.Name] = held{m, bytes.Clone(signed)}
	s.mu.Unlock()
	s.tidy(m)
	if s.opts.Taken != nil {
		s.opts.Taken(m)
	}
	return nil
}

// tidy removes what a set leaves behind: earlier contents and parts.
func (s *Store) tidy(m Manifest) {
	files, _ := os.ReadDir(filepath.Join(s.opts.Dir, m.Name))
	for _, f := range files {
		if n := f.Name(); (strings.HasPrefix(n, "content-") || strings.HasPrefix(n, "part-")) && s.path(m.Name, n) != s.contentPath(m) {
			os.Remove(s.path(m.Name, n)) // what stays is in nobody's way
		}
	}
}

// replaceFile puts a file in place whole, and durably.
func replaceFile(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
