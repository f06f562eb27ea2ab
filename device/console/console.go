// Package console is the officer's page: what the line finds out about one
// traveler, as it finds it out, in words.
//
//	inspection → Observe → state → view (JSON) → server-sent events → page
//
// The page is served on loopback to whoever holds the session's token. It
// shows personal data, which lives as long as the inspection: it goes when the
// next one begins or Options.ForgetAfter has passed, on the server and in the
// browser. The console decides nothing; an officer's decision passes through
// to the Officer port.
package console

import (
	"context"
	"crypto/rand"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"limen"
)

// Live answers a browser's WebRTC offer with the camera's live picture.
type Live interface {
	Answer(ctx context.Context, offer string) (answer string, err error)
}

// Officer stores what an officer decided about an inspection that was
// referred: Admit or Refuse, on one of the grounds in grounds.go.
type Officer interface {
	Decide(ctx context.Context, inspection string, outcome limen.Outcome, officer, grounds string) error
}

// CANEntry takes the card access number that an officer typed, six digits,
// for the next document that asks for one.
type CANEntry interface {
	SetCAN(can string)
}

// Devices reports the appliance's devices, in the order they are shown. It is
// asked about once a second and should not block.
type Devices interface {
	Devices() []DeviceState
}

// DeviceState is how one device does, in words for the officer.
type DeviceState struct {
	Name       string // what the site calls it: "gate-3"
	Kind       string // "camera", "chip_reader", "mrz_reader", "uplink", …
	State      string // one of the Device constants
	Detail     string // what is wrong or noteworthy; may be empty
	NextAction string // what the officer can do; empty when nothing is wrong
}

// The states of a device.
const (
	DeviceReady    = "ready"
	DeviceStarting = "starting"
	DeviceDegraded = "degraded" // works, but not fully: an uplink that is queueing
	DeviceLost     = "lost"
	DeviceOff      = "off"
)

// Options are what a Server shows and serves. Any port may be nil, and the
// page then lacks what it is for.
type Options struct {
	Site, Device string // names in the page's head
	Language     string // default "en"
	Live         Live
	Devices      Devices
	Officer      Officer
	CAN          CANEntry
	Ask          string // how a traveler asks about a check; one line on the slip
	// ForgetAfter is how long personal data stays after an inspection's last
	// event (default 2 min).
	ForgetAfter time.Duration
}

// Server is one appliance's page. It implements limen.Observer.
type Server struct {
	opts  Options
	words *Words
	page  *template.Template
	token string
	done  chan struct{} // closed by Close

	mu      sync.Mutex
	closed  bool
	current *inspection
	session []past        // inspections before the current one, newest first
	changed chan struct{} // closed and replaced when the view changes
	forget  *time.Timer
	streams int
	watched bool // somebody elsewhere sees the camera's picture
}

var _ limen.Observer = (*Server)(nil)

// New makes a server with a fresh session token.
func New(opts Options) (*Server, error) {
	if opts.Language == "" {
		opts.Language = "en"
	}
	if opts.ForgetAfter <= 0 {
		opts.ForgetAfter = 2 * time.Minute
	}
	words, err := LoadWords(opts.Language)
	if err != nil {
		return nil, err
	}
	page, err := parsePage(words)
	if err != nil {
		return nil, err
	}
	return &Server{opts: opts, words: words, page: page, token: rand.Text(), done: make(chan struct{}), changed: make(chan struct{})}, nil
}

// URL is the address that opens the page for its officer; it holds the
// session's token. addr is where the page is served.
func (s *Server) URL(addr net.Addr) string {
	u := url.URL{Scheme: "http", Host: addr.String(), Path: "/enter", RawQuery: url.Values{"token": {s.token}}.Encode()}
	return u.String()
}

// Handler serves the page.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.servePage)
	mux.HandleFunc("GET /page/{file}", serveAsset)
	mux.HandleFunc("GET /events", s.serveEvents)
	mux.HandleFunc("GET /image/{which}", s.serveImage)
	mux.HandleFunc("GET /slip", s.serveSlip)
	mux.HandleFunc("POST /live", s.serveLive)
	mux.HandleFunc("POST /decide", s.serveDecide)
	mux.HandleFunc("POST /can", s.serveCAN)
	return s.guard(mux)
}

// SetWatched says on every page that somebody elsewhere sees the camera's
// picture, or no longer does.
func (s *Server) SetWatched(watched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.watched == watched {
		return
	}
	s.watched = watched
	s.announce()
}

// Watched tells whether the pages say that somebody elsewhere sees the
// camera's picture.
func (s *Server) Watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched
}

// Close forgets everything and ends the pages' event streams.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.current, s.session = nil, nil
	if s.forget != nil {
		s.forget.Stop()
	}
	close(s.done)
	return nil
}
