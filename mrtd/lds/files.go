// Package lds is the logical data structure of an eMRTD's chip (Doc 9303-10):
// which files it has, and what they hold.
//
//	bytes of a file -> Parse… -> its fields
//
// Files of the master file are EF.ATR/INFO, EF.DIR and EF.CardAccess, whose
// security infos are DG14's too. DG6 and DG8 to DG10 have no content of a known
// form, and DG13's is the issuer's own. Pictures are never decoded here. Whether
// anything is genuine is for package authn to say: EF.SOD is taken apart, not verified.
package lds

import (
	"fmt"

	"limen/mrtd/ber"
)

// File is one elementary file of an eMRTD and where it lies on the chip
// (Doc 9303-10, table 34 and 3.11). The zero File is none of them.
type File struct {
	Name       string  // "EF.SOD", "DG2"
	FID        uint16  // file identifier, for SELECT
	SFI        byte    // short file identifier, for READ BINARY
	Tag        ber.Tag // tag of the outermost object; 0 for a file that is a list of objects
	Group      int     // 1 to 16 for a data group, else 0
	MasterFile bool    // lies in the master file, not in the eMRTD application
}

// Path is where a file lies: its identifier alone in the eMRTD application,
// behind 3F00 in the master file. EF.SOD and EF.CardSecurity share an identifier.
type Path uint32

const masterFile Path = 0x3F00 << 16

// Path tells where the file lies.
func (f File) Path() Path {
	if f.MasterFile {
		return masterFile | Path(f.FID)
	}
	return Path(f.FID)
}

// String returns the file's name.
func (f File) String() string { return f.Name }

// The files that are not data groups.
var (
	EFATRInfo      = File{Name: "EF.ATR/INFO", FID: 0x2F01, SFI: 0x01, MasterFile: true}
	EFDIR          = File{Name: "EF.DIR", FID: 0x2F00, SFI: 0x1E, MasterFile: true}
	EFCardAccess   = File{Name: "EF.CardAccess", FID: 0x011C, SFI: 0x1C, Tag: ber.Set, MasterFile: true}
	EFCardSecurity = File{Name: "EF.CardSecurity", FID: 0x011D, SFI: 0x1D, Tag: ber.Sequence, MasterFile: true}
	EFCOM          = File{Name: "EF.COM", FID: 0x011E, SFI: 0x1E, Tag: 0x60}
	EFSOD          = File{Name: "EF.SOD", FID: 0x011D, SFI: 0x1D, Tag: 0x77}
)

// groupTags is the tag of DG1 at index 1 to that of DG16 at index 16.
var groupTags = [17]ber.Tag{0,
	0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68,
	0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70,
}

// FileOfGroup returns data group n, 1 to 16.
func FileOfGroup(n int) (File, bool) {
	if n < 1 || n > 16 {
		return File{}, false
	}
	return File{Name: fmt.Sprintf("DG%d", n), FID: 0x0100 | uint16(n), SFI: byte(n), Tag: groupTags[n], Group: n}, true
}

// FileByTag finds a file by the tag of its outermost object, as EF.COM's tag
// list names data groups.
func FileByTag(tag ber.Tag) (File, bool) {
	return fileWhere(func(f File) bool { return f.Tag == tag && tag != 0 })
}

// FileByPath finds a file by where it lies.
func FileByPath(p Path) (File, bool) {
	return fileWhere(func(f File) bool { return f.Path() == p })
}

// EveryFile lists all files of this table: those of the master file, EF.COM,
// EF.SOD, EF.CVCA, DG1 to DG16.
func EveryFile() []File {
	files := []File{EFATRInfo, EFDIR, EFCardAccess, EFCardSecurity, EFCOM, EFSOD, EFCVCA}
	for n := 1; n <= 16; n++ {
		f, _ := FileOfGroup(n)
		files = append(files, f)
	}
	return files
}

func fileWhere(is func(File) bool) (File, bool) {
	for _, f := range EveryFile() {
		if is(f) {
			return f, true
		}
	}
	return File{}, false
}
