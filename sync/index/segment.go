package index

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// A segment is a file of entries of one size, in the order of their keys:
//
//	"limen index segment 1\n", 16 random bytes, and entries
//
// Entries are encrypted with AES-256 in counter mode under a key of this
// segment's own, made of the device's store key and the random bytes, so that
// any of them can be read alone. (Nothing here is believed more than its
// reader could check: whoever writes into the device's folder can also take
// the index away.)
//
//	key 16 | handle 8 | at 4 | place 2 | flags 1 | proof 1 | record 8 | pseudonym 32 | SOD mark 20 | key mark 20
const (
	segmentMagic = "limen index segment 1\n"
	saltSize     = 16
	bodyAt       = int64(len(segmentMagic) + saltSize)
	entrySize    = KeySize + HandleSize + 4 + 2 + 1 + 1 + recordSize + 32 + 20 + 20

	handleAt    = KeySize
	timeAt      = handleAt + HandleSize
	placeAt     = timeAt + 4
	flagsAt     = placeAt + 2
	proofAt     = flagsAt + 1
	recordAt    = proofAt + 1
	pseudonymAt = recordAt + recordSize
	sodAt       = pseudonymAt + 32
	keyMarkAt   = sodAt + 20
)

type entry [entrySize]byte

func (r Row) entries(place uint16, proof uint8) (out []entry) {
	for _, k := range r.Keys {
		var e entry
		copy(e[:], k)
		copy(e[handleAt:], r.Handle)
		binary.BigEndian.PutUint32(e[timeAt:], r.At)
		binary.BigEndian.PutUint16(e[placeAt:], place)
		e[flagsAt], e[proofAt] = r.Flags, proof
		copy(e[recordAt:], r.Record)
		copy(e[pseudonymAt:], r.Pseudonym)
		copy(e[sodAt:], r.SODMark)
		copy(e[keyMarkAt:], r.KeyMark)
		out = append(out, e)
	}
	return out
}

func (e *entry) at() uint32 { return binary.BigEndian.Uint32(e[timeAt:]) }

func order(a, b *entry) int { return bytes.Compare(a[:timeAt], b[:timeAt]) } // by key, then handle

// segment is an open file; reading it changes nothing.
type segment struct {
	f     *os.File
	name  string
	count int64
	block cipher.Block // nil: in the clear
}

func segmentCipher(storeKey, salt []byte) (cipher.Block, error) {
	if storeKey == nil {
		return nil, nil
	}
	mac := hmac.New(sha256.New, storeKey)
	mac.Write([]byte(segmentMagic))
	mac.Write(salt)
	return aes.NewCipher(mac.Sum(nil))
}

func openSegment(path, name string, storeKey []byte) (*segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := readHead(f, name, storeKey)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("segment %s: %w", name, err), f.Close())
	}
	return s, nil
}

func readHead(f *os.File, name string, storeKey []byte) (*segment, error) {
	begin := make([]byte, bodyAt)
	if _, err := f.ReadAt(begin, 0); err != nil || string(begin[:len(segmentMagic)]) != segmentMagic {
		return nil, errors.New("it does not begin as a segment does")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if (info.Size()-bodyAt)%entrySize != 0 {
		return nil, errors.New("it is cut short")
	}
	block, err := segmentCipher(storeKey, begin[len(segmentMagic):])
	return &segment{f: f, name: name, count: (info.Size() - bodyAt) / entrySize, block: block}, err
}

// crypt en- or decrypts what lies at an offset of the body.
func crypt(block cipher.Block, b []byte, at int64) {
	if block == nil {
		return
	}
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(at/aes.BlockSize))
	stream := cipher.NewCTR(block, iv[:])
	if skip := at % aes.BlockSize; skip > 0 {
		var none [aes.BlockSize]byte
		stream.XORKeyStream(none[:skip], none[:skip])
	}
	stream.XORKeyStream(b, b)
}

func (s *segment) read(i int64, into []byte) error {
	if _, err := s.f.ReadAt(into, bodyAt+i*entrySize); err != nil {
		return fmt.Errorf("cannot read segment %s: %w", s.name, err)
	}
	crypt(s.block, into, i*entrySize)
	return nil
}

// near is how many entries are read at once when the place is nearly known: a page.
const near = 4096 / entrySize

// find yields the entries of a key. Keys are keyed hashes and so evenly spread:
// where one lies is guessed by its value, and few guesses are needed.
func (s *segment) find(key []byte, yield func(*entry)) error {
	low, high := int64(0), s.count // the first of the key is at or after low, at or before high
	lowKey, highKey := uint64(0), ^uint64(0)
	want := binary.BigEndian.Uint64(key)
	var e entry
	for guesses := 0; high-low > near; guesses++ {
		at := (low + high) / 2
		if guesses < 8 && highKey > lowKey { // then halve, whatever the keys are like
			at = low + int64(float64(high-low)*(float64(want-lowKey)/float64(highKey-lowKey)))
			at = min(max(at, low), high-1)
			// A little before or after the guess, so that the next guess encloses it.
			if slack := (high - low) >> 10; guesses%2 == 0 {
				at = max(low, at-slack)
			} else {
				at = min(high-1, at+slack)
			}
		}
		if err := s.read(at, e[:]); err != nil {
			return err
		}
		k := binary.BigEndian.Uint64(e[:])
		if bytes.Compare(e[:KeySize], key) < 0 {
			low, lowKey = at+1, min(k, want)
		} else {
			high, highKey = at, max(k, want)
		}
	}
	page := make([]byte, near*entrySize)
	for ; low < s.count; low += near {
		n := min(near, s.count-low)
		if err := s.read(low, page[:n*entrySize]); err != nil {
			return err
		}
		for k := range n {
			e := (*entry)(page[k*entrySize:])
			switch c := bytes.Compare(e[:KeySize], key); {
			case c > 0:
				return nil
			case c == 0:
				yield(e)
			}
		}
	}
	return nil
}

// each yields all entries, in order.
func (s *segment) each(yield func(*entry) error) error {
	const many = 512
	page := make([]byte, many*entrySize)
	for i := int64(0); i < s.count; i += many {
		n := min(many, s.count-i)
		if err := s.read(i, page[:n*entrySize]); err != nil {
			return err
		}
		for k := range n {
			if err := yield((*entry)(page[k*entrySize:])); err != nil {
				return err
			}
		}
	}
	return nil
}

// writer writes a segment.
type writer struct {
	f     *os.File
	out   *bufio.Writer
	block cipher.Block
	at    int64
}

func newWriter(path string, storeKey []byte) (*writer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	block, err := segmentCipher(storeKey, salt)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := &writer{f: f, out: bufio.NewWriterSize(f, 1<<16), block: block}
	w.out.WriteString(segmentMagic) // an error stays with the writer
	w.out.Write(salt)
	return w, nil
}

func (w *writer) add(e entry) error {
	crypt(w.block, e[:], w.at)
	w.at += entrySize
	_, err := w.out.Write(e[:])
	return err
}

// close makes the segment durable.
func (w *writer) close() error {
	return errors.Join(w.out.Flush(), w.f.Sync(), w.f.Close())
}
