package lds

import "testing"

func TestFiles(t *testing.T) {
	seen := map[Path]bool{}
	for _, f := range EveryFile() {
		if seen[f.Path()] {
			t.Errorf("%s: path %X is given twice", f, f.Path())
		}
		seen[f.Path()] = true
		if got, ok := FileByPath(f.Path()); !ok || got != f {
			t.Errorf("%s: found by path as %s", f, got)
		}
		if got, ok := FileByTag(f.Tag); f.Tag != 0 && (!ok || got != f) {
			t.Errorf("%s: found by tag as %s", f, got)
		}
		if byte(f.FID) != f.SFI && f != EFDIR { // SFI 0 is none
			t.Errorf("%s: short identifier %02X does not match %04X", f, f.SFI, f.FID)
		}
	}
	if len(seen) != 23 {
		t.Errorf("got %d files, want 23", len(seen))
	}
	for n, tag := range map[int]byte{1: 0x61, 2: 0x75, 3: 0x63, 4: 0x76, 5: 0x65, 14: 0x6E, 15: 0x6F, 16: 0x70} {
		if f, ok := FileOfGroup(n); !ok || byte(f.Tag) != tag || f.Group != n {
			t.Errorf("DG%d: got %+v, want tag %02X", n, f, tag)
		}
	}
	for _, n := range []int{-1, 0, 17} {
		if f, ok := FileOfGroup(n); ok {
			t.Errorf("DG%d: got %s", n, f)
		}
	}
	if f, ok := FileByTag(0x62); ok {
		t.Errorf("tag 62: got %s", f)
	}
}
