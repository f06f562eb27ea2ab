package history

import (
	"context"
	"time"

	"limen"
)

// Exported is what this history has about one document, for the person whose
// it is (GDPR, Art. 15): every record in words a program reads, who asked about
// it, and a bundle for each record that proves it to others (docs/design/bundle.md).
type Exported struct {
	Device    string         `json:"device"`
	AsOf      time.Time      `json:"as_of"`
	Records   []ExportedItem `json:"records"`   // newest first
	Questions []ExportedItem `json:"questions"` // who asked, this export among them
}

// ExportedItem is one record.
type ExportedItem struct {
	Index       uint64       `json:"index"`
	At          time.Time    `json:"at"`
	Record      limen.Record `json:"record"`
	Corrections []string     `json:"corrections,omitempty"`
	Bundle      string       `json:"bundle,omitempty"` // C2SP tlog-proof of the record
}

// maxExported bounds an export.
const maxExported = 10000

// Export takes out all that is known of a document. That it was taken out is
// recorded before.
func (h *History) Export(ctx context.Context, d Document, by Asker) (Exported, error) {
	about, _, err := h.subject(ctx, d)
	if err != nil {
		return Exported{}, err
	}
	entries, err := h.entriesOf(about.Pseudonym)
	if err != nil {
		return Exported{}, err
	}
	if err := h.note(ctx, "export", by, about, len(entries)); err != nil {
		return Exported{}, err
	}
	out := Exported{Device: h.opts.Device, AsOf: h.opts.Now().UTC(), Records: []ExportedItem{}, Questions: []ExportedItem{}}
	for _, i := range entries[:min(len(entries), maxExported)] {
		item, err := h.item(i)
		if err != nil {
			return Exported{}, err
		}
		bundle, err := h.journal.Bundle(ctx, i)
		if err != nil {
			return Exported{}, err
		}
		item.Bundle = string(bundle)
		out.Records = append(out.Records, item)
	}
	asked, err := h.questions(about.Pseudonym)
	if err != nil {
		return Exported{}, err
	}
	for _, i := range asked {
		item, err := h.item(i)
		if err != nil {
			return Exported{}, err
		}
		out.Questions = append(out.Questions, item)
	}
	return out, nil
}

func (h *History) item(i uint64) (ExportedItem, error) {
	s, err := h.show(i)
	if err != nil {
		return ExportedItem{}, err
	}
	out := ExportedItem{Index: i, Corrections: s.Corrections}
	if s.Record != nil {
		out.Record, out.At = *s.Record, s.Record.Started.Time()
	}
	return out, nil
}
