package morph

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"limen/matcher"
)

// person is a direction; session what a day, light and mood add to it.
func person(r *rand.Rand) matcher.Template {
	t := make(matcher.Template, 64)
	for i := range t {
		t[i] = float32(r.NormFloat64())
	}
	return t.Normalized()
}

func mixed(a, b matcher.Template, part float32, r *rand.Rand) matcher.Template {
	out := make(matcher.Template, len(a))
	for i := range out {
		out[i] = part*a[i] + (1-part)*b[i] + 0.04*float32(r.NormFloat64())
	}
	return out.Normalized()
}

// What the classifier learns on some people it tells of others.
func TestFitTellsMorphsOfPeopleItNeverSaw(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	draw := func(n int) (all []Example) {
		for range n {
			a, b := person(r), person(r)
			all = append(all,
				Example{Features(mixed(a, a, 1, r), mixed(a, a, 1, r)), false},
				Example{Features(mixed(a, b, 0.5, r), mixed(a, a, 1, r)), true})
		}
		return all
	}
	c, err := Fit(draw(150), 0.02, 500)
	if err != nil {
		t.Fatal(err)
	}
	c.Threshold = 0.5
	wrong := 0
	for _, e := range draw(100) {
		s, err := c.Score(e.Features)
		if err != nil {
			t.Fatal(err)
		}
		if c.Suspected(s) != e.Morph {
			wrong++
		}
	}
	if wrong > 10 {
		t.Errorf("%d of 200 wrong, want at most 10", wrong)
	}
}

func TestFitNeedsBothKinds(t *testing.T) {
	for name, examples := range map[string][]Example{
		"nothing":        nil,
		"no morph":       {{[]float64{1}, false}},
		"unequal length": {{[]float64{1}, false}, {[]float64{1, 2}, true}},
	} {
		if _, err := Fit(examples, 0.1, 3); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestWhatIsNoNumberIsSuspected(t *testing.T) {
	c := Classifier{Threshold: 0.5, Weights: []float64{1, 1}}
	s, err := c.Score([]float64{math.NaN(), 0})
	if err != nil || !c.Suspected(s) {
		t.Errorf("got %v (%v), not suspected; want it suspected", s, err)
	}
	if _, err := c.Score([]float64{1}); err == nil {
		t.Error("one feature for two weights gave a score")
	}
}

func TestTemplatesOfDifferentModelsHaveNoFeatures(t *testing.T) {
	if f := Features(make(matcher.Template, 4), make(matcher.Template, 5)); f != nil {
		t.Errorf("got %d features, want none", len(f))
	}
}

// The table that is shipped is whole, and its weights fit what they weigh.
func TestTrainedClassifiersFitTheirFeatures(t *testing.T) {
	c, err := Trained()
	if err != nil {
		t.Fatal(err)
	}
	d, ok := c.For("frr0095@b5cac1a7")
	if want := 3*256 + 1; !ok || len(d.Weights) != want {
		t.Errorf("frr0095: got %d weights, %v; want %d", len(d.Weights), ok, want)
	}
	if want := 3 * len(zones); len(c.Single.Weights) != want {
		t.Errorf("single image: got %d weights, want %d", len(c.Single.Weights), want)
	}
	if _, ok := c.For("another@00000000"); ok {
		t.Error("a recogniser that nothing was trained for has a classifier")
	}
}

func TestDamagedClassifiersAreRefused(t *testing.T) {
	for _, text := range []string{
		"differential: []\nsingle: {recipe: x, threshold: 2, bias: 0, weights: [1]}",
		"differential: []\nsingle: {recipe: x, threshold: 0.5, bias: 0, weights: []}",
		"differential: []\nsingle: {recipe: '', threshold: 0.5, bias: 0, weights: [1]}",
		"other: 1",
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestThresholdAtKeepsTheShare(t *testing.T) {
	var scores []float64
	for i := range 100 {
		scores = append(scores, float64(i)/100)
	}
	c := Classifier{Threshold: ThresholdAt(scores, 0.05)}
	rejected := 0
	for _, s := range scores {
		if c.Suspected(s) {
			rejected++
		}
	}
	if rejected != 5 {
		t.Errorf("%d of 100 rejected, want 5", rejected)
	}
}

// Averaging takes the finest structure away: the single-image cues fall with it.
func TestSingleSeesLostGrain(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sharp := image.NewGray(image.Rect(0, 0, 300, 300))
	for i := range sharp.Pix {
		sharp.Pix[i] = uint8(60 + r.IntN(140))
	}
	soft := image.NewGray(sharp.Rect)
	for y := 1; y < 299; y++ {
		for x := 1; x < 299; x++ {
			sum := 0
			for k := range 9 {
				sum += int(sharp.GrayAt(x+k%3-1, y+k/3-1).Y)
			}
			soft.SetGray(x, y, color.Gray{Y: uint8(sum / 9)})
		}
	}
	var face matcher.Face
	for i, p := range matcher.Reference {
		face.Landmarks[i] = matcher.Point{X: 50 + 200*p.X, Y: 50 + 200*p.Y}
	}
	a, b := Single(sharp, face), Single(soft, face)
	if len(a) != 3*len(zones) || len(b) != len(a) {
		t.Fatalf("got %d and %d cues, want %d", len(a), len(b), 3*len(zones))
	}
	for i := 0; i < len(a); i += 3 {
		if b[i] >= a[i] {
			t.Errorf("zone %d: got %.2f of the softened picture and %.2f of the sharp one, want less", i/3, b[i], a[i])
		}
	}
	if Single(sharp, matcher.Face{}) != nil {
		t.Error("a face without landmarks gave cues")
	}
}
