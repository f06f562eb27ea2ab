package wire

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// A batch is sent as a zstd frame (RFC 8878) of its CBOR where that is
// shorter. The two cannot be mistaken for each other: no CBOR map begins with
// a frame's magic number. Salts and leaves are random; what shrinks are records.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// What a frame may grow to: a payload's limit, and no more than maxGrowth
// times itself. What shrinks further is sent as it is.
const maxGrowth = 16

var squeezer, unsqueezer = func() (*zstd.Encoder, *zstd.Decoder) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<19), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("wire: zstd encoder options: " + err.Error())
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(1<<20))
	if err != nil {
		panic("wire: zstd decoder options: " + err.Error())
	}
	return e, d
}()

func squeeze(b []byte) []byte {
	z := squeezer.EncodeAll(b, nil)
	if len(z) >= len(b) || len(z)*maxGrowth < len(b) {
		return b
	}
	return z
}

func unsqueeze(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, zstdMagic) {
		return b, nil
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("payload of %d bytes is over the limit of %d", len(b), MaxMessage)
	}
	most := min(maxGrowth*len(b), MaxMessage)
	out, err := unsqueezer.DecodeAll(b, make([]byte, 0, most))
	if err != nil {
		return nil, fmt.Errorf("cannot decompress payload, of which %d bytes are the most: %w", most, err)
	}
	return out, nil
}
