package door

import (
	"context"

	"limen/hw/modbus"
)

// Board is a Modbus RTU relay board.
type Board struct {
	Client                  *modbus.Client
	FirstOutput, FirstInput uint16 // where the board's coils and discrete inputs begin; 0 with most
}

// Exchange implements Bank.
func (b *Board) Exchange(ctx context.Context, out [NumOutputs]bool) (in [NumInputs]bool, err error) {
	if err := b.Client.SetCoils(ctx, b.FirstOutput, out[:]); err != nil {
		return in, err
	}
	values, err := b.Client.Inputs(ctx, b.FirstInput, int(NumInputs))
	if err == nil {
		copy(in[:], values)
	}
	return in, err
}
