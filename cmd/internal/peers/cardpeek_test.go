package peers

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"limen/hw/sim/pcscdtest"
	"limen/mrtd/lds"
)

// cardpeekScript has Cardpeek's own e-passport script read EF.SOD, DG1 and DG2
// of a chip whose MRZ is given, and writes them down. The script asks a person
// for the MRZ and has its functions and its list of files in globals, which is
// where this looks over its shoulder.
const cardpeekScript = `
local ok, problem = pcall(function()
require("lib.apdu")
card.CLA = 0
ui.readline = function() return %q end
ui.question = function(text) print("asked: " .. text) os.exit(1) end
local out = io.open(%q, "w")
local wanted = { [0x0101]=true, [0x0102]=true, [0x011D]=true }
setmetatable(_G, { __newindex = function(t, name, value)
	if name == "FILES" then
		local few = {}
		for _, f in ipairs(value) do if wanted[f.FID] then few[#few+1] = f end end
		value = few
	elseif name == "epass_read_file" then
		local read = value
		value = function() local r = read() out:write(tostring(r), "\n") return r end
	end
	rawset(t, name, value)
end })
dofile(%q)
out:close()
end)
if not ok then print(problem) end
os.exit(ok and 0 or 1)
`

// cardpeek is Cardpeek with a home of its own, as it wants one.
type cardpeek struct{ program, home, out string }

func newCardpeek(t testing.TB) cardpeek {
	t.Helper()
	c := cardpeek{program: program(t, "cardpeek", "cardpeek"), home: t.TempDir()}
	c.out = filepath.Join(c.home, "files")
	if err := os.Mkdir(filepath.Join(c.home, ".cardpeek"), 0o755); err != nil {
		t.Fatal(err)
	}
	// It fills the folder at its first start, which ends after "yes" and "ok".
	c.run(t, "os.exit(0)", "1\n1\n")
	text := fmt.Sprintf(cardpeekScript, specimenLines[1], c.out, filepath.Join(c.home, ".cardpeek", "scripts", "e-passport.lua"))
	if err := os.WriteFile(filepath.Join(c.home, "read.lua"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c cardpeek) run(t testing.TB, lua, input string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	cmd := exec.CommandContext(ctx, c.program, "--console", "--reader", "pcsc://"+pcscdtest.Reader, "--exec", lua)
	cmd.Dir, cmd.Env, cmd.Stdin = c.home, append(os.Environ(), "HOME="+c.home), strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cardpeek: %v\n%s", err, tail(out))
	}
}

// read returns DG1, DG2 and EF.SOD.
func (c cardpeek) read(t testing.TB) (files [3][]byte) {
	t.Helper()
	c.run(t, fmt.Sprintf("dofile(%q)", filepath.Join(c.home, "read.lua")), "")
	text, err := os.ReadFile(c.out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	if len(lines) != len(files) {
		t.Fatalf("cardpeek read %d files, want %d", len(lines), len(files))
	}
	for i, l := range lines {
		if files[i], err = hex.DecodeString(l); err != nil {
			t.Fatalf("cardpeek wrote no bytes: %v", err)
		}
	}
	return files
}

// TestPeerCardpeekReadsOurChip: BAC and 3DES by Cardpeek's Lua and libcrypto,
// over pcscd, in steps of 128 bytes.
func TestPeerCardpeekReadsOurChip(t *testing.T) {
	c := newCardpeek(t)
	p := bacChip.passport(t)
	insert(t, p)
	got := c.read(t)
	dg1, _ := lds.FileOfGroup(1)
	dg2, _ := lds.FileOfGroup(2)
	for i, f := range []lds.File{dg1, dg2, lds.EFSOD} {
		if want := file(t, p, f); !bytes.Equal(got[i], want) {
			t.Errorf("%s: cardpeek read %d bytes, want the %d of the chip", f, len(got[i]), len(want))
		}
	}
}
