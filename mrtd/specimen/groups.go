package specimen

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"slices"
	"time"

	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// Example groups for the specimen traveller, ERIKSSON, ANNA MARIA of Utopia.
// Pictures are filler behind the first bytes of their format, but for the
// JPEGs, which decode. The same group and kind are always the same bytes.

const (
	pictureOctets = 2000 // of filler
	fingerWidth   = 320
	fingerHeight  = 480
	irisWidth     = 640
	irisHeight    = 480
)

// pictures are the first bytes of pictures by their format.
var pictures = map[lds.ImageFormat]string{
	lds.JPEG2000: "\x00\x00\x00\x0CjP  \r\n\x87\n",
	lds.WSQ:      "\xFF\xA0\xFF\xA4\x00\x3A",
	lds.PNG:      "\x89PNG\r\n\x1A\n",
	lds.Raw:      "\x80",
}

// filler is a picture of a format: its first bytes, and noise.
func filler(format lds.ImageFormat) ([]byte, error) {
	if format == lds.JPEG {
		return grayJPEG()
	}
	noise := make([]byte, pictureOctets)
	if _, err := io.ReadFull(Seed("picture "+string(format)), noise); err != nil {
		return nil, err
	}
	return append([]byte(pictures[format]), noise...), nil
}

// grayJPEG is a picture of 103 by 132 pixels that decodes: shades without a face.
func grayJPEG() ([]byte, error) {
	m := image.NewGray(image.Rect(0, 0, 103, 132))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			m.SetGray(x, y, color.Gray{Y: byte(x + y)})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, nil)
	return b.Bytes(), err
}

// example makes one kind of a group.
type example func() ([]byte, error)

var examples = map[int]map[string]example{
	2: {
		"jpeg-2005": face(lds.Face2005, lds.JPEG), "jp2-2005": face(lds.Face2005, lds.JPEG2000),
		"jpeg-2011": face(lds.Face2011, lds.JPEG), "jp2-2011": face(lds.Face2011, lds.JPEG2000),
		"jpeg-39794": face(lds.Face39794, lds.JPEG), "jp2-39794": face(lds.Face39794, lds.JPEG2000),
	},
	3: {
		"none":     func() ([]byte, error) { return lds.EncodeDG3([]byte("specimen")) },
		"wsq-2005": fingers(lds.Finger2005, lds.WSQ), "jp2-2005": fingers(lds.Finger2005, lds.JPEG2000), "raw-2005": fingers(lds.Finger2005, lds.Raw),
		"wsq-2011": fingers(lds.Finger2011, lds.WSQ), "png-2011": fingers(lds.Finger2011, lds.PNG),
		"wsq-39794": fingers(lds.Finger39794, lds.WSQ), "jp2-39794": fingers(lds.Finger39794, lds.JPEG2000), "png-39794": fingers(lds.Finger39794, lds.PNG),
	},
	4: {
		"none":     func() ([]byte, error) { return lds.EncodeDG4([]byte("specimen")) },
		"jp2-2005": irises(lds.Iris2005, lds.JPEG2000), "raw-2005": irises(lds.Iris2005, lds.Raw),
		"jp2-2011": irises(lds.Iris2011, lds.JPEG2000), "png-2011": irises(lds.Iris2011, lds.PNG),
		"jp2-39794": irises(lds.Iris39794, lds.JPEG2000), "png-39794": irises(lds.Iris39794, lds.PNG),
	},
	5: {"jpeg": displayed(lds.EncodeDG5, lds.JPEG), "jp2": displayed(lds.EncodeDG5, lds.JPEG2000)},
	7: {"jpeg": displayed(lds.EncodeDG7, lds.JPEG), "jp2": displayed(lds.EncodeDG7, lds.JPEG2000)},
	11: {
		"latin":    personal(lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, fullBirth, lds.TextDates),
		"cyrillic": personal(lds.Name{Primary: "Эрикссон", Secondary: "Анна Мариа"}, fullBirth, lds.TextDates),
		"arabic":   personal(lds.Name{Primary: "\u0625\u0631\u064A\u0643\u0633\u0648\u0646", Secondary: "\u0622\u0646\u0627 \u0645\u0627\u0631\u064A\u0627"}, fullBirth, lds.TextDates),
		"bcd":      personal(lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, fullBirth, lds.BCDDates),
		"no-day":   personal(lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, mrz.Date{Year: 1974, Month: 8}, lds.TextDates),
		"no-date":  personal(lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, mrz.Date{Year: 1974}, lds.BCDDates),
		"all":      everyPersonal,
	},
	12: {"text": documentDetails(lds.TextDates, false), "bcd": documentDetails(lds.BCDDates, false), "images": documentDetails(lds.TextDates, true)},
	13: {"opaque": func() ([]byte, error) { return lds.EncodeDG13([]byte("\x04\x08specimen")), nil }},
	16: {"one": persons(1, lds.TextDates), "two": persons(2, lds.TextDates), "bcd": persons(1, lds.BCDDates)},
}

var fullBirth = mrz.Date{Year: 1974, Month: 8, Day: 12}

// ExampleGroup is a data group of the specimen traveller, a whole file, of a
// kind that ExampleKinds lists. DG2 is for a passport without Portrait.
func ExampleGroup(n int, kind string) ([]byte, error) {
	encode, ok := examples[n][kind]
	if !ok {
		return nil, fmt.Errorf("there is no example %q of DG%d; the kinds are %q", kind, n, ExampleKinds(n))
	}
	return encode()
}

// ExampleKinds lists the kinds of a data group that there are examples of, none
// for the groups that issuing makes itself.
func ExampleKinds(n int) []string { return slices.Sorted(maps.Keys(examples[n])) }

func face(standard lds.Standard, format lds.ImageFormat) example {
	return func() ([]byte, error) {
		picture, err := filler(format)
		if err != nil {
			return nil, err
		}
		return PortraitGroup(picture, standard)
	}
}

// PortraitGroup is DG2 with a picture of the specimen traveller, its size from
// its own header where it has one, its record in a standard of faces.
func PortraitGroup(picture []byte, standard lds.Standard) ([]byte, error) {
	width, height, err := imageSize(picture)
	if err != nil {
		width, height = 0, 0 // filler: the record leaves the size open
	}
	kind := "full frontal"
	if standard == lds.Face39794 {
		kind = "MRTD"
	}
	return lds.EncodeFaces(lds.Face{
		Standard: standard, Width: width, Height: height, Image: picture,
		Metadata: lds.FaceMetadata{
			Kind: kind, ColorSpace: "24-bit RGB", Source: "static photograph from a digital camera",
			Captured: mrz.Date{Year: 2023, Month: 9, Day: 30}, Qualities: []lds.Quality{{Score: 80, Vendor: 1, Algorithm: 1}},
			Gender: "female", EyeColor: "brown", HairColor: "blonde", Expression: []string{"neutral"},
			Pose:   &lds.Pose{HasYaw: true, HasPitch: true, HasRoll: true},
			Points: []lds.FeaturePoint{{Set: "MPEG-4", Code: 0xC1, X: 62, Y: 60}, {Set: "MPEG-4", Code: 0xC2, X: 41, Y: 60}},
		},
	})
}

func fingers(standard lds.Standard, format lds.ImageFormat) example {
	return func() ([]byte, error) {
		picture, err := filler(format)
		if err != nil {
			return nil, err
		}
		var list []lds.Finger
		for _, position := range []lds.FingerPosition{lds.LeftIndex, lds.RightIndex} {
			list = append(list, lds.Finger{
				Standard: standard, Position: position, Width: fingerWidth, Height: fingerHeight, PPI: 500, Depth: 8,
				Captured: mrz.Date{Year: 2023, Month: 9, Day: 30}, Qualities: []lds.Quality{{Score: 70, Vendor: 1, Algorithm: 1}}, Image: picture,
			})
		}
		return lds.EncodeDG3(nil, list...)
	}
}

func irises(standard lds.Standard, format lds.ImageFormat) example {
	return func() ([]byte, error) {
		picture, err := filler(format)
		if err != nil {
			return nil, err
		}
		var list []lds.Iris
		for _, eye := range []lds.Eye{lds.RightEye, lds.LeftEye} {
			list = append(list, lds.Iris{
				Standard: standard, Eye: eye, Width: irisWidth, Height: irisHeight, Depth: 8,
				Captured: mrz.Date{Year: 2023, Month: 9, Day: 30}, Image: picture,
			})
		}
		return lds.EncodeDG4(nil, list...)
	}
}

func displayed(encode func(...[]byte) ([]byte, error), format lds.ImageFormat) example {
	return func() ([]byte, error) {
		picture, err := filler(format)
		if err != nil {
			return nil, err
		}
		return encode(picture)
	}
}

func personal(name lds.Name, birth mrz.Date, form lds.DateForm) example {
	return func() ([]byte, error) {
		return lds.EncodeDG11(lds.DG11{Name: name, PersonalNumber: "ZE184226B", Birth: birth, PlaceOfBirth: []string{"Zenith", "UTO"}, DateForm: form})
	}
}

func everyPersonal() ([]byte, error) {
	picture, err := filler(lds.JPEG)
	if err != nil {
		return nil, err
	}
	return lds.EncodeDG11(lds.DG11{
		Name: lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, OtherNames: []lds.Name{{Primary: "Eriksson", Secondary: "Annie"}},
		PersonalNumber: "ZE184226B", Birth: fullBirth, PlaceOfBirth: []string{"Zenith", "UTO"}, Address: []string{"1 Zenith Square", "Zenith"},
		Telephone: "+999 5550100", Profession: "Engineer", Title: "Dr", Summary: "Specimen", Citizenship: picture,
		OtherDocuments: []string{"D23145890"}, Custody: "None",
	})
}

func documentDetails(form lds.DateForm, images bool) example {
	return func() ([]byte, error) {
		d := lds.DG12{
			Authority: "Passport Office Zenith", Issued: mrz.Date{Year: 2007, Month: 4, Day: 16}, Endorsements: "Specimen",
			Personalized: time.Date(2007, 4, 16, 12, 0, 0, 0, time.UTC), System: "Z-1", DateForm: form,
		}
		if images {
			picture, err := filler(lds.JPEG)
			if err != nil {
				return nil, err
			}
			d.Front, d.Rear = picture, picture
		}
		return lds.EncodeDG12(d)
	}
}

func persons(n int, form lds.DateForm) example {
	return func() ([]byte, error) {
		d := lds.DG16{DateForm: form}
		for i := range n {
			d.Persons = append(d.Persons, lds.PersonToNotify{
				Recorded: mrz.Date{Year: 2007, Month: 4, Day: 16}, Name: lds.Name{Primary: "Eriksson", Secondary: []string{"Karl", "Eva"}[i]},
				Telephone: "+9995550101", Address: []string{"1 Zenith Square", "Zenith"},
			})
		}
		return lds.EncodeDG16(d)
	}
}
