package trust

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An LDIF file is a directory written out as text (RFC 2849). The ICAO PKD
// ships document signers and revocation lists (o=dsc, o=crl, o=bcsc under
// c=XX,dc=data,dc=download,dc=pkd,dc=icao,dc=int) and master lists (o=ml) in
// it. Only the binary values are read: what one is, it says itself, and the
// rest vouches for nothing.
type ldifEntry struct {
	line   int // of its first line
	values []ldifValue
}

type ldifValue struct {
	name  string // of the attribute, lower case, without options: "usercertificate"
	value []byte // decoded; nil where it is not base64
}

// Bounds of an LDIF file. Entries are read one at a time, so the entry's bound
// is the memory's: the longest known is a master list of 1 MB.
const (
	maxLDIF        = 2 << 30
	maxLDIFEntry   = 12 << 20 // octets of text, comments left out
	maxLDIFValues  = 256      // of an entry
	maxLDIFEntries = 2_000_000
	maxLDIFName    = 128
)

// ldifReader reads entry after entry.
type ldifReader struct {
	in      *bufio.Reader
	line    int
	read    int64
	entries int
	logical []byte // the line being put together from folded ones
	skipped int    // change records and URLs, which are not followed
}

func newLDIF(r io.Reader) *ldifReader {
	in := bufio.NewReaderSize(r, 64<<10)
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xEF\xBB\xBF")) {
		_, _ = in.Discard(3)
	}
	return &ldifReader{in: in}
}

// looksLikeLDIF tells by its first bytes whether a file is meant as LDIF.
func looksLikeLDIF(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF"))
	for line := range bytes.Lines(head) {
		line = bytes.ToLower(bytes.TrimRight(line, "\r\n"))
		switch {
		case len(line) == 0, line[0] == '#', line[0] == ' ':
		default:
			return bytes.HasPrefix(line, []byte("version:")) || bytes.HasPrefix(line, []byte("dn:"))
		}
	}
	return false
}

// next returns the next entry that is not a change record, or io.EOF.
func (r *ldifReader) next() (ldifEntry, error) {
	for {
		e, change, err := r.entry()
		if err != nil && !errors.Is(err, io.EOF) {
			return e, fmt.Errorf("line %d: %w", r.line, err)
		}
		if change {
			r.skipped++
		} else if e.line > 0 {
			return e, nil
		}
		if err != nil {
			return e, err
		}
		if r.entries++; r.entries > maxLDIFEntries {
			return e, fmt.Errorf("more than %d entries", maxLDIFEntries)
		}
	}
}

// entry reads the lines up to an empty one. io.EOF comes with what was read.
func (r *ldifReader) entry() (e ldifEntry, change bool, err error) {
	size := 0
	for {
		line, err := r.unfold(maxLDIFEntry - size)
		if err != nil {
			return e, change, err
		}
		if len(line) == 0 {
			return e, change, nil
		}
		if line[0] == '#' || change {
			continue // of a change record, only its end matters
		}
		size += len(line)
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(name) == 0 || len(name) > maxLDIFName {
			return e, change, errors.New("not an attribute and a value")
		}
		attribute, _, _ := strings.Cut(strings.ToLower(string(name)), ";")
		switch {
		case e.line == 0 && attribute == "version":
			if v := string(bytes.TrimSpace(rest)); v != "1" {
				return e, change, errors.New("version of LDIF is not 1")
			}
			continue
		case e.line == 0 && attribute != "dn":
			return e, change, errors.New("an entry that does not begin with its name")
		case attribute == "changetype":
			change, e.values = true, nil
			continue
		}
		if e.line == 0 {
			e.line = r.line
			continue
		}
		switch {
		case len(rest) == 0:
		case rest[0] == '<': // a URL is never followed
			r.skipped++
		case rest[0] == ':':
			if len(e.values) >= maxLDIFValues {
				return e, change, fmt.Errorf("an entry of more than %d values", maxLDIFValues)
			}
			e.values = append(e.values, ldifValue{attribute, unbase64(bytes.TrimSpace(rest[1:]))})
		}
	}
}

// unbase64 decodes a value; what is none is empty.
func unbase64(text []byte) []byte {
	value := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(value, text)
	if err != nil {
		return nil
	}
	return value[:n]
}

// unfold returns the next line with the lines that continue it (RFC 2849, note
// 2), without its end; its memory is used again by the next call. An empty
// line is one without octets; io.EOF comes after the last.
func (r *ldifReader) unfold(limit int) ([]byte, error) {
	r.logical = r.logical[:0]
	if err := r.physical(limit); err != nil {
		return nil, err
	}
	for len(r.logical) > 0 {
		next, err := r.in.Peek(1)
		if err != nil || next[0] != ' ' {
			break
		}
		_, _ = r.in.Discard(1)
		if err := r.physical(limit); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return r.logical, nil
}

// physical appends one line of the file to the line being put together.
func (r *ldifReader) physical(limit int) error {
	begun := false
	for {
		piece, err := r.in.ReadSlice('\n')
		r.read += int64(len(piece))
		if r.read > maxLDIF {
			return fmt.Errorf("the file is longer than %d bytes", int64(maxLDIF))
		}
		if err != nil && len(piece) == 0 {
			if errors.Is(err, io.EOF) && begun {
				return nil
			}
			return err
		}
		if !begun {
			begun = true
			r.line++
		}
		whole := err == nil
		if whole {
			piece = bytes.TrimSuffix(piece, []byte("\n"))
		}
		if len(r.logical)+len(piece) > limit {
			return fmt.Errorf("an entry longer than %d bytes", maxLDIFEntry)
		}
		r.logical = append(r.logical, piece...)
		if whole || errors.Is(err, io.EOF) {
			r.logical = bytes.TrimSuffix(r.logical, []byte("\r"))
			return nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
