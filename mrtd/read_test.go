package mrtd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"limen/mrtd"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/ec"
	"limen/mrtd/lds"
)

// The specimen of Doc 9303-4, appendix A.
const (
	specimenMRZ = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
	specimenKey = "L898902C3674081221204159"
	specimenCAN = "123456"
	oidGM       = "0.4.0.127.0.7.2.2.4.2."
)

// seeded is randomness that repeats, so that a failure does.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func filler(n int) []byte {
	b := make([]byte, n)
	seeded(7).Read(b)
	return b
}

// passport has EF.COM, EF.SOD, DG1, a DG2 of about size bytes and a DG14.
func passport(size int, bac bool, pace ...chipsim.PACE) chipsim.Passport {
	p := chipsim.Passport{
		MRZ: specimenMRZ, CAN: specimenCAN, BAC: bac, PACE: pace,
		Files: map[lds.Path][]byte{
			0x011E: ber.Encode(0x60, ber.Encode(0x5F01, []byte("0107")), ber.Encode(0x5F36, []byte("040000")), ber.Encode(0x5C, []byte{0x61, 0x75, 0x6E})),
			0x011D: ber.Encode(0x77, filler(1800)),
			0x0101: ber.Encode(0x61, ber.Encode(0x5F1F, []byte(strings.ReplaceAll(specimenMRZ, "\n", "")))),
			0x0102: ber.Encode(0x75, filler(size)),
			0x010E: ber.Encode(0x6E, filler(300)),
		},
	}
	var set []byte
	for _, v := range pace {
		set = append(set, ber.Encode(ber.Sequence, ber.EncodeOID(v.OID), []byte{2, 1, 2}, []byte{2, 1, byte(v.ParameterID)})...)
	}
	if len(pace) > 0 {
		p.Files[0x3F00011C] = ber.Encode(ber.Set, set)
	}
	return p
}

var both = mrtd.Key{MRZ: specimenKey}

// same fails unless every file of the passport but those named was read as it lies there.
func same(t *testing.T, p chipsim.Passport, r mrtd.Reading, but ...lds.Path) {
	t.Helper()
	for fid, want := range p.Files {
		missing := false
		for _, b := range but {
			missing = missing || b == fid
		}
		if !missing && !bytes.Equal(r.Files[fid], want) {
			t.Errorf("file %04X: got %d bytes, want the %d on the chip", fid, len(r.Files[fid]), len(want))
		}
	}
}

func TestReadEveryCipherOverEveryCurve(t *testing.T) {
	for cipher := 1; cipher <= 4; cipher++ {
		for id := 8; id <= 18; id++ {
			v := chipsim.PACE{OID: fmt.Sprint(oidGM, cipher), ParameterID: id}
			if ec.ByParameterID(id) == nil {
				t.Fatalf("parameters %d have no curve", id)
			}
			p := passport(500, false, v)
			card := chipsim.New(p, chipsim.Options{Random: seeded(1)})
			r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{Random: seeded(2)})
			if err != nil {
				t.Errorf("%v: %v", v, err)
				continue
			}
			same(t, p, r)
			a := r.Access
			if a.Protocol != mrtd.ProtocolPACE || a.PACE != mrtd.PACESucceeded || a.OID != v.OID || a.ParameterID != id || a.Curve != ec.ByParameterID(id).Name {
				t.Errorf("%v: access %+v", v, a)
			}
			if s := card.Seen(); s.SMErrors != 0 || s.PACE != 1 || s.Refused != 0 {
				t.Errorf("%v: the chip saw %+v", v, s)
			}
		}
	}
}

func TestGroupsAskedForFirstFollowTheSOD(t *testing.T) {
	p := passport(400, true)
	var order []string
	r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{
		First:  []int{2, 11}, // DG11 is not asked for
		OnFile: func(f lds.File, _ []byte) { order = append(order, f.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, p, r)
	if got, want := strings.Join(order, " "), "EF.COM DG14 EF.SOD DG2 DG1"; got != want {
		t.Errorf("order: got %s, want %s", got, want)
	}
}

func TestReadByBAC(t *testing.T) {
	p := passport(20000, true)
	card := chipsim.New(p, chipsim.Options{})
	var order []string
	r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{OnFile: func(f lds.File, _ []byte) { order = append(order, f.Name) }})
	if err != nil {
		t.Fatal(err)
	}
	same(t, p, r)
	if a := r.Access; a.Protocol != mrtd.ProtocolBAC || a.PACE != mrtd.PACENotOffered || a.Cipher != "3DES" {
		t.Errorf("access: got %+v, want BAC with PACE not offered", a)
	}
	if got, want := strings.Join(order, " "), "EF.COM DG14 EF.SOD DG1 DG2"; got != want {
		t.Errorf("order: got %s, want %s", got, want)
	}
	if r.Channel == nil || len(r.Failures) != 0 || card.Seen().SMErrors != 0 {
		t.Errorf("channel %v, failures %v, chip saw %+v", r.Channel, r.Failures, card.Seen())
	}
}

var aes256 = chipsim.PACE{OID: oidGM + "4", ParameterID: 13}

func TestReadOutcomes(t *testing.T) {
	both2 := []chipsim.PACE{{OID: oidGM + "2", ParameterID: 12}, {OID: oidGM + "2", ParameterID: 13}}
	wrong := mrtd.Key{MRZ: "L898902C3674081221204158"}
	for _, c := range []struct {
		name     string
		p        chipsim.Passport
		opt      chipsim.Options
		key      mrtd.Key
		err      error
		protocol string
		pace     string
		password string
	}{
		{"no access control", passport(400, false), chipsim.Options{}, both, nil, "none", mrtd.PACENotOffered, ""},
		{"no access control, no key", passport(400, false), chipsim.Options{}, mrtd.Key{}, nil, "none", mrtd.PACENotOffered, ""},
		{"PACE with CAN", passport(400, true, aes256), chipsim.Options{}, mrtd.Key{CAN: specimenCAN}, nil, "PACE", mrtd.PACESucceeded, "CAN"},
		{"PACE, CAN before MRZ", passport(400, true, aes256), chipsim.Options{}, mrtd.Key{MRZ: specimenKey, CAN: specimenCAN}, nil, "PACE", mrtd.PACESucceeded, "CAN"},
		{"wrong CAN, MRZ opens", passport(400, true, aes256), chipsim.Options{}, mrtd.Key{MRZ: specimenKey, CAN: "654321"}, nil, "PACE", mrtd.PACESucceeded, "MRZ"},
		{"two parameter sets", passport(400, false, both2...), chipsim.Options{}, both, nil, "PACE", mrtd.PACESucceeded, "MRZ"},
		{"wrong MRZ, BAC", passport(400, true), chipsim.Options{}, wrong, mrtd.ErrAccessDenied, "", mrtd.PACENotOffered, ""},
		{"wrong MRZ, PACE only", passport(400, false, aes256), chipsim.Options{}, wrong, mrtd.ErrAccessDenied, "", mrtd.PACEFailed, ""},
		{"wrong MRZ, PACE and BAC", passport(400, true, aes256), chipsim.Options{}, wrong, mrtd.ErrAccessDenied, "", mrtd.PACEFailed, ""},
		{"wrong CAN alone", passport(400, true, aes256), chipsim.Options{}, mrtd.Key{CAN: "654321"}, mrtd.ErrAccessDenied, "", mrtd.PACEFailed, ""},
		{"CAN alone, BAC only", passport(400, true), chipsim.Options{}, mrtd.Key{CAN: specimenCAN}, mrtd.ErrAccessDenied, "", mrtd.PACENotOffered, ""},
		{"no key", passport(400, true), chipsim.Options{}, mrtd.Key{}, mrtd.ErrAccessDenied, "", mrtd.PACENotOffered, ""},
		{"PACE broken, BAC works", passport(400, true, aes256), chipsim.Options{Faults: chipsim.Faults{PACEFails: true}}, both, nil, "BAC", mrtd.PACEFailed, "MRZ"},
		{"EF.CardAccess 6982", passport(400, true, aes256), chipsim.Options{Faults: chipsim.Faults{CardAccess: 0x6982}}, both, nil, "BAC", mrtd.PACENotOffered, "MRZ"},
		{"EF.CardAccess 6A82", passport(400, true, aes256), chipsim.Options{Faults: chipsim.Faults{CardAccess: 0x6A82}}, both, nil, "BAC", mrtd.PACENotOffered, "MRZ"},
		{"EF.CardAccess 6985", passport(400, true, aes256), chipsim.Options{Faults: chipsim.Faults{CardAccess: 0x6985}}, both, nil, "BAC", mrtd.PACENotOffered, "MRZ"},
		{"integrated mapping over P-224 only", passport(400, true, chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.4.2", ParameterID: 10}), chipsim.Options{}, both, nil, "BAC", mrtd.PACEUnsupported, "MRZ"},
		{"no short identifiers", passport(3000, true), chipsim.Options{Faults: chipsim.Faults{NoSFI: true}}, both, nil, "BAC", mrtd.PACENotOffered, "MRZ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			card := chipsim.New(c.p, c.opt)
			r, err := mrtd.Read(t.Context(), card, c.key, mrtd.Options{})
			if !errors.Is(err, c.err) {
				t.Fatalf("error: got %v, want %v", err, c.err)
			}
			a := r.Access
			if a.Protocol != c.protocol || a.PACE != c.pace || a.Password != c.password {
				t.Errorf("access: got %+v, want protocol %q, PACE %q, password %q", a, c.protocol, c.pace, c.password)
			}
			if (a.PACE == mrtd.PACEFailed) != (a.PACEProblem != "") {
				t.Errorf("PACE %q with problem %q", a.PACE, a.PACEProblem)
			}
			if c.err == nil {
				same(t, c.p, r, lds.EFCardAccess.Path())
			}
			if n := card.Seen().SMErrors; n != 0 {
				t.Errorf("%d commands did not verify at the chip", n)
			}
		})
	}
}

func TestReadNoApplication(t *testing.T) {
	_, err := mrtd.Read(t.Context(), deaf{}, both, mrtd.Options{})
	if !errors.Is(err, mrtd.ErrNoApplication) {
		t.Errorf("got %v, want ErrNoApplication", err)
	}
}

// deaf is a card of another trade: every file and application is unknown to it.
type deaf struct{}

func (deaf) Transmit(context.Context, []byte) ([]byte, error) { return []byte{0x6A, 0x82}, nil }

func TestReadLengthFaults(t *testing.T) {
	for _, channel := range []struct {
		name string
		bac  bool
		pace []chipsim.PACE
	}{{"BAC", true, nil}, {"PACE", false, []chipsim.PACE{aes256}}} {
		for _, c := range []struct {
			name   string
			faults chipsim.Faults
			maxLe  int
			opens  int // sessions it may take
		}{
			{"6700 above 224", chipsim.Faults{LeRefused: 224}, 0, 1},
			{"6700 above 192", chipsim.Faults{LeRefused: 192}, 0, 1},
			{"6282 above 192", chipsim.Faults{LeRefused: 192, LeStatus: 0x6282}, 0, 1},
			{"6Cxx above 200", chipsim.Faults{LeRefused: 200, LeStatus: 0x6C00}, 0, 1},
			{"bare 6700 above 224, session kept", chipsim.Faults{LeRefused: 224, BareErrors: true}, 0, 1},
			{"bare 6282 above 192, session kept", chipsim.Faults{LeRefused: 192, LeStatus: 0x6282, BareErrors: true}, 0, 1},
			{"bare 6700 above 192, session ended", chipsim.Faults{LeRefused: 192, BareErrorsEnd: true}, 0, 3},
			{"extended", chipsim.Faults{}, 65536, 1},
			{"extended 1000", chipsim.Faults{}, 1000, 1},
			{"extended refused", chipsim.Faults{LeRefused: 231}, 65536, 1},
			{"extended refused bare, session ended", chipsim.Faults{LeRefused: 231, BareErrorsEnd: true}, 65536, 2},
			{"short of reader", chipsim.Faults{}, 128, 1},
		} {
			t.Run(channel.name+" "+c.name, func(t *testing.T) {
				p := passport(40000, channel.bac, channel.pace...) // beyond 32767: the odd instruction too
				card := chipsim.New(p, chipsim.Options{Faults: c.faults})
				r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{MaxLe: c.maxLe})
				if err != nil {
					t.Fatal(err)
				}
				same(t, p, r)
				if s := card.Seen(); s.BAC+s.PACE > c.opens || (c.opens == 1 && s.SMErrors > 0) {
					t.Errorf("the chip saw %+v, want at most %d sessions", s, c.opens)
				}
			})
		}
	}
}

// What the Virtual Smart Card project's passport does: errors in the clear that
// its counter does not follow, one of them at the end of every file, and
// successes without a status object.
func TestReadBearsNoReadBeyondTheEnd(t *testing.T) {
	for _, noSFI := range []bool{false, true} {
		p := passport(9000, true)
		faults := chipsim.Faults{PastEnd: apdu.EndOfFile, NoStatusObject: true, BareErrorsUncounted: true, NoSFI: noSFI}
		card := chipsim.New(p, chipsim.Options{Faults: faults})
		r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{})
		if err != nil {
			t.Fatalf("short identifiers refused %v: %v", noSFI, err)
		}
		same(t, p, r)
		if s := card.Seen(); s.BAC > 4 {
			t.Errorf("short identifiers refused %v: %d sessions, want 4 at most", noSFI, s.BAC)
		}
	}
}

// A chip that does not bear extended length answers 6700 to it in the clear.
func TestReadExtendedOnShortChip(t *testing.T) {
	p := passport(9000, false, aes256)
	card := chipsim.New(p, chipsim.Options{ShortOnly: true})
	r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{MaxLe: 65536})
	if err != nil {
		t.Fatal(err)
	}
	same(t, p, r)
	if s := card.Seen(); s.PACE > 2 {
		t.Errorf("the chip saw %+v, want two sessions at most", s)
	}
}

// A piece that does not fit a short answer once it is protected travels in an
// extended one, though its own length would fit.
func TestReadPiecesBetweenShortAndExtended(t *testing.T) {
	for _, pace := range [][]chipsim.PACE{nil, {aes256}} {
		for size := 480; size < 540; size++ {
			p := passport(size, pace == nil, pace...)
			card := carrying{chipsim.New(p, chipsim.Options{}), 65544, 65538}
			r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{Groups: []int{1, 2}, MaxLe: 300, Proof: mrtd.ProofNone})
			if err != nil || len(r.Quirks) > 0 {
				t.Errorf("%d bytes, PACE %v: got %v, quirks %v", size, pace != nil, err, r.Quirks)
			}
			same(t, p, r, 0x010E)
		}
	}
}

func TestReadFileFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(chipsim.Passport)
		opt    mrtd.Options
		file   string
		want   string
	}{
		{"no EF.SOD", func(p chipsim.Passport) { delete(p.Files, 0x011D) }, mrtd.Options{}, "EF.SOD", "6A82"},
		{"no DG2", func(p chipsim.Passport) { delete(p.Files, 0x0102) }, mrtd.Options{}, "DG2", "6A82"},
		{"listed DG14 missing", func(p chipsim.Passport) { delete(p.Files, 0x010E) }, mrtd.Options{}, "DG14", "6A82"},
		{"DG1 under another tag", func(p chipsim.Passport) { p.Files[0x0101] = ber.Encode(0x75, filler(40)) }, mrtd.Options{}, "DG1", "tag 75 where 61 belongs"},
		{"DG2 says it is huge", func(p chipsim.Passport) { p.Files[0x0102] = []byte{0x75, 0x84, 0x00, 0xFF, 0xFF, 0xFF, 1} }, mrtd.Options{}, "DG2", "beyond"},
		{"DG2 ends early", func(p chipsim.Passport) { p.Files[0x0102] = p.Files[0x0102][:700] }, mrtd.Options{}, "DG2", "6B00"},
		{"DG2 empty", func(p chipsim.Passport) { p.Files[0x0102] = []byte{} }, mrtd.Options{}, "DG2", "6B00"},
	} {
		for _, bare := range []chipsim.Faults{{}, {BareErrors: true}, {BareErrorsEnd: true}} {
			p := passport(2000, true)
			c.change(p)
			r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{Faults: bare}), both, c.opt)
			if err == nil || !strings.HasPrefix(err.Error(), "cannot read "+c.file+": ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %+v: got %v, want %q about %s", c.name, bare, err, c.want, c.file)
			}
			if len(r.Failures) != 1 || r.Failures[0].File.Name != c.file {
				t.Errorf("%s %+v: failures %v", c.name, bare, r.Failures)
			}
			f, _ := lds.FileByPath(0x0101)
			if c.file != "DG1" && len(r.Files[f.Path()]) == 0 {
				t.Errorf("%s: the other files were not read", c.name)
			}
		}
	}
}

func TestReadPaddedAndIndefiniteFiles(t *testing.T) {
	p := passport(2000, true)
	p.Files[0x0101] = append(p.Files[0x0101], make([]byte, 200)...)
	inner := ber.Encode(0x30, filler(900))
	p.Files[0x011D] = append(append([]byte{0x77, 0x80}, inner...), 0, 0)
	r, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(r.Files[0x0101]), len(p.Files[0x0101])-200; got != want {
		t.Errorf("DG1: got %d bytes, want %d without the padding", got, want)
	}
	same(t, p, r, 0x0101)
}

// The chip leaves at every point of the sequence.
func TestReadChipLost(t *testing.T) {
	for _, p := range []chipsim.Passport{passport(2500, true), passport(2500, true, chipsim.PACE{OID: oidGM + "2", ParameterID: 12})} {
		whole, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{})
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for n := range whole.Stats.Commands {
			opt := chipsim.Options{Faults: chipsim.Faults{GoneAfter: n}}
			if n == 0 {
				opt.Faults.GoneAfter = -1
			}
			r, err := mrtd.Read(t.Context(), chipsim.New(p, opt), both, mrtd.Options{})
			if !errors.Is(err, mrtd.ErrChipLost) {
				t.Errorf("gone after %d: got %v, want ErrChipLost", n, err)
			}
			if len(r.Files) < last {
				t.Errorf("gone after %d: %d files, fewer than after %d", n, len(r.Files), n-1)
			}
			last = len(r.Files)
			for fid, got := range r.Files {
				if !bytes.Equal(got, p.Files[fid]) {
					t.Errorf("gone after %d: file %04X is not whole", n, fid)
				}
			}
			if r.Stats.Commands != n+1 {
				t.Errorf("gone after %d: %d commands counted", n, r.Stats.Commands)
			}
		}
		if last < len(whole.Files)-1 {
			t.Errorf("kept %d of %d files", last, len(whole.Files))
		}
	}
}

// failing is a reader that breaks after n commands.
type failing struct {
	apdu.Card
	n   int
	err error
}

func (c *failing) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if c.n--; c.n < 0 {
		return nil, c.err
	}
	return c.Card.Transmit(ctx, command)
}

// silent returns nothing at all.
type silent struct{}

func (silent) Transmit(context.Context, []byte) ([]byte, error) { return nil, nil }

func TestReadSilentCard(t *testing.T) {
	if _, err := mrtd.Read(t.Context(), silent{}, both, mrtd.Options{}); !errors.Is(err, mrtd.ErrChipLost) {
		t.Errorf("got %v, want ErrChipLost", err)
	}
}

// A wrong key is shown to the chip once a password, however many variants it has.
func TestReadShowsAWrongKeyOnce(t *testing.T) {
	p := passport(400, false, aes256, chipsim.PACE{OID: oidGM + "2", ParameterID: 12}, chipsim.PACE{OID: oidGM + "1", ParameterID: 12})
	card := chipsim.New(p, chipsim.Options{})
	_, err := mrtd.Read(t.Context(), card, mrtd.Key{MRZ: "L898902C3674081221204158", CAN: "654321"}, mrtd.Options{})
	if !errors.Is(err, mrtd.ErrAccessDenied) || card.Seen().Refused != 2 {
		t.Errorf("got %v after %d refusals, want ErrAccessDenied after 2", err, card.Seen().Refused)
	}
}

// talkedDown is a chip that breaks its first session off and then fails PACE:
// what someone in between would do to be read by BAC.
type talkedDown struct {
	first, then apdu.Card
	reads       int
}

func (c *talkedDown) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if command[0] == 0x0C && command[1] == 0xB0 {
		c.reads++
	}
	if c.reads > 0 && command[0] == 0x00 {
		c.first = c.then
	}
	return c.first.Transmit(ctx, command)
}

func TestReadIsNotTalkedDown(t *testing.T) {
	p := passport(2500, true, aes256)
	breaksOff := chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{LeRefused: 192, BareErrorsEnd: true}})
	card := &talkedDown{first: breaksOff, then: chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{PACEFails: true}})}
	r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{})
	if !errors.Is(err, mrtd.ErrAccessDenied) || r.Access.Protocol != mrtd.ProtocolPACE || r.Access.PACE != mrtd.PACESucceeded || r.Channel != nil {
		t.Errorf("got %v with access %+v, want denied, PACE as before and no channel", err, r.Access)
	}
}

type late struct{}

func (late) Error() string { return "no answer in time" }
func (late) Timeout() bool { return true }

func TestReadTransportFailures(t *testing.T) {
	broken := errors.New("the serial line is gone")
	for n := range 20 {
		_, err := mrtd.Read(t.Context(), &failing{chipsim.New(passport(2500, true, aes256), chipsim.Options{}), n, broken}, both, mrtd.Options{})
		if !errors.Is(err, broken) || errors.Is(err, mrtd.ErrChipLost) || errors.Is(err, mrtd.ErrAccessDenied) {
			t.Errorf("after %d: got %v, want the transport's own error", n, err)
		}
		_, err = mrtd.Read(t.Context(), &failing{chipsim.New(passport(2500, true, aes256), chipsim.Options{}), n, late{}}, both, mrtd.Options{})
		if !errors.Is(err, mrtd.ErrChipLost) {
			t.Errorf("no answer after %d: got %v, want ErrChipLost", n, err)
		}
	}
}

func TestReadCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := mrtd.Read(ctx, chipsim.New(passport(2500, true), chipsim.Options{}), both, mrtd.Options{
		OnFile: func(f lds.File, _ []byte) {
			if f == lds.EFSOD {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, mrtd.ErrChipLost) || len(r.Files) != 3 {
		t.Errorf("got %v with %d files, want canceled with 3", err, len(r.Files))
	}
}

// tampering changes one byte of the n-th response, or of all protected ones from it on.
type tampering struct {
	*chipsim.Card
	n, at int
	on    bool
}

func (c *tampering) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	r, err := c.Card.Transmit(ctx, command)
	if c.n--; (c.n == 0 || c.n < 0 && c.on && command[0] == 0x0C) && len(r) > 2 {
		r[c.at%(len(r)-2)] ^= 1
	}
	return r, err
}

func TestReadTamperedAnswers(t *testing.T) {
	p := passport(1500, true)
	whole, err := mrtd.Read(t.Context(), chipsim.New(p, chipsim.Options{}), both, mrtd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := whole.Stats.Commands - 8 // the last reads, all protected
	for n := first; n <= whole.Stats.Commands; n++ {
		for at := 0; at < 40; at += 3 {
			for _, on := range []bool{true, false} {
				r, err := mrtd.Read(t.Context(), &tampering{chipsim.New(p, chipsim.Options{}), n, at, on}, both, mrtd.Options{})
				if on == (err == nil) || err == nil && !slices.Contains(r.Quirks, mrtd.QuirkChecksumAtEnd) {
					t.Errorf("response %d changed at %d, on and on %v: got %v, quirks %v; want one piece to be read again", n, at, on, err, r.Quirks)
				}
				for fid, got := range r.Files {
					if !bytes.Equal(got, p.Files[fid]) {
						t.Errorf("response %d changed at %d: file %04X came out changed", n, at, fid)
					}
				}
			}
		}
	}
}

func TestProgressReachesTotal(t *testing.T) {
	seen := map[string]int{}
	_, err := mrtd.Read(t.Context(), chipsim.New(passport(5000, true), chipsim.Options{}), both, mrtd.Options{
		Progress: func(f lds.File, read, total int) {
			if read < seen[f.Name] {
				t.Errorf("%s went back from %d to %d", f, seen[f.Name], read)
			}
			seen[f.Name] = read
			if total > 0 && f.Name == "DG2" && total != 5004 {
				t.Errorf("DG2: total %d, want 5004", total)
			}
		},
	})
	if err != nil || seen["DG2"] < 5004 {
		t.Errorf("got %d bytes, %v; want 5004", seen["DG2"], err)
	}
}

func TestNothingPrintsTheDocument(t *testing.T) {
	p := passport(400, true)
	card := chipsim.New(p, chipsim.Options{})
	r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := mrtd.Key{MRZ: specimenKey, CAN: specimenCAN}
	c := apdu.SelectFile(0x011E)
	for _, v := range []any{r, &r, key, &key, card, r.Channel, c, apdu.Response{Data: p.Files[0x0101]}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			got := fmt.Sprintf(verb, v)
			for _, secret := range []string{"ERIKSSON", "L898902C", specimenCAN, fmt.Sprintf("%x", "ERIKSSON"), "69, 82, 73"} {
				if strings.Contains(got, secret) {
					t.Errorf("%T with %s prints %q", v, verb, secret)
				}
			}
		}
	}
}

func BenchmarkRead20kB(b *testing.B) {
	for _, c := range []struct {
		name  string
		p     chipsim.Passport
		maxLe int
	}{
		{"BAC/short", passport(20000, true), 0},
		{"PACE-AES128-P256/short", passport(20000, true, chipsim.PACE{OID: oidGM + "2", ParameterID: 12}), 0},
		{"PACE-AES256-brainpoolP256/short", passport(20000, true, aes256), 0},
		{"PACE-AES256-brainpoolP256/extended", passport(20000, true, aes256), 65536},
	} {
		b.Run(c.name, func(b *testing.B) {
			var stats apdu.Stats
			for b.Loop() {
				r, err := mrtd.Read(b.Context(), chipsim.New(c.p, chipsim.Options{}), both, mrtd.Options{MaxLe: c.maxLe})
				if err != nil {
					b.Fatal(err)
				}
				stats = r.Stats
			}
			b.ReportMetric(float64(stats.Commands), "APDUs")
			b.ReportMetric(float64(stats.BytesSent), "B-sent")
			b.ReportMetric(float64(stats.BytesReceived), "B-received")
		})
	}
}
