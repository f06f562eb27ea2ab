package lds

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"limen/mrtd/mrz"
)

// TestNothingOfADocumentPrints puts one secret into every type that holds what
// a document says, and looks for it in whatever can be made to print.
func TestNothingOfADocumentPrints(t *testing.T) {
	const secret = "SECRET"
	name := Name{secret, secret}
	metadata := FaceMetadata{Gender: secret, HairColor: secret, Captured: mrz.Date{Year: 1974}}
	image := Image{Data: []byte(secret)}
	for _, v := range []any{
		name, image, Opaque(secret),
		DG11{Name: name, PersonalNumber: secret, Address: []string{secret}, Citizenship: []byte(secret), Birth: mrz.Date{Year: 1974}},
		DG12{Authority: secret, Front: []byte(secret)},
		PersonToNotify{Name: name, Telephone: secret},
		DG16{Persons: []PersonToNotify{{Name: name, Telephone: secret}}},
		Face{Image: []byte(secret), Metadata: metadata}, metadata, DG2{Faces: []Face{{Metadata: metadata}}},
		Finger{Image: []byte(secret)}, DG3{Fingers: []Finger{{Image: []byte(secret)}}},
		Iris{Image: []byte(secret)}, DG4{Irises: []Iris{{Image: []byte(secret)}}},
		ATRInfo{Capabilities: []byte(secret)},
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "list", []any{v})
		marshaled, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v) + log.String() + string(marshaled)
		for _, s := range []string{secret, "1974", "83 69", "0x53", "534543", "U0VD"} {
			if strings.Contains(text, s) {
				t.Errorf("%T printed %q in %s", v, s, text)
			}
		}
	}
}
