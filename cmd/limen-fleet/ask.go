package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/sync/fleet"
)

// answer is the option every question has.
type answer struct {
	JSON bool `name:"json" help:"Print the result as JSON."`
}

// ask opens the records, also those of a running centre, for one question.
func ask[T any](w where, question func(*fleet.Records) (T, error)) (T, error) {
	var none T
	at, err := w.place()
	if err != nil {
		return none, err
	}
	records, err := fleet.OpenRecords(at)
	if errors.Is(err, fs.ErrNotExist) {
		return none, fmt.Errorf("no centre has worked in %s: name its folder with --dir", at)
	}
	if err != nil {
		return none, err
	}
	result, err := question(records)
	return result, errors.Join(err, records.Close())
}

type devicesCommand struct {
	where
	answer
}

// Run lists the devices.
func (c *devicesCommand) Run(con *cli.Console) error {
	devices, err := ask(c.where, func(r *fleet.Records) ([]fleet.DeviceView, error) { return r.Devices(con) })
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(devices)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tSTATE\tLAST SEEN\tHELD\tLAST CHECK\tREMARKS")
	for _, d := range devices {
		remarks := ""
		if d.Refusal != "" {
			remarks = "refused: " + d.Refusal
		}
		if d.Rewritten != 0 {
			remarks = "history rewritten on " + moment(d.Rewritten) + ": have the device examined"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", d.Name, d.State, moment(d.Seen), d.Held, moment(d.LastCheck), remarks)
	}
	return w.Flush()
}

type historyCommand struct {
	where
	answer
	Reason   string `required:"" help:"Why you ask: a case number or a few words, for the audit."`
	Document string `arg:"" help:"The document's pseudonym: 8 to 64 of its first hex digits."`
}

// Run says where and when; the answer no is that the document is not known.
func (c *historyCommand) Run(con *cli.Console) error {
	if len(c.Document) < 8 || len(c.Document) > 64 || strings.Trim(strings.ToLower(c.Document), "0123456789abcdef") != "" {
		return cli.Exit(cli.ExitUsage, errors.New("a document is named by 8 to 64 hex digits of its pseudonym"))
	}
	if len(strings.TrimSpace(c.Reason)) < 8 {
		return cli.Exit(cli.ExitUsage, errors.New("--reason says why you ask, in 8 characters or more"))
	}
	checks, err := ask(c.where, func(r *fleet.Records) ([]fleet.CheckView, error) {
		line := fleet.Access{Name: operator(), Action: fleet.ActionSearch, Subject: fleet.NamedDocument(c.Document), Reason: c.Reason}
		if _, err := r.Note(con, line, time.Now()); err != nil {
			return nil, err
		}
		return r.History(con, c.Document)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		if err := con.PrintJSON(checks); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
		for _, k := range checks {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", moment(k.Time), k.Site, k.Device, k.Kind, k.Outcome, strings.TrimSpace(strings.Join(k.Reasons, " ")+" "+k.Says))
			for _, says := range k.Corrections {
				fmt.Fprintf(w, "\t\t\tCORRECTED\t\t%s\n", says)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		con.Printf("%d entries\n", len(checks))
	}
	if len(checks) == 0 {
		return cli.No
	}
	return nil
}

type verifyCommand struct {
	where
	answer
	Audit string `help:"A line of the audit noted elsewhere, from the log or an earlier verification: then a cut end and an audit written anew are found." placeholder:"NUMBER:HASH"`
}

// verified is what verifying found, as JSON has it.
type verified struct {
	Devices []fleet.Verdict    `json:"devices"`
	Audit   fleet.AuditVerdict `json:"audit"`
}

// Run verifies; the answer no is that some device's entries, or the audit, do
// not hold.
func (c *verifyCommand) Run(con *cli.Console) error {
	known, err := c.known()
	if err != nil {
		return err
	}
	v, err := ask(c.where, func(r *fleet.Records) (v verified, err error) {
		if v.Devices, err = r.Verify(con); err == nil {
			v.Audit, err = r.VerifyAudit(con, known)
		}
		return v, err
	})
	if err != nil {
		return err
	}
	bad := v.Audit.Fault != ""
	for _, d := range v.Devices {
		bad = bad || d.Fault != nil
	}
	if c.JSON {
		if err := con.PrintJSON(v); err != nil {
			return err
		}
	} else {
		v.print(con)
	}
	if bad {
		return cli.No
	}
	return nil
}

func (v verified) print(con *cli.Console) {
	for _, d := range v.Devices {
		if d.Fault != nil {
			con.Printf("%s: %s\n", d.Device, d.Fault)
		} else {
			con.Printf("%s: %d entries hold, signed by the device in %d checkpoints\n", d.Device, d.Size, d.Checkpoints)
		}
	}
	if v.Audit.Fault != "" {
		con.Printf("audit: line %d: %s\n", v.Audit.Bad, v.Audit.Fault)
	} else {
		con.Printf("audit: %d lines hold; note %d:%s elsewhere, and a cut end will be found\n", v.Audit.Lines, v.Audit.Lines, v.Audit.Head)
	}
}

func (c *verifyCommand) known() (a fleet.Access, err error) {
	if c.Audit == "" {
		return a, nil
	}
	number, hash, _ := strings.Cut(c.Audit, ":")
	a.Number, err = strconv.ParseInt(number, 10, 64)
	if err == nil {
		a.Hash, err = hex.DecodeString(hash)
	}
	if err != nil || a.Number < 1 || len(a.Hash) != sha256.Size {
		return a, cli.Usage(errors.New("--audit is NUMBER:HASH, as an earlier verification printed it"))
	}
	return a, nil
}

// exports notes in the audit that records leave in files.
func exports(con *cli.Console, r *fleet.Records, what string) error {
	_, err := r.Note(con, fleet.Access{Name: operator(), Action: fleet.ActionExport, Subject: what}, time.Now())
	return err
}

// operator is who runs this command, as the audit names them.
func operator() string {
	if u, err := user.Current(); err == nil {
		return "command line: " + u.Username
	}
	return "command line: uid " + strconv.Itoa(os.Getuid())
}

func moment(m limen.Moment) string {
	if m == 0 {
		return "never"
	}
	return m.Time().Format(time.RFC3339)
}
