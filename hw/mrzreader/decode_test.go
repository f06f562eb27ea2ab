package mrzreader

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"limen/internal/repotest"
)

var (
	td3 = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	td2 = []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"}
	td1 = []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}
)

func TestElyctisFrame(t *testing.T) {
	for _, test := range []struct {
		name, bytes string
		code        byte
		data        string
		n           int
	}{
		{"nothing", "", 0, "", 0},
		{"part of a header", "I\x00", 0, "", 0},
		{"part of the data", "I\x00\x05P<U", 0, "", 0},
		{"inquire answer", "I\x00\x03P<UC", 'I', "P<U", 6},
		{"nothing read", "I\x00\x00", 'I', "", 3},
		{"length's high byte first", "I\x01\x00" + strings.Repeat("<", 256), 'I', strings.Repeat("<", 256), 259},
		{"confirmation", "C\x00\x01\x01", 'C', "\x01", 4},
		{"noise before", "\x00<<10\rI\x00\x00", 0, "", 6},
		{"text of a broken-off message", "TO<<ERI", 0, "", 1},
	} {
		f, n := elyctisFrame([]byte(test.bytes))
		if f.code != test.code || string(f.data) != test.data || n != test.n {
			t.Errorf("%s: got %q %q, %d bytes, want %q %q, %d", test.name, f.code, f.data, n, test.code, test.data, test.n)
		}
	}
}

// block makes a 3M block by hand: the width of the length and the span of the
// check byte are given as numbers here, not by the settings under test.
func block(lengthBytes, checkFrom int, text string) []byte {
	rest := 2 + 1 + 1 + len(text) + 1 + 1
	b := append([]byte{1}, []byte{byte(rest), byte(rest >> 8)}[:lengthBytes]...)
	b = append(b, "OU\x020"+text+"\x03"...)
	check := byte(0)
	for _, c := range b[checkFrom:] {
		check ^= c
	}
	return append(b, check)
}

func TestRTEBlock(t *testing.T) {
	two := "\r" + td3[0] + "\r" + td3[1] + "\r"
	for _, test := range []struct {
		name  string
		s     RTESettings
		bytes []byte
		want  []string
	}{
		{"as usual", RTESettings{}, block(2, 0, two), td3},
		{"length of one byte", RTESettings{Length: OneByte}, block(1, 0, two), td3},
		{"check from the length", RTESettings{BCC: FromLength}, block(2, 1, two), td3},
		{"check from STX", RTESettings{BCC: FromSTX}, block(2, 5, two), td3},
		{"check of the text", RTESettings{BCC: AfterSTX}, block(2, 6, two), td3},
		{"three lines", RTESettings{}, block(2, 0, strings.Join(td1, "\r")+"\r"), td1},
		{"TD2, padded to 44", RTESettings{}, block(2, 0, "\r"+td2[0]+"________\r"+td2[1]+"________\r"), td2},
		{"one line", RTESettings{}, block(2, 0, "\r\r"+td3[1]+"\r"), td3[1:]},
		{"a lost filler, padded", RTESettings{}, block(2, 0, "\r"+td3[0][:43]+"_\r"+td3[1]+"\r"), []string{td3[0][:43], td3[1]}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.s.check(); err != nil {
				t.Fatal(err)
			}
			for cut := range test.bytes {
				if _, n, _, err := rteBlock(test.s, test.bytes[:cut]); n != 0 || err != nil {
					t.Fatalf("%d bytes of it: got %d, %v, want a wish for more", cut, n, err)
				}
			}
			lines, n, note, err := rteBlock(test.s, test.bytes)
			if !slices.Equal(lines, test.want) || n != len(test.bytes) || note != "" || err != nil {
				t.Errorf("got %q, %d, %q, %v, want %q, %d", lines, n, note, err, test.want, len(test.bytes))
			}
		})
	}
}

func TestRTEBlockSaysWhatIsWrong(t *testing.T) {
	two := "\r" + td3[0] + "\r" + td3[1] + "\r"
	changed := block(2, 0, two)
	changed[20] ^= 4
	long := block(2, 1, two) // the length is not in the check byte's way: from 1 it is, so mend it
	long[1], long[len(long)-1] = long[1]+40, long[len(long)-1]^long[1]^(long[1]+40)
	for _, test := range []struct {
		name  string
		s     RTESettings
		bytes []byte
		say   string
	}{
		{"another span", RTESettings{}, block(2, 1, two), `would fit "length"`},
		{"a changed byte", RTESettings{}, changed, "check speed, parity and cable"},
		{"two lines without the empty one", RTESettings{}, block(2, 0, two[1:]), "2 lines"},
		{"garbage", RTESettings{}, []byte("\x00\x15<<10"), errNoBlock.Error()},
		{"not a 3M header", RTESettings{}, []byte("\x01\x10\x00XY\x02...."), errNoBlock.Error()},
	} {
		if err := test.s.check(); err != nil {
			t.Fatal(err)
		}
		lines, n, _, err := rteBlock(test.s, test.bytes)
		if lines != nil || n == 0 || err == nil || !strings.Contains(err.Error(), test.say) || strings.Contains(err.Error(), "ERIK") {
			t.Errorf("%s: got %d lines, %d bytes, %v, want an error that says %q", test.name, len(lines), n, err, test.say)
		}
	}
	if lines, _, note, err := rteBlock(RTESettings{Length: TwoBytes, BCC: FromLength}, long); note != WrongLength || err != nil || !slices.Equal(lines, td3) {
		t.Errorf("wrong length field: got %q, %v, want the lines and a note", note, err)
	}
}

func TestLineMessage(t *testing.T) {
	for _, test := range []struct {
		name, bytes string
		silent      bool
		want        []string // distinct lines
		skipped     bool
	}{
		{"CR LF", td3[0] + "\r\n" + td3[1] + "\r\n", false, td3, false},
		{"CR alone", td2[0] + "\r" + td2[1] + "\r", false, td2, false},
		{"three lines", strings.Join(td1, "\r") + "\r", false, td1, false},
		{"STX and ETX", "\x02" + td3[0] + "\r" + td3[1] + "\r\x03", false, td3, false},
		{"ETX ends a line with a lost filler", "\x02" + td3[0][:43] + "\r" + td3[1] + "\x03", false, []string{td3[0][:43], td3[1]}, false},
		{"lost filler without an end mark", td3[0][:43] + "\r" + td3[1] + "\r", false, nil, false},
		{"… after silence", td3[0][:43] + "\r" + td3[1] + "\r", true, []string{td3[0][:43], td3[1]}, false},
		{"last line not ended, after silence", td3[0] + "\r" + td3[1], true, td3, false},
		{"doubled first line", td3[0] + "\r" + td3[0] + "\r" + td3[1] + "\r", false, td3, false},
		{"tail of a broken-off message", "22F1204159ZE184226B<<<<<10\r" + td3[0] + "\r" + td3[1] + "\r", false, td3, true},
		{"half a message", td3[0][:20], true, nil, false},
		{"one line", td3[0] + "\r", true, nil, false},
		{"padding and empty lines", "\r\r" + td2[0] + "____\r\r" + td2[1] + "\r", false, td2, false},
		{"control characters", "\x00\x15\x7f\x04" + td3[0] + "\r" + td3[1] + "\r", false, td3, false},
	} {
		lines, n, skipped := lineMessage([]byte(test.bytes), test.silent)
		if got := distinct(lines); !slices.Equal(got, test.want) || (n > 0) != (test.want != nil) || skipped != test.skipped {
			t.Errorf("%s: got %q, %d, %v, want %q, %v", test.name, got, n, skipped, test.want, test.skipped)
		}
	}
}

func TestMaskParity(t *testing.T) {
	text := []byte(td3[0] + "\r")
	even := slices.Clone(text)
	for i, c := range even {
		if bits.OnesCount8(c)%2 != 0 {
			even[i] |= 0x80
		}
	}
	if got, ok := maskParity(even); !ok || string(got) != string(text) {
		t.Errorf("even parity: got %q, %v, want the text", got, ok)
	}
	for _, b := range [][]byte{text, {}, {0x80}, append([]byte{0x41, 0x80}, even...)} {
		if got, ok := maskParity(b); ok || string(got) != string(b) {
			t.Errorf("%d bytes: got masked, want them as they are", len(b))
		}
	}
}

func TestNewNamesBadSettings(t *testing.T) {
	for _, s := range []Settings{
		{},
		{Protocol: "3M"},
		{Protocol: RTE, RTE: RTESettings{Length: "three"}},
		{Protocol: RTE, RTE: RTESettings{BCC: "all"}},
		{Protocol: Lines, Lines: LinesSettings{Trigger: "foot"}},
	} {
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), `"`) {
			t.Errorf("%+v: got %v, want an error that names the choices", s.Protocol, err)
		}
	}
}

func TestReadPrintsNothing(t *testing.T) {
	r := Read{Lines: td3}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if s := fmt.Sprintf(verb, r) + fmt.Sprintf(verb, &r) + r.LogValue().String(); strings.Contains(s, "ERIKSSON") {
			t.Errorf("%s: got %s, want it redacted", verb, s)
		}
	}
}

func FuzzElyctisFrame(f *testing.F) {
	f.Add([]byte("I\x00\x03P<UC\x00\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			var fr frame
			var n int
			repotest.Bounded(t, len(b), func() { fr, n = elyctisFrame(b) })
			if n < 0 || n > len(b) || fr.code != 0 && n != 3+len(fr.data) {
				t.Fatalf("got %d of %d bytes, %d data", n, len(b), len(fr.data))
			}
			if n == 0 {
				return
			}
			b = b[n:]
		}
	})
}

func FuzzRTEBlock(f *testing.F) {
	f.Add(block(2, 0, "\r"+td3[0]+"\r"+td3[1]+"\r"), true)
	f.Add(block(1, 1, "\r\r"+td3[0]+"\r"), false)
	f.Fuzz(func(t *testing.T, b []byte, one bool) {
		s := RTESettings{Length: TwoBytes, BCC: FromSOH}
		if one {
			s = RTESettings{Length: OneByte, BCC: AfterSTX}
		}
		for len(b) > 0 {
			var lines []string
			var n int
			var err error
			repotest.Bounded(t, len(b), func() { lines, n, _, err = rteBlock(s, b) })
			if n < 0 || n > len(b) || len(lines) > 3 || n == 0 && (err != nil || len(b) > maxRTE) || err != nil && lines != nil {
				t.Fatalf("got %d lines, %d of %d bytes, %v", len(lines), n, len(b), err)
			}
			if n == 0 {
				return
			}
			b = b[n:]
		}
	})
}

func FuzzLineMessage(f *testing.F) {
	f.Add([]byte(td3[0]+"\r\n"+td3[1]+"\r\n"), true)
	f.Add([]byte("\x02"+strings.Join(td1, "\r")+"\r\x03"), false)
	f.Fuzz(func(t *testing.T, b []byte, silent bool) {
		for len(b) > 0 {
			var lines []string
			var n int
			repotest.Bounded(t, len(b), func() { lines, n, _ = lineMessage(b, silent) })
			if once := distinct(lines); n < 0 || n > len(b) || (n == 0) != (lines == nil) || n > 0 && (len(once) < 2 || len(once) > 3) {
				t.Fatalf("got %d lines, %d of %d bytes", len(lines), n, len(b))
			}
			if n == 0 {
				return
			}
			b = b[n:]
		}
	})
}

// pieces is a wire on which octets come in pieces of a size, and then breaks.
type pieces struct {
	left []byte
	size int
}

func (p *pieces) Read(_ context.Context, b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.ErrClosedPipe
	}
	n := copy(b, p.left[:min(p.size, len(p.left))])
	p.left = p.left[n:]
	return n, nil
}

func (p *pieces) Write(_ context.Context, b []byte) (int, error) { return len(b), nil }

// FuzzRun has every reader's protocol run over the same octets.
func FuzzRun(f *testing.F) {
	f.Add([]byte("C\x00\x01\x01I\x00\x03P<U"), uint8(3))
	f.Add(block(2, 0, "\r"+td3[0]+"\r"+td3[1]+"\r"), uint8(200))
	f.Add([]byte("\x02"+strings.Join(td1, "\r")+"\r\x03"+td3[0]+"\r\n"+td3[1]+"\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		for _, s := range []Settings{{Protocol: Elyctis}, {Protocol: RTE}, {Protocol: RTE, RTE: RTESettings{Length: OneByte, BCC: AfterSTX}}, {Protocol: Lines}} {
			r, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			repotest.Bounded(t, len(b)*(1+256/(1+int(size))), func() {
				lines := 0
				err := r.Run(t.Context(), &pieces{b, 1 + int(size)}, func(read Read) {
					for _, l := range read.Lines {
						lines += len(l)
					}
				})
				if err == nil || lines > 2*len(b) {
					t.Errorf("%s: %d characters of lines out of %d, %v", s.Protocol, lines, len(b), err)
				}
			})
		}
	})
}
