package journal

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// bundleHead begins a bundle, bundleExtra what a bundle says of its entry
// beyond the proof: this line, the salt and the body.
const (
	bundleHead  = "c2sp.org/tlog-proof@v1\n"
	bundleExtra = "limen entry v1\n"
)

// Bundle is entry i for those who have nothing but the device's public key: a
// C2SP tlog-proof whose extra data are salt and body (docs/design/bundle.md).
// cmd/limen-verify checks it. The checkpoint in it is the newest that is kept
// with cosignatures and covers the entry, or else the newest.
//
// A bundle holds all that the entry says; whoever has it can read it.
func (j *Journal) Bundle(ctx context.Context, i uint64) ([]byte, error) {
	e, err := j.Entry(i)
	if err != nil {
		return nil, err
	}
	if e.Erased {
		return nil, fmt.Errorf("cannot export entry %d: it was erased", i)
	}
	if Commitment(e.Salt, e.Body) != e.Leaf {
		return nil, fmt.Errorf("cannot export entry %d: body and salt are not what the leaf commits to; `limen history verify` tells more", i)
	}
	signed, err := j.Cosigned(i + 1)
	if err == nil && signed == nil {
		signed, err = j.Checkpoint(ctx)
	}
	if err != nil {
		return nil, err
	}
	c, err := OpenCheckpoint(signed, j.verifier)
	if err != nil {
		return nil, err
	}
	proof, err := j.ProveInclusion(i, c.Size)
	if err != nil {
		return nil, err
	}
	if tlog.CheckRecord(proof, int64(c.Size), c.Root, int64(i), tlog.RecordHash(e.Leaf[:])) != nil {
		return nil, errors.New("cannot export: the journal's tree does not have the root that was signed; `limen history verify` tells more")
	}
	return WriteBundle(i, e.Salt, e.Body, proof, signed), nil
}

// WriteBundle puts a bundle together from what was proven.
func WriteBundle(i uint64, salt, body []byte, proof tlog.RecordProof, signed []byte) []byte {
	b := []byte(bundleHead + "extra ")
	extra := append(append([]byte(bundleExtra), salt...), body...)
	b = fmt.Appendf(append(base64.StdEncoding.AppendEncode(b, extra), '\n'), "index %d\n", i)
	for _, h := range proof {
		b = append(base64.StdEncoding.AppendEncode(b, h[:]), '\n')
	}
	return append(append(b, '\n'), signed...)
}
