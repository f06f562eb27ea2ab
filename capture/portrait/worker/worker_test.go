package worker

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"os"
	"testing"

	"limen/capture/portrait"
	"limen/capture/portrait/jp2"
	"limen/internal/repotest"
)

// grayJPEG is a picture of 8 by 8 shades.
func grayJPEG(t testing.TB) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 8, 8))
	for i := range m.Pix {
		m.Pix[i] = byte(i)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzServe decodes where limen-portrait does, without its walls: what the
// document says of the picture's size may cost memory, up to the bounds of
// portrait.Sniff, and nothing else may.
func FuzzServe(f *testing.F) {
	f.Add(grayJPEG(f))
	for _, name := range []string{"gradient.jp2", "gradient-gray.j2k"} {
		data, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		header, err := portrait.Sniff(data)
		if err != nil || header.Width*header.Height > 1<<16 {
			return // a picture of many pixels takes long, and shows nothing that a small one does not
		}
		request := binary.BigEndian.AppendUint32([]byte("LPQ1"), uint32(len(data)))
		var out bytes.Buffer
		repotest.Bounded(t, len(data)+header.Width*header.Height, func() {
			out.Reset()
			err = Serve(bytes.NewReader(append(request, data...)), &out)
		})
		b := out.Bytes()
		if err != nil || len(b) < 16 {
			t.Fatalf("answered %d bytes, %v", len(b), err)
		}
		if want := 16 + int(b[6])*header.Width*header.Height; b[4] == 0 && len(b) != want {
			t.Errorf("answered %d bytes for %dx%d pixels, want %d", len(b), header.Width, header.Height, want)
		}
	})
}

// FuzzPlane holds a component to the depths and sizes that the C library might
// state, the header's or others.
func FuzzPlane(f *testing.F) {
	f.Add(uint8(8), false, uint8(3), uint8(2), uint8(6), uint8(4), []byte{0, 1, 2, 3, 4, 5})
	f.Add(uint8(16), true, uint8(1), uint8(1), uint8(1), uint8(1), []byte{0xFF})
	f.Fuzz(func(t *testing.T, depth uint8, signed bool, cw, ch, w, h uint8, samples []byte) {
		if cw == 0 || ch == 0 || depth < 1 || depth > 38 || len(samples) == 0 { // none of which jp2.Decode returns
			return
		}
		c := jp2.Component{Width: int(cw), Height: int(ch), DX: 1, DY: 1, Depth: int(depth), Signed: signed, Samples: make([]int32, int(cw)*int(ch))}
		for i := range c.Samples {
			c.Samples[i] = int32(int8(samples[i%len(samples)])) << (i % 25)
		}
		if got := plane(c, int(w), int(h)); len(got) != int(w)*int(h) {
			t.Errorf("%d octets of %dx%d", len(got), w, h)
		}
	})
}

func TestServe(t *testing.T) {
	data := grayJPEG(t)
	var out bytes.Buffer
	if err := Serve(bytes.NewReader(append(binary.BigEndian.AppendUint32([]byte("LPQ1"), uint32(len(data))), data...)), &out); err != nil {
		t.Fatal(err)
	}
	b := out.Bytes()
	if len(b) != 16+64 || b[4] != 0 || b[6] != 1 {
		t.Fatalf("answered % X", b[:min(16, len(b))])
	}
	for i, got := range b[16:] {
		if d := int(got) - i; d < -8 || d > 8 {
			t.Errorf("pixel %d is %d", i, got)
		}
	}
}
