package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"limen"
	"limen/device"
	"limen/device/lookup"
	"limen/sync/wire"
)

// health is how the appliance is, for the centre: parts, disk, lists.
func (a *assembly) health() wire.Health {
	h := wire.Health{At: time.Now().UnixMilli(), Site: a.cfg.Site, Full: a.journal.Full()}
	for _, s := range a.appliance.States() {
		if s.Name != device.NameUplink { // that it speaks says it
			h.Parts = append(h.Parts, wire.Part{Name: s.Name, State: partStates[s.Health]})
		}
	}
	var disk unix.Statfs_t
	if unix.Statfs(a.cfg.Store, &disk) == nil {
		h.DiskFree, h.DiskSize = disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize)
	}
	for _, s := range a.trust.Sources() {
		h.TrustList = max(h.TrustList, s.Date().UnixMilli())
	}
	h.StopList = oldestStopList(a.lookups)
	return h
}

var partStates = map[device.Health]wire.PartState{
	device.Starting: wire.PartStarting, device.Working: wire.PartWorking, device.Away: wire.PartAway, device.Absent: wire.PartAbsent,
}

// stopListWait is how long reading a stop list that has changed may hold up a word on health.
const stopListWait = 2 * time.Second

func oldestStopList(lookups []limen.Lookup) (oldest int64) {
	ctx, stop := context.WithTimeout(context.Background(), stopListWait)
	defer stop()
	for _, l := range lookups {
		list, ok := l.(*lookup.StopList)
		if !ok {
			continue
		}
		if _, asOf, _ := list.State(ctx); !asOf.IsZero() && (oldest == 0 || asOf.UnixMilli() < oldest) {
			oldest = asOf.UnixMilli()
		}
	}
	return oldest
}
