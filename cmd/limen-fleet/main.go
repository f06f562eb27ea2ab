// Command limen-fleet is the centre: it takes the devices' journals, keeps
// them and shows them. `limen-fleet --help` lists its commands.
//
// Exit codes: 0 done; 1 the answer is no; 2 usage or configuration; 3 a
// device or file could not be used.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the Makefile.
var version = "unversioned"

// commands is the command line.
type commands struct {
	Version kong.VersionFlag `help:"Print the version."`

	Serve   serveCommand   `cmd:"" help:"The centre: broker, records, page."`
	Enrol   enrolCommand   `cmd:"" help:"Make a device known, and its certificate."`
	Devices devicesCommand `cmd:"" help:"The devices and how far each is held."`
	History historyCommand `cmd:"" help:"Where and when a document was checked."`
	Verify  verifyCommand  `cmd:"" help:"Recompute every device's history against what it signed."`
}

// console is where a command speaks: results to out, the rest to err.
type console struct {
	context.Context
	out io.Writer
	err io.Writer
}

// printJSON writes one value as one line.
func (c *console) printJSON(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// The exit codes beyond 0.
const (
	exitNo    = 1
	exitUsage = 2
	exitUse   = 3
)

// coded is an error with its exit code; errors without are exitUse.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string { return e.err.Error() }
func (e *coded) Unwrap() error { return e.err }

// no is the answer no: already printed, so it says nothing more.
var no = &coded{exitNo, errors.New("")}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) (code int) {
	exited := -1
	parser, err := kong.New(&commands{}, kong.Name("limen-fleet"), kong.Description("The centre of a fleet of border checks."),
		kong.Vars{"version": version}, kong.Writers(out, errOut), kong.UsageOnError(), kong.Exit(func(c int) { exited = c }))
	if err != nil {
		panic("limen-fleet: command line definition: " + err.Error())
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 { // --help and --version have printed and asked to leave
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "limen-fleet: %v\n", err)
		return exitUsage
	}
	err = kctx.Run(&console{ctx, out, errOut})
	if err == nil {
		return 0
	}
	code = exitUse
	if c, ok := errors.AsType[*coded](err); ok {
		code = c.code
	}
	if err.Error() != "" {
		fmt.Fprintf(errOut, "limen-fleet: %v\n", err)
	}
	return code
}
