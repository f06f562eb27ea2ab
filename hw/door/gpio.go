package door

import (
	"context"
	"errors"
	"fmt"

	"github.com/warthog618/go-gpiocdev"
)

// GPIO is a bank of lines of one GPIO chip.
type GPIO struct{ in, out *gpiocdev.Lines }

// OpenGPIO takes lines of the chip, a path such as /dev/gpiochip0: consecutive
// ones from firstInput and from firstOutput on. The outputs begin at false.
// Contacts close to ground, so inputs are pulled up and read inverted.
func OpenGPIO(chip string, firstInput, firstOutput int) (*GPIO, error) {
	row := func(first, n int) []int {
		offsets := make([]int, n)
		for i := range offsets {
			offsets[i] = first + i
		}
		return offsets
	}
	in, err := gpiocdev.RequestLines(chip, row(firstInput, int(NumInputs)), gpiocdev.WithConsumer("limen"), gpiocdev.AsInput, gpiocdev.WithPullUp, gpiocdev.AsActiveLow)
	if err != nil {
		return nil, fmt.Errorf("cannot take lines %d to %d of %s as inputs: is the path right, are the lines free (gpioinfo lists them), may this user open it? %w", firstInput, firstInput+int(NumInputs)-1, chip, err)
	}
	out, err := gpiocdev.RequestLines(chip, row(firstOutput, int(NumOutputs)), gpiocdev.WithConsumer("limen"), gpiocdev.AsOutput(make([]int, NumOutputs)...))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot take lines %d to %d of %s as outputs: are they free (gpioinfo lists them)? %w", firstOutput, firstOutput+int(NumOutputs)-1, chip, err), in.Close())
	}
	return &GPIO{in, out}, nil
}

// Exchange implements Bank.
func (g *GPIO) Exchange(ctx context.Context, out [NumOutputs]bool) (in [NumInputs]bool, err error) {
	if err := ctx.Err(); err != nil {
		return in, err
	}
	var levels [NumOutputs]int
	for i, on := range out {
		if on {
			levels[i] = 1
		}
	}
	if err := g.out.SetValues(levels[:]); err != nil {
		return in, fmt.Errorf("cannot set the gate's GPIO outputs: %w", err)
	}
	var values [NumInputs]int
	if err := g.in.Values(values[:]); err != nil {
		return in, fmt.Errorf("cannot read the gate's GPIO inputs: %w", err)
	}
	for i, v := range values {
		in[i] = v != 0
	}
	return in, nil
}

// Close gives the lines back.
func (g *GPIO) Close() error { return errors.Join(g.in.Close(), g.out.Close()) }
