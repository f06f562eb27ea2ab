package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
)

type migrateCommand struct {
	where
}

// Run migrates the records, or begins them.
func (c *migrateCommand) Run(con *cli.Console) error {
	at, err := c.place()
	if err != nil {
		return err
	}
	records, from, err := fleet.MigrateRecords(at)
	if err != nil {
		return err
	}
	to, err := records.Version(con)
	if err := errors.Join(err, records.Close()); err != nil {
		return err
	}
	if from == to {
		con.Printf("the records are of version %d already\n", to)
	} else {
		con.Printf("the records were of version %d and are of version %d now\n", from, to)
	}
	return nil
}

type backupCommand struct {
	where
	answer
	File string `arg:"" help:"A file that does not exist yet. It holds all that the records hold: keep it as they are kept, and receipt.key and the authority beside it."`
}

// Run writes a backup, whole or not at all.
func (c *backupCommand) Run(con *cli.Console) error {
	if _, err := os.Lstat(c.File); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists: name another file", c.File)
	}
	f, err := os.CreateTemp(filepath.Dir(c.File), filepath.Base(c.File)+".*") // readable by its owner alone
	if err != nil {
		return fmt.Errorf("cannot write the backup: %w", err)
	}
	defer os.Remove(f.Name()) // fails, as it should, once it has been renamed
	s, err := ask(c.where, func(r *fleet.Records) (fleet.BackupSummary, error) {
		if err := exports(con, r, "backup of everything"); err != nil {
			return fleet.BackupSummary{}, err
		}
		return r.Backup(con, f, time.Now())
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), c.File); err != nil {
		return fmt.Errorf("cannot keep the backup: %w", err)
	}
	dir, err := os.Open(filepath.Dir(c.File))
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	return told(con, c.JSON, s)
}

type restoreCommand struct {
	where
	answer
	KeepFaults bool   `help:"Restore also what does not verify, and say so."`
	File       string `arg:"" help:"The backup."`
}

// Run restores; the answer no is that the backup's entries do not hold.
func (c *restoreCommand) Run(con *cli.Console) error {
	at, err := c.place()
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("cannot read the backup: %w", err)
	}
	defer f.Close()
	records, err := fleet.CreateRecords(at)
	if err != nil {
		return err
	}
	s, err := records.Restore(con, f, c.KeepFaults)
	if err = errors.Join(err, records.Close()); err != nil && !errors.Is(err, fleet.ErrFaults) {
		return err
	}
	if told := told(con, c.JSON, s); told != nil {
		return told
	}
	faults := false
	for _, v := range s.Verdict {
		if v.Fault != nil {
			faults = true
			fmt.Fprintf(con.Errors, "%s: %s\n", v.Device, v.Fault)
		}
	}
	if s.Audit != nil && s.Audit.Fault != "" {
		faults = true
		fmt.Fprintf(con.Errors, "audit: line %d: %s\n", s.Audit.Bad, s.Audit.Fault)
	}
	switch {
	case err != nil:
		return cli.Exit(cli.ExitNo, fmt.Errorf("%w; --keep-faults restores it all the same", err))
	case faults:
		return cli.No
	}
	return nil
}

func told(con *cli.Console, asJSON bool, s fleet.BackupSummary) error {
	if asJSON {
		return con.PrintJSON(s)
	}
	con.Printf("%d devices, %d entries, of %s; SHA-256 %s\n", s.Rows["devices"], s.Rows["entries"], s.Made.UTC().Format(time.RFC3339), hex.EncodeToString(s.SHA256))
	return nil
}

type rewriteCommand struct {
	where
}

// Run rewrites.
func (c *rewriteCommand) Run(con *cli.Console) error {
	_, err := ask(c.where, func(r *fleet.Records) (struct{}, error) { return struct{}{}, r.Rewrite(con) })
	if err != nil {
		return err
	}
	con.Printf("the tables' files hold nothing of what was erased\n")
	return nil
}

type certifyCommand struct {
	where
	answer
	What string   `arg:"" enum:"worker,node" help:"worker: takes from a broker; node: is one, in the centre's cluster."`
	Host []string `help:"Names and addresses of a node, as devices, workers and other nodes dial it." placeholder:"NAME"`
	Out  string   `required:"" help:"Folder for certificate and key." placeholder:"DIR"`
}

// Run certifies by the centre's own authority.
func (c *certifyCommand) Run(con *cli.Console) error {
	s, err := c.settings()
	if err != nil {
		return err
	}
	if (c.What == "node") != (len(c.Host) > 0) {
		return cli.Usage(errors.New("a node is certified with --host NAME, a worker without"))
	}
	a, err := authority(s.Dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return fmt.Errorf("cannot make %s: %w", c.Out, err)
	}
	var files fleet.Files
	if c.What == "node" {
		files, err = a.NodeIn(c.Out, c.Host...)
	} else {
		files, err = a.WorkerIn(c.Out)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(map[string]string{"ca": a.CAPath(), "certificate": files.Certificate, "key": files.Key})
	}
	con.Printf("ca: %s\ncertificate: %s\nkey: %s\n", a.CAPath(), files.Certificate, files.Key)
	return nil
}
