package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// childEnv names the journal the re-executed test binary appends to.
const childEnv = "LIMEN_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		appendForever(dir)
	}
	os.Exit(m.Run())
}

// appendForever prints each acknowledged entry until it is killed.
func appendForever(dir string) {
	j, err := Open(dir, testOptions())
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for w := 1; w < 4; w++ {
		go appendLoop(j, w)
	}
	appendLoop(j, 0)
}

func appendLoop(j *Journal, worker int) {
	for n := 0; ; n++ {
		body := fmt.Sprintf("pid-%d-worker-%d-entry-%d", os.Getpid(), worker, n)
		r, err := j.Append(bg, []byte(body))
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Printf("%d %s\n", r.Index, body) // one write: whole lines only
	}
}

// Nothing acknowledged is lost when the process is killed in mid-append.
func TestKillAndReopen(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[uint64]string{}
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 100+50*round {
				child.Process.Signal(syscall.SIGKILL) // what it printed before dying is still read
			}
			var index uint64
			var body string
			if _, err := fmt.Sscanf(lines.Text(), "%d %s", &index, &body); err != nil || strings.HasPrefix(lines.Text(), "error") {
				t.Fatalf("child says %q", lines.Text())
			}
			if was, taken := acknowledged[index]; taken {
				t.Fatalf("index %d was acknowledged twice: %q and %q", index, was, body)
			}
			acknowledged[index] = body
		}
		child.Wait()
	}
	j := openTest(t, dir, testOptions())
	for index, body := range acknowledged {
		if e, err := j.Entry(index); err != nil || string(e.Body) != body {
			t.Errorf("acknowledged entry %d: got %q, %v; want %q", index, e.Body, err, body)
		}
	}
	v, err := j.Verify(t.Context(), Check{})
	if err != nil || v.Fault != nil || v.Signed != v.Size {
		t.Errorf("Verify after kills: got %+v, %v", v, err)
	}
	t.Logf("%d acknowledged over 3 kills, %d stored", len(acknowledged), j.Size())
}
