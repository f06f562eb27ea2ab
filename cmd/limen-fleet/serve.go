package main

import (
	"cmp"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"limen/cmd/internal/cli"
	"limen/sync/desk"
	"limen/sync/fleet"
)

type serveCommand struct {
	where
	Role        *string  `help:"Which part of the centre this process is: broker, ingest or api (default: all of it)." placeholder:"ROLE"`
	MQTT        *string  `name:"mqtt" help:"Where devices connect, with mutual TLS (default: 0.0.0.0:8883)." placeholder:"HOST:PORT"`
	HTTP        *string  `name:"http" help:"Where the pages are: on loopback, or with a certificate (pages.certificate). Empty for none (default: 127.0.0.1:8480)." placeholder:"HOST:PORT"`
	Metrics     *string  `help:"Where /metrics and /healthz are, for those who run the centre; they ask for no password (default: nowhere)." placeholder:"HOST:PORT"`
	Host        []string `help:"Names and addresses that devices dial, for the centre's certificate (default: this machine's name, localhost and 127.0.0.1)." placeholder:"NAME"`
	CA          *string  `name:"ca" help:"Authority that certifies devices (default: one of the centre's own, in its folder)." placeholder:"FILE"`
	Certificate *string  `help:"The centre's certificate, with --ca." placeholder:"FILE"`
	Key         *string  `help:"Its key." placeholder:"FILE"`
	Debug       bool     `help:"Log more."`
}

// Run runs the centre, or the part of it that is its role, until it is
// interrupted.
func (c *serveCommand) Run(con *cli.Console) error {
	s, err := c.all()
	if err != nil {
		return cli.Usage(err)
	}
	if s.Role == string(fleet.RoleWhole) && s.CA == "" {
		a, err := authority(s.Dir)
		if err != nil {
			return err
		}
		files, err := a.Server(hosts(s.Hosts)...)
		if err != nil {
			return err
		}
		s.CA, s.Certificate, s.Key = a.CAPath(), files.Certificate, files.Key
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	config := s.config()
	config.Log = slog.New(slog.NewTextHandler(con.Errors, &slog.HandlerOptions{Level: level}))
	options, err := s.pages(config.Log)
	if err != nil {
		return err
	}
	config.Pages = func(c *fleet.Centre) (http.Handler, error) {
		d, err := desk.New(c, options)
		if err != nil {
			return nil, err
		}
		return d.Handler(), nil
	}
	centre, err := fleet.Open(config)
	if err != nil {
		return err
	}
	if addr := centre.MQTTAddr(); addr != "" {
		con.Printf("devices: tls://%s\n", addr)
	}
	if addr := centre.HTTPAddr(); addr != "" {
		scheme := "http"
		if s.Pages.Certificate != "" {
			scheme = "https"
		}
		con.Printf("page: %s://%s/\n", scheme, addr)
	}
	if addr := centre.MetricsAddr(); addr != "" {
		con.Printf("metrics: http://%s/metrics\n", addr)
	}
	if key := centre.ReceiptKey(); key != "" {
		con.Printf("receipt key: %s\n", key)
	}
	return centre.Run(con)
}

// all are the settings with the flags laid over them.
func (c *serveCommand) all() (settings, error) {
	s, err := c.settings()
	if err != nil {
		return s, err
	}
	for _, o := range []struct{ flag, setting *string }{{c.Role, &s.Role}, {c.MQTT, &s.MQTT}, {c.HTTP, &s.HTTP}, {c.Metrics, &s.Metrics}, {c.CA, &s.CA}, {c.Certificate, &s.Certificate}, {c.Key, &s.Key}} {
		if o.flag != nil {
			*o.setting = *o.flag
		}
	}
	if len(c.Host) > 0 {
		s.Hosts = c.Host
	}
	return s, s.check(cmp.Or(c.Config, "command line"))
}

func hosts(given []string) []string {
	if len(given) > 0 {
		return given
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
