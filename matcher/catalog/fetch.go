package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxRedirects = 5   // suffices for a source that sends to its store of large files
	maxAttempts  = 100 // of one download, each of which must bring something
)

// FromURL installs a model from an https address; the SHA-256 is the entry's,
// whoever serves it. A download that breaks off goes on where it stopped, in
// this call and in a later one. No redirect leads out of https.
func (in Installer) FromURL(ctx context.Context, e Entry, address string) (string, error) {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("%w: %s: the address must begin with https:// and name nobody", ErrNoDownload, e.Name)
	}
	p, err := in.open(e)
	if err != nil {
		return "", err
	}
	defer p.Close()
	before, again := int64(-1), false
	for attempt := 1; ; attempt++ {
		have, resumed, err := in.fetch(ctx, p, address)
		if err == nil {
			path, err := p.keep()
			switch {
			case err == nil:
				return path, nil
			case !errors.Is(err, ErrChanged):
				return "", err
			case resumed && !again: // the part may be another file's
				again = true
				if err := p.Truncate(0); err != nil {
					return "", fmt.Errorf("cannot install the model %s: %w", e.Name, err)
				}
				continue
			}
			p.drop()
			return "", fmt.Errorf("%s does not serve the model: %w", hostOf(address), err)
		}
		var final *finalError
		if errors.As(err, &final) || have <= before || attempt == maxAttempts || ctx.Err() != nil { // asking again goes on only while something comes
			if have == 0 {
				p.drop()
			}
			return "", in.offline(e, address, have, err)
		}
		before = have
	}
}

// offline is the one error for a download that did not come about.
func (in Installer) offline(e Entry, address string, have int64, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address is named once
	}
	rest := ""
	if have > 0 {
		rest = fmt.Sprintf("; %d of %d bytes are kept, and the next try goes on from there", have, e.Size)
	}
	return fmt.Errorf("%w: %s from %s: %w%s. Without internet: fetch %s elsewhere, put it on a USB stick, and `limen models install %s --from FOLDER`",
		ErrNoDownload, e.Name, hostOf(address), err, rest, address, e.Name)
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return "its source"
}

// finalError is an answer that asking again will not change.
type finalError struct{ text string }

func (e *finalError) Error() string { return e.text }

func finally(format string, args ...any) error { return &finalError{fmt.Sprintf(format, args...)} }

// fetch adds what the part still lacks. have is what it holds afterwards;
// resumed tells whether some of it was there before.
func (in Installer) fetch(ctx context.Context, p *partial, address string) (have int64, resumed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := cmp.Or(in.Stall, 30*time.Second)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %v", stall)) })
	defer watch.Stop()

	if have, err = p.Seek(0, io.SeekEnd); err != nil {
		return 0, false, err
	}
	if have >= p.entry.Size { // whole: keep judges it
		return have, true, nil
	}
	resumed = have > 0
	answer, err := in.ask(ctx, address, have)
	if err != nil {
		return have, resumed, cmp.Or(context.Cause(ctx), err)
	}
	defer answer.Body.Close()
	if have, err = p.place(answer, have); err != nil {
		return have, resumed, err
	}
	resumed = have > 0
	left := p.entry.Size - have
	if answer.ContentLength > left {
		return have, resumed, finally("it offers %d bytes, more than the %d that the model has", have+answer.ContentLength, p.entry.Size)
	}
	body := &watched{answer.Body, func(n int) {
		watch.Reset(stall)
		if have += int64(n); in.Progress != nil {
			in.Progress(p.entry, have)
		}
	}}
	n, err := io.Copy(p, io.LimitReader(body, left))
	switch {
	case err != nil:
		return have, resumed, cmp.Or(context.Cause(ctx), err)
	case n < left:
		return have, resumed, io.ErrUnexpectedEOF
	}
	if extra, _ := body.Read(make([]byte, 1)); extra > 0 {
		p.drop()
		return 0, false, finally("it sends more than the %d bytes that the model has", p.entry.Size)
	}
	return have, resumed, nil
}

// ask requests what comes after the first have bytes.
func (in Installer) ask(ctx context.Context, address string, have int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept-Encoding", "identity") // the bytes themselves, so that ranges count them
	if have > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := http.Client{Transport: in.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https":
			return finally("it redirects to %s, out of https", r.URL.Scheme)
		case len(via) > maxRedirects:
			return finally("it redirects more than %d times", maxRedirects)
		}
		return nil
	}}
	if client.Transport == nil {
		transport := transport()
		defer transport.CloseIdleConnections()
		client.Transport = transport
	}
	return client.Do(r)
}

// transport bounds each step of reaching a source; the body's time is bounded
// by what comes, so that a slow line may take as long as it needs.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// place puts the part's end where the answer begins: after what is there, or
// at the start when the source knows no ranges.
func (p *partial) place(answer *http.Response, have int64) (int64, error) {
	switch {
	case answer.StatusCode == http.StatusPartialContent && rangeStart(answer.Header.Get("Content-Range")) == have:
		return have, nil
	case answer.StatusCode == http.StatusOK:
		_, err := p.Seek(0, io.SeekStart)
		return 0, errors.Join(err, p.Truncate(0))
	case answer.StatusCode == http.StatusRequestedRangeNotSatisfiable, answer.StatusCode == http.StatusPartialContent:
		_, err := p.Seek(0, io.SeekStart)
		return 0, errors.Join(err, p.Truncate(0), fmt.Errorf("it cannot go on after %d bytes", have))
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return have, fmt.Errorf("it answers %s", answer.Status)
	}
	return have, finally("it answers %s", answer.Status)
}

// rangeStart is where "bytes 100-199/200" begins; -1 when it says nothing of the kind.
func rangeStart(s string) int64 {
	s, ok := strings.CutPrefix(s, "bytes ")
	first, _, dash := strings.Cut(s, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || !dash || err != nil {
		return -1
	}
	return n
}

// watched tells of every read.
type watched struct {
	io.Reader
	seen func(n int)
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.seen(n)
	return n, err
}
