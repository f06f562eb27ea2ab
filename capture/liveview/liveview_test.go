//go:build cgo

package liveview

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"go.uber.org/goleak"
	"golang.org/x/image/vp8"

	"limen/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSource is a camera of 50 frames a second: a bright square that moves
// over a dark ground.
type testSource struct {
	pool *capture.Pool
	mu   sync.Mutex
	open int // subscriptions now
	most int // … at a time
	all  int // … ever
	end  chan struct{}
}

func newTestSource(width, height int) *testSource {
	return &testSource{pool: capture.NewPool(width, height), end: make(chan struct{}, 16)}
}

func (s *testSource) Subscribe() (<-chan *capture.Frame, func()) {
	s.mu.Lock()
	s.open++
	s.all++
	s.most = max(s.most, s.open)
	s.mu.Unlock()
	frames, stop, stopped := make(chan *capture.Frame), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			f := s.pool.Get()
			paint(f, n)
			select {
			case frames <- f:
			case <-stop:
				f.Release()
				return
			}
		}
	}()
	return frames, func() {
		close(stop)
		<-stopped
		s.mu.Lock()
		s.open--
		s.mu.Unlock()
		s.end <- struct{}{}
	}
}

func paint(f *capture.Frame, n int) {
	for i := range f.Y {
		f.Y[i] = 40
	}
	for i := range f.Cb {
		f.Cb[i], f.Cr[i] = 100, 160
	}
	w, h := f.Rect.Dx(), f.Rect.Dy()
	x0 := n * 4 % (w / 2)
	for y := h / 4; y < h*3/4; y++ {
		for x := x0; x < x0+w/4; x++ {
			f.Y[y*f.YStride+x] = 200
		}
	}
}

// testViewer is a browser's part, played by pion.
type testViewer struct {
	pc     *webrtc.PeerConnection
	frames chan []byte // whole VP8 frames, in order
	ssrc   chan webrtc.SSRC
}

func watch(t *testing.T, s *Stream) *testViewer {
	t.Helper()
	v, offer := newTestViewer(t)
	answer, err := s.Answer(t.Context(), offer)
	if err != nil {
		t.Fatalf("Answer: %v, want an answer", err)
	}
	if strings.Contains(answer, "a=candidate") == false {
		t.Errorf("answer holds no candidate, want all of them inside:\n%s", answer)
	}
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatalf("viewer refuses the answer: %v", err)
	}
	return v
}

func newTestViewer(t *testing.T) (*testViewer, string) {
	t.Helper()
	return newTestViewerOf(t, webrtc.Configuration{})
}

func newTestViewerOf(t *testing.T, c webrtc.Configuration) (*testViewer, string) {
	t.Helper()
	var media webrtc.MediaEngine
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(&media), webrtc.WithSettingEngine(setting)).NewPeerConnection(c)
	if err != nil {
		t.Fatal(err)
	}
	v := &testViewer{pc: pc, frames: make(chan []byte, 1000), ssrc: make(chan webrtc.SSRC, 1)}
	var reading sync.WaitGroup
	t.Cleanup(func() { pc.GracefulClose(); reading.Wait() })
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		v.ssrc <- track.SSRC()
		reading.Go(func() { v.read(track) })
	})
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return v, pc.LocalDescription().SDP
}

// read puts frames together; one with a packet missing, and all after it
// until a key frame, are not counted: they could not be decoded.
func (v *testViewer) read(track *webrtc.TrackRemote) {
	var frame []byte
	var next uint16
	whole, decodable := false, false
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		var payload codecs.VP8Packet
		if _, err := payload.Unmarshal(p.Payload); err != nil {
			decodable = false
			continue
		}
		if p.SequenceNumber != next {
			whole, decodable = false, false
		}
		next = p.SequenceNumber + 1
		if payload.S == 1 && payload.PID == 0 {
			frame, whole = nil, true
		}
		frame = append(frame, payload.Payload...)
		if !p.Marker || !whole {
			continue
		}
		if decodable = decodable || isKeyFrame(frame); decodable {
			v.frames <- frame
		}
		frame = nil
	}
}

// next waits for a decodable frame.
func (v *testViewer) next(t *testing.T) []byte {
	t.Helper()
	select {
	case f := <-v.frames:
		return f
	case <-time.After(10 * time.Second):
		t.Fatal("no decodable frame in 10 s")
		return nil
	}
}

func decodeKeyFrame(t *testing.T, frame []byte) *image.YCbCr {
	t.Helper()
	d := vp8.NewDecoder()
	d.Init(bytes.NewReader(frame), len(frame))
	if _, err := d.DecodeFrameHeader(); err != nil {
		t.Fatalf("key frame of %d bytes: header does not decode: %v", len(frame), err)
	}
	m, err := d.DecodeFrame()
	if err != nil {
		t.Fatalf("key frame of %d bytes does not decode: %v", len(frame), err)
	}
	return m
}

func newStream(t *testing.T, source Source, opts Options) *Stream {
	t.Helper()
	s, err := New(source, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTwoViewersShareOneEncoderAndItStopsWithTheLast(t *testing.T) {
	source := newTestSource(320, 240)
	s := newStream(t, source, Options{Lost: time.Second})
	source.mu.Lock()
	if source.all != 0 {
		t.Errorf("subscriptions before anybody watches: %d, want 0", source.all)
	}
	source.mu.Unlock()

	viewers := []*testViewer{watch(t, s), watch(t, s)}
	for i, v := range viewers {
		keys := 0
		for n := 0; n < 30 || keys < 2; n++ {
			if n == 200 {
				t.Fatalf("viewer %d: %d key frames in %d, want 2 soon after connecting", i, keys, n)
			}
			frame := v.next(t)
			if !isKeyFrame(frame) {
				continue
			}
			keys++
			m := decodeKeyFrame(t, frame)
			if m.Rect.Dx() != 320 || m.Rect.Dy() != 240 {
				t.Fatalf("viewer %d: frame of %v, want 320×240", i, m.Rect)
			}
			corner, bright := int(m.Y[0]), 0
			for x := range 320 {
				bright = max(bright, int(m.Y[120*m.YStride+x]))
			}
			if corner < 30 || corner > 50 || bright < 180 || bright > 220 {
				t.Errorf("viewer %d: ground %d, square %d, want near 40 and 200", i, corner, bright)
			}
		}
	}
	if got := s.Viewers(); got != 2 {
		t.Errorf("Viewers: %d, want 2", got)
	}
	for _, v := range viewers {
		if err := v.pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-source.end:
	case <-time.After(10 * time.Second):
		t.Fatal("encoder still subscribed 10 s after the last viewer left")
	}
	source.mu.Lock()
	defer source.mu.Unlock()
	if source.most != 1 || source.open != 0 {
		t.Errorf("subscriptions: %d at a time, %d left, want 1 and 0", source.most, source.open)
	}
}

func TestPictureLossBringsAKeyFrame(t *testing.T) {
	for name, packet := range map[string]func(webrtc.SSRC) rtcp.Packet{
		"PLI": func(s webrtc.SSRC) rtcp.Packet { return &rtcp.PictureLossIndication{MediaSSRC: uint32(s)} },
		"FIR": func(s webrtc.SSRC) rtcp.Packet {
			return &rtcp.FullIntraRequest{MediaSSRC: uint32(s), FIR: []rtcp.FIREntry{{SSRC: uint32(s), SequenceNumber: 1}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := watch(t, newStream(t, newTestSource(160, 120), Options{}))
			ssrc := <-v.ssrc
			// Past the first frame and the two key frames of a new viewer, the next is
			// 300 frames away.
			for keys, quiet := 0, 0; keys < 3 || quiet < 15; quiet++ {
				if isKeyFrame(v.next(t)) {
					keys++
					quiet = 0
				}
			}
			if err := v.pc.WriteRTCP([]rtcp.Packet{packet(ssrc)}); err != nil {
				t.Fatal(err)
			}
			for n := 0; !isKeyFrame(v.next(t)); n++ {
				if n == 50 {
					t.Fatalf("no key frame in the 50 frames after a %s, want one", name)
				}
			}
		})
	}
}

func TestOfALimitedNumberOfViewersTheNextIsTurnedAway(t *testing.T) {
	s := newStream(t, newTestSource(160, 120), Options{MaxViewers: 1})
	first := watch(t, s)
	first.next(t)
	_, offer := newTestViewer(t)
	if _, err := s.Answer(t.Context(), offer); !errors.Is(err, ErrFull) {
		t.Errorf("second viewer of one: %v, want ErrFull", err)
	}
}

func TestAViewerThatNeverConnectsIsDropped(t *testing.T) {
	s := newStream(t, newTestSource(160, 120), Options{MaxViewers: 1, Connect: 50 * time.Millisecond})
	_, offer := newTestViewer(t)
	if _, err := s.Answer(t.Context(), offer); err != nil { // the answer is thrown away
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		v, err := s.admit(Guest{})
		if err == nil {
			v.drop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("place of a viewer that never connected still taken after 10 s: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestBadOffersAreRefused(t *testing.T) {
	s := newStream(t, newTestSource(160, 120), Options{})
	_, good := newTestViewer(t)
	for name, offer := range map[string]string{
		"empty":    "",
		"not SDP":  "hello",
		"too long": strings.Repeat("a", maxOffer+1),
		"no VP8":   strings.ReplaceAll(good, "VP8/90000", "VX8/90000"),
		"no video": good[:strings.Index(good, "m=video")],
	} {
		if _, err := s.Answer(t.Context(), offer); err == nil {
			t.Errorf("%s: accepted, want an error", name)
		}
		s.mu.Lock()
		if len(s.viewers) != 0 {
			t.Errorf("%s: %d places are still taken when the offer was refused, want none", name, len(s.viewers))
		}
		s.mu.Unlock()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Answer(ended, good); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v, want it or an answer", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(t.Context(), good); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

func TestCloseWithViewersLeavesNothingBehind(t *testing.T) {
	source := newTestSource(160, 120)
	s := newStream(t, source, Options{})
	v := watch(t, s)
	v.next(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	source.mu.Lock()
	defer source.mu.Unlock()
	if source.open != 0 {
		t.Errorf("%d subscriptions after Close, want 0", source.open)
	}
}

func TestEncoderRefusesWhatIsNoWholePicture(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {-2, 4}, {5, 4}, {16384, 4}} {
		if e, err := newEncoder(size[0], size[1], 1e6); err == nil {
			e.close()
			t.Errorf("encoder for %v opened, want an error", size)
		}
	}
	e, err := newEncoder(64, 48, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	whole := func() *image.YCbCr {
		return image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio420)
	}
	short := whole()
	short.Cr = short.Cr[:len(short.Cr)-1]
	narrow := whole()
	narrow.YStride = 32
	for name, m := range map[string]*image.YCbCr{
		"4:4:4":      image.NewYCbCr(image.Rect(0, 0, 64, 48), image.YCbCrSubsampleRatio444),
		"other size": image.NewYCbCr(image.Rect(0, 0, 32, 48), image.YCbCrSubsampleRatio420),
		"part":       whole().SubImage(image.Rect(2, 2, 64, 48)).(*image.YCbCr),
		"short":      short,
		"narrow":     narrow,
		"empty":      {},
	} {
		if _, err := e.encode(m, 0, true); err == nil {
			t.Errorf("%s: encoded, want an error", name)
		}
	}
	data, err := e.encode(whole(), 0, false)
	if err != nil || !isKeyFrame(data) {
		t.Errorf("first frame: %d bytes, %v, want a key frame", len(data), err)
	}
}

// TestSendFollowsACameraThatChangesItsSize encodes 64×48, then 32×24.
func TestSendFollowsACameraThatChangesItsSize(t *testing.T) {
	s := newStream(t, newTestSource(64, 48), Options{})
	var enc *encoder
	defer func() { enc.close() }()
	p := rtp.NewPacketizer(mtu, 0, 0, &codecs.VP8Payloader{}, rtp.NewRandomSequencer(), clockRate)
	for _, size := range [][2]int{{64, 48}, {64, 48}, {32, 24}} {
		f := capture.NewPool(size[0], size[1]).Get()
		paint(f, 0)
		if err := s.send(f, &enc, p, time.Now()); err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		if enc.width != size[0] || enc.height != size[1] {
			t.Errorf("encoder of %d×%d, want %v", enc.width, enc.height, size)
		}
		f.Release()
	}
}

var _ io.Closer = (*Stream)(nil)
