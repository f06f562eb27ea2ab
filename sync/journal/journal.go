// Package journal is an append-only log of opaque bytes that cannot be
// rewritten unseen and can still forget: an RFC 6962 Merkle tree over salted
// commitments, kept in one encrypted Badger store.
//
//	body, fresh salt → leaf = SHA-256(domain ‖ salt ‖ body) → tree → checkpoint signed by the device
//
// The tree holds commitments only. Bodies and salts lie beside it under keys
// of their own; erasing both leaves a leaf that proves nothing about what it
// stood for, while every proof still verifies.
//
// The package knows nothing of what is journaled, nor of who asks.
package journal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Bounds of one entry.
const (
	MaxBody     = 128 << 10 // bytes of one body
	MaxIndexKey = 128       // bytes of one index key
	MaxKeys     = 8         // index keys of one entry
	SaltSize    = 32        // bytes of a salt
)

// leafDomain separates commitments from every other use of SHA-256.
const leafDomain = "limen journal leaf v1\n"

// Hash is a node of the tree (RFC 6962, 2.1).
type Hash = tlog.Hash

// Commitment is the leaf's data: it binds to body without telling it, even to
// one who guesses the body, as long as the salt is not known.
func Commitment(salt, body []byte) Hash {
	h := sha256.New()
	h.Write([]byte(leafDomain))
	h.Write(salt)
	h.Write(body)
	return Hash(h.Sum(nil))
}

// Signer signs as the device (Ed25519).
type Signer interface {
	Sign(message []byte) ([]byte, error)
	PublicKey() []byte
}

// Options say whose journal it is.
type Options struct {
	Key    []byte           // 32 bytes: encryption at rest; none with Clear
	Clear  bool             // the store lies in the clear, as where the whole disk is encrypted
	Name   string           // origin: first line of every checkpoint and name of the signing key
	Signer Signer           // the device's key
	Now    func() time.Time // stamps entries; time.Now when nil
	Log    *slog.Logger     // what the store reports; nothing when nil
	// Reserve is the free space, in bytes, without which nothing is appended
	// (default 64 MiB). It covers everything the store may write of its own
	// accord, whose live files are sparse maps: a page without space behind it
	// would end the process.
	Reserve uint64
}

// Entry is one entry. Of an erased one Salt, Body, Keys and At are empty.
type Entry struct {
	Index  uint64
	At     time.Time // when it was appended, to the millisecond
	Leaf   Hash      // the commitment
	Salt   []byte
	Body   []byte
	Keys   [][]byte
	Erased bool
}

// LogValue redacts.
func (e Entry) LogValue() slog.Value { return slog.Uint64Value(e.Index) }

// Receipt says that an entry is durable, and the tree that holds it.
type Receipt struct {
	Index uint64
	Size  uint64
	Root  Hash
}

// Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	db       *badger.DB
	dir      string
	opts     Options
	signer   note.Signer
	verifier note.Verifier
	free     func(dir string) (uint64, error)

	queue chan *pending
	quit  chan struct{} // closed by Close
	done  chan struct{} // closed when the committer has ended

	closing sync.Once
	erasing sync.Mutex    // held during an erasure
	write   sync.Mutex    // held by whoever writes to the store
	version atomic.Uint64 // of the last write
	mu      sync.Mutex
	size    uint64
	root    Hash
	grown   chan struct{} // closed and replaced at each commit
	broken  error         // why nothing can be appended until the journal is opened anew
}

// Open opens the journal in dir, or begins one there. It fails with ErrLocked
// when another process has it open, ErrWrongKey, ErrFull and ErrCorrupt; each
// names dir and what to do.
func Open(dir string, opts Options) (*Journal, error) {
	if len(opts.Key) != 32 && !(opts.Clear && len(opts.Key) == 0) {
		return nil, fmt.Errorf("the journal's key has %d bytes; it needs 32", len(opts.Key))
	}
	if opts.Signer == nil {
		return nil, errors.New("the journal has no signer; give it the device's key")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Reserve == 0 {
		opts.Reserve = 64 << 20
	}
	signer, verifier, err := noteKeys(opts.Name, opts.Signer)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the journal's folder: %w", err)
	}
	j := &Journal{
		dir: dir, opts: opts, signer: signer, verifier: verifier, free: freeSpace,
		queue: make(chan *pending, maxGroup), quit: make(chan struct{}), done: make(chan struct{}), grown: make(chan struct{}),
	}
	if err := j.room(openReserve); err != nil {
		return nil, err
	}
	marker, err := begin(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot begin the journal in %s: %w", dir, err)
	}
	if j.db, err = openStore(dir, opts); err != nil {
		if marker != nil {
			marker.Close()
		}
		return nil, err
	}
	if err := begun(dir, marker); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot begin the journal in %s: %w", dir, err), j.db.Close())
	}
	if err := errors.Join(j.load(), j.resume()); err != nil {
		return nil, errors.Join(err, j.db.Close())
	}
	go j.commitLoop()
	return j, nil
}

// load reads where the log stands.
func (j *Journal) load() error {
	j.version.Store(max(j.db.MaxVersion(), tombVersion))
	j.db.SetDiscardTs(j.version.Load())
	err := j.view(func(txn *badger.Txn) error {
		origin, err := get(txn, keyOrigin)
		switch {
		case errors.Is(err, badger.ErrKeyNotFound):
			return nil // a new journal; the first commit names it
		case err != nil:
			return err
		case string(origin) != j.opts.Name:
			return fmt.Errorf("the journal in %s is that of %q, not of %q; name the right folder or device", j.dir, origin, j.opts.Name)
		}
		b, err := get(txn, keySize)
		if err != nil {
			return corrupt(j.dir, "its size is missing", err)
		}
		if j.size, err = parseUint64(b); err != nil {
			return corrupt(j.dir, "its size is unreadable", err)
		}
		if j.root, err = tlog.TreeHash(int64(j.size), hashReader(txn)); err != nil {
			return corrupt(j.dir, "its tree cannot be read", err)
		}
		return nil
	})
	if j.size == 0 && err == nil {
		j.root, err = tlog.TreeHash(0, nil)
	}
	return err
}

// Close waits for what is being appended or erased and closes the store.
func (j *Journal) Close() error {
	var err error
	j.closing.Do(func() {
		close(j.quit)
		<-j.done
		j.erasing.Lock() // an erasure under way is finished: the store is not closed under it
		defer j.erasing.Unlock()
		if err = j.db.Close(); err != nil {
			err = fmt.Errorf("cannot close the journal in %s: %w", j.dir, err)
		}
	})
	return err
}

// Name is the journal's origin.
func (j *Journal) Name() string { return j.opts.Name }

// Verifier checks the notes this journal signs.
func (j *Journal) Verifier() note.Verifier { return j.verifier }

// Head is the number of entries and the root of their tree.
func (j *Journal) Head() (size uint64, root Hash) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size, j.root
}

// Size is the number of entries, erased ones included.
func (j *Journal) Size() uint64 { size, _ := j.Head(); return size }

// Root is the root of the whole tree.
func (j *Journal) Root() Hash { _, root := j.Head(); return root }

// Wait returns once the journal has more than size entries, or with ctx's
// error, or with ErrClosed.
func (j *Journal) Wait(ctx context.Context, size uint64) error {
	for {
		j.mu.Lock()
		have, grown := j.size, j.grown
		j.mu.Unlock()
		if have > size {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-j.done:
			return ErrClosed
		}
	}
}

// newSalt is fresh randomness: crypto/rand does not fail.
func newSalt() []byte {
	salt := make([]byte, SaltSize)
	rand.Read(salt)
	return salt
}
