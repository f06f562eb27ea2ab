package lds

import (
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/mrz"
)

// Face is one picture of the bearer. It prints as redacted.
type Face struct {
	Standard Standard
	Header   BiometricHeader
	Format   ImageFormat
	// Stated is the format the record's header claims. Format is what the
	// image's first bytes are, and is what a decoder has to be chosen by.
	Stated   ImageFormat
	Width    int // pixels as the record's header states them; 0 is unspecified
	Height   int
	Metadata FaceMetadata
	Image    []byte // the compressed picture, sharing memory with the parsed file
}

// LogValue tells format and size, nothing of the picture.
func (f Face) LogValue() slog.Value { return slog.StringValue(f.String()) }

// String tells format and size, nothing of the picture.
func (f Face) String() string { return pictureText(f.Format, "portrait", f.Image) }

// GoString is String, for %#v.
func (f Face) GoString() string { return f.String() }

// MarshalText writes String, so that no encoder prints the picture.
func (f Face) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// FaceMetadata is what a record says of a face and how its picture was made.
// Words are those of the standards; "" and nil are not stated. It prints as
// redacted: some of it describes the bearer.
type FaceMetadata struct {
	Kind       string // "full frontal", "token frontal", … ; "MRTD" in ISO/IEC 39794-5
	ColorSpace string
	Source     string   // "static photograph from a digital camera", …
	Captured   mrz.Date // the day; not in records of 2005
	Qualities  []Quality

	Gender     string
	EyeColor   string
	HairColor  string
	Height     int      // of the bearer, in centimeters
	Properties []string // "glasses", …
	Expression []string // "neutral", …
	Pose       *Pose
	Points     []FeaturePoint // at most 512
}

// Pose is how the head is turned, in degrees from -180 to 180, each as far as
// HasYaw, HasPitch and HasRoll say it is stated.
type Pose struct {
	Yaw, Pitch, Roll          int
	HasYaw, HasPitch, HasRoll bool
}

// FeaturePoint is a landmark of the face, in pixels from the upper left.
type FeaturePoint struct {
	Set string // "MPEG-4" or "anthropometric"
	// Code is the point's: of MPEG-4's point 12.1 (the left eye's center) 0xC1;
	// of an anthropometric one the number its standard gives it.
	Code int
	X, Y int
}

// maxPoints bounds the landmarks kept of one face.
const maxPoints = 512

const redactedMetadata = "[portrait metadata redacted]"

// String tells nothing of the face.
func (m FaceMetadata) String() string { return redactedMetadata }

// Format writes String for every verb.
func (m FaceMetadata) Format(f fmt.State, _ rune) { io.WriteString(f, redactedMetadata) }

// LogValue is String, for logs.
func (m FaceMetadata) LogValue() slog.Value { return slog.StringValue(redactedMetadata) }

// MarshalText writes String, so that no encoder prints the metadata.
func (m FaceMetadata) MarshalText() ([]byte, error) { return []byte(redactedMetadata), nil }

// The words of both editions of ISO/IEC 19794-5 (5.5 to 5.7), at their codes.
var (
	faceKinds        = []string{"basic", "full frontal", "token frontal", "post-processed frontal"}
	genders          = []string{"", "male", "female"}
	eyeColors        = []string{"", "black", "blue", "brown", "gray", "green", "multi-colored", "pink", "other"}
	hairColors       = []string{"", "bald", "black", "blonde", "brown", "gray", "white", "red", "green", "blue"}
	faceProperties   = []string{"", "glasses", "moustache", "beard", "teeth visible", "blink", "mouth open", "left eye patch", "right eye patch", "dark glasses", "feature-distorting condition", "head covering"}
	colorSpaces2005  = []string{"", "24-bit RGB", "YUV 4:2:2", "8-bit grayscale", "other"}
	colorSpaces2011  = []string{"", "24-bit RGB", "YUV 4:2:2", "8-bit grayscale", "48-bit RGB", "16-bit grayscale", "other"}
	faceSources      = []string{"", "static photograph", "static photograph from a digital camera", "static photograph from a scanner", "video frame", "video frame from an analog camera", "video frame from a digital camera"}
	expressions2005  = []string{"", "neutral", "smile", "smile with open mouth", "raised eyebrows", "eyes looking away", "squinting", "frowning"}
	expressions2011  = []string{"", "neutral", "smile", "raised eyebrows", "eyes looking away", "squinting", "frowning"}
	faceFormats2005  = []ImageFormat{JPEG, JPEG2000}
	faceFormats2011  = []ImageFormat{JPEG, JPEG2000, JPEG2000, PNG}
	facePointSets    = []string{"", "MPEG-4", "anthropometric"}
	faceFormats39794 = []ImageFormat{"", "", JPEG, JPEG2000, JPEG2000, PNG}
)

// The words of ISO/IEC 39794-5, at their codes.
var (
	faceKinds39794       = []string{"MRTD", "general purpose"}
	colorSpaces39794     = []string{"", "other", "24-bit RGB", "48-bit RGB", "YUV 4:2:2", "8-bit grayscale", "16-bit grayscale"}
	genders39794         = []string{"", "other", "male", "female"}
	eyeColors39794       = []string{"", "other", "black", "blue", "brown", "gray", "green", "hazel", "multi-colored", "pink"}
	hairColors39794      = []string{"", "other", "bald", "black", "blonde", "brown", "gray", "white", "red", "other color"}
	faceProperties39794  = []string{"glasses", "moustache", "beard", "teeth visible", "pupil or iris not visible", "mouth open", "left eye patch", "right eye patch", "dark glasses", "biometric absent", "head covering"}
	faceExpressions39794 = []string{"neutral", "smile", "raised eyebrows", "eyes looking away", "squinting", "frowning"}
	// mpegRows is how many points MPEG-4's groups 2 to 12 have: ISO/IEC 39794-5 counts through them.
	mpegRows = []int{14, 14, 6, 4, 4, 1, 10, 15, 10, 6, 4}
)

// formatOf is the format at a code, "" where it has none.
func formatOf(formats []ImageFormat, code int) ImageFormat {
	if code < 0 || code >= len(formats) {
		return ""
	}
	return formats[code]
}

func formatCode(formats []ImageFormat, format ImageFormat) (int, bool) {
	for i, f := range formats {
		if f == format && f != "" {
			return i, true
		}
	}
	return 0, false
}
