package access

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// vector is a worked example: named values, and the exchange of commands.
type vector struct {
	values    map[string]string
	exchanges [][2][]byte
}

func readVector(t testing.TB, name string) vector {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	v := vector{values: map[string]string{}}
	for _, line := range strings.Split(string(b), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			v.exchanges = append(v.exchanges, [2][]byte{unhex(t, line[2:])})
		case strings.HasPrefix(line, "< "):
			v.exchanges[len(v.exchanges)-1][1] = unhex(t, line[2:])
		case line != "" && line[0] != '#':
			key, value, _ := strings.Cut(line, "=")
			v.values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return v
}

func (v vector) hex(t testing.TB, name string) []byte { t.Helper(); return unhex(t, v.values[name]) }

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// playback answers the commands of a worked example and fails on any other.
type playback struct {
	t    testing.TB
	left [][2][]byte
}

func (p *playback) Transmit(_ context.Context, command []byte) ([]byte, error) {
	p.t.Helper()
	if len(p.left) == 0 {
		p.t.Fatalf("unexpected command %X after the example's last", command)
	}
	next := p.left[0]
	p.left = p.left[1:]
	if !bytes.Equal(command, next[0]) {
		p.t.Fatalf("command\n got %X\nwant %X", command, next[0])
	}
	return append([]byte(nil), next[1]...), nil
}
