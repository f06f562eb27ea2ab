package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"limen/cmd/internal/cli"
	"limen/sync/fleet"
)

// folder is the option every command has.
type folder struct {
	Dir string `help:"The centre's folder." default:"/var/lib/limen-fleet" env:"LIMEN_FLEET_DIR" placeholder:"DIR"`
}

type serveCommand struct {
	folder
	MQTT        string   `name:"mqtt" help:"Where devices connect, with mutual TLS." default:"0.0.0.0:8883" placeholder:"HOST:PORT"`
	HTTP        string   `name:"http" help:"Where the page is; it asks for no password, so keep it on loopback or behind a proxy that does. Empty for none." default:"127.0.0.1:8480" placeholder:"HOST:PORT"`
	Host        []string `help:"Names and addresses that devices dial, for the centre's certificate (default: this machine's name, localhost and 127.0.0.1)." placeholder:"NAME"`
	CA          string   `name:"ca" help:"Authority that certifies devices (default: one of the centre's own, in its folder)." placeholder:"FILE"`
	Certificate string   `help:"The centre's certificate, with --ca." placeholder:"FILE"`
	Key         string   `help:"Its key." placeholder:"FILE"`
	Debug       bool     `help:"Log more."`
}

// Run runs the centre until it is interrupted.
func (c *serveCommand) Run(con *cli.Console) error {
	if (c.CA == "") != (c.Certificate == "") || (c.CA == "") != (c.Key == "") {
		return cli.Exit(cli.ExitUsage, errors.New("--ca, --certificate and --key belong together: give all three, or none to use the centre's own authority"))
	}
	files := fleet.Files{Certificate: c.Certificate, Key: c.Key}
	if c.CA == "" {
		a, err := authority(c.Dir)
		if err != nil {
			return err
		}
		if files, err = a.Server(c.hosts()...); err != nil {
			return err
		}
		c.CA = a.CAPath()
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	centre, err := fleet.Open(fleet.Config{
		Dir: c.Dir, MQTT: c.MQTT, HTTP: c.HTTP, CA: c.CA, Certificate: files.Certificate, Key: files.Key,
		Log: slog.New(slog.NewTextHandler(con.Errors, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		return err
	}
	con.Printf("devices: tls://%s\n", centre.MQTTAddr())
	if addr := centre.HTTPAddr(); addr != "" {
		con.Printf("page: http://%s/\n", addr)
	}
	con.Printf("receipt key: %s\n", centre.ReceiptKey())
	return centre.Run(con)
}

func (c *serveCommand) hosts() []string {
	if len(c.Host) > 0 {
		return c.Host
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// authority is the centre's own, made when it is first needed.
func authority(dir string) (*fleet.Authority, error) {
	path := filepath.Join(dir, "authority")
	a, err := fleet.OpenAuthority(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fleet.NewAuthority(path)
	}
	return a, err
}
