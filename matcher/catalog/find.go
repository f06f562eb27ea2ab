package catalog

import (
	"cmp"
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

// SystemFolder holds the models of an appliance that runs as a service.
const SystemFolder = "/var/lib/limen/models"

// Model is a model that was found: exactly the bytes that were verified, and
// the entry by which an engine runs them.
type Model struct {
	Entry
	Path string // in a folder, or with the prefix "shipped:" in the binary
	Data []byte
}

// shippedPath begins the path of a model that is part of the binary.
const shippedPath = "shipped:"

// IsShipped tells whether a path that Find gave is within the binary.
func IsShipped(path string) bool { return strings.HasPrefix(path, shippedPath) }

// Places are where models are looked for. System describes the running process.
type Places struct {
	Only       string // EnvModels
	UserData   string // the user's data folder, holding limen/models
	System     string // SystemFolder
	WorkingDir string
	Executable string // the program's own path
}

// System is the places of the running process.
func System() Places {
	p := Places{Only: os.Getenv(EnvModels), UserData: os.Getenv("XDG_DATA_HOME"), System: SystemFolder}
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
// the user's data folder, else that of the service.
func (p Places) InstallFolder() string { return p.installFolders()[0] }

// installFolders are those that models are installed into, which may hold
// manifests too.
func (p Places) installFolders() (folders []string) {
	if p.Only != "" {
		return []string{p.Only}
	}
	if p.UserData != "" {
		folders = append(folders, filepath.Join(p.UserData, "limen", "models"))
	}
	if p.System != "" || len(folders) == 0 {
		folders = append(folders, cmp.Or(p.System, SystemFolder))
	}
	return folders
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
	for _, folder := range p.installFolders() {
		add(folder)
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
	model, err := Load(name)
	return model.Path, model.Entry, err
}

// Load is a model's verified content and where it was found.
func Load(name string) (Model, error) {
	m, err := Models()
	if err != nil {
		return Model{}, err
	}
	return m.Load(name, System())
}

// Find is the package's Find in a manifest and places of one's own.
func (m Manifest) Find(name string, places Places) (path string, entry Entry, err error) {
	model, err := m.Load(name, places)
	return model.Path, model.Entry, err
}

// Load is the package's Load in a manifest and places of one's own.
func (m Manifest) Load(name string, places Places) (Model, error) {
	entry, err := m.Entry(name)
	if err != nil {
		return Model{}, err
	}
	model := Model{Entry: entry}
	folders := places.Folders()
	for _, folder := range folders {
		model.Path = filepath.Join(folder, entry.File)
		f, err := os.Open(model.Path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return model, fmt.Errorf("cannot read the model %s: %w", name, err)
		}
		model.Data, err = entry.verify(f, model.Path)
		f.Close()
		return model, err
	}
	model.Path = ""
	if places.Only == "" {
		if f, err := shipped.Open(path.Join("shipped", entry.File)); err == nil {
			defer f.Close()
			model.Path = shippedPath + entry.File
			model.Data, err = entry.verify(f, model.Path)
			return model, err
		}
	}
	return model, fmt.Errorf("%w: %s (%s) is in none of %s; %s, or name its folder in %s",
		ErrNotFound, name, entry.File, strings.Join(folders, ", "), entry.HowToGet(), EnvModels)
}

// HowToGet is the next action where a model is missing.
func (e Entry) HowToGet() string {
	if len(e.URLs) > 0 {
		return fmt.Sprintf("get it with `limen models install %s`, or without internet from a USB stick with `limen models install %s --from FOLDER`", e.Name, e.Name)
	}
	return fmt.Sprintf("nobody offers this very file for download: bring it from %s and give it to `limen models install %s --from FILE`", e.Source, e.Name)
}

// Entry is the entry of a name.
func (m Manifest) Entry(name string) (Entry, error) {
	if i := slices.IndexFunc(m.Models, func(e Entry) bool { return e.Name == name }); i >= 0 {
		return m.Models[i], nil
	}
	var names []string
	for _, e := range m.Models {
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("%w as %q; it knows %s", ErrUnknown, name, strings.Join(names, ", "))
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
