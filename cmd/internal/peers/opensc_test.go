package peers

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"limen/mrtd/lds"
)

func hexed(b []byte) string { return hex.EncodeToString(b) }

// TestPeerOpenSCMeetsOurChip: OpenSC reads what is open, selects the
// application, is given a challenge, and is refused the rest.
func TestPeerOpenSCMeetsOurChip(t *testing.T) {
	tool := program(t, "opensc-tool", "opensc")
	p := profile{bac: true, pace: gmAES256.pace}.passport(t)
	insert(t, p)
	steps := []struct{ name, command, want string }{
		{"EF.CardAccess by short identifier", "00:B0:9C:00:00", fmt.Sprintf("SW1=0x90, SW2=0x00): % X", file(t, p, lds.EFCardAccess)[:16])},
		{"the application", "00:A4:04:0C:07:A0:00:00:02:47:10:01", "SW1=0x90, SW2=0x00)"},
		{"EF.COM before access control", "00:B0:9E:00:04", "SW1=0x69, SW2=0x82)"},
		{"a challenge of eight bytes", "00:84:00:00:08", "SW1=0x90, SW2=0x00): "},
		{"another's application", "00:A4:04:0C:05:A0:00:00:03:97", "SW1=0x6A, SW2=0x82)"},
	}
	args := []string{"--reader", "0"}
	for _, s := range steps {
		args = append(args, "--send-apdu", s.command)
	}
	out := strings.Join(strings.Fields(run(t, t.TempDir(), nil, tool, args...)), " ")
	answers := strings.Split(out, "Received (")[1:]
	if len(answers) != len(steps) {
		t.Fatalf("opensc-tool printed %d answers, want %d:\n%s", len(answers), len(steps), out)
	}
	for i, s := range steps {
		if !strings.HasPrefix(answers[i], s.want) {
			t.Errorf("%s: got %q, want %q", s.name, answers[i], s.want)
		}
	}
}
