package witness

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// state is a witness's folder:
//
//	<journal>.note        the checkpoint cosigned last
//	<journal>.<why>.fork  Evidence, JSON
//
// where <journal> is the SHA-256 of the origin. A file is replaced whole.
type state struct {
	dir  string
	lock *os.File
}

func openState(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the witness's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the witness's folder: %w", err)
	}
	// Two witnesses in one folder could each sign what the other must not.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another witness runs in %s: stop it, or name another folder: %w", dir, err), f.Close())
	}
	return &state{dir, f}, nil
}

func (s *state) close() error { return s.lock.Close() }

func (s *state) path(origin, end string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%x%s", sha256.Sum256([]byte(origin)), end))
}

func (s *state) last(origin string) ([]byte, error) { return os.ReadFile(s.path(origin, ".note")) }

func (s *state) keep(origin string, signed []byte) error {
	return replace(s.path(origin, ".note"), signed)
}

// kinds of evidence, and the names of their files.
var kinds = map[string]string{"two roots of one size": ".root.fork", "no proof from the one to the other": ".proof.fork"}

// fork keeps the first piece of evidence of each kind; fresh tells whether
// this is it.
func (s *state) fork(origin string, shown []byte, why string) (fresh bool, err error) {
	path := s.path(origin, kinds[why])
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	held, err := s.last(origin)
	if err != nil {
		return false, err
	}
	b, err := json.MarshalIndent(Evidence{string(held), string(shown), why}, "", " ")
	if err != nil {
		return false, err
	}
	return true, replace(path, b)
}

func (s *state) evidence(origin string) ([]Evidence, error) {
	var out []Evidence
	for why, end := range kinds {
		b, err := os.ReadFile(s.path(origin, end))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var e Evidence
		if err := json.Unmarshal(b, &e); err != nil || e.Why != why {
			return nil, fmt.Errorf("the evidence in %s is damaged", s.path(origin, end))
		}
		out = append(out, e)
	}
	return out, nil
}

// replace writes path so that after a power cut it holds the old content or
// the new, whole.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once it has been renamed
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
