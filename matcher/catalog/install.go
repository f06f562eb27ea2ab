package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Errors of installing; each comes wrapped with the file or address and what to
// do. A file with other content than the catalog's is ErrChanged.
var (
	ErrNoDownload = errors.New("the model cannot be downloaded")
	ErrBusy       = errors.New("another installation of the model is at work")
	ErrNoModel    = errors.New("no model that the catalog knows")
)

// Installer puts verified models into a folder, each whole or not at all.
type Installer struct {
	Folder    string
	Transport http.RoundTripper         // nil: the system's roots, the environment's proxy
	Progress  func(e Entry, have int64) // bytes that are there; may be nil
	Stall     time.Duration             // how long a source may send nothing (default 30 s)
}

// open makes the part of a model, or goes on with the one there is.
func (in Installer) open(e Entry) (*partial, error) {
	if err := os.MkdirAll(in.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder of models: %w", err)
	}
	path := filepath.Join(in.Folder, "."+e.File+"."+e.SHA256[:8]+".part")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot install the model %s: %w", e.Name, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s is locked", ErrBusy, path), f.Close())
	}
	// Whoever held the lock may have made the file the model meanwhile.
	there, err := os.Stat(path)
	if mine, merr := f.Stat(); err != nil || merr != nil || !os.SameFile(mine, there) {
		return nil, errors.Join(fmt.Errorf("%w: %s is gone", ErrBusy, path), f.Close())
	}
	return &partial{f, e, filepath.Join(in.Folder, e.File)}, nil
}

// partial is a model that is being installed: a hidden, locked file beside the
// place where it belongs. A download that broke off goes on from it.
type partial struct {
	*os.File
	entry  Entry
	target string
}

// keep makes the part the model: verified, durable, then renamed.
func (p *partial) keep() (string, error) {
	if _, err := p.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if _, err := p.entry.verify(p, "what came"); err != nil {
		return "", err
	}
	err := errors.Join(p.Chmod(0o644), p.Sync())
	if err == nil {
		err = os.Rename(p.Name(), p.target)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(p.target))
	}
	if err != nil {
		return "", fmt.Errorf("cannot install the model %s: %w", p.entry.Name, err)
	}
	return p.target, nil
}

// drop gives up what is there so far.
func (p *partial) drop() { os.Remove(p.Name()) }

func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// FromFile installs a model from a file of any name, or from the first file
// with its content in a folder. It returns where the model is now.
func (in Installer) FromFile(e Entry, path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot install the model %s: %w", e.Name, err)
	}
	if info.IsDir() {
		found, err := Manifest{Models: []Entry{e}}.Recognise(path)
		if err != nil {
			return "", err
		}
		path = found[0].Path
	}
	source, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot install the model %s: %w", e.Name, err)
	}
	defer source.Close()
	data, err := e.verify(source, path)
	if err != nil {
		return "", err
	}
	p, err := in.open(e)
	if err != nil {
		return "", err
	}
	defer p.Close()
	if err = p.Truncate(0); err == nil {
		_, err = p.WriteAt(data, 0)
	}
	if err != nil {
		p.drop()
		return "", fmt.Errorf("cannot install the model %s: %w", e.Name, err)
	}
	return p.keep()
}

// The bounds of looking for models on a stick.
const (
	maxDepth = 4
	maxFiles = 20000
)

// Recognise finds the models in a file or a folder and those below it, by
// content, whatever the files are called. None is ErrNoModel.
func (m Manifest) Recognise(path string) ([]Model, error) {
	root := filepath.Clean(path)
	var found []Model
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path != root:
			return nil // a folder that may not be read holds nothing for us
		case err != nil:
			return err
		case d.IsDir() && strings.Count(strings.TrimPrefix(path, root), string(filepath.Separator)) > maxDepth:
			return fs.SkipDir
		}
		if files++; files > maxFiles {
			return fmt.Errorf("%s holds more than %d files: name the folder with the models", root, maxFiles)
		}
		for _, e := range m.at(path) {
			if !slices.ContainsFunc(found, func(f Model) bool { return f.Name == e.Name }) {
				found = append(found, Model{Entry: e, Path: path})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot look for models: %w", err)
	}
	if len(found) == 0 {
		var wanted []string
		for _, e := range m.Models {
			wanted = append(wanted, fmt.Sprintf("%s (%d bytes, SHA-256 %s…)", e.Name, e.Size, e.SHA256[:8]))
		}
		return nil, fmt.Errorf("%w is in %s; looked for %s", ErrNoModel, root, strings.Join(wanted, ", "))
	}
	return found, nil
}

// at are the entries whose file this is. Only a regular file of a size that the
// catalog knows is read.
func (m Manifest) at(path string) (entries []Entry) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || !slices.ContainsFunc(m.Models, func(e Entry) bool { return e.Size == info.Size() }) {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, info.Size())); err != nil {
		return nil
	}
	sum := hex.EncodeToString(h.Sum(nil))
	for _, e := range m.Models {
		if e.SHA256 == sum && e.Size == info.Size() {
			entries = append(entries, e)
		}
	}
	return entries
}

// Download installs a model from its official addresses, the first that has it.
func (in Installer) Download(ctx context.Context, e Entry) (path string, err error) {
	if len(e.URLs) == 0 {
		return "", fmt.Errorf("%w: %s: %s", ErrNoDownload, e.Name, e.HowToGet())
	}
	var failed []error
	for _, u := range e.URLs {
		path, err := in.FromURL(ctx, e, u)
		if err == nil || ctx.Err() != nil {
			return path, err
		}
		failed = append(failed, err)
	}
	return "", errors.Join(failed...)
}

// InstallManifest adds a site's manifest after it was judged beside the others
// of m, and returns where it lies.
func (in Installer) InstallManifest(m Manifest, path string) (string, Manifest, error) {
	text, err := readBounded(path, maxManifest)
	if err != nil {
		return "", m, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	target := filepath.Join(in.Folder, filepath.Base(path))
	var others Manifest // a manifest may replace the one it was
	for _, e := range m.Models {
		if e.Manifest != target {
			others.Models = append(others.Models, e)
		}
	}
	for _, set := range m.Sets {
		if set.Manifest != target {
			others.Sets = append(others.Sets, set)
		}
	}
	if _, err := others.With(path, text); err != nil {
		return "", m, err
	}
	all, err := others.With(target, text) // as it is called from now on
	if err != nil {
		return "", m, err
	}
	if err := os.MkdirAll(in.Folder, 0o755); err != nil {
		return "", m, fmt.Errorf("cannot make the folder of models: %w", err)
	}
	f, err := os.CreateTemp(in.Folder, ".manifest-*")
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), target)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return "", m, fmt.Errorf("cannot add the manifest %s: %w", path, err)
	}
	return target, all, syncFolder(in.Folder)
}
