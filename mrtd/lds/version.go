package lds

import "strings"

// Version is the version of the logical data structure as "1.7", "" where no
// file states it. EF.SOD states it from 1.8 on and is signed; EF.COM, which is
// not, stands in for documents before that (Doc 9303-10, 4.6.1 and 4.6.2). Each
// is nil where the chip does not have it.
func Version(com *COM, sod *SOD) string {
	stated := ""
	if com != nil {
		stated = com.LDSVersion
	}
	if sod != nil && sod.LDSVersion != "" {
		stated = sod.LDSVersion
	}
	if len(stated) != 4 {
		return ""
	}
	part := func(s string) string {
		if s = strings.TrimLeft(s, "0"); s == "" {
			return "0"
		}
		return s
	}
	return part(stated[:2]) + "." + part(stated[2:])
}
