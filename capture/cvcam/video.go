package cvcam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"gocv.io/x/gocv"

	"limen/capture"
)

// runCapture reads through OpenCV's VideoCapture. Its calls cannot be
// interrupted, so their waiting is bounded where they are opened.
func (c *Camera) runCapture(ctx context.Context, deliver func(*capture.Frame)) error {
	v := c.converter()
	defer v.close()
	bgr := gocv.NewMat()
	defer bgr.Close()
	for {
		frames, err := c.play(ctx, v, &bgr, deliver)
		if c.kind != file || !errors.Is(err, ErrEnded) || !c.opts.Loop {
			return err
		}
		if frames == 0 {
			return fmt.Errorf("%w: the file holds no frame; name a video file", ErrFormat)
		}
	}
}

// play opens the source once and reads it to its end.
func (c *Camera) play(ctx context.Context, v *converter, bgr *gocv.Mat, deliver func(*capture.Frame)) (frames int, err error) {
	source, err := c.open()
	if err != nil {
		return 0, err
	}
	defer source.Close()
	pace := c.pace(source)
	for next := time.Now(); ctx.Err() == nil; frames++ {
		if !source.Read(bgr) || bgr.Empty() {
			return frames, c.lost(frames)
		}
		at := time.Now()
		if pace > 0 {
			if at, err = waitUntil(ctx, next); err != nil {
				return frames, err
			}
			if next = next.Add(pace); at.Sub(next) > time.Second { // the machine slept
				next = at
			}
		}
		frame, err := v.frame(*bgr, at)
		if err != nil {
			return frames, err
		}
		deliver(frame)
	}
	return frames, ctx.Err()
}

func waitUntil(ctx context.Context, t time.Time) (time.Time, error) {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case at := <-timer.C:
		return at, nil
	}
}

// pace is the time between a file's frames, and 0 for what paces itself.
func (c *Camera) pace(source *gocv.VideoCapture) time.Duration {
	if c.kind != file {
		return 0
	}
	fps := c.opts.FPS
	if fps == 0 {
		fps = source.Get(gocv.VideoCaptureFPS)
	}
	if !(fps >= 1 && fps <= 1000) { // unknown, or the time base of a still
		fps = 25
	}
	return time.Duration(float64(time.Second) / fps)
}

// ffmpegMu guards the environment variables by which alone OpenCV takes these
// settings; it is held until the source that they are meant for has read them.
var ffmpegMu sync.Mutex

const (
	ffmpegOptions = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
	v4l2Timeout   = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"
)

func (c *Camera) open() (*gocv.VideoCapture, error) {
	if c.kind == device || c.kind == file {
		if err := c.precheck(); err != nil {
			return nil, err
		}
	}
	ffmpegMu.Lock()
	defer ffmpegMu.Unlock()
	var source *gocv.VideoCapture
	var err error
	switch c.kind {
	case device:
		// Whole seconds, read once a process by OpenCV (default 10).
		setenv(v4l2Timeout, fmt.Sprint(max(int(c.opts.ReadTimeout.Round(time.Second)/time.Second), 1)))
		source, err = gocv.VideoCaptureFileWithAPI(c.opts.Source, gocv.VideoCaptureV4L2)
	case file:
		setenv(ffmpegOptions, "")
		source, err = gocv.VideoCaptureFileWithAPI(c.opts.Source, gocv.VideoCaptureFFmpeg)
	default:
		setenv(ffmpegOptions, c.streamOptions())
		source, err = gocv.VideoCaptureFileWithAPI(c.opts.Source, gocv.VideoCaptureFFmpeg)
	}
	if err != nil { // gocv's text holds the URL and its password
		source.Close()
		return nil, c.openError()
	}
	if c.kind == device {
		c.configure(source)
	}
	return source, nil
}

// setenv changes the environment only when it must: C code elsewhere may be
// reading it.
func setenv(key, value string) {
	if os.Getenv(key) != value {
		_ = os.Setenv(key, value)
	}
}

// streamOptions are FFmpeg's, as key;value pairs. The timeout (microseconds)
// bounds connecting and every read of RTSP and HTTP; without it OpenCV waits 30
// seconds. The rest trades a smooth start for a picture of now.
func (c *Camera) streamOptions() string {
	timeout := fmt.Sprint(max(c.opts.ReadTimeout, time.Millisecond).Microseconds())
	return strings.Join([]string{
		"rtsp_transport;" + c.opts.Transport,
		"timeout;" + timeout, "rw_timeout;" + timeout,
		"fflags;nobuffer", "flags;low_delay",
		"probesize;500000", "analyzeduration;500000",
	}, "|")
}

// configure asks a device for what was configured. USB cameras reach their
// larger sizes at full rate only as MJPEG; one that cannot keeps its format.
func (c *Camera) configure(source *gocv.VideoCapture) {
	source.Set(gocv.VideoCaptureFOURCC, source.ToCodec("MJPG"))
	if c.opts.Width > 0 && c.opts.Height > 0 {
		source.Set(gocv.VideoCaptureFrameWidth, float64(c.opts.Width))
		source.Set(gocv.VideoCaptureFrameHeight, float64(c.opts.Height))
	}
	if c.opts.FPS > 0 {
		source.Set(gocv.VideoCaptureFPS, c.opts.FPS)
	}
	source.Set(gocv.VideoCaptureBufferSize, 1) // the picture of now, not of four frames ago
}

func (c *Camera) precheck() error {
	f, err := os.OpenFile(c.opts.Source, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.kind == device:
		return fmt.Errorf("%w: %s; plug the camera in, or see 'ls /dev/video*' for the ones there are", ErrNoDevice, c.opts.Source)
	case errors.Is(err, fs.ErrPermission) && c.kind == device:
		return fmt.Errorf("cannot open %s: permission denied; add the user to group video", c.opts.Source)
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%w: %s; end that program ('fuser %s' names it)", ErrBusy, c.opts.Source, c.opts.Source)
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%w: %s; plug the camera in", ErrNoDevice, c.opts.Source)
	case err != nil:
		return fmt.Errorf("cannot open the camera's source: %w", err)
	}
	return f.Close()
}

// openError says why OpenCV, which does not, could not open the source.
func (c *Camera) openError() error {
	switch c.kind {
	case device:
		if deviceBusy(c.opts.Source) {
			return fmt.Errorf("%w: %s; end that program ('fuser %s' names it)", ErrBusy, c.opts.Source, c.opts.Source)
		}
		return fmt.Errorf("%w: %s is not a camera that delivers pictures; try the other /dev/video devices", ErrFormat, c.opts.Source)
	case file:
		return fmt.Errorf("%w: the file is no video OpenCV can read", ErrFormat)
	}
	return fmt.Errorf("%w with a stream; check its address, path, user and password, power and network", ErrUnreachable)
}

// deviceBusy asks a V4L2 device for one buffer (VIDIOC_REQBUFS), which it
// refuses with EBUSY while another program streams from it.
func deviceBusy(path string) bool {
	const vidiocReqbufs = 0xC0145608 // _IOWR('V', 8, 20 bytes)
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return errors.Is(err, syscall.EBUSY)
	}
	defer f.Close()
	request := [5]uint32{1, 1, 1} // one buffer, video capture, memory mapped
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), vidiocReqbufs, uintptr(unsafe.Pointer(&request)))
	return errno == syscall.EBUSY
}

// lost says why a source that was open gives no more frames.
func (c *Camera) lost(frames int) error {
	switch {
	case c.kind == file:
		return fmt.Errorf("%w after %d frames; set loop to start it again", ErrEnded, frames)
	case c.kind == device:
		if _, err := os.Stat(c.opts.Source); err != nil {
			return fmt.Errorf("%w: %s disappeared; plug it in again", ErrGone, c.opts.Source)
		}
		return fmt.Errorf("%w; check its cable, and that no other program uses it", ErrSilent)
	case frames == 0:
		return fmt.Errorf("%w; check that its stream is enabled", ErrSilent)
	}
	return fmt.Errorf("%w: its stream broke off or paused for %v; check its power and network", ErrGone, c.opts.ReadTimeout)
}
