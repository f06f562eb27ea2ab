package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var content = bytes.Repeat([]byte("a network "), 10_000)

// source serves by a handler over TLS, and returns an installer that trusts it.
func source(t *testing.T, h http.HandlerFunc) (Installer, string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return Installer{Folder: filepath.Join(t.TempDir(), "models"), Transport: s.Client().Transport}, s.URL + "/net.onnx"
}

// leftOver lists what lies in the folder of models.
func leftOver(t *testing.T, in Installer) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(in.Folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// installed checks that the model alone is there, whole and readable by all.
func installed(t *testing.T, in Installer, path string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s holds %d bytes (%v), want the model's %d", path, len(got), err, len(content))
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v; want mode 0644", info.Mode(), err)
	}
	if names := leftOver(t, in); len(names) != 1 || names[0] != "net.onnx" {
		t.Errorf("the folder holds %v, want net.onnx alone", names)
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func TestDownload(t *testing.T) {
	in, url := source(t, serve)
	e := testEntry(string(content))
	var seen int64
	in.Progress = func(_ Entry, have int64) { seen = have }
	path, err := in.FromURL(t.Context(), e, url)
	installed(t, in, path, err)
	if seen != e.Size {
		t.Errorf("progress ended at %d bytes, want %d", seen, e.Size)
	}
	// Addresses are tried in their order.
	e.URLs = []string{strings.Replace(url, "https://", "https://127.0.0.1:1/", 1), url}
	path, err = in.Download(t.Context(), e)
	installed(t, in, path, err)
}

// A download that breaks off goes on with a range, in one call as in a later one.
func TestDownloadGoesOn(t *testing.T) {
	cut := len(content) / 3
	var ranges []string
	breaks := 2
	in, url := source(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) > breaks {
			serve(w, r)
			return
		}
		var from int
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
			w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		}
		w.Write(content[from : from+cut])
		panic(http.ErrAbortHandler)
	})
	e := testEntry(string(content))
	path, err := in.FromURL(t.Context(), e, url)
	installed(t, in, path, err)
	if want := fmt.Sprintf("bytes=%d-", 2*cut); len(ranges) != 3 || ranges[2] != want {
		t.Errorf("asked for %q, want three times, last %q", ranges, want)
	}

	// Interrupted by hand: what came is kept, and the next call goes on.
	in2, url := source(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:cut])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	in2.Progress = func(_ Entry, have int64) {
		if have == int64(cut) {
			cancel()
		}
	}
	if _, err = in2.FromURL(ctx, e, url); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d bytes are kept", cut, e.Size)) {
		t.Fatalf("interrupted: %v, want %v and what is kept", err, context.Canceled)
	}
	ranges, breaks = nil, 0
	in.Folder = in2.Folder
	path, err = in.FromURL(t.Context(), e, serverOf(t, &in, &ranges))
	installed(t, in, path, err)
	if want := fmt.Sprintf("bytes=%d-", cut); len(ranges) != 1 || ranges[0] != want {
		t.Errorf("asked for %q, want once %q", ranges, want)
	}
}

// serverOf points an installer to a source that serves and notes ranges.
func serverOf(t *testing.T, in *Installer, ranges *[]string) string {
	t.Helper()
	other, url := source(t, func(w http.ResponseWriter, r *http.Request) {
		*ranges = append(*ranges, r.Header.Get("Range"))
		serve(w, r)
	})
	in.Transport = other.Transport
	return url
}

// A part left by something else is not built upon.
func TestDownloadStartsOverAfterAWrongPart(t *testing.T) {
	for name, part := range map[string][]byte{
		"other bytes": []byte("something else"), "too long": bytes.Repeat([]byte{7}, len(content)+5), "as long": bytes.Repeat([]byte{7}, len(content)),
	} {
		in, url := source(t, serve)
		e := testEntry(string(content))
		write(t, filepath.Join(in.Folder, ".net.onnx."+e.SHA256[:8]+".part"), string(part))
		path, err := in.FromURL(t.Context(), e, url)
		t.Run(name, func(t *testing.T) { installed(t, in, path, err) })
	}
}

func TestDownloadRefuses(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(serve))
	defer plain.Close()
	wrong := bytes.Clone(content)
	wrong[500] ^= 1
	for _, c := range []struct {
		name  string
		serve http.HandlerFunc
		kind  error
		want  string
	}{
		{"another content", func(w http.ResponseWriter, r *http.Request) { w.Write(wrong) }, ErrChanged, "does not serve the model"},
		{"announced too long", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)+1))
			w.Write(content)
		}, ErrNoDownload, "more than the 100000"},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write(content)
			}
		}, ErrNoDownload, "it sends more than the 100000"},
		{"redirect out of https", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, plain.URL, http.StatusFound)
		}, ErrNoDownload, "redirects to http, out of https"},
		{"redirects without end", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, ErrNoDownload, "more than 5 times"},
		{"not there", http.NotFound, ErrNoDownload, "it answers 404"},
		{"out of order", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, ErrNoDownload, "it answers 503"},
		{"silent", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrNoDownload, "nothing came for 100ms"},
		{"an empty page", func(http.ResponseWriter, *http.Request) {}, ErrNoDownload, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, url := source(t, c.serve)
			if in.Stall = time.Minute; c.name == "silent" {
				in.Stall = 100 * time.Millisecond
			}
			_, err := in.FromURL(t.Context(), testEntry(string(content)), url)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %v with %q", err, c.kind, c.want)
			}
			if names := leftOver(t, in); len(names) > 0 {
				t.Errorf("%v is left, want nothing", names)
			}
		})
	}
}

// Without a network there is one error, which says how to do without one.
func TestNoNetwork(t *testing.T) {
	e := testEntry(string(content))
	in := Installer{Folder: t.TempDir()}
	for address, want := range map[string]string{
		"https://127.0.0.1:1/net.onnx": "connection refused",
		"http://127.0.0.1:1/net.onnx":  "must begin with https://",
		"https://a:b@127.0.0.1/net":    "must begin with https://",
	} {
		_, err := in.FromURL(t.Context(), e, address)
		if !errors.Is(err, ErrNoDownload) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line of %v with %q", address, err, ErrNoDownload, want)
		}
		if want == "connection refused" && !strings.Contains(err.Error(), "USB stick, and `limen models install net --from FOLDER`") {
			t.Errorf("%v does not say what to do without internet", err)
		}
	}
	if _, err := in.Download(t.Context(), e); !errors.Is(err, ErrNoDownload) || !strings.Contains(err.Error(), e.Source) || !strings.Contains(err.Error(), "--from FILE") {
		t.Errorf("without an address: %v, want %v and where it comes from", err, ErrNoDownload)
	}
}

func TestInstallFromFileOrStick(t *testing.T) {
	e := testEntry(string(content))
	other := testEntry("another")
	other.Name, other.File = "other", "other.onnx"
	m := Manifest{Models: []Entry{e, other}}
	stick := t.TempDir()
	write(t, filepath.Join(stick, "holiday.jpg"), "a picture")
	write(t, filepath.Join(stick, "border", "models", "MODEL~1.ONN"), string(content))
	write(t, filepath.Join(stick, "net.onnx"), strings.Repeat("x", len(content))) // its name and size, and not its content

	found, err := m.Recognise(stick)
	if err != nil || len(found) != 1 || found[0].Name != "net" || filepath.Base(found[0].Path) != "MODEL~1.ONN" {
		t.Fatalf("recognised %v, %v; want net in MODEL~1.ONN", found, err)
	}
	for name, path := range map[string]string{"file": found[0].Path, "folder": stick} {
		in := Installer{Folder: filepath.Join(t.TempDir(), "new", "models")}
		path, err := in.FromFile(e, path)
		t.Run(name, func(t *testing.T) { installed(t, in, path, err) })
	}
	in := Installer{Folder: filepath.Join(t.TempDir(), "models")}
	for path, want := range map[string]error{
		filepath.Join(stick, "net.onnx"):    ErrChanged,
		filepath.Join(stick, "holiday.jpg"): ErrChanged,
		filepath.Join(stick, "nothing"):     os.ErrNotExist,
	} {
		if _, err := in.FromFile(e, path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := in.FromFile(other, stick); !errors.Is(err, ErrNoModel) || !strings.Contains(err.Error(), "other (7 bytes") {
		t.Errorf("a stick without it: %v, want %v naming what was looked for", err, ErrNoModel)
	}
	if names := leftOver(t, in); len(names) > 0 {
		t.Errorf("%v is left, want nothing", names)
	}
}

func TestTwoInstallationsAtOnce(t *testing.T) {
	e := testEntry(string(content))
	in := Installer{Folder: t.TempDir()}
	p, err := in.open(e)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	write(t, filepath.Join(in.Folder, "source"), string(content))
	if _, err := in.FromFile(e, filepath.Join(in.Folder, "source")); !errors.Is(err, ErrBusy) {
		t.Errorf("%v, want %v", err, ErrBusy)
	}
}
