// Package cvcam is the cameras of an appliance: V4L2 devices, RTSP and HTTP
// streams, and files that play a camera's part. They are read through OpenCV;
// its memory ends here, and frames leave as pooled I420 pictures.
//
// Multipart MJPEG over HTTP, which most network cameras and every simulated one
// speak, is parsed in Go and only its JPEGs go to OpenCV: there is nothing to
// probe, so it opens with the first frame, and it can be canceled at any time.
package cvcam

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"limen/capture"
)

// Options describe one camera; zero values take the defaults named.
type Options struct {
	// Name is the camera's name in frames, records and messages (default: the
	// source without its password).
	Name string
	// Source is a V4L2 device ("/dev/video0", "/dev/v4l/by-id/...", or an index
	// "0"), an rtsp, rtsps, http or https URL, or the path of a video file.
	Source string
	// Width, Height and FPS are asked of a V4L2 device, which may choose others;
	// streams and files have their own. FPS also overrides a file's pace.
	Width, Height int
	FPS           float64
	// Transport of RTSP: "tcp" (default) or "udp".
	Transport string
	// OpenTimeout and ReadTimeout bound waiting for the source to answer and
	// for the next frame (defaults 5 s and 3 s).
	OpenTimeout, ReadTimeout time.Duration
	// Loop starts a file again at its end.
	Loop bool
}

// Errors that tell apart what a person would do next. Each comes wrapped with
// the camera's name and that next action.
var (
	ErrNoDevice    = errors.New("no such camera device")
	ErrBusy        = errors.New("the camera is in use by another program")
	ErrUnreachable = errors.New("the camera does not answer")
	ErrGone        = errors.New("the camera went away")
	ErrSilent      = errors.New("the camera sends no frames")
	ErrFormat      = errors.New("the camera sends no picture that can be read")
	ErrEnded       = errors.New("the video file is at its end")
)

type kind int

const (
	device kind = iota
	rtsp
	web
	file
)

// Camera is one camera; it implements capture.Camera.
type Camera struct {
	opts Options
	kind kind
	seq  atomic.Uint64
}

var _ capture.Camera = (*Camera)(nil)

// New describes a camera; nothing is opened before Run. It fails when the
// options make no sense together.
func New(opts Options) (*Camera, error) {
	c := &Camera{opts: opts}
	if err := c.classify(); err != nil {
		return nil, err
	}
	switch c.opts.Transport {
	case "":
		c.opts.Transport = "tcp"
	case "tcp", "udp":
	default:
		return nil, fmt.Errorf("camera %s: transport %q is neither tcp nor udp", c.Name(), opts.Transport)
	}
	if opts.Width < 0 || opts.Height < 0 || opts.FPS < 0 || opts.Width > maxSide || opts.Height > maxSide || opts.FPS > 1000 {
		return nil, fmt.Errorf("camera %s: %dx%d at %g frames a second is out of range", c.Name(), opts.Width, opts.Height, opts.FPS)
	}
	if c.opts.OpenTimeout <= 0 {
		c.opts.OpenTimeout = 5 * time.Second
	}
	if c.opts.ReadTimeout <= 0 {
		c.opts.ReadTimeout = 3 * time.Second
	}
	return c, nil
}

// classify tells the kind of source by its form and fills in a missing name.
func (c *Camera) classify() error {
	source, name := c.opts.Source, c.opts.Source
	scheme, _, isURL := strings.Cut(source, "://")
	switch {
	case source == "":
		return errors.New("a camera needs a source: a device such as /dev/video0, an rtsp or http URL, or a video file")
	case isURL:
		u, err := url.Parse(source)
		if err != nil || u.Host == "" { // url.Parse's error would repeat a password
			return errors.New("a camera's URL is malformed; write it as rtsp://user:password@host:port/path")
		}
		switch scheme {
		case "rtsp", "rtsps":
			c.kind = rtsp
		case "http", "https":
			c.kind = web
		default:
			return fmt.Errorf("camera %s: %s is not a scheme limen reads; use rtsp, rtsps, http or https", u.Redacted(), scheme)
		}
		name = u.Redacted()
	case isIndex(source):
		c.kind = device
		c.opts.Source = "/dev/video" + source
		name = c.opts.Source
	case strings.HasPrefix(filepath.Clean(source), "/dev/"):
		c.kind = device
	default:
		c.kind = file
	}
	if c.opts.Name == "" {
		c.opts.Name = name
	}
	return nil
}

func isIndex(s string) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// Name implements capture.Camera.
func (c *Camera) Name() string { return c.opts.Name }

// Run implements capture.Camera. A stream or device that stops delivering is
// reported within ReadTimeout; so is an end of ctx noticed.
func (c *Camera) Run(ctx context.Context, deliver func(*capture.Frame)) error {
	var err error
	if c.kind == web {
		err = c.runWeb(ctx, deliver)
	} else {
		err = c.runCapture(ctx, deliver)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("camera %s: %w", c.Name(), err)
}
