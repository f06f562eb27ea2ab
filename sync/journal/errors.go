package journal

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What a caller may do something about.
var (
	ErrLocked   = errors.New("another process has it open: ask that process over its socket, or stop it and try again")
	ErrWrongKey = errors.New("it was made with another key: give it the key it was made with, or name another folder")
	ErrFull     = errors.New("too little space is left on its disk: free some; what is stored is unharmed and appending goes on by itself")
	ErrCorrupt  = errors.New("it is damaged: keep the folder for examination, and begin a new one under a new device name; what the centre gave receipts for is safe there")
	ErrClosed   = errors.New("the journal is closed")
	ErrNoEntry  = errors.New("there is no such entry")
)

func corrupt(dir, what string, err error) error {
	return fmt.Errorf("the journal in %s: %s (%v): %w", dir, what, err, ErrCorrupt)
}

// openReserve is what opening itself writes: a fresh write-ahead log, the
// tables of an old one, and small files.
const openReserve = 24 << 20

// room fails with ErrFull when less than need bytes are free. Asking first is
// the only safe way: Badger writes through sparse memory maps, and the kernel
// answers a page it cannot back with SIGBUS, not with an error.
func (j *Journal) room(need uint64) error {
	need = min(need, j.opts.Reserve)
	free, err := j.free(j.dir)
	if err != nil {
		return fmt.Errorf("cannot tell how much space the journal's disk has: %w", err)
	}
	if free < need {
		return fmt.Errorf("the journal in %s has %d MiB of space and needs %d: %w", j.dir, free>>20, need>>20, ErrFull)
	}
	return nil
}

func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
