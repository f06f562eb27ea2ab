package witness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// path is where a witness takes checkpoints, under its submission prefix.
const path = "/add-checkpoint"

// Handler answers add-checkpoint requests.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path, w.serve)
	return mux
}

func (w *Witness) serve(out http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxRequest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		answer(out, refuse(http.StatusRequestEntityTooLarge, "a request has at most %d bytes", maxRequest))
		return
	}
	if err != nil {
		return // whoever asked is gone
	}
	// Only now: whoever sends slowly keeps nobody else waiting.
	select {
	case w.busy <- struct{}{}:
		defer func() { <-w.busy }()
	default:
		answer(out, refuse(http.StatusServiceUnavailable, "the witness is busy"))
		return
	}
	if !w.all.Allow() {
		answer(out, refuse(http.StatusTooManyRequests, "the witness is asked too often"))
		return
	}
	request, err := ParseRequest(b)
	if err != nil {
		answer(out, refuse(http.StatusBadRequest, "%v", err))
		return
	}
	lines, err := w.Add(r.Context(), request)
	if err != nil {
		answer(out, w.refusal(err))
		return
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Write(lines)
}

func (w *Witness) refusal(err error) *Refusal {
	var no *Refusal
	if errors.As(err, &no) {
		return no
	}
	w.opts.Log.Error("witness cannot cosign", "error", err)
	return refuse(http.StatusInternalServerError, "the witness cannot cosign now")
}

// answer writes a refusal; with a conflict nothing but the size, as the
// specification wants it.
func answer(out http.ResponseWriter, no *Refusal) {
	h := out.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	switch no.Status {
	case http.StatusConflict:
		h.Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(no.Status)
		fmt.Fprintf(out, "%d\n", no.Size)
		return
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	out.WriteHeader(no.Status)
	fmt.Fprintf(out, "%s\n", no.Why)
}

// Serve answers on listener until ctx ends, over TLS where secured is given:
// what is said needs no secrecy to be trusted, since all of it is signed.
func (w *Witness) Serve(ctx context.Context, listener net.Listener, secured *tls.Config) error {
	if secured != nil {
		listener = tls.NewListener(listener, secured)
	}
	s := &http.Server{
		Handler: w.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(w.opts.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	end := context.AfterFunc(ctx, func() {
		closing, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		stopped <- errors.Join(s.Shutdown(closing), s.Close())
	})
	err := s.Serve(listener)
	if end() { // ctx has not ended: nobody shuts it down
		return errors.Join(fmt.Errorf("the witness stopped answering: %w", err), s.Close())
	}
	<-stopped
	return nil
}
