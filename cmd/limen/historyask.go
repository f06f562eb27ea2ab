package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/device"
	"limen/device/console"
	"limen/mrtd/mrz"
	"limen/sync/history"
)

// asker says who asks and why; both are recorded.
type asker struct {
	Reason  string `help:"Why you ask: a case, a request. It is recorded." placeholder:"TEXT"`
	Officer string `help:"Who asks, by number; the user of this machine when left out. It is recorded." placeholder:"NUMBER"`
}

func (a asker) by() (history.Asker, error) {
	if a.Reason == "" {
		return history.Asker{}, cli.Usage(errors.New("say why with --reason: every question about a person is recorded with its reason"))
	}
	if a.Officer != "" {
		return history.Asker{Who: a.Officer, Why: a.Reason}, nil
	}
	who := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return history.Asker{Who: who, Why: a.Reason}, nil
}

// documentOf names a document by its MRZ, or by state and number.
type documentOf struct {
	MRZ      []string `name:"mrz" help:"The printed lines; give each with a --mrz of its own, or \"-\" to read them from standard input." sep:"none" placeholder:"LINE"`
	Document []string `help:"Issuing state and number instead: --document UTO --document AB1234567, or UTO/AB1234567." sep:"none" placeholder:"STATE/NUMBER"`
}

func (d documentOf) given() bool { return len(d.MRZ)+len(d.Document) > 0 }

// parse names the document. Its errors repeat nothing that the document says.
func (d documentOf) parse() (history.Document, error) {
	var none history.Document
	switch {
	case len(d.MRZ) > 0 && len(d.Document) > 0:
		return none, cli.Usage(errors.New("name the document by --mrz or by --document, not by both"))
	case len(d.MRZ) > 0:
		lines := d.MRZ
		if len(lines) == 1 && lines[0] == "-" {
			var err error
			if lines, err = readLines(); err != nil {
				return none, err
			}
		}
		m, err := mrz.Parse(lines, time.Now())
		if err != nil {
			return none, cli.Usage(fmt.Errorf("--mrz: %w", err))
		}
		if !m.Valid() {
			return none, cli.Usage(errors.New("--mrz: a check digit does not hold: `limen mrz parse` says which; correct the lines, or ask by --document"))
		}
		return history.Document{Issuer: mrz.Alpha3(m.Issuer), Number: m.Number}, nil
	case len(d.Document) == 2:
		return documentNamed(d.Document[0], d.Document[1])
	case len(d.Document) == 1:
		state, number, _ := strings.Cut(d.Document[0], "/")
		return documentNamed(state, number)
	}
	return none, cli.Usage(errors.New("name the document: --mrz LINE --mrz LINE, or --document STATE/NUMBER"))
}

var (
	stateCode      = regexp.MustCompile(`^[A-Za-z]{1,3}$`)
	documentNumber = regexp.MustCompile(`^[A-Za-z0-9< ]{1,39}$`)
)

func documentNamed(state, number string) (history.Document, error) {
	if !stateCode.MatchString(state) || !documentNumber.MatchString(number) {
		return history.Document{}, cli.Usage(errors.New("--document: a state is 1 to 3 letters as the MRZ has it, a number 1 to 39 letters and digits: UTO/AB1234567"))
	}
	return history.Document{Issuer: mrz.Alpha3(strings.ToUpper(state)), Number: strings.ToUpper(number)}, nil
}

// historyQuestion is what the commands about one person have in common.
type historyQuestion struct {
	historyOf
	documentOf
	asker
}

// ask opens the history for one question.
func ask[T any](con *cli.Console, h historyOf, question func(history.Questions) (T, error)) (answer T, err error) {
	q, err := h.open(con)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	return question(q)
}

type historyFind struct{ historyQuestion }

// Run answers; exit code 1 when the document was never checked here.
func (c *historyFind) Run(con *cli.Console) error {
	by, err := c.by()
	if err != nil {
		return err
	}
	d, err := c.parse()
	if err != nil {
		return err
	}
	f, err := ask(con, c.historyOf, func(q history.Questions) (history.Found, error) { return q.Find(con, d, by) })
	if err != nil {
		return err
	}
	if c.JSON {
		err = con.PrintJSON(f)
	} else {
		err = printFound(con, f)
	}
	if err == nil && f.Times == 0 {
		return cli.No
	}
	return err
}

func printFound(con *cli.Console, f history.Found) error {
	if f.Times == 0 {
		con.Printf("never checked\n")
	} else {
		con.Printf("checked %d times, first %s, last %s\n", f.Times, f.First.Format(time.DateTime), f.Last.Format(time.DateTime))
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	for _, d := range f.Devices {
		fmt.Fprintf(w, "%d\t%s/%s\tlast %s\n", d.Times, d.Site, d.Device, d.Last.Format(time.DateTime))
	}
	for _, k := range f.Checks {
		outcome := string(k.Outcome)
		if k.Officer != "" {
			outcome += ", then " + string(k.Officer) + " by an officer"
		}
		entry := fmt.Sprintf("#%d", k.Index)
		if k.Elsewhere {
			entry = "–"
		}
		fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s", entry, k.At.Format(time.DateTime), k.Site, k.Device, outcome)
		for _, r := range k.Reasons {
			fmt.Fprintf(w, "  %s", r)
		}
		fmt.Fprintln(w)
		if k.Correction != "" {
			fmt.Fprintf(w, "\tCORRECTED:\t%s\n", k.Correction)
		}
	}
	if f.More {
		fmt.Fprintln(w, "… and more")
	}
	for _, s := range f.Sources {
		part := ""
		if s.Partial {
			part = ", and not all of it"
		}
		fmt.Fprintf(w, "as %s knows it at %s, %d entries in all%s\n", s.Device, s.AsOf.Format(time.RFC3339), s.Entries, part)
	}
	return w.Flush()
}

type historyExport struct {
	historyQuestion
	Out string `help:"Folder for export.json and one proof for each record; JSON to standard output when left out." placeholder:"DIR"`
}

// Run takes out one person's data. The files are for their owner's eyes only.
func (c *historyExport) Run(con *cli.Console) error {
	by, err := c.by()
	if err != nil {
		return err
	}
	d, err := c.parse()
	if err != nil {
		return err
	}
	e, err := ask(con, c.historyOf, func(q history.Questions) (history.Exported, error) { return q.Export(con, d, by) })
	if err != nil {
		return err
	}
	if c.Out == "" {
		return con.PrintJSON(e)
	}
	return writeExport(con, c.Out, e)
}

func writeExport(con *cli.Console, dir string, e history.Exported) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the folder for the export: %w", err)
	}
	for _, r := range e.Records {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.tlog-proof", e.Device, r.Index)), []byte(r.Bundle), 0o600); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "export.json"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = (&cli.Console{Out: f}).PrintJSON(e)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	con.Printf("%d records and %d questions about them in %s; `limen-verify` checks the proofs\n", len(e.Records), len(e.Questions), dir)
	return nil
}

// age is a length of time that also counts in days: "90d".
type age time.Duration

// UnmarshalText reads it.
func (a *age) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no number of days", s)
		}
		*a = age(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no age, such as 90d or 12h", s)
	}
	*a = age(d)
	return nil
}

type historyErase struct {
	historyQuestion
	OlderThan *age     `help:"Entries older than this, such as 90d; questions stay." placeholder:"AGE"`
	Entry     []uint64 `help:"Single entries, and what officers said of them." placeholder:"N"`
	Order     string   `help:"Reference of the legal order to erase; it is recorded as the reason." placeholder:"REFERENCE"`
}

// Run erases.
func (c *historyErase) Run(con *cli.Console) error {
	if c.Order != "" {
		c.Reason = strings.TrimSpace("order " + c.Order + " " + c.Reason)
	}
	by, err := c.by()
	if err != nil {
		return cli.Usage(errors.New("say why with --order REFERENCE or --reason: every erasure is recorded with its reason"))
	}
	var s history.Selection
	named := 0
	if c.given() {
		d, err := c.parse()
		if err != nil {
			return err
		}
		s.Document, named = &d, named+1
	}
	if c.OlderThan != nil {
		s.Before, named = time.Now().Add(-time.Duration(*c.OlderThan)), named+1
	}
	if len(c.Entry) > 0 {
		s.Entries, named = c.Entry, named+1
	}
	if named != 1 {
		return cli.Usage(errors.New("say what to erase by just one of --document, --mrz, --older-than and --entry"))
	}
	e, err := ask(con, c.historyOf, func(q history.Questions) (history.Erased, error) { return q.Erase(con, s, by) })
	if err != nil {
		return err
	}
	if c.JSON {
		err = con.PrintJSON(e)
	} else {
		con.Printf("%d entries erased; nothing leads to %d documents any more\n", e.Entries, e.Documents)
	}
	if err == nil && e.Entries+e.Documents == 0 {
		return cli.No
	}
	return err
}

type historyCorrect struct {
	historyOf
	asker
	Entry uint64 `arg:"" help:"The entry that is wrong."`
	Says  string `arg:"" help:"What is right, in at most 300 bytes. Name nobody."`
}

// Run records a correction.
func (c *historyCorrect) Run(con *cli.Console) error {
	if c.Reason == "" {
		c.Reason = "correction"
	}
	by, err := c.by()
	if err != nil {
		return err
	}
	r, err := ask(con, c.historyOf, func(q history.Questions) (uint64, error) {
		receipt, err := q.Correct(con, c.Entry, c.Says, by)
		return receipt.Index, err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(map[string]uint64{"index": r, "corrects": c.Entry})
	}
	con.Printf("entry %d corrects entry %d\n", r, c.Entry)
	return nil
}

type historySlip struct {
	historyOf
	Entry int64  `arg:"" help:"The entry of the inspection."`
	Out   string `help:"PNG file to write; the text alone is printed when left out." placeholder:"FILE"`
}

// Run makes a slip again, as the officer's page showed it.
func (c *historySlip) Run(con *cli.Console) error {
	cfg, err := device.LoadConfig(c.Config)
	if err != nil {
		return cli.Usage(err)
	}
	shown, err := ask(con, c.historyOf, func(q history.Questions) ([]history.Shown, error) { return q.Show(max(c.Entry, 0), 1) })
	if err != nil {
		return err
	}
	if len(shown) == 0 || shown[0].Record == nil || shown[0].Record.Kind != limen.KindInspection {
		return cli.Exit(cli.ExitNo, fmt.Errorf("entry %d is no inspection, or was erased: there is no slip of it", c.Entry))
	}
	text := limen.Finished{Record: *shown[0].Record, Receipt: limen.Receipt{Index: shown[0].Index}}.Slip(cfg.Console.Ask)
	if c.Out != "" {
		picture, err := console.SlipPNG(text)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.Out, picture, 0o600); err != nil {
			return err
		}
	}
	if c.JSON {
		return con.PrintJSON(map[string]string{"text": text})
	}
	con.Printf("%s", text)
	return nil
}
