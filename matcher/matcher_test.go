package matcher

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/goccy/go-yaml"
)

func TestTemplateRedactsItselfAndIsNeverSerialized(t *testing.T) {
	v := Template{0.123456, 0.654321}
	holder := struct{ T Template }{v}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "template", v, "face", Face{Score: 0.123456})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "template", v, "sample", Sample{Templates: []Template{v}})
	for _, s := range []string{fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %x %d %s %q", v, v, v, v, v, v, v), fmt.Sprintf("%v %+v %#v", holder, holder, holder), log.String()} {
		if strings.Contains(s, "123456") || strings.Contains(s, "654321") || strings.Contains(s, "3dfc") {
			t.Errorf("template shown: %s", s)
		}
	}
	for name, encode := range map[string]func() error{
		"json": func() error { _, err := json.Marshal(holder); return err },
		"gob":  func() error { return gob.NewEncoder(new(bytes.Buffer)).Encode(holder) },
		"cbor": func() error { _, err := cbor.Marshal(holder); return err },
		"yaml": func() error { _, err := yaml.Marshal(holder); return err },
	} {
		if err := encode(); err == nil {
			t.Errorf("%s encoded a template, want %v", name, ErrSerialized)
		}
	}
}

func TestCosine(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		a, b Template
		want float64
	}{
		{Template{1, 0}, Template{2, 0}, 1},
		{Template{1, 0}, Template{0, 3}, 0},
		{Template{1, 1}, Template{-1, -1}, -1},
		{Template{1, 0}, Template{1, 1}, math.Sqrt2 / 2},
		{Template{1, 0}, Template{1, 0, 0}, 0},
		{Template{0, 0}, Template{0, 0}, 0},
		{nil, nil, 0},
		{Template{nan, 1}, Template{1, 1}, 0},
	} {
		if got := Cosine(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("Cosine of %v and %v: %g, want %g", []float32(c.a), []float32(c.b), got, c.want)
		}
	}
	fused := Fuse([]Template{{1, 0}, {0, 1}})
	if math.Abs(float64(fused[0])-math.Sqrt2/2) > 1e-6 || Fuse([]Template{{1}, {1, 2}}) != nil || Fuse(nil) != nil {
		t.Errorf("Fuse: %v", []float32(fused))
	}
}

// faceAt is a frontal face: Reference scaled to an eye distance and turned.
func faceAt(center Point, eyes, rollDegrees float64) Face {
	side := eyes / (Reference[LeftEye].X - Reference[RightEye].X)
	sin, cos := math.Sincos(rollDegrees * math.Pi / 180)
	f := Face{Score: 0.9, Box: Box{center.X - side/2, center.Y - side/2, side, side}}
	for i, r := range Reference {
		x, y := (r.X-0.5)*side, (r.Y-0.5)*side
		f.Landmarks[i] = Point{center.X + x*cos - y*sin, center.Y + x*sin + y*cos}
	}
	return f
}

func TestAlignFindsTheSimilarity(t *testing.T) {
	f := faceAt(Point{400, 300}, 90, 17)
	s, err := Align(f.Landmarks, 128)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range f.Landmarks {
		got := s.Apply(p)
		if math.Hypot(got.X-Reference[i].X*128, got.Y-Reference[i].Y*128) > 1e-6 {
			t.Errorf("landmark %d lands on %v, want %v", i, got, Reference[i])
		}
		if back := s.Inverse().Apply(got); math.Hypot(back.X-p.X, back.Y-p.Y) > 1e-6 {
			t.Errorf("landmark %d comes back to %v, want %v", i, back, p)
		}
	}
	nan := f
	nan.Landmarks[2].X = math.NaN()
	for name, l := range map[string][5]Point{"one spot": {}, "not a number": nan.Landmarks} {
		if _, err := Align(l, 128); !errors.Is(err, ErrDegenerate) {
			t.Errorf("%s: %v, want %v", name, err, ErrDegenerate)
		}
	}
}
