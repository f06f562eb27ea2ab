package liveview

import (
	"fmt"
	"image"
)

// clockRate is the RTP clock of video (RFC 7741, 6).
const clockRate = 90000

// maxSide is the largest side a VP8 frame can state (RFC 6386, 9.1).
const maxSide = 1<<14 - 1

func checkSize(width, height int) error {
	if width < 2 || height < 2 || width > maxSide || height > maxSide || width%2 != 0 || height%2 != 0 {
		return fmt.Errorf("VP8 takes even sides from 2 to %d pixels, not %d×%d; choose another camera mode", maxSide-1, width, height)
	}
	return nil
}

// checkPicture makes sure that a picture is what the encoder will read: it
// goes by pointers from there on.
func checkPicture(m *image.YCbCr, width, height int) error {
	if m.SubsampleRatio != image.YCbCrSubsampleRatio420 || m.Rect.Min != (image.Point{}) {
		return fmt.Errorf("a live picture is I420 from its first pixel on, not %v from %v", m.SubsampleRatio, m.Rect.Min)
	}
	if m.Rect.Dx() != width || m.Rect.Dy() != height {
		return fmt.Errorf("picture of %d×%d where the encoder was opened for %d×%d", m.Rect.Dx(), m.Rect.Dy(), width, height)
	}
	chroma := m.CStride*(height/2-1) + width/2
	if m.YStride < width || m.CStride < width/2 || len(m.Y) < m.YStride*(height-1)+width || len(m.Cb) < chroma || len(m.Cr) < chroma {
		return fmt.Errorf("picture of %d×%d with planes of %d, %d and %d bytes at strides %d and %d is not whole", width, height, len(m.Y), len(m.Cb), len(m.Cr), m.YStride, m.CStride)
	}
	return nil
}

// isKeyFrame tells whether a VP8 frame decodes on its own (RFC 6386, 9.1).
func isKeyFrame(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 }
