package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Errors of Find and Load; each comes wrapped with file, folders and what to do.
var (
	ErrUnknown  = errors.New("the catalog knows no such model")
	ErrNotFound = errors.New("the model is not installed")
	ErrChanged  = errors.New("the model file is not the one the catalog describes")
)

// EnvModels names a folder of models; when it is set, no other is searched.
const EnvModels = "LIMEN_MODELS"

// shippedPath begins the path of a model that is part of the binary.
const shippedPath = "shipped:"

// Places are where models are looked for. System describes the running process.
type Places struct {
	Only       string // EnvModels
	UserData   string // the user's data folder, holding limen/models
	WorkingDir string
	Executable string // the program's own path
}

// System is the places of the running process.
func System() Places {
	p := Places{Only: os.Getenv(EnvModels), UserData: os.Getenv("XDG_DATA_HOME")}
	if !filepath.IsAbs(p.UserData) { // a relative one is to be ignored, says the XDG specification
		p.UserData = ""
		if home, err := os.UserHomeDir(); err == nil {
			p.UserData = filepath.Join(home, ".local", "share")
		}
	}
	p.WorkingDir, _ = os.Getwd()
	p.Executable, _ = os.Executable()
	return p
}

// InstallFolder is where models of this user belong: EnvModels when set, else
// the user's data folder.
func (p Places) InstallFolder() string {
	if p.Only != "" {
		return p.Only
	}
	return filepath.Join(p.UserData, "limen", "models")
}

// Folders are searched in this order, before what the binary ships.
func (p Places) Folders() []string {
	if p.Only != "" {
		return []string{p.Only}
	}
	var folders []string
	add := func(folder string) {
		if folder = filepath.Clean(folder); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	if p.UserData != "" {
		add(p.InstallFolder())
	}
	if p.WorkingDir != "" {
		add(filepath.Join(p.WorkingDir, "..", "shared", "models"))
	}
	if p.Executable != "" { // built into the repository's root or its bin/
		dir := filepath.Dir(p.Executable)
		add(filepath.Join(dir, "..", "shared", "models"))
		add(filepath.Join(dir, "..", "..", "shared", "models"))
	}
	return folders
}

// Find is where a model lies, in a folder or (with the prefix "shipped:") in
// the binary. The file has been verified; to use exactly the verified bytes,
// Load them instead.
func Find(name string) (path string, entry Entry, err error) {
	_, path, entry, err = Load(name)
	return path, entry, err
}

// Load is the verified content of a model and where it was found.
func Load(name string) (data []byte, path string, entry Entry, err error) {
	m, err := Models()
	if err != nil {
		return nil, "", Entry{}, err
	}
	return m.Load(name, System())
}

// Find is the package's Find in a manifest and places of one's own.
func (m Manifest) Find(name string, places Places) (path string, entry Entry, err error) {
	_, path, entry, err = m.Load(name, places)
	return path, entry, err
}

// Load is the package's Load in a manifest and places of one's own.
func (m Manifest) Load(name string, places Places) (data []byte, found string, entry Entry, err error) {
	i := slices.IndexFunc(m.Models, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		var names []string
		for _, e := range m.Models {
			names = append(names, e.Name)
		}
		return nil, "", Entry{}, fmt.Errorf("%w as %q; it knows %s", ErrUnknown, name, strings.Join(names, ", "))
	}
	entry = m.Models[i]
	folders := places.Folders()
	for _, folder := range folders {
		found = filepath.Join(folder, entry.File)
		f, err := os.Open(found)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, found, entry, fmt.Errorf("cannot read the model %s: %w", name, err)
		}
		data, err = entry.verify(f, found)
		f.Close()
		return data, found, entry, err
	}
	if places.Only == "" {
		if f, err := shipped.Open(path.Join("shipped", entry.File)); err == nil {
			defer f.Close()
			found = shippedPath + entry.File
			data, err = entry.verify(f, found)
			return data, found, entry, err
		}
	}
	return nil, "", entry, fmt.Errorf("%w: %s (%s) is in none of %s; get it from %s and put it into %s, or name its folder in %s",
		ErrNotFound, name, entry.File, strings.Join(folders, ", "), entry.Source, places.InstallFolder(), EnvModels)
}

// verify reads the file, never more than the catalog says it holds, and
// refuses it when it differs.
func (e Entry) verify(r io.Reader, from string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, e.Size+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the model %s: %w", e.Name, err)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != e.SHA256 {
		what := "SHA-256 " + got[:8]
		switch {
		case int64(len(data)) > e.Size:
			what = fmt.Sprintf("more than %d bytes", e.Size)
		case int64(len(data)) < e.Size:
			what = fmt.Sprintf("%d bytes, SHA-256 %s", len(data), got[:8])
		}
		return nil, fmt.Errorf("%w: %s has %s, want %d bytes, SHA-256 %s; it is not used: replace it with the one from %s",
			ErrChanged, from, what, e.Size, e.SHA256[:8], e.Source)
	}
	return data, nil
}
