package device

import (
	"context"
	"fmt"
	"time"

	"limen/hw/door"
	"limen/hw/serialport"
)

// nameGate is the gate's name on the board of states.
const nameGate = "gate"

// runDoors owns the board or chip the doors hang on until ctx ends, over
// unplugging.
func (g *Gate) runDoors(ctx context.Context) error {
	defer g.end()
	if g.cfg.Doors == "gpio" {
		return g.runGPIO(ctx)
	}
	keeper := serialport.Keeper{
		Path: g.cfg.Port, Mode: g.cfg.mode(),
		Use: func(ctx context.Context, port *serialport.Port) error {
			return g.driver.Run(ctx, &door.Board{Client: g.cfg.client(port), FirstInput: uint16(g.cfg.FirstInput), FirstOutput: uint16(g.cfg.FirstOutput)}, g.read)
		},
		Report: func(rep serialport.Report) { g.report(rep.State == serialport.Opened, rep.Err) },
	}
	return keeper.Run(ctx)
}

// reopenGPIO is the wait before a GPIO chip is opened again.
const reopenGPIO = 2 * time.Second

func (g *Gate) runGPIO(ctx context.Context) error {
	for {
		lines, err := door.OpenGPIO(g.cfg.Chip, g.cfg.FirstInput, g.cfg.FirstOutput)
		if err == nil {
			err = g.driver.Run(ctx, lines, g.read)
			lines.Close()
		}
		g.report(false, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reopenGPIO):
		}
	}
}

// report puts what happens to the way to the doors on the board of states; a
// gate that is reached says by itself how it is.
func (g *Gate) report(opened bool, err error) {
	if !opened && err != nil {
		g.states.set(nameGate, Away, fmt.Sprintf("%s: %v", g.Status().State, err))
	}
}
