package mrtd

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
	"limen/mrtd/lds"
)

// extent tells a file's length from its first bytes, 0 while unknown, and
// whether all of it is there. end remembers where the search for the end of a
// file of indefinite length has come to.
func extent(f lds.File, data []byte, end *ending) (total int, whole bool, err error) {
	if f.Tag == 0 { // a list of objects: what one command gives is all that is asked of it
		return len(data), true, nil
	}
	tag, length, header, indefinite, err := ber.ParseHeader(data)
	limit := sizeLimit(f)
	switch {
	case errors.Is(err, ber.ErrTruncated):
		return 0, false, nil
	case err != nil:
		return 0, false, &errFile{"its header is malformed"}
	case tag != f.Tag:
		return 0, false, &errFile{fmt.Sprintf("tag %X where %X belongs", tag, f.Tag)}
	case indefinite: // its end shows only once it has come
		limit = min(limit, maxEndless)
		if total, whole, err = end.find(data); err != nil || !whole && len(data) > limit {
			return 0, false, &errFile{fmt.Sprintf("no end within %d bytes", limit)}
		}
		return total, whole, nil
	case length > limit:
		return 0, false, &errFile{fmt.Sprintf("a length of %d bytes is beyond the %d that are read", length, limit)}
	}
	total = header + length
	return total, len(data) >= total, nil
}

// ending is the search for the end of an element of indefinite length while its
// bytes come, each of which is looked at once: a search that began anew with
// every piece would take half a minute for a long file of small elements.
type ending struct {
	at   int // all before has been looked at
	open int // elements of indefinite length that have begun and not ended
}

// maxOpen is how deep package ber follows.
const maxOpen = 32

// find goes on with all that has come.
func (e *ending) find(data []byte) (total int, whole bool, err error) {
	for e.at < len(data) {
		rest := data[e.at:]
		if e.open > 0 && len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
			e.at += 2
			if e.open--; e.open == 0 {
				return e.at, true, nil
			}
			continue
		}
		_, length, header, indefinite, err := ber.ParseHeader(rest)
		switch {
		case errors.Is(err, ber.ErrTruncated):
			return 0, false, nil
		case err != nil:
			return 0, false, err
		case indefinite && e.open == maxOpen:
			return 0, false, fmt.Errorf("nested deeper than %d", maxOpen)
		case indefinite:
			e.at, e.open = e.at+header, e.open+1
			continue
		case length > len(rest)-header:
			return 0, false, nil
		}
		e.at += header + length
	}
	return 0, false, nil
}
