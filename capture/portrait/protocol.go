package portrait

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"

	"limen/capture/portrait/sandbox"
)

// What is said between Decoder and limen-portrait, all integers big-endian.
// One process decodes one portrait and ends.
//
//	program: "LPH1" landlock-ABI flags 0 0           once it is sealed
//	decoder: "LPQ1" length(4) encoded-portrait
//	program: "LPA1" code format channels 0 width(4) height(4) pixels
//
// Pixels are rows of 8-bit gray (1 channel) or RGB (3), without padding. A code
// other than 0 comes with zeros and no pixels.
const (
	helloMagic   = "LPH1"
	requestMagic = "LPQ1"
	answerMagic  = "LPA1"
	answerHeader = 16

	flagSeccomp    = 1
	flagNoNewPrivs = 2

	codeOK         = 0
	codeUnreadable = 1
	codeTooLarge   = 2
)

// ExitUnsealed is limen-portrait's exit status when it could not seal itself.
const ExitUnsealed = 3

// WriteHello tells the decoder that the program is sealed, and how.
func WriteHello(w io.Writer, r sandbox.Report) error {
	b := []byte(helloMagic + "\x00\x00\x00\x00")
	b[4] = byte(r.LandlockABI)
	if r.Seccomp {
		b[5] |= flagSeccomp
	}
	if r.NoNewPrivs {
		b[5] |= flagNoNewPrivs
	}
	_, err := w.Write(b)
	return err
}

func readHello(r io.Reader) (sandbox.Report, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return sandbox.Report{}, err
	}
	if string(b[:4]) != helloMagic {
		return sandbox.Report{}, errors.New("it does not speak limen-portrait's protocol")
	}
	return sandbox.Report{
		LandlockABI: int(b[4]),
		Seccomp:     b[5]&flagSeccomp != 0,
		NoNewPrivs:  b[5]&flagNoNewPrivs != 0,
	}, nil
}

func writeRequest(w io.Writer, data []byte) error {
	head := binary.BigEndian.AppendUint32([]byte(requestMagic), uint32(len(data)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// ReadRequest reads the one portrait the program is asked to decode.
func ReadRequest(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if string(head[:4]) != requestMagic || n > MaxBytes {
		return nil, fmt.Errorf("not a request of at most %d bytes", MaxBytes)
	}
	return readExactly(r, int(n))
}

// readExactly reads n bytes and allocates as they come: a length that is only
// said costs nothing.
func readExactly(r io.Reader, n int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(data) < n {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// Pixels is a decoded portrait: rows of 8-bit gray (1 channel) or RGB (3).
type Pixels struct {
	Width, Height, Channels int
	Pix                     []byte
}

// WriteAnswer sends what Sniff and the decoder made of the portrait.
func WriteAnswer(w io.Writer, format Format, p Pixels, failure error) error {
	head := make([]byte, answerHeader)
	copy(head, answerMagic)
	head[5] = byte(format)
	switch {
	case errors.Is(failure, ErrTooLarge):
		head[4] = codeTooLarge
	case failure != nil:
		head[4] = codeUnreadable
	default:
		head[6] = byte(p.Channels)
		binary.BigEndian.PutUint32(head[8:], uint32(p.Width))
		binary.BigEndian.PutUint32(head[12:], uint32(p.Height))
	}
	if _, err := w.Write(head); err != nil || failure != nil {
		return err
	}
	_, err := w.Write(p.Pix)
	return err
}

// errBabble says that the program, which an attacker may have taken over,
// answered outside its protocol.
var errBabble = errors.New("its answer breaks the protocol")

// readAnswer reads one answer and the end of the stream. Nothing in it is
// trusted: sizes are held to the bounds, pixels are allocated once they have
// come, and bytes after them are an error.
func readAnswer(r io.Reader) (image.Image, Format, error) {
	var head [answerHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, 0, err
	}
	code, format, channels := head[4], Format(head[5]), int(head[6])
	w, h := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	if string(head[:4]) != answerMagic || head[7] != 0 || format > J2K {
		return nil, 0, errBabble
	}
	switch code {
	case codeOK:
	case codeUnreadable:
		return nil, format, fmt.Errorf("%w (%s)", ErrUnreadable, format)
	case codeTooLarge:
		return nil, format, fmt.Errorf("%w (%s): at most %d bytes, %d pixels a side and %d in all are decoded",
			ErrTooLarge, format, MaxBytes, MaxSide, MaxPixels)
	default:
		return nil, 0, errBabble
	}
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide || w*h > MaxPixels || format == UnknownFormat {
		return nil, 0, errBabble
	}
	img, err := readPixels(r, int(w), int(h), channels)
	if err != nil {
		return nil, 0, err
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n != 0 {
		return nil, 0, errBabble
	}
	return img, format, nil
}

func readPixels(r io.Reader, w, h, channels int) (image.Image, error) {
	if channels != 1 && channels != 3 {
		return nil, errBabble
	}
	data, err := readExactly(r, channels*w*h)
	if err != nil {
		return nil, err
	}
	rect := image.Rect(0, 0, w, h)
	if channels == 1 {
		return &image.Gray{Pix: data, Stride: w, Rect: rect}, nil
	}
	img := image.NewRGBA(rect)
	for out := img.Pix; len(out) > 0; out, data = out[4:], data[3:] {
		out[0], out[1], out[2], out[3] = data[0], data[1], data[2], 255
	}
	return img, nil
}
