package demo

import (
	"limen"
	"limen/cmd/internal/demo/faces"
	"limen/mrtd/mrz"
)

// Traveller is one row of the demonstration: who comes, with what document,
// what is wrong with it, and what must come out. Changing a row's input
// changes its outcome; nothing else knows the rows.
type Traveller struct {
	Name     string   // what the row shows
	Face     string   // the mixture on the chip's portrait; see faces/
	Live     Live     // who stands before the camera
	Document Document // the specimen made for the row
	Wrong    Wrong    // what is done to it, or around it
	Expect   Expect
}

// Live is what the camera sees.
type Live struct {
	Face  string // the mixture that walks up; empty: the one on the chip
	Scene Scene
}

// Scene is what is before the camera besides the traveller.
type Scene string

// The scenes.
const (
	OnePerson Scene = ""
	Nobody    Scene = "nobody"
	TwoPeople Scene = "two_people"

	Glasses    Scene = "glasses"     // drawn on the live face
	DimLight   Scene = "dim_light"   // half the lamps are out
	SlightTurn Scene = "slight_turn" // the head is turned by about ten degrees

	// Attacks: another person holds up the holder's picture, which is digitally
	// simulated (hw/sim/camera).
	PrintHeld  Scene = "print"
	ScreenHeld Scene = "screen"
)

// Document is the specimen: format, access protocols, and its holder.
type Document struct {
	Format      Format
	Number      string
	Surname     string
	Given       string
	Nationality string // UTO unless stated
	Birth       string // 1974-08-12
	Expiry      string // 2031-04-15; five years from now unless stated
	Sex         mrz.Sex
	CAN         string // printed on the document, given to the appliance
	Access      Access
	Proof       Proof
	JPEG2000    bool // the portrait's format; JPEG otherwise
}

// Proof is how the chip proves that it is no copy.
type Proof string

// The proofs.
const (
	ChipAuthentication   Proof = "" // as most passports of Europe
	ActiveAuthentication Proof = "active"
	Mapping              Proof = "mapping" // PACE with chip authentication mapping
	NoProof              Proof = "none"
)

// Format is the document's size.
type Format string

// The formats.
const (
	TD3 Format = "TD3" // passport book
	TD1 Format = "TD1" // card
)

// Access is what opens the chip.
type Access string

// The accesses.
const (
	PACE       Access = "pace"        // PACE and BAC; PACE comes first
	BAC        Access = "bac"         // BAC alone, as older passports have it
	BrokenPACE Access = "broken_pace" // PACE is announced and always fails; BAC works
)

// Wrong is what is wrong: each field is one manipulation, the zero value none.
type Wrong struct {
	NoChip        bool   // the document lies on the reader; nothing answers
	ChangedGroup  int    // this data group's content was changed after signing
	UnknownSigner bool   // signed under a CSCA that nobody trusts
	PrintedName   string // the printed MRZ names somebody else than the chip
	LostAfter     int    // the chip leaves the field after so many commands
	SlipsAfter    int    // … and is back at once
	Copied        bool   // a copy of the chip: all its files, and not its key
	PACEHidden    bool   // something between chip and reader says that there is no PACE
	OnStopList    bool
	ReportedLost  bool
	Misread       bool // the MRZ reader takes a 0 for an O in the document number
}

// Expect is what must come out: the outcome, and the reasons and notes as
// code or code:subject, in the order of the line.
type Expect struct {
	Outcome limen.Outcome
	Reasons []string
}

func admit(notes ...string) Expect   { return Expect{limen.Admit, notes} }
func refer(reasons ...string) Expect { return Expect{limen.Refer, reasons} }

// Travellers are the rows, in the order in which they cross.
func Travellers() []Traveller {
	return []Traveller{
		{Name: "passport by PACE", Face: "traveller-01", Expect: admit(),
			Document: Document{Format: TD3, Number: "L898902C3", Surname: "ERIKSSON", Given: "ANNA MARIA", Sex: "F", Birth: "1974-08-12", Access: PACE}},
		{Name: "passport by BAC", Face: "traveller-09", Expect: admit("pace_not_offered"),
			Document: Document{Format: TD3, Number: "UT0000002", Surname: "SPECIMEN", Given: "TWO", Sex: "M", Birth: "1981-02-03", Access: BAC, Proof: ActiveAuthentication}},
		{Name: "identity card by PACE with its card access number", Face: "traveller-04", Expect: admit(),
			Document: Document{Format: TD1, Number: "UT0000003", Surname: "SPECIMEN", Given: "THREE", Sex: "F", Birth: "1990-03-14", CAN: "483927", Access: PACE, Proof: Mapping}},
		{Name: "portrait in JPEG 2000", Face: "traveller-02", Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000004", Surname: "SPECIMEN", Given: "FOUR", Sex: "F", Birth: "1968-04-25", Access: PACE, Proof: NoProof, JPEG2000: true}},
		{Name: "smiling", Face: "traveller-03", Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000005", Surname: "SPECIMEN", Given: "FIVE", Sex: "F", Birth: "1995-05-06", Access: PACE}},
		{Name: "the first passport again", Face: "traveller-01", Expect: admit("seen_before"),
			Document: Document{Format: TD3, Number: "L898902C3", Surname: "ERIKSSON", Given: "ANNA MARIA", Sex: "F", Birth: "1974-08-12", Access: PACE}},
		{Name: "a 0 of the number misread as O", Face: "traveller-10", Wrong: Wrong{Misread: true}, Expect: admit("mrz_repaired:document number"),
			Document: Document{Format: TD3, Number: "UT1028223", Surname: "SPECIMEN", Given: "SIX", Sex: "M", Birth: "1977-06-17", Access: PACE}},
		{Name: "PACE fails, BAC opens", Face: "traveller-06", Expect: admit("pace_failed_bac_used"),
			Document: Document{Format: TD3, Number: "UT0000007", Surname: "SPECIMEN", Given: "SEVEN", Sex: "F", Birth: "1986-07-28", Access: BrokenPACE}},
		{Name: "document slipped while it was read", Face: "traveller-07", Wrong: Wrong{SlipsAfter: 16}, Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000021", Surname: "SPECIMEN", Given: "TWENTY ONE", Sex: "M", Birth: "1980-09-12", Access: PACE}},

		{Name: "with glasses that the portrait does not have", Face: "traveller-02", Live: Live{Scene: Glasses}, Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000025", Surname: "SPECIMEN", Given: "TWENTY FIVE", Sex: "F", Birth: "1968-04-25", Access: PACE}},
		{Name: "in dim light", Face: "traveller-07", Live: Live{Scene: DimLight}, Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000026", Surname: "SPECIMEN", Given: "TWENTY SIX", Sex: "M", Birth: "1980-09-12", Access: PACE}},
		{Name: "slightly turned", Face: "traveller-05", Live: Live{Scene: SlightTurn}, Expect: admit(),
			Document: Document{Format: TD3, Number: "UT0000027", Surname: "SPECIMEN", Given: "TWENTY SEVEN", Sex: "F", Birth: "1988-10-13", Access: PACE}},

		{Name: "holds up a print of the holder", Face: "traveller-09", Live: Live{Scene: PrintHeld}, Expect: refer("presentation_attack_suspected"),
			Document: Document{Format: TD3, Number: "UT0000028", Surname: "SPECIMEN", Given: "TWENTY EIGHT", Sex: "M", Birth: "1983-09-30", Access: PACE}},
		{Name: "holds up a screen that shows the holder", Face: "traveller-12", Live: Live{Scene: ScreenHeld}, Expect: refer("presentation_attack_suspected"),
			Document: Document{Format: TD3, Number: "UT0000029", Surname: "SPECIMEN", Given: "TWENTY NINE", Sex: "M", Birth: "1984-04-07", Access: PACE}},
		{Name: "the portrait is a morph", Face: faces.Morph, Live: Live{Face: faces.MorphedWith}, Expect: refer("morph_suspected"),
			Document: Document{Format: TD3, Number: "UT0000030", Surname: "SPECIMEN", Given: "THIRTY", Sex: "M", Birth: "1978-01-04", Access: PACE}},
		{Name: "copy of a chip", Face: "traveller-05", Wrong: Wrong{Copied: true}, Expect: refer("chip_authentication_failed"),
			Document: Document{Format: TD3, Number: "UT0000022", Surname: "SPECIMEN", Given: "TWENTY TWO", Sex: "F", Birth: "1988-10-13", Access: PACE}},
		{Name: "copy of an older chip", Face: "traveller-06", Wrong: Wrong{Copied: true}, Expect: refer("active_authentication_failed", "pace_not_offered"),
			Document: Document{Format: TD3, Number: "UT0000023", Surname: "SPECIMEN", Given: "TWENTY THREE", Sex: "F", Birth: "1976-11-14", Access: BAC, Proof: ActiveAuthentication}},
		{Name: "a device hides the safer way in", Face: "traveller-10", Wrong: Wrong{PACEHidden: true}, Expect: refer("pace_hidden:EF.CardAccess", "pace_not_offered"),
			Document: Document{Format: TD3, Number: "UT0000024", Surname: "SPECIMEN", Given: "TWENTY FOUR", Sex: "M", Birth: "1985-12-15", Access: PACE}},
		{Name: "dead chip", Face: "traveller-08", Wrong: Wrong{NoChip: true}, Expect: refer("chip_no_answer"),
			Document: Document{Format: TD3, Number: "UT0000008", Surname: "SPECIMEN", Given: "EIGHT", Sex: "M", Birth: "1970-08-29", Access: PACE}},
		{Name: "name changed in the chip", Face: "traveller-09", Wrong: Wrong{ChangedGroup: 1}, Expect: refer("dg_hash_mismatch:DG1"),
			Document: Document{Format: TD3, Number: "UT0000009", Surname: "SPECIMEN", Given: "NINE", Sex: "M", Birth: "1983-09-30", Access: PACE}},
		{Name: "portrait changed in the chip", Face: "traveller-04", Wrong: Wrong{ChangedGroup: 2}, Expect: refer("dg_hash_mismatch:DG2"),
			Document: Document{Format: TD3, Number: "UT0000010", Surname: "SPECIMEN", Given: "TEN", Sex: "F", Birth: "1991-10-01", Access: PACE}},
		{Name: "signed by nobody we trust", Face: "traveller-11", Wrong: Wrong{UnknownSigner: true}, Expect: refer("csca_unknown"),
			Document: Document{Format: TD3, Number: "UT0000011", Surname: "SPECIMEN", Given: "ELEVEN", Sex: "M", Birth: "1972-11-02", Access: PACE}},
		{Name: "expired", Face: "traveller-05", Expect: refer("document_expired"),
			Document: Document{Format: TD3, Number: "UT0000012", Surname: "SPECIMEN", Given: "TWELVE", Sex: "F", Birth: "1996-12-03", Expiry: "2024-01-15", Access: PACE}},
		{Name: "somebody else's passport", Face: "traveller-10", Live: Live{Face: "traveller-12"}, Expect: refer("face_mismatch"),
			Document: Document{Format: TD3, Number: "UT0000013", Surname: "SPECIMEN", Given: "THIRTEEN", Sex: "M", Birth: "1978-01-04", Access: PACE}},
		{Name: "printed name changed", Face: "traveller-06", Wrong: Wrong{PrintedName: "IMPOSTOR"}, Expect: refer("mrz_chip_mismatch:name"),
			Document: Document{Format: TD3, Number: "UT0000014", Surname: "SPECIMEN", Given: "FOURTEEN", Sex: "F", Birth: "1987-02-05", Access: PACE}},
		{Name: "document taken away while it was read", Face: "traveller-08", Wrong: Wrong{LostAfter: 9}, Expect: refer("chip_lost"),
			Document: Document{Format: TD3, Number: "UT0000015", Surname: "SPECIMEN", Given: "FIFTEEN", Sex: "M", Birth: "1971-03-06", Access: PACE}},
		{Name: "nobody before the camera", Face: "traveller-12", Live: Live{Scene: Nobody}, Expect: refer("face_not_found"),
			Document: Document{Format: TD3, Number: "UT0000016", Surname: "SPECIMEN", Given: "SIXTEEN", Sex: "M", Birth: "1984-04-07", Access: PACE}},
		{Name: "two people before the camera", Face: "traveller-04", Live: Live{Scene: TwoPeople}, Expect: refer("several_faces"),
			Document: Document{Format: TD3, Number: "UT0000017", Surname: "SPECIMEN", Given: "SEVENTEEN", Sex: "F", Birth: "1992-05-08", Access: PACE}},
		{Name: "on the stop list", Face: "traveller-11", Wrong: Wrong{OnStopList: true}, Expect: refer("stop_list_hit:stop_list"),
			Document: Document{Format: TD3, Number: "UT0000018", Surname: "SPECIMEN", Given: "EIGHTEEN", Sex: "M", Birth: "1973-06-09", Access: PACE}},
		{Name: "reported lost", Face: "traveller-03", Wrong: Wrong{ReportedLost: true}, Expect: refer("document_reported_lost:national"),
			Document: Document{Format: TD3, Number: "UT0000019", Surname: "SPECIMEN", Given: "NINETEEN", Sex: "F", Birth: "1997-07-10", Access: PACE}},
		{Name: "needs a visa officer", Face: "traveller-07", Expect: refer("not_eligible:nationality"),
			Document: Document{Format: TD3, Number: "UT0000020", Surname: "SPECIMEN", Given: "TWENTY", Sex: "M", Birth: "1979-08-11", Nationality: "XXA", Access: PACE}},
	}
}
