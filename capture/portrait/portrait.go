// Package portrait decodes the still pictures that documents carry. They are
// bytes a stranger wrote, so nothing of them is decoded in this process: each
// goes to a fresh limen-portrait, a small program without files, network or
// much memory, and comes back as plain pixels within a time limit.
//
// The package leaves out what is in the picture (matcher) and how it was
// wrapped (mrtd/lds).
package portrait

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"limen/capture/portrait/sandbox"
)

// What can come of a portrait instead of a picture. All but ErrNoProgram and
// ErrUnsealed speak of the portrait and are results of a check; those two say
// that this machine cannot decode any.
var (
	ErrUnreadable = errors.New("the portrait is malformed or of an unsupported kind")
	ErrTooLarge   = errors.New("the portrait is larger than a portrait may be")
	ErrTimeout    = errors.New("the portrait took too long to decode")
	ErrCrashed    = errors.New("the portrait decoder died of this portrait")
	ErrNoProgram  = errors.New("limen-portrait is not installed")
	ErrUnsealed   = errors.New("limen-portrait could not seal itself off and refuses to decode")
)

// Program is the decoder's file name.
const Program = "limen-portrait"

// DefaultLimit is the processor time one portrait may take. Where the machine
// gives the program too little of it, the answer may take ten times as long.
const DefaultLimit = 500 * time.Millisecond

// startLimit bounds how long the program may take to start and seal itself;
// that is the machine's time and not the portrait's, so it is counted apart.
const startLimit = 5 * time.Second

// Decoder runs limen-portrait. The zero value is ready; it holds nothing
// between calls and may be used concurrently.
type Decoder struct {
	// Path names the program. When empty it is looked for beside the running
	// executable and then in PATH.
	Path string
	// Limit is the processor time one portrait may take; DefaultLimit when zero.
	Limit time.Duration
}

// Info says how a portrait was decoded.
type Info struct {
	Format        Format
	Width, Height int
	Sandbox       sandbox.Report
	Start, Decode time.Duration // until the program was sealed; from request to last pixel
}

// LogValue leaves the picture's own figures out: they are the document's.
func (i Info) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("sandbox", i.Sandbox), slog.Duration("start", i.Start), slog.Duration("decode", i.Decode))
}

// Decode decodes a JPEG or JPEG 2000 portrait to *image.RGBA or *image.Gray.
// Its errors wrap one of the package's, or are ctx's own.
func (d *Decoder) Decode(ctx context.Context, data []byte) (image.Image, Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, Info{}, err
	}
	if len(data) > MaxBytes {
		return nil, Info{}, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrTooLarge, len(data), MaxBytes)
	}
	path, err := d.find()
	if err != nil {
		return nil, Info{}, err
	}
	p, err := start(path, d.limit())
	if err != nil {
		return nil, Info{}, err
	}
	img, info, err := p.decode(ctx, data)
	if err = p.end(ctx, err); err != nil {
		return nil, info, err
	}
	return img, info, nil
}

func (d *Decoder) limit() time.Duration {
	if d.Limit > 0 {
		return d.Limit
	}
	return DefaultLimit
}

// find is the program's path; its error names where it was looked for.
func (d *Decoder) find() (string, error) {
	if d.Path != "" {
		if fi, err := os.Stat(d.Path); err != nil || fi.IsDir() {
			return "", fmt.Errorf("%w at %s, where the configuration says it is; build it with 'go build ./cmd/limen-portrait' or correct the path", ErrNoProgram, d.Path)
		}
		return filepath.Abs(d.Path) // the program is started in another folder
	}
	var looked []string
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), Program)
		if fi, err := os.Stat(beside); err == nil && !fi.IsDir() {
			return beside, nil
		}
		looked = append(looked, filepath.Dir(self))
	}
	if found, err := exec.LookPath(Program); err == nil {
		return filepath.Abs(found)
	}
	looked = append(looked, "PATH")
	return "", fmt.Errorf("%w: looked in %s; install it beside limen, or name it in the configuration", ErrNoProgram, strings.Join(looked, " and "))
}
