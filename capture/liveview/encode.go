package liveview

import (
	"context"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"limen/capture"
)

// encoderReady says why no picture could be encoded in this build.
func encoderReady() error {
	e, err := newEncoder(16, 16, 100_000)
	if err != nil {
		return err
	}
	e.close()
	return nil
}

// keyPause is the least time between key frames asked for, however often
// viewers ask: each costs as much as many others.
const keyPause = 200 * time.Millisecond

// mtu keeps a packet with all its headers within what any path carries.
const mtu = 1200

// run encodes while somebody watches.
func (s *Stream) run(ctx context.Context) {
	p := rtp.NewPacketizer(mtu, 0, 0, &codecs.VP8Payloader{EnablePictureID: true}, rtp.NewRandomSequencer(), clockRate)
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		if s.Viewers() > 0 {
			s.broadcast(ctx, p, start)
		}
	}
}

// broadcast encodes the source's frames and sends them until nobody watches,
// the source ends or ctx does.
func (s *Stream) broadcast(ctx context.Context, p rtp.Packetizer, start time.Time) {
	frames, cancel := s.source.Subscribe()
	defer cancel()
	var enc *encoder
	defer func() {
		if enc != nil {
			enc.close()
		}
	}()
	var broken string // the last error told, so that it is told once
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			if s.Viewers() == 0 {
				return
			}
		case f, open := <-frames:
			if !open {
				return
			}
			err := s.send(f, &enc, p, start)
			f.Release()
			if err != nil && err.Error() != broken {
				broken = err.Error()
				s.opts.Log.Warn("live view: picture not shown", "err", err)
			}
		}
	}
}

// send encodes one frame and sends it to every viewer.
func (s *Stream) send(f *capture.Frame, enc **encoder, p rtp.Packetizer, start time.Time) error {
	width, height := f.Rect.Dx(), f.Rect.Dy()
	if *enc != nil && ((*enc).width != width || (*enc).height != height) {
		(*enc).close()
		*enc = nil
	}
	if *enc == nil {
		e, err := newEncoder(width, height, s.opts.BitRate)
		if err != nil {
			return err
		}
		*enc = e
	}
	now := time.Now()
	pts := int64(now.Sub(start)) * 9 / 100_000 // 90 kHz ticks from nanoseconds
	data, err := (*enc).encode(&f.YCbCr, pts, s.keyDue(now))
	if err != nil || len(data) == 0 {
		return err
	}
	for _, packet := range p.Packetize(data, 0) {
		packet.Timestamp = uint32(pts)
		// A viewer that is just leaving refuses packets; the others got them.
		_ = s.track.WriteRTP(packet)
	}
	return nil
}

// keyDue tells whether a key frame asked for is due, and strikes it off.
func (s *Stream) keyDue(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.lastKey) < keyPause {
		return false
	}
	due := false
	later := s.keyAt[:0]
	for _, at := range s.keyAt {
		if at.After(now) {
			later = append(later, at)
		} else {
			due = true
		}
	}
	s.keyAt = later
	if due {
		s.lastKey = now
	}
	return due
}
