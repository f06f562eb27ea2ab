package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/mrtd"
	"limen/mrtd/authn"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

type chipRead struct {
	Reader   string        `help:"pcsc, pcsc:NAME or pn532:TTY." required:"" placeholder:"READER"`
	MRZ      []string      `name:"mrz" sep:"none" help:"The printed MRZ; all lines in one argument, or the flag once a line." placeholder:"LINES"`
	CAN      string        `name:"can" help:"Card access number." placeholder:"N"`
	Trust    string        `help:"Folder of the trust store; without it the chain is not judged." placeholder:"DIR"`
	Groups   []int         `help:"Data groups to read." default:"1,2" placeholder:"N,..."`
	Out      string        `help:"Write the files read to this folder, for chip simulate and chip verify." placeholder:"DIR"`
	Portrait string        `help:"Decode the portrait and write it here." placeholder:"FILE.png"`
	Wait     time.Duration `help:"How long to wait for a chip." default:"30s"`
	JSON     bool          `name:"json" help:"Print the result as JSON."`
}

// readResult is what chip read prints.
type readResult struct {
	Access   string            `json:"access"` // "PACE brainpoolP256r1 AES-256", "BAC 3DES"; "" when it did not open
	Password string            `json:"password,omitempty"`
	PACE     string            `json:"pace"`
	Files    []string          `json:"files"`
	Checks   map[string]string `json:"checks"`
	Reasons  []string          `json:"reasons"`
	Notes    []string          `json:"notes"`
	Signer   *party            `json:"signer,omitempty"`
	Portrait *decoded          `json:"portrait,omitempty"`
	Commands int               `json:"commands"`
	Bytes    int               `json:"bytes"`
	MS       int64             `json:"ms"`
	Error    string            `json:"error,omitempty"` // why not everything was read
	findings findings
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
	card, done, err := openReader(con, c.Reader, c.Wait)
	if err != nil {
		return err
	}
	defer done()
	start := time.Now()
	reading, err := mrtd.Read(con, card, key, mrtd.Options{Groups: c.Groups})
	result := readResult{MS: time.Since(start).Milliseconds(), Files: []string{}}
	result.judge(reading, err, lines, store)
	unread := err
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
	if err := result.print(con, c.JSON); err != nil {
		return err
	}
	if unread != nil && !refused(unread) {
		return cli.Exit(cli.ExitUse, errors.New(oneLine(unread)))
	}
	return result.findings.exit()
}

// key is what opens the chip, and the printed lines where they were given.
func (c *chipRead) key() (mrtd.Key, []string, error) {
	for _, n := range c.Groups {
		if _, ok := lds.FileOfGroup(n); !ok {
			return mrtd.Key{}, nil, fmt.Errorf("--groups: %d is no data group, 1 to 16", n)
		}
	}
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

// refused tells the chip's own no from a reading that broke off.
func refused(err error) bool {
	return errors.Is(err, mrtd.ErrAccessDenied) || errors.Is(err, mrtd.ErrNoApplication)
}

// judge fills the result from what was read.
func (r *readResult) judge(reading mrtd.Reading, err error, lines []string, store *trust.Store) {
	a := reading.Access
	r.Access, r.Password, r.PACE = a.Summary(), a.Password, a.PACE
	r.Commands, r.Bytes = reading.Stats.Commands, reading.Stats.BytesSent+reading.Stats.BytesReceived
	if err != nil {
		r.Error = oneLine(err)
	}
	groups := map[int][]byte{}
	for _, f := range lds.EveryFile() {
		if b, ok := reading.Files[f.Path()]; ok {
			r.Files = append(r.Files, f.Name)
			if f.Group > 0 {
				groups[f.Group] = b
			}
		}
	}
	f := &r.findings
	switch {
	case errors.Is(err, mrtd.ErrAccessDenied):
		f.note(limen.CheckChipAccess, "", authn.Verdict{Status: authn.Failed, Code: authn.Code(limen.ChipAccessDenied)})
	case errors.Is(err, mrtd.ErrNoApplication):
		f.note(limen.CheckChipAccess, "", authn.Verdict{Status: authn.Failed, Code: authn.Code(limen.ChipNotMRTD)})
	case a.Protocol == "":
		f.note(limen.CheckChipAccess, "", authn.Verdict{Status: authn.Inconclusive, Code: authn.Code(lostOr(err))})
	default:
		f.note(limen.CheckChipAccess, "", authn.Verdict{Status: authn.Passed})
		r.judgeFiles(reading, err, groups, lines, store)
	}
	r.Checks, r.Reasons, r.Notes = f.checks, append([]string{}, f.reasons...), append([]string{}, f.notes...)
}

func (r *readResult) judgeFiles(reading mrtd.Reading, err error, groups map[int][]byte, lines []string, store *trust.Store) {
	f, now := &r.findings, time.Now()
	if err != nil {
		f.note(limen.CheckChipRead, "", authn.Verdict{Status: authn.Inconclusive, Code: authn.Code(lostOr(err))})
	} else {
		f.note(limen.CheckChipRead, "", authn.Verdict{Status: authn.Passed})
	}
	result := f.authenticate(reading.Files[lds.EFSOD.Path()], groups, store, now)
	r.Signer = partyOf(result.Signer)
	if sod, err := lds.ParseSOD(reading.Files[lds.EFSOD.Path()]); err == nil {
		if com, err := lds.ParseCOM(reading.Files[lds.EFCOM.Path()]); err == nil {
			f.note(limen.CheckCOM, "", authn.CompareCOM(&com, sod))
		} else {
			f.note(limen.CheckCOM, "", authn.CompareCOM(nil, sod))
		}
	}
	if groups[1] != nil {
		f.judgeDG1(groups[1], lines, result.Signer, now)
	}
}

func lostOr(err error) limen.ReasonCode {
	if errors.Is(err, mrtd.ErrChipLost) {
		return limen.ChipLost
	}
	return limen.ChipReadFailed
}

// decodePortrait has limen-portrait decode DG2's first face.
func (r *readResult) decodePortrait(con *cli.Console, dg2 []byte, file string) error {
	verdict := authn.Verdict{Status: authn.Failed, Code: authn.Code(limen.PortraitUnreadable)}
	defer func() {
		r.findings.note(limen.CheckPortrait, "", verdict)
		r.Checks, r.Reasons = r.findings.checks, append([]string{}, r.findings.reasons...)
	}()
	parsed, err := lds.ParseDG2(dg2)
	if err != nil || len(parsed.Faces) == 0 {
		return nil
	}
	img, info, err := decodePicture(con, parsed.Faces[0].Image)
	switch {
	case errors.Is(err, errNoPicture):
		return nil
	case err != nil:
		return err
	}
	verdict = authn.Verdict{Status: authn.Passed}
	r.Portrait = &info
	return writePNG(file, img)
}

func (r *readResult) print(con *cli.Console, asJSON bool) error {
	if asJSON {
		return con.PrintJSON(r)
	}
	opened := "not opened"
	if r.Access != "" {
		opened = r.Access
		if r.Password != "" {
			opened += ", with the " + r.Password
		}
	}
	if !strings.HasPrefix(r.Access, mrtd.ProtocolPACE) && r.PACE != "" {
		opened += "; PACE " + strings.ReplaceAll(r.PACE, "_", " ")
	}
	row(con, "chip", opened)
	row(con, "files", strings.Join(r.Files, " "))
	if r.Signer != nil {
		row(con, "signer", r.Signer.String())
	}
	if r.Portrait != nil {
		row(con, "picture", r.Portrait.String())
	}
	row(con, "exchanged", fmt.Sprintf("%d commands, %d bytes, %d ms", r.Commands, r.Bytes, r.MS))
	r.findings.print(con)
	return nil
}

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
