package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
	"limen/sync/set"
)

type setsCommand struct {
	Publish  setsPublish  `cmd:"" help:"Sign a file as the next number of a set. No device is offered it yet."`
	Rollout  setsRollout  `cmd:"" help:"Have the devices of sites, or all, run a number of a set."`
	Rollback setsRollback `cmd:"" help:"Give all devices an earlier content again, in one step."`
	Show     setsShow     `cmd:"" help:"Sets, their numbers, and which devices run them."`
}

// signing is what commands that sign need.
type signing struct {
	OperationsKey string `help:"File of the key that signs sets and commands (default: operations.key in the centre's folder); it may lie on a medium that is put away." placeholder:"FILE"`
}

func (s signing) signer(w where) (note.Signer, error) {
	set, err := w.settings()
	if err != nil {
		return nil, err
	}
	key, _, err := fleet.OpenOperationsKey(cmp.Or(s.OperationsKey, fleet.OperationsKeyPath(set.Dir)))
	return key, err
}

// days is how long something signed is valid.
type days struct {
	Days int `help:"For how many days devices may take it." default:"30" placeholder:"N"`
}

func (d days) valid() (time.Duration, error) {
	if d.Days < 1 || d.Days > 3650 {
		return 0, cli.Usage(fmt.Errorf("--days %d: give 1 to 3650", d.Days))
	}
	return time.Duration(d.Days) * 24 * time.Hour, nil
}

type setsPublish struct {
	where
	answer
	signing
	days
	Name string   `arg:"" help:"trust, stop, policy or config."`
	File string   `arg:"" help:"Its content."`
	For  []string `help:"Whom it is for: site:NAME, device:NAME; everyone when left out." placeholder:"ADDRESS"`
}

// Run publishes.
func (c *setsPublish) Run(con *cli.Console) error {
	valid, err := c.valid()
	if err != nil {
		return err
	}
	addresses := c.For
	if len(addresses) == 0 {
		addresses = []string{set.Everyone}
	}
	if err := set.CheckAddresses(addresses); err != nil {
		return cli.Usage(fmt.Errorf("--for: %w", err))
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return fmt.Errorf("cannot read the content: %w", err)
	}
	if info.Size() > set.MaxContent {
		return fmt.Errorf("%s has %d bytes; the limit is %d", c.File, info.Size(), set.MaxContent)
	}
	content, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("cannot read the content: %w", err)
	}
	key, err := c.signer(c.where)
	if err != nil {
		return err
	}
	m, err := ask(c.where, func(r *fleet.Records) (set.Manifest, error) {
		return r.Publish(con, c.Name, content, addresses, valid, key, time.Now())
	})
	return published(con, c.JSON, m, err)
}

func published(con *cli.Console, asJSON bool, m set.Manifest, err error) error {
	if err != nil {
		return err
	}
	if asJSON {
		return con.PrintJSON(m)
	}
	con.Printf("set %s number %d, %d bytes, for %s\n", m.Name, m.Number, m.Size, strings.Join(m.For, ", "))
	if m.Repeats > 0 {
		con.Printf("it is number %d again, and rolled out wherever the set is\n", m.Repeats)
	} else {
		con.Printf("no device is offered it: `limen-fleet sets rollout %s %d` with --site NAME or --all\n", m.Name, m.Number)
	}
	return nil
}

type setsRollout struct {
	where
	Name   string   `arg:"" help:"The set."`
	Number uint64   `arg:"" help:"Which of its numbers."`
	Site   []string `help:"Devices of these sites." placeholder:"NAME"`
	All    bool     `help:"All devices."`
}

// Run rolls out.
func (c *setsRollout) Run(con *cli.Console) error {
	if c.All == (len(c.Site) > 0) {
		return cli.Usage(errors.New("say to whom: --site NAME, which may be repeated, or --all"))
	}
	_, err := ask(c.where, func(r *fleet.Records) (struct{}, error) {
		return struct{}{}, r.RollOut(con, c.Name, c.Number, c.Site, time.Now())
	})
	if err != nil {
		return err
	}
	to := "all devices"
	if !c.All {
		to = "devices at " + strings.Join(c.Site, ", ")
	}
	con.Printf("%s are to run set %s number %d; `limen-fleet sets show` says which do\n", to, c.Name, c.Number)
	return nil
}

type setsRollback struct {
	where
	answer
	signing
	days
	Name string `arg:"" help:"The set."`
	To   uint64 `help:"The number whose content comes back; the one before when left out." placeholder:"NUMBER"`
}

// Run rolls back.
func (c *setsRollback) Run(con *cli.Console) error {
	valid, err := c.valid()
	if err != nil {
		return err
	}
	key, err := c.signer(c.where)
	if err != nil {
		return err
	}
	m, err := ask(c.where, func(r *fleet.Records) (set.Manifest, error) {
		return r.RollBack(con, c.Name, c.To, valid, key, time.Now())
	})
	return published(con, c.JSON, m, err)
}

type setsShow struct {
	where
	answer
	Name string `arg:"" optional:"" help:"One set."`
}

// Run lists sets.
func (c *setsShow) Run(con *cli.Console) error {
	sets, err := ask(c.where, func(r *fleet.Records) ([]fleet.SetView, error) { return r.Sets(con, c.Name) })
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(sets)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SET\tNUMBER\tISSUED\tUNTIL\tBYTES\tROLLED OUT TO\tRUN BY\tREMARKS")
	for _, s := range sets {
		remarks := ""
		if s.Repeats > 0 {
			remarks = fmt.Sprintf("number %d again", s.Repeats)
		}
		for _, no := range s.Refused {
			remarks = strings.TrimSpace(fmt.Sprintf("%s refused by %s: %s", remarks, no.Device, no.Why))
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%d devices\t%s\n", s.Name, s.Number, moment(s.Issued), moment(s.Expires), s.Size,
			strings.Join(s.Sites, " "), len(s.Runs), remarks)
	}
	return w.Flush()
}
