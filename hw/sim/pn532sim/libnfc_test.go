package pn532sim

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"limen/hw/sim/link"
)

// An independent host: libnfc's own tools must see the card as they see a real one's.

// listener notes under which identifier it was activated.
type listener struct {
	chip *Chip
	id   [4]byte
}

func (*listener) Transmit(context.Context, []byte) ([]byte, error) { return []byte{0x90, 0x00}, nil }
func (l *listener) Reset()                                         { s, _ := l.chip.card(); l.id = s.id }

// tool finds one of libnfc's programs or skips the test, saying where it is from.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s", name, debian)
	}
	return path
}

// onPTY runs a chip and returns it with the host's path.
func onPTY(t *testing.T, o Options) (*Chip, string) {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	c := New(l, o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the chip ended with %v, want nil", err)
		}
		l.Close()
	})
	return c, l.Path
}

func libnfc(ctx context.Context, program, port string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LIBNFC_DEFAULT_DEVICE=pn532_uart:"+port+":115200", "LIBNFC_AUTO_SCAN=false")
	return cmd
}

// spaces are what the tools put between bytes, more or fewer of them.
var spaces = regexp.MustCompile(`\s+`)

func has(out, want string) bool {
	return strings.Contains(spaces.ReplaceAllString(out, " "), want)
}

func hexed(p []byte) string {
	var b strings.Builder
	for _, v := range p {
		const digits = "0123456789abcdef"
		b.WriteString(string(digits[v>>4]) + string(digits[v&15]) + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestNFCListSeesTheCard(t *testing.T) {
	list := tool(t, "nfc-list", "libnfc-bin")
	for _, kind := range []Type{TypeA, TypeB} {
		c, port := onPTY(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		card := &listener{chip: c}
		c.Insert(card, kind)
		out, err := libnfc(ctx, list, port, "-v").CombinedOutput()
		if err != nil {
			t.Fatalf("nfc-list: %v\n%s", err, out)
		}
		want := []string{"ATQA (SENS_RES): 00 08", "UID (NFCID3): " + hexed(card.id[:]), "Random UID", "SAK (SEL_RES): 20",
			"ATS: 78 77 81 02", "Max Frame Size accepted by PICC: 256 bytes", "Frame Waiting Time: 77.33 ms"}
		if kind == TypeB {
			want = []string{"PUPI: " + hexed(card.id[:]), "Protocol types supported: ISO/IEC 14443-4"}
		}
		for _, w := range want {
			if !has(string(out), w) {
				t.Errorf("type %d: nfc-list printed no %q:\n%s", kind, w, out)
			}
		}
	}
}

func TestNFCPollSeesTheCardComeAndGo(t *testing.T) {
	poll := tool(t, "nfc-poll", "libnfc-examples")
	c, port := onPTY(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := libnfc(ctx, "stdbuf", port, "-oL", poll)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	removed := false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := lines.Text()
		out.WriteString(line + "\n")
		switch {
		case strings.Contains(line, "will poll"):
			c.Insert(&listener{chip: c}, TypeA)
		case strings.Contains(line, "SAK"), strings.Contains(line, "ATS"):
			if !removed {
				removed = true
				c.Remove()
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("nfc-poll: %v\n%s", err, out.String())
	}
	for _, w := range []string{"ATQA (SENS_RES): 00 08", "UID (NFCID3): 08", "SAK (SEL_RES): 20", "ATS: 78 77 81 02", "done."} {
		if !has(out.String(), w) {
			t.Errorf("nfc-poll printed no %q:\n%s", w, out.String())
		}
	}
}
