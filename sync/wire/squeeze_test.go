package wire

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"reflect"
	"testing"
)

// Batches of records shrink, whatever does not is sent as it is, and both are read.
func TestBatchesAreCompressed(t *testing.T) {
	record := func(k int) []byte {
		return fmt.Appendf(nil, "inspection %d at utopia-airport by gate-1: passive authentication passed, chip authentication passed, the face is the holder's; admitted", k)
	}
	random := func(int) []byte {
		b := make([]byte, 4000)
		rand.Read(b)
		return b
	}
	for name, test := range map[string]struct {
		body     func(k int) []byte
		squeezed bool
	}{
		"records":       {record, true},
		"random":        {random, false},
		"a long nought": {func(int) []byte { return make([]byte, MaxBody/2) }, false}, // more than a reader lets a frame grow
	} {
		b := Batch{Version: BatchVersion, Kind: KindEntries, Device: "gate-1", Checkpoint: []byte("a signed note")}
		for k := range 8 {
			e := Entry{Leaf: make([]byte, hashSize), Salt: make([]byte, hashSize), Body: test.body(k)}
			rand.Read(e.Leaf)
			rand.Read(e.Salt)
			b.Entries = append(b.Entries, e)
		}
		raw, err := b.Encode()
		if err != nil || bytes.HasPrefix(raw, zstdMagic) != test.squeezed {
			t.Errorf("%s: got %d bytes, %v; want a frame: %t", name, len(raw), err, test.squeezed)
		}
		if got, err := DecodeBatch(raw); err != nil || !reflect.DeepEqual(got, b) {
			t.Errorf("%s: read back: %v, or another batch", name, err)
		}
	}
}

// A frame that grows beyond bounds is refused before it has grown.
func TestFramesThatGrowAreRefused(t *testing.T) {
	for name, frame := range map[string][]byte{
		"a bomb":       squeezer.EncodeAll(make([]byte, 64<<20), nil),
		"a small bomb": squeezer.EncodeAll(make([]byte, 4<<10), nil),
		"too long":     append(bytes.Clone(zstdMagic), make([]byte, MaxMessage)...),
		"no frame":     append(bytes.Clone(zstdMagic), 1, 2, 3),
	} {
		if out, err := unsqueeze(frame); err == nil {
			t.Errorf("%s of %d bytes became %d; want it refused", name, len(frame), len(out))
		}
	}
}
