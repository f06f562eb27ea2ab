package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"limen/cmd/internal/cli"
	"limen/device"
	"limen/hw/keystore"
	"limen/sync/history"
	"limen/sync/index"
	"limen/sync/journal"
	"limen/sync/wire"
)

type historyCommand struct {
	Find    historyFind    `cmd:"" help:"Where and how often a document was checked. The question is recorded."`
	Show    historyShow    `cmd:"" help:"Show entries, newest first."`
	Verify  historyVerify  `cmd:"" help:"Recompute the whole journal and name the first bad entry."`
	Export  historyExport  `cmd:"" help:"Take out all that is known of a document, with proofs for others. It is recorded."`
	Erase   historyErase   `cmd:"" help:"Forget a document, what is old, or entries. That it was done is recorded."`
	Correct historyCorrect `cmd:"" help:"Say what is wrong in an entry; the entry stays."`
	Slip    historySlip    `cmd:"" help:"The code that the traveler of an entry takes along, as a picture."`
}

// historyOf says whose history is asked.
type historyOf struct {
	Config string `help:"Configuration file of the appliance." default:"limen.yaml" placeholder:"FILE"`
	JSON   bool   `name:"json" help:"Print the result as JSON."`
}

// open asks the running appliance, and opens the store itself when none runs:
// one process owns the store.
func (h historyOf) open(ctx context.Context) (history.Questions, error) {
	cfg, err := device.LoadConfig(h.Config)
	if err != nil {
		return nil, cli.Usage(err)
	}
	if c, err := history.Dial(ctx, cfg.Socket); err == nil {
		return c, nil
	}
	if _, err := os.Stat(cfg.Store); errors.Is(err, fs.ErrNotExist) { // a question begins no history
		return nil, fmt.Errorf("no appliance answers at %s, and there is no history in %s: `limen run --config %s` begins one, or correct store and socket in the configuration", cfg.Socket, cfg.Store, h.Config)
	}
	keys, err := keystore.OpenSealed(cfg.Keys, sealOf(cfg))
	if err != nil {
		return nil, fmt.Errorf("no appliance runs, and its store cannot be opened: %w", err)
	}
	key := keys.StoreKey()
	j, err := journal.Open(cfg.Store, journal.Options{Key: key[:], Name: wire.Origin(cfg.Device), Signer: keys.Signer()})
	if err != nil {
		return nil, err
	}
	witnesses, err := witnessKeys(cfg.Witness)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	var region *index.Index
	opts := history.Options{Pseudonyms: pseudonyms{keys}, Signer: keys.Signer(), Site: cfg.Site, Device: cfg.Device, Sent: sentBefore(cfg)}
	if _, err := os.Stat(regionPath(cfg)); err == nil { // a question begins no index
		if region, err = index.Open(regionPath(cfg), key[:], nil); err != nil {
			return nil, errors.Join(err, j.Close())
		}
		opts.Region = region
	}
	asked := history.New(j, opts)
	asked.Witnessed(witnesses, cfg.Witness.Quorum)
	if region == nil {
		return asked, nil
	}
	return withRegion{asked, region}, nil
}

// withRegion closes the index with the history that is asked.
type withRegion struct {
	*history.History
	region *index.Index
}

// Close closes both.
func (w withRegion) Close() error { return errors.Join(w.History.Close(), w.region.Close()) }

type historyShow struct {
	historyOf
	Entry int64 `arg:"" optional:"" default:"-1" help:"The entry to show; the newest when left out."`
	Last  int   `help:"How many entries to show." default:"1"`
}

// Run shows entries.
func (c *historyShow) Run(con *cli.Console) (err error) {
	h, err := c.open(con)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	shown, err := h.Show(c.Entry, c.Last)
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(shown)
	}
	for _, s := range shown {
		con.Printf("%s\n", describeEntry(s))
	}
	return nil
}

func describeEntry(s history.Shown) string {
	if s.Record == nil {
		return fmt.Sprintf("%6d  erased", s.Index)
	}
	r := s.Record
	what := string(r.Decision.Outcome)
	switch {
	case r.Officer != nil:
		what = fmt.Sprintf("%s by officer %s, about entry %d", what, r.Officer.Officer, r.Officer.Index)
	case r.Correction != nil:
		what = fmt.Sprintf("correction by officer %s, about entry %d: %s", r.Correction.Officer, r.Correction.Index, r.Correction.Says)
	case r.Notice != nil:
		what = fmt.Sprintf("%s %s: %s", r.Notice.What, r.Notice.Subject, r.Notice.Says)
	case r.Question != nil:
		what = fmt.Sprintf("%s by %s, %d found: %s", r.Question.What, r.Question.Who, r.Question.Found, r.Question.Why)
	}
	if s.Document != "" {
		what += "  document " + s.Document
	}
	line := fmt.Sprintf("%6d  %s  %s/%s  %s", s.Index, r.Started.Time().Format(time.DateTime), r.Site, r.Device, what)
	for _, reason := range append(r.Decision.Reasons, r.Decision.Notes...) {
		line += "  " + reason.String()
	}
	if r.Face != nil {
		line += fmt.Sprintf("  judged by %s (%s)", r.Face.Model, r.Face.Grade)
	}
	for _, c := range s.Corrections {
		line += "\n        CORRECTED: " + c
	}
	return line
}

type historyVerify struct {
	historyOf
}

// Run verifies; exit code 1 when something does not hold.
func (c *historyVerify) Run(con *cli.Console) (err error) {
	h, err := c.open(con)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	v, err := h.Verify(con)
	if err != nil {
		return err
	}
	if c.JSON {
		err = con.PrintJSON(v)
	} else if v.Fault == nil {
		con.Printf("%d entries, all in order; root %s, signed up to entry %d\n%s\n", v.Size, v.Root, v.Signed, v.Witnessed)
		for _, f := range v.Clock {
			con.Printf("misdated: %s\n", f)
		}
		if more := v.Misdated - uint64(len(v.Clock)); more > 0 {
			con.Printf("misdated: %d more\n", more)
		}
		if v.Unmapped > 0 {
			con.Printf("%d records no document leads to: their fleet key is gone, or their mapping was taken away\n", v.Unmapped)
		}
	} else {
		con.Printf("NOT in order: %s\n", v.Fault)
	}
	if err == nil && v.Fault != nil {
		return cli.No
	}
	return err
}
