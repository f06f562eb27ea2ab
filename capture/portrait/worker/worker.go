// Package worker is the inside of limen-portrait: it reads one portrait,
// decodes it and answers. It assumes that the process is already sealed.
package worker

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"limen/capture/portrait"
	"limen/capture/portrait/jp2"
)

// Serve answers one request. Its error speaks of the pipe and not of the
// portrait, whose failure is an answer.
func Serve(in io.Reader, out io.Writer) error {
	data, err := portrait.ReadRequest(in)
	if err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	header, pixels, err := decode(data)
	return portrait.WriteAnswer(out, header.Format, pixels, err)
}

func decode(data []byte) (portrait.Header, portrait.Pixels, error) {
	h, err := portrait.Sniff(data)
	if err != nil {
		return h, portrait.Pixels{}, err
	}
	var p portrait.Pixels
	if h.Format == portrait.JPEG {
		p, err = decodeJPEG(data)
	} else {
		p, err = decodeJ2K(h)
	}
	if err == nil && (p.Width != h.Width || p.Height != h.Height) {
		err = fmt.Errorf("%w: header and picture differ in size", portrait.ErrUnreadable)
	}
	return h, p, err
}

func decodeJPEG(data []byte) (portrait.Pixels, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return portrait.Pixels{}, fmt.Errorf("%w: %v", portrait.ErrUnreadable, err)
	}
	b := img.Bounds()
	p := portrait.Pixels{Width: b.Dx(), Height: b.Dy(), Channels: 3}
	switch img := img.(type) {
	case *image.Gray:
		p.Channels = 1
		for y := range p.Height {
			p.Pix = append(p.Pix, img.Pix[y*img.Stride:y*img.Stride+p.Width]...)
		}
	case *image.YCbCr:
		p.Pix = make([]byte, 0, 3*p.Width*p.Height)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				c := img.COffset(x, y)
				r, g, bl := color.YCbCrToRGB(img.Y[img.YOffset(x, y)], img.Cb[c], img.Cr[c])
				p.Pix = append(p.Pix, r, g, bl)
			}
		}
	default: // CMYK and RGB files
		p.Pix = make([]byte, 0, 3*p.Width*p.Height)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				r, g, bl, _ := img.At(x, y).RGBA()
				p.Pix = append(p.Pix, byte(r>>8), byte(g>>8), byte(bl>>8))
			}
		}
	}
	return p, nil
}

// decodeJ2K turns components to gray or RGB. A second component of two and a
// fourth of four is opacity, which a portrait does not have, and is dropped.
func decodeJ2K(h portrait.Header) (portrait.Pixels, error) {
	comps, err := jp2.Decode(h.Codestream)
	if err != nil {
		return portrait.Pixels{}, fmt.Errorf("%w: %v", portrait.ErrUnreadable, err)
	}
	p := portrait.Pixels{Width: h.Width, Height: h.Height, Channels: 1}
	if len(comps) >= 3 {
		p.Channels = 3
	}
	planes := make([][]byte, p.Channels)
	for i := range planes {
		planes[i] = plane(comps[i], h.Width, h.Height)
	}
	if p.Channels == 1 {
		p.Pix = planes[0]
		return p, nil
	}
	p.Pix = make([]byte, 0, 3*h.Width*h.Height)
	for i := range h.Width * h.Height {
		r, g, b := planes[0][i], planes[1][i], planes[2][i]
		if h.YCC {
			r, g, b = color.YCbCrToRGB(r, g, b)
		}
		p.Pix = append(p.Pix, r, g, b)
	}
	return p, nil
}

// plane is a component as width by height 8-bit samples; subsampled components
// are repeated.
func plane(c jp2.Component, width, height int) []byte {
	out := make([]byte, width*height)
	offset := int32(0)
	if c.Signed {
		offset = 1 << (c.Depth - 1)
	}
	top := int32(1)<<c.Depth - 1
	for y := range height {
		row := min(y*c.Height/height, c.Height-1) * c.Width
		for x := range width {
			v := min(max(c.Samples[row+min(x*c.Width/width, c.Width-1)]+offset, 0), top)
			if c.Depth >= 8 {
				v >>= c.Depth - 8
			} else {
				v = v * 255 / top
			}
			out[y*width+x] = byte(v)
		}
	}
	return out
}
