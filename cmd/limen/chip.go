package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"limen/hw/pcsc"
	"limen/hw/pn532"
	"limen/hw/serialport"
	"limen/hw/sim/link"
	"limen/hw/sim/pn532sim"
	"limen/hw/sim/vpcd"
	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/authn"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

type chipCommand struct {
	Read     chipRead     `cmd:"" help:"Read a document's chip and judge it."`
	Issue    chipIssue    `cmd:"" help:"Make a specimen passport, with a CSCA of its own, from a YAML file."`
	Simulate chipSimulate `cmd:"" help:"Serve a passport's folder as a chip."`
}

type chipIssue struct {
	Spec string `arg:"" help:"YAML file; mrtd/specimen/testdata/utopia.yaml shows every key."`
	Out  string `help:"Folder to write." required:"" placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print the result as JSON."`
}

// Run writes the passport's files, what opens it, and its CSCA certificate.
func (c *chipIssue) Run(con *console) error {
	text, err := os.ReadFile(c.Spec)
	if err != nil {
		return fmt.Errorf("cannot read the specimen's description: %w", err)
	}
	order, err := specimen.ParseSpec(text, func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join(filepath.Dir(c.Spec), filepath.FromSlash(name)))
	})
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Spec, err))
	}
	authority, passport, err := order.Issue()
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Spec, err))
	}
	if err := specimen.Save(passport, c.Out); err != nil {
		return err
	}
	for name, b := range map[string][]byte{"csca.cer": authority.CSCA(), "mrz.txt": []byte(passport.MRZ + "\n")} {
		if err := os.WriteFile(filepath.Join(c.Out, name), b, 0o644); err != nil {
			return err
		}
	}
	if c.JSON {
		return con.printJSON(map[string]any{"folder": c.Out, "files": specimen.Files(passport), "csca": filepath.Join(c.Out, "csca.cer")})
	}
	con.printf("%s: %s\nserve it with `limen chip simulate %s --pn532 LINK` or `--vpcd HOST:PORT`; trust it with `limen trust import %s --trust DIR`\n",
		c.Out, strings.Join(specimen.Files(passport), " "), c.Out, filepath.Join(c.Out, "csca.cer"))
	return nil
}

type chipSimulate struct {
	Folder string `arg:"" help:"Folder of a passport, as chip issue writes it, or of files read from a real one."`
	VPCD   string `name:"vpcd" help:"Serve it to pcscd's virtual reader." placeholder:"HOST:PORT" xor:"link"`
	PN532  string `name:"pn532" help:"Serve it on a simulated PN532 at this new path." placeholder:"LINK" xor:"link"`
	TypeB  bool   `help:"A type B card; type A otherwise. PN532 only."`
}

// Run serves the chip until it is interrupted.
func (c *chipSimulate) Run(con *console) error {
	passport, err := specimen.Load(os.DirFS(c.Folder))
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", c.Folder, err)
	}
	card := chipsim.New(passport, chipsim.Options{})
	switch {
	case c.VPCD != "":
		fmt.Fprintf(con.err, "serving %s to the virtual reader at %s; interrupt to end\n", c.Folder, c.VPCD)
		return ended(con, vpcd.Serve(con, c.VPCD, card, card.ATR()))
	case c.PN532 != "":
		l, err := link.NewAt(c.PN532)
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
		fmt.Fprintf(con.err, "serving %s on a PN532 at %s; interrupt to end\n", c.Folder, l.Path)
		return ended(con, chip.Run(con))
	}
	return usage(errors.New("say where to serve the chip: --vpcd HOST:PORT or --pn532 LINK"))
}

// ended is err, unless it is only that the command was interrupted.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type chipRead struct {
	Reader string        `help:"pcsc, pcsc:NAME or pn532:TTY." required:"" placeholder:"READER"`
	MRZ    []string      `name:"mrz" sep:"none" help:"The printed MRZ; all lines in one argument, or the flag once a line." placeholder:"LINES"`
	CAN    string        `name:"can" help:"Card access number." placeholder:"N"`
	Trust  string        `help:"Folder of the trust store; without it the chain is not judged." placeholder:"DIR"`
	Groups []int         `help:"Data groups to read." default:"1,2"`
	Out    string        `help:"Write the files read to this folder." placeholder:"DIR"`
	Wait   time.Duration `help:"How long to wait for a chip." default:"30s"`
	JSON   bool          `name:"json" help:"Print the result as JSON."`
}

// readResult is what chip read prints.
type readResult struct {
	Access   string            `json:"access"`
	PACE     string            `json:"pace"`
	Files    []string          `json:"files"`
	Checks   map[string]string `json:"checks"`
	Reasons  []string          `json:"reasons"`
	Signer   map[string]string `json:"signer,omitempty"`
	Commands int               `json:"commands"`
	Bytes    int               `json:"bytes"`
	MS       int64             `json:"ms"`
	Error    string            `json:"error,omitempty"`
}

// Run reads the chip; exit code 1 when a check fails.
func (c *chipRead) Run(con *console) error {
	key, lines, err := c.key()
	if err != nil {
		return usage(err)
	}
	store := trust.NewStore()
	if c.Trust != "" {
		if store, err = trust.Open(c.Trust); err != nil {
			return fmt.Errorf("cannot open trust store: %w", err)
		}
	}
	card, done, err := openReader(con, c.Reader, c.Wait)
	if err != nil {
		return err
	}
	defer done()
	start := time.Now()
	reading, err := mrtd.Read(con, card, key, mrtd.Options{Groups: c.Groups})
	result := judgeReading(reading, lines, store)
	result.MS = time.Since(start).Milliseconds()
	if err != nil {
		result.Error = err.Error()
	}
	if c.Out != "" {
		if werr := writeFiles(c.Out, reading.Files); werr != nil {
			return werr
		}
	}
	if perr := result.print(con, c.JSON); perr != nil {
		return perr
	}
	if err != nil {
		return &coded{exitUse, err}
	}
	if len(result.Reasons) > 0 {
		return no
	}
	return nil
}

func (c *chipRead) key() (mrtd.Key, []string, error) {
	key := mrtd.Key{CAN: c.CAN}
	var lines []string
	for _, l := range c.MRZ {
		lines = append(lines, strings.Fields(l)...)
	}
	if len(lines) > 0 {
		m, err := mrz.Parse(lines, time.Now())
		if err != nil {
			return key, nil, fmt.Errorf("--mrz: %w", err)
		}
		key.MRZ, lines = m.KeyMaterial(), m.Lines()
	}
	if key.MRZ == "" && key.CAN == "" {
		return key, nil, errors.New("a chip opens with what is printed on its document: give --mrz or --can")
	}
	return key, lines, nil
}

// openReader opens a reader by its name and waits for a card.
func openReader(ctx context.Context, name string, wait time.Duration) (apdu.Card, func(), error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "pcsc":
		reader, err := pcsc.Open(ctx, rest)
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(os.Stderr, "waiting for a document on %s\n", reader.Name())
		limit, stop := context.WithTimeout(ctx, wait)
		defer stop()
		card, err := reader.WaitCard(limit)
		if err != nil {
			return nil, nil, errors.Join(err, reader.Close())
		}
		return limited{card}, func() { card.Close(context.WithoutCancel(ctx)); reader.Close() }, nil
	case "pn532":
		port, err := serialport.Open(ctx, rest, serialport.Mode{Baud: 115200})
		if err != nil {
			return nil, nil, err
		}
		reader, err := pn532.Open(ctx, port, pn532.Options{})
		if err != nil {
			return nil, nil, errors.Join(err, port.Close())
		}
		fmt.Fprintf(os.Stderr, "waiting for a document on %s (%d baud)\n", reader.Firmware(), reader.Baud())
		done := func() {
			closing, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer stop()
			reader.Close(closing)
			port.Close()
		}
		target, err := reader.Poll(ctx, wait)
		if err != nil {
			done()
			return nil, nil, err
		}
		return limited{target}, done, nil
	}
	return nil, nil, usage(fmt.Errorf("--reader %q is neither pcsc, pcsc:NAME nor pn532:TTY", name))
}

// limited gives a card's lengths the name the document reader asks for.
type limited struct{ lengthCard }

type lengthCard interface {
	apdu.Card
	MaxLength() (command, response int)
}

// Limits implements apdu.Limited.
func (l limited) Limits() (command, response int) { return l.MaxLength() }

// judgeReading authenticates what was read. Without printed lines DG1 is
// compared with nothing.
func judgeReading(r mrtd.Reading, lines []string, store *trust.Store) readResult {
	out := readResult{
		Access: strings.Join(strings.Fields(r.Access.Protocol+" "+r.Access.Curve+" "+r.Access.Cipher), " "), PACE: r.Access.PACE,
		Checks: map[string]string{}, Reasons: []string{}, Files: []string{}, Commands: r.Stats.Commands, Bytes: r.Stats.BytesSent + r.Stats.BytesReceived,
	}
	groups := map[int][]byte{}
	for _, f := range lds.EveryFile() {
		if b, ok := r.Files[f.FID]; ok {
			out.Files = append(out.Files, f.Name)
			if f.Group > 0 {
				groups[f.Group] = b
			}
		}
	}
	now := time.Now()
	result := authn.PassiveFile(r.Files[lds.EFSOD.FID], groups, store, now)
	out.note("sod_signature", result.Signature)
	out.note("csca_chain", result.Chain)
	for n, v := range result.Groups {
		if groups[n] != nil {
			out.note(fmt.Sprintf("dg_hash:DG%d", n), v)
		}
	}
	if result.Signer.Subject != "" {
		out.Signer = map[string]string{"country": result.Signer.Country, "not_after": result.Signer.NotAfter.Format(time.DateOnly), "key": result.Signer.Key}
	}
	if chipLines, err := lds.ParseDG1(groups[1]); err == nil {
		if lines != nil {
			out.note("mrz_chip", authn.CompareMRZ(lines, chipLines))
		}
		if m, err := mrz.Parse(chipLines, now); err == nil {
			if expired, known := m.Expiry.Expired(now); known && expired {
				out.note("expiry", authn.Verdict{Status: authn.Failed, Code: "document_expired"})
			} else if known {
				out.note("expiry", authn.Verdict{Status: authn.Passed})
			}
		}
	}
	slices.Sort(out.Reasons)
	return out
}

func (r *readResult) note(check string, v authn.Verdict) {
	r.Checks[check] = string(v.Status)
	if v.Status != authn.Passed && v.Code != "" {
		reason := string(v.Code)
		if v.Subject != "" {
			reason += ":" + v.Subject
		}
		r.Reasons = append(r.Reasons, reason)
	}
}

func (r *readResult) print(con *console, asJSON bool) error {
	if asJSON {
		return con.printJSON(r)
	}
	con.printf("opened by        %s (PACE %s)\nfiles            %s\n", r.Access, r.PACE, strings.Join(r.Files, " "))
	for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
		con.printf("%-16s %s\n", name, r.Checks[name])
	}
	for _, reason := range r.Reasons {
		con.printf("%-16s %s\n", "reason", reason)
	}
	con.printf("%d commands, %d bytes, %d ms\n", r.Commands, r.Bytes, r.MS)
	return nil
}

func writeFiles(dir string, files map[uint16][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot write files: %w", err)
	}
	for fid, b := range files {
		f, _ := lds.FileByFID(fid)
		if err := os.WriteFile(filepath.Join(dir, f.Name+".bin"), b, 0o600); err != nil {
			return fmt.Errorf("cannot write files: %w", err)
		}
	}
	return nil
}
