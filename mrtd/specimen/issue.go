package specimen

import (
	"bytes"
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"image/jpeg"
	"log/slog"
	"maps"
	"slices"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// Spec says what a specimen passport is to be. It prints as redacted: the
// lines may be those of a demonstration's visitor.
type Spec struct {
	Lines    []string // the MRZ as printed: TD1, TD2 or TD3
	Portrait []byte   // JPEG or JPEG 2000; nil makes a passport without DG2
	CAN      string   // six digits, or "" for none
	PACE     []chipsim.PACE
	BAC      bool
	// ChipAuth and ActiveAuth ask for the keys that prove the chip genuine.
	ChipAuth   []ChipAuth
	ActiveAuth *ActiveAuth
	Hash       crypto.Hash    // of the groups; zero means SHA-256
	Groups     map[int][]byte // further data groups, whole files by number
	SignedAt   time.Time      // zero leaves the signing time out of EF.SOD
	// Certificates are carried in EF.SOD besides the signer's, as some issuers
	// carry their CSCA's.
	Certificates [][]byte
	// CVCA are the certificates from which terminals' may start (Verifier.TrustPoint).
	// A chip with any keeps DG3 and DG4 for terminals with the right to them.
	CVCA [][]byte

	// Version is that of the logical data structure: "" and "0107" are 1.7, "0108" is 1.8.
	Version string

	// How EF.SOD departs from what most issuers make.
	Unversioned   bool   // it does not state the version, as those of 1.7 need not
	WithoutSigner bool   // the signer's certificate is not carried
	SignerByKeyID bool   // the signer is named by its key's identifier, not by issuer and serial
	ContentType   string // "" is lds.SecurityObjectType; the first passports have 1.3.27.1.1.1
}

// String tells nothing of the bearer.
func (s Spec) String() string { return "[specimen passport redacted]" }

// GoString is String, for %#v.
func (s Spec) GoString() string { return s.String() }

// LogValue is String, for logs.
func (s Spec) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText writes String, so that no encoder prints the lines.
func (s Spec) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// The versions EF.COM and EF.SOD state where nothing else is asked for (Doc 9303-10, 4.6.1).
const (
	ldsVersion     = "0107"
	unicodeVersion = "040000"
)

// Issue makes the passport: DG1, DG2, DG14 where there is PACE, chip
// authentication or active authentication on a curve, DG15 where there is active
// authentication, the further groups, EF.COM, EF.SOD, EF.CardAccess, and
// EF.CardSecurity where PACE maps by chip authentication.
func (a *Authority) Issue(spec Spec) (chipsim.Passport, error) {
	p, err := a.issue(spec)
	if err != nil {
		return chipsim.Passport{}, fmt.Errorf("cannot issue the specimen: %w", err)
	}
	return p, nil
}

func (a *Authority) issue(spec Spec) (chipsim.Passport, error) {
	var p chipsim.Passport
	if err := checkAccess(spec.CAN, spec.BAC, spec.PACE); err != nil {
		return p, err
	}
	keys, err := a.proofs(spec)
	if err != nil {
		return p, err
	}
	groups, err := spec.groups(keys)
	if err != nil {
		return p, err
	}
	hash := spec.Hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	files, hashes := map[lds.Path][]byte{}, map[int][]byte{}
	numbers := slices.Sorted(maps.Keys(groups))
	for _, n := range numbers {
		f, ok := lds.FileOfGroup(n)
		if !ok {
			return p, fmt.Errorf("data group %d: groups are 1 to 16", n)
		}
		if _, err := ber.Parse(groups[n], f.Tag); err != nil {
			return p, fmt.Errorf("DG%d: give the whole file with its tag %X: %w", n, f.Tag, err)
		}
		files[f.Path()] = groups[n]
		h := hash.New()
		h.Write(groups[n])
		hashes[n] = h.Sum(nil)
	}
	version := cmp.Or(spec.Version, ldsVersion)
	files[lds.EFCOM.Path()] = lds.EncodeCOM(lds.COM{LDSVersion: version, UnicodeVersion: unicodeVersion, Groups: numbers})
	if spec.Unversioned {
		version = ""
	}
	object := lds.EncodeSecurityObject(hash, hashes, version, unicodeVersion)
	signed, err := message{contentType: cmp.Or(spec.ContentType, lds.SecurityObjectType), content: object, key: a.ds, signer: a.dsDER,
		at: spec.SignedAt, others: spec.Certificates, bare: spec.WithoutSigner, byKeyID: spec.SignerByKeyID}.sign()
	if err != nil {
		return p, err
	}
	files[lds.EFSOD.Path()] = lds.EncodeSOD(signed)
	if len(spec.PACE) > 0 {
		files[lds.EFCardAccess.Path()] = encodeInfos(paceInfos(spec.PACE)...)
	}
	if len(keys.mapping) > 0 {
		if files[lds.EFCardSecurity.Path()], err = a.cardSecurity(spec, keys); err != nil {
			return p, err
		}
	}
	return chipsim.Passport{
		Files: files, MRZ: join(spec.Lines), CAN: spec.CAN, BAC: spec.BAC, PACE: slices.Clone(spec.PACE),
		CAM: keys.mapping, ChipAuth: keys.chip, ActiveAuth: keys.active, CVCA: spec.CVCA,
	}, nil
}

// groups are the files to be signed. DG14 repeats the PACE variants, so that a
// chip whose unsigned EF.CardAccess was changed is found out (Doc 9303-11, 9.2).
func (s Spec) groups(keys proofs) (map[int][]byte, error) {
	out := map[int][]byte{}
	var err error
	if out[1], err = lds.EncodeDG1(s.Lines); err != nil {
		return nil, err
	}
	if s.Portrait != nil {
		width, height, err := imageSize(s.Portrait)
		if err != nil {
			return nil, fmt.Errorf("portrait: %w", err)
		}
		if out[2], err = lds.EncodeDG2(s.Portrait, width, height); err != nil {
			return nil, err
		}
	}
	if infos := append(append(paceInfos(s.PACE), keys.infos...), s.terminalInfos()...); len(infos) > 0 {
		out[14] = ber.Encode(0x6E, encodeInfos(infos...))
	}
	if keys.dg15 != nil {
		out[15] = keys.dg15
	}
	for n, b := range s.Groups {
		if out[n] != nil && n != 14 {
			return nil, fmt.Errorf("DG%d is made from the MRZ, the portrait or a key and cannot be given too", n)
		}
		out[n] = b
	}
	return out, nil
}

func checkAccess(can string, bac bool, pace []chipsim.PACE) error {
	if can != "" && len(can) != 6 {
		return errors.New("CAN is not six digits")
	}
	for _, c := range can {
		if c < '0' || c > '9' {
			return errors.New("CAN is not six digits")
		}
	}
	for _, v := range pace {
		if err := checkVariant(v); err != nil {
			return err
		}
	}
	return nil
}

// imageSize reads a portrait's size from its headers.
func imageSize(b []byte) (width, height int, err error) {
	switch lds.SniffImage(b) {
	case lds.JPEG:
		c, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil {
			return 0, 0, fmt.Errorf("cannot read the JPEG's header: %w", err)
		}
		return c.Width, c.Height, nil
	case lds.JPEG2000:
		// The image header box of a JP2 file (ISO/IEC 15444-1, I.5.3.1); a bare
		// codestream has SIZ at its start (A.5.1).
		if i := bytes.Index(b, []byte("ihdr")); i > 0 && i+12 <= len(b) {
			return be32(b[i+8:]), be32(b[i+4:]), nil
		}
		if i := bytes.Index(b, []byte{0xFF, 0x4F, 0xFF, 0x51}); i >= 0 && i+24 <= len(b) {
			return be32(b[i+8:]) - be32(b[i+16:]), be32(b[i+12:]) - be32(b[i+20:]), nil
		}
		return 0, 0, errors.New("JPEG 2000 without an image header")
	}
	return 0, 0, errors.New("neither JPEG nor JPEG 2000 by its first bytes: convert it first")
}

func be32(b []byte) int { return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }
