package fleet

import (
	"testing"

	"limen/internal/repotest"
)

// newCable is a cable between a device and the centre that can be pulled (both
// ends see the connection end) or go dead (neither sees anything).
func newCable(t *testing.T, target string) *repotest.Cable {
	t.Helper()
	c, err := repotest.NewCable(target, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
