package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	maxStreams  = 16                    // pages that listen at a time
	eventPause  = 50 * time.Millisecond // least time between two views: a chip reports every block
	devicesLook = time.Second           // how often devices are asked
	writeLimit  = 5 * time.Second       // a page that takes no data for so long is dropped
	comeBack    = time.Second           // how soon a page whose stream broke tries again
	stillHere   = 10 * time.Second      // how often a silent stream shows that it lives
)

// serveEvents streams the view as server-sent events: the current one at
// once, then each that differs, the latest only.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	if !s.enterStream() {
		http.Error(w, "Too many pages are open; close one.", http.StatusServiceUnavailable)
		return
	}
	defer s.leaveStream()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	write := func(format string, a ...any) error {
		if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, a...); err != nil {
			return err
		}
		return out.Flush()
	}

	if err := write("retry: %d\n\n", comeBack.Milliseconds()); err != nil {
		return
	}
	look := time.NewTicker(devicesLook)
	defer look.Stop()
	var shown []byte
	var said time.Time
	for {
		b, changed := s.snapshot()
		now := time.Now()
		var err error
		switch {
		case !bytes.Equal(b, shown):
			err = write("data: %s\n\n", b)
			shown, said = b, now
		case now.Sub(said) > stillHere:
			err = write(": still here\n\n")
			said = now
		}
		if err != nil {
			return
		}
		pause := time.NewTimer(eventPause)
		select {
		case <-pause.C:
		case <-s.done:
			pause.Stop()
			return
		case <-r.Context().Done():
			pause.Stop()
			return
		}
		select {
		case <-changed:
		case <-look.C:
		case <-s.done:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// snapshot is the view as JSON and the channel that closes when it changes.
func (s *Server) snapshot() ([]byte, <-chan struct{}) {
	var devices []deviceView
	if s.opts.Devices != nil {
		for _, d := range s.opts.Devices.Devices() {
			devices = append(devices, s.words.device(d))
		}
	}
	s.mu.Lock()
	v, changed := s.view(), s.changed
	s.mu.Unlock()
	v.Devices = append(v.Devices, devices...)
	b, err := json.Marshal(v)
	if err != nil {
		panic("console: the view holds what JSON cannot: " + err.Error())
	}
	return b, changed
}

func (s *Server) enterStream() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.streams >= maxStreams {
		return false
	}
	s.streams++
	return true
}

func (s *Server) leaveStream() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams--
}
