// Package limen is the contactless border check: the line that a traveller
// crosses, the ports behind which devices and services stand, the evidence
// that is gathered, the decision it leads to and the record that remains.
//
//	document presented → MRZ → eligibility → chip ∥ face ∥ databases → authenticity → match → decision → record → sync
//
// The line is Inspection.Run. Devices, networks and screens live elsewhere
// and reach it through the ports in ports.go; this package holds no driver,
// no goroutine that outlives a call and nothing a passport said beyond the
// inspection it belongs to.
package limen
