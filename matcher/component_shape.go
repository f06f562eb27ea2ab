package matcher

import "math"

// chinDrop is the distance from the eyes' middle to the chin over that to the
// mouth, of an average face: five landmarks do not see the chin.
const chinDrop = 1.75

// shape measures what follows from where the landmarks lie.
func (v *view) shape(add func(Component, float64, float64)) {
	l, eyes := v.face.Landmarks, v.face.EyeDistance()
	middle := Point{(l[RightEye].X + l[LeftEye].X) / 2, (l[RightEye].Y + l[LeftEye].Y) / 2}
	mouth := Point{(l[RightMouthCorner].X + l[LeftMouthCorner].X) / 2, (l[RightMouthCorner].Y + l[LeftMouthCorner].Y) / 2}
	chin := chinDrop * math.Hypot(mouth.X-middle.X, mouth.Y-middle.Y)
	w, h := float64(v.luma.w), float64(v.luma.h)
	yaw, pitch, roll := pose(l)
	if eyes == 0 || chin == 0 {
		return
	}
	far := eyes / max(math.Cos(min(math.Abs(yaw), 60)*math.Pi/180), 0.5)
	add(InterEyeDistance, far, 100*sigmoid(far, 70, 20))
	add(HeadSize, chin/h, 200*(1-sigmoid(math.Abs(chin/h-0.45), 0, 0.05)))
	add(LeftwardCrop, l[RightEye].X/eyes, 100*sigmoid(l[RightEye].X/eyes, 0.9, 0.1))
	add(RightwardCrop, (w-l[LeftEye].X)/eyes, 100*sigmoid((w-l[LeftEye].X)/eyes, 0.9, 0.1))
	add(UpwardCrop, (h-middle.Y)/chin, 100*sigmoid((h-middle.Y)/chin, 1.8, 0.1))
	add(DownwardCrop, middle.Y/chin, 100*sigmoid(middle.Y/chin, 1.4, 0.1))
	frontal := func(degrees float64) float64 {
		c := max(math.Cos(degrees*math.Pi/180), 0)
		return 100 * c * c
	}
	add(PoseYaw, yaw, frontal(yaw))
	add(PosePitch, pitch, frontal(pitch))
	add(PoseRoll, roll, frontal(roll))
}
