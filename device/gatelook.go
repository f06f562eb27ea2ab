package device

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"limen/hw/door"
	"limen/hw/modbus"
	"limen/hw/serialport"
)

// Look asks the gate's board once for its contacts and says what is there. It
// moves nothing. Contacts that contradict each other are an error that names
// them: the gate must be closed and still meanwhile.
func (c GateConfig) Look(ctx context.Context) (string, error) {
	if c.Doors == "gpio" { // its lines cannot be looked at without being taken
		info, err := os.Stat(c.Chip)
		if err == nil && info.Mode()&fs.ModeCharDevice == 0 {
			err = fmt.Errorf("%s is no GPIO chip: correct gate.chip (ls /dev/gpiochip* lists them)", c.Chip)
		}
		return c.Chip, err
	}
	port, err := serialport.Open(ctx, c.Port, c.mode())
	if err != nil {
		return "", err
	}
	defer port.Close()
	values, err := c.client(port).Inputs(ctx, uint16(c.FirstInput), int(door.NumInputs))
	if err != nil {
		return "", fmt.Errorf("unit %d on %s: %w", c.Unit, c.Port, err)
	}
	if faults := door.Contradictions([door.NumInputs]bool(values)); len(faults) > 0 {
		var names []string
		for _, f := range faults {
			names = append(names, f.String())
		}
		return "", fmt.Errorf("%s: close both doors and look again; if it stays, see to the wires of docs/design/gate.md", strings.Join(names, ", "))
	}
	return fmt.Sprintf("unit %d on %s, all contacts agree", c.Unit, c.Port), nil
}

func (c GateConfig) mode() serialport.Mode {
	return serialport.Mode{Baud: c.Baud, Parity: serialport.Parity(c.Parity)}
}

func (c GateConfig) client(port *serialport.Port) *modbus.Client {
	return &modbus.Client{Port: port, Unit: byte(c.Unit), Baud: c.Baud, Timeout: c.Answer}
}
