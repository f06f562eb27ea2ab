package lds

import "limen/mrtd/ber"

// Iris image data blocks of ISO/IEC 39794-6: ASN.1, module of edition 1.
const tagIrisBlock ber.Tag = 0x66 // [APPLICATION 6]

const (
	year39794Iris = 2021

	irisUncropped = 1
)

var irisFormats39794 = []ImageFormat{Raw, Raw, PNG, JPEG2000, JPEG2000} // raw is PGM or PPM, which have a header of text

func parseIrises39794(b []byte) ([]Iris, error) {
	list, err := representations(b, tagIrisBlock, maxIrises)
	if err != nil {
		return nil, err
	}
	var out []Iris
	for _, r := range list {
		iris := Iris{
			Standard: Iris39794, Eye: Eye(r.count(0)), Depth: r.count(2), Stated: formatOf(irisFormats39794, r.code(3)),
			Captured: r.date(8), Qualities: r.qualities(11),
		}
		if iris.Image = r.octets(9); len(iris.Image) == 0 {
			return nil, errShort
		}
		iris.Format = sniffed(iris.Image, iris.Stated)
		out = append(out, iris)
	}
	return out, nil
}

func (i Iris) record39794(format int) []byte {
	r := append(ctxNumber(0, int(i.Eye)), ctxCode(1, irisUncropped)...)
	r = append(append(r, ctxNumber(2, i.Depth)...), ctxCode(3, format)...)
	for n := 4; n <= 6; n++ { // orientations and compression history: undefined
		r = append(r, ctxNumber(n, 0)...)
	}
	r = append(r, ctx(7, ctxNumber(1, 0))...) // range: unassigned
	r = append(append(r, dateBlock(8, i.Captured)...), ber.Encode(0x89, i.Image)...)
	if len(i.Qualities) > 0 {
		r = append(r, qualityBlocks(11, i.Qualities)...)
	}
	return recordBlock(tagIrisBlock, year39794Iris, r)
}
