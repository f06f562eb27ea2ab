package lookup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"limen"
)

// A compiled list is what devices match: no document's number and no name is in
// it, but keyed hashes under the fleet key, in order.
//
//	"limen stop list 1\n", as_of (8 bytes, seconds since 1970), name of the fleet
//	key (4), three counts (4 each), and so many hashes (10 each), ascending:
//	documents lost or stolen, documents on the stop list, persons on it
//
// Who has the list and not the key learns how long it is. Who has the key too,
// as a device does while it is unlocked, can try: numbers of one issuer are few
// enough to try them all within hours. Against that stand the key's seal and
// that it is destroyed on command, not this list.
type compiled struct {
	asOf     time.Time
	key      [4]byte
	sections [3][]byte
}

const (
	magic      = "limen stop list 1\n"
	headerSize = len(magic) + 8 + 4 + 3*4
	hashSize   = 10 // of 2^20 entries, one in 2^60 documents meets one by chance
)

// sections, in their order.
const (
	sectionLost = iota
	sectionStop
	sectionPerson
)

// Hasher is a keyed hash of a value under each fleet key, the current one first.
type Hasher func(value []byte) []limen.Mark

// parseCompiled reads a compiled list; it keeps b.
func parseCompiled(b []byte) (c compiled, err error) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return c, errors.New("not a compiled stop list of this version: `limen stoplist compile` makes one")
	}
	rest := b[len(magic):]
	c.asOf = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0).UTC()
	copy(c.key[:], rest[8:])
	counts := rest[12:24]
	rest = rest[24:]
	for k := range c.sections {
		n := uint64(binary.BigEndian.Uint32(counts[4*k:])) * hashSize
		if n > uint64(len(rest)) {
			return compiled{}, errors.New("the compiled list is cut short: fetch it anew")
		}
		c.sections[k], rest = rest[:n:n], rest[n:]
		for i := hashSize; i < int(n); i += hashSize {
			if bytes.Compare(c.sections[k][i-hashSize:i], c.sections[k][i:i+hashSize]) >= 0 {
				return compiled{}, errors.New("the compiled list is out of order: compile it anew")
			}
		}
	}
	if len(rest) > 0 {
		return compiled{}, errors.New("something follows the compiled list: compile it anew")
	}
	return c, nil
}

// encode writes the list; sections are sorted and freed of what is twice.
func (c compiled) encode() []byte {
	out := append([]byte(magic), make([]byte, headerSize-len(magic))...)
	binary.BigEndian.PutUint64(out[len(magic):], uint64(c.asOf.Unix()))
	copy(out[len(magic)+8:], c.key[:])
	for k, s := range c.sections {
		binary.BigEndian.PutUint32(out[len(magic)+12+4*k:], uint32(len(s)/hashSize))
		out = append(out, s...)
	}
	return out
}

func ordered(hashes [][hashSize]byte) (out []byte) {
	slices.SortFunc(hashes, func(a, b [hashSize]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, h := range slices.Compact(hashes) {
		out = append(out, h[:]...)
	}
	return out
}

// entries is how many there are.
func (c compiled) entries() (n int) {
	for _, s := range c.sections {
		n += len(s) / hashSize
	}
	return n
}

// holds looks for a hash in one section: a guess by its first bytes, which are
// as random as dice, then halving what is left.
func (c compiled) holds(section int, hash []byte) bool {
	s := c.sections[section]
	n := len(s) / hashSize
	low, high := 0, n // the hash is at or after low, before high
	guess := int(uint64(binary.BigEndian.Uint32(hash)) * uint64(n) >> 32)
	for low < high {
		switch bytes.Compare(s[guess*hashSize:(guess+1)*hashSize], hash) {
		case 0:
			return true
		case -1:
			low = guess + 1
		default:
			high = guess
		}
		guess = (low + high) / 2
	}
	return false
}

// of is the value's hash under the list's fleet key.
func (c compiled) of(marks []limen.Mark) ([]byte, error) {
	for _, m := range marks {
		if len(m) == limen.MarkSize && bytes.Equal(m[:4], c.key[:]) {
			return m[4 : 4+hashSize], nil
		}
	}
	return nil, fmt.Errorf("the list is made under a fleet key (%x) that this device does not have: compile it under the current one", c.key)
}

// documentValue and personValue are what is hashed.
func documentValue(from, number string) []byte {
	return []byte("document\x00" + entryKey(from, number))
}

func personValue(person string) []byte { return []byte("person\x00" + person) }
