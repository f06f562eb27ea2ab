package faults

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The disk itself: what is synced is there after a power cut, and what is not
// is at the mercy of the lots.
func TestDiskForgetsWhatWasNotSynced(t *testing.T) {
	if err := mayMount(); err != nil {
		t.Skip(err)
	}
	outcomes := map[string]int{}
	for seed := range uint64(12) {
		d, err := newDisk(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		// Another process: a page fault here would wait for this one.
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), asChild+"=writer", childConfig+"="+d.mount)
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := d.powerOff(rand.New(rand.NewPCG(seed, 0)), func() {}); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]byte{"synced": 'a', "mapped": 'a', "sub/renamed": 'b'} {
			b, err := os.ReadFile(filepath.Join(d.kept, name))
			if err != nil || len(b) != 8192 || bytes.Count(b[:4096], []byte{want}) != 4096 {
				t.Fatalf("seed %d: %s: got %d bytes, %v; want what was synced", seed, name, len(b), err)
			}
			n := bytes.Count(b[4096:], []byte{'x'})
			switch n {
			case 0:
				outcomes["lost"]++
			case 4096:
				outcomes["kept"]++
			default:
				outcomes["torn"]++
			}
		}
	}
	if outcomes["lost"] == 0 || outcomes["kept"] == 0 || outcomes["torn"] == 0 {
		t.Errorf("of what was written and not synced: %v; want some lost, some kept, some torn", outcomes)
	}
}

// beWriter writes 4096 bytes, syncs them, and writes 4096 more.
func beWriter(dir string) error {
	write := func(name string, c byte) (*os.File, error) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if err := f.Truncate(8192); err != nil {
			return nil, err
		}
		_, err = f.WriteAt(bytes.Repeat([]byte{c}, 4096), 0)
		return f, err
	}
	f, err := write("synced", 'a')
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 4096), 4096); err != nil {
		return err
	}
	if f, err = write("mapped", 'z'); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	for k := range 4096 {
		m[k] = 'a'
	}
	if err := unix.Msync(m, unix.MS_SYNC); err != nil {
		return err
	}
	for k := 4096; k < 8192; k++ {
		m[k] = 'x'
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		return err
	}
	if f, err = write("sub/first", 'b'); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "sub/first"), filepath.Join(dir, "sub/renamed")); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{'x'}, 4096), 4096)
	return err
}
