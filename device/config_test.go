package device

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	firmwareconfig "limen/firmware-config"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The commented sample is the reference: it loads, and it names every key.
func TestSampleNamesEveryKey(t *testing.T) {
	sample, err := firmwareconfig.Files.ReadFile("limen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(sample), `receipt_key: ""`, `receipt_key: "centre+00000000+AA"`, 1)
	if _, err := LoadConfig(writeConfig(t, text)); err != nil {
		t.Errorf("the sample does not load: %v", err)
	}
	for _, key := range keysOf(Config{}) {
		if !strings.Contains(text, key+":") {
			t.Errorf("the sample does not show the key %q", key)
		}
	}
}

func TestSchemaCoversEveryKey(t *testing.T) {
	b, err := ConfigSchema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(Config{}) {
		if !strings.Contains(string(b), `"`+key+`": {`) {
			t.Errorf("the schema does not know the key %q", key)
		}
	}
}

func TestConfigErrorsNameLineColumnAndFix(t *testing.T) {
	head := "site: vilnius\ndevice: gate-1\n"
	for _, c := range []struct{ name, text, want string }{
		{"misspelled key", head + "chip_reader:\n  knd: pn532\n", `:4:3: there is no key "knd"; did you mean "kind"?`},
		{"misspelled top-level key", head + "polcy: x\n", `:3:1: there is no key "polcy"; did you mean "policy"?`},
		{"unknown key", head + "coffee_machine: 1\n", `:3:1: there is no key "coffee_machine"`},
		{"wrong type", head + "camera:\n  width: wide\n", `:4:10: `},
		{"not one of", head + "chip_reader:\n  kind: acr122\n", `:4:9: chip_reader.kind: "acr122" is not one of pn532, pcsc, none`},
		{"identifier", "site: Vilnius Airport\ndevice: g\n", `:1:7: site: "Vilnius Airport" must be`},
		{"page off loopback", head + "console:\n  listen: 0.0.0.0:80\n", `:4:11: console.listen: "0.0.0.0:80" is not a loopback address`},
		{"unencrypted broker", head + "uplink:\n  broker: tcp://x:1883\n", `:4:11: uplink.broker: must begin with tls://`},
		{"lookup without far end", head + "lookups:\n  - name: national\n", `:4:11: lookups[0].name: a lookup has a name and either`},
		{"witness without a key", head + "witness:\n  ask:\n    - url: http://gate-2:8430\n", `witness.ask[0].key: is empty`},
		{"witness of no address", head + "witness:\n  ask:\n    - {url: gate-2, key: k}\n", `:5:13: witness.ask[0].url: "gate-2" is no address`},
		{"witness for nobody", head + "witness:\n  listen: :8430\n", `:4:11: witness.listen: is set, so witness.neighbors`},
		{"more witnesses than there are", head + "witness:\n  quorum: 1\n", `:4:11: witness.quorum: 1 of 0`},
		{"scope of nothing", head + "history:\n  scope:\n    - {documents: [P]}\n", `:5:7: history.scope[0]: needs documents and issuers`},
		{"site off the earth", head + "sites:\n  - {name: a, latitude: 91, longitude: 0}\n", `:4:25: sites[0].latitude: 91 is not`},
		{"site twice", head + "sites:\n  - {name: a, latitude: 1, longitude: 0}\n  - {name: a, latitude: 1, longitude: 0}\n", `:5:12: sites[1].name: "a" is there twice`},
		{"relay board without port", head + "gate:\n  doors: modbus\n", `:4:10: gate.doors: is modbus, so gate.port must name the relay board's serial port`},
		{"doors of an unknown kind", head + "gate:\n  doors: relay\n", `:4:10: gate.doors: "relay" is not one of modbus, gpio, none`},
		{"lines that overlap", head + "gate:\n  doors: gpio\n  chip: /dev/gpiochip0\n  first_output: 8\n", `:6:17: gate.first_output: 8: 6 outputs would overlap the 15 inputs from 0 on`},
		{"no time to leave", head + "gate:\n  limits:\n    leaving: 0s\n", `:5:14: gate.limits.leaving: 0s is not a time of more than zero`},
		{"misspelled limit", head + "gate:\n  limits:\n    leavin: 1s\n", `:5:5: there is no key "leavin"; did you mean "leaving"?`},
		{"no site", "device: g\n", `site: "" must be`},
		{"live view without a centre", "site: a\ndevice: b\nuplink: {live_view: true}\n", "set uplink.broker and camera.source"},
		{"no YAML", "site: [", `limen.yaml:1:`},
	} {
		_, err := LoadConfig(writeConfig(t, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s", c.name, err, c.want)
		}
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "absent.yaml")); err == nil || !strings.Contains(err.Error(), "copy firmware-config/limen.yaml there") {
		t.Errorf("absent file: got %v, want the next action", err)
	}
}

func TestPoliciesLoad(t *testing.T) {
	entries, err := firmwareconfig.Files.ReadDir("policies")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := LoadPolicy(strings.TrimSuffix(e.Name(), ".yaml")); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
	if _, err := LoadPolicy("nowhere"); err == nil || !strings.Contains(err.Error(), "schengen-egate") {
		t.Errorf("unknown policy: got %v, want the known ones named", err)
	}
}

func TestPolicyErrorsNameTheKey(t *testing.T) {
	b, err := firmwareconfig.Files.ReadFile("policies/schengen-egate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"fmr: 0.001", "fmr: 0.5", "face.fmr: 0.5 is not between"},
		{"- sod_signature", "- sod_signatur", `there is no check "sod_signatur"`},
		{"offline: refer            #", "offline: hope #", `"hope" is neither`},
		{"chip_wait: 4s", "chip_wait: 0s", "times.chip_wait: must be more than zero"},
		{"max_age: 2160h  ", "max_age: -1h  ", "trust.max_age: is less than zero"},
		{"# crl_max_age", "crl_max_aeg", `there is no key "crl_max_aeg"; did you mean "crl_max_age"?`},
		{"refused_before, lost", "refused_befor, lost", `history.refer[3]: the history does not say "refused_befor"`},
		{"travel_speed: 1000", "travel_speed: -1", `history.travel_speed: -1 is no speed`},
		{"refused_within: 48h", "refused_within: -48h", `history.refused_within: is less than zero`},
		{"seen_within", "seen_wthin", `there is no key "seen_wthin"; did you mean "seen_within"?`},
	} {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, []byte(strings.Replace(string(b), c.old, c.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadPolicy(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s", c.new, err, c.want)
		}
	}
}
