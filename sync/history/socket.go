package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"limen/sync/journal"
)

// Questions is what can be asked of a history, of the store itself or of the
// appliance that has it open.
type Questions interface {
	Show(last int64, n int) ([]Shown, error)
	Verify(ctx context.Context) (journal.Verdict, error)
	Close() error
}

var _, _ Questions = (*History)(nil), (*Client)(nil)

// maxShow bounds one answer over the socket.
const maxShow = 10000

// Serve answers questions over a unix socket at path, which only the owner may
// use, until ctx ends; then it removes the socket. A socket that a process
// left behind is replaced, one that somebody answers is not.
func (h *History) Serve(ctx context.Context, path string) error {
	if _, err := Dial(ctx, path); err == nil {
		return fmt.Errorf("another appliance answers at %s: stop it first", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the socket's folder: %w", err)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		os.Remove(path)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("cannot answer questions about the history: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { reply(w, "limen", nil) })
	mux.HandleFunc("GET /show", func(w http.ResponseWriter, r *http.Request) {
		last, err := strconv.ParseInt(r.FormValue("last"), 10, 64)
		n, nerr := strconv.Atoi(r.FormValue("n"))
		if err = errors.Join(err, nerr); err == nil {
			var shown []Shown
			shown, err = h.Show(last, min(max(n, 0), maxShow))
			reply(w, shown, err)
			return
		}
		reply(w, nil, err)
	})
	mux.HandleFunc("GET /verify", func(w http.ResponseWriter, r *http.Request) {
		v, err := h.Verify(r.Context())
		reply(w, v, err)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		stopped <- server.Shutdown(closing)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stopped answering questions about the history: %w", err)
	}
	return <-stopped
}

func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		v = map[string]string{"error": err.Error()}
	}
	json.NewEncoder(w).Encode(v)
}

// Client asks the running appliance.
type Client struct{ http http.Client }

// Dial connects to the appliance that answers at path; an error when none does.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	c := &Client{http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}}
	var name string
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	if err := c.ask(ctx, "ping", nil, &name); err != nil {
		c.Close()
		return nil, fmt.Errorf("no appliance answers at %s: %w", path, err)
	}
	return c, nil
}

// Show is History.Show.
func (c *Client) Show(last int64, n int) (out []Shown, err error) {
	q := url.Values{"last": {strconv.FormatInt(last, 10)}, "n": {strconv.Itoa(n)}}
	return out, c.ask(context.Background(), "show", q, &out)
}

// Verify is History.Verify.
func (c *Client) Verify(ctx context.Context) (v journal.Verdict, err error) {
	return v, c.ask(ctx, "verify", nil, &v)
}

// Close gives up the connection.
func (c *Client) Close() error { c.http.CloseIdleConnections(); return nil }

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

func (c *Client) ask(ctx context.Context, what string, q url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://appliance/"+what+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var failed struct{ Error string }
		if json.Unmarshal(b, &failed); failed.Error == "" {
			failed.Error = response.Status
		}
		return errors.New(failed.Error)
	}
	return json.Unmarshal(b, into)
}
