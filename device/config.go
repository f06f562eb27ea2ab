package device

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"limen"
	firmwareconfig "limen/firmware-config"
)

// Config is one appliance's limen.yaml. firmware-config/limen.yaml explains
// every key; a test loads it.
type Config struct {
	Site             string `yaml:"site"`
	Device           string `yaml:"device"`
	Policy           string `yaml:"policy"`
	AcceptDemoModels bool   `yaml:"accept_demo_models"`

	MRZReader       MRZReaderConfig  `yaml:"mrz_reader"`
	ChipReader      ChipReaderConfig `yaml:"chip_reader"`
	Camera          CameraConfig     `yaml:"camera"`
	Models          ModelsConfig     `yaml:"models"`
	PortraitProgram string           `yaml:"portrait_program"`
	Trust           string           `yaml:"trust"`
	Store           string           `yaml:"store"`
	Keys            string           `yaml:"keys"`
	Socket          string           `yaml:"socket"`
	History         HistoryConfig    `yaml:"history"`
	Sites           []SiteConfig     `yaml:"sites"`
	Lookups         []LookupConfig   `yaml:"lookups"`
	Console         ConsoleConfig    `yaml:"console"`
	Metrics         string           `yaml:"metrics"`
	TPM             TPMConfig        `yaml:"tpm"`
	Uplink          UplinkConfig     `yaml:"uplink"`
	Gate            GateConfig       `yaml:"gate"`
	Witness         WitnessConfig    `yaml:"witness"`
	Sets            string           `yaml:"sets"`
}

// MRZReaderConfig is the serial MRZ reader.
type MRZReaderConfig struct {
	Port     string `yaml:"port"`
	Protocol string `yaml:"protocol"` // elyctis | 3m-rte | lines
	Baud     int    `yaml:"baud"`
	Frame    string `yaml:"frame"` // 8N1 | 7E1
}

// ChipReaderConfig is the contactless reader.
type ChipReaderConfig struct {
	Kind string `yaml:"kind"` // pn532 | pcsc | none
	Port string `yaml:"port"`
	Name string `yaml:"name"`
}

// CameraConfig is the live camera.
type CameraConfig struct {
	Source string `yaml:"source"`
	Width  int    `yaml:"width"`
	Height int    `yaml:"height"`
	FPS    int    `yaml:"fps"`
}

// ModelsConfig names entries of the model catalog.
type ModelsConfig struct {
	Detector   string   `yaml:"detector" json:"detector"`
	Recogniser string   `yaml:"recogniser" json:"recogniser"`
	Spoof      []string `yaml:"spoof" json:"spoof"` // judge together; where one is missing, none does
}

// LookupConfig is one database: an HTTPS service, a file, or a set of the centre's.
type LookupConfig struct {
	Name      string `yaml:"name"`
	URL       string `yaml:"url"`
	CA        string `yaml:"ca"`
	TokenFile string `yaml:"token_file"`
	File      string `yaml:"file"`
	Set       string `yaml:"set"`
}

// ConsoleConfig is the officer's page.
type ConsoleConfig struct {
	Listen      string        `yaml:"listen"`
	ForgetAfter time.Duration `yaml:"forget_after"`
	Ask         string        `yaml:"ask"`
}

// UplinkConfig is the way to the centre.
type UplinkConfig struct {
	Broker      string `yaml:"broker"`
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ReceiptKey  string `yaml:"receipt_key"`

	OperationsKey string `yaml:"operations_key"`
}

// TPMConfig is the TPM 2.0 that seals the device's keys when they are made.
type TPMConfig struct {
	Device string `yaml:"device"`
	PCRs   []int  `yaml:"pcrs"`
}

// Defaults is the configuration before a file is read.
func Defaults() Config {
	return Config{
		Policy:     "schengen-egate",
		MRZReader:  MRZReaderConfig{Protocol: "elyctis", Baud: 115200, Frame: "8N1"},
		ChipReader: ChipReaderConfig{Kind: "none"},
		Camera:     CameraConfig{Width: 1280, Height: 720, FPS: 25},
		Models:     ModelsConfig{Detector: "yunet-2023mar", Recogniser: "frr0095", Spoof: []string{"minifasnet-v2-2.7", "minifasnet-v1se-4.0"}},
		Trust:      "/var/lib/limen/trust", Store: "/var/lib/limen/store", Keys: "/var/lib/limen/keys",
		Sets: "/var/lib/limen/sets", Socket: "/run/limen/limen.sock",
		Console: ConsoleConfig{Listen: "127.0.0.1:8420", ForgetAfter: 2 * time.Minute},
		Gate:    defaultGate,
	}
}

// LoadConfig reads limen.yaml strictly: an unknown key, a wrong type or a
// value out of range is one error that names file, line, column and the fix.
func LoadConfig(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("no configuration at %s: copy firmware-config/limen.yaml there, or name another file with --config", path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("cannot read configuration: %w", err)
	}
	return ParseConfig(path, b)
}

// ParseConfig reads a configuration as LoadConfig does; name stands in errors.
func ParseConfig(name string, b []byte) (Config, error) {
	c := Defaults()
	if err := decodeStrict(name, b, &c); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, locate(name, b, err)
	}
	return c, nil
}

// LoadPolicy reads a policy: a name of firmware-config/policies, or a path.
func LoadPolicy(name string) (limen.Policy, error) {
	b, err := firmwareconfig.Files.ReadFile("policies/" + name + ".yaml")
	if err != nil && strings.ContainsAny(name, "/.") {
		b, err = os.ReadFile(name)
	}
	if err != nil {
		var names []string
		entries, _ := firmwareconfig.Files.ReadDir("policies")
		for _, e := range entries {
			names = append(names, strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
		}
		return limen.Policy{}, fmt.Errorf("there is no policy %q: name a file, or one of %s", name, strings.Join(names, ", "))
	}
	return ParsePolicy(name, b)
}

// ParsePolicy reads a policy's text; name stands in errors.
func ParsePolicy(name string, b []byte) (limen.Policy, error) {
	var p limen.Policy
	if err := decodeStrict(name, b, &p); err != nil {
		return limen.Policy{}, err
	}
	if err := p.Validate(); err != nil {
		return limen.Policy{}, locate(name, b, err)
	}
	return p, nil
}

// decodeStrict decodes YAML, refusing keys that do not exist.
func decodeStrict(name string, b []byte, into any) error {
	err := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(into)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	pos := at.GetToken().Position
	message := at.GetMessage()
	if key, ok := strings.CutPrefix(message, "unknown field "); ok {
		message = fmt.Sprintf("there is no key %s", key)
		if near := nearest(strings.Trim(key, `"`), keysOf(into)); near != "" {
			message += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return fmt.Errorf("%s:%d:%d: %s", name, pos.Line, pos.Column, message)
}

// keyError is a value out of range, by its path in the file.
type keyError struct{ path, problem string }

func (e *keyError) Error() string { return e.path + ": " + e.problem }

// locate adds line and column to an error that names a key path first.
func locate(name string, b []byte, err error) error {
	path, _, ok := strings.Cut(err.Error(), ": ")
	if p, perr := yaml.PathString("$." + path); ok && perr == nil {
		if file, ferr := parseYAML(b); ferr == nil {
			if node, nerr := p.FilterFile(file); nerr == nil && node != nil {
				pos := node.GetToken().Position
				return fmt.Errorf("%s:%d:%d: %w", name, pos.Line, pos.Column, err)
			}
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

var identifier = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// Validate says what is wrong with a configuration, naming the key.
func (c Config) Validate() error {
	one := func(path, value string, of ...string) error {
		for _, v := range of {
			if v == value {
				return nil
			}
		}
		return &keyError{path, fmt.Sprintf("%q is not one of %s", value, strings.Join(of, ", "))}
	}
	for path, id := range map[string]string{"site": c.Site, "device": c.Device} {
		if !identifier.MatchString(id) {
			return &keyError{path, fmt.Sprintf("%q must be 1 to 40 of a-z, 0-9 and -", id)}
		}
	}
	if err := one("mrz_reader.protocol", c.MRZReader.Protocol, enums["protocol"]...); err != nil {
		return err
	}
	if err := one("mrz_reader.frame", c.MRZReader.Frame, enums["frame"]...); err != nil {
		return err
	}
	if err := one("chip_reader.kind", c.ChipReader.Kind, enums["kind"]...); err != nil {
		return err
	}
	if c.ChipReader.Kind == "pn532" && c.ChipReader.Port == "" {
		return &keyError{"chip_reader.port", "is empty; a pn532 needs its serial port, such as /dev/ttyUSB0"}
	}
	if c.Camera.Width < 160 || c.Camera.Height < 120 || c.Camera.Width > 7680 || c.Camera.Height > 4320 {
		return &keyError{"camera.width", fmt.Sprintf("%dx%d is not a picture between 160x120 and 7680x4320", c.Camera.Width, c.Camera.Height)}
	}
	for i, l := range c.Lookups {
		ends := 0
		for _, end := range []string{l.URL, l.File, l.Set} {
			if end != "" {
				ends++
			}
		}
		if l.Name == "" || ends != 1 {
			return &keyError{fmt.Sprintf("lookups[%d].name", i), "a lookup has a name and either a url, a file or a set"}
		}
		if l.Set != "" && (c.Uplink.Broker == "" || c.Uplink.OperationsKey == "") {
			return &keyError{fmt.Sprintf("lookups[%d].set", i), "comes from the centre: set uplink.broker and uplink.operations_key"}
		}
		if l.URL != "" && !strings.HasPrefix(l.URL, "https://") {
			return &keyError{fmt.Sprintf("lookups[%d].url", i), "must begin with https://"}
		}
	}
	host, _, err := net.SplitHostPort(c.Console.Listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &keyError{"console.listen", fmt.Sprintf("%q is not a loopback address with a port, such as 127.0.0.1:8420", c.Console.Listen)}
	}
	if err := c.Gate.validate(one); err != nil {
		return err
	}
	if err := limen.CheckAsk(c.Console.Ask); err != nil {
		return &keyError{"console.ask", err.Error()}
	}
	if u := c.Uplink; u.Broker != "" {
		if !strings.HasPrefix(u.Broker, "tls://") {
			return &keyError{"uplink.broker", "must begin with tls://: entries travel encrypted or not at all"}
		}
		for path, v := range map[string]string{"ca": u.CA, "certificate": u.Certificate, "key": u.Key, "receipt_key": u.ReceiptKey} {
			if v == "" {
				return &keyError{"uplink.broker", "is set, so uplink." + path + " must be too"}
			}
		}
	}
	if err := c.validateHistory(); err != nil {
		return err
	}
	return c.Witness.validate()
}
