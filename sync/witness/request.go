package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"limen/sync/journal"
)

// Bounds of a request (C2SP tlog-witness, add-checkpoint).
const (
	maxProof   = 63                         // hashes
	maxNote    = 8 << 10                    // bytes of a checkpoint with its signatures
	maxRequest = maxNote + 46*maxProof + 64 // bytes in all
)

// Request asks for a cosignature.
type Request struct {
	Old        uint64      // size of the checkpoint cosigned last, 0 for none
	Proof      []tlog.Hash // from that size to the checkpoint's
	Checkpoint []byte      // signed note

	origin string
}

// Encode writes the body of an add-checkpoint request.
func (r Request) Encode() []byte {
	b := fmt.Appendf(nil, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b = append(base64.StdEncoding.AppendEncode(b, h[:]), '\n')
	}
	return append(append(b, '\n'), r.Checkpoint...)
}

// ParseRequest reads one.
func ParseRequest(b []byte) (Request, error) {
	var r Request
	if len(b) > maxRequest {
		return r, fmt.Errorf("a request of %d bytes is over the limit of %d", len(b), maxRequest)
	}
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	digits, isOld := strings.CutPrefix(string(line), "old ")
	old, err := strconv.ParseUint(digits, 10, 63)
	if !ok || !isOld || err != nil || strconv.FormatUint(old, 10) != digits {
		return r, errors.New("the first line is not \"old\" and a size")
	}
	r.Old = old
	for {
		if line, rest, ok = bytes.Cut(rest, []byte("\n")); !ok {
			return r, errors.New("no empty line follows the proof")
		}
		if len(line) == 0 {
			break
		}
		if len(r.Proof) == maxProof {
			return r, fmt.Errorf("the proof has more than %d lines", maxProof)
		}
		h, err := base64.StdEncoding.Strict().DecodeString(string(line))
		if err != nil || len(h) != tlog.HashSize {
			return r, fmt.Errorf("line %d of the proof is no base64 hash of %d bytes", len(r.Proof)+1, tlog.HashSize)
		}
		r.Proof = append(r.Proof, tlog.Hash(h))
	}
	if len(rest) > maxNote {
		return r, fmt.Errorf("a checkpoint of %d bytes is over the limit of %d", len(rest), maxNote)
	}
	// Whose it claims to be; the signature is looked at where that is known.
	c, err := journal.ParseCheckpoint(string(rest))
	if err != nil {
		return r, err
	}
	r.Checkpoint, r.origin = rest, c.Origin
	return r, nil
}
