package lds

import "limen/mrtd/ber"

// Finger image data blocks of ISO/IEC 39794-4: ASN.1, module of edition 1.
const tagFingerBlock ber.Tag = 0x64 // [APPLICATION 4]

const (
	year39794Finger = 2019
)

var fingerFormats39794 = []ImageFormat{Raw, WSQ, JPEG2000, JPEG2000, PNG} // raw is PGM, which has a header of text

func parseFingers39794(b []byte) ([]Finger, error) {
	list, err := representations(b, tagFingerBlock, maxFingers)
	if err != nil {
		return nil, err
	}
	var out []Finger
	for _, r := range list {
		f := Finger{
			Standard: Finger39794, Position: FingerPosition(max(0, r.code(0))), Impression: max(0, r.code(1)),
			Stated: formatOf(fingerFormats39794, r.code(2)), Captured: r.date(4), Qualities: r.qualities(6),
		}
		if rate := r.inner(7); rate.count(0) > 0 && rate.count(0) <= 0xFFFF {
			f.PPI = pixelsPerInch(rate.count(0), perInch+rate.count(1))
		}
		if f.Image = r.octets(3); len(f.Image) == 0 {
			return nil, errShort
		}
		f.Format = sniffed(f.Image, f.Stated)
		out = append(out, f)
	}
	return out, nil
}

func (f Finger) record39794(format int) []byte {
	r := append(ctxCode(0, int(f.Position)), ctxCode(1, f.Impression)...)
	r = append(append(r, ctxCode(2, format)...), ber.Encode(0x83, f.Image)...)
	if f.Captured.Year > 0 {
		r = append(r, dateBlock(4, f.Captured)...)
	}
	if len(f.Qualities) > 0 {
		r = append(r, qualityBlocks(6, f.Qualities)...)
	}
	if f.PPI > 0 {
		r = append(r, ctx(7, ctxNumber(0, f.PPI), ctxNumber(1, 0))...)
	}
	return recordBlock(tagFingerBlock, year39794Finger, r)
}
