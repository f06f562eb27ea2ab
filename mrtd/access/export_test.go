package access

import "testing"

// What the tests from outside the package, which set chipsim against it, share
// with those inside.

// Playback answers the commands of a worked example and fails on any other.
type Playback = playback

// NewPlayback plays exchanges back.
func NewPlayback(t testing.TB, exchanges [][2][]byte) *Playback { return &playback{t, exchanges} }

// Left is how many exchanges have not happened.
func (p *playback) Left() int { return len(p.left) }

// ReadVector reads a worked example: its named values and exchanges.
func ReadVector(t testing.TB, name string) (map[string]string, [][2][]byte) {
	t.Helper()
	v := readVector(t, name)
	return v.values, v.exchanges
}

// Unhex reads hexadecimal digits with spaces between them.
func Unhex(t testing.TB, s string) []byte { t.Helper(); return unhex(t, s) }
