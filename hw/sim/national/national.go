// Package national is the far end of the look-ups: a national system that is
// asked whether a document is reported lost or stolen or its holder wanted.
//
// It is a real HTTPS service with a CA of its own, made when it starts. It
// accepts POST /v1/documents:check with a bearer token and, where ClientCAs is
// set, a client certificate. Body and answer are Request and Answer as JSON.
// What it knows of documents its caller says; it can be slow or away.
package national

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Path is where documents are checked.
const Path = "/v1/documents:check"

const maxRequest = 4 << 10 // bytes

// Request is what is asked. All fields but Nationality must be there.
type Request struct {
	Type        string `json:"type"`                  // document code of the MRZ: "P", "ID"
	Issuer      string `json:"issuer"`                // three letters: "UTO"
	Number      string `json:"number"`                // without filler
	Nationality string `json:"nationality,omitempty"` // three letters
}

// LogValue redacts.
func (Request) LogValue() slog.Value { return slog.StringValue("[request]") }

// Answer is what is answered with status 200. Any other status is no answer;
// its body is {"error": TEXT}.
type Answer struct {
	Status string    `json:"status"`         // "clear" or "hit"
	Kind   string    `json:"kind,omitempty"` // of a hit: "lost_or_stolen" or "stop_list"
	AsOf   time.Time `json:"as_of"`          // how fresh the system's data is, RFC 3339
}

// Entry is one document the system holds something against.
type Entry struct{ Issuer, Number, Kind string }

// LogValue redacts.
func (Entry) LogValue() slog.Value { return slog.StringValue("[entry]") }

// Options say how the service is reached; zero values mean what the comment says.
type Options struct {
	Address   string         // "127.0.0.1:0": a free port on loopback
	Token     string         // a random one
	ClientCAs *x509.CertPool // nil asks for no client certificate
	// Now stamps answers; time.Now when nil.
	Now func() time.Time
}

// Service is the simulated system. New, then Run; the other methods may be
// called at any time from any goroutine.
type Service struct {
	listener net.Listener
	tls      *tls.Config
	ca       []byte
	token    string
	now      func() time.Time

	mu      sync.Mutex
	entries map[string]string // issuer/number: kind
	delay   time.Duration
	down    bool
	asOf    time.Time
	asked   int
	open    map[net.Conn]struct{}
}

// New opens the service's port and makes its CA and certificate.
func New(o Options) (*Service, error) {
	s := &Service{token: cmp.Or(o.Token, rand.Text()), now: o.Now, entries: map[string]string{}, open: map[net.Conn]struct{}{}}
	if s.now == nil {
		s.now = time.Now
	}
	listener, err := net.Listen("tcp", cmp.Or(o.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("national: cannot listen: %w", err)
	}
	certificate, ca, err := issue(listener.Addr(), s.now())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("national: cannot make a certificate: %w", err), listener.Close())
	}
	s.listener, s.ca = listener, ca
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if o.ClientCAs != nil {
		s.tls.ClientCAs, s.tls.ClientAuth = o.ClientCAs, tls.RequireAndVerifyClientCert
	}
	return s, nil
}

// URL is the service's address without a path: https://127.0.0.1:PORT.
func (s *Service) URL() string { return "https://" + s.listener.Addr().String() }

// CACert is the PEM certificate a client pins.
func (s *Service) CACert() []byte { return append([]byte(nil), s.ca...) }

// Token is the bearer token a client presents.
func (s *Service) Token() string { return s.token }

// Hold replaces what the system holds against documents.
func (s *Service) Hold(entries ...Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
	for _, e := range entries {
		s.entries[key(e.Issuer, e.Number)] = e.Kind
	}
}

// Delay makes every answer come so much later.
func (s *Service) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = d
}

// AsOf sets how fresh the system says its data is; the zero time means now.
func (s *Service) AsOf(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asOf = t
}

// Down takes the system away: connections are cut, open ones too, until Down(false).
func (s *Service) Down(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
	if on {
		for c := range s.open {
			c.Close()
		}
	}
}

// Asked is how many valid questions came so far.
func (s *Service) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Run serves until ctx ends, then closes the port and every connection. It
// returns nil when ctx ended it. A service runs once.
func (s *Service) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Path, s.check)
	server := &http.Server{
		Handler:           mux,
		TLSConfig:         s.tls,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.track,
		ErrorLog:          log.New(io.Discard, "", 0), // cut handshakes are what Down and bad clients are for
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(s.listener, "", "") }()
	var failed error
	select {
	case <-ctx.Done():
	case err := <-served:
		served <- err
		failed = fmt.Errorf("national: cannot serve: %w", err)
	}
	stop() // ends answers under way
	limit, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	if err := server.Shutdown(limit); err != nil {
		failed = errors.Join(failed, server.Close())
	}
	<-served
	return failed
}

// track knows every connection, so that Down can cut it.
func (s *Service) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state == http.StateNew && s.down:
		c.Close()
	case state == http.StateNew:
		s.open[c] = struct{}{}
	case state == http.StateClosed || state == http.StateHijacked:
		delete(s.open, c)
	}
}

func (s *Service) check(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "token missing or not known")
		return
	}
	var q Request
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, "body is no request as documented")
		return
	}
	if q.Type == "" || q.Issuer == "" || q.Number == "" {
		refuse(w, http.StatusBadRequest, "type, issuer or number is missing")
		return
	}
	if delay > 0 {
		wait := time.NewTimer(delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.answer(q)) // a client that left needs no answer
}

func (s *Service) answer(q Request) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	a := Answer{Status: "clear", AsOf: s.asOf}
	if a.AsOf.IsZero() {
		a.AsOf = s.now()
	}
	if kind, held := s.entries[key(q.Issuer, q.Number)]; held {
		a.Status, a.Kind = "hit", kind
	}
	return a
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
}

func key(issuer, number string) string {
	return strings.ToUpper(issuer) + "/" + strings.ToUpper(number)
}
