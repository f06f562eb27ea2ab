package device

import (
	"fmt"
	"time"

	"limen/hw/door"
)

// GateConfig is the doors of an e-gate and what they hang on.
type GateConfig struct {
	Doors       string        `yaml:"doors"` // modbus | gpio | none
	Port        string        `yaml:"port"`
	Unit        int           `yaml:"unit"`
	Baud        int           `yaml:"baud"`
	Parity      string        `yaml:"parity"` // none | even | odd
	Chip        string        `yaml:"chip"`
	FirstInput  int           `yaml:"first_input"`
	FirstOutput int           `yaml:"first_output"`
	EntryFails  string        `yaml:"entry_fails"` // secure | safe
	ExitFails   string        `yaml:"exit_fails"`
	Answer      time.Duration `yaml:"answer"`
	Settle      time.Duration `yaml:"settle"`
	Discrepancy time.Duration `yaml:"discrepancy"`
	Travel      time.Duration `yaml:"travel"`
	Limits      GateLimits    `yaml:"limits"`
}

// GateLimits are how long the gate waits in each state.
type GateLimits struct {
	Document time.Duration `yaml:"document"`
	Entering time.Duration `yaml:"entering"`
	Face     time.Duration `yaml:"face"`
	Leaving  time.Duration `yaml:"leaving"`
	Closing  time.Duration `yaml:"closing"`
}

var defaultGate = GateConfig{
	Doors: "none", Unit: 1, Baud: 19200, Parity: "none", EntryFails: "secure", ExitFails: "secure",
	Answer: 100 * time.Millisecond, Settle: 40 * time.Millisecond, Discrepancy: 500 * time.Millisecond, Travel: 8 * time.Second,
	Limits: GateLimits{Document: time.Minute, Entering: 20 * time.Second, Face: 90 * time.Second, Leaving: 20 * time.Second, Closing: 10 * time.Second},
}

// drives tells whether there are doors at all.
func (c GateConfig) drives() bool { return c.Doors == "modbus" || c.Doors == "gpio" }

// validate says what is wrong, naming the key. one tells whether a value is one of several.
func (c GateConfig) validate(one func(path, value string, of ...string) error) error {
	for path, value := range map[string]string{"doors": c.Doors, "parity": c.Parity, "entry_fails": c.EntryFails, "exit_fails": c.ExitFails} {
		if err := one("gate."+path, value, enums[path]...); err != nil {
			return err
		}
	}
	switch {
	case c.Doors == "modbus" && c.Port == "":
		return &keyError{"gate.doors", "is modbus, so gate.port must name the relay board's serial port, such as /dev/limen-gate"}
	case c.Doors == "gpio" && c.Chip == "":
		return &keyError{"gate.doors", "is gpio, so gate.chip must name the chip, such as /dev/gpiochip0"}
	case c.Doors == "gpio" && c.FirstInput < c.FirstOutput+int(door.NumOutputs) && c.FirstOutput < c.FirstInput+int(door.NumInputs):
		return &keyError{"gate.first_output", fmt.Sprintf("%d: %d outputs would overlap the %d inputs from %d on", c.FirstOutput, door.NumOutputs, door.NumInputs, c.FirstInput)}
	case c.Unit < 1 || c.Unit > 247:
		return &keyError{"gate.unit", fmt.Sprintf("%d is no Modbus unit: want 1 to 247", c.Unit)}
	case c.Baud < 1200 || c.Baud > 1000000:
		return &keyError{"gate.baud", fmt.Sprintf("%d is no speed of a relay board: want 1200 to 1000000", c.Baud)}
	case c.FirstInput < 0 || c.FirstInput > 65000:
		return &keyError{"gate.first_input", fmt.Sprintf("%d is not between 0 and 65000", c.FirstInput)}
	case c.FirstOutput < 0 || c.FirstOutput > 65000:
		return &keyError{"gate.first_output", fmt.Sprintf("%d is not between 0 and 65000", c.FirstOutput)}
	}
	for path, d := range map[string]time.Duration{"answer": c.Answer, "settle": c.Settle, "discrepancy": c.Discrepancy, "travel": c.Travel, "limits.document": c.Limits.Document,
		"limits.entering": c.Limits.Entering, "limits.face": c.Limits.Face, "limits.leaving": c.Limits.Leaving, "limits.closing": c.Limits.Closing} {
		if d <= 0 || d > time.Hour {
			return &keyError{"gate." + path, fmt.Sprintf("%v is not a time of more than zero and at most an hour", d)}
		}
	}
	return nil
}
