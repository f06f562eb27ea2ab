package cvcam

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"mime"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	"gocv.io/x/gocv"

	"limen/capture"
)

const (
	maxJPEG     = 8 << 20 // bytes of one frame
	maxBadInRow = 10      // frames that do not decode before the camera is given up
)

// runWeb reads an HTTP camera. What is not multipart (a video file or a
// playlist on a server) is left to OpenCV.
func (c *Camera) runWeb(ctx context.Context, deliver func(*capture.Frame)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.opts.OpenTimeout, func() {
		cancel(fmt.Errorf("%w within %v; check its address, power and network", ErrUnreachable, c.opts.OpenTimeout))
	})
	defer watch.Stop()

	transport := &http.Transport{DisableKeepAlives: true, Proxy: nil} // a camera is on the appliance's own network
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.opts.Source, nil)
	if err != nil {
		return fmt.Errorf("%w: its URL is malformed", ErrUnreachable)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("%w (%s); check its address, power and network", ErrUnreachable, dialReason(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		next := "check the path of its URL"
		if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
			next = "check user and password in its URL"
		}
		return fmt.Errorf("%w with frames but with HTTP status %d; %s", ErrUnreachable, response.StatusCode, next)
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err == nil && kind != "multipart/x-mixed-replace" && kind != "multipart/mixed" {
		if !strings.HasPrefix(kind, "video/") && kind != "application/octet-stream" && !strings.Contains(kind, "mpegurl") {
			return fmt.Errorf("%w: it answers with %s; use the URL of its MJPEG stream", ErrFormat, kind)
		}
		response.Body.Close()
		watch.Stop()
		return c.runCapture(ctx, deliver)
	}
	err = c.readParts(response.Body, deliver, func() { watch.Reset(c.opts.ReadTimeout) })
	if context.Cause(ctx) != nil { // the watch, which by now waits for frames; or the caller
		return fmt.Errorf("%w in time; check its power and network", ErrSilent)
	}
	return err
}

// dialReason is why a connection failed, without the URL and its password.
func dialReason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return "no connection"
}

// part is one picture as it came.
type part struct {
	data []byte
	at   time.Time
}

// readParts decodes the newest picture, again and again. What came while the
// last was decoded is passed over: on a busy machine pictures would else wait
// in the network's buffers, seconds of them, and show who has long left.
func (c *Camera) readParts(body io.ReadCloser, deliver func(*capture.Frame), alive func()) error {
	newest := make(chan part, 1)
	var ended error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(newest)
		ended = readNewest(bufio.NewReaderSize(body, 64<<10), newest)
	})
	defer reading.Wait()
	defer body.Close()
	v := c.converter()
	defer v.close()
	bad := 0
	for p := range newest {
		frame, err := v.decode(p.data, p.at)
		if err != nil {
			if bad++; bad >= maxBadInRow {
				return fmt.Errorf("%w (%d frames in a row)", err, bad)
			}
			continue
		}
		bad = 0
		alive()
		deliver(frame)
	}
	if errors.Is(ended, ErrFormat) {
		return fmt.Errorf("%w; use the URL of its MJPEG stream", ended)
	}
	return fmt.Errorf("%w: its stream ended; check its power and network", ErrGone)
}

// readNewest keeps the newest picture of a stream in newest, until it ends.
func readNewest(r *bufio.Reader, newest chan part) error {
	for {
		data, err := nextJPEG(r)
		if err != nil {
			return err
		}
		select {
		case <-newest:
		default:
		}
		newest <- part{data, time.Now()} // nobody else sends, so there is room
	}
}

// decode decodes one JPEG, its size checked first.
func (v *converter) decode(data []byte, at time.Time) (*capture.Frame, error) {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || cfg.Width > maxSide || cfg.Height > maxSide {
		return nil, fmt.Errorf("%w: a part that is no JPEG of at most %d pixels a side", ErrFormat, maxSide)
	}
	bgr, err := gocv.IMDecode(data, gocv.IMReadColor)
	if err != nil {
		return nil, fmt.Errorf("%w: a damaged JPEG", ErrFormat)
	}
	defer bgr.Close()
	if bgr.Empty() {
		return nil, fmt.Errorf("%w: a damaged JPEG", ErrFormat)
	}
	return v.frame(bgr, at)
}

// nextJPEG reads one part of a multipart stream (RFC 2046, 5.1). Cameras
// disagree on whether the boundary they declare includes the two leading
// hyphens, so any line that begins with two counts as one, and the length comes
// from Content-Length, or else from the JPEG's end marker before a boundary.
func nextJPEG(r *bufio.Reader) ([]byte, error) {
	for skipped := 0; ; skipped++ {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if bytes.HasPrefix(line, []byte("--")) {
			break
		}
		if skipped > 64 || errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("%w: no multipart boundary", ErrFormat)
		}
	}
	length := -1
	for lines := 0; ; lines++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || lines > 64 {
			return nil, fmt.Errorf("%w: an endless part header", ErrFormat)
		}
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		key, value, _ := strings.Cut(text, ":")
		if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(key)) == "Content-Length" {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil || n < 2 || n > maxJPEG {
				return nil, fmt.Errorf("%w: a part of %q bytes, at most %d are taken", ErrFormat, strings.TrimSpace(value), maxJPEG)
			}
			length = n
		}
	}
	if length >= 0 {
		data := make([]byte, length)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	return untilBoundary(r)
}

func untilBoundary(r *bufio.Reader) ([]byte, error) {
	var data []byte
	for {
		chunk, err := r.ReadSlice(0xD9)
		data = append(data, chunk...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(data) > maxJPEG {
			return nil, fmt.Errorf("%w: a part of more than %d bytes", ErrFormat, maxJPEG)
		}
		if !bytes.HasSuffix(data, []byte{0xFF, 0xD9}) {
			continue
		}
		next, err := r.Peek(4)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(next, []byte("--")) || string(next) == "\r\n--" {
			return data, nil
		}
	}
}
