package fleet

import (
	"fmt"
	"strings"
	"time"

	"limen/sync/wire"
)

// Trouble is something about a device that a person should deal with.
type Trouble struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
	Alarm  bool   `json:"alarm"` // somebody has to say that they have seen it
}

// Kinds of trouble.
const (
	TroubleRewritten = "rewritten"  // it signed another history than the one held
	TroubleRefused   = "refused"    // the centre takes none of its entries
	TroubleSilent    = "silent"     // nothing is heard of it
	TroubleGap       = "gap"        // it is connected, has entries, and they do not come
	TroubleClock     = "clock"      // its clock is wrong
	TroubleDisk      = "disk"       // its disk is nearly full
	TroubleFull      = "full"       // its journal takes no more: everybody is referred
	TroublePart      = "part"       // a reader, camera or the like is away
	TroubleTrustList = "trust_list" // is old
	TroubleStopList  = "stop_list"  // is old
)

// alarmKinds are the troubles that raise an alarm.
var alarmKinds = []string{TroubleRewritten, TroubleRefused, TroubleSilent, TroubleGap, TroubleClock, TroubleDisk, TroubleFull}

// When something is trouble.
const (
	silentAfter    = 5 * time.Minute // lost without a word; a restart is no alarm
	unheardAfter   = 3 * time.Minute // connected; a word comes every minute
	gapAfter       = 10 * time.Minute
	mostSkew       = 2 * time.Minute
	leastDisk      = 20 // one part in so many free
	oldTrustList   = 60 * 24 * time.Hour
	oldStopList    = 24 * time.Hour
	stateConnected = string(wire.StateRunning)
)

// Standing is how a device is at a glance.
type Standing string

// The standings.
const (
	Online   Standing = "online"
	Degraded Standing = "degraded" // connected, and something is wrong with it
	Offline  Standing = "offline"
)

// Standing is how the device is, given whether it is connected.
func (d DeviceView) Standing(now time.Time) Standing {
	switch {
	case !d.Connected:
		return Offline
	case len(d.Troubles(now)) > 0:
		return Degraded
	}
	return Online
}

// Troubles are what is wrong with a device, the gravest first.
func (d DeviceView) Troubles(now time.Time) []Trouble {
	var out []Trouble
	alarm := func(kind, format string, args ...any) {
		out = append(out, Trouble{kind, fmt.Sprintf(format, args...), true})
	}
	if d.Rewritten != 0 {
		alarm(TroubleRewritten, "it signed another history than the one it sent: have the device examined")
	}
	if d.Refusal != "" {
		alarm(TroubleRefused, "none of its entries are taken: %s", d.Detail)
	}
	if h := d.Health; h != nil {
		if h.Full {
			alarm(TroubleFull, "its journal takes no more entries, and everybody is referred: make room on its disk")
		} else if h.DiskSize > 0 && h.DiskFree < h.DiskSize/leastDisk {
			alarm(TroubleDisk, "%.1f of %.0f GiB of its disk are free: make room before it is full", float64(h.DiskFree)/(1<<30), float64(h.DiskSize)/(1<<30))
		}
	}
	since := now.Sub(d.Since.Time())
	switch {
	case d.State == string(wire.StateLost) && since > silentAfter:
		alarm(TroubleSilent, "its connection broke, and it has not come back: see whether it has power and network")
	case d.State == stateConnected && d.Health != nil && now.Sub(d.Seen.Time()) > unheardAfter:
		alarm(TroubleSilent, "it is connected and says nothing: see whether the appliance hangs")
	}
	if d.State == stateConnected && d.Journal > d.Held && since > gapAfter && now.Sub(d.Stored.Time()) > gapAfter {
		alarm(TroubleGap, "it has %d entries and %d are here, and none come though it is connected", d.Journal, d.Held)
	}
	if skew := time.Duration(d.Skew) * time.Millisecond; skew > mostSkew || skew < -mostSkew {
		word := "fast"
		if skew < 0 {
			word, skew = "slow", -skew
		}
		alarm(TroubleClock, "its clock is %v %s: see to its time server", skew.Round(time.Second), word)
	}
	return append(out, d.worn(now)...)
}

// worn is trouble that shows and alarms nobody.
func (d DeviceView) worn(now time.Time) (out []Trouble) {
	if d.Health == nil {
		return nil
	}
	var away []string
	for _, p := range d.Health.Parts {
		if p.State == wire.PartAway {
			away = append(away, p.Name)
		}
	}
	if len(away) > 0 {
		out = append(out, Trouble{Kind: TroublePart, Detail: strings.Join(away, ", ")})
	}
	if t := d.Health.TrustList; t > 0 && now.Sub(time.UnixMilli(t)) > oldTrustList {
		out = append(out, Trouble{Kind: TroubleTrustList, Detail: fmt.Sprintf("its newest trust list is %d days old", int(now.Sub(time.UnixMilli(t)).Hours()/24))})
	}
	if t := d.Health.StopList; t > 0 && now.Sub(time.UnixMilli(t)) > oldStopList {
		out = append(out, Trouble{Kind: TroubleStopList, Detail: fmt.Sprintf("its stop list is %d hours old", int(now.Sub(time.UnixMilli(t)).Hours()))})
	}
	return out
}
