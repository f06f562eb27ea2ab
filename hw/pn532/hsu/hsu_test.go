package hsu

import (
	"bytes"
	"encoding/hex"
	"testing"

	"limen/internal/repotest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scanAll(p []byte) (out []Frame) {
	var s Scanner
	s.Feed(p)
	for {
		f, ok := s.Next()
		if !ok {
			return out
		}
		out = append(out, f)
	}
}

// The frames as UM0701-02 prints them or as its rules give them by hand.
func TestKnownFrames(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		kind       Kind
		tfi        byte
		body       string
	}{
		{"GetFirmwareVersion", "0000ff02fed4022a00", Data, FromHost, "02"},
		{"its answer", "0000ff06fad50332010607e800", Data, FromChip, "0332010607"},
		{"SAMConfiguration", "0000ff05fbd4140114010200", Data, FromHost, "14011401"},
		{"ACK", "0000ff00ff00", ACK, 0, ""},
		{"NACK", "0000ffff0000", NACK, 0, ""},
		{"error frame", "0000ff01ff7f8100", Error, 0, ""},
		{"short extended frame", "0000ffffff0002fed4022a00", Data, FromHost, "02"},
	} {
		got := scanAll(unhex(t, c.wire))
		if len(got) != 1 {
			t.Fatalf("%s: got %d frames, want 1", c.name, len(got))
		}
		f := got[0]
		if f.Kind != c.kind || f.TFI != c.tfi || hex.EncodeToString(f.Body) != c.body {
			t.Errorf("%s: got %v %02x %x, want %v %02x %s", c.name, f.Kind, f.TFI, f.Body, c.kind, c.tfi, c.body)
		}
		if f.Kind == Data && c.name != "short extended frame" {
			if again := AppendData(nil, f.TFI, f.Body); !bytes.Equal(again, unhex(t, c.wire)) {
				t.Errorf("%s: encoded got %x, want %s", c.name, again, c.wire)
			}
		}
	}
}

func TestExtendedFrameBegins(t *testing.T) {
	got := AppendData(nil, FromHost, make([]byte, 264))
	if want := unhex(t, "0000ffffff0109f6d4"); !bytes.HasPrefix(got, want) || len(got) != 3+2+3+265+2 {
		t.Fatalf("got %x… of %d bytes, want %x… of 275", got[:9], len(got), want)
	}
	if last := AppendData(nil, FromHost, make([]byte, 254)); !bytes.HasPrefix(last, unhex(t, "0000ffff01d4")) {
		t.Fatalf("254 bytes: got %x…, want the normal frame 0000ffff01d4…", last[:6])
	}
}

func TestResynchronizes(t *testing.T) {
	good := AppendData(nil, FromChip, []byte{0x03, 0x32, 0x01, 0x06, 0x07})
	broken := AppendData(nil, FromChip, []byte{0x41, 0x00, 0x90, 0x00})
	broken[7] ^= 0x10
	for _, c := range []struct {
		name string
		in   []byte
		want []Kind
	}{
		{"noise before", append(unhex(t, "a5005517ff"), good...), []Kind{Data}},
		{"half a frame before", append(append([]byte(nil), good[:3]...), good...), []Kind{Data}},
		{"a length that lies", append(unhex(t, "00ff1003"), good...), []Kind{Data}},
		{"an extended length beyond the chip's", append(unhex(t, "00ffffff7fff82"), good...), []Kind{Data}},
		{"a wrong checksum, then a frame", append(append([]byte(nil), broken...), good...), []Kind{Corrupt, Data}},
		{"ACK and response in one", append(AppendACK(nil), good...), []Kind{ACK, Data}},
		{"no postamble", append(append([]byte(nil), good[:len(good)-1]...), good...), []Kind{Data, Data}},
	} {
		var got []Kind
		for _, f := range scanAll(c.in) {
			got = append(got, f.Kind)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
	}
}

func TestSkippedCountsNoise(t *testing.T) {
	var s Scanner
	s.Feed(append([]byte{0x55, 0x55, 0, 0, 0}, AppendACK(nil)...))
	if _, ok := s.Next(); !ok {
		t.Fatal("got no frame after the wake-up bytes, want the ACK")
	}
	if n := s.Skipped(); n != 2 {
		t.Errorf("got %d skipped bytes, want 2", n)
	}
}

// FuzzScanner: no input panics, every frame found is bounded, and how the
// stream is cut makes no difference.
func FuzzScanner(f *testing.F) {
	f.Add(AppendData(nil, FromHost, []byte{0x02}), uint8(3))
	f.Add(AppendData(nil, FromChip, make([]byte, MaxData)), uint8(7))
	f.Add(append(AppendACK(nil), AppendNACK(AppendError(nil))...), uint8(1))
	f.Add([]byte{0, 0xFF, 0xFF, 0xFF, 0x01, 0x0A, 0xF5}, uint8(2))
	f.Add([]byte{0, 0xFF, 0, 0xFF, 0, 0xFF, 0, 0xFF, 0}, uint8(4)) // cut where the postamble could be taken for a start code
	f.Fuzz(func(t *testing.T, p []byte, cut uint8) {
		at := 0
		if len(p) > 0 {
			at = int(cut) % len(p)
		}
		var s Scanner
		var got []Frame
		for _, part := range [][]byte{p[:at], p[at:]} {
			s.Feed(part)
			for {
				fr, ok := s.Next()
				if !ok {
					break
				}
				if len(fr.Body) > MaxData {
					t.Fatalf("body of %d bytes, want at most %d", len(fr.Body), MaxData)
				}
				got = append(got, fr)
			}
		}
		if len(s.buf) > MaxData+10 {
			t.Fatalf("%d bytes kept, want no more than one frame", len(s.buf))
		}
		var whole []Frame
		repotest.Bounded(t, len(p), func() { whole = scanAll(p) })
		if len(whole) != len(got) {
			t.Fatalf("cut at %d: got %d frames, want %d", at, len(got), len(whole))
		}
		for i := range got {
			if got[i].Kind != whole[i].Kind || !bytes.Equal(got[i].Body, whole[i].Body) {
				t.Fatalf("cut at %d: frame %d differs", at, i)
			}
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{0x40, 1, 0, 0xA4})
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > MaxData {
			body = body[:MaxData]
		}
		got := scanAll(AppendData([]byte{0x55, 0}, FromChip, body))
		if len(got) != 1 || got[0].Kind != Data || !bytes.Equal(got[0].Body, body) {
			t.Fatalf("got %v, want the body back", got)
		}
	})
}
