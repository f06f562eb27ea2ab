package set

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what a decoder keeps of what it has unpacked (RFC 8878, 3.1.1.1.2).
const maxWindow = 8 << 20

var zip = func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(maxWindow), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("set: zstd options: " + err.Error())
	}
	return e
}()

// Pack is a content's full form: zstd.
func Pack(content []byte) []byte { return zip.EncodeAll(content, nil) }

// PackDelta is the form of a content for those who have base: what to copy from
// it and what to put in between, packed.
func PackDelta(base, content []byte) []byte { return zip.EncodeAll(difference(base, content), nil) }

// unzip unpacks at most most bytes. It allocates no more than what it got is
// worth: as it is unpacked, never as a header claims.
func unzip(packed []byte, most uint64) ([]byte, error) {
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	out, err := io.ReadAll(io.LimitReader(d, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("cannot unpack: %w", err)
	}
	if uint64(len(out)) > most {
		return nil, fmt.Errorf("unpacks to more than %d bytes", most)
	}
	return out, nil
}

// Unpack is the content of a full form; at most most bytes.
func Unpack(packed []byte, most uint64) ([]byte, error) { return unzip(packed, most) }

// UnpackDelta is the content of a delta's form, made of base; at most most bytes.
func UnpackDelta(base, packed []byte, most uint64) ([]byte, error) {
	steps, err := unzip(packed, 2*most+1<<10) // no delta worth sending is longer
	if err != nil {
		return nil, err
	}
	return apply(base, steps, most)
}

// A delta is steps, each a number (uvarint) of which the lowest bit tells what
// it is and the rest how many bytes: 1 copies them from base, at the offset
// (uvarint) that follows; 0 puts the bytes that follow.
const block = 32 // bytes of base that are looked for

// difference finds blocks of base in content by a rolling hash, and grows them
// both ways.
func difference(base, content []byte) (out []byte) {
	where := make(map[uint64]int32, len(base)/block)
	for i := 0; i+block <= len(base); i += block {
		h := hash(base[i : i+block])
		if _, ok := where[h]; !ok { // the first: repeats add nothing
			where[h] = int32(i)
		}
	}
	put := func(b []byte) {
		if len(b) > 0 {
			out = append(binary.AppendUvarint(out, uint64(len(b))<<1), b...)
		}
	}
	done, h, rolled := 0, uint64(0), false
	for i := 0; i+block <= len(content); {
		if !rolled {
			h, rolled = hash(content[i:i+block]), true
		}
		at, ok := where[h]
		if from := int(at); ok && bytes.Equal(base[from:from+block], content[i:i+block]) {
			to, n := i, block
			for from+n < len(base) && to+n < len(content) && base[from+n] == content[to+n] {
				n++
			}
			for from > 0 && to > done && base[from-1] == content[to-1] {
				from, to, n = from-1, to-1, n+1
			}
			put(content[done:to])
			out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(n)<<1|1), uint64(from))
			i, done, rolled = to+n, to+n, false
			continue
		}
		if i+block < len(content) {
			h = roll(h, content[i], content[i+block])
		}
		i++
	}
	put(content[done:])
	return out
}

// factor is the multiplier of the rolling hash; leaving is its power for the
// byte that leaves the block.
const factor = 0x9E3779B97F4A7C15

var leaving = func() uint64 {
	p := uint64(1)
	for range block {
		p *= factor
	}
	return p
}()

func hash(b []byte) (h uint64) {
	for _, c := range b {
		h = h*factor + uint64(c) + 1
	}
	return h
}

func roll(h uint64, out, in byte) uint64 {
	return h*factor + uint64(in) + 1 - leaving*(uint64(out)+1)
}

var errDelta = errors.New("the delta is damaged or made for another base")

// apply makes a content of at most most bytes.
func apply(base, steps []byte, most uint64) ([]byte, error) {
	var out []byte
	for len(steps) > 0 {
		step, n := binary.Uvarint(steps)
		if n <= 0 {
			return nil, errDelta
		}
		steps = steps[n:]
		count := step >> 1
		if count > most-uint64(len(out)) {
			return nil, fmt.Errorf("the delta makes more than %d bytes", most)
		}
		if step&1 == 0 {
			if count > uint64(len(steps)) {
				return nil, errDelta
			}
			out, steps = append(out, steps[:count]...), steps[count:]
			continue
		}
		from, n := binary.Uvarint(steps)
		if n <= 0 || from > uint64(len(base)) || count > uint64(len(base))-from {
			return nil, errDelta
		}
		out, steps = append(out, base[from:from+count]...), steps[n:]
	}
	return out, nil
}
