// Package repotest finds, for tests only, the repository's root and the real
// inputs that may lie beside it and are never committed.
package repotest

import (
	"os"
	"path/filepath"
	"testing"
)

// Root is the folder that holds go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}

// Shared is the path of a real input under ../shared beside the repository;
// the test is skipped, saying so, where it is absent.
func Shared(t testing.TB, rel string) string {
	t.Helper()
	path := filepath.Join(Root(t), "..", "shared", filepath.FromSlash(rel))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("real input ../shared/%s is not beside the repository", rel)
	}
	return path
}
