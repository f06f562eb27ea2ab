package matcher

import (
	"image"
	"math"
)

// Component is a quality component of a face picture, named as in ISO/IEC
// 29794-5:2025. docs/quality.md says how each is had and which are not.
type Component string

// The components that can be had from pixels and five landmarks.
const (
	BackgroundUniformity    Component = "background_uniformity"
	IlluminationUniformity  Component = "illumination_uniformity"
	LuminanceMean           Component = "luminance_mean"
	LuminanceVariance       Component = "luminance_variance"
	UnderExposurePrevention Component = "under_exposure_prevention"
	OverExposurePrevention  Component = "over_exposure_prevention"
	DynamicRange            Component = "dynamic_range"
	Sharpness               Component = "sharpness"
	NoCompressionArtifacts  Component = "no_compression_artifacts"
	NaturalColour           Component = "natural_colour"
	SingleFacePresent       Component = "single_face_present"
	EyesVisible             Component = "eyes_visible"
	MouthOcclusion          Component = "mouth_occlusion_prevention"
	FaceOcclusion           Component = "face_occlusion_prevention"
	InterEyeDistance        Component = "inter_eye_distance"
	HeadSize                Component = "head_size"
	LeftwardCrop            Component = "leftward_crop_of_the_face_image"
	RightwardCrop           Component = "rightward_crop_of_the_face_image"
	UpwardCrop              Component = "upward_crop_of_the_face_image"
	DownwardCrop            Component = "downward_crop_of_the_face_image"
	PoseYaw                 Component = "pose_angle_yaw_frontal_alignment"
	PosePitch               Component = "pose_angle_pitch_frontal_alignment"
	PoseRoll                Component = "pose_angle_roll_frontal_alignment"
)

// marks are what a picture in good order reaches: in full tens, less than the
// least of 99 in 100 photographs of 102 people in even light has (docs/quality.md).
// They name what is worth a look and turn nobody away. How large a head is and how
// much room it has above and below is a matter of the picture's format.
var marks = map[Component]int{
	BackgroundUniformity: 40, IlluminationUniformity: 70, LuminanceMean: 60, LuminanceVariance: 60,
	UnderExposurePrevention: 90, OverExposurePrevention: 90, DynamicRange: 70, Sharpness: 90, NoCompressionArtifacts: 60, NaturalColour: 90,
	SingleFacePresent: 75, EyesVisible: 90, MouthOcclusion: 90, FaceOcclusion: 75, InterEyeDistance: 30,
	LeftwardCrop: 90, RightwardCrop: 90, PoseYaw: 85, PosePitch: 85, PoseRoll: 90,
}

// Measured is one component of one picture.
type Measured struct {
	Component Component `json:"component"`
	Native    float64   `json:"native"` // in the component's own unit
	Value     int       `json:"value"`  // 0 to 100, more is better
	Mark      int       `json:"mark"`   // the value it should reach; 0 when none is set
}

// Low tells whether the value misses its mark.
func (m Measured) Low() bool { return m.Value < m.Mark }

// Components measures the largest of faces (sorted largest first, as Detect
// returns them) in img, in the order of the constants above. What cannot be had
// of a picture is left out: the background where the picture ends with the
// head, colors of a gray one. Without a face there are none.
func Components(img image.Image, faces []Face) []Measured {
	if len(faces) == 0 {
		return nil
	}
	toCrop, err := Align(faces[0].Landmarks, cropSide)
	if err != nil {
		return nil
	}
	v := view{face: faces[0], luma: lumaPlane(img), toCrop: toCrop, toPicture: toCrop.Inverse(), color: chroma(img)}
	v.crop = v.luma.aligned(toCrop, cropSide)
	v.look()
	var out []Measured
	add := func(c Component, native, value float64) {
		out = append(out, Measured{c, native, int(math.Round(min(max(value, 0), 100))), marks[c]})
	}
	if gradient, ok := v.background(); ok {
		add(BackgroundUniformity, gradient, 100*(1-sigmoid(gradient, 10, 30))/(1-sigmoid(0, 10, 30)))
	}
	v.light(add)
	v.detail(add)
	if a, b, ok := v.skin(); ok {
		add(NaturalColour, unnatural(a, b), 200*(1-sigmoid(unnatural(a, b), 0, 10)))
	}
	add(SingleFacePresent, second(faces), 100*(1-second(faces)))
	v.cover(add)
	v.shape(add)
	return out
}

// ValueOf is one component's value among measured ones.
func ValueOf(measured []Measured, c Component) (value int, ok bool) {
	for _, m := range measured {
		if m.Component == c {
			return m.Value, true
		}
	}
	return 0, false
}

// view is a face as the components look at it.
type view struct {
	face      Face
	luma      plane
	color     func(Point) (cb, cr float64)
	toCrop    Similarity
	toPicture Similarity
	crop      []float64 // the aligned face, cropSide squared
	histogram [256]float64
}

// look fills the histogram of the face's luma, as shares of 1.
func (v *view) look() {
	n := 0.0
	for y := range cropSide {
		for x := range cropSide {
			if inFace(x, y) {
				v.histogram[int(min(max(v.crop[y*cropSide+x], 0), 255))]++
				n++
			}
		}
	}
	for i := range v.histogram {
		v.histogram[i] /= n
	}
}

// inFace tells whether a pixel of the crop is of the face: an ellipse from the
// forehead down, a little narrower than an average face.
func inFace(x, y int) bool {
	dx, dy := (float64(x)+0.5)/cropSide-0.5, (float64(y)+0.5)/cropSide-0.62
	return dx*dx/(0.34*0.34)+dy*dy/(0.46*0.46) < 1
}

// sigmoid rises from 0 to 1 around x0 within some w, the mapping of 29794-5.
func sigmoid(x, x0, w float64) float64 { return 1 / (1 + math.Exp((x0-x)/w)) }

// second is the area of the second largest face over the largest's.
func second(faces []Face) float64 {
	area := func(f Face) float64 { return f.Box.Side() * f.Box.Side() }
	if len(faces) < 2 || area(faces[0]) == 0 {
		return 0
	}
	return min(area(faces[1])/area(faces[0]), 1)
}

// box is a rectangle of the crop, as fractions of its side, in pixels.
func box(centerX, centerY, halfW, halfH float64) image.Rectangle {
	px := func(f float64) int { return min(max(int(math.Round(f*cropSide)), 0), cropSide) }
	return image.Rect(px(centerX-halfW), px(centerY-halfH), px(centerX+halfW), px(centerY+halfH))
}

// each visits the crop's pixels in r.
func (v *view) each(r image.Rectangle, do func(x, y int, luma float64)) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			do(x, y, v.crop[y*cropSide+x])
		}
	}
}

// moments are mean and standard deviation of the luma in r.
func (v *view) moments(r image.Rectangle) (mean, deviation float64) {
	var sum, sq, n float64
	v.each(r, func(_, _ int, l float64) { sum, sq, n = sum+l, sq+l*l, n+1 })
	if n == 0 {
		return 0, 0
	}
	mean = sum / n
	return mean, math.Sqrt(max(sq/n-mean*mean, 0))
}
