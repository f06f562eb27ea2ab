package limen

// Picture says which of the two pictures of a face something is about.
type Picture string

// The pictures.
const (
	PicturePortrait Picture = "portrait" // the chip's
	PictureLive     Picture = "live"     // the best live frame
)

// Quality is what was measured of one picture of a face. It describes the
// picture and not the person: light, sharpness, room around the head, in whole
// numbers. It decides nothing.
type Quality struct {
	Picture    Picture     `json:"picture" cbor:"1,keyasint"`
	Components []Component `json:"components" cbor:"2,keyasint"`
}

// Component is one quality component of ISO/IEC 29794-5.
type Component struct {
	_     struct{} `cbor:",toarray"` // a record has near fifty of them
	Name  string   `json:"name"`     // as the standard names it: "illumination_uniformity"
	Value int      `json:"value"`    // 0 to 100, more is better
	Low   bool     `json:"low"`      // below what the camera holds it to
}

// Measured is a LiveFace, or a portrait that a PortraitDescriber described, of
// which quality components were measured.
type Measured interface {
	// Quality gives the components; none when no face is in the picture.
	Quality() []Component
}

// measured tells the screen the quality of a picture that has one.
func (in *Inspection) measured(step Step, which Picture, picture any) *Quality {
	m, ok := picture.(Measured)
	if !ok {
		return nil
	}
	q := Quality{which, m.Quality()}
	if len(q.Components) == 0 {
		return nil
	}
	in.observe(Event{Step: step, Quality: &q})
	return &q
}

// addQuality keeps what was measured of a picture.
func (e *Evidence) addQuality(q *Quality) {
	if q != nil {
		e.Quality = append(e.Quality, *q)
	}
}
