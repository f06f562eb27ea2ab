package faults

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func hashOf(body []byte) string { return fmt.Sprintf("%x", sha256.Sum256(body)) }

// flip flips bits of what lies on a disk, after everything has its receipt:
// whatever the one side has lost then, the other has. Either it is noticed or
// it did no harm.
func (r *run) flip(out *result) error {
	device, centre, err := r.stopAll()
	if err != nil {
		return err
	}
	if r.split || r.lots.IntN(2) == 0 {
		return r.flipDevice(out, device)
	}
	return r.flipCentre(out, centre)
}

// flipDevice damages the device's store. Damaged, it must say so; what it
// still shows as good must be what was stored.
func (r *run) flipDevice(out *result, store string) error {
	where, err := flipBits(r.lots, filepath.Join(store, "journal"), func(string) bool { return true })
	if err != nil {
		return err
	}
	out.did["bits flipped in the appliance's store"]++
	r.note("flipped bits in %s", where)
	found, err := r.inspect(store)
	if err != nil {
		return err
	}
	if found.Error != "" {
		r.note("noticed: %s", found.Error)
		out.did["… and noticed"]++
		return nil
	}
	r.compare(out, "journal with flipped bits", found.Entries)
	return nil
}

// flipCentre damages the centre's database. Where verification finds it, the
// centre begins anew, and the device sends everything again.
func (r *run) flipCentre(out *result, folder string) error {
	where, err := flipBits(r.lots, folder, func(name string) bool { return strings.HasPrefix(name, "fleet.db") && !strings.HasSuffix(name, "-shm") })
	if err != nil {
		return err
	}
	out.did["bits flipped in the centre's database"]++
	r.note("flipped bits in %s", where)
	hashes, noticed, err := r.held(folder)
	if noticed == "" && err == nil {
		r.compare(out, "centre with flipped bits", hashes)
		return nil
	}
	r.note("noticed: %s %v", noticed, err)
	out.did["… and noticed"]++
	old, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.RemoveAll(f); err != nil {
			return err
		}
	}
	r.store, r.centreF = r.plain(r.disk, r.store), folder
	// The device has receipts for all of it; with the next entry it hears that
	// the centre holds nothing before it.
	r.quiet, r.receipted, r.calm = -1, 0, false
	if err := r.tend(); err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	if err := r.settle(); err != nil {
		return err
	}
	if _, _, err := r.stopAll(); err != nil {
		return err
	}
	hashes, noticed, err = r.held(folder)
	if err != nil || noticed != "" {
		return errors.Join(err, errors.New(noticed))
	}
	r.compare(out, "centre that began anew", hashes)
	return nil
}

func (r *run) plain(d *disk, folder string) string {
	if d != nil {
		return d.live
	}
	return folder
}

// flipBits flips one to three bits of data in the files of a folder.
func flipBits(lots *rand.Rand, folder string, take func(name string) bool) (string, error) {
	type piece struct {
		path     string
		from, to int64
	}
	var pieces []piece
	total := int64(0)
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !take(e.Name()) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return eachData(f, func(from, to int64) error {
			pieces, total = append(pieces, piece{path, from, to}), total+to-from
			return nil
		})
	})
	if err != nil || total == 0 {
		return "", errors.Join(err, errors.New("there is nothing to flip"))
	}
	var where []string
	for range 1 + lots.IntN(3) {
		at := lots.Int64N(total)
		for _, p := range pieces {
			if at >= p.to-p.from {
				at -= p.to - p.from
				continue
			}
			if err := flipBit(p.path, p.from+at, byte(1)<<lots.IntN(8)); err != nil {
				return "", err
			}
			where = append(where, fmt.Sprintf("%s at %d", filepath.Base(p.path), p.from+at))
			break
		}
	}
	return strings.Join(where, ", "), nil
}

func flipBit(path string, at int64, bit byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= bit
	_, werr := f.WriteAt(b[:], at)
	return errors.Join(err, werr, f.Close())
}
