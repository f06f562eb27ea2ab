package camera

import (
	"image"
	"math"
	"math/rand/v2"
	"time"
)

// Scene is what stands before the camera. The zero Scene is an empty booth.
// A scene is the same whenever it is shown: everything that moves follows from
// Seed and from the time since the scene began.
type Scene struct {
	People []Person
	Seed   uint64
	Light  float64 // of the booth's lamps: 1 is full, and so is 0; 0.5 half
	Busy   bool    // a hall of signs, lamps and frames behind instead of a booth's wall
}

// Person walks up to the camera and stays.
type Person struct {
	// Still is head and shoulders, seen from the front. Its alpha says what is
	// person and what is not; its last row goes on below as the body.
	Still image.Image
	// Eyes are the pupils' places in Still, left in the picture first.
	Eyes [2]image.Point
	// Aside is how far from the middle the person stands, in frame widths:
	// -0.25 is halfway to the left edge.
	Aside float64
	// Delay is when the person appears, Approach how long the walk takes;
	// an Approach of zero takes 1.5 s, a negative one means already standing.
	Delay, Approach time.Duration
	// Far and Near are the distances between the eyes at the start and at the end
	// of the walk, in frame heights; zero means 1/8 (60 pixels of 480) and 0.22 (the
	// whole head still in the picture), or 0.155 where a sheet shows the person.
	Far, Near float64
	// Medium is what shows the person: nothing, or an artefact of Still.
	Medium Medium
	Sheet  float64 // the artefact's size against the usual, 1 when 0
	Holes  bool    // the artefact has its eyes cut out: what stands behind it shows through
	Close  bool    // a cut-out is cut so close to the head that no paper shows at its edge
	// Turn is how far the person looks aside while they sway, in radians;
	// positive is to the picture's right.
	Turn float64
}

// pose is how one person stands at one moment, in pixels of the frame.
type pose struct {
	visible bool
	x, y    float64 // middle between the eyes
	eyes    float64 // distance between the eyes
	yaw     float64 // radians, positive turns the face to the picture's right
	roll    float64 // radians, clockwise
	blur    int     // horizontal motion blur, pixels
}

const exposure = 0.012 // seconds the shutter is open: what moves meanwhile blurs

// at computes the pose at time t of a frame of the given size.
func (p Person) at(t time.Duration, seed uint64, width, height int) pose {
	if t < p.Delay {
		return pose{}
	}
	since := (t - p.Delay).Seconds()
	now := p.stand(since, seed, width, height)
	before := p.stand(since-exposure, seed, width, height)
	// Growth moves the outline as much as walking sideways does.
	moved := math.Abs(now.x-before.x) + 1.2*math.Abs(now.eyes-before.eyes)
	now.blur = int(math.Round(moved))
	now.visible = true
	return now
}

func (p Person) stand(since float64, seed uint64, width, height int) pose {
	phase := rand.New(rand.NewPCG(seed, 0x706f7365))
	wave := func(hertz float64) float64 { return math.Sin(2 * math.Pi * (hertz*since + phase.Float64())) }

	walk := p.Approach.Seconds()
	if walk == 0 {
		walk = 1.5
	}
	far, near := p.Far, p.Near
	if far == 0 {
		far = 1.0 / 8
	}
	switch {
	case near != 0:
	case p.Medium == Flesh:
		near = 0.22
	default:
		near = 0.155 // so that all of a sheet is in the picture, as a hand holds it to be seen
	}
	part := 1.0
	if walk > 0 {
		part = min(max(since/walk, 0), 1)
	}
	part = part * part * (3 - 2*part)
	// The person walks evenly, so the distance shrinks evenly and the face
	// grows with its inverse.
	eyes := 1 / ((1-part)/far + part/near)
	stride := 1 - part // walking bobs, standing only sways

	h := float64(height)
	now := pose{
		x:    float64(width)*(0.5+p.Aside) + eyes*h*(0.05*wave(0.31)+0.16*stride*wave(0.9)),
		y:    h*(0.40+0.06*(1-part)) + eyes*h*(0.02*wave(0.43)+0.08*stride*wave(1.9)),
		eyes: eyes * h,
		yaw:  p.Turn + 0.10*wave(0.27) + 0.05*wave(0.61),
		roll: 0.022*wave(0.37) + 0.015*stride*wave(0.95),
	}
	if p.Medium != Flesh {
		return now.hold(since, phase)
	}
	return now
}
