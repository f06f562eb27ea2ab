package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"limen"
	"limen/cmd/internal/cli"
	"limen/cmd/internal/faceset"
	"limen/matcher"
	"limen/matcher/eval"
)

// described are the templates of pictures, in memory alone.
type described struct {
	set    *eval.Set
	at     []int          // of a picture: its template's place in set, or -1
	failed map[string]int // pictures without a template, by reason
}

// describe decodes pictures, each in a process of its own and several at a
// time, and describes the largest face of each. A picture that cannot be decoded
// or shows no face is a failure to enrol; a file that cannot be read is an error.
func describe(con *cli.Console, engine matcher.Engine, pictures []faceset.Picture) (*described, error) {
	ctx, stop := context.WithCancel(con)
	defer stop()
	type opened struct {
		img image.Image
		err error
	}
	results := make([]chan opened, len(pictures))
	for i := range results {
		results[i] = make(chan opened, 1)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop() // before waiting
	ahead := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				select {
				case ahead <- struct{}{}: // decoded pictures that wait are few
				case <-ctx.Done():
					return
				}
				i := int(next.Add(1) - 1)
				if i >= len(pictures) {
					return
				}
				img, err := openPicture(ctx, pictures[i].Path)
				results[i] <- opened{img, err}
			}
		})
	}
	bar := newBar(con.Errors, "pictures")
	out := &described{at: make([]int, len(pictures)), failed: map[string]int{}}
	for i, p := range pictures {
		var o opened
		select {
		case o = <-results[i]:
		case <-ctx.Done():
			return nil, out.end(ctx.Err())
		}
		<-ahead
		if err := out.add(engine, i, p, o.img, o.err); err != nil {
			return nil, out.end(err)
		}
		bar.tell(int64(i+1), int64(len(pictures)))
	}
	if out.set == nil {
		return nil, fmt.Errorf("none of %d pictures shows a face that could be described: %v", len(pictures), out.failed)
	}
	return out, nil
}

// end forgets what was described so far.
func (d *described) end(err error) error {
	if d.set != nil {
		d.set.Wipe()
	}
	return err
}

func (d *described) add(engine matcher.Engine, i int, p faceset.Picture, img image.Image, err error) error {
	d.at[i] = -1
	if errors.Is(err, errNoPicture) {
		d.failed["picture_unreadable"]++
		return nil
	}
	if err != nil {
		return err
	}
	faces, err := engine.Detect(img)
	if err != nil {
		return fmt.Errorf("%s: cannot look for faces: %w", p.Path, err)
	}
	if len(faces) == 0 {
		d.failed[string(limen.FaceNotFound)]++
		return nil
	}
	template, err := engine.Template(img, faces[0])
	switch {
	case errors.Is(err, matcher.ErrDegenerate):
		d.failed[string(limen.FaceNotFound)]++
		return nil
	case err != nil:
		return fmt.Errorf("%s: cannot describe the face: %w", p.Path, err)
	}
	defer clear(template)
	if d.set == nil {
		d.set = eval.NewSet(len(template))
	}
	d.at[i], err = d.set.Add(template, p.Person)
	return err
}

// pairs are pairs of pictures as pairs of templates, without those that lack
// one; nil stays nil.
func (d *described) pairs(of []eval.Pair) []eval.Pair {
	if of == nil {
		return nil
	}
	out := []eval.Pair{}
	for _, p := range of {
		if a, b := d.at[p.A], d.at[p.B]; a >= 0 && b >= 0 {
			out = append(out, eval.Pair{A: a, B: b})
		}
	}
	return out
}

// bar shows on a terminal how far something is; elsewhere it says so at each
// tenth.
type bar struct {
	mu       sync.Mutex
	to       io.Writer
	what     string
	terminal bool
	shown    int64 // of steps
	done     int64
}

func newBar(to io.Writer, what string) *bar {
	b := &bar{to: to, what: what}
	if f, ok := to.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

func (b *bar) tell(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = max(b.done, done)
	steps := int64(10)
	if b.terminal {
		steps = 40
	}
	step := b.done * steps / max(total, 1)
	if step <= b.shown {
		return
	}
	b.shown = step
	if !b.terminal {
		fmt.Fprintf(b.to, "%s: %d of %d\n", b.what, b.done, total)
		return
	}
	fmt.Fprintf(b.to, "\r%s %-40s %d of %d ", b.what, "########################################"[:step], b.done, total)
	if b.done >= total {
		fmt.Fprintln(b.to)
	}
}
