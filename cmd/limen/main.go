// Command limen is the appliance of a contactless border check: e-gate kiosk
// and officer's handheld. `limen --help` lists its commands.
//
// Exit codes: 0 done; 1 a check failed or the answer is no; 2 usage or
// configuration; 3 a device or file could not be used.
package main

import (
	"context"
	"io"

	"github.com/alecthomas/kong"

	"limen/cmd/internal/cli"
)

// version is set by the Makefile.
var version = "unversioned"

// commands is the command line.
type commands struct {
	Version kong.VersionFlag `help:"Print the version."`

	Demo     demoCommand     `cmd:"" help:"The whole appliance on simulated devices."`
	Run      runCommand      `cmd:"" help:"The appliance, from limen.yaml."`
	Doctor   doctorCommand   `cmd:"" help:"What is plugged in, what works, and what to do next."`
	Config   configCommand   `cmd:"" help:"Judge a configuration, or print its schema."`
	MRZ      mrzCommand      `cmd:"" name:"mrz" help:"Machine readable zones."`
	Chip     chipCommand     `cmd:"" help:"Read, issue and simulate document chips."`
	Seal     sealCommand     `cmd:"" help:"Visible digital seals of documents without a chip."`
	Trust    trustCommand    `cmd:"" help:"CSCA certificates and master lists."`
	Face     faceCommand     `cmd:"" help:"Compare faces."`
	Models   modelsCommand   `cmd:"" help:"Face models: list them, install them, choose among them."`
	History  historyCommand  `cmd:"" help:"The journal of checks."`
	Stoplist stoplistCommand `cmd:"" help:"Lists of documents and persons to be stopped."`
	Keys     keysCommand     `cmd:"" help:"The key of the fleet, under which documents are known again."`
}

func main() { commandLine().Main() }

func commandLine() cli.Program {
	return cli.Program{Name: "limen", About: "A contactless border check.", Version: version, Commands: &commands{}}
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	return commandLine().Run(ctx, args, out, errOut)
}
