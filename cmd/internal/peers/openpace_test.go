package peers

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"limen/hw/sim/pcscdtest"
	"limen/mrtd/lds"
)

// debianPython is the interpreter for which Debian's Python packages are.
const debianPython = "/usr/bin/python3"

// openpaceReader skips the test without OpenPACE's library and PC/SC for Python.
func openpaceReader(t testing.TB) {
	t.Helper()
	installed(t, "/usr/lib/*/libeac.so.3", "libeac3")
	installed(t, "/usr/lib/python3/dist-packages/smartcard/System.py", "python3-pyscard")
}

func openpaceRead(t testing.TB, kind, secret string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	run(t, dir, nil, debianPython, script(t, "openpace.py"), pcscdtest.Reader, kind, secret, dir)
	return dir
}

// TestPeerOpenPACEReadsOurChip: our chip's nonce, mapping, key agreement,
// tokens and secure messaging against those of OpenPACE and OpenSSL.
func TestPeerOpenPACEReadsOurChip(t *testing.T) {
	openpaceReader(t)
	reader := insert(t, gmAES256.passport(t))
	for _, c := range openpaceChips {
		for _, by := range []struct{ kind, secret string }{{"MRZ", specimenLines[1]}, {"CAN", specimenCAN}} {
			t.Run(c.name+"/"+by.kind, func(t *testing.T) {
				p := c.passport(t)
				reader.lay(p)
				dir := openpaceRead(t, by.kind, by.secret)
				dg1, _ := lds.FileOfGroup(1)
				dg2, _ := lds.FileOfGroup(2)
				for name, f := range map[string]lds.File{"EF_SOD": lds.EFSOD, "DG1": dg1, "DG2": dg2} {
					got, err := os.ReadFile(filepath.Join(dir, name+".bin"))
					if err != nil {
						t.Fatal(err)
					}
					if want := file(t, p, f); !bytes.Equal(got, want) {
						t.Errorf("%s: read %d bytes, want the %d of the chip", f, len(got), len(want))
					}
				}
			})
		}
	}
}
