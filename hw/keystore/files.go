package keystore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	fileName = "keys.json"
	newName  = ".keys-" // begins the names of files being written
	maxFile  = 64 << 10 // bytes
)

// makeDir makes dir for the owner alone, or checks that it is so.
func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("keystore: cannot make the folder above the keys: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keystore: cannot make the folder of the keys: %w", err)
	}
	return guardedDir(dir)
}

func guardedDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("keystore: no keys in %s: make them first (%w)", dir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("keystore: %s is not a folder: choose one for the keys", dir)
	}
	return guarded(dir, info, 0o700)
}

// guarded refuses what others than the owner, who must be us, could read or replace.
func guarded(path string, info fs.FileInfo, want fs.FileMode) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("keystore: %s has mode %04o, others may reach the keys: chmod %04o %s, and consider the keys known", path, mode, want, path)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("keystore: %s belongs to user %d, limen runs as %d: chown it, or run as its owner", path, owner.Uid, os.Geteuid())
	}
	return nil
}

// readGuarded reads the key file after checking who could have reached it.
func readGuarded(dir string) ([]byte, error) {
	if err := guardedDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	// No link is followed, and no pipe waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keystore: no keys in %s: make them first (%w)", dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: cannot read keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keystore: cannot read keys: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("keystore: %s is no key file of at most %d bytes: restore it from its backup", path, maxFile)
	}
	if err := guarded(path, info, 0o600); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("keystore: cannot read keys: %w", err)
	}
	return b, nil
}

// writeNew writes the key file and never replaces one: a link, unlike a
// rename, fails where the name is taken.
func writeNew(dir string, content []byte) error { return write(dir, fileName, content, os.Link) }

// replace writes a file in another's place.
func replace(dir, name string, content []byte) error { return write(dir, name, content, os.Rename) }

// write writes a file so that it is there whole or not at all, also
// after a power cut.
func write(dir, name string, content []byte, place func(from, to string) error) error {
	f, err := os.CreateTemp(dir, newName+"*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails, as it should, once it has been renamed
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := place(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
