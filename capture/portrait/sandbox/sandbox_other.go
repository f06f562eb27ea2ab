//go:build !linux

package sandbox

import (
	"fmt"
	"runtime"
)

// Apply needs Linux.
func Apply(Limits) (Report, error) {
	return Report{}, fmt.Errorf("no sandbox on %s; portraits are decoded on Linux", runtime.GOOS)
}
