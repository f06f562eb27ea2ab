package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"limen/hw/sim/pcscdtest"
	"limen/internal/repotest"
	"limen/matcher/catalog"
)

// TestScripts runs the commands as a user does: testdata/script/*.txtar, each
// a shell session with what it must print and how it must exit.
func TestScripts(t *testing.T) { testscript.Run(t, scripts(t, "testdata/script")) }

// TestPCSCScripts runs those for which pcscd drives a virtual reader.
func TestPCSCScripts(t *testing.T) {
	pcscdtest.Start(t)
	testscript.Run(t, scripts(t, "testdata/pcsc"))
}

// scripts are run with limen and limen-portrait in their PATH. In a script
// $REPO is the repository, $SHARED the folder of real inputs beside it, and
// the condition [shared] tells whether that is there.
func scripts(t *testing.T, dir string) testscript.Params {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "limen")); err != nil {
		t.Fatal(err)
	}
	repo := repotest.Root(t)
	shared := filepath.Join(repo, "..", "shared")
	return testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(asProgram, "1")
			e.Setenv("PATH", bin+":"+filepath.Dir(portraitProgram)+":"+e.Getenv("PATH"))
			e.Setenv("REPO", repo)
			e.Setenv("SHARED", shared)
			e.Setenv(catalog.EnvModels, os.Getenv(catalog.EnvModels))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "shared":
				_, err := os.Stat(filepath.Join(shared, "data"))
				return err == nil, nil
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	}
}

// awaitLimit is how long a command in the background may take to come up.
const awaitLimit = 10 * time.Second

// await waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(awaitLimit); ; <-look.C {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is not there after %v", args[0], awaitLimit)
		}
	}
}
