package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"time"

	"limen/capture/portrait"
)

// decoded says how limen-portrait decoded a picture.
type decoded struct {
	Format string `json:"format"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Sealed string `json:"sealed"` // what kept the decoder in
	MS     int64  `json:"ms"`
}

func (d decoded) String() string {
	return fmt.Sprintf("%s, %dx%d, decoded in %d ms by limen-portrait (%s)", d.Format, d.Width, d.Height, d.MS, d.Sealed)
}

// errNoPicture is bytes that no picture can be made of.
var errNoPicture = errors.New("not a picture that can be decoded")

// patience is what a picture may take to be decoded. A command has more time
// than a gate: that the machine is busy with others is no fault of a picture.
const patience = 20 * time.Second

// decodePicture has limen-portrait decode a picture. The error wraps
// errNoPicture where the picture is to blame, and not the machine.
func decodePicture(ctx context.Context, b []byte) (image.Image, decoded, error) {
	img, info, err := (&portrait.Decoder{Limit: patience}).Decode(ctx, b)
	switch {
	case err == nil:
		d := decoded{info.Format.String(), info.Width, info.Height, fmt.Sprint(info.Sandbox), (info.Start + info.Decode).Round(time.Millisecond).Milliseconds()}
		return img, d, nil
	case errors.Is(err, portrait.ErrNoProgram), errors.Is(err, portrait.ErrUnsealed), ctx.Err() != nil:
		return nil, decoded{}, err
	}
	return nil, decoded{}, fmt.Errorf("%w: %w", errNoPicture, err)
}

// openPicture reads and decodes a file.
func openPicture(ctx context.Context, path string) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the picture: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, portrait.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the picture: %w", err)
	}
	img, _, err := decodePicture(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// writePNG writes a portrait for its owner's eyes only.
func writePNG(path string, img image.Image) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the portrait: %w", err)
	}
	return errors.Join(png.Encode(f, img), f.Close())
}
