package journal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// vouchHead begins every word about erased entries. It is no origin, so that
// no such note passes for a checkpoint, nor the other way.
const vouchHead = "limen erased v1"

// Stub is what is left of an erased entry.
type Stub struct {
	Index uint64
	Leaf  Hash
}

// vouchText is the note text: head, origin and base64 SHA-256 of the head and
// the stubs (index, 8 bytes big-endian; leaf), a line each.
func vouchText(origin string, stubs []Stub) string {
	h := sha256.New()
	h.Write([]byte(vouchHead + "\n"))
	for _, s := range stubs {
		h.Write(binary.BigEndian.AppendUint64(nil, s.Index))
		h.Write(s.Leaf[:])
	}
	return fmt.Sprintf("%s\n%s\n%s\n", vouchHead, origin, base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// Vouch is the device's signed word that these entries, in this order, are
// erased. A leaf alone does not say who took its content away; this does. It
// vouches for nothing that is still there.
func (j *Journal) Vouch(ctx context.Context, indexes []uint64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var stubs []Stub
	for _, i := range indexes {
		e, err := j.Entry(i)
		if err != nil {
			return nil, err
		}
		if !e.Erased {
			return nil, fmt.Errorf("cannot vouch that entry %d is erased: it is not", i)
		}
		stubs = append(stubs, Stub{i, e.Leaf})
	}
	signed, err := note.Sign(&note.Note{Text: vouchText(j.opts.Name, stubs)}, j.signer)
	if err != nil {
		return nil, fmt.Errorf("cannot sign for %d erased entries: %w", len(stubs), err)
	}
	return signed, nil
}

// CheckVouched checks that signed is verifier's word that just these entries,
// in this order, are erased.
func CheckVouched(signed []byte, verifier note.Verifier, stubs []Stub) error {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("the word about erased entries is not signed by %s: %w", verifier.Name(), err)
	}
	if n.Text != vouchText(verifier.Name(), stubs) {
		return errors.New("the device vouched for other erased entries than these")
	}
	return nil
}
