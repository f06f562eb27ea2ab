package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/cmd/internal/cli"
	orders "limen/sync/command"
	"limen/sync/fleet"
)

type commandCommand struct {
	Send   commandSend   `cmd:"" help:"Have a device do something: lock (its keys are destroyed), fetch_sets, health."`
	Erase  commandErase  `cmd:"" help:"Have every device that checked a document forget it."`
	Rotate commandRotate `cmd:"" help:"Give all devices a new operations key, signed by the present one."`
	Show   commandShow   `cmd:"" help:"Commands, and what became of them."`
}

// ordered is what every command says.
type ordered struct {
	By    string `required:"" help:"Who orders it, by number. It is recorded at the device." placeholder:"NUMBER"`
	Why   string `name:"reason" required:"" help:"Why: a reason, or the reference of an order. It is recorded at the device." placeholder:"TEXT"`
	Hours int    `help:"For how many hours a device may take it." default:"168" placeholder:"N"`
}

func (o ordered) life() (time.Duration, error) {
	life := time.Duration(o.Hours) * time.Hour
	if o.Hours < 1 || life > orders.MaxLife {
		return 0, cli.Usage(fmt.Errorf("--hours %d: give 1 to %d", o.Hours, orders.MaxLife/time.Hour))
	}
	return life, nil
}

// order signs a command for each of some devices.
func order(ctx context.Context, r *fleet.Records, devices []string, c orders.Command, life time.Duration, key note.Signer) (out []orders.Command, err error) {
	for _, d := range devices {
		made, err := r.Command(ctx, d, c, life, key, time.Now())
		if err != nil {
			return out, err
		}
		out = append(out, made)
	}
	return out, nil
}

func printOrdered(con *cli.Console, asJSON bool, out []orders.Command, err error) error {
	if err != nil {
		return err
	}
	if asJSON {
		return con.PrintJSON(out)
	}
	for _, c := range out {
		con.Printf("%s: command %d, %s; `limen-fleet command show %s` says what became of it\n", c.Device, c.Number, c.What, c.Device)
	}
	return nil
}

type commandSend struct {
	where
	answer
	signing
	ordered
	Device string `arg:"" help:"The device."`
	What   string `arg:"" enum:"lock,fetch_sets,health" help:"lock, fetch_sets or health."`
}

// Run sends one command.
func (c *commandSend) Run(con *cli.Console) error {
	life, err := c.life()
	if err != nil {
		return err
	}
	key, err := c.signer(c.where)
	if err != nil {
		return err
	}
	out, err := ask(c.where, func(r *fleet.Records) ([]orders.Command, error) {
		return order(con, r, []string{c.Device}, orders.Command{What: orders.What(c.What), By: c.By, Why: c.Why}, life, key)
	})
	return printOrdered(con, c.JSON, out, err)
}

type commandErase struct {
	where
	answer
	signing
	ordered
	Document string `arg:"" help:"The document's pseudonym on any device: 8 to 64 of its first hex digits."`
}

// Run orders an erasure; the answer no is that no device knows the document.
func (c *commandErase) Run(con *cli.Console) error {
	life, err := c.life()
	if err != nil {
		return err
	}
	key, err := c.signer(c.where)
	if err != nil {
		return err
	}
	out, err := ask(c.where, func(r *fleet.Records) ([]orders.Command, error) {
		traces, devices, err := r.TracesOf(con, c.Document)
		if err != nil || len(devices) == 0 {
			return nil, err
		}
		return order(con, r, devices, orders.Command{What: orders.Erase, By: c.By, Why: c.Why, Traces: traces}, life, key)
	})
	if err == nil && len(out) == 0 {
		return cli.No
	}
	return printOrdered(con, c.JSON, out, err)
}

type commandRotate struct {
	where
	answer
	signing
	ordered
	Out     string `required:"" help:"File for the new key. Sign with it once the devices have taken it." placeholder:"FILE"`
	Overlap int    `help:"For how many days devices still take sets signed by the present key." default:"30" placeholder:"N"`
}

// Run makes a key and commands every device to take it.
func (c *commandRotate) Run(con *cli.Console) error {
	life, err := c.life()
	if err != nil {
		return err
	}
	key, err := c.signer(c.where)
	if err != nil {
		return err
	}
	private, public, err := note.GenerateKey(rand.Reader, key.Name())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot keep the new key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n", private, public)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("cannot keep the new key: %w", err)
	}
	out, err := ask(c.where, func(r *fleet.Records) ([]orders.Command, error) {
		views, err := r.Devices(con)
		if err != nil {
			return nil, err
		}
		var devices []string
		for _, v := range views {
			devices = append(devices, v.Name)
		}
		until := time.Now().Add(time.Duration(c.Overlap) * 24 * time.Hour).UnixMilli()
		return order(con, r, devices, orders.Command{What: orders.OperationsKey, By: c.By, Why: c.Why, Key: public, Until: until}, life, key)
	})
	if err := printOrdered(con, c.JSON, out, err); err != nil || c.JSON {
		return err
	}
	con.Printf("a device that did not take it until then is enrolled anew: its limen.yaml gets operations_key: %s\n", public)
	return nil
}

type commandShow struct {
	where
	answer
	Device string `arg:"" optional:"" help:"One device."`
	Last   int    `help:"How many." default:"50"`
}

// Run lists commands.
func (c *commandShow) Run(con *cli.Console) error {
	views, err := ask(c.where, func(r *fleet.Records) ([]fleet.CommandView, error) { return r.Commands(con, c.Device, c.Last) })
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(views)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tNUMBER\tCOMMAND\tMADE\tUNTIL\tRESULT\tDETAIL")
	for _, v := range views {
		result := v.Result
		if result == "" {
			result = "not told yet"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", v.Device, v.Number, v.What, moment(v.Made), moment(v.Expires), result, v.Detail)
	}
	return w.Flush()
}
