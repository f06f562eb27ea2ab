package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

var bg = context.Background()

// A disk that is really full: a small tmpfs.
func TestDiskFull(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	opts := testOptions()
	opts.Reserve = 24 << 20
	j := openTest(t, filepath.Join(mount, "journal"), opts)
	t.Cleanup(func() { j.Close() })
	appendN(t, j, 20)

	ballast := filepath.Join(mount, "ballast")
	fill(t, ballast)
	_, err := j.Append(bg, []byte("no room"))
	if !errors.Is(err, ErrFull) {
		t.Fatalf("append to a full disk: got %v, want ErrFull", err)
	}
	t.Logf("a full disk says: %v", err)
	if v, err := j.Verify(bg, Check{}); err != nil || v.Fault != nil || v.Size != 20 {
		t.Errorf("while full: got %+v, %v", v, err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("closing while full: %v", err)
	}
	if _, err := Open(filepath.Join(mount, "journal"), opts); !errors.Is(err, ErrFull) {
		t.Errorf("opening on a full disk: got %v, want ErrFull", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	j = openTest(t, filepath.Join(mount, "journal"), opts)
	appendN(t, j, 5)
	fill(t, ballast)
	if _, err := j.Append(bg, []byte("no room")); !errors.Is(err, ErrFull) {
		t.Errorf("full again: got %v, want ErrFull", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 5) // the same open journal goes on by itself
	if v, err := j.Verify(bg, Check{}); err != nil || v.Fault != nil || v.Size != 30 || v.Signed != 30 {
		t.Errorf("after space came back: got %+v, %v; want 30 entries", v, err)
	}
}

// fill takes all the space there is, but what closing a store needs: at most
// the table its write-ahead log becomes.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
	}
	if err := f.Truncate(max(0, size(t, f)-(2<<20))); err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// The same where no tmpfs can be mounted: the free space is what the test says.
func TestNoRoomIsRefusedUnharmed(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 3)
	var free uint64
	j.free = func(string) (uint64, error) { return free, nil }
	if _, err := j.Append(bg, []byte("no room")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	if err := j.Erase(bg, 1); !errors.Is(err, ErrFull) {
		t.Errorf("erasing: got %v, want ErrFull", err)
	}
	free = 1 << 40
	appendN(t, j, 1)
	if v, err := j.Verify(bg, Check{}); err != nil || v.Fault != nil || v.Size != 4 {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}

// An erasure that is taken up again needs room too: Badger writes through
// sparse maps, and would end the process at every start.
func TestErasureIsTakenUpWhereThereIsRoom(t *testing.T) {
	j := openTest(t, t.TempDir(), testOptions())
	appendN(t, j, 3)
	if err := j.intend(Erasure{Entries: []uint64{1}}); err != nil {
		t.Fatal(err)
	}
	var free uint64
	j.free = func(string) (uint64, error) { return free, nil }
	if err := j.resume(); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	free = 1 << 40
	if err := j.resume(); err != nil {
		t.Error(err)
	}
	if e, err := j.Entry(1); err != nil || !e.Erased {
		t.Errorf("got erased %v, %v; want it erased", e.Erased, err)
	}
	if v, err := j.Verify(bg, Check{}); err != nil || v.Fault != nil || v.Erased != 1 {
		t.Errorf("Verify: got %+v, %v", v, err)
	}
}
