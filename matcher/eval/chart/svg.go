package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// svg is a canvas of SVG elements.
type svg struct{ b bytes.Buffer }

func newSVG() *svg {
	s := &svg{}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#202020">`+"\n", width, height, width, height)
	fmt.Fprintf(&s.b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	return s
}

func (s *svg) line(points []Point, c color, thickness float64) {
	fmt.Fprintf(&s.b, `<polyline fill="none" stroke="#%02x%02x%02x" stroke-width="%g" points="`, c.r, c.g, c.b, thickness)
	for i, p := range points {
		if i > 0 {
			s.b.WriteByte(' ')
		}
		fmt.Fprintf(&s.b, "%.2f,%.2f", p.X, p.Y)
	}
	s.b.WriteString("\"/>\n")
}

func (s *svg) text(at Point, text string, a anchor, upright bool) {
	turn := ""
	if upright {
		turn = fmt.Sprintf(` transform="rotate(-90 %.2f %.2f)"`, at.X, at.Y)
	}
	fmt.Fprintf(&s.b, `<text x="%.2f" y="%.2f" text-anchor="%s"%s>`, at.X, at.Y, [...]string{"start", "middle", "end"}[a], turn)
	_ = xml.EscapeText(&s.b, []byte(text)) // a buffer takes everything
	s.b.WriteString("</text>\n")
}

func (s *svg) writeTo(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := w.Write(s.b.Bytes())
	return err
}
