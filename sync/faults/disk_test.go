package faults

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// disk is a file system that forgets what was not synced when its power is
// cut. It is mounted by FUSE over two folders: live is what programs see, kept
// is what would be there after a power cut.
//
// fsync of a file keeps its content, size and name, as ext4 does; fsync of a
// folder keeps its names. Of the rest a power cut keeps what the lots say:
// the names all or none, as of a file system with a journal; of a file's
// unsynced writes none, all, or some sectors of 512 bytes: a torn write.
type disk struct {
	live, kept, mount string
	server            *fuse.Server

	mu    sync.Mutex
	dead  bool // the power is cut: nothing reaches kept any more
	full  bool
	names map[string]*tracked // in live, by path
	held  map[string]*tracked // in kept
}

// tracked is one file.
type tracked struct {
	name  string // in live; "" once it was removed
	held  string // in kept; "" before its first sync
	dirty []span
}

type span struct{ from, to int64 }

const sector = 512

// mayMount tells whether this machine lets us mount such a disk.
func mayMount() error {
	if os.Getuid() != 0 {
		return errors.New("mounting needs root")
	}
	_, err := os.Stat("/dev/fuse")
	return err
}

func newDisk(dir string) (*disk, error) {
	d := &disk{live: filepath.Join(dir, "live"), kept: filepath.Join(dir, "kept"), mount: filepath.Join(dir, "mount")}
	for _, f := range []string{d.live, d.kept, d.mount} {
		if err := os.MkdirAll(f, 0o700); err != nil {
			return nil, err
		}
	}
	return d, d.powerOn()
}

// powerOn mounts the disk with what is in kept.
func (d *disk) powerOn() error {
	if err := os.RemoveAll(d.live); err != nil {
		return err
	}
	if err := copyTree(d.live, d.kept); err != nil {
		return err
	}
	d.dead, d.full, d.names, d.held = false, false, map[string]*tracked{}, map[string]*tracked{}
	err := filepath.WalkDir(d.live, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			name, _ := filepath.Rel(d.live, path)
			t := &tracked{name: name, held: name}
			d.names[name], d.held[name] = t, t
		}
		return err
	})
	if err != nil {
		return err
	}
	root := &fusefs.LoopbackRoot{Path: d.live}
	second := time.Second
	options := &fusefs.Options{AttrTimeout: &second, EntryTimeout: &second}
	options.MountOptions = fuse.MountOptions{DirectMountStrict: true, FsName: "limen-faults", Name: "limen", DisableXAttrs: true, MaxWrite: 1 << 20}
	d.server, err = fusefs.Mount(d.mount, &node{LoopbackNode: fusefs.LoopbackNode{RootData: root}, d: d}, options)
	return err
}

// powerOff is a power cut, of which the programs on the disk are told by
// killing them: stop must end them.
func (d *disk) powerOff(lots *rand.Rand, stop func()) error {
	d.mu.Lock()
	d.dead = true
	d.mu.Unlock()
	stop()
	if err := d.unmount(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if lots.IntN(2) == 0 {
		d.keepNames("")
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) { // the lots fall in the same order
		t := d.names[name]
		if t.held == "" || len(t.dirty) == 0 {
			continue
		}
		switch lots.IntN(3) {
		case 0: // none of it
		case 1:
			if err := d.copyDirty(t, nil); err != nil {
				return err
			}
		case 2:
			if err := d.copyDirty(t, func() bool { return lots.IntN(2) == 0 }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *disk) unmount() error {
	err := unix.Unmount(d.mount, unix.MNT_DETACH)
	d.server.Wait()
	return err
}

func (d *disk) setFull(full bool) {
	d.mu.Lock()
	d.full = full
	d.mu.Unlock()
}

// keepFile makes a file durable.
func (d *disk) keepFile(t *tracked) error {
	if t.name == "" {
		return nil
	}
	if t.held != t.name {
		if err := d.rename(t, t.name); err != nil {
			return err
		}
	}
	if err := d.copyDirty(t, nil); err != nil {
		return err
	}
	t.dirty = nil
	return nil
}

// rename gives a file in kept its new name, in the place of whatever had it.
func (d *disk) rename(t *tracked, name string) error {
	path := filepath.Join(d.kept, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if old := d.held[name]; old != nil && old != t {
		old.held = ""
	}
	if t.held == "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		f.Close()
	} else {
		if err := os.Rename(filepath.Join(d.kept, t.held), path); err != nil {
			return err
		}
		delete(d.held, t.held)
	}
	t.held = name
	d.held[name] = t
	return nil
}

// keepNames makes the names of a folder durable; of all where it is "".
func (d *disk) keepNames(folder string) {
	in := func(name string) bool { return folder == "" || filepath.Dir(name) == folder }
	for name, t := range d.names {
		if in(name) && t.held != name {
			d.rename(t, name)
		}
	}
	for name, t := range d.held {
		if in(name) && d.names[name] != t {
			os.Remove(filepath.Join(d.kept, name))
			delete(d.held, name)
			t.held = ""
		}
	}
}

// copyDirty copies the dirty sectors of a file that keep says, and its size.
// Where keep is nil it is all of them.
func (d *disk) copyDirty(t *tracked, keep func() bool) error {
	from, err := os.Open(filepath.Join(d.live, t.name))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(d.kept, t.held), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if keep == nil || keep() {
		if err := to.Truncate(info.Size()); err != nil {
			return err
		}
	}
	was, err := to.Stat()
	if err != nil {
		return err
	}
	size := was.Size()
	all := make([]byte, sector)
	for _, s := range t.dirty {
		if keep == nil {
			if _, err := io.Copy(io.NewOffsetWriter(to, s.from), io.NewSectionReader(from, s.from, min(s.to, size)-s.from)); err != nil {
				return err
			}
			continue
		}
		for at := s.from / sector * sector; at < min(s.to, size); at += sector {
			if !keep() {
				continue
			}
			n, err := from.ReadAt(all, at)
			if err != nil && err != io.EOF {
				return err
			}
			if _, err := to.WriteAt(all[:min(int64(n), size-at)], at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *disk) touch(t *tracked, from, to int64) {
	if t == nil || from >= to {
		return
	}
	for k := range t.dirty {
		if s := &t.dirty[k]; from <= s.to && to >= s.from {
			s.from, s.to = min(s.from, from), max(s.to, to)
			return
		}
	}
	t.dirty = append(t.dirty, span{from, to})
}

// node is a file or folder of the disk.
type node struct {
	fusefs.LoopbackNode
	d *disk
}

// WrapChild implements fs.NodeWrapChilder.
func (n *node) WrapChild(_ context.Context, child fusefs.InodeEmbedder) fusefs.InodeEmbedder {
	return &node{LoopbackNode: fusefs.LoopbackNode{RootData: child.(*fusefs.LoopbackNode).RootData}, d: n.d}
}

func (n *node) name() string { return n.Path(n.Root()) }

func (n *node) child(name string) string { return filepath.Join(n.name(), name) }

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if n.d.full {
		return nil, nil, 0, syscall.ENOSPC
	}
	path := n.child(name)
	child, h, f, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	h.(fusefs.FileReleaser).Release(ctx)
	t := n.d.names[path]
	if t == nil {
		t = &tracked{name: path}
		n.d.names[path] = t
	} else if flags&syscall.O_TRUNC != 0 {
		n.d.touch(t, 0, 1<<40)
	}
	own, errno := n.d.openFile(path, flags, t)
	return child, own, f, errno
}

// Open implements fs.NodeOpener.
func (n *node) Open(_ context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	path := n.name()
	t := n.d.names[path]
	if flags&syscall.O_TRUNC != 0 {
		n.d.touch(t, 0, 1<<40)
	}
	h, errno := n.d.openFile(path, flags, t)
	return h, 0, errno
}

func (d *disk) openFile(path string, flags uint32, t *tracked) (fusefs.FileHandle, syscall.Errno) {
	flags &^= syscall.O_APPEND | syscall.O_CREAT | syscall.O_EXCL | syscall.O_DIRECT | fuse.FMODE_EXEC
	if flags&syscall.O_ACCMODE == syscall.O_WRONLY {
		flags = flags&^syscall.O_ACCMODE | syscall.O_RDWR // the page cache reads what it writes into
	}
	f, err := os.OpenFile(filepath.Join(d.live, path), int(flags), 0)
	if err != nil {
		return nil, fusefs.ToErrno(err)
	}
	return &handle{d: d, f: f, t: t}, 0
}

// Setattr implements fs.NodeSetattrer.
func (n *node) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	var t *tracked
	var f *os.File
	if own, ok := h.(*handle); ok {
		t, f = own.t, own.f
	} else {
		t = n.d.names[n.name()]
	}
	if size, ok := in.GetSize(); ok {
		if f == nil {
			var err error
			if f, err = os.OpenFile(filepath.Join(n.d.live, n.name()), os.O_RDWR, 0); err != nil {
				return fusefs.ToErrno(err)
			}
			defer f.Close()
		}
		was, err := f.Stat()
		if err != nil {
			return fusefs.ToErrno(err)
		}
		if n.d.full && int64(size) > was.Size() {
			return syscall.ENOSPC
		}
		if err := f.Truncate(int64(size)); err != nil {
			return fusefs.ToErrno(err)
		}
		// Content is dirty where it is gone; a longer file is a hole, and its
		// size is kept with whatever is kept next.
		if int64(size) < was.Size() {
			n.d.touch(t, int64(size), was.Size())
		} else if t != nil && int64(size) > was.Size() {
			n.d.touch(t, was.Size(), was.Size()+1)
		}
	}
	var st syscall.Stat_t
	if f != nil {
		if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
			return fusefs.ToErrno(err)
		}
		out.FromStat(&st)
		return 0
	}
	if mode, ok := in.GetMode(); ok {
		if err := syscall.Chmod(filepath.Join(n.d.live, n.name()), mode); err != nil {
			return fusefs.ToErrno(err)
		}
	}
	if err := syscall.Lstat(filepath.Join(n.d.live, n.name()), &st); err != nil {
		return fusefs.ToErrno(err)
	}
	out.FromStat(&st)
	return 0
}

// Rename implements fs.NodeRenamer.
func (n *node) Rename(ctx context.Context, name string, parent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	from, to := n.child(name), parent.(*node).child(newName)
	if flags != 0 {
		return syscall.ENOTSUP
	}
	if err := syscall.Rename(filepath.Join(n.d.live, from), filepath.Join(n.d.live, to)); err != nil {
		return fusefs.ToErrno(err)
	}
	for path, t := range n.d.names {
		rest, inside := strings.CutPrefix(path, from+"/")
		if path != from && !inside {
			continue
		}
		is := to
		if inside {
			is = to + "/" + rest
		}
		if old := n.d.names[is]; old != nil {
			old.name = ""
		}
		delete(n.d.names, path)
		t.name, n.d.names[is] = is, t
	}
	return 0
}

// Unlink implements fs.NodeUnlinker.
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	path := n.child(name)
	errno := n.LoopbackNode.Unlink(ctx, name)
	if t := n.d.names[path]; errno == 0 && t != nil {
		t.name = ""
		delete(n.d.names, path)
	}
	return errno
}

// Link and Symlink would escape the account.
func (n *node) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.ENOTSUP
}

// Statfs implements fs.NodeStatfser.
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	errno := n.LoopbackNode.Statfs(ctx, out)
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if n.d.full {
		out.Bfree, out.Bavail = 0, 0
	}
	return errno
}

// OpendirHandle implements fs.NodeOpendirHandler.
func (n *node) OpendirHandle(context.Context, uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	return &folder{n: n}, 0, 0
}

// folder is an open folder.
type folder struct {
	n    *node
	list []fuse.DirEntry
	at   int
	read bool
}

// Readdirent implements fs.FileReaddirenter.
func (f *folder) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !f.read {
		entries, err := os.ReadDir(filepath.Join(f.n.d.live, f.n.name()))
		if err != nil {
			return nil, fusefs.ToErrno(err)
		}
		for k, e := range entries {
			mode := uint32(syscall.S_IFREG)
			if e.IsDir() {
				mode = syscall.S_IFDIR
			}
			f.list = append(f.list, fuse.DirEntry{Name: e.Name(), Mode: mode, Off: uint64(k + 1)})
		}
		f.read = true
	}
	if f.at == len(f.list) {
		return nil, 0
	}
	f.at++
	return &f.list[f.at-1], 0
}

// Seekdir implements fs.FileSeekdirer.
func (f *folder) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if f.at = int(min(off, uint64(len(f.list)))); off == 0 {
		f.list, f.read = nil, false
	}
	return 0
}

// Releasedir implements fs.FileReleasedirer.
func (f *folder) Releasedir(context.Context, uint32) {}

// Fsyncdir implements fs.FileFsyncdirer.
func (f *folder) Fsyncdir(context.Context, uint32) syscall.Errno {
	d := f.n.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return syscall.EIO
	}
	name := f.n.name()
	if name == "" {
		name = "."
	}
	d.keepNames(name)
	return 0
}

// handle is an open file.
type handle struct {
	d *disk
	f *os.File
	t *tracked
}

// Read implements fs.FileReader.
func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.f.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, fusefs.ToErrno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write implements fs.FileWriter.
func (h *handle) Write(_ context.Context, b []byte, off int64) (uint32, syscall.Errno) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case h.d.dead:
		return 0, syscall.EIO
	case h.d.full:
		return 0, syscall.ENOSPC
	}
	n, err := h.f.WriteAt(b, off)
	h.d.touch(h.t, off, off+int64(n))
	return uint32(n), fusefs.ToErrno(err)
}

// Fsync implements fs.FileFsyncer.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.dead {
		return syscall.EIO
	}
	if h.t == nil {
		return 0
	}
	return fusefs.ToErrno(h.d.keepFile(h.t))
}

// Allocate implements fs.FileAllocater.
func (h *handle) Allocate(_ context.Context, off, size uint64, mode uint32) syscall.Errno {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.full {
		return syscall.ENOSPC
	}
	err := unix.Fallocate(int(h.f.Fd()), mode, int64(off), int64(size))
	h.d.touch(h.t, int64(off), int64(off+size))
	return fusefs.ToErrno(err)
}

// Getattr implements fs.FileGetattrer.
func (h *handle) Getattr(_ context.Context, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(h.f.Fd()), &st); err != nil {
		return fusefs.ToErrno(err)
	}
	out.FromStat(&st)
	return 0
}

// Flush implements fs.FileFlusher: closing a file syncs nothing.
func (h *handle) Flush(context.Context) syscall.Errno { return 0 }

// Release implements fs.FileReleaser.
func (h *handle) Release(context.Context) syscall.Errno { return fusefs.ToErrno(h.f.Close()) }

// copyTree copies a folder, leaving holes where the source has them.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		dest := filepath.Join(to, rel)
		if e.IsDir() {
			return os.MkdirAll(dest, 0o700)
		}
		return copySparse(dest, path)
	})
}

func copySparse(to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	t, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer t.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.Truncate(info.Size()); err != nil {
		return err
	}
	return eachData(f, func(from, to int64) error {
		_, err := io.Copy(io.NewOffsetWriter(t, from), io.NewSectionReader(f, from, to-from))
		return err
	})
}

// eachData calls do for each part of a file that is no hole.
func eachData(f *os.File, do func(from, to int64) error) error {
	for at := int64(0); ; {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		if at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
			return err
		}
		if err := do(from, at); err != nil {
			return err
		}
	}
}
