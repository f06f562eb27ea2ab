package peers

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"sync"
	"testing"
	"time"

	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/pcscdtest"
	"limen/hw/sim/vpcd"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

// The specimen's MRZ and CAN (Doc 9303-11, appendix D, but for a date of
// expiry that has not passed).
var (
	specimenLines = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3404159ZE184226B<<<<<16"}
	specimenCAN   = "123456"
)

// profile is a chip that peers read.
type profile struct {
	name string
	bac  bool
	pace []chipsim.PACE
}

// The variants of PACE by key agreement and mapping (Doc 9303-11, 9.2.3) and
// the numbers of their domain parameters (9.5.1).
const (
	dhGM   = "0.4.0.127.0.7.2.2.4.1."
	ecdhGM = "0.4.0.127.0.7.2.2.4.2."

	tripleDES, aes128, aes192, aes256 = "1", "2", "3", "4"
)

func paceChip(name, mapping, cipher string, parameters int) profile {
	return profile{name: name, pace: []chipsim.PACE{{OID: mapping + cipher, ParameterID: parameters}}}
}

// Debian's OpenPACE declines integrated mapping and knows no chip
// authentication mapping: with it there are these.
var (
	bacChip  = profile{name: "BAC", bac: true}
	gmAES256 = paceChip("ECDH-GM AES-256 brainpoolP256r1", ecdhGM, aes256, 13)

	viccChips = []profile{ // each takes a JVM
		gmAES256,
		paceChip("ECDH-GM AES-192 brainpoolP384r1", ecdhGM, aes192, 16),
		paceChip("ECDH-GM AES-128 P-256", ecdhGM, aes128, 12),
		paceChip("ECDH-GM AES-256 P-521", ecdhGM, aes256, 18),
		paceChip("DH-GM AES-256 2048-bit group", dhGM, aes256, 2),
	}
	openpaceChips = append(viccChips[:len(viccChips):len(viccChips)],
		paceChip("ECDH-GM 3DES P-256", ecdhGM, tripleDES, 12),
		paceChip("ECDH-GM AES-128 P-224", ecdhGM, aes128, 10),
		paceChip("ECDH-GM AES-128 brainpoolP224r1", ecdhGM, aes128, 11),
		paceChip("ECDH-GM AES-256 brainpoolP512r1", ecdhGM, aes256, 17),
		paceChip("DH-GM AES-128 1024-bit group", dhGM, aes128, 0),
		paceChip("DH-GM 3DES 2048-bit group", dhGM, tripleDES, 1),
	)
)

// passport issues the profile's document with a portrait of 20 kB.
func (p profile) passport(t testing.TB) chipsim.Passport {
	t.Helper()
	portrait, err := faces.Portrait("traveller-08")
	if err != nil {
		t.Fatal(err)
	}
	return p.issue(t, portrait)
}

// small issues it with a portrait of a few hundred bytes, for chips that answer slowly.
func small(t testing.TB, p profile) chipsim.Passport {
	t.Helper()
	var portrait bytes.Buffer
	if err := jpeg.Encode(&portrait, image.NewGray(image.Rect(0, 0, 24, 32)), nil); err != nil {
		t.Fatal(err)
	}
	return p.issue(t, portrait.Bytes())
}

func (p profile) issue(t testing.TB, portrait []byte) chipsim.Passport {
	t.Helper()
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), specimen.Seed("the peers' state"))
	if err != nil {
		t.Fatal(err)
	}
	can := ""
	if len(p.pace) > 0 {
		can = specimenCAN
	}
	out, err := authority.Issue(specimen.Spec{Lines: specimenLines, Portrait: portrait, CAN: can, PACE: p.pace, BAC: p.bac})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// file is a file of the passport's application.
func file(t testing.TB, p chipsim.Passport, f lds.File) []byte {
	t.Helper()
	b, ok := p.Files[f.Path()]
	if !ok {
		t.Fatalf("the specimen has no %s", f)
	}
	return b
}

// tally is what a reader cost, seen from the chip: commands and answers with
// their status words, and the time from the first command to the last answer.
type tally struct {
	commands, bytes int
	first, last     time.Time
}

func (s tally) took() time.Duration { return s.last.Sub(s.first) }

// counted is what lies in a reader: a chip, exchanged for another between two
// readings, and the tally of the reading under way.
type counted struct {
	mu    sync.Mutex
	card  *chipsim.Card
	tally tally
}

// Transmit implements vpcd.Card and pn532sim.Card.
func (c *counted) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tally.commands == 0 {
		c.tally.first = time.Now()
	}
	response, err := c.card.Transmit(ctx, command)
	c.tally.commands++
	c.tally.bytes += len(command) + len(response)
	c.tally.last = time.Now()
	return response, err
}

// Reset implements vpcd.Card and pn532sim.Card.
func (c *counted) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.card.Reset()
}

// lay exchanges the chip.
func (c *counted) lay(p chipsim.Passport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.card, c.tally = chipsim.New(p, chipsim.Options{}), tally{}
}

// taken ends a tally and returns it.
func (c *counted) taken() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.tally
	c.tally = tally{}
	return old
}

// insert starts pcscd and lays the passport into its virtual reader until the
// test ends; pcscd has seen it when insert returns.
func insert(t testing.TB, p chipsim.Passport) *counted {
	t.Helper()
	pcscdtest.Start(t)
	c := &counted{card: chipsim.New(p, chipsim.Options{})}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- vpcd.Serve(ctx, pcscdtest.Address, c, c.card.ATR()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the virtual reader: %v", err)
		}
	})
	_, release := await(t)
	release()
	return c
}
