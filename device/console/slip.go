package console

import (
	"fmt"
	"net/http"

	"rsc.io/qr"
)

// slipScale is how many dots of the picture a module of the code has.
const slipScale = 6

// SlipPNG is a traveler's slip as a QR code (ISO/IEC 18004), level M, in black
// and white.
func SlipPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("cannot make a code of %d bytes: %w", len(text), err)
	}
	code.Scale = slipScale
	return code.PNG(), nil
}

// slip is the text of the current inspection's slip; "" where there is none.
func (c *inspection) slip(ask string) string {
	if c == nil || c.finished == nil || c.finished.Err != nil {
		return ""
	}
	return c.finished.Slip(ask)
}

// serveSlip serves the slip of the current inspection and of no other.
func (s *Server) serveSlip(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	text := ""
	if s.current != nil && s.current.id == r.URL.Query().Get("of") {
		text = s.current.slip(s.opts.Ask)
	}
	s.mu.Unlock()
	if text == "" {
		http.NotFound(w, r)
		return
	}
	b, err := SlipPNG(text)
	if err != nil {
		http.Error(w, "The slip cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(b)
}
