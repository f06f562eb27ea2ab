package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// asCentre is set in a child process that is to be a centre, and dies.
const asCentre = "LIMEN_TEST_CENTRE"

func TestMain(m *testing.M) {
	if os.Getenv(asCentre) != "" {
		fmt.Fprintln(os.Stderr, beCentre(os.Args[1], os.Args[2], Files{os.Args[3], os.Args[4]}, os.Args[5]))
		os.Exit(1)
	}
	if config := os.Getenv(asNode); config != "" {
		fmt.Fprintln(os.Stderr, beNode(config))
		os.Exit(1)
	}
	if config := os.Getenv(asCrowd); config != "" {
		fmt.Fprintln(os.Stderr, beCrowd(config))
		os.Exit(1)
	}
	code := m.Run()
	if postgres.server != nil {
		postgres.server.Stop()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// beCentre runs a centre that is killed after its third commit, before anyone
// is told.
func beCentre(dir, ca string, server Files, addr string) error {
	commits := 0
	c, err := Open(Config{Dir: dir, MQTT: addr, CA: ca, Certificate: server.Certificate, Key: server.Key, committed: func() error {
		if commits++; commits == 3 {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}})
	if err != nil {
		return err
	}
	return c.Run(context.Background())
}

// Killed between commit and receipt, and started again on the same folder.
func TestCentreKilledBetweenCommitAndReceipt(t *testing.T) {
	s := newSite(t)
	s.addr = freeAddress(t)
	key, err := PrepareReceiptKey(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	d := s.newDevice("gate-1", 1, key)
	r, err := CreateRecords(s.folder())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Enrol(t.Context(), d.name, d.key.PublicKey(), day); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	d.append(40)
	d.connect(s.addr)
	before := uint64(0)
	for range 2 {
		child := exec.CommandContext(t.Context(), os.Args[0], s.folder(), s.authority.CAPath(), s.server.Certificate, s.server.Key, s.addr)
		child.Env = append(os.Environ(), asCentre+"=1")
		out, err := child.CombinedOutput()
		if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the centre ended by itself: %v\n%s", err, out)
		}
		if r, err = OpenRecords(s.folder()); err != nil {
			t.Fatal(err)
		}
		stored, err := r.Stored(t.Context(), d.name)
		if at := d.outbox.Position(); err != nil || at > stored || stored < before {
			t.Errorf("after the kill: got position %d, %d stored, %v; want nothing acknowledged that is not stored", at, stored, err)
		}
		before = stored
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		d.append(20)
	}
	s.start()
	s.settled(d)
}
