package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// The store's keys. Numbers are big-endian so that iteration is in order.
//
//	mo             origin
//	ms             size, u64
//	l index        leaf: the commitment
//	h stored index hash of the tree (tlog.StoredHashIndex)
//	b index        body             ┐
//	s index        salt             ├ erasable
//	e index        time, index keys │
//	i len key time index            ┘ nothing: found by key, newest last
//	t index        tombstone of an erased entry: a signed note
//	p size         signed checkpoint
//	c size         signed checkpoint with cosignatures
//	n name         what lies beside the log, erasable
//	x number       what is being erased
//
// Every write has a version, and those of one transaction share it. Tombstones
// all have version 1, so that it does not tell which came together.
var (
	keyOrigin = []byte("mo")
	keySize   = []byte("ms")
)

func numbered(kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, n)
}

func leafKey(i uint64) []byte       { return numbered('l', i) }
func bodyKey(i uint64) []byte       { return numbered('b', i) }
func saltKey(i uint64) []byte       { return numbered('s', i) }
func metaKey(i uint64) []byte       { return numbered('e', i) }
func tombKey(i uint64) []byte       { return numbered('t', i) }
func besideKey(name []byte) []byte  { return append([]byte{'n'}, name...) }
func hashKey(i int64) []byte        { return numbered('h', uint64(i)) }
func checkpointKey(n uint64) []byte { return numbered('p', n) }

// indexPrefix begins all index entries of key; the length keeps one key from
// being another's prefix.
func indexPrefix(key []byte) []byte {
	return append([]byte{'i', byte(len(key))}, key...)
}

func indexKey(key []byte, at time.Time, i uint64) []byte {
	b := binary.BigEndian.AppendUint64(indexPrefix(key), uint64(at.UnixMilli()))
	return binary.BigEndian.AppendUint64(b, i)
}

// meta is what an entry's 'e' value holds: milliseconds, then each key with
// its length before it.
func formatMeta(at time.Time, keys [][]byte) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))
	for _, k := range keys {
		b = append(append(b, byte(len(k))), k...)
	}
	return b
}

func parseMeta(b []byte) (at time.Time, keys [][]byte, err error) {
	if len(b) < 8 {
		return time.Time{}, nil, fmt.Errorf("%d bytes where a time of 8 begins", len(b))
	}
	at = time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC()
	for b = b[8:]; len(b) > 0; {
		n := int(b[0])
		if n >= len(b) {
			return time.Time{}, nil, fmt.Errorf("a key of %d bytes in %d", n, len(b)-1)
		}
		keys = append(keys, b[1:1+n])
		b = b[1+n:]
	}
	return at, keys, nil
}

func parseUint64(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%d bytes where a number of 8 belongs", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// get copies a value out of txn.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func getHash(txn *badger.Txn, key []byte) (Hash, error) {
	b, err := get(txn, key)
	if err != nil {
		return Hash{}, err
	}
	if len(b) != tlog.HashSize {
		return Hash{}, fmt.Errorf("%d bytes where a hash of %d belongs", len(b), tlog.HashSize)
	}
	return Hash(b), nil
}

func hashReader(txn *badger.Txn) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		hashes := make([]Hash, len(indexes))
		for k, i := range indexes {
			var err error
			if hashes[k], err = getHash(txn, hashKey(i)); err != nil {
				level, n := tlog.SplitStoredHashIndex(i)
				return nil, fmt.Errorf("hash %d of level %d: %w", n, level, err)
			}
		}
		return hashes, nil
	})
}

// storeOptions are for an appliance: small tables and caches, values inside
// the tree so that there is no value log to collect, every block checked.
func storeOptions(dir string, key []byte, log *slog.Logger) badger.Options {
	o := badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithEncryptionKey(key). // none: in the clear
		WithMemTableSize(4 << 20).WithNumMemtables(2).
		WithValueThreshold(256 << 10).WithValueLogFileSize(1 << 20).
		WithBlockCacheSize(8 << 20).
		WithIndexCacheSize(64 << 20). // filled as the store grows; a lookup decrypts what is not in it
		WithNumCompactors(2).WithNumGoroutines(1).
		WithCompression(options.None). // ciphertext of CBOR; the blocks are encrypted
		WithChecksumVerificationMode(options.OnBlockRead).
		WithDetectConflicts(false). // one committer
		WithMetricsEnabled(false)
	if log == nil {
		return o.WithLogger(nil)
	}
	return o.WithLogger(storeLog{log})
}

// openStore turns what Badger says when it cannot open into what to do next.
func openStore(dir string, opts Options) (db *badger.DB, err error) {
	defer func() { // damaged tables make Badger panic in places
		if r := recover(); r != nil {
			db, err = nil, corrupt(dir, "its store cannot be opened", fmt.Errorf("%v", r))
		}
	}()
	if err := dropEmptyLogs(dir); err != nil {
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, err)
	}
	db, err = badger.OpenManaged(storeOptions(dir, opts.Key, opts.Log)) // managed: versions are ours
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, badger.ErrEncryptionKeyMismatch):
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, ErrWrongKey)
	case errors.Is(err, unix.EWOULDBLOCK) || strings.Contains(err.Error(), "Cannot acquire directory lock"):
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, ErrLocked)
	case errors.Is(err, unix.ENOSPC):
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, ErrFull)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS), errors.Is(err, unix.EIO):
		return nil, fmt.Errorf("cannot open the journal in %s: %w", dir, err)
	}
	return nil, corrupt(dir, "its store cannot be opened", err)
}

// dropEmptyLogs removes write-ahead logs without a byte, which Badger does not
// open: a power cut leaves them where a log was being made or taken away. What
// was acknowledged was synced, and its log's size with it.
func dropEmptyLogs(dir string) error {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if !f.Type().IsRegular() || filepath.Ext(f.Name()) != ".mem" {
			continue
		}
		info, none := f.Info()
		if none == nil && info.Size() == 0 {
			none = os.Remove(filepath.Join(dir, f.Name()))
		}
		err = errors.Join(err, none)
	}
	return err
}

// storeLog passes on what Badger reports of trouble; the rest is its own.
type storeLog struct{ log *slog.Logger }

func (l storeLog) Errorf(f string, a ...any) {
	l.log.Error("journal store", "says", fmt.Sprintf(f, a...))
}
func (l storeLog) Warningf(f string, a ...any) {
	l.log.Warn("journal store", "says", fmt.Sprintf(f, a...))
}
func (l storeLog) Infof(string, ...any)  {}
func (l storeLog) Debugf(string, ...any) {}
