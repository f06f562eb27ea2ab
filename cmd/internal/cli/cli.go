// Package cli is what limen's command lines have in common: where commands
// speak, and how errors become exit codes.
//
// Exit codes: 0 done; 1 a check failed or the answer is no; 2 usage or
// configuration; 3 a device or file could not be used.
package cli

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

// The exit codes beyond 0.
const (
	ExitNo    = 1 // the answer is no
	ExitUsage = 2 // command line or configuration
	ExitUse   = 3 // a device or file could not be used; errors without a code of their own
)

// Console is where a command speaks: results to Out, the rest to Errors.
type Console struct {
	context.Context
	Out    io.Writer
	Errors io.Writer
}

// PrintJSON writes one value as one line.
func (c *Console) PrintJSON(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Printf writes a result for people.
func (c *Console) Printf(format string, args ...any) { fmt.Fprintf(c.Out, format, args...) }

// Error is an error with its exit code; Exit makes one.
type Error struct {
	Code int
	Err  error
}

// Error is the error's own text.
func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// No is the answer no: already printed, so it says nothing more.
var No = &Error{ExitNo, errors.New("")}

// Exit marks an error with an exit code.
func Exit(code int, err error) error { return &Error{code, err} }

// Usage marks an error of the command line or configuration; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &Error{ExitUsage, err}
}

// Program is one command line.
type Program struct {
	Name, About, Version string
	Commands             any // a kong grammar whose commands have Run(*Console) error
}

// Main runs the process's own command line, until it is interrupted, and exits.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Run executes one command line and returns its exit code.
func (p Program) Run(ctx context.Context, args []string, out, errOut io.Writer) int {
	exited := -1
	parser, err := kong.New(p.Commands, kong.Name(p.Name), kong.Description(p.About),
		kong.Vars{"version": p.Version}, kong.Writers(out, errOut), kong.UsageOnError(), kong.Exit(func(c int) { exited = c }))
	if err != nil {
		panic(p.Name + ": command line definition: " + err.Error())
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 { // --help and --version have printed and asked to leave
		return exited
	}
	if err == nil {
		err = kctx.Run(&Console{ctx, out, errOut})
	} else {
		err = Usage(err)
	}
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintf(errOut, "%s: %v\n", p.Name, err)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ExitUse
}
