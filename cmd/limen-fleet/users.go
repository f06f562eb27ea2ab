package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
)

type usersCommand struct {
	Add      userAddCommand      `cmd:"" help:"Make an account; the password is asked for, or read from a pipe."`
	List     userListCommand     `cmd:"" help:"All accounts."`
	Password userPasswordCommand `cmd:"" help:"Give an account another password; it is unlocked and signed out."`
	Roles    userRolesCommand    `cmd:"" help:"Give an account other roles; it is signed out."`
	Disable  userDisableCommand  `cmd:"" help:"Shut an account; it stays for the audit's sake."`
	Enable   userEnableCommand   `cmd:"" help:"Open an account again."`
}

// change opens the records, does one thing to an account, and writes the audit.
func change(con *cli.Console, w where, subject string, do func(*fleet.Records) error) error {
	s, err := w.settings()
	if err != nil {
		return err
	}
	open := fleet.CreateRecords // the first account may come before the centre's first start
	if s.Database != "" {
		open = fleet.OpenRecords
	}
	records, err := open(cmp.Or(s.Database, s.Dir))
	if err != nil {
		return err
	}
	err = do(records)
	if err == nil {
		_, err = records.Note(con, fleet.Access{Name: operator(), Action: fleet.ActionUser, Subject: subject}, time.Now())
	}
	return errors.Join(err, records.Close())
}

type userAddCommand struct {
	where
	Role string `required:"" help:"viewer (fleet, figures), operator (and alarms), supervisor (and searches), privacy-officer (searches, and the audit), technician (fleet, alarms); several with commas between." placeholder:"ROLES"`
	Name string `arg:"" help:"a-z, 0-9, dot, hyphen, underscore."`
}

// Run makes an account.
func (c *userAddCommand) Run(con *cli.Console) error {
	roles, err := fleet.ParseRoles(c.Role)
	if err != nil {
		return cli.Usage(err)
	}
	password, err := readPassword(con, os.Stdin)
	if err != nil {
		return err
	}
	if err := change(con, c.where, c.Name+" made: "+roles.String(), func(r *fleet.Records) error { return r.AddUser(con, c.Name, password, roles, time.Now()) }); err != nil {
		return err
	}
	con.Printf("%s can sign in\n", c.Name)
	return nil
}

type userPasswordCommand struct {
	where
	Name string `arg:""`
}

// Run sets a password.
func (c *userPasswordCommand) Run(con *cli.Console) error {
	password, err := readPassword(con, os.Stdin)
	if err != nil {
		return err
	}
	return change(con, c.where, c.Name+" has another password", func(r *fleet.Records) error { return r.SetPassword(con, c.Name, password) })
}

type userRolesCommand struct {
	where
	Name string `arg:""`
	Role string `arg:"" help:"viewer (fleet, figures), operator (and alarms), supervisor (and searches), privacy-officer (searches, and the audit), technician (fleet, alarms); several with commas between."`
}

// Run sets roles.
func (c *userRolesCommand) Run(con *cli.Console) error {
	roles, err := fleet.ParseRoles(c.Role)
	if err != nil {
		return cli.Usage(err)
	}
	return change(con, c.where, c.Name+" is now: "+roles.String(), func(r *fleet.Records) error { return r.SetRoles(con, c.Name, roles) })
}

type userDisableCommand struct {
	where
	Name string `arg:""`
}

// Run shuts an account.
func (c *userDisableCommand) Run(con *cli.Console) error {
	return change(con, c.where, c.Name+" disabled", func(r *fleet.Records) error { return r.Disable(con, c.Name, true, time.Now()) })
}

type userEnableCommand struct {
	where
	Name string `arg:""`
}

// Run opens an account.
func (c *userEnableCommand) Run(con *cli.Console) error {
	return change(con, c.where, c.Name+" enabled", func(r *fleet.Records) error { return r.Disable(con, c.Name, false, time.Now()) })
}

type userListCommand struct {
	where
	answer
}

// Run lists the accounts.
func (c *userListCommand) Run(con *cli.Console) error {
	users, err := ask(c.where, func(r *fleet.Records) ([]fleet.User, error) { return r.Users(con) })
	if err != nil {
		return err
	}
	if c.JSON {
		return con.PrintJSON(users)
	}
	w := tabwriter.NewWriter(con.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLES\tMADE\tREMARKS")
	for _, u := range users {
		remarks := ""
		switch {
		case u.Disabled != 0:
			remarks = "disabled on " + moment(u.Disabled)
		case u.Locked.Time().After(time.Now()):
			remarks = "locked until " + moment(u.Locked)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.Name, u.Roles, moment(u.Created), remarks)
	}
	return w.Flush()
}

// readPassword asks at a terminal, without showing what is typed, or reads a
// line from a pipe. It is never an argument: those are everybody's to see.
func readPassword(con *cli.Console, in *os.File) (string, error) {
	fd := int(in.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil { // no terminal
		return firstLine(in)
	}
	silent := *was
	silent.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("cannot ask for a password here: %w", err)
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, was)
	fmt.Fprint(con.Errors, "Password: ")
	first, err := firstLine(in)
	if err != nil {
		return "", err
	}
	fmt.Fprint(con.Errors, "\nAgain: ")
	again, err := firstLine(in)
	fmt.Fprintln(con.Errors)
	if err == nil && first != again {
		err = cli.Usage(errors.New("the two passwords are not the same"))
	}
	return first, err
}

// firstLine reads byte by byte up to a line's end: what follows is not ours.
func firstLine(in io.Reader) (string, error) {
	line, err := bufio.NewReaderSize(oneByte{in}, 16).ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", cli.Usage(errors.New("no password was given: type it at the terminal, or pipe it in"))
	}
	return strings.TrimRight(line, "\r\n"), nil
}

type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(1, len(b))]) }
