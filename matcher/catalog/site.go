package catalog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// The bounds of a site's manifests.
const (
	maxManifest  = 1 << 20 // bytes of one
	maxManifests = 64      // in one folder
)

// ErrManifest says that a manifest which a site has added cannot be used.
var ErrManifest = errors.New("the site's model manifest cannot be used")

// Models are all models: the built-in manifest's and those a site has added by
// manifests of the same form (*.yaml) beside its installed models.
func Models() (Manifest, error) { return System().Models() }

// BuiltIn is the manifest that the binary holds.
func BuiltIn() (Manifest, error) { return parse("the model manifest", manifest, Manifest{}) }

// Models is the package's Models in places of one's own.
func (p Places) Models() (Manifest, error) {
	m, err := BuiltIn()
	if err != nil {
		return Manifest{}, err
	}
	for _, folder := range p.installFolders() {
		paths, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err == nil && len(paths) > maxManifests {
			err = fmt.Errorf("%s holds %d manifests, more than %d", folder, len(paths), maxManifests)
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
		}
		slices.Sort(paths)
		for _, path := range paths {
			text, err := readBounded(path, maxManifest)
			if err != nil {
				return Manifest{}, fmt.Errorf("%w: %w", ErrManifest, err)
			}
			if m, err = m.With(path, text); err != nil {
				return Manifest{}, err
			}
		}
	}
	return m, nil
}

// With is m and the manifest in text, which path names. No entry or set may take
// the name of another, so that a name in a record means one model.
func (m Manifest) With(path string, text []byte) (Manifest, error) {
	added, err := parse(path, text, m)
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w; correct it or take it away", ErrManifest, err)
	}
	for i := range added.Models {
		added.Models[i].Manifest = path
	}
	for i := range added.Sets {
		added.Sets[i].Manifest = path
	}
	return Manifest{Models: slices.Concat(m.Models, added.Models), Sets: slices.Concat(m.Sets, added.Sets)}, nil
}

// readBounded reads a file, which must not be longer than limit.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return b, err
}
