package hsu

// Scanner finds frames in a stream of bytes that may begin in the middle of
// one and may hold garbage. Once Next has said
// false, it holds less than one frame.
type Scanner struct {
	buf     []byte
	skipped int
	post    bool // a frame has just ended and its postamble may still come
}

// Feed hands over bytes as they came; it copies them.
func (s *Scanner) Feed(p []byte) { s.buf = append(s.buf, p...) }

// Reset forgets everything that was fed and not yet returned.
func (s *Scanner) Reset() { s.buf, s.skipped, s.post = nil, 0, false }

// Skipped is how many bytes that belong to no frame were passed over since the
// last call. Zero bytes are not counted: any number of them may precede a frame.
func (s *Scanner) Skipped() int {
	n := s.skipped
	s.skipped = 0
	return n
}

// Next returns the next frame, and false when more bytes are needed. The
// frame's body is the caller's.
func (s *Scanner) Next() (Frame, bool) {
	for {
		s.dropPostamble()
		i := s.startCode()
		if i < 0 {
			return Frame{}, false
		}
		f, used, state := parse(s.buf[i+2:])
		switch state {
		case short:
			s.drop(i)
			return Frame{}, false
		case garbage:
			// Only the start code is passed over: a real frame may begin within.
			s.drop(i)
			s.drop(2)
			continue
		}
		f.Size = 2 + used
		s.drop(i)
		s.buf = s.buf[f.Size:]
		s.post = true
		f.Size++
		return f, true
	}
}

// dropPostamble passes over the zero that ends a frame, lest it be taken for
// the first half of a start code; a truncating bridge may have eaten it.
func (s *Scanner) dropPostamble() {
	if s.post && len(s.buf) > 0 {
		if s.buf[0] == 0 {
			s.buf = s.buf[1:]
		}
		s.post = false
	}
}

// startCode is the index of the next 00 FF, or -1, after dropping what cannot
// be the beginning of one.
func (s *Scanner) startCode() int {
	for i := 0; i+1 < len(s.buf); i++ {
		if s.buf[i] == 0x00 && s.buf[i+1] == 0xFF {
			return i
		}
	}
	if n := len(s.buf); n > 0 {
		s.drop(n - 1)
		if s.buf[0] != 0x00 {
			s.drop(1)
		}
	}
	return -1
}

func (s *Scanner) drop(n int) {
	for _, b := range s.buf[:n] {
		if b != 0 {
			s.skipped++
		}
	}
	s.buf = s.buf[n:]
}

type state uint8

const (
	short state = iota
	garbage
	whole
)

// parse reads what follows a start code, without the postamble.
func parse(p []byte) (f Frame, used int, st state) {
	if len(p) < 2 {
		return f, 0, short
	}
	switch {
	case p[0] == 0x00 && p[1] == 0xFF:
		return Frame{Kind: ACK}, 2, whole
	case p[0] == 0xFF && p[1] == 0x00:
		return Frame{Kind: NACK}, 2, whole
	case p[0] == 0xFF && p[1] == 0xFF:
		return parseExtended(p)
	case p[0]+p[1] != 0:
		return f, 0, garbage
	}
	return parseBody(p, 2, int(p[0]))
}

func parseExtended(p []byte) (f Frame, used int, st state) {
	if len(p) < 5 {
		return f, 0, short
	}
	n := int(p[2])<<8 | int(p[3])
	if p[2]+p[3]+p[4] != 0 || n > MaxData+1 {
		return f, 0, garbage
	}
	return parseBody(p, 5, n)
}

// parseBody reads n bytes from p[head:], the frame identifier first, and the checksum.
func parseBody(p []byte, head, n int) (f Frame, used int, st state) {
	if n == 0 {
		return f, 0, garbage
	}
	used = head + n + 1
	if len(p) < used {
		return f, 0, short
	}
	var sum byte
	for _, b := range p[head:used] {
		sum += b
	}
	body := p[head : head+n]
	switch {
	case sum != 0:
		return Frame{Kind: Corrupt}, used, whole
	case n == 1 && body[0] == tfiError:
		return Frame{Kind: Error}, used, whole
	case body[0] != FromHost && body[0] != FromChip:
		return Frame{Kind: Corrupt}, used, whole
	}
	return Frame{Kind: Data, TFI: body[0], Body: append([]byte(nil), body[1:]...)}, used, whole
}
