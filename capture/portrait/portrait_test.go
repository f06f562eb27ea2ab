package portrait_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"limen/capture/portrait"
	"limen/capture/portrait/sandbox"
	"limen/internal/repotest"
)

var program string // limen-portrait, built for these tests

// children are decoders gone bad: the test binary, called by one of these names.
var children = map[string]func(){
	"silent": func() { select {} },
	"hang": func() {
		hello()
		for n := 0; ; n++ {
			_ = n
		}
	},
	"crash":    func() { hello(); portrait.ReadRequest(os.Stdin); panic("hostile") },
	"unsealed": func() { os.Exit(portrait.ExitUnsealed) },
	"babble":   func() { hello(); fmt.Print(strings.Repeat("x", 1<<20)) },
	"huge": func() { // claims more pixels than may be
		hello()
		fmt.Print("LPA1\x00\x01\x03\x00\x00\x00\xff\xff\x00\x00\xff\xff")
		for {
			fmt.Print(strings.Repeat("x", 1<<20))
		}
	},
	"endless": func() { // a good answer that does not stop
		hello()
		fmt.Print("LPA1\x00\x01\x01\x00\x00\x00\x00\x01\x00\x00\x00\x01")
		for {
			fmt.Print("xxxx")
		}
	},
	"deaf": func() { // answers without reading
		hello()
		fmt.Print("LPA1\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	},
}

func hello() { portrait.WriteHello(os.Stdout, sandbox.Report{}) }

func TestMain(m *testing.M) {
	if child, ok := children[filepath.Base(os.Args[0])]; ok {
		child()
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "limen-portrait")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, portrait.Program)
	if out, err := exec.Command("go", "build", "-o", program, "limen/cmd/limen-portrait").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build limen-portrait: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patient is a decoder for tests that are not about time: the machine that
// runs them may be busy.
func patient() *portrait.Decoder { return &portrait.Decoder{Path: program, Limit: 10 * time.Second} }

func gradient(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 255 / (w - 1)), uint8(y * 255 / (h - 1)), 128, 255})
		}
	}
	return img
}

func encodeJPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodesWhatDocumentsCarry(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 96, 128))
	for i := range gray.Pix {
		gray.Pix[i] = uint8(i % 96 * 255 / 95)
	}
	jp2 := fixture(t, "gradient.jp2")
	for _, c := range []struct {
		name   string
		data   []byte
		format portrait.Format
		gray   bool
	}{
		{"color JPEG", encodeJPEG(t, gradient(96, 128)), portrait.JPEG, false},
		{"gray JPEG", encodeJPEG(t, gray), portrait.JPEG, true},
		{"JP2", jp2, portrait.JP2, false},
		{"codestream of the JP2", jp2[bytes.Index(jp2, []byte("jp2c"))+4:], portrait.J2K, false},
		{"gray codestream", fixture(t, "gradient-gray.j2k"), portrait.J2K, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			img, info, err := patient().Decode(t.Context(), c.data)
			if err != nil {
				t.Fatal(err)
			}
			if info.Format != c.format || info.Width != 96 || info.Height != 128 {
				t.Errorf("info %+v, want %v 96x128", info, c.format)
			}
			if !info.Sandbox.Seccomp || !info.Sandbox.NoNewPrivs {
				t.Errorf("sandbox %v, want seccomp and no new privileges", info.Sandbox)
			}
			if _, isGray := img.(*image.Gray); isGray != c.gray {
				t.Errorf("decoded to %T, want gray %v", img, c.gray)
			}
			for _, p := range []image.Point{{5, 5}, {90, 10}, {48, 64}, {10, 120}} {
				want := color.RGBA{uint8(p.X * 255 / 95), uint8(p.Y * 255 / 127), 128, 255}
				if c.gray {
					want.G, want.B = want.R, want.R
				}
				r, g, b, _ := img.At(p.X, p.Y).RGBA()
				for i, d := range []int{int(r>>8) - int(want.R), int(g>>8) - int(want.G), int(b>>8) - int(want.B)} {
					if d < -14 || d > 14 {
						t.Errorf("pixel %v channel %d: off by %d from %v", p, i, d, want)
					}
				}
			}
			t.Logf("%v; started in %v, decoded in %v", info.Sandbox, info.Start, info.Decode)
		})
	}
}

func TestDecodesRealPortraits(t *testing.T) {
	silver, err := os.ReadFile(repotest.Shared(t, "data/emrtd/specimen/silver.jp2"))
	if err != nil {
		t.Fatal(err)
	}
	dg2, err := os.ReadFile(repotest.Shared(t, "data/emrtd/specimen/bsi2008/Datagroup2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(dg2, []byte{0xFF, 0xD8, 0xFF})
	if j := bytes.Index(dg2, []byte("\x00\x00\x00\x0CjP  ")); at < 0 || j >= 0 && j < at {
		at = j
	}
	if at < 0 {
		t.Fatal("no JPEG or JP2 in DG2")
	}
	for name, data := range map[string][]byte{"silver.jp2": silver, "DG2": dg2[at:]} {
		img, info, err := patient().Decode(t.Context(), data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if img.Bounds().Dx() < 200 || img.Bounds().Dy() < 200 {
			t.Errorf("%s: %v, want a portrait of at least 200 pixels a side", name, img.Bounds())
		}
		t.Logf("%s: %v %v, started in %v, decoded in %v", name, info.Format, img.Bounds().Size(), info.Start, info.Decode)
	}
}

// siz patches the SIZ of a codestream: reference grid and tile size.
func siz(cs []byte, x, y, tx, ty uint32) []byte {
	cs = bytes.Clone(cs)
	at := bytes.Index(cs, []byte{0xFF, 0x4F, 0xFF, 0x51})
	binary.BigEndian.PutUint32(cs[at+8:], x)
	binary.BigEndian.PutUint32(cs[at+12:], y)
	binary.BigEndian.PutUint32(cs[at+24:], tx)
	binary.BigEndian.PutUint32(cs[at+28:], ty)
	return cs
}

func TestHostilePortraitsAreResults(t *testing.T) {
	jp2, good := fixture(t, "gradient.jp2"), encodeJPEG(t, gradient(96, 128))
	bombJPEG := bytes.Clone(good)
	sof := bytes.Index(bombJPEG, []byte{0xFF, 0xC0})
	copy(bombJPEG[sof+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, portrait.ErrUnreadable},
		{"text", []byte("not a picture"), portrait.ErrUnreadable},
		{"PNG", []byte("\x89PNG\r\n\x1a\n0000000000000"), portrait.ErrUnreadable},
		{"JPEG header only", good[:30], portrait.ErrUnreadable},
		{"truncated JPEG", good[:len(good)/2], portrait.ErrUnreadable},
		{"truncated JP2 boxes", jp2[:60], portrait.ErrUnreadable},
		{"truncated JP2 data", jp2[:len(jp2)*2/3], portrait.ErrUnreadable},
		{"JPEG of 65535x65535", bombJPEG, portrait.ErrTooLarge},
		{"JP2 of 65535x65535", siz(jp2, 65535, 65535, 65535, 65535), portrait.ErrTooLarge},
		{"JP2 of 4294967295 squared", siz(jp2, 1<<32-1, 1<<32-1, 1<<32-1, 1<<32-1), portrait.ErrTooLarge},
		{"JP2 of 12288 tiles", siz(jp2, 96, 128, 1, 1), portrait.ErrTooLarge},
		{"5 MiB", append(good, make([]byte, 5<<20)...), portrait.ErrTooLarge},
	} {
		img, _, err := patient().Decode(t.Context(), c.data)
		if !errors.Is(err, c.want) || img != nil {
			t.Errorf("%s: %v, want %v and no picture", c.name, err, c.want)
		}
	}
	if _, _, err := patient().Decode(t.Context(), good); err != nil {
		t.Errorf("a good portrait after them: %v", err)
	}
}

// Sizes that the header may lie about within the bounds still cost no more
// than the sandbox grants.
func TestLargestPortraitFitsTheSandbox(t *testing.T) {
	data := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 4096, 4096)))
	img, info, err := patient().Decode(t.Context(), data)
	if err != nil || img.Bounds().Dx() != 4096 {
		t.Errorf("16-megapixel JPEG: %v", err)
	}
	t.Logf("decoded in %v", info.Decode)
	// A picture of that size in JPEG 2000 whose data is missing.
	big := siz(fixture(t, "gradient.jp2"), 4096, 4096, 4096, 4096)
	if len(big)*1000 > 4096*4096 {
		t.Fatalf("the JP2 has %d bytes: too many for a bomb", len(big))
	}
	if _, _, err := patient().Decode(t.Context(), big); !errors.Is(err, portrait.ErrTooLarge) {
		t.Errorf("JP2 claiming 16 megapixels in %d bytes: %v, want %v", len(big), err, portrait.ErrTooLarge)
	}
	stream := big[bytes.Index(big, []byte("jp2c"))+4:]
	big = append(bytes.Clone(stream[:len(stream)-2]), make([]byte, 20_000)...)
	if _, _, err := patient().Decode(t.Context(), big); !errors.Is(err, portrait.ErrUnreadable) && !errors.Is(err, portrait.ErrCrashed) {
		t.Errorf("JP2 claiming 16 megapixels: %v", err)
	}
}

func badDecoder(t *testing.T, name string, limit time.Duration) *portrait.Decoder {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	return &portrait.Decoder{Path: link, Limit: limit}
}

func TestDecoderGoneBadIsAResult(t *testing.T) {
	data := encodeJPEG(t, gradient(32, 32))
	for _, c := range []struct {
		name string
		want error
	}{
		{"hang", portrait.ErrTimeout},
		{"crash", portrait.ErrCrashed},
		{"unsealed", portrait.ErrUnsealed},
		{"babble", portrait.ErrCrashed},
		{"huge", portrait.ErrCrashed},
		{"endless", portrait.ErrCrashed},
		{"deaf", portrait.ErrUnreadable},
	} {
		start := time.Now()
		img, _, err := badDecoder(t, c.name, 500*time.Millisecond).Decode(t.Context(), data)
		if !errors.Is(err, c.want) || img != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("%s: took %v, want about the limit of 500 ms", c.name, took)
		}
	}
}

func TestRealDecoderIsHeldToTheLimit(t *testing.T) {
	data := encodeJPEG(t, gradient(4000, 4000))
	d := &portrait.Decoder{Path: program, Limit: time.Millisecond}
	if _, _, err := d.Decode(t.Context(), data); !errors.Is(err, portrait.ErrTimeout) {
		t.Errorf("16 megapixels in 1 ms: %v, want %v", err, portrait.ErrTimeout)
	}
}

func TestCancelEndsTheDecoder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := badDecoder(t, "silent", time.Minute).Decode(ctx, []byte("x"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's own error", err)
	}
}

func TestMissingProgramNamesWhereItLooked(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, _, err := new(portrait.Decoder).Decode(t.Context(), []byte("x"))
	self, _ := os.Executable()
	if !errors.Is(err, portrait.ErrNoProgram) || !strings.Contains(err.Error(), filepath.Dir(self)) || !strings.Contains(err.Error(), "PATH") {
		t.Errorf("%v, want %v naming %s and PATH", err, portrait.ErrNoProgram, filepath.Dir(self))
	}
	_, _, err = (&portrait.Decoder{Path: "/nowhere/limen-portrait"}).Decode(t.Context(), []byte("x"))
	if !errors.Is(err, portrait.ErrNoProgram) || !strings.Contains(err.Error(), "/nowhere/limen-portrait") {
		t.Errorf("%v, want %v naming the configured path", err, portrait.ErrNoProgram)
	}
	// Found in PATH, it works.
	t.Setenv("PATH", filepath.Dir(program))
	if _, _, err = (&portrait.Decoder{Limit: 10 * time.Second}).Decode(t.Context(), encodeJPEG(t, gradient(32, 32))); err != nil {
		t.Errorf("from PATH: %v", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, data := range map[string][]byte{"JPEG 413x531": encodeJPEG(b, gradient(413, 531)), "JP2 96x128": fixture(b, "gradient.jp2")} {
		b.Run(name, func(b *testing.B) {
			var start, decode time.Duration
			for b.Loop() {
				_, info, err := patient().Decode(b.Context(), data)
				if err != nil {
					b.Fatal(err)
				}
				start, decode = start+info.Start, decode+info.Decode
			}
			b.ReportMetric(float64(start.Microseconds())/float64(b.N)/1000, "start-ms")
			b.ReportMetric(float64(decode.Microseconds())/float64(b.N)/1000, "decode-ms")
		})
	}
}
