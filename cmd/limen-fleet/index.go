package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
)

type indexCommand struct {
	where
	answer
	For  string `help:"The device." required:"" placeholder:"DEVICE"`
	From uint64 `help:"What it has already, as its limen history learn said; 0 for all, which takes the place of what it had."`
	Days int    `help:"How far back checks go." default:"90"`
	Out  string `help:"Folder for the files." default:"." placeholder:"DIR"`
}

// Run writes deltas until the device would have everything.
func (c *indexCommand) Run(con *cli.Console) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	key := cmp.Or(s.ReceiptKey, filepath.Join(s.Dir, "receipt.key"))
	now := time.Now()
	type written struct {
		File      string `json:"file"`
		To        uint64 `json:"to"`
		Sightings int    `json:"sightings"`
	}
	files, err := ask(c.where, func(r *fleet.Records) (out []written, err error) {
		for from, more := c.From, true; more; {
			b, d, err := r.SealedIndex(con, key, c.For, from, now.AddDate(0, 0, -c.Days), now)
			if err != nil {
				return out, err
			}
			name := filepath.Join(c.Out, fmt.Sprintf("%s-%012d.index", c.For, d.To))
			if err := os.WriteFile(name, b, 0o600); err != nil {
				return out, err
			}
			out = append(out, written{name, d.To, len(d.Sightings)})
			from, more = d.To, d.More
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(files)
	}
	for _, f := range files {
		con.Printf("%s  %d sightings, up to %d\n", f.File, f.Sightings, f.To)
	}
	return nil
}
