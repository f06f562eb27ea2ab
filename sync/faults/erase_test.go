package faults

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"limen/sync/journal"
	"limen/sync/wire"
)

// erasing is what a process does that erases.
type erasing struct {
	Dir     string
	Clear   bool // the store lies in the clear
	Entries uint64
}

// erased tells which entries the child erases.
func erased(i uint64) bool { return i%5 == 2 }

func bodyOf(i uint64) []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "what entry %d said", i))
	return bytes.Repeat(h[:], 40)
}

func (c erasing) open() (*journal.Journal, error) {
	o := journal.Options{Clear: c.Clear, Name: wire.Origin("gate-1"), Signer: keyOf(1), Reserve: 1 << 20}
	if !c.Clear {
		o.Key = make([]byte, 32)
	}
	return journal.Open(filepath.Join(c.Dir, "journal"), o)
}

// beEraser appends entries, says "begin", erases a fifth of them, says "end",
// and waits to be killed.
func beEraser(config string) error {
	var c erasing
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	j, err := c.open()
	if err != nil {
		return err
	}
	var gone []uint64
	for i := range c.Entries {
		if _, err := j.Append(context.Background(), bodyOf(i)); err != nil {
			return err
		}
		if erased(i) {
			gone = append(gone, i)
		}
	}
	fmt.Println("begin")
	if err := j.Erase(context.Background(), gone...); err != nil {
		return err
	}
	fmt.Println("end")
	select {}
}

// The power goes during an erasure, or right after it. Nothing else is lost;
// what was to go is there whole or finished when the journal opens again; and
// once the erasure was done no file has a byte of it.
func TestPowerCutDuringAnErasure(t *testing.T) {
	if err := mayMount(); err != nil {
		t.Skip(err)
	}
	for seed := range uint64(*erasures) {
		lots := rand.New(rand.NewPCG(seed, 1))
		after := lots.IntN(3) == 0
		if err := eraseAndCut(t, lots, after); err != nil {
			t.Errorf("seed %d, after the erasure %v: %v", seed, after, err)
		}
	}
}

func eraseAndCut(t *testing.T, lots *rand.Rand, after bool) error {
	d, err := newDisk(t.TempDir())
	if err != nil {
		return err
	}
	const entries = 60
	c := erasing{Dir: d.mount, Clear: lots.IntN(2) == 0, Entries: entries}
	config, err := json.Marshal(c)
	if err != nil {
		return err
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), asChild+"=eraser", childConfig+"="+string(config))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	says := func(want string) error {
		if !lines.Scan() || lines.Text() != want {
			return fmt.Errorf("the child said %q, want %q", lines.Text(), want)
		}
		return nil
	}
	err = says("begin")
	if after {
		err = errors.Join(err, says("end"))
	} else {
		time.Sleep(time.Duration(lots.IntN(150)) * time.Millisecond) // anywhere in it
	}
	err = errors.Join(err, d.powerOff(lots, func() { child.Process.Kill(); child.Wait() }))
	if err != nil {
		return err
	}
	if after {
		if err := nothingOf(d.kept, entries); err != nil {
			return fmt.Errorf("before it was opened again: %w", err)
		}
	}
	c.Dir = d.kept
	j, err := c.open()
	if err != nil {
		return err
	}
	v, verr := j.Verify(context.Background(), journal.Check{})
	err = errors.Join(verr, j.Close())
	if err != nil || v.Fault != nil || v.Size != entries || v.Erased != 0 && v.Erased != entries/5 || after && v.Erased == 0 {
		return fmt.Errorf("got %d entries, %d erased, %v, %v; want all, and a fifth of them erased or none", v.Size, v.Erased, v.Fault, err)
	}
	if v.Erased == 0 {
		return nil
	}
	return nothingOf(d.kept, entries)
}

// nothingOf fails where a file has a byte of what was erased.
func nothingOf(dir string, entries uint64) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for i := range entries {
			if erased(i) && bytes.Contains(b, bodyOf(i)[:32]) {
				return fmt.Errorf("what entry %d said is in %s", i, filepath.Base(path))
			}
		}
		return err
	})
}
