package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"limen/cmd/internal/cli"
	"limen/mrtd/mrz"
)

type mrzCommand struct {
	Parse mrzParse `cmd:"" help:"Parse MRZ lines: fields, check digits, repairs."`
}

type mrzParse struct {
	Lines []string `arg:"" optional:"" help:"The lines; read from standard input when none are given."`
	JSON  bool     `name:"json" help:"Print the result as JSON."`
}

// Run prints what an MRZ says; exit code 1 when a check digit does not hold.
func (c *mrzParse) Run(con *cli.Console) error {
	lines := c.Lines
	if len(lines) == 0 {
		var err error
		if lines, err = readLines(); err != nil {
			return err
		}
	}
	if len(lines) == 0 {
		return cli.Usage(errors.New("no MRZ lines: give two or three as arguments, or on standard input"))
	}
	m, err := mrz.Parse(lines, time.Now())
	if err != nil {
		if c.JSON {
			if jerr := con.PrintJSON(map[string]any{"valid": false, "error": err.Error()}); jerr != nil {
				return jerr
			}
			return cli.No
		}
		return cli.Exit(cli.ExitNo, err)
	}
	if c.JSON {
		err = con.PrintJSON(struct {
			mrz.MRZ
			Lines []string `json:"lines"`
			Valid bool     `json:"valid"`
		}{m, m.Lines(), m.Valid()})
	} else {
		printMRZ(con, m)
	}
	if err == nil && !m.Valid() {
		return cli.No
	}
	return err
}

// readLines reads an MRZ from standard input.
func readLines() (lines []string, err error) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if line := strings.TrimSpace(in.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, in.Err()
}

func printMRZ(con *cli.Console, m mrz.MRZ) {
	for _, line := range m.Lines() {
		con.Printf("%s\n", line)
	}
	con.Printf("\n")
	row(con, "format", fmt.Sprintf("%s, document code %s", m.Layout, m.DocumentCode))
	for _, field := range [][2]string{
		{"issuing state", mrz.Alpha3(m.Issuer)}, {"number", m.Number}, {"primary name", m.Primary}, {"secondary name", m.Secondary},
		{"nationality", mrz.Alpha3(m.Nationality)}, {"birth", m.Birth.ISO()}, {"sex", string(m.Sex)}, {"expiry", m.Expiry.ISO()},
		{"optional", strings.TrimSpace(m.Optional + " " + m.Optional2)},
	} {
		if field[1] != "" {
			row(con, field[0], field[1])
		}
	}
	if m.NameTruncated {
		row(con, "note", "the name fills its field and may be shortened")
	}
	row(con, "check digits", checkDigits(m))
	for _, r := range m.Repairs {
		row(con, "repaired", r.String())
	}
	for _, f := range m.Faults {
		row(con, "fault", fmt.Sprintf("%s: %s", f.Field, f.Problem))
	}
}

// checkDigits names those that are wrong.
func checkDigits(m mrz.MRZ) string {
	var wrong []string
	for _, d := range m.Checks {
		if !d.OK {
			wrong = append(wrong, string(d.Field))
		}
	}
	if len(wrong) == 0 {
		return "all right"
	}
	return "WRONG: " + strings.Join(wrong, ", ")
}
