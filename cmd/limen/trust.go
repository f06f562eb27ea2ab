package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"limen/cmd/internal/cli"
	"limen/mrtd/trust"
)

type trustCommand struct {
	Import trustImport `cmd:"" help:"Import CSCA certificates, or master lists that a pinned signer root vouches for."`
	List   trustList   `cmd:"" help:"List the CSCA certificates an inspection trusts."`
}

type trustImport struct {
	Files []string `arg:"" help:"Certificates (DER, PEM) or master lists."`
	Root  string   `help:"CSCA certificate of the state that signed the master lists, obtained by another way." placeholder:"SIGNER.cer"`
	Trust string   `help:"Folder of the trust store." required:"" placeholder:"DIR"`
	JSON  bool     `name:"json" help:"Print one JSON object per file."`
}

// imported is what became of one file.
type imported struct {
	File         string `json:"file"`
	Certificates int    `json:"certificates"` // in the store through this file, duplicates counted once
	Added        int    `json:"added"`
	Accepted     bool   `json:"accepted"`
	Reason       string `json:"reason,omitempty"`
}

// Run imports each file; exit code 1 when one is refused.
func (c *trustImport) Run(con *cli.Console) error {
	root, err := readRoot(c.Root)
	if err != nil {
		return err
	}
	store, err := trust.Open(c.Trust)
	if err != nil {
		return fmt.Errorf("cannot open trust store: %w", err)
	}
	refused := false
	for _, file := range c.Files {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
		counts, err := store.Import(filepath.Base(file), b, root, time.Now())
		result := imported{File: file, Certificates: counts.Added + counts.Duplicates, Added: counts.Added, Accepted: err == nil}
		if err != nil {
			refused = true
			result.Reason = err.Error()
		}
		switch {
		case c.JSON:
			if err := con.PrintJSON(result); err != nil {
				return err
			}
		case err != nil:
			con.Printf("%s: refused: %v\n", file, err)
		default:
			con.Printf("%s: accepted, %s, %d of them new\n", file, certificates(result.Certificates), result.Added)
		}
	}
	if refused {
		return cli.No
	}
	return nil
}

func readRoot(path string) (*trust.Certificate, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the signer's root: %w", err)
	}
	roots, err := trust.ParseCertificates(b)
	if err == nil && len(roots) != 1 {
		err = fmt.Errorf("it holds %s where one belongs", certificates(len(roots)))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use %s as signer's root: %w", path, err)
	}
	return roots[0], nil
}

type trustList struct {
	Trust string `help:"Folder of the trust store." required:"" placeholder:"DIR"`
	JSON  bool   `name:"json" help:"Print the list as JSON."`
}

// Run prints how many certificates of which state are trusted, and since when.
func (c *trustList) Run(con *cli.Console) error {
	store, err := openTrust(c.Trust)
	if err != nil {
		return err
	}
	countries := store.Countries()
	if c.JSON {
		return con.PrintJSON(map[string]any{"certificates": store.Len(), "countries": countries, "sources": store.Sources()})
	}
	con.Printf("%s of %d states\n", certificates(store.Len()), len(countries))
	names := slices.Sorted(maps.Keys(countries))
	for i, name := range names {
		con.Printf("  %s %3d", name, countries[name])
		if i%8 == 7 || i == len(names)-1 {
			con.Printf("\n")
		}
	}
	for _, s := range store.Sources() {
		con.Printf("%s: %s, of %s\n", s.Name, certificates(s.Counts.Added+s.Counts.Duplicates), s.Date().Format(time.DateOnly))
	}
	return nil
}

func certificates(n int) string {
	if n == 1 {
		return "1 certificate"
	}
	return fmt.Sprintf("%d certificates", n)
}
