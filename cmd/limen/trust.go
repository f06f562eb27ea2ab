package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"limen/cmd/internal/cli"
	"limen/mrtd/trust"
)

type trustCommand struct {
	Import trustImport `cmd:"" help:"Import CSCA certificates; master and deviation lists that a pinned signer root vouches for; revocation lists; LDIF as the ICAO PKD ships it."`
	List   trustList   `cmd:"" help:"List the CSCA certificates an inspection trusts, and the lists that go with them."`
	Verify trustVerify `cmd:"" help:"Judge every certificate and list of the store: signatures, validity, revocation, age."`
}

type trustImport struct {
	Files []string `arg:"" help:"Certificates (DER, PEM), master lists, revocation lists (DER, PEM), deviation lists or LDIF."`
	Root  []string `help:"CSCA certificate of a state that signed the master lists, obtained by another way; the flag once a state." placeholder:"SIGNER.cer" sep:"none"`
	Links bool     `help:"Take certificates only where a CSCA of the store signed them as its link certificates."`
	Trust string   `help:"Folder of the trust store." required:"" placeholder:"DIR"`
	JSON  bool     `name:"json" help:"Print one JSON object per file."`
}

// imported is what became of one file.
type imported struct {
	File         string         `json:"file"`
	Certificates int            `json:"certificates"` // in the store through this file, duplicates counted once
	Added        int            `json:"added"`
	Accepted     bool           `json:"accepted"`
	Reason       string         `json:"reason,omitempty"`
	Held         bool           `json:"held,omitempty"` // the store has this very list already
	CRL          *crlLine       `json:"crl,omitempty"`
	Deviations   *deviationLine `json:"deviation_list,omitempty"`
	LDIF         *trust.Counts  `json:"ldif,omitempty"`
}

// Run imports each file; exit code 1 when one is refused.
func (c *trustImport) Run(con *cli.Console) error {
	v := trust.Vouching{LinksOnly: c.Links}
	for _, path := range c.Root {
		root, err := readRoot(path)
		if err != nil {
			return err
		}
		v.Roots = append(v.Roots, root)
	}
	store, err := trust.Open(c.Trust)
	if err != nil {
		return fmt.Errorf("cannot open trust store: %w", err)
	}
	refused := false
	for _, file := range c.Files {
		result, err := importFile(store, file, v)
		if err != nil {
			return err
		}
		refused = refused || !result.Accepted
		if c.JSON {
			if err := con.PrintJSON(result); err != nil {
				return err
			}
			continue
		}
		con.Printf("%s: %s\n", file, result)
	}
	if refused {
		return cli.No
	}
	return nil
}

// importFile imports one file. An error says that it could not be read; one
// that is refused is a result.
func importFile(store *trust.Store, file string, v trust.Vouching) (imported, error) {
	f, err := os.Open(file)
	if err != nil {
		return imported{}, fmt.Errorf("cannot read %s: %w", file, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return imported{}, fmt.Errorf("cannot read %s: it is a folder", file)
	}
	now := time.Now()
	i, err := store.ImportFrom(filepath.Base(file), f, v, now)
	out := imported{File: file, Certificates: i.Counts.Added + i.Counts.Duplicates, Added: i.Counts.Added, Accepted: err == nil, Held: i.Held}
	switch {
	case err != nil:
		out.Reason = err.Error()
	case i.Kind == trust.KindCRL:
		out.CRL = crlOf(i.CRL, now)
	case i.Kind == trust.KindDeviationList:
		out.Deviations = deviationsOf(*i.Deviations, now)
	case i.Kind == trust.KindLDIF:
		out.LDIF = &i.Counts
	}
	return out, nil
}

// String is the result for people.
func (i imported) String() string {
	held := ""
	if i.Held {
		held = ", in the store already"
	}
	switch {
	case !i.Accepted:
		return "refused: " + i.Reason
	case i.CRL != nil:
		return "accepted, revocation list " + i.CRL.String() + held
	case i.Deviations != nil:
		return "accepted, deviation list " + i.Deviations.String() + held
	case i.LDIF != nil:
		n := i.LDIF
		return fmt.Sprintf("accepted, %s, %d of them new; %s of document signers, %d new; %d lists, %d new; left out: %d certificates and %d lists that nothing vouches for, %d unreadable, %d change records and URLs",
			certificates(i.Certificates), i.Added, certificates(n.Signers+n.SignersHeld), n.Signers, n.Lists+n.ListsHeld, n.Lists,
			n.Refused+n.Unchained, n.ListsRefused, n.Unreadable, n.Skipped)
	}
	return fmt.Sprintf("accepted, %s, %d of them new", certificates(i.Certificates), i.Added)
}

func readRoot(path string) (*trust.Certificate, error) {
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

// crlLine is a revocation list as results name it.
type crlLine struct {
	Issuer     string          `json:"issuer"`
	Country    string          `json:"country"`
	Number     string          `json:"number,omitempty"`
	ThisUpdate string          `json:"this_update"`
	NextUpdate string          `json:"next_update,omitempty"`
	Revoked    int             `json:"revoked"`
	AgeDays    int             `json:"age_days"`
	Overdue    bool            `json:"overdue"`
	Findings   []trust.Finding `json:"findings,omitempty"`
}

func crlOf(l *trust.CRL, at time.Time) *crlLine {
	out := &crlLine{
		Issuer: l.Issuer.String(), Country: l.Issuer.Country, Number: l.NumberText(), ThisUpdate: l.ThisUpdate.Format(time.DateOnly),
		Revoked: l.Len(), AgeDays: days(at.Sub(l.ThisUpdate)), Overdue: l.Overdue(at),
	}
	if !l.NextUpdate.IsZero() {
		out.NextUpdate = l.NextUpdate.Format(time.DateOnly)
	}
	return out
}

func (l *crlLine) String() string {
	s := fmt.Sprintf("of %s of %s, %d days old, %d revoked", l.Country, l.ThisUpdate, l.AgeDays, l.Revoked)
	if l.Overdue {
		s += ", overdue"
	}
	return s
}

// deviationLine is a deviation list as results name it.
type deviationLine struct {
	Signer     string `json:"signer"`
	Country    string `json:"country"`
	Signed     string `json:"signed"`
	Deviations int    `json:"deviations"`
	AgeDays    int    `json:"age_days"`
}

func deviationsOf(l trust.DeviationList, at time.Time) *deviationLine {
	return &deviationLine{l.Signer.Subject.String(), l.Signer.Subject.Country, l.SigningTime.Format(time.DateOnly), len(l.Deviations), days(at.Sub(l.SigningTime))}
}

func (l *deviationLine) String() string {
	return fmt.Sprintf("of %s of %s, %d days old, %d deviations", l.Country, l.Signed, l.AgeDays, l.Deviations)
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

type trustList struct {
	Trust string `help:"Folder of the trust store." required:"" placeholder:"DIR"`
	JSON  bool   `name:"json" help:"Print the list as JSON."`
}

// Run prints how many certificates of which state are trusted, since when, and
// the lists with their ages.
func (c *trustList) Run(con *cli.Console) error {
	store, err := openNamed(c.Trust)
	if err != nil {
		return err
	}
	now := time.Now()
	crls, deviations := []*crlLine{}, []*deviationLine{}
	for _, l := range store.CRLs() {
		crls = append(crls, crlOf(l, now))
	}
	for _, l := range store.DeviationLists() {
		deviations = append(deviations, deviationsOf(l, now))
	}
	countries := store.Countries()
	if c.JSON {
		return con.PrintJSON(map[string]any{
			"certificates": store.Len(), "countries": countries, "sources": store.Sources(),
			"crls": crls, "deviation_lists": deviations, "signers": store.Signers(),
		})
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
		if s.Kind != trust.KindCRL && s.Kind != trust.KindDeviationList {
			con.Printf("%s: %s, of %s, %d days old\n", s.Name, certificates(s.Counts.Added+s.Counts.Duplicates), s.Date().Format(time.DateOnly), days(now.Sub(s.Date())))
		}
	}
	for _, l := range crls {
		con.Printf("revocation list %s\n", l)
	}
	for _, l := range deviations {
		con.Printf("deviation list %s\n", l)
	}
	if n := store.Signers(); n > 0 {
		con.Printf("%s of document signers\n", certificates(n))
	}
	return nil
}

func certificates(n int) string {
	if n == 1 {
		return "1 certificate"
	}
	return fmt.Sprintf("%d certificates", n)
}

// openNamed opens the store of a command that is about nothing else.
func openNamed(dir string) (*trust.Store, error) {
	if dir == "" {
		return nil, cli.Usage(errors.New("--trust: name the folder of the trust store"))
	}
	return openTrust(dir)
}

// dayOf reads a day given on the command line; "" is now.
func dayOf(flag, value string) (time.Time, error) {
	if value == "" {
		return time.Now(), nil
	}
	day, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return time.Time{}, cli.Usage(fmt.Errorf("%s %q is not a day such as 2026-01-31", flag, value))
	}
	return day, nil
}

func states(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), " ") }
