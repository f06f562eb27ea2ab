package lds

import (
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// COM is EF.COM: which data groups the chip says it bears (Doc 9303-10,
// 4.6.1). It is not signed; EF.SOD's list of hashes is.
type COM struct {
	LDSVersion     string    // "0107"
	UnicodeVersion string    // "040000"
	Tags           []ber.Tag // as listed
	Groups         []int     // the data groups among Tags, in their order
}

const (
	tagLDSVersion     ber.Tag = 0x5F01
	tagUnicodeVersion ber.Tag = 0x5F36
	tagList           ber.Tag = 0x5C
	maxTagList                = 64
)

// ParseCOM reads the whole file, tag 60.
func ParseCOM(b []byte) (COM, error) {
	com, err := parseCOM(b)
	if err != nil {
		return COM{}, fmt.Errorf("EF.COM: %w", err)
	}
	return com, nil
}

func parseCOM(b []byte) (COM, error) {
	var com COM
	outer, err := ber.Parse(b, EFCOM.Tag)
	if err != nil {
		return com, err
	}
	fields, err := outer.Children()
	if err != nil {
		return com, err
	}
	listed := false
	for _, f := range fields {
		switch f.Tag {
		case tagLDSVersion:
			com.LDSVersion, err = digits(f.Value, 4)
		case tagUnicodeVersion:
			com.UnicodeVersion, err = digits(f.Value, 6)
		case tagList:
			listed = true
			err = com.setTags(f.Value)
		}
		if err != nil {
			return COM{}, err
		}
	}
	if !listed {
		return COM{}, errors.New("no tag list 5C")
	}
	return com, nil
}

func digits(b []byte, n int) (string, error) {
	if len(b) != n {
		return "", fmt.Errorf("version of %d characters where %d belong", len(b), n)
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return "", errors.New("version with a character that is no digit")
		}
	}
	return string(b), nil
}

func (c *COM) setTags(b []byte) error {
	tags, err := parseTagList(b)
	if err != nil {
		return err
	}
	c.Tags = append(c.Tags, tags...)
	for _, tag := range tags {
		if f, ok := FileByTag(tag); ok && f.Group > 0 {
			c.Groups = append(c.Groups, f.Group)
		}
	}
	return nil
}

// parseTagList reads the value of a tag list. Every group has a one-octet tag,
// elements of DG11 and DG12 have two; longer ones are kept whole.
func parseTagList(b []byte) ([]ber.Tag, error) {
	if len(b) > maxTagList {
		return nil, fmt.Errorf("tag list of %d bytes is longer than %d", len(b), maxTagList)
	}
	var out []ber.Tag
	for len(b) > 0 {
		n := 1
		if b[0]&0x1F == 0x1F {
			for n < len(b) && n < 4 && b[n]&0x80 != 0 {
				n++
			}
			n++
		}
		if n > len(b) || n > 4 {
			return nil, errors.New("tag list ends inside a tag")
		}
		var tag ber.Tag
		for _, x := range b[:n] {
			tag = tag<<8 | ber.Tag(x)
		}
		out, b = append(out, tag), b[n:]
	}
	return out, nil
}

// EncodeCOM writes EF.COM for data groups, in the order given. It takes the
// groups and not Tags, and panics on a group outside 1 to 16.
func EncodeCOM(c COM) []byte {
	var list []byte
	for _, n := range c.Groups {
		f, ok := FileOfGroup(n)
		if !ok {
			panic(fmt.Sprintf("lds: data group %d in EF.COM", n))
		}
		list = ber.AppendTag(list, f.Tag)
	}
	return ber.Encode(EFCOM.Tag,
		ber.Encode(tagLDSVersion, []byte(c.LDSVersion)),
		ber.Encode(tagUnicodeVersion, []byte(c.UnicodeVersion)),
		ber.Encode(tagList, list))
}
