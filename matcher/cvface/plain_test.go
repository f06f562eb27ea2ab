package cvface

import (
	"encoding/json"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"limen/internal/repotest"
	"limen/matcher"
)

// plain describes faces with OpenCV's own Python binding and nothing of ours:
// the landmarks' least squares, the warp, the network. It reads a list of
// pictures with landmarks and writes a list of templates of length 1.
const plain = `
import json, sys
import cv2, numpy as np
net = cv2.dnn.readNetFromONNX(sys.argv[1])
to = np.float64([(.3156,.4616),(.6827,.4616),(.5003,.6405),(.3495,.8247),(.6534,.8247)]) * 128
out = []
for face in json.load(sys.stdin):
    rows, want = [], []
    for (x, y), (u, v) in zip(face["landmarks"], to):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        want += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.float64(rows), np.float64(want), rcond=None)[0]
    crop = cv2.warpAffine(cv2.imread(face["picture"]), np.float64([[a, -b, tx], [b, a, ty]]), (128, 128))
    net.setInput(cv2.dnn.blobFromImage(crop))
    t = net.forward().flatten().astype(np.float64)
    out.append((t / np.linalg.norm(t)).tolist())
json.dump(out, sys.stdout)
`

// Templates are those that a plain run of OpenCV gives, to 1e-3.
func TestTemplatesAreThoseOfPlainOpenCV(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which sees Debian's packages
	if err := exec.Command(python, "-c", "import cv2").Run(); err != nil {
		t.Skipf("python3-opencv is not installed: %v", err)
	}
	e := openEngine(t, Options{})
	type face struct {
		Picture   string        `json:"picture"`
		Landmarks [5][2]float64 `json:"landmarks"`
	}
	var faces []face
	var ours []matcher.Template
	photos := append(london(t, "neutral_front"), london(t, "smiling_front")...)
	for i := 0; i < len(photos); i += 17 {
		img := readJPEG(t, photos[i])
		found, err := e.Detect(img)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d faces, %v", filepath.Base(photos[i]), len(found), err)
		}
		template, err := e.Template(img, found[0])
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, template)
		// Decoders of JPEG differ; both sides are to see the same pixels.
		f := face{Picture: filepath.Join(t.TempDir(), "picture.png")}
		for k, p := range found[0].Landmarks {
			f.Landmarks[k] = [2]float64{p.X, p.Y}
		}
		w, err := os.Create(f.Picture)
		if err != nil {
			t.Fatal(err)
		}
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img); err != nil {
			t.Fatal(err)
		}
		w.Close()
		faces = append(faces, f)
	}
	c := exec.Command(python, "-c", plain, repotest.Shared(t, "models/frr0095.onnx"))
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { json.NewEncoder(in).Encode(faces); in.Close() }()
	c.Stderr = os.Stderr
	said, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs [][]float64
	if err := json.Unmarshal(said, &theirs); err != nil || len(theirs) != len(ours) {
		t.Fatalf("%d templates, %v; want %d", len(theirs), err, len(ours))
	}
	var farthest, least float64 = 0, 1
	for i, o := range ours {
		if len(theirs[i]) != len(o) {
			t.Fatalf("a template of %d numbers, want %d", len(theirs[i]), len(o))
		}
		var cosine float64
		for k, v := range theirs[i] {
			farthest = max(farthest, math.Abs(v-float64(o[k])))
			cosine += v * float64(o[k])
		}
		least = min(least, cosine)
	}
	t.Logf("%d templates: farthest apart in a number %.1e, least cosine %.9f", len(ours), farthest, least)
	if farthest > 1e-3 || least < 1-1e-6 {
		t.Errorf("numbers up to %.1e apart, cosine %.9f; want at most 1e-3 and 1", farthest, least)
	}
}
