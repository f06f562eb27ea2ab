package history

import (
	"bytes"
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

	"limen"
)

// Questions is what can be asked of a history, of the store itself or of the
// appliance that has it open.
type Questions interface {
	Show(last int64, n int) ([]Shown, error)
	Verify(ctx context.Context) (Verdict, error)
	Find(ctx context.Context, d Document, by Asker) (Found, error)
	Export(ctx context.Context, d Document, by Asker) (Exported, error)
	Erase(ctx context.Context, s Selection, by Asker) (Erased, error)
	Correct(ctx context.Context, index uint64, says string, by Asker) (limen.Receipt, error)
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
	mux.HandleFunc("POST /find", answering(func(ctx context.Context, q request) (Found, error) { return h.Find(ctx, q.Document, q.By) }))
	mux.HandleFunc("POST /export", answering(func(ctx context.Context, q request) (Exported, error) { return h.Export(ctx, q.Document, q.By) }))
	mux.HandleFunc("POST /erase", answering(func(ctx context.Context, q request) (Erased, error) { return h.Erase(ctx, q.Erase, q.By) }))
	mux.HandleFunc("POST /correct", answering(func(ctx context.Context, q request) (limen.Receipt, error) {
		return h.Correct(ctx, q.Index, q.Says, q.By)
	}))
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

// request is a question in full. It holds what a document says and so travels
// as a body, which nothing logs.
type request struct {
	Document Document  `json:"document,omitzero"`
	Erase    Selection `json:"erase,omitzero"`
	Index    uint64    `json:"index,omitempty"`
	Says     string    `json:"says,omitempty"`
	By       Asker     `json:"by,omitzero"`
}

// maxRequest bounds a question.
const maxRequest = 1 << 20

func answering[T any](answer func(context.Context, request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q request
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		d.DisallowUnknownFields()
		if err := d.Decode(&q); err != nil {
			reply(w, nil, errors.New("this is no question: use limen of the same version as the appliance"))
			return
		}
		v, err := answer(r.Context(), q)
		reply(w, v, err)
	}
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
func (c *Client) Verify(ctx context.Context) (v Verdict, err error) {
	return v, c.ask(ctx, "verify", nil, &v)
}

// Find is History.Find.
func (c *Client) Find(ctx context.Context, d Document, by Asker) (f Found, err error) {
	return f, c.post(ctx, "find", request{Document: d, By: by}, &f)
}

// Export is History.Export.
func (c *Client) Export(ctx context.Context, d Document, by Asker) (e Exported, err error) {
	return e, c.post(ctx, "export", request{Document: d, By: by}, &e)
}

// Erase is History.Erase.
func (c *Client) Erase(ctx context.Context, s Selection, by Asker) (e Erased, err error) {
	return e, c.post(ctx, "erase", request{Erase: s, By: by}, &e)
}

// Correct is History.Correct.
func (c *Client) Correct(ctx context.Context, index uint64, says string, by Asker) (r limen.Receipt, err error) {
	return r, c.post(ctx, "correct", request{Index: index, Says: says, By: by}, &r)
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
	return c.do(request, into)
}

func (c *Client) post(ctx context.Context, what string, q request, into any) error {
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://appliance/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.do(request, into)
}

func (c *Client) do(request *http.Request, into any) error {
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
