package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"limen/cmd/internal/cli"
	"limen/matcher/catalog"
)

type modelsInstall struct {
	What   []string `arg:"" optional:"" help:"Names of models; files or folders with models, recognised by content; manifests (*.yaml). Left out: every operational model."`
	From   string   `help:"Where models come from instead of their official source: a file, a folder such as a USB stick, or an https address." placeholder:"FILE|FOLDER|URL"`
	System bool     `help:"Install for the service, into /var/lib/limen/models, instead of for this user."`
	JSON   bool     `name:"json" help:"Print the result as JSON."`
}

// installation is what became of one model or manifest.
type installation struct {
	Name    string `json:"name"`
	Path    string `json:"path,omitempty"` // where it lies now
	New     bool   `json:"new"`            // false: it was there before
	Problem string `json:"problem,omitempty"`
}

// installing is one run of models install.
type installing struct {
	*modelsInstall
	con      *cli.Console
	manifest catalog.Manifest
	into     catalog.Installer
	done     []installation
	failed   []error
}

// Run installs what was named; one that fails does not keep the others away.
func (c *modelsInstall) Run(con *cli.Console) error {
	manifest, err := catalog.Models()
	if err != nil {
		return err
	}
	folder := catalog.System().InstallFolder()
	if c.System {
		folder = catalog.SystemFolder
	}
	in := installing{modelsInstall: c, con: con, manifest: manifest, into: catalog.Installer{Folder: folder, Progress: progress(con)}}
	if err := in.all(); err != nil {
		return err
	}
	if c.JSON {
		if err := con.PrintJSON(in.done); err != nil {
			return err
		}
	}
	return errors.Join(in.failed...)
}

func (in *installing) all() error {
	if len(in.What) == 0 && in.From != "" {
		if isURL(in.From) {
			return cli.Usage(errors.New("name the model that the address gives"))
		}
		return in.recognised(in.From)
	}
	for _, what := range in.What {
		if err := in.one(what); err != nil {
			return err
		}
	}
	if len(in.What) == 0 {
		for _, e := range in.manifest.Models {
			if e.Grade == catalog.Operational {
				in.named(e)
			}
		}
	}
	return nil
}

// one installs what an argument means. Its error is of the command line.
func (in *installing) one(what string) error {
	e, unknown := in.manifest.Entry(what)
	if unknown == nil {
		in.named(e)
		return nil
	}
	if _, err := os.Stat(what); err != nil {
		return cli.Usage(fmt.Errorf("%s is no file, and %w", what, unknown))
	}
	if in.From != "" {
		return cli.Usage(fmt.Errorf("%s is a file, so --from says nothing", what))
	}
	if filepath.Ext(what) == ".yaml" {
		path, all, err := in.into.InstallManifest(in.manifest, what)
		in.manifest = all
		in.note(filepath.Base(what), path, true, err)
		return nil
	}
	return in.recognised(what)
}

// recognised installs every model in a file or folder.
func (in *installing) recognised(path string) error {
	found, err := in.manifest.Recognise(path)
	if errors.Is(err, catalog.ErrNoModel) {
		err = fmt.Errorf("%w. A model of your own needs an entry first: docs/models.md", err)
	}
	if err != nil {
		return err
	}
	for _, m := range found {
		target, err := in.into.FromFile(m.Entry, m.Path)
		in.note(m.Name, target, true, err)
	}
	return nil
}

// named installs a model from --from, or from its source where it is not found.
func (in *installing) named(e catalog.Entry) {
	var path string
	var err error
	switch {
	case isURL(in.From):
		path, err = in.into.FromURL(in.con, e, in.From)
	case in.From != "":
		path, err = in.into.FromFile(e, in.From)
	default:
		if path, _, err = in.manifest.Find(e.Name, catalog.System()); err == nil && (!in.System || filepath.Dir(path) == in.into.Folder) {
			in.note(e.Name, path, false, nil)
			return
		}
		path, err = in.into.Download(in.con, e)
	}
	in.note(e.Name, path, true, err)
}

// note tells what became of it, and that nothing found first stands before it.
func (in *installing) note(name, path string, isNew bool, err error) {
	if _, known := in.manifest.Entry(name); err == nil && known == nil && !in.System {
		var first string
		if first, _, err = in.manifest.Find(name, catalog.System()); err == nil && first != path {
			err = fmt.Errorf("%s is installed as %s, but %s is found first", name, path, first)
		}
	}
	done := installation{Name: name, Path: path, New: isNew}
	if err != nil {
		done.Problem = err.Error()
		in.failed = append(in.failed, err)
	}
	in.done = append(in.done, done)
	if in.JSON || err != nil {
		return
	}
	word := "installed"
	if !isNew {
		word = "there already"
	}
	in.con.Printf("%s: %s, %s\n", name, word, path)
}

func isURL(s string) bool { return strings.Contains(s, "://") }

// progress tells of every tenth of a download that takes long.
func progress(con *cli.Console) func(catalog.Entry, int64) {
	const worthTelling = 4 << 20
	tenth := map[string]int64{}
	return func(e catalog.Entry, have int64) {
		now := 10 * have / e.Size
		if e.Size < worthTelling || now <= tenth[e.Name] {
			return
		}
		tenth[e.Name] = now
		fmt.Fprintf(con.Errors, "%s: %d %% of %.1f MB\n", e.Name, 10*now, float64(e.Size)/1e6)
	}
}
