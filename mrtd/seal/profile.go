package seal

// Kind is what kind of document a seal is on. "" is one that is not known here.
type Kind string

// The kinds, by where their features are defined.
const (
	Visa               Kind = "visa"                      // Doc 9303-7, 9
	EmergencyDocument  Kind = "emergency travel document" // Doc 9303-8, 6
	ArrivalAttestation Kind = "arrival attestation"       // BSI TR-03137-1, 6
	SocialInsurance    Kind = "social insurance card"     // 7
	ResidencePermit    Kind = "residence permit"          // 8.1
	SupplementarySheet Kind = "supplementary sheet"       // 8.3, to a residence permit
	AddressSticker     Kind = "address sticker"           // 9, for a German identity card
	ResidenceSticker   Kind = "residence sticker"         // 10, for a German passport
)

// Name names a feature, for verdicts and reports.
type Name string

// The features of the profiles.
const (
	MRZ             Name = "mrz"
	Entries         Name = "number_of_entries"
	Duration        Name = "duration_of_stay"
	PassportNumber  Name = "passport_number"
	VisaType        Name = "visa_type"
	Additional      Name = "additional_feature"
	AZRNumber       Name = "azr_number" // of the German register of foreigners
	InsuranceNumber Name = "social_insurance_number"
	Surname         Name = "surname"
	GivenName       Name = "first_name"
	BirthName       Name = "name_at_birth"
	SheetNumber     Name = "supplementary_sheet_number"
	DocumentNumber  Name = "document_number"
	Municipality    Name = "municipality_code"
	Address         Name = "residential_address"
	PostalCode      Name = "postal_code"
)

// form is how a feature's value is written.
type form int

const (
	characters form = iota // C40
	unicode                // UTF-8
	octets
)

// definition is a feature of a profile: its name, its form, and its length in octets.
type definition struct {
	name     Name
	form     form
	min, max int
	required bool
	shape    [3]int // an MRZ's: lines, characters a line, characters of the last line that are there
}

type profile struct {
	kind     Kind
	features map[byte]definition
	// either are tags of which one has to be there: a visa's MRZ is of format A or B.
	either []byte
}

var td2 = [3]int{2, 36, 36}

// profiles are known by feature definition reference and document type category.
var profiles = map[[2]byte]profile{
	{0x5D, 0x01}: {kind: Visa, either: []byte{0x01, 0x02}, features: map[byte]definition{
		0x01: {name: MRZ, min: 48, max: 48, shape: [3]int{2, 44, 28}},
		0x02: {name: MRZ, min: 44, max: 44, shape: [3]int{2, 36, 28}},
		0x03: {name: Entries, form: octets, min: 1, max: 1},
		0x04: {name: Duration, form: octets, min: 3, max: 3, required: true},
		0x05: {name: PassportNumber, min: 6, max: 6, required: true},
		0x06: {name: VisaType, form: octets, min: 1, max: 4},
		0x07: {name: Additional, form: octets, max: 254},
	}},
	{0x5E, 0x03}: {kind: EmergencyDocument, features: map[byte]definition{
		0x02: {name: MRZ, min: 48, max: 48, required: true, shape: td2},
	}},
	{0xFD, 0x02}: {kind: ArrivalAttestation, features: map[byte]definition{
		0x02: {name: MRZ, min: 48, max: 48, required: true, shape: td2},
		0x03: {name: AZRNumber, min: 8, max: 8, required: true},
	}},
	{0xFC, 0x04}: {kind: SocialInsurance, features: map[byte]definition{
		0x01: {name: InsuranceNumber, min: 8, max: 8, required: true},
		0x02: {name: Surname, form: unicode, min: 1, max: 90, required: true},
		0x03: {name: GivenName, form: unicode, min: 1, max: 90, required: true},
		0x04: {name: BirthName, form: unicode, min: 1, max: 90},
	}},
	{0xFB, 0x06}: {kind: ResidencePermit, features: map[byte]definition{
		0x02: {name: MRZ, min: 48, max: 48, required: true, shape: td2},
		0x03: {name: PassportNumber, min: 6, max: 6, required: true},
	}},
	{0xFA, 0x06}: {kind: SupplementarySheet, features: map[byte]definition{
		0x04: {name: MRZ, min: 48, max: 48, required: true, shape: td2},
		0x05: {name: SheetNumber, min: 6, max: 6, required: true},
	}},
	{0xF9, 0x08}: {kind: AddressSticker, features: map[byte]definition{
		0x01: {name: DocumentNumber, min: 6, max: 6, required: true},
		0x02: {name: Municipality, min: 6, max: 6, required: true},
		0x03: {name: Address, min: 6, max: 18, required: true},
	}},
	{0xF8, 0x0A}: {kind: ResidenceSticker, features: map[byte]definition{
		0x01: {name: DocumentNumber, min: 6, max: 6, required: true},
		0x02: {name: Municipality, min: 6, max: 6, required: true},
		0x03: {name: PostalCode, min: 4, max: 4, required: true},
	}},
}

// Kind tells what kind of document the seal is on.
func (h Header) Kind() Kind { return h.profile().kind }

func (h Header) profile() profile { return profiles[[2]byte{h.FeatureReference, h.Category}] }
