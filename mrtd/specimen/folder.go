package specimen

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// A passport's folder holds its files as .bin, each known by its outer tag
// whatever its name, and passport.yaml with what opens the chip. Without
// passport.yaml the MRZ is DG1's, the PACE variants are EF.CardAccess's, and
// BAC opens the chip: so a folder of files read from elsewhere can be served. It
// has no private keys then, and stands for a copy.
const (
	passportName = "passport.yaml"
	maxFile      = 16 << 20
	maxFiles     = 32
)

type yamlPassport struct {
	MRZ  []string   `yaml:"mrz"`
	CAN  string     `yaml:"can,omitempty"`
	BAC  bool       `yaml:"bac"`
	PACE []yamlPACE `yaml:"pace,omitempty"`

	CAM      []yamlMapping  `yaml:"cam,omitempty"`
	CARs     []string       `yaml:"cars,omitempty"`
	ChipAuth []yamlChipAuth `yaml:"chip_auth,omitempty"`
	Active   *yamlActive    `yaml:"active,omitempty"`
	CVCA     []string       `yaml:"cvca,omitempty"`
}

func join(lines []string) string { return strings.Join(lines, "\n") }

// Save writes a passport as a folder, which is made where it is absent.
// Everything in it is a specimen's; its files can be read by their owner only
// all the same, since nothing keeps a copied chip out of it.
func Save(p chipsim.Passport, dir string) error {
	y := yamlPassport{MRZ: strings.Split(p.MRZ, "\n"), CAN: p.CAN, BAC: p.BAC, CARs: p.CARs}
	for _, v := range p.PACE {
		variant, err := saved(v)
		if err != nil {
			return fmt.Errorf("cannot save the passport: %w", err)
		}
		y.PACE = append(y.PACE, variant)
	}
	var err error
	if y.CAM, err = saveMapping(p.CAM); err != nil {
		return fmt.Errorf("cannot save the passport: %w", err)
	}
	if err := saveProofs(p, &y); err != nil {
		return fmt.Errorf("cannot save the passport: %w", err)
	}
	for _, b := range p.CVCA {
		y.CVCA = append(y.CVCA, hex.EncodeToString(b))
	}
	text, err := yaml.Marshal(y)
	if err != nil {
		return fmt.Errorf("cannot save the passport: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot save the passport: %w", err)
	}
	for path, b := range p.Files {
		f, ok := lds.FileByPath(path)
		if !ok {
			return fmt.Errorf("cannot save the passport: file %X is none of an eMRTD", path)
		}
		if err := os.WriteFile(filepath.Join(dir, fileName(f)), b, 0o600); err != nil {
			return fmt.Errorf("cannot save %s: %w", f.Name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, passportName), text, 0o600); err != nil {
		return fmt.Errorf("cannot save the passport: %w", err)
	}
	return nil
}

// Load reads the folder of a passport.
func Load(fsys fs.FS) (chipsim.Passport, error) {
	p := chipsim.Passport{Files: map[lds.Path][]byte{}}
	names, err := fs.Glob(fsys, "*.bin")
	if err != nil || len(names) == 0 {
		return p, errors.Join(errors.New("cannot load the passport: no file *.bin in its folder"), err)
	}
	if len(names) > maxFiles {
		return p, fmt.Errorf("cannot load the passport: %d files are more than %d", len(names), maxFiles)
	}
	for _, name := range names {
		b, err := readBounded(fsys, name, maxFile)
		if err != nil {
			return p, fmt.Errorf("cannot load %s: %w", name, err)
		}
		f, err := fileOf(name, b)
		if err != nil {
			return p, fmt.Errorf("cannot load %s: %w", name, err)
		}
		if p.Files[f.Path()] != nil {
			return p, fmt.Errorf("cannot load %s: the folder has another %s", name, f.Name)
		}
		p.Files[f.Path()] = b
	}
	text, err := readBounded(fsys, passportName, maxYAML)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, openByDefault(&p)
	case err != nil:
		return p, fmt.Errorf("cannot load %s: %w", passportName, err)
	}
	var y yamlPassport
	doc, err := decode(text, &y)
	if err != nil {
		return p, fmt.Errorf("%s: %w", passportName, err)
	}
	if err := checkAccess(y.CAN, y.BAC, nil); err != nil {
		return p, fmt.Errorf("%s: %w", passportName, doc.errorAt("$.can", "%v", err))
	}
	if p.PACE, err = doc.pace(y.PACE); err != nil {
		return p, fmt.Errorf("%s: %w", passportName, err)
	}
	if p.CAM, err = doc.mapping(y.CAM); err != nil {
		return p, fmt.Errorf("%s: %w", passportName, err)
	}
	if err := doc.loadProofs(y, &p); err != nil {
		return p, fmt.Errorf("%s: %w", passportName, err)
	}
	if p.CVCA, err = doc.trustPoints(y.CVCA); err != nil {
		return p, fmt.Errorf("%s: %w", passportName, err)
	}
	p.MRZ, p.CAN, p.BAC, p.CARs = join(y.MRZ), y.CAN, y.BAC, y.CARs
	return p, nil
}

// fileName is the name a file is saved under.
func fileName(f lds.File) string {
	return strings.NewReplacer(".", "_", "/", "_").Replace(f.Name) + ".bin"
}

// fileOf knows a file by its outer tag. EF.CVCA and the files of the master file,
// which have none of their own or another's, are known by the name Save gives them.
func fileOf(name string, b []byte) (lds.File, error) {
	for _, f := range lds.EveryFile() {
		if (f.MasterFile || f.Tag == 0) && name == fileName(f) {
			return f, nil
		}
	}
	tag, _, _, _, err := ber.ParseHeader(b)
	if err != nil {
		return lds.File{}, err
	}
	f, ok := lds.FileByTag(tag)
	if !ok {
		return f, fmt.Errorf("tag %X is no file's of an eMRTD", tag)
	}
	return f, nil
}

func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return b, err
}

func openByDefault(p *chipsim.Passport) error {
	lines, err := lds.ParseDG1(p.Files[0x0101])
	if err != nil {
		return fmt.Errorf("cannot load the passport: no %s, and no MRZ to open the chip with: %w", passportName, err)
	}
	p.MRZ, p.BAC = join(lines), true
	if b := p.Files[lds.EFCardAccess.Path()]; b != nil {
		infos, err := lds.ParseCardAccess(b)
		if err != nil {
			return fmt.Errorf("cannot load the passport: %w", err)
		}
		p.PACE = announced(infos)
	}
	return nil
}

// Files lists the names of a passport's files in the order of their paths.
func Files(p chipsim.Passport) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(p.Files)) {
		if f, ok := lds.FileByPath(path); ok {
			out = append(out, f.Name)
		}
	}
	return out
}
