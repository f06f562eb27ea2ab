package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"limen/cmd/internal/cli"
	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/hw/sim/vpcd"
	"limen/mrtd/chipsim"
	"limen/mrtd/specimen"
)

type chipCommand struct {
	Read     chipRead     `cmd:"" help:"Read a document's chip and judge it."`
	Verify   chipVerify   `cmd:"" help:"Judge files that came from a chip, without the chip."`
	Issue    chipIssue    `cmd:"" help:"Make a specimen passport, with a CSCA of its own, from a YAML file."`
	Simulate chipSimulate `cmd:"" help:"Serve a passport's folder as a chip."`
}

type chipIssue struct {
	Spec string `arg:"" help:"YAML file; see mrtd/specimen/testdata: passport.yaml can be issued as it is, utopia.yaml shows every key."`
	Out  string `help:"Folder to write." required:"" placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print the result as JSON."`
}

// Run writes the passport's files, what opens it, its CSCA certificate and revocation list.
func (c *chipIssue) Run(con *cli.Console) error {
	text, err := os.ReadFile(c.Spec)
	if err != nil {
		return fmt.Errorf("cannot read the specimen's description: %w", err)
	}
	order, err := specimen.ParseSpec(text, func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join(filepath.Dir(c.Spec), filepath.FromSlash(name)))
	})
	if err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", c.Spec, err))
	}
	authority, passport, err := order.Issue()
	if err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", c.Spec, err))
	}
	if err := specimen.Save(passport, c.Out); err != nil {
		return err
	}
	crl, err := crlOfToday(authority, order.Profile.From)
	if err != nil {
		return err
	}
	for name, b := range map[string][]byte{"csca.cer": authority.CSCA(), "csca.crl": crl, "mrz.txt": []byte(passport.MRZ + "\n")} {
		if err := os.WriteFile(filepath.Join(c.Out, name), b, 0o644); err != nil {
			return err
		}
	}
	result := map[string]any{"folder": c.Out, "files": specimen.Files(passport), "csca": filepath.Join(c.Out, "csca.cer"), "crl": filepath.Join(c.Out, "csca.crl")}
	verifier, err := order.Verifier()
	if err != nil {
		return err
	}
	if verifier != nil { // who may read the fingerprints: certificates, and the inspection system's key
		terminal := filepath.Join(c.Out, "terminal")
		if err := verifier.Save(terminal); err != nil {
			return err
		}
		result["terminal"] = terminal
	}
	if c.JSON {
		return con.PrintJSON(result)
	}
	con.Printf("%s: %s\nserve it with `limen chip simulate %s --pn532 LINK` or `--vpcd HOST:PORT`; trust it with `limen trust import %s %s --trust DIR`\n",
		c.Out, strings.Join(specimen.Files(passport), " "), c.Out, filepath.Join(c.Out, "csca.cer"), filepath.Join(c.Out, "csca.crl"))
	return nil
}

// crlOfToday is a revocation list that revokes nothing, made today or, where
// the authority begins later, then; the next is due after the 90 days of Doc
// 9303-12, 4.1.5.
func crlOfToday(a *specimen.Authority, from time.Time) ([]byte, error) {
	made := time.Now().UTC().Truncate(time.Second)
	if made.Before(from) {
		made = from
	}
	return a.CRL(1, made, made.AddDate(0, 0, 90))
}

type chipSimulate struct {
	Folder string `arg:"" help:"Folder of a passport, as chip issue writes it, or of files read from a real one."`
	VPCD   string `name:"vpcd" help:"Serve it to pcscd's virtual reader." placeholder:"HOST:PORT" xor:"link"`
	PN532  string `name:"pn532" help:"Serve it on a simulated PN532 at this new path." placeholder:"LINK" xor:"link"`
	TypeB  bool   `help:"A type B card; type A otherwise. PN532 only."`

	Misbehave []string `help:"Ways in which the chip departs from Doc 9303, as docs/chips.md lists them." placeholder:"NAME,..."`
}

// Run serves the chip until it is interrupted.
func (c *chipSimulate) Run(con *cli.Console) error {
	passport, err := specimen.Load(os.DirFS(c.Folder))
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", c.Folder, err)
	}
	faults, err := chipsim.Misbehave(c.Misbehave...)
	if err != nil {
		return cli.Usage(fmt.Errorf("--misbehave: %w", err))
	}
	card := chipsim.New(passport, chipsim.Options{Faults: faults})
	switch {
	case c.VPCD != "":
		fmt.Fprintf(con.Errors, "serving %s to the virtual reader at %s; interrupt to end\n", c.Folder, c.VPCD)
		return ended(con, vpcd.Serve(con, c.VPCD, card, card.ATR()))
	case c.PN532 != "":
		l, err := link.NewAt(c.PN532)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cannot make a serial line at %s: something is there; name a path that does not exist", c.PN532)
		}
		if err != nil {
			return fmt.Errorf("cannot make a serial line at %s: %w", c.PN532, err)
		}
		defer l.Close()
		chip := pn532sim.New(l, pn532sim.Options{})
		kind := pn532sim.TypeA
		if c.TypeB {
			kind = pn532sim.TypeB
		}
		chip.Insert(card, kind)
		fmt.Fprintf(con.Errors, "serving %s on a PN532 at %s; interrupt to end\n", c.Folder, l.Path)
		return ended(con, chip.Run(con))
	}
	return cli.Usage(errors.New("say where to serve the chip: --vpcd HOST:PORT or --pn532 LINK"))
}

// ended is err, unless it is only that the command was interrupted.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
