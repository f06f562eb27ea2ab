// Command limen-fleet is the centre: it takes the devices' journals, keeps
// them and shows them. `limen-fleet --help` lists its commands.
//
// Exit codes: 0 done; 1 the answer is no; 2 usage or configuration; 3 a
// device or file could not be used.
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

	Serve   serveCommand   `cmd:"" help:"The centre: broker, records, pages."`
	Enrol   enrolCommand   `cmd:"" help:"Make a device known, and its certificate."`
	Migrate migrateCommand `cmd:"" help:"Bring the records up to this program's version; one process does it by itself."`
	Backup  backupCommand  `cmd:"" help:"Write all records into one file."`
	Restore restoreCommand `cmd:"" help:"Fill empty records from such a file, and verify them."`
	Rewrite rewriteCommand `cmd:"" help:"Write the database's tables anew without what was erased: daily, with PostgreSQL."`
	Certify certifyCommand `cmd:"" help:"Certify an ingest worker or a broker of the centre's cluster."`
	Devices devicesCommand `cmd:"" help:"The devices and how far each is held."`
	History historyCommand `cmd:"" help:"Where and when a document was checked."`
	Sets    setsCommand    `cmd:"" help:"What devices are sent: trust lists, stop lists, policies, configuration."`
	Command commandCommand `cmd:"" help:"Have devices do something."`
	Verify  verifyCommand  `cmd:"" help:"Recompute every device's history against what it signed, and the audit."`
	Users   usersCommand   `cmd:"" help:"Local accounts for the pages."`
}

func main() { commandLine().Main() }

func commandLine() cli.Program {
	return cli.Program{Name: "limen-fleet", About: "The centre of a fleet of border checks.", Version: version, Commands: &commands{}}
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	return commandLine().Run(ctx, args, out, errOut)
}
