package apdu

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"limen/internal/repotest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The cases of ISO/IEC 7816-4, 5.1, short and extended.
func TestCommandCases(t *testing.T) {
	long := bytes.Repeat([]byte{0xAB}, 256)
	for _, c := range []struct {
		name string
		cmd  Command
		want string
	}{
		{"1", Command{INS: 0xA4}, "00A40000"},
		{"2 short", Command{INS: 0x84, Le: 8}, "0084000008"},
		{"2 short, all", Command{INS: 0xB0, P1: 0x9E, Le: 256}, "00B09E0000"},
		{"2 extended", Command{INS: 0xB0, Le: 257}, "00B00000 00 0101"},
		{"2 extended, all", Command{INS: 0xB0, Le: 65536}, "00B00000 00 0000"},
		{"3 short", SelectFile(0x011E), "00A4020C 02 011E"},
		{"3 extended", Command{INS: 0x22, Data: long}, "00220000 00 0100" + strings.Repeat("AB", 256)},
		{"4 short", GeneralAuthenticate(true, nil), "10860000 02 7C00 00"},
		{"4 extended by Le", Command{INS: 0x88, Data: []byte{1}, Le: 65536}, "00880000 00 0001 01 0000"},
		{"4 extended by data", Command{INS: 0x88, Data: long, Le: 256}, "00880000 00 0100" + strings.Repeat("AB", 256) + "0100"},
		{"odd READ BINARY", ReadBinary(0x8000, 231), "00B10000 04 54028000 E7"},
		{"even READ BINARY", ReadBinary(0x7FFF, 231), "00B07FFF E7"},
		{"application", SelectApplication(EMRTD()), "00A4040C 07 A0000002471001"},
	} {
		got, err := c.cmd.Encode()
		if err != nil || !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("case %s: got %X, %v; want %s", c.name, got, err, c.want)
		}
		back, err := ParseCommand(got)
		if err != nil || back.INS != c.cmd.INS || back.Le != c.cmd.Le || !bytes.Equal(back.Data, c.cmd.Data) {
			t.Errorf("case %s: read back with Le %d and %d bytes, %v", c.name, back.Le, len(back.Data), err)
		}
	}
	for _, c := range []Command{{Le: -1}, {Le: 65537}, {Data: make([]byte, 65536)}} {
		if _, err := c.Encode(); err == nil {
			t.Errorf("Le %d with %d bytes: encoded", c.Le, len(c.Data))
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for _, in := range []string{"", "00A400", "00A40000 05 01", "00A40000 01 0102 03", "00A40000 0000", "00A40000 00 0000 01", "00A40000 00 0002 01", "00A40000 00 0001 01 00"} {
		if c, err := ParseCommand(unhex(t, in)); !errors.Is(err, ErrLength) {
			t.Errorf("%s: got Le %d and %d bytes, %v; want ErrLength", in, c.Le, len(c.Data), err)
		}
	}
}

// script answers commands in turn and records them.
type script struct {
	answers []string
	sent    []string
}

func (s *script) Transmit(_ context.Context, command []byte) ([]byte, error) {
	s.sent = append(s.sent, fmt.Sprintf("%X", command))
	if len(s.answers) == 0 {
		return nil, errors.New("no answer left")
	}
	b, err := hex.DecodeString(s.answers[0])
	s.answers = s.answers[1:]
	return b, err
}

func TestSend(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		sent    []string
		want    string
		err     bool
	}{
		{"plain", []string{"01029000"}, []string{"00B0000004"}, "01029000", false},
		{"wrong Le", []string{"6C02", "01029000"}, []string{"00B0000004", "00B0000002"}, "01029000", false},
		{"wrong Le twice is an answer", []string{"6C02", "6C01"}, []string{"00B0000004", "00B0000002"}, "6C01", false},
		{"same Le again is an answer", []string{"6C04"}, []string{"00B0000004"}, "6C04", false},
		{"held back", []string{"016102", "026101", "039000"}, []string{"00B0000004", "00C0000002", "00C0000001"}, "0102039000", false},
		{"held back, wrong Le", []string{"6105", "6C02", "01029000"}, []string{"00B0000004", "00C0000005", "00C0000002"}, "01029000", false},
		{"error after data kept", []string{"6982"}, []string{"00B0000004"}, "6982", false},
		{"no status word", []string{"90"}, []string{"00B0000004"}, "", true},
		{"transport", nil, []string{"00B0000004"}, "", true},
	} {
		s := &script{answers: c.answers}
		counter := &Counter{Card: s}
		r, err := Send(t.Context(), counter, ReadBinary(0, 4))
		if (err != nil) != c.err || (err == nil && !bytes.Equal(r.Encode(), unhex(t, c.want))) {
			t.Errorf("%s: got %X, %v; want %s", c.name, r.Encode(), err, c.want)
		}
		if got, want := strings.Join(s.sent, " "), strings.Join(c.sent, " "); got != want {
			t.Errorf("%s: sent %s, want %s", c.name, got, want)
		}
		if counter.Commands != len(c.sent) {
			t.Errorf("%s: counted %d commands, want %d", c.name, counter.Commands, len(c.sent))
		}
	}
}

// A chip that always has more must not be asked for ever.
func TestSendEnds(t *testing.T) {
	endless := cardFunc(func([]byte) []byte { return append(make([]byte, 200), 0x61, 0x00) })
	if _, err := Send(t.Context(), endless, ReadBinary(0, 4)); err == nil {
		t.Error("an endless response was accepted")
	}
}

type cardFunc func([]byte) []byte

func (f cardFunc) Transmit(_ context.Context, c []byte) ([]byte, error) { return f(c), nil }

func TestStatusWords(t *testing.T) {
	for sw, want := range map[StatusWord]string{
		0x9000: "9000 success",
		0x6982: "6982 security status not satisfied",
		0x63C2: "63C2 authentication failed, 2 tries left",
		0x6C10: "6C10 wrong Le",
		0x6110: "6110 more bytes available",
		0x1234: "1234 status not assigned",
	} {
		if got := sw.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !StatusWord(0x6300).Refused() || !StatusWord(0x63C1).Refused() || StatusWord(0x6982).Refused() {
		t.Error("Refused is not 6300 and 63Cx alone")
	}
	c := ReadBinary(0, 4)
	err := Response{SW: 0x6A82}.Check(c)
	if got, want := fmt.Sprint(err), "chip answered 6A82 file or application not found to READ BINARY"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRedacted(t *testing.T) {
	secret := []byte("L898902C")
	var logged bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&logged, nil))
	for _, v := range []any{Command{INS: 0x82, Data: secret}, &Command{Data: secret}, Response{Data: secret}, []Response{{Data: secret}}} {
		logger.Info("seen", "value", v)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		logged.Write(j)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			fmt.Fprintf(&logged, verb, v)
		}
	}
	for _, form := range []string{"L898902C", hex.EncodeToString(secret), "76 56 57", "TDg5ODkwMkM", "0x4c"} {
		if strings.Contains(logged.String(), form) {
			t.Errorf("data printed as %q", form)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte{0, 0xA4, 2, 0x0C, 2, 1, 0x1E})
	f.Add([]byte{0, 0xB0, 0, 0, 0, 1, 0})
	f.Add([]byte{0, 0x88, 0, 0, 0, 0, 1, 5, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, ParseCommand)
		if err != nil {
			return
		}
		// An extended encoding of a short command comes back short: compare meaning.
		again, err := c.Encode()
		if err != nil {
			t.Fatalf("a parsed command does not encode: %v", err)
		}
		back, err := ParseCommand(again)
		if err != nil || back.Le != c.Le || !bytes.Equal(back.Data, c.Data) {
			t.Errorf("%X: read back as %X, %v", b, again, err)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{0x90, 0x00})
	f.Add([]byte{1, 2, 0x61, 0x10})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := repotest.Parsed(t, b, ParseResponse)
		if err == nil && !bytes.Equal(r.Encode(), b) {
			t.Errorf("%X: encoded again as %X", b, r.Encode())
		}
		_ = r.SW.String()
	})
}

// FuzzSend plays answers that a chip may give in any order: it ends, and what
// comes is no longer than what was sent.
func FuzzSend(f *testing.F) {
	f.Add([]byte{0x61, 0x02}, []byte{1, 2, 0x90, 0}, []byte{}, false)
	f.Add([]byte{0x6C, 0x02}, []byte{1, 0x61, 0x01}, []byte{0x6C, 0x01}, true)
	f.Add([]byte{0x53, 0x02, 1, 2, 0x62, 0x82}, []byte{1}, []byte{}, true)
	f.Fuzz(func(t *testing.T, a, b, c []byte, odd bool) {
		command := ReadBinary(0, 200)
		if odd {
			command = ReadBinary(MaxShortOffset+1, 200)
		}
		repotest.Bounded(t, len(a)+len(b)+len(c), func() {
			left := [][]byte{a, b, c}
			card := cardFunc(func([]byte) (answer []byte) {
				if len(left) > 0 {
					answer, left = left[0], left[1:]
				}
				return answer
			})
			r, err := Send(t.Context(), card, command)
			if err != nil {
				return
			}
			data, err := BinaryData(command, r.Data)
			if len(r.Data) > len(a)+len(b)+len(c) || err == nil && len(data) > len(r.Data) {
				t.Errorf("%d bytes of data, %d read", len(r.Data), len(data))
			}
		})
	})
}
