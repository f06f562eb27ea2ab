package trust

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"time"

	"limen/mrtd/ber"
)

// DeviationList is a state's signed list of documents it issued with a known
// fault (Doc 9303-3, 7; Doc 9303-12, 10).
type DeviationList struct {
	Deviations  []Deviation
	SigningTime time.Time    // when the list was signed: its age
	Signer      *Certificate // nil until verified

	signed *SignedData
	raw    []byte
	digest [sha256.Size]byte
}

// Deviation is one fault of one set of documents: those that meet every
// condition that is given. It prints without the numbers of the documents.
type Deviation struct {
	Defect      Defect
	OID         string // of the deviation type
	Parameter   string // what of the document is faulty: "DG12", "date_of_birth", "subject"; "" where not stated
	Description string // the issuer's words

	DocumentType string // as the MRZ has it; one letter stands for all that begin with it; "" any
	Issuer       Name   // with Serial: the document signer
	Serial       *big.Int
	SubjectKeyID []byte // … or its key
	Digest       []byte // … or its certificate's hash, by hash
	Hash         crypto.Hash
	From, Until  time.Time // of issue; zero where not limited
	Numbers      int       // of document numbers listed; 0 where not limited by them

	numbers []byte // PrintableStrings, as they lie
}

// Defect is a kind of deviation (Doc 9303-3, 7.3.5).
type Defect string

// The kinds. One that this version does not know is DefectUnknown.
const (
	DefectCertOrKey          Defect = "certificate_or_key"
	DefectDSSignature        Defect = "signer_signature_wrong" // of the document signer's certificate
	DefectDSEncoding         Defect = "signer_encoding"
	DefectCSCAEncoding       Defect = "csca_encoding"
	DefectAAKeyCompromised   Defect = "aa_key_compromised" // active authentication proves nothing
	DefectLDS                Defect = "lds_fault"
	DefectDGMalformed        Defect = "dg_malformed"
	DefectDGHashWrong        Defect = "dg_hash_wrong"
	DefectSODSignatureWrong  Defect = "sod_signature_wrong"
	DefectCOMInconsistent    Defect = "com_inconsistent"
	DefectMRZ                Defect = "mrz_fault"
	DefectMRZWrongData       Defect = "mrz_wrong_data"
	DefectMRZWrongCheckDigit Defect = "mrz_wrong_check_digit"
	DefectChip               Defect = "chip_unusable"
	DefectNationalUse        Defect = "national_use"
	DefectUnknown            Defect = "unknown"
)

const (
	oidDeviationList       = "2.23.136.1.1.7"
	oidDeviationListSigner = "2.23.136.1.1.8"
)

var defects = map[string]Defect{
	oidDeviationList + ".1": DefectCertOrKey, oidDeviationList + ".1.1": DefectDSSignature, oidDeviationList + ".1.2": DefectDSEncoding,
	oidDeviationList + ".1.3": DefectCSCAEncoding, oidDeviationList + ".1.4": DefectAAKeyCompromised,
	oidDeviationList + ".2": DefectLDS, oidDeviationList + ".2.1": DefectDGMalformed, oidDeviationList + ".2.2": DefectDGHashWrong,
	oidDeviationList + ".2.3": DefectSODSignatureWrong, oidDeviationList + ".2.4": DefectCOMInconsistent,
	oidDeviationList + ".3": DefectMRZ, oidDeviationList + ".3.1": DefectMRZWrongData, oidDeviationList + ".3.2": DefectMRZWrongCheckDigit,
	oidDeviationList + ".4": DefectChip, oidDeviationList + ".5": DefectNationalUse,
}

// Bounds. The longest list known names 346 275 identity cards in 4 MB.
const (
	maxDeviationList   = 16 << 20
	maxDeviations      = 4096
	maxDescription     = 4096
	maxDocumentNumbers = 1_000_000
)

// ParseDeviationList reads a list without judging its signature.
func ParseDeviationList(b []byte) (DeviationList, error) {
	list, err := parseDeviationList(b)
	if err != nil {
		return DeviationList{}, fmt.Errorf("deviation list: %w", err)
	}
	return list, nil
}

func parseDeviationList(b []byte) (DeviationList, error) {
	list := DeviationList{raw: b, digest: sha256.Sum256(b)}
	if len(b) > maxDeviationList {
		return list, fmt.Errorf("%d bytes are longer than %d", len(b), maxDeviationList)
	}
	signed, err := ParseSignedData(b)
	if err != nil {
		return list, err
	}
	if signed.ContentType != oidDeviationList {
		return list, fmt.Errorf("content type %s where a deviation list (%s) belongs", signed.ContentType, oidDeviationList)
	}
	list.signed, list.SigningTime = signed, signed.Signers[0].SigningTime
	return list, list.setContent(signed.Content)
}

func (l *DeviationList) setContent(b []byte) error {
	seq, err := ber.Parse(b, ber.Sequence)
	if err != nil {
		return err
	}
	fields, err := seq.AtMost(3)
	if err != nil {
		return err
	}
	if len(fields) < 2 || fields[0].Tag != ber.Integer || fields[len(fields)-1].Tag != ber.Set {
		return errors.New("content is not a version and a set of deviations")
	}
	if v, err := fields[0].Int(); err != nil || v.Sign() != 0 {
		return errors.New("version is not 0, the one this system reads")
	}
	var hash crypto.Hash
	if len(fields) == 3 {
		oid, _, err := identifier(fields[1])
		if err != nil {
			return fmt.Errorf("digest algorithm: %w", err)
		}
		hash = HashByOID(oid)
	}
	return l.setDeviations(fields[len(fields)-1], hash)
}

func (l *DeviationList) setDeviations(t ber.TLV, hash crypto.Hash) error {
	numbers := 0
	for rest := t.Value; len(rest) > 0; {
		var e ber.TLV
		var err error
		if e, rest, err = ber.Next(rest); err != nil {
			return err
		}
		parts, err := e.AtMost(2)
		if err != nil {
			return err
		}
		if len(parts) != 2 || parts[0].Tag != ber.Sequence || parts[1].Tag != ber.Set {
			return errors.New("deviation is not documents and a set of descriptions")
		}
		documents := Deviation{Hash: hash}
		if err := documents.setDocuments(parts[0]); err != nil {
			return fmt.Errorf("deviation %d: documents: %w", len(l.Deviations)+1, err)
		}
		if numbers += documents.Numbers; numbers > maxDocumentNumbers {
			return fmt.Errorf("more than %d document numbers", maxDocumentNumbers)
		}
		for rest := parts[1].Value; len(rest) > 0; {
			var t ber.TLV
			if t, rest, err = ber.Next(rest); err != nil {
				return err
			}
			if len(l.Deviations) >= maxDeviations {
				return fmt.Errorf("more than %d deviations", maxDeviations)
			}
			d := documents
			if err := d.setDescription(t); err != nil {
				return fmt.Errorf("deviation %d: %w", len(l.Deviations)+1, err)
			}
			l.Deviations = append(l.Deviations, d)
		}
	}
	return nil
}

// setDocuments reads DeviationDocuments, whose tags are implicit.
func (d *Deviation) setDocuments(t ber.TLV) error {
	fields, err := t.AtMost(4)
	if err != nil {
		return err
	}
	for _, f := range fields {
		switch f.Tag {
		case 0x80:
			d.DocumentType = strings.TrimRight(printable(f), "< ")
			if len(d.DocumentType) > 2 {
				return errors.New("a document type longer than 2 characters")
			}
		case 0xA1:
			var s SignerInfo
			if err := s.setIdentifier(ber.TLV{Tag: ber.Sequence, Value: f.Value}); err != nil {
				return fmt.Errorf("document signer: %w", err)
			}
			d.Issuer, d.Serial = s.Issuer, s.Serial
		case 0x82:
			d.SubjectKeyID = f.Value
		case 0x83:
			if d.Digest = f.Value; d.Hash == 0 || len(f.Value) != d.Hash.Size() {
				return errors.New("a certificate's digest without its algorithm")
			}
		case 0xA4:
			if d.From, d.Until, err = parseValidity(f); err != nil {
				return fmt.Errorf("issuing dates: %w", err)
			}
		case 0xA5:
			d.numbers = f.Value
			if err := eachNumber(f.Value, func([]byte) bool { d.Numbers++; return true }); err != nil {
				return fmt.Errorf("document numbers: %w", err)
			}
		default: // a condition that is not understood cannot be met
			return fmt.Errorf("tag %X is none of its fields", f.Tag)
		}
	}
	return nil
}

func eachNumber(b []byte, yield func([]byte) bool) error {
	for len(b) > 0 {
		t, rest, err := ber.Next(b)
		if err != nil {
			return err
		}
		if !yield(t.Value) {
			return nil
		}
		b = rest
	}
	return nil
}

func (d *Deviation) setDescription(t ber.TLV) error {
	fields, err := t.AtMost(4)
	if err != nil {
		return err
	}
	if t.Tag != ber.Sequence {
		return fmt.Errorf("tag %X where a description belongs", t.Tag)
	}
	for _, f := range fields {
		switch {
		case f.Tag == ber.OID:
			if d.OID, err = f.OID(); err != nil {
				return fmt.Errorf("type: %w", err)
			}
		case f.Tag == 0xA0:
			inner, _, err := ber.Next(f.Value)
			if err != nil {
				return fmt.Errorf("parameter: %w", err)
			}
			d.Parameter = d.parameter(inner)
		case !f.Tag.Constructed() && d.OID == "": // PrintableString, or what was meant as one
			if len(f.Value) > maxDescription {
				return fmt.Errorf("words of %d bytes are longer than %d", len(f.Value), maxDescription)
			}
			d.Description = printable(f)
		}
	}
	if d.OID == "" {
		return errors.New("no deviation type")
	}
	if d.Defect = defects[d.OID]; d.Defect == "" {
		d.Defect = DefectUnknown
	}
	return nil
}

var (
	certificateFields = []string{"", "version", "serial", "signature", "issuer", "validity", "subject", "key", "issuer_id", "subject_id"}
	mrzFieldNames     = []string{"", "document_code", "issuing_state", "name", "document_number", "nationality", "date_of_birth", "sex", "date_of_expiry", "optional_data"}
)

// parameter names what CertField, Datagroup or MRZField says; which of them it
// is follows from the type. "" is a general fault, or a value that is none of theirs.
func (d *Deviation) parameter(t ber.TLV) string {
	if t.Tag == ber.OID {
		oid, _ := t.OID() // an extension of the certificate
		return oid
	}
	if t.Tag != ber.Integer || len(t.Value) != 1 {
		return ""
	}
	n := int(t.Value[0])
	one := func(list []string) string {
		if n < len(list) {
			return list[n]
		}
		return ""
	}
	switch defects[d.OID] {
	case DefectDSEncoding, DefectCSCAEncoding, DefectDSSignature, DefectCertOrKey:
		return one(certificateFields)
	case DefectMRZ, DefectMRZWrongData, DefectMRZWrongCheckDigit:
		return one(mrzFieldNames)
	case DefectLDS, DefectDGMalformed, DefectDGHashWrong:
		switch {
		case n >= 1 && n <= 16:
			return fmt.Sprintf("DG%d", n)
		case n == 20:
			return "EF.SOD"
		case n == 21:
			return "EF.COM"
		}
	}
	return ""
}

// VerifyDeviationList reads a list and judges it as VerifyMasterList does a
// master list: its signer is one for deviation lists, was valid when it
// signed, and its chain ends at one of the roots.
func VerifyDeviationList(b []byte, roots ...*Certificate) (DeviationList, error) {
	list, err := ParseDeviationList(b)
	if err != nil {
		return DeviationList{}, err
	}
	if list.Signer, list.SigningTime, err = list.signed.verifyList(listKind{"deviation lists", oidDeviationListSigner}, roots); err != nil {
		return DeviationList{}, fmt.Errorf("deviation list: %w", err)
	}
	return list, nil
}

// openDeviationList reads a list that was judged when it was imported.
func openDeviationList(b []byte) (DeviationList, error) {
	l, err := parseDeviationList(b)
	if err != nil {
		return l, err
	}
	for _, raw := range l.signed.Certificates {
		c, err := ParseCertificate(raw)
		if err != nil {
			continue
		}
		for _, info := range l.signed.Signers {
			if info.Identifies(c) && l.signed.Verify(info, c) == nil {
				l.Signer, l.SigningTime = c, info.SigningTime
				return l, nil
			}
		}
	}
	return l, errors.New("its signer's certificate is not in it")
}

// String names the fault and what it is in, "dg_hash_wrong,DG12", and none of the documents.
func (d Deviation) String() string {
	if d.Parameter == "" {
		return string(d.Defect)
	}
	return string(d.Defect) + "," + d.Parameter
}

// GoString is String, for %#v.
func (d Deviation) GoString() string { return d.String() }

// LogValue is String, for logs.
func (d Deviation) LogValue() slog.Value { return slog.StringValue(d.String()) }
