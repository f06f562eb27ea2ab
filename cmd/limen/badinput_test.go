package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"limen/device"
)

// specimenMRZ is the specimen of Doc 9303-4.
const specimenMRZ = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"

// Each command that cannot do what it was told says in one line what was
// wrong, where, and what to do next.
func TestBadInputHasOneClearLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	misspelled := file("misspelled.yaml", "site: utopia-airport\ndevice: gate-1\nchip_reader:\n  kidn: none\n")
	absent := filepath.Join(dir, "absent.yaml")
	wrongValue := file("value.yaml", "site: utopia-airport\ndevice: gate-1\nmrz_reader:\n  protocol: morse\n")
	broken := file("broken.yaml", "site: [\n")
	noPort := filepath.Join(dir, "ttyUSB9")
	brokenTrust := filepath.Join(dir, "trust")
	if err := os.Mkdir(brokenTrust, 0o700); err != nil {
		t.Fatal(err)
	}
	file("trust/index.json", "{")
	noStore := freshConfig(t, dir, "nostore.yaml")
	specimen := strings.Split(specimenMRZ, "\n")
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		words []string
	}{
		{"misspelled key, check", []string{"config", "check", misspelled}, 2, []string{misspelled + ":4:3", `"kidn"`, `did you mean "kind"?`}},
		{"misspelled key, run", []string{"run", "--config", misspelled}, 2, []string{misspelled + ":4:3", `did you mean "kind"?`}},
		{"misspelled key, doctor", []string{"doctor", "--config", misspelled}, 2, []string{misspelled + ":4:3", `did you mean "kind"?`}},
		{"misspelled key, history", []string{"history", "show", "--config", misspelled}, 2, []string{misspelled + ":4:3", `did you mean "kind"?`}},
		{"wrong value", []string{"run", "--config", wrongValue}, 2, []string{wrongValue + ":4:13", "mrz_reader.protocol", `"morse"`, "elyctis"}},
		{"no YAML", []string{"run", "--config", broken}, 2, []string{broken + ":1:"}},
		{"no configuration", []string{"run", "--config", absent}, 2, []string{absent, "copy firmware-config/limen.yaml there", "--config"}},
		{"no serial port", []string{"chip", "read", "--reader", "pn532:" + noPort, "--mrz", specimenMRZ}, 3, []string{noPort, "plug the device in"}},
		{"no such reader", []string{"chip", "read", "--reader", "acr122", "--mrz", specimenMRZ}, 2, []string{`"acr122"`, "pcsc:NAME", "pn532:TTY"}},
		{"no key", []string{"chip", "read", "--reader", "pcsc"}, 2, []string{"--mrz", "--can"}},
		{"MRZ lines that are none", []string{"chip", "read", "--reader", "pcsc", "--mrz", "HELLO"}, 2, []string{"--mrz", "line"}},
		{"one MRZ line of two", []string{"mrz", "parse", specimen[0]}, 1, []string{"line"}},
		{"trust folder is a file", []string{"trust", "list", "--trust", misspelled}, 3, []string{misspelled, "trust store"}},
		{"trust folder is broken", []string{"trust", "list", "--trust", brokenTrust}, 3, []string{brokenTrust, "index.json", "import its sources again"}},
		{"no trust folder", []string{"trust", "list", "--trust", filepath.Join(dir, "none")}, 3, []string{filepath.Join(dir, "none"), "limen trust import"}},
		{"chip read with a broken trust folder", []string{"chip", "read", "--reader", "pcsc", "--mrz", specimenMRZ, "--trust", brokenTrust}, 3, []string{brokenTrust, "index.json"}},
		{"no history, no keys", []string{"history", "show", "--config", noStore}, 3, []string{filepath.Join(dir, "store"), "limen run"}},
		{"unknown command", []string{"inspect"}, 2, []string{"inspect"}},
		{"unknown flag", []string{"run", "--verbose"}, 2, []string{"--verbose"}},
		{"half a command", []string{"history"}, 2, []string{"show", "verify"}},
	} {
		code, out, errOut := execute(t, c.args...)
		if code != c.code || out != "" {
			t.Errorf("%s: got exit code %d and %q on standard output, want %d and nothing", c.name, code, out, c.code)
		}
		if !strings.HasPrefix(errOut, "limen: ") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: got %q, want one line of limen's", c.name, errOut)
		}
		for _, w := range c.words {
			if !strings.Contains(errOut, w) {
				t.Errorf("%s: got %q, want it to name %q", c.name, errOut, w)
			}
		}
		if strings.Contains(errOut, "L898902C3") || strings.Contains(errOut, "HELLO") || strings.Contains(errOut, "ERIKSSON") {
			t.Errorf("%s: the error quotes the document: %q", c.name, errOut)
		}
	}
	if code, out, errOut := execute(t); code != 0 || errOut != "" || !strings.Contains(out, "history") || !strings.Contains(out, "Usage: limen") {
		t.Errorf("no arguments: got exit code %d, %q, %q, want the commands", code, out, errOut)
	}
}

// Without pcscd a PC/SC reader cannot be had, and the message says what starts it.
func TestNoPCSCD(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	c := program(ctx, "chip", "read", "--reader", "pcsc", "--mrz", specimenMRZ)
	c.Env = append(c.Env, "PCSCLITE_CSOCK_NAME="+filepath.Join(t.TempDir(), "nobody.sock"))
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	c.Run()
	if code := c.ProcessState.ExitCode(); code != 3 || out.Len() != 0 {
		t.Errorf("got exit code %d and %q on standard output, want 3 and nothing", code, out.String())
	}
	oneClearLine(t, errOut.String(), "pcscd", "start it")
}

// History is asked of the appliance while it runs and of its store afterwards.
// A second appliance on the same store is refused.
func TestHistoryIsAnsweredByTheApplianceAndByItsStore(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.expect(g.strange(), strangeExpect)
	last := g.expect(g.strange(), strangeExpect)
	ask := func(who string) {
		t.Helper()
		code, out, errOut := execute(t, "history", "show", "--last", "2", "--json", "--config", g.stage.ConfigPath())
		var shown []struct {
			Index  uint64
			Record struct{ Decision struct{ Outcome string } }
		}
		if err := json.Unmarshal([]byte(out), &shown); err != nil || code != 0 || len(shown) != 2 || shown[0].Index != 1 || shown[0].Record.Decision.Outcome != "refer" {
			t.Errorf("%s, show: got exit code %d, %q, %q, want two entries", who, code, out, errOut)
		}
		code, out, errOut = execute(t, "history", "verify", "--config", g.stage.ConfigPath())
		if code != 0 || !strings.Contains(out, "2 entries, all in order") || !strings.Contains(out, last.Record.Root[:8]) && !strings.Contains(out, "root") {
			t.Errorf("%s, verify: got exit code %d, %q, %q", who, code, out, errOut)
		}
		code, out, errOut = execute(t, "history", "show", "7", "--config", g.stage.ConfigPath())
		if code == 0 || out != "" {
			t.Errorf("%s: entry 7 of 2: got exit code %d, %q", who, code, out)
		}
		oneClearLine(t, errOut, "entry 7", "has 2")
	}
	ask("the running appliance")
	code, _, errOut := execute(t, "run", "--config", g.stage.ConfigPath())
	if code != 3 {
		t.Errorf("a second appliance: got exit code %d, want 3", code)
	}
	oneClearLine(t, errOut, g.stage.Config.Store, "another process", "stop it")
	if err := g.end(); err != nil {
		t.Fatal(err)
	}
	ask("the store")
	// A question makes no history where there is none.
	if err := os.Rename(g.stage.Config.Store, g.stage.Config.Store+"-moved"); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := execute(t, "history", "show", "--config", g.stage.ConfigPath())
	if code != 3 || out != "" {
		t.Errorf("store gone: got exit code %d, %q, want 3: an empty history is no answer", code, out)
	}
	oneClearLine(t, errOut, g.stage.Config.Store)
	if _, err := os.Stat(g.stage.Config.Store); err == nil {
		t.Error("a question made a new store")
	}
}

// execute runs one command line in this process.
func execute(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// freshConfig writes a good configuration whose store and keys do not exist.
func freshConfig(t *testing.T, dir, name string) string {
	t.Helper()
	c := device.Defaults()
	c.Site, c.Device = "utopia-airport", "gate-1"
	c.Store, c.Keys, c.Trust, c.Socket = filepath.Join(dir, "store"), filepath.Join(dir, "keys"), filepath.Join(dir, "trust"), filepath.Join(dir, "limen.sock")
	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
