package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/cmd/internal/terminal"
	"limen/hw/keystore/token"
	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/authn"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

type chipRead struct {
	Reader   string        `help:"pcsc, pcsc:NAME or pn532:TTY." required:"" placeholder:"READER"`
	MRZ      []string      `name:"mrz" sep:"none" help:"The printed MRZ; all lines in one argument, or the flag once a line." placeholder:"LINES"`
	CAN      string        `name:"can" help:"Card access number." placeholder:"N"`
	Trust    string        `help:"Folder of the trust store; without it the chain is not judged." placeholder:"DIR"`
	Groups   []int         `help:"Data groups to read." default:"1,2" placeholder:"N,..."`
	Proof    string        `help:"Which proofs are asked of the chip that it is no copy: every one it bears, one, or none." enum:"every,once,none" default:"every"`
	Terminal string        `help:"Folder of the inspection system's certificates and key, for the groups that only these open (DG3, DG4)." placeholder:"DIR"`
	Token    string        `help:"PKCS#11 token that holds the inspection system's key, with --terminal." placeholder:"MODULE.so:LABEL"`
	PIN      string        `name:"token-pin-file" help:"File with the token's PIN." placeholder:"FILE"`
	MaxLe    int           `name:"max-le" help:"Longest response data to ask for, in bytes; what reader and chip bear when left out." placeholder:"N"`
	Out      string        `help:"Write the files read to this folder, for chip simulate and chip verify." placeholder:"DIR"`
	XML      string        `name:"xml" help:"Write the report in the shape of BSI TR-03135's log." placeholder:"FILE"`
	Portrait string        `help:"Decode the portrait and write it here." placeholder:"FILE.png"`
	Wait     time.Duration `help:"How long to wait for a chip, and for one that was lost to come back." default:"30s"`
	JSON     bool          `name:"json" help:"Print the result as JSON."`
}

// readResult is what chip read prints: the report of the check, and what this
// command did besides.
type readResult struct {
	report.Report
	Password string            `json:"password,omitempty"`
	PACE     string            `json:"pace"`
	Contents []lds.Description `json:"contents"` // what the groups are made of, without what they say
	Portrait *decoded          `json:"portrait,omitempty"`
	Error    string            `json:"error,omitempty"` // why not everything was read
}

// Run reads the chip; exit code 1 when a check fails, 3 when the chip could
// not be read to its end.
func (c *chipRead) Run(con *cli.Console) error {
	key, lines, err := c.key()
	if err != nil {
		return cli.Usage(err)
	}
	store, err := openTrust(c.Trust)
	if err != nil {
		return err
	}
	options, done, err := c.options(con, store)
	if err != nil {
		return err
	}
	defer done()
	reader, err := openReader(con, c.Reader)
	if err != nil {
		return err
	}
	defer reader.close()
	fmt.Fprintf(con.Errors, "waiting for a document on %s\n", reader.name)
	card, err := reader.next(con, c.Wait)
	if err != nil {
		return err
	}
	options.Reconnect = func(ctx context.Context) (apdu.Card, error) {
		fmt.Fprintln(con.Errors, "the chip was lost: lay the document on the reader again")
		return reader.next(ctx, c.Wait)
	}
	start := time.Now()
	reading, unread := mrtd.Read(con, card, key, options)
	result := judge(reading, unread, lines, store, start)
	for _, n := range []int{1, 2} {
		if !slices.Contains(c.Groups, n) {
			result.forgive(fmt.Sprintf("file_unread:DG%d", n)) // nobody asked for it
		}
	}
	if c.Out != "" {
		if err := keepFiles(c.Out, reading, key, lines); err != nil {
			return err
		}
	}
	if c.Portrait != "" {
		if err := result.decodePortrait(con, reading.Files[0x0102], c.Portrait); err != nil {
			return err
		}
	}
	if err := result.write(con, c); err != nil {
		return err
	}
	switch {
	case unread != nil && !refused(unread):
		return cli.Exit(cli.ExitUse, errors.New(oneLine(unread)))
	case len(result.Reasons) > 0:
		return cli.No
	}
	return nil
}

// options is how the chip is read. The caller calls done when it has been.
func (c *chipRead) options(ctx context.Context, store *trust.Store) (o mrtd.Options, done func(), err error) {
	o = mrtd.Options{Groups: c.Groups, MaxLe: c.MaxLe, Proof: map[string]mrtd.Proof{"every": mrtd.ProofEvery, "once": mrtd.ProofOnce, "none": mrtd.ProofNone}[c.Proof]}
	if c.Terminal == "" {
		return o, func() {}, nil
	}
	cfg := terminal.Config{Folder: c.Terminal}
	if c.Token != "" {
		module, label, _ := strings.Cut(c.Token, ":")
		cfg.Token = &token.Config{Module: module, Label: label}
	}
	system, err := terminal.Open(ctx, cfg, c.pin, time.Now())
	if err != nil {
		return o, nil, err
	}
	o.Terminal = system
	o.Vouched = func(files map[lds.Path][]byte) bool {
		found := authn.Options{}.Examine(authn.Chip{Files: files}, store, time.Now()).Passive
		return found.Signature.Status == authn.Passed && found.Groups[14].Status == authn.Passed &&
			(store == nil || found.Chain.Status == authn.Passed)
	}
	return o, func() { system.Close() }, nil
}

// pin reads the token's PIN, without the line's end.
func (c *chipRead) pin() ([]byte, error) {
	if c.PIN == "" {
		return nil, errors.New("the token asks for its PIN: name the file that holds it with --token-pin-file")
	}
	b, err := os.ReadFile(c.PIN)
	return bytes.TrimRight(b, "\r\n"), err
}

// key is what opens the chip, and the printed lines where they were given.
func (c *chipRead) key() (mrtd.Key, []string, error) {
	for _, n := range c.Groups {
		if _, ok := lds.FileOfGroup(n); !ok {
			return mrtd.Key{}, nil, fmt.Errorf("--groups: %d is no data group, 1 to 16", n)
		}
	}
	key := mrtd.Key{CAN: c.CAN}
	lines := linesOf(c.MRZ)
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

// linesOf are the lines of an MRZ given in one argument or in several; nil of none.
func linesOf(given []string) (lines []string) {
	for _, l := range given {
		lines = append(lines, strings.Fields(l)...)
	}
	return lines
}

// refused tells the chip's own no from a reading that broke off.
func refused(err error) bool {
	return errors.Is(err, mrtd.ErrAccessDenied) || errors.Is(err, mrtd.ErrNoApplication)
}

// judge makes the result of what was read.
func judge(reading mrtd.Reading, err error, lines []string, store *trust.Store, start time.Time) readResult {
	now := time.Now()
	found := authn.Options{}.Examine(reading.Chip(lines), store, now)
	if store == nil && found.Passive.Signer.Subject != "" {
		found.Passive.Chain = authn.Verdict{Status: authn.NotPerformed, Code: trustNotGiven}
	}
	in := report.InputOf(reading, err, found, now)
	in.Software, in.Started, in.Took, in.AtChip = "limen "+version, start, now.Sub(start), now.Sub(start)
	r := readResult{Report: report.Of(in), Password: reading.Access.Password, PACE: reading.Access.PACE, Contents: contents(reading.Files)}
	if err != nil {
		r.Error = oneLine(err)
	}
	switch a := reading.Access; {
	case a.Protocol == mrtd.ProtocolBAC && a.PACE == mrtd.PACEFailed:
		r.forgive("pace_failed") // one way in is enough (TR-03135-1, 5.8.3); the note tells of the other
		r.remark(limen.PACEFailed)
	case a.Protocol == mrtd.ProtocolBAC && a.PACE == mrtd.PACEUnsupported:
		r.remark(limen.PACEUnsupported)
	case a.Protocol == mrtd.ProtocolBAC:
		r.remark(limen.PACENotOffered)
	case a.Protocol == mrtd.ProtocolNone:
		r.remark(limen.NoAccessControl)
	}
	if found.Passive.Chain.Status != authn.Passed { // what hangs on it explains nothing beside it
		r.forgive(string(authn.ChipKeyNotAuthentic), string(authn.CardAccessUnconfirmed))
	}
	if store == nil { // what was not asked for is no reason
		r.forgive(trustNotGiven)
		r.remark(trustNotGiven)
	}
	return r
}

// forgive takes reasons away, by their code or whole.
func (r *readResult) forgive(codes ...string) {
	r.Reasons = slices.DeleteFunc(r.Reasons, func(s string) bool {
		code, _, _ := strings.Cut(s, ":")
		return slices.Contains(codes, code) || slices.Contains(codes, s)
	})
}

// contents describes the groups that parse.
func contents(files map[lds.Path][]byte) []lds.Description {
	out := []lds.Description{}
	for n := 1; n <= 16; n++ {
		f, _ := lds.FileOfGroup(n)
		if d, err := lds.Describe(n, files[f.Path()]); err == nil {
			out = append(out, d)
		}
	}
	return out
}

// remark adds a note.
func (r *readResult) remark(code limen.ReasonCode) {
	if !slices.Contains(r.Notes, string(code)) {
		r.Notes = append(r.Notes, string(code))
	}
}

// decodePortrait has limen-portrait decode DG2's first face. That it cannot be
// decoded is a reason.
func (r *readResult) decodePortrait(con *cli.Console, dg2 []byte, file string) error {
	parsed, err := lds.ParseDG2(dg2)
	if err != nil || len(parsed.Faces) == 0 {
		r.Reasons = append(r.Reasons, string(limen.PortraitUnreadable))
		return nil
	}
	img, info, err := decodePicture(con, parsed.Faces[0].Image)
	switch {
	case errors.Is(err, errNoPicture):
		r.Reasons = append(r.Reasons, string(limen.PortraitUnreadable))
		return nil
	case err != nil:
		return err
	}
	r.Portrait = &info
	return writePNG(file, img)
}

// write prints the result, and its report in XML where that was asked for.
func (r *readResult) write(con *cli.Console, c *chipRead) error {
	if c.XML != "" {
		b, err := r.XML()
		if err == nil {
			err = os.WriteFile(c.XML, b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("cannot write the report: %w", err)
		}
	}
	if c.JSON {
		return con.PrintJSON(r)
	}
	r.print(con)
	return nil
}

// print writes the result for a person, the answer last.
func (r *readResult) print(con *cli.Console) {
	opened := "not opened"
	if r.Access != "" {
		opened = strings.Join(strings.Fields(r.Access+" "+r.Channel.Domain+" "+r.Channel.Cipher), " ")
		if r.Password != "" {
			opened += ", with the " + r.Password
		}
	}
	if r.Channel.Protocol != mrtd.ProtocolPACE && r.PACE != "" {
		opened += "; PACE " + words(r.PACE)
	}
	row(con, "chip", opened)
	var files []string
	for _, f := range r.Files {
		files = append(files, f.Name)
	}
	row(con, "files", strings.Join(files, " "))
	if r.Signer != nil {
		row(con, "signer", fmt.Sprintf("%s, %s, until %s", r.Signer.Country, r.Signer.Key, r.Signer.NotAfter.Format(time.DateOnly)))
	}
	if r.Portrait != nil {
		row(con, "picture", r.Portrait.String())
	}
	row(con, "exchanged", fmt.Sprintf("%d commands, %d bytes, %d ms", r.APDUs, r.Bytes, r.MS))
	for _, check := range report.Order() {
		x := r.Checks[check]
		if x.Code == "not_made" {
			continue // nobody looked: most are of the print, or of a seal
		}
		row(con, string(check), words(string(x.Status)))
	}
	answer(con, r.Reasons, slices.Concat(r.Notes, r.Quirks))
}

// answer writes the last rows of a result: what was noticed, and whether all is
// in order.
func answer(con *cli.Console, reasons, notes []string) {
	if len(notes) > 0 {
		row(con, "notes", strings.Join(notes, ", "))
	}
	says := "in order"
	switch {
	case len(reasons) > 0:
		says = "NOT in order: " + strings.Join(reasons, ", ")
	case slices.Contains(notes, trustNotGiven):
		says += "; not checked: who issued it, for want of --trust"
	}
	row(con, "result", says)
}

// words writes a code as words.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// keepFiles writes the files with what opened the chip, as chip simulate takes
// them. Only their owner can read them: a real document's are personal data.
func keepFiles(dir string, reading mrtd.Reading, key mrtd.Key, lines []string) error {
	if len(reading.Files) == 0 {
		return nil
	}
	p := chipsim.Passport{Files: reading.Files, BAC: reading.Access.Protocol != mrtd.ProtocolNone}
	if reading.Access.Password == "CAN" {
		p.CAN = key.CAN
	}
	if chip, err := lds.ParseDG1(reading.Files[0x0101]); err == nil && reading.Access.Password != "MRZ" {
		lines = chip
	}
	p.MRZ = strings.Join(lines, "\n")
	if infos, err := lds.ParseCardAccess(reading.Files[lds.EFCardAccess.Path()]); err == nil {
		for _, i := range infos.PACE {
			v := chipsim.PACE{OID: i.OID, ParameterID: i.ParameterID}
			if ec.ByParameterID(i.ParameterID) != nil && specimen.ProtocolName(i.OID) != "" && !slices.Contains(p.PACE, v) {
				p.PACE = append(p.PACE, v)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot write the files read: %w", err)
	}
	return specimen.Save(p, dir)
}

// oneLine is an error's text without line breaks.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
