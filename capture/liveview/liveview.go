// Package liveview shows a camera's live picture in browsers: WebRTC with VP8
// (RFC 7741, RFC 6386) by pion and libvpx.
//
//	camera → frames (I420) → one VP8 encoder → one RTP track → every viewer
//
// The picture goes to few viewers, most of them near by. Signaling is one offer
// and one answer with all candidates inside (no trickle), and the encoder runs
// only while somebody watches. Candidates are the host's own addresses; for a
// Guest, who watches from elsewhere, also those that STUN and TURN servers give.
// There is no audio and no recording.
//
// A build without cgo has no encoder; there Answer says so.
package liveview

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pion/ice/v2"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v3"

	"limen/capture"
)

// Source is where live frames come from, such as a capture.Hub.
type Source interface {
	// Subscribe returns a channel on which the latest frame waits and a
	// function that ends the subscription. The receiver releases each frame.
	// The channel is closed when the source stops.
	Subscribe() (frames <-chan *capture.Frame, cancel func())
}

// Options tune a Stream; zero values take the defaults named.
type Options struct {
	MaxViewers int           // viewers at a time (default 4)
	BitRate    int           // bits a second (default 1 500 000)
	Connect    time.Duration // how long a viewer may take to connect (default 15 s)
	Lost       time.Duration // how long a viewer that fell silent is kept (default 6 s)
	Log        *slog.Logger  // default: discard
}

// ErrFull says that as many watch as may.
var ErrFull = errors.New("the live picture already has as many viewers as it may; close another page that shows it")

// ErrClosed says that the stream was closed.
var ErrClosed = errors.New("the live picture has been shut down")

// maxOffer bounds an offer: a browser's for one video is near 6 kB.
const maxOffer = 64 << 10

// Stream is one camera's live picture, encoded once for all its viewers.
type Stream struct {
	source Source
	opts   Options
	api    *webrtc.API
	track  *webrtc.TrackLocalStaticRTP

	stop context.CancelFunc
	wake chan struct{}  // one token: who watches, or what they ask for, has changed
	all  sync.WaitGroup // the encoding goroutine and every viewer's

	mu      sync.Mutex
	closed  bool
	viewers map[*viewer]struct{}
	keyAt   []time.Time // when key frames are due
	lastKey time.Time
}

// viewer is one browser.
type viewer struct {
	pc        *webrtc.PeerConnection
	connected bool
	gone      chan struct{} // closed when the viewer is to be dropped
	left      chan struct{} // closed when it was, and its place is free
	drop      func()
}

// New makes a stream of source. Nothing is subscribed to or encoded before
// somebody watches. The caller closes it.
func New(source Source, opts Options) (*Stream, error) {
	if opts.MaxViewers <= 0 {
		opts.MaxViewers = 4
	}
	if opts.BitRate <= 0 {
		opts.BitRate = 1_500_000
	}
	if opts.Connect <= 0 {
		opts.Connect = 15 * time.Second
	}
	if opts.Lost <= 0 {
		opts.Lost = 6 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	api, err := newAPI(opts.Lost)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare WebRTC: %w", err)
	}
	track, err := webrtc.NewTrackLocalStaticRTP(codec, "video", "limen")
	if err != nil {
		return nil, fmt.Errorf("cannot prepare WebRTC: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Stream{source: source, opts: opts, api: api, track: track, stop: stop,
		wake: make(chan struct{}, 1), viewers: make(map[*viewer]struct{})}
	s.all.Go(func() { s.run(ctx) })
	return s, nil
}

// codec is the one codec on offer, with the feedback a lossy path needs.
var codec = webrtc.RTPCodecCapability{
	MimeType: webrtc.MimeTypeVP8, ClockRate: clockRate,
	RTCPFeedback: []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}},
}

func newAPI(lost time.Duration) (*webrtc.API, error) {
	var media webrtc.MediaEngine
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: codec, PayloadType: 96}, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	var interceptors interceptor.Registry
	if err := webrtc.ConfigureNack(&media, &interceptors); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(&interceptors); err != nil {
		return nil, err
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	// Browsers hide their addresses behind multicast names. They reach our
	// candidates anyway and become known by that, without multicast traffic.
	setting.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// A page that is closed says nothing: it only falls silent.
	setting.SetICETimeouts(lost/2, lost-lost/2, lost/6)
	setting.DisableActiveTCP(true)
	return webrtc.NewAPI(webrtc.WithMediaEngine(&media), webrtc.WithInterceptorRegistry(&interceptors), webrtc.WithSettingEngine(setting)), nil
}

// Answer takes a browser's offer (SDP with its candidates inside, one video
// to receive) and gives the answer. The viewer then has Options.Connect to
// connect; it is dropped when its connection ends. ctx bounds this call only.
func (s *Stream) Answer(ctx context.Context, offer string) (answer string, err error) {
	answer, _, err = s.AnswerGuest(ctx, offer, Guest{})
	return answer, err
}

// Guest is a viewer who watches from elsewhere.
type Guest struct {
	Servers []Server        // STUN and TURN
	While   <-chan struct{} // closed when the guest is to be dropped; nil: never
}

// Server is a STUN or TURN server.
type Server struct {
	URLs                 []string // as RFC 7064 and RFC 7065 write them: stun:, stuns:, turn:, turns:
	Username, Credential string
}

// AnswerGuest is Answer for a guest; gone is closed when it watches no more.
func (s *Stream) AnswerGuest(ctx context.Context, offer string, g Guest) (answer string, gone <-chan struct{}, err error) {
	v, answer, err := s.answer(ctx, offer, g)
	if err != nil {
		return "", nil, err
	}
	return answer, v.left, nil
}

func (s *Stream) answer(ctx context.Context, offer string, g Guest) (v *viewer, answer string, err error) {
	if len(offer) > maxOffer {
		return nil, "", fmt.Errorf("offer of %d bytes is over the limit of %d", len(offer), maxOffer)
	}
	if err := encoderReady(); err != nil {
		return nil, "", err
	}
	v, err = s.admit(g)
	if err != nil {
		return nil, "", err
	}
	admitted := v
	defer func() {
		if err != nil { // the place is free when the caller hears of it
			admitted.drop()
			<-admitted.left
		}
	}()
	sender, err := v.pc.AddTrack(s.track)
	if err != nil {
		return nil, "", fmt.Errorf("cannot add the live picture: %w", err)
	}
	if err := v.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return nil, "", fmt.Errorf("cannot use the browser's offer: %w", err)
	}
	local, err := v.pc.CreateAnswer(nil)
	if err != nil {
		return nil, "", fmt.Errorf("cannot answer the browser's offer; it must ask for one VP8 video: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(local); err != nil {
		return nil, "", fmt.Errorf("cannot answer the browser's offer; it must ask for one VP8 video: %w", err)
	}
	if len(sender.GetParameters().Codecs) == 0 {
		return nil, "", errors.New("the browser's offer takes no VP8 video; use a browser with VP8")
	}
	select {
	case <-gathered:
	case <-v.gone:
		return nil, "", ErrClosed
	case <-ctx.Done():
		return nil, "", fmt.Errorf("cannot answer the browser's offer: %w", ctx.Err())
	}
	if !s.listen(v, sender) {
		return nil, "", ErrClosed
	}
	return v, v.pc.LocalDescription().SDP, nil
}

// admit makes a viewer, if there is room, and starts the goroutine that sees
// it off.
func (s *Stream) admit(g Guest) (*viewer, error) {
	v := &viewer{gone: make(chan struct{}), left: make(chan struct{})}
	v.drop = sync.OnceFunc(func() { close(v.gone) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if len(s.viewers) >= s.opts.MaxViewers {
		return nil, ErrFull
	}
	var c webrtc.Configuration
	for _, server := range g.Servers {
		one := webrtc.ICEServer{URLs: server.URLs}
		if server.Username != "" {
			one.Username, one.Credential = server.Username, server.Credential
		}
		c.ICEServers = append(c.ICEServers, one)
	}
	pc, err := s.api.NewPeerConnection(c)
	if err != nil {
		return nil, fmt.Errorf("cannot open a WebRTC connection: %w", err)
	}
	v.pc = pc
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			s.arrive(v)
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			v.drop()
		}
	})
	s.viewers[v] = struct{}{}
	s.all.Go(func() { s.attend(v, g.While) })
	return v, nil
}

// attend waits until a viewer is to be dropped and closes its connection.
func (s *Stream) attend(v *viewer, while <-chan struct{}) {
	late := time.NewTimer(s.opts.Connect)
	defer late.Stop()
	for waiting := true; waiting; {
		select {
		case <-v.gone:
			waiting = false
		case <-while:
			waiting = false
		case <-late.C:
			s.mu.Lock()
			waiting = v.connected
			s.mu.Unlock()
		}
	}
	v.drop()
	if err := v.pc.GracefulClose(); err != nil {
		s.opts.Log.Debug("live view: closing a viewer's connection", "err", err)
	}
	s.mu.Lock()
	delete(s.viewers, v)
	s.mu.Unlock()
	close(v.left)
	s.notify()
}

// listen reads what a viewer reports until its connection is closed.
func (s *Stream) listen(v *viewer, sender *webrtc.RTPSender) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.all.Go(func() {
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				switch p.(type) {
				case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
					s.wantKey(time.Now())
				}
			}
		}
	})
	return true
}

// arrive marks a viewer connected. Its decoder is not always ready when the
// connection is, so it gets a second key frame.
func (s *Stream) arrive(v *viewer) {
	s.mu.Lock()
	v.connected = true
	s.mu.Unlock()
	now := time.Now()
	s.wantKey(now.Add(250*time.Millisecond), now.Add(750*time.Millisecond))
}

// maxDue bounds the key frames waiting; more would only repeat them.
const maxDue = 16

func (s *Stream) wantKey(at ...time.Time) {
	s.mu.Lock()
	if len(s.keyAt)+len(at) <= maxDue {
		s.keyAt = append(s.keyAt, at...)
	}
	s.mu.Unlock()
	s.notify()
}

func (s *Stream) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Viewers is how many are connected.
func (s *Stream) Viewers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for v := range s.viewers {
		if v.connected {
			n++
		}
	}
	return n
}

// Close drops every viewer and returns when all has ended.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	for v := range s.viewers {
		v.drop()
	}
	s.mu.Unlock()
	s.stop()
	s.all.Wait()
	return nil
}
