package limen_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is docs/design/house.md as a table: the rows a row may import.
var mayImport = map[string][]string{
	"":                {"mrtd", "capture"},
	"mrtd":            {},
	"hw":              {},
	"capture":         {},
	"matcher":         {"capture"},
	"device":          {"", "hw", "mrtd", "capture", "matcher", "firmware-config"},
	"sync":            {""},
	"firmware-config": {},
	"cmd":             {"", "mrtd", "hw", "capture", "matcher", "device", "sync", "firmware-config"},
	"internal":        {},
}

// onlyIn are libraries that one package alone may see.
var onlyIn = map[string][]string{
	"gocv.io/x/gocv":                {"limen/capture/cvcam", "limen/matcher/cvface"},
	"github.com/pion/":              {"limen/capture/liveview"},
	"github.com/dgraph-io/badger":   {"limen/sync/journal", "limen/sync/outbox"},
	"github.com/nats-io/":           {"limen/sync/fleet"},
	"github.com/ebfe/scard":         {"limen/hw/pcsc"},
	"github.com/miekg/pkcs11":       {"limen/hw/keystore/token"},
	"github.com/google/go-tpm":      {"limen/hw/keystore"},
	"go.bug.st/serial":              {"limen/hw/serialport"},
	"github.com/eclipse/paho.mqtt.": {"limen/sync/uplink", "limen/sync/fleet"},
	"github.com/jackc/pgx":          {"limen/sync/fleet"},
	"modernc.org/sqlite":            {"limen/sync/fleet"},
	"github.com/coreos/go-oidc":     {"limen/sync/desk"},
	"golang.org/x/oauth2":           {"limen/sync/desk"},
}

// neverLinked are programs and what must not end up in them.
var neverLinked = map[string][]string{
	"limen/cmd/limen-fleet":    {"gocv.io/x/gocv", "github.com/pion/webrtc"},
	"limen/cmd/limen-portrait": {"gocv.io/x/gocv", "github.com/pion/webrtc"},
	"limen/cmd/limen-verify":   {"limen", "github.com", "gopkg.in"}, // for those who trust neither device nor centre
	"limen/cmd/limen":          {"limen/mrtd/specimen/attack"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// row is the top-level folder of one of our packages; ok is false for others'.
func row(path string) (name string, ok bool) {
	if path == "limen" {
		return "", true
	}
	rest, ok := strings.CutPrefix(path, "limen/")
	name, _, _ = strings.Cut(rest, "/")
	return name, ok
}

func TestImportRule(t *testing.T) {
	for _, p := range packages(t) {
		from, _ := row(p.ImportPath)
		allowed, known := mayImport[from]
		if !known {
			t.Errorf("%s is in no row of the house: see docs/design/house.md", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if to, ours := row(imported); ours && to != from {
				if !slices.Contains(allowed, to) {
					t.Errorf("%s imports %s: row %q may import only %q", p.ImportPath, imported, from, allowed)
				}
			}
			for library, places := range onlyIn {
				if strings.HasPrefix(imported, library) && !slices.Contains(places, p.ImportPath) {
					t.Errorf("%s imports %s, which only %v may see", p.ImportPath, imported, places)
				}
			}
		}
		for _, forbidden := range neverLinked[p.ImportPath] {
			for _, d := range p.Deps {
				if d == forbidden || strings.HasPrefix(d, forbidden+"/") {
					t.Errorf("%s links %s", p.ImportPath, d)
				}
			}
		}
	}
}

func TestHouseHasNoGoFileInSync(t *testing.T) {
	for _, p := range packages(t) {
		if p.ImportPath == "limen/sync" {
			t.Error("sync/ holds a Go file: a package called sync would shadow the standard library's")
		}
	}
}
