package main

import (
	"errors"
	"fmt"
	"io/fs"
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
	fmt.Fprintln(w, "DEVICE\tSTATE\tLAST SEEN\tHELD\tLAST OUTCOME\tREMARKS")
	for _, d := range devices {
		remarks := ""
		if d.Refusal != "" {
			remarks = "refused: " + d.Refusal
		}
		if d.Rewritten != 0 {
			remarks = "history rewritten on " + moment(d.Rewritten) + ": have the device examined"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", d.Name, d.State, moment(d.Seen), d.Held, d.Outcome, remarks)
	}
	return w.Flush()
}

type historyCommand struct {
	where
	answer
	Document string `arg:"" help:"The document's pseudonym: 8 to 64 of its first hex digits."`
}

// Run says where and when; the answer no is that the document is not known.
func (c *historyCommand) Run(con *cli.Console) error {
	if len(c.Document) < 8 || len(c.Document) > 64 || strings.Trim(strings.ToLower(c.Document), "0123456789abcdef") != "" {
		return cli.Exit(cli.ExitUsage, errors.New("a document is named by 8 to 64 hex digits of its pseudonym"))
	}
	checks, err := ask(c.where, func(r *fleet.Records) ([]fleet.CheckView, error) { return r.History(con, c.Document) })
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
}

// Run verifies; the answer no is that some device's entries do not hold.
func (c *verifyCommand) Run(con *cli.Console) error {
	verdicts, err := ask(c.where, func(r *fleet.Records) ([]fleet.Verdict, error) { return r.Verify(con) })
	if err != nil {
		return err
	}
	if c.JSON {
		if err := con.PrintJSON(verdicts); err != nil {
			return err
		}
	}
	bad := false
	for _, v := range verdicts {
		bad = bad || v.Fault != nil
		switch {
		case c.JSON:
		case v.Fault != nil:
			con.Printf("%s: %s\n", v.Device, v.Fault)
		default:
			con.Printf("%s: %d entries hold, signed by the device in %d checkpoints\n", v.Device, v.Size, v.Checkpoints)
		}
	}
	if bad {
		return cli.No
	}
	return nil
}

func moment(m limen.Moment) string {
	if m == 0 {
		return "never"
	}
	return m.Time().Format(time.RFC3339)
}
