package access

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestCMAC(t *testing.T) {
	text, err := os.ReadFile("testdata/cmac.txt")
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) []byte {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == name {
				b, err := hex.DecodeString(strings.TrimSpace(value))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		}
		t.Fatalf("no %s in the example", name)
		return nil
	}
	block, err := aes.NewCipher(value("key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 16, 40, 64} {
		if got, want := cmac(block, value("message")[:n]), value(fmt.Sprint("mac_", n)); !bytes.Equal(got, want) {
			t.Errorf("CMAC of %d bytes: got %X, want %X", n, got, want)
		}
	}
}
