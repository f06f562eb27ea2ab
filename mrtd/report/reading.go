package report

import (
	"errors"
	"time"

	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/authn"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
)

// Codes of what the reading itself tells.
const (
	documentExpired authn.Code = "document_expired"
	expiryUnknown   authn.Code = "expiry_unknown"
	chipLost        authn.Code = "chip_lost"
	readFailed      authn.Code = "chip_read_failed"
	accessDenied    authn.Code = "chip_access_denied"
	noApplication   authn.Code = "chip_not_a_travel_document"
)

// InputOf gathers what a report is made of from a reading that ended with err,
// and what was found in it at a time. The caller adds what the reading does not
// know: software, times, portraits' decoding.
func InputOf(r mrtd.Reading, err error, found authn.Findings, at time.Time) Input {
	a := r.Access
	in := Input{
		APDUs: r.Stats.Commands, Bytes: r.Stats.BytesSent + r.Stats.BytesReceived, Returns: r.Returns,
		Access:  Access{Protocol: a.Protocol, PACE: a.PACE, Mapping: a.Mapping, Password: a.Password, Domain: a.Curve + a.Group, Cipher: a.Cipher},
		Passive: found.Passive, Notes: found.Notes,
		Verdicts: map[Check]authn.Verdict{
			ActiveAuthentication: found.ActiveAuth, ChipAuthentication: found.ChipAuth, ChipAuthMapping: found.Mapping,
			TerminalAuthentication: found.TerminalAuth, COMAndSOD: found.COM, CardAccess: found.CardAccess,
			CountryInDG1: found.Issuer, MRZAndDG1: found.MRZ, DefectList: defects(found.Passive),
		},
	}
	for _, q := range r.Quirks {
		in.Quirks = append(in.Quirks, string(q))
	}
	for _, f := range lds.EveryFile() {
		if b, ok := r.Files[f.Path()]; ok {
			in.Files = append(in.Files, File{f.Name, len(b), r.Under[f.Path()]})
		}
	}
	for _, f := range r.Failures {
		if f.Status == apdu.FileNotFound {
			in.Absent = append(in.Absent, f.File.Name)
		}
	}
	in.broken(err)
	in.documentOf(r.Files, at)
	return in
}

// broken tells why a reading ended early. A chip that could not be opened has
// failed at that.
func (in *Input) broken(err error) {
	switch {
	case err == nil:
	case errors.Is(err, mrtd.ErrAccessDenied):
		in.Verdicts[BAC] = authn.Verdict{Status: authn.Failed, Code: accessDenied}
	case errors.Is(err, mrtd.ErrNoApplication):
		in.Verdicts[Application] = authn.Verdict{Status: authn.Failed, Code: noApplication}
	case errors.Is(err, mrtd.ErrChipLost):
		in.Broken = chipLost
	default:
		in.Broken = readFailed
	}
}

// documentOf fills in what kind of document it is, and what its groups say of
// themselves.
func (in *Input) documentOf(files map[lds.Path][]byte, at time.Time) {
	if com, err := lds.ParseCOM(files[lds.EFCOM.Path()]); err == nil {
		in.Document.LDS = com.LDSVersion
		in.Verdicts[EFCOM] = authn.Verdict{Status: authn.Passed}
	} else if files[lds.EFCOM.Path()] != nil {
		in.Verdicts[EFCOM] = authn.Verdict{Status: authn.Failed, Code: authn.COMMalformed}
	}
	if lines, err := lds.ParseDG1(files[0x0101]); err == nil {
		if m, err := mrz.Parse(lines, at); err == nil {
			in.Document.Type, in.Document.State, in.Document.Format = m.DocumentCode, mrz.Alpha3(m.Issuer), m.Layout.String()
			in.Verdicts[DateOfExpiry] = expiry(m, at)
			in.zone(m)
			in.fullName(files[0x010B], m)
		}
	}
	if dg2 := files[0x0102]; dg2 != nil {
		in.portraits(dg2)
	}
}

func (in *Input) portraits(dg2 []byte) {
	parsed, err := lds.ParseDG2(dg2)
	if err != nil {
		in.Verdicts[DG2] = authn.Verdict{Status: authn.Failed, Code: "dg2_malformed"}
		return
	}
	in.Verdicts[DG2] = authn.Verdict{Status: authn.Passed}
	for _, f := range parsed.Faces {
		in.Portraits = append(in.Portraits, Portrait{Standard: string(f.Standard), Format: string(f.Format), Width: f.Width, Height: f.Height, Bytes: len(f.Image)})
	}
}

// digits are the check digits of DG1's zone, and contents its fields.
var (
	digits = map[mrz.Field]Check{
		mrz.FieldComposite: "dg1_composite_check_digit", mrz.FieldNumber: "dg1_document_number_check_digit", mrz.FieldExpiry: "dg1_date_of_expiry_check_digit",
		mrz.FieldBirth: "dg1_date_of_birth_check_digit", mrz.FieldOptional: "dg1_optional_data_check_digit",
	}
	contents = map[mrz.Field]Check{
		mrz.FieldCode: "dg1_document_type", mrz.FieldIssuer: "dg1_issuer", mrz.FieldNationality: "dg1_nationality", mrz.FieldBirth: "dg1_date_of_birth",
		mrz.FieldExpiry: "dg1_date_of_expiry", mrz.FieldSex: "dg1_sex", mrz.FieldNumber: "dg1_document_number", mrz.FieldName: "dg1_surname",
	}
)

// zone is what DG1's zone is worth by itself (TR-03135-1, 5.6.1.2).
func (in *Input) zone(m mrz.MRZ) {
	in.Verdicts["dg1_length"] = authn.Verdict{Status: authn.Passed}
	for _, check := range contents {
		in.Verdicts[check] = authn.Verdict{Status: authn.Passed}
	}
	for _, f := range m.Faults {
		if check, ok := contents[f.Field]; ok {
			in.Verdicts[check] = authn.Verdict{Status: authn.Failed, Code: "dg1_field_malformed", Subject: string(check)}
		}
	}
	for _, c := range m.Checks {
		v := authn.Verdict{Status: authn.Passed}
		if !c.OK {
			v = authn.Verdict{Status: authn.Failed, Code: "mrz_check_digit", Subject: "DG1"}
		}
		in.Verdicts[digits[c.Field]] = v
	}
	delete(in.Verdicts, "")
}

// fullName holds DG11's name, in national characters, against DG1's. A
// difference is a note: states transcribe by more rules than the standard's.
func (in *Input) fullName(dg11 []byte, m mrz.MRZ) {
	details, err := lds.ParseDG11(dg11)
	if err != nil || details.Name == (lds.Name{}) {
		return
	}
	if mrz.CompareName(details.Name.Primary, details.Name.Secondary, m) == mrz.NameDiffers {
		in.Notes = append(in.Notes, authn.Note{Code: "full_name_differs", Subject: "DG11"})
	}
}

func expiry(m mrz.MRZ, at time.Time) authn.Verdict {
	switch expired, known := m.Expiry.Expired(at); {
	case !known:
		return authn.Verdict{Status: authn.Inconclusive, Code: expiryUnknown}
	case expired:
		return authn.Verdict{Status: authn.Failed, Code: documentExpired}
	}
	return authn.Verdict{Status: authn.Passed}
}

// defects is what the state published of faults of such documents: one that is
// known leaves the check undecided, for a person to weigh.
func defects(p authn.Result) authn.Verdict {
	if len(p.Deviations) > 0 {
		return authn.Verdict{Status: authn.Inconclusive, Code: authn.KnownDeviation}
	}
	return authn.Verdict{}
}
