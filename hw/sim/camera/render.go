package camera

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Renderer draws the frames of one scene. It is not safe for concurrent use.
type Renderer struct {
	scene    Scene
	stills   []*still
	backdrop *image.YCbCr
	frame    *image.YCbCr
	noise    []int8  // a long strip of Gaussian noise
	gain     []int32 // light of each column in 1024ths
	columns  []int32 // where each column looks in the still, 16.16
	bulge    []int32 // how far each column of the nose's row looks aside, 16.16
	lit      []image.Rectangle
	row      []uint8 // one row before motion blur
}

const noiseLength = 1 << 16

// NewRenderer prepares a scene for frames of the given size, which must be even.
func NewRenderer(scene Scene, width, height int) (*Renderer, error) {
	if width < 64 || height < 64 || width > 4096 || height > 4096 || width%2 != 0 || height%2 != 0 {
		return nil, fmt.Errorf("camera: frame size %dx%d: want even numbers from 64 to 4096", width, height)
	}
	scene.People = slices.Clone(scene.People)
	r := &Renderer{
		scene:    scene,
		backdrop: newBackdrop(width, height),
		frame:    image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420),
		noise:    make([]int8, noiseLength+width),
		gain:     make([]int32, width),
		columns:  make([]int32, width),
		bulge:    make([]int32, width),
		row:      make([]uint8, width),
	}
	for i, p := range scene.People {
		if p.Still == nil || p.Still.Bounds().Empty() || p.Still.Bounds().Dx() > 4096 || p.Still.Bounds().Dy() > 4096 {
			return nil, fmt.Errorf("camera: person %d has no still of 1 to 4096 pixels a side", i+1)
		}
		if p.Eyes[1].X <= p.Eyes[0].X {
			return nil, fmt.Errorf("camera: person %d: eyes at %v and %v: want the left in the picture first", i+1, p.Eyes[0], p.Eyes[1])
		}
		if !(p.Far >= 0 && p.Far <= 1 && p.Near >= 0 && p.Near <= 1) {
			return nil, fmt.Errorf("camera: person %d: eyes %v to %v frame heights apart: want 0 to 1", i+1, p.Far, p.Near)
		}
		shown, eyes, lit := p.artefact(scene.Seed + uint64(i))
		r.scene.People[i].Still, r.scene.People[i].Eyes = shown, eyes
		r.stills, r.lit = append(r.stills, newStill(shown)), append(r.lit, lit)
	}
	if scene.Busy {
		clutter(r.backdrop, rand.New(rand.NewPCG(scene.Seed, 0x68616c6c)))
	}
	random := rand.New(rand.NewPCG(scene.Seed, 0x6e6f697365))
	for i := range r.noise {
		r.noise[i] = int8(math.Round(random.NormFloat64() * 2.6))
	}
	return r, nil
}

// Frame draws the scene as it is t after it began. The picture is valid until
// the next call.
func (r *Renderer) Frame(t time.Duration) *image.YCbCr {
	copy(r.frame.Y, r.backdrop.Y)
	copy(r.frame.Cb, r.backdrop.Cb)
	copy(r.frame.Cr, r.backdrop.Cr)
	b := r.frame.Bounds()
	for i, p := range r.scene.People {
		if at := p.at(t, r.scene.Seed+uint64(i), b.Dx(), b.Dy()); at.visible {
			r.draw(r.stills[i], p, at)
			if p.Medium == Screen {
				r.glow(p, r.lit[i], p.Eyes, at)
			}
		}
	}
	r.expose(t)
	return r.frame
}

// The nose of a head: how far its tip stands out, how far below the eyes it
// lies, and how wide and high it is, in distances between the eyes.
const noseOut, noseBelow, noseWide, noseHigh = 0.40, 0.58, 0.26, 0.30

// draw puts one person over the frame. The head's turn is a perspective squeeze
// of the columns and moves the nose before the face; its tilt is a shear, which
// is a rotation for so small an angle.
func (r *Renderer) draw(s *still, p Person, at pose) {
	b := r.frame.Bounds()
	origin := p.Still.Bounds().Min
	middleX := float64(p.Eyes[0].X+p.Eyes[1].X)/2 - float64(origin.X)
	middleY := float64(p.Eyes[0].Y+p.Eyes[1].Y)/2 - float64(origin.Y)
	apart := float64(p.Eyes[1].X - p.Eyes[0].X)
	step := apart / at.eyes // pixels of the still per pixel of the frame
	l, scale := s.choose(step)
	roll := int32(at.roll * step * scale * 65536)

	left, right := b.Dx(), 0
	for x := range b.Dx() {
		across := (float64(x) - at.x) / at.eyes // in distances between the eyes
		across = min(max(across, -4), 4)
		// A turned head is narrower, and its nearer half wider than the other.
		u := middleX + apart*across/math.Cos(at.yaw)*(1+0.22*math.Sin(at.yaw)*across/(1+across*across))
		r.columns[x] = int32(u * scale * 65536)
		r.bulge[x] = 0
		if p.Medium == Flesh && math.Abs(across) < 1 {
			r.bulge[x] = int32(noseOut * math.Sin(at.yaw) * apart * math.Exp(-across*across/(noseWide*noseWide)) * scale * 65536)
		}
		if u >= -apart/2 && u < float64(s.width)+apart/2 {
			left, right = min(left, x), max(right, x+1)
		}
	}
	left &^= 1
	for y := range b.Dy() {
		v := int32((middleY + (float64(y)-at.y)*step) * scale * 65536)
		lean := int32((float64(y) - at.y)) * roll
		below := ((float64(y)-at.y)/at.eyes - noseBelow) / noseHigh
		nose := int32(256 * math.Exp(-below*below))
		r.drawLuma(l, y, left, right, int(at.x), v, lean, roll, nose)
		if at.blur > 1 {
			r.blur(y, left, right, at.blur)
		}
		if y%2 == 0 {
			r.drawChroma(l, y, left, right, int(at.x), v, lean, roll)
		}
	}
}

func (r *Renderer) drawLuma(l level, y, left, right, middle int, v, lean, roll, nose int32) {
	out := r.frame.Y[y*r.frame.YStride:]
	v -= int32(left-middle) * roll
	lastU, lastV := int32(l.width-1)<<16, int32(l.height-1)<<16
	for x := left; x < right; x, v = x+1, v-roll {
		u := r.columns[x] + lean - r.bulge[x]>>8*nose
		w := min(v, lastV-1) // the body goes on below the still
		if u < 0 || u >= lastU || w < 0 {
			continue
		}
		i := 4 * (int(w>>16)*l.width + int(u>>16))
		fu, fv := (u&0xffff)>>8, (w&0xffff)>>8
		p, q := l.pix[i:i+8:i+8], l.pix[i+4*l.width:i+4*l.width+8:i+4*l.width+8]
		luma := ((int32(p[0])*(256-fu)+int32(p[4])*fu)*(256-fv) + (int32(q[0])*(256-fu)+int32(q[4])*fu)*fv) >> 16
		alpha := ((int32(p[3])*(256-fu)+int32(p[7])*fu)*(256-fv) + (int32(q[3])*(256-fu)+int32(q[7])*fu)*fv) >> 16
		out[x] = uint8(min(luma+int32(out[x])*(255-alpha)/255, 255))
	}
}

// drawChroma draws without interpolation: color is coarse anyway.
func (r *Renderer) drawChroma(l level, y, left, right, middle int, v, lean, roll int32) {
	at := (y / 2) * r.frame.CStride
	cb, cr := r.frame.Cb[at:], r.frame.Cr[at:]
	v -= int32(left-middle) * roll
	for x := left; x < right; x, v = x+2, v-2*roll {
		u := r.columns[x] + lean
		w := min(v, int32(l.height-1)<<16)
		if u < 0 || int(u>>16) >= l.width || w < 0 {
			continue
		}
		p := l.pix[4*(int(w>>16)*l.width+int(u>>16)):][:4]
		rest := 255 - int32(p[3])
		cb[x/2] = uint8(min(int32(p[1])+int32(cb[x/2])*rest/255, 255))
		cr[x/2] = uint8(min(int32(p[2])+int32(cr[x/2])*rest/255, 255))
	}
}

// blur averages n neighbors along one row of luma.
func (r *Renderer) blur(y, left, right, n int) {
	n = min(n, 24)
	line := r.frame.Y[y*r.frame.YStride:][:r.frame.Rect.Dx()]
	copy(r.row, line)
	first, last := left+n/2+1, right-n+n/2
	if first-n/2-1 < 0 || last <= first {
		return
	}
	sum := 0
	for _, v := range r.row[first-n/2-1 : first-n/2-1+n] {
		sum += int(v)
	}
	for x := first; x < last; x++ {
		sum += int(r.row[x-n/2-1+n]) - int(r.row[x-n/2-1])
		line[x] = uint8(sum / n)
	}
}

// expose lights the finished frame, unevenly and changing, and adds the sensor's noise.
func (r *Renderer) expose(t time.Duration) {
	b := r.frame.Bounds()
	random := rand.New(rand.NewPCG(r.scene.Seed, 0x6c69676874))
	since := t.Seconds()
	level := 1 + 0.05*math.Sin(2*math.Pi*(0.17*since+random.Float64()))
	tilt := 0.09 * math.Sin(2*math.Pi*(0.11*since+random.Float64()))
	light := cmp.Or(r.scene.Light, 1)
	for x := range r.gain {
		r.gain[x] = int32(1024 * light * (level + tilt*(2*float64(x)/float64(b.Dx())-1)))
	}
	random = rand.New(rand.NewPCG(r.scene.Seed, uint64(t)))
	for y := range b.Dy() {
		line := r.frame.Y[y*r.frame.YStride:][:len(r.gain)]
		noise := r.noise[random.IntN(noiseLength):][:len(line)]
		for x, g := range r.gain {
			line[x] = uint8(min(max(int32(line[x])*g>>10+int32(noise[x]), 0), 255))
		}
	}
}

// newBackdrop is a plain booth: a gray wall lit from above, with the seams of
// its panels.
func newBackdrop(width, height int) *image.YCbCr {
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = 130, 126
	}
	for y := range height {
		for x := range width {
			across := 2*float64(x)/float64(width) - 1
			luma := 166 - 34*float64(y)/float64(height) - 16*across*across
			if seam := math.Abs(math.Abs(across) - 0.72); seam < 0.006 {
				luma -= 22
			}
			m.Y[y*m.YStride+x] = uint8(luma)
		}
	}
	return m
}

// clutter fills a backdrop with what a hall shows: surfaces of all sizes, and
// thin bright and dark lines.
func clutter(m *image.YCbCr, random *rand.Rand) {
	b := m.Bounds()
	fill := func(w, h int, luma uint8) {
		x0, y0 := random.IntN(b.Dx()), random.IntN(b.Dy())
		for y := max(y0-h/2, 0); y < min(y0+h/2+1, b.Dy()); y++ {
			for x := max(x0-w/2, 0); x < min(x0+w/2+1, b.Dx()); x++ {
				m.Y[y*m.YStride+x] = luma
			}
		}
	}
	for range 160 {
		fill(6+random.IntN(b.Dx()/6), 6+random.IntN(b.Dy()/4), uint8(40+random.IntN(180)))
	}
	for range 80 {
		w, h := 2+random.IntN(3), 20+random.IntN(b.Dy()/3)
		if random.IntN(2) == 0 {
			w, h = h, w
		}
		fill(w, h, []uint8{30, 230}[random.IntN(2)])
	}
}
