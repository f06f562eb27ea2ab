package device

import "limen/device/console"

// Devices implements console.Devices.
func (a *Appliance) Devices() []console.DeviceState {
	var out []console.DeviceState
	for _, s := range a.States() {
		d := console.DeviceState{Name: s.Name, Kind: kinds[s.Name], Detail: s.Detail, State: map[Health]string{
			Starting: console.DeviceStarting, Working: console.DeviceReady, Away: console.DeviceLost, Absent: console.DeviceOff,
		}[s.Health]}
		if s.Health == Away {
			d.NextAction = nextActions[s.Name]
		}
		out = append(out, d)
	}
	return out
}

// kinds and nextActions are by the names on the board.
var kinds = map[string]string{
	nameMRZReader: "mrz_reader", nameChipReader: "chip_reader", nameCamera: "camera", nameModels: "models", NameUplink: "uplink", nameGate: "door",
}

var nextActions = map[string]string{
	nameMRZReader:  "Check the MRZ reader's cable. It is used again as soon as it is back.",
	nameChipReader: "Check the chip reader's cable. It is used again as soon as it is back.",
	nameCamera:     "Check the camera's cable and power. It is used again as soon as it is back.",
	nameModels:     "Call the technician: the face models must be installed. Until then compare faces yourself.",
	nameGate:       "See to the gate: free the doors and the space between them, then reset it. If a wire or door is named, call the technician.",
	NameUplink:     "Nothing is lost: checks are kept here until the center can be reached.",
}

// NameUplink is the uplink's name on the board of states.
const NameUplink = "uplink"
