package repotest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// inflated is how long the elements get that Inflate blows up.
const inflated = 16 << 10

// Inflate calls try with copies of a DER value in each of which one element has
// become 16 KiB long: a primitive one by its octets, a constructed one by empty
// elements of its own and by repetition of its first. It shows what a fuzzer
// does not find within a minute: a parser that costs much more than it reads.
func Inflate(der []byte, try func(b []byte)) {
	for rest := der; len(rest) > 0; {
		tag, value, after, ok := element(rest)
		if !ok {
			return
		}
		before := der[:len(der)-len(rest)]
		put := func(value []byte) { try(slices.Concat(before, encode(tag, value), after)) }
		_, _, _, nested := element(value) // an octet string may hold elements too
		if tag[0]&0x20 == 0 && !nested {
			put(bytes.Repeat([]byte{0x5A}, inflated))
		}
		if tag[0]&0x20 != 0 || nested {
			fillers := [][]byte{{0x30, 0}}
			if _, _, others, ok := element(value); ok {
				fillers = append(fillers, value[:len(value)-len(others)])
			}
			for _, f := range fillers {
				many := bytes.Repeat(f, 1+inflated/len(f))
				put(many)
				put(slices.Concat(value, many))
			}
			Inflate(value, put)
		}
		rest = after
	}
}

// element splits off the first element of definite length whose value is all there.
func element(b []byte) (tag, value, after []byte, ok bool) {
	n := 1
	if len(b) > 0 && b[0]&0x1F == 0x1F {
		for n < len(b) && b[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if n >= len(b) {
		return nil, nil, nil, false
	}
	length, header := uint64(b[n]), n+1
	if b[n] >= 0x80 {
		octets := int(b[n] & 0x7F)
		if octets < 1 || octets > 4 || header+octets > len(b) {
			return nil, nil, nil, false
		}
		length = binary.BigEndian.Uint64(append(make([]byte, 8-octets), b[header:header+octets]...))
		header += octets
	}
	if length > uint64(len(b)-header) {
		return nil, nil, nil, false
	}
	end := header + int(length)
	return b[:n], b[header:end], b[end:], true
}

func encode(tag, value []byte) []byte {
	length := []byte{0x84, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(length[1:], uint32(len(value)))
	if len(value) < 0x80 {
		length = []byte{byte(len(value))}
	}
	return slices.Concat(tag, length, value)
}
