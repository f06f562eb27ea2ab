package portrait

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// exitLimit is how long a program that closed its answer may take to end, so
// that its exit status can be told.
const exitLimit = time.Second

// process is one running limen-portrait.
type process struct {
	cmd     *exec.Cmd
	in, out *os.File
	limit   time.Duration // of processor time; of time, where nobody knows it
	ready   bool          // it said hello
}

func start(path string, limit time.Duration) (*process, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", Program, err)
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		childIn.Close()
		in.Close()
		return nil, fmt.Errorf("cannot start %s: %w", Program, err)
	}
	cmd := exec.Command(path)
	// Nothing of the agent's environment or folder; standard error is dropped,
	// because what a crash prints may show the picture.
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdin, cmd.Stdout = childIn, childOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	childIn.Close()
	childOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("%w: %s does not start: %v", ErrNoProgram, path, err)
	}
	return &process{cmd: cmd, in: in, out: out, limit: limit}, nil
}

func (p *process) decode(ctx context.Context, data []byte) (image.Image, Info, error) {
	// Closing ends whatever read or write is under way.
	stop := context.AfterFunc(ctx, func() { p.in.Close(); p.out.Close() })
	defer stop()

	var info Info
	began := time.Now()
	_ = p.out.SetDeadline(began.Add(startLimit))
	report, err := readHello(p.out)
	if err != nil {
		return nil, info, err
	}
	p.ready = true
	asked := time.Now()
	info.Sandbox, info.Start = report, asked.Sub(began)
	_ = p.in.SetDeadline(asked.Add(p.limit))
	_ = p.out.SetDeadline(asked.Add(p.limit))
	if err := writeRequest(patient{p.in, p, asked}, data); err != nil && !errors.Is(err, syscall.EPIPE) {
		return nil, info, err // a program that stopped reading may still have answered
	}
	img, format, err := readAnswer(patient{p.out, p, asked})
	info.Decode = time.Since(asked)
	if err != nil {
		return nil, info, err
	}
	info.Format, info.Width, info.Height = format, img.Bounds().Dx(), img.Bounds().Dy()
	return img, info, nil
}

// end stops the program, waits for it and says what err means.
func (p *process) end(ctx context.Context, err error) error {
	p.in.Close()
	p.out.Close()
	grace := exitLimit
	if err == nil || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errBabble) {
		grace = 0 // its exit status says nothing more
	}
	kill := time.AfterFunc(grace, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	kill.Stop()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrUnreadable), errors.Is(err, ErrTooLarge):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded) && !p.ready:
		return fmt.Errorf("%w: it was not ready within %v", ErrUnsealed, startLimit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w (limit %v)", ErrTimeout, p.limit)
	case p.cmd.ProcessState.ExitCode() == ExitUnsealed:
		return fmt.Errorf("%w; it needs Linux with seccomp: run %s by hand to see why", ErrUnsealed, p.cmd.Path)
	case errors.Is(err, errBabble):
		return fmt.Errorf("%w: %v", ErrCrashed, errBabble)
	}
	return fmt.Errorf("%w: %v", ErrCrashed, p.cmd.ProcessState)
}
