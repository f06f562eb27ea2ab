package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A store that is first made when the power goes may be torn. beginning lies
// in its folder until it has been opened once: where it is found, nothing was
// ever acknowledged, and the store is made anew.
const beginning = "BEGINNING"

// begin prepares a folder that has no store, or one that was never whole, and
// keeps others from doing so until begun. Any other folder it leaves as it is,
// and returns nil.
func begin(dir string) (*os.File, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	marker := filepath.Join(dir, beginning)
	if _, err := os.Lstat(marker); errors.Is(err, fs.ErrNotExist) && len(names) > 0 {
		return nil, nil
	}
	flags := os.O_WRONLY
	if len(names) == 0 {
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(marker, flags, 0o600)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // somebody begins, or has begun, just now
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, ErrLocked
	}
	if _, err := os.Lstat(marker); err != nil { // somebody has begun meanwhile
		f.Close()
		return nil, ErrLocked
	}
	fresh := len(names) == 0
	if names, err = os.ReadDir(dir); err == nil {
		if fresh && len(names) > 1 { // it was begun between two looks: it is somebody's
			return nil, errors.Join(ErrLocked, os.Remove(marker), f.Close())
		}
		for _, n := range names {
			if n.Name() != beginning {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, n.Name())))
			}
		}
	}
	if err := errors.Join(err, f.Sync(), syncFolder(dir)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// begun says that the store was opened.
func begun(dir string, marker *os.File) error {
	if marker == nil {
		return nil
	}
	return errors.Join(os.Remove(marker.Name()), syncFolder(dir), marker.Close())
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
