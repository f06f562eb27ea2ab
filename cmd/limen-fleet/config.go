package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"limen/cmd/internal/cli"
	"limen/sync/desk"
	"limen/sync/fleet"
	"limen/sync/wire"
)

// where says where the centre's things are: every command has these options.
type where struct {
	Config   string `help:"Configuration file, as firmware-config/centre/fleet.yaml explains it; flags win over it." placeholder:"FILE"`
	Dir      string `help:"The centre's folder (default: /var/lib/limen-fleet)." env:"LIMEN_FLEET_DIR" placeholder:"DIR"`
	Database string `help:"PostgreSQL database that holds the records (default: SQLite in the folder); keep passwords in ~/.pgpass." env:"LIMEN_FLEET_DATABASE" placeholder:"postgres://…"`
}

// settings are the configuration file.
type settings struct {
	Role        string              `yaml:"role"`
	Dir         string              `yaml:"dir"`
	Database    string              `yaml:"database"`
	ReceiptKey  string              `yaml:"receipt_key"`
	MQTT        string              `yaml:"mqtt"`
	HTTP        string              `yaml:"http"`
	Pages       pageSettings        `yaml:"pages"`
	Metrics     string              `yaml:"metrics"`
	CA          string              `yaml:"ca"`
	Certificate string              `yaml:"certificate"`
	Key         string              `yaml:"key"`
	Hosts       []string            `yaml:"hosts"`
	Queue       queueSettings       `yaml:"queue"`
	Cluster     clusterSettings     `yaml:"cluster"`
	Regions     map[string][]string `yaml:"regions"`
}

type pageSettings struct {
	PublicURL   string       `yaml:"public_url"`
	Certificate string       `yaml:"certificate"`
	Key         string       `yaml:"key"`
	OIDC        oidcSettings `yaml:"oidc"`
}

type oidcSettings struct {
	Issuer     string              `yaml:"issuer"`
	ClientID   string              `yaml:"client_id"`
	SecretFile string              `yaml:"secret_file"`
	Scopes     []string            `yaml:"scopes"`
	NameClaim  string              `yaml:"name_claim"`
	RolesClaim string              `yaml:"roles_claim"`
	Roles      map[string][]string `yaml:"roles"`
}

type queueSettings struct {
	NATS        []string `yaml:"nats"`
	Replicas    int      `yaml:"replicas"`
	Credentials string   `yaml:"credentials"`
	MQTT        string   `yaml:"mqtt"`
	CA          string   `yaml:"ca"`
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
}

type clusterSettings struct {
	Name    string   `yaml:"name"`
	Clients string   `yaml:"clients"`
	Listen  string   `yaml:"listen"`
	Routes  []string `yaml:"routes"`
	Nodes   int      `yaml:"nodes"`
}

func defaults() settings {
	return settings{
		Dir: "/var/lib/limen-fleet", MQTT: "0.0.0.0:8883", HTTP: "127.0.0.1:8480",
		Queue:   queueSettings{Replicas: 3},
		Regions: map[string][]string{},
		Cluster: clusterSettings{Clients: "0.0.0.0:4222", Listen: "0.0.0.0:6222", Nodes: 3},
	}
}

// settings are the defaults, the file, and the flags, the last winning.
func (w where) settings() (settings, error) {
	s := defaults()
	if w.Config != "" {
		if err := s.read(w.Config); err != nil {
			return s, cli.Usage(err)
		}
	}
	s.Dir, s.Database = cmp.Or(w.Dir, s.Dir), cmp.Or(w.Database, s.Database)
	return s, nil
}

// place is where the records are: a folder, or a database's address.
func (w where) place() (string, error) {
	s, err := w.settings()
	return cmp.Or(s.Database, s.Dir), err
}

// read reads a file strictly: what it says wrong is one error that names file,
// line, column and the fix.
func (s *settings) read(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no configuration at %s: copy firmware-config/centre/fleet.yaml there, or leave --config out", path)
	}
	if err != nil {
		return fmt.Errorf("cannot read configuration: %w", err)
	}
	err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(s)
	if err == nil || errors.Is(err, io.EOF) {
		return s.check(path)
	}
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	message := at.GetMessage()
	if key, ok := strings.CutPrefix(message, "unknown field "); ok {
		message = fmt.Sprintf("there is no key %s: firmware-config/centre/fleet.yaml lists them all", key)
	}
	pos := at.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", path, pos.Line, pos.Column, message)
}

// check finds what a role lacks before anything is opened.
func (s *settings) check(path string) error {
	wrong := func(key, format string, args ...any) error {
		return fmt.Errorf("%s: %s: %s", path, key, fmt.Sprintf(format, args...))
	}
	switch fleet.Role(s.Role) {
	case fleet.RoleWhole, fleet.RoleAPI, fleet.RoleBroker, fleet.RoleIngest:
	default:
		return wrong("role", "%q is none of broker, ingest, api; leave it out for one process", s.Role)
	}
	for region, sites := range s.Regions {
		if err := wire.CheckIdentifier(region); err != nil {
			return wrong("regions", "a region is named as a device is: %v", err)
		}
		for _, site := range sites {
			if err := wire.CheckIdentifier(site); err != nil {
				return wrong("regions."+region, "a site is named as a device is: %v", err)
			}
		}
	}
	switch {
	case s.Database != "" && !strings.HasPrefix(s.Database, "postgres://") && !strings.HasPrefix(s.Database, "postgresql://"):
		return wrong("database", "it must begin with postgres://, such as postgres://limen@db.example/fleet")
	case (s.Role == string(fleet.RoleIngest) || s.Role == string(fleet.RoleAPI)) && s.Database == "":
		return wrong("database", "the role %s shares its records with other processes: name a PostgreSQL database", s.Role)
	case s.Role == string(fleet.RoleIngest) && (len(s.Queue.NATS) > 0) == (s.Queue.MQTT != ""):
		return wrong("queue", "name servers of a NATS cluster under nats, or one broker under mqtt")
	case s.Role == string(fleet.RoleIngest) && (s.Queue.CA == "" || s.Queue.Certificate == "" || s.Queue.Key == ""):
		return wrong("queue", "ca, certificate and key are how worker and broker know each other: `limen-fleet certify worker` makes them")
	case s.Queue.Replicas < 1 || s.Queue.Replicas > 5:
		return wrong("queue.replicas", "%d is not 1 to 5", s.Queue.Replicas)
	case s.Role == string(fleet.RoleBroker) && s.Cluster.Name == "":
		return wrong("cluster.name", "each node needs a name of its own")
	case s.Role == string(fleet.RoleBroker) && s.CA == "":
		return wrong("ca", "a node needs ca, certificate and key: `limen-fleet certify node` makes them")
	case (s.Pages.Certificate == "") != (s.Pages.Key == ""):
		return wrong("pages.certificate", "certificate and key belong together")
	case s.exposed():
		return wrong("http", "%s is open to the network, and passwords go over it: give pages.certificate and pages.key, or keep it on loopback behind a proxy and name that in pages.public_url", s.HTTP)
	case s.Pages.OIDC.Issuer != "" && s.Pages.PublicURL == "":
		return wrong("pages.public_url", "the identity provider sends browsers back to it: name it, such as https://fleet.example")
	case (s.CA == "") != (s.Certificate == "") || (s.CA == "") != (s.Key == ""):
		return wrong("ca", "ca, certificate and key belong together: give all three, or none to use the centre's own authority")
	}
	return nil
}

// exposed tells whether pages without TLS of their own, and without a proxy
// that has it, listen elsewhere than on loopback.
func (s *settings) exposed() bool {
	if s.HTTP == "" || s.Pages.Certificate != "" || strings.HasPrefix(s.Pages.PublicURL, "https://") || s.Role == string(fleet.RoleIngest) || s.Role == string(fleet.RoleBroker) {
		return false
	}
	host, _, err := net.SplitHostPort(s.HTTP)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// pages are what people see.
func (s settings) pages(log *slog.Logger) (desk.Options, error) {
	o := desk.Options{PublicURL: s.Pages.PublicURL, Log: log}
	p := s.Pages.OIDC
	if p.Issuer == "" {
		return o, nil
	}
	o.OIDC = &desk.OIDC{Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes, NameClaim: p.NameClaim, RolesClaim: p.RolesClaim, Roles: map[fleet.UserRole][]string{}}
	for role, words := range p.Roles {
		o.OIDC.Roles[fleet.UserRole(role)] = words
	}
	if p.SecretFile != "" {
		b, err := os.ReadFile(p.SecretFile)
		if err != nil {
			return o, fmt.Errorf("cannot read the identity provider's secret: %w", err)
		}
		o.OIDC.ClientSecret = strings.TrimSpace(string(b))
	}
	return o, nil
}

// config is what the centre is opened with.
func (s settings) config() fleet.Config {
	c := fleet.Config{
		Role: fleet.Role(s.Role), Dir: s.Dir, Database: s.Database, ReceiptKey: s.ReceiptKey, MQTT: s.MQTT, HTTP: s.HTTP,
		CA: s.CA, Certificate: s.Certificate, Key: s.Key,
		Queue: fleet.Queue(s.Queue), Metrics: s.Metrics, HTTPCertificate: s.Pages.Certificate, HTTPKey: s.Pages.Key,
		Regions: map[string]string{},
	}
	for region, sites := range s.Regions {
		for _, site := range sites {
			c.Regions[site] = region
		}
	}
	if c.Role == fleet.RoleBroker {
		cluster := fleet.Cluster(s.Cluster)
		c.Cluster = &cluster
	}
	return c
}
