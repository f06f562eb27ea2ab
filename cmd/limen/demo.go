package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"limen"
	"limen/cmd/internal/cli"
	"limen/cmd/internal/demo"
)

type demoCommand struct {
	Headless bool          `help:"Play every traveller once, without the officer's page, and end."`
	JSON     bool          `name:"json" help:"Print one JSON object per inspection, and the totals."`
	Pause    time.Duration `help:"Between travellers, when somebody watches." default:"6s"`
	Log      bool          `help:"Print the appliance's log."`
}

// Run plays the demonstration. Headless, exit code 0 says that every traveller
// was decided about as expected, stored at the centre, and the history verifies.
func (c *demoCommand) Run(con *cli.Console) error {
	dir, err := os.MkdirTemp("", "limen-demo-")
	if err != nil {
		return fmt.Errorf("cannot make the demonstration's folder: %w", err)
	}
	defer os.RemoveAll(dir)
	logs := io.Discard
	if c.Log {
		logs = con.Errors
	}
	play, err := startDemo(con, dir, demo.Travellers(), slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		return err
	}
	var totals demo.Totals
	if c.Headless {
		totals, err = play.all(con, demo.Travellers(), func(l demo.Line) error { return c.print(con, l) })
	} else {
		err = c.show(con, play)
	}
	if err = errors.Join(err, play.close()); err != nil || !c.Headless {
		return err
	}
	if c.JSON {
		err = con.PrintJSON(totals)
	} else {
		con.Printf("%d inspections, %d as expected, %d stored at the centre, history verified: %v\n",
			totals.Inspections, totals.AsExpected, totals.StoredAtCentre, totals.HistoryVerified)
	}
	if err == nil && !totals.Agree() {
		return cli.No
	}
	return err
}

func (c *demoCommand) print(con *cli.Console, l demo.Line) error {
	if c.JSON {
		return con.PrintJSON(l)
	}
	word := "as expected"
	if !l.AsExpected() {
		word = "NOT as expected: " + l.Expected.Outcome + " " + strings.Join(l.Expected.Reasons, " ")
	}
	if l.Note != "" && l.Record.Index == 0 {
		con.Printf("%s: `limen models list` says what is missing\n", l.Note)
	}
	con.Printf("%-52s %-6s %-34s %5d ms  %s\n", l.Traveller, l.Outcome, strings.Join(l.Details, " "), l.MS.Total.Duration().Milliseconds(), word)
	return nil
}

// show opens the officer's page and plays the travellers over and over.
func (c *demoCommand) show(ctx *cli.Console, play *played) error {
	ctx.Printf("officer's page:  %s\ncentre:          http://%s (sign in as %s, password %s)\ninterrupt to end\n",
		play.appliance.url(), play.stage.Centre.HTTPAddr(), demo.User, play.stage.Password)
	if os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" {
		exec.Command("xdg-open", play.appliance.url()).Start() // a page that does not open by itself is printed above
	}
	for ctx.Err() == nil {
		for _, t := range demo.Travellers() {
			l, err := play.stage.Play(ctx, t, play.finished)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if err := c.print(ctx, l); err != nil {
				return err
			}
			select {
			case <-time.After(c.Pause):
			case <-ctx.Done():
			}
			if err := play.stage.Leave(); err != nil {
				return err
			}
		}
	}
	return nil
}

// played is a stage with the appliance running on it.
type played struct {
	stage     *demo.Stage
	appliance *assembly
	finished  chan limen.Finished
	stop      context.CancelFunc
	done      chan error
}

// startDemo sets the stage and runs the appliance from its limen.yaml.
func startDemo(ctx context.Context, dir string, travellers []demo.Traveller, log *slog.Logger) (*played, error) {
	stage, err := demo.Open(ctx, dir, travellers)
	if err != nil {
		return nil, err
	}
	return runOn(ctx, stage, log)
}

// runOn runs the appliance on a stage, which it closes with it.
func runOn(ctx context.Context, stage *demo.Stage, log *slog.Logger) (p *played, err error) {
	p = &played{stage: stage, finished: make(chan limen.Finished, 8), done: make(chan error, 1)}
	if p.appliance, err = assemble(stage.Config, log, func(f limen.Finished) { p.finished <- f }); err != nil {
		return nil, errors.Join(err, stage.Close())
	}
	stage.SetCAN = p.appliance.appliance.SetCAN
	stage.FaceProblem = p.appliance.appliance.FaceProblem
	var running context.Context
	running, p.stop = context.WithCancel(ctx)
	go func() { p.done <- p.appliance.run(running) }()
	return p, p.ready(ctx)
}

// readyLimit is how long the devices may take to come up.
const readyLimit = 20 * time.Second

// ready waits until every device works, or cannot be had for good.
func (p *played) ready(ctx context.Context) error {
	limit, stop := context.WithTimeout(ctx, readyLimit)
	defer stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if p.appliance.appliance.Ready() {
			return nil
		}
		select {
		case err := <-p.done:
			p.done <- err
			return errors.Join(errors.New("the appliance ended before it was ready"), err, p.close())
		case <-limit.Done():
			err := fmt.Errorf("the appliance's devices are not ready after %v: %v", readyLimit, p.appliance.appliance.States())
			return errors.Join(err, p.close())
		case <-look.C:
		}
	}
}

// all plays every traveller once and sums up.
func (p *played) all(ctx context.Context, travellers []demo.Traveller, each func(demo.Line) error) (demo.Totals, error) {
	var totals demo.Totals
	for _, t := range travellers {
		l, err := p.stage.Play(ctx, t, p.finished)
		if err = errors.Join(err, p.stage.Leave()); err != nil {
			return totals, err
		}
		totals.Inspections++
		if l.AsExpected() {
			totals.AsExpected++
		}
		if err := each(l); err != nil {
			return totals, err
		}
	}
	stored, err := p.stage.AwaitCentre(ctx, uint64(totals.Inspections))
	totals.StoredAtCentre = stored
	if err != nil {
		return totals, err
	}
	verdict, err := p.appliance.history.Verify(ctx)
	totals.HistoryVerified = err == nil && verdict.Fault == nil && verdict.Size == uint64(totals.Inspections)
	return totals, err
}

// close stops the appliance first, then what it hangs on.
func (p *played) close() error {
	p.stop()
	return errors.Join(<-p.done, p.stage.Close())
}
