package device

import (
	"context"
	"fmt"

	"limen"
	"limen/hw/mrzreader"
	"limen/hw/serialport"
)

// nameMRZReader is the reader's name on the board of states.
const nameMRZReader = "MRZ reader"

// runMRZReader owns the MRZ reader on its serial port until ctx ends, over
// unplugging, and presents each document it reads.
func (a *Appliance) runMRZReader(ctx context.Context) error {
	c := a.cfg.MRZReader
	reader, err := mrzreader.New(mrzreader.Settings{
		Protocol: mrzreader.Protocol(c.Protocol),
		Report:   func(n mrzreader.Note) { a.states.set(nameMRZReader, Working, string(n)) },
		Now:      a.parts.Now,
	})
	if err != nil {
		return err
	}
	mode := serialport.Mode{Baud: c.Baud}
	if c.Frame == "7E1" {
		mode.Bits, mode.Parity = 7, serialport.EvenParity
	}
	keeper := serialport.Keeper{
		Path: c.Port, Mode: mode,
		Use: func(ctx context.Context, port *serialport.Port) error {
			a.states.set(nameMRZReader, Working, fmt.Sprintf("%s on %s", c.Protocol, c.Port))
			return reader.Run(ctx, port, func(r mrzreader.Read) {
				a.Present(limen.Presented{Lines: r.Lines, At: r.At})
			})
		},
		Report: func(rep serialport.Report) { reportPort(a.states, nameMRZReader, rep) },
	}
	return keeper.Run(ctx)
}

// reportPort puts what happens to a serial port on the board.
func reportPort(states *board, name string, rep serialport.Report) {
	if rep.State != serialport.Opened && rep.Err != nil {
		states.set(name, Away, rep.Err.Error())
	}
}
