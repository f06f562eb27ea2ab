package journal

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
)

// Stub is what is left of an erased entry.
type Stub struct {
	Index uint64
	Leaf  Hash
}

// wordText is the note text of a device's word about something: head, origin
// and base64 SHA-256 of the head's line and what it is about, a line each.
func wordText(head, origin string, about []byte) string {
	h := sha256.New()
	h.Write([]byte(head + "\n"))
	h.Write(about)
	return fmt.Sprintf("%s\n%s\n%s\n", head, origin, base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// Word is the device's signed word about something that travels beside its
// log. The head says what it is, and is that of no other note.
func (j *Journal) Word(head string, about []byte) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: wordText(head, j.opts.Name, about)}, j.signer)
	if err != nil {
		return nil, fmt.Errorf("cannot sign %q: %w", head, err)
	}
	return signed, nil
}

// CheckWord checks that signed is verifier's word, of this head, about just this.
func CheckWord(signed []byte, verifier note.Verifier, head string, about []byte) error {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("%q is not signed by %s: %w", head, verifier.Name(), err)
	}
	if n.Text != wordText(head, verifier.Name(), about) {
		return fmt.Errorf("%q is about something else", head)
	}
	return nil
}

// tombHead begins every tombstone. It is no origin, so that no tombstone passes
// for a checkpoint, nor the other way.
const tombHead = "limen tombstone v1"

// tombText is the note text: head, origin, index and base64 leaf, a line each.
// It has no time and no reason, so that it shares nothing with another.
func tombText(origin string, s Stub) string {
	return fmt.Sprintf("%s\n%s\n%d\n%s\n", tombHead, origin, s.Index, base64.StdEncoding.EncodeToString(s.Leaf[:]))
}

// tombstone is the device's signed word that one entry is erased.
func (j *Journal) tombstone(s Stub) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: tombText(j.opts.Name, s)}, j.signer)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the tombstone of entry %d: %w", s.Index, err)
	}
	return signed, nil
}

// Tombstone is the device's signed word that entry i is erased; ErrNoEntry
// where it is not.
func (j *Journal) Tombstone(i uint64) (signed []byte, err error) {
	err = j.view(func(txn *badger.Txn) error {
		signed, err = get(txn, tombKey(i))
		return err
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, fmt.Errorf("entry %d is not erased: %w", i, ErrNoEntry)
	}
	return signed, err
}

// Tombstones are the entries before one that are erased.
func (j *Journal) Tombstones(before uint64) (erased []uint64, err error) {
	err = j.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{'t'}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			i, err := parseUint64(it.Item().Key()[1:])
			if err != nil {
				return corrupt(j.dir, "a tombstone's key is none", err)
			}
			if i >= before {
				return nil
			}
			erased = append(erased, i)
		}
		return nil
	})
	return erased, err
}

// CheckTombstone checks that signed is verifier's word that just this entry is
// erased.
func CheckTombstone(signed []byte, verifier note.Verifier, s Stub) error {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("the tombstone is not signed by %s: %w", verifier.Name(), err)
	}
	if n.Text != tombText(verifier.Name(), s) {
		return errors.New("the tombstone is another entry's")
	}
	return nil
}

// ParseTombstone reads what a tombstone speaks of, after its signature.
func ParseTombstone(signed []byte, verifier note.Verifier) (Stub, error) {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Stub{}, fmt.Errorf("the tombstone is not signed by %s: %w", verifier.Name(), err)
	}
	s, err := parseTombText(n.Text)
	if err != nil {
		return Stub{}, err
	}
	return s, CheckTombstone(signed, verifier, s)
}

// parseTombText reads a note text, of whichever origin.
func parseTombText(text string) (s Stub, err error) {
	lines := strings.SplitN(text, "\n", 6)
	if len(lines) != 5 || lines[0] != tombHead || lines[4] != "" {
		return Stub{}, errors.New("not a tombstone: it has four lines, head, origin, index and leaf")
	}
	if s.Index, err = strconv.ParseUint(lines[2], 10, 63); err != nil || strconv.FormatUint(s.Index, 10) != lines[2] {
		return Stub{}, errors.New("the tombstone's third line is no index")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(lines[3])
	if err != nil || len(b) != len(s.Leaf) || base64.StdEncoding.EncodeToString(b) != lines[3] {
		return Stub{}, errors.New("the tombstone's fourth line is no leaf")
	}
	s.Leaf = Hash(b)
	return s, nil
}
