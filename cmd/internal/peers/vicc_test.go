package peers

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"limen/hw/sim/pcscdtest"
	"limen/mrtd"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// viccCAN is vicc's own; its MRZ is the passport's.
const viccCAN = "222222"

// longPeer skips what takes a JVM.
func longPeer(t *testing.T) {
	t.Helper()
	if !*all {
		t.Skip("takes a JVM's time: wants -all (make peers)")
	}
}

// startVicc lays one of vicc's cards, with the passport's files, into the
// virtual reader.
func startVicc(t *testing.T, kind string, p chipsim.Passport, options ...string) {
	t.Helper()
	jython := program(t, "jython", "jython")
	installed(t, "/usr/lib/python3/site-packages/virtualsmartcard/virtualsmartcard", "vsmartcard-vpicc")
	installed(t, "/usr/lib/*/libeac.so.3", "libeac3")
	pcscdtest.Start(t)
	dir := t.TempDir()
	if err := specimen.Save(p, dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mrz.txt"), []byte(p.MRZ+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, port, _ := bytes.Cut([]byte(pcscdtest.Address), []byte(":"))
	start(t, jython, append([]string{"-Dpython.cachedir.skip=true", script(t, "vicc.py"), kind, dir, string(port)}, options...)...)
}

// wantWhole compares what was read with the passport's files.
func wantWhole(t *testing.T, r mrtd.Reading, err error, p chipsim.Passport, files ...lds.File) {
	t.Helper()
	if err != nil {
		t.Errorf("reading: %v; failures: %v", err, r.Failures)
	}
	for _, f := range files {
		if got, want := r.Files[f.Path()], file(t, p, f); !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, want the %d of the chip", f, len(got), len(want))
		}
	}
}

func wholeFiles() []lds.File {
	dg1, _ := lds.FileOfGroup(1)
	dg2, _ := lds.FileOfGroup(2)
	return []lds.File{lds.EFCOM, lds.EFSOD, dg1, dg2}
}

// TestPeerViccPassportIsRead: vicc's ePass, an independent BAC. Its errors come
// outside secure messaging and leave its counter where it was; its answers have
// no status object, and none to the end of a file has a checksum; as it is, its
// files have no short identifiers.
func TestPeerViccPassportIsRead(t *testing.T) {
	longPeer(t)
	for name, options := range map[string][]string{"as it is": nil, "with short identifiers": {"sfi"}} {
		t.Run(name, func(t *testing.T) {
			p := small(t, bacChip)
			startVicc(t, "ePass", p, options...)
			r, err := ours(t, mrtd.Key{MRZ: document(t).KeyMaterial()}, mrtd.Options{Groups: []int{1, 2}})
			if got := r.Access.Summary(); got != "BAC 3DES" {
				t.Errorf("access: got %q, want BAC 3DES", got)
			}
			wantWhole(t, r, err, p, wholeFiles()...)
		})
	}
}

func byMRZ(t testing.TB) mrtd.Key { return mrtd.Key{MRZ: document(t).KeyMaterial()} }

// TestPeerViccIdentityCardIsRead: vicc's nPA, whose PACE and secure messaging
// are OpenPACE's, with a passport's application on it. Its secure messaging
// bears blocks of 16 bytes alone, which leaves 3DES out.
func TestPeerViccIdentityCardIsRead(t *testing.T) {
	longPeer(t)
	for i, chip := range viccChips {
		v, key := chip.pace[0], byMRZ(t)
		if i%2 == 1 {
			key = mrtd.Key{CAN: viccCAN}
		}
		t.Run(chip.name, func(t *testing.T) {
			p := small(t, chip)
			startVicc(t, "nPA", p, "sfi")
			r, err := ours(t, key, mrtd.Options{Groups: []int{1, 2}})
			if a := r.Access; a.Protocol != mrtd.ProtocolPACE || a.OID != v.OID || a.ParameterID != v.ParameterID {
				t.Errorf("access: got %s %s %d (PACE %s: %s), want PACE %s %d", a.Protocol, a.OID, a.ParameterID, a.PACE, a.PACEProblem, v.OID, v.ParameterID)
			}
			wantWhole(t, r, err, p, append(wholeFiles(), lds.EFCardAccess)...)
		})
	}
}
