package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/index"
	"limen/sync/set"
	"limen/sync/wire"
)

// wholeRegion is the region of sites that none is named for.
const wholeRegion = "all"

// indexEvery is how often what devices sent is taken into the index.
const indexEvery = time.Minute

// regions are the regions of sites.
type regions map[string]string

func (r regions) of(site string) string {
	if region := r[site]; region != "" {
		return region
	}
	return wholeRegion
}

// cutIndex takes the entries that came since the last time into segments, a
// segment for each region that has any, and takes what was erased out of those
// that have it. It does nothing where the last time is not `every` ago: workers
// that share the records take turns. It tells how many segments it made.
func (r *Records) cutIndex(ctx context.Context, of regions, every time.Duration, now time.Time) (made int, err error) {
	err = r.inTransaction(ctx, func(tx *sql.Tx) error {
		// The row is this worker's until the transaction ends.
		done, err := tx.ExecContext(ctx, "INSERT INTO index_state (id, cut) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET cut = excluded.cut WHERE index_state.cut <= $2", now.UnixMilli(), now.Add(-every).UnixMilli())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return err
		}
		c := &cut{ctx: ctx, tx: tx, of: of, now: now, numbers: map[string]uint64{}, dirty: map[part]bool{}}
		if err := c.take(); err != nil {
			return err
		}
		if err := c.remove(); err != nil {
			return err
		}
		for p := range c.dirty {
			if err := c.build(p); err != nil {
				return fmt.Errorf("part %d of the index of %s: %w", p.number, p.region, err)
			}
		}
		made = len(c.numbers)
		return c.prune()
	})
	return made, err
}

// part is a segment's name.
type part struct {
	region string
	number uint64
}

// cut is one taking into the index.
type cut struct {
	ctx     context.Context
	tx      *sql.Tx
	of      regions
	now     time.Time
	numbers map[string]uint64 // of the new segments
	dirty   map[part]bool     // segments to make
}

// segment is the new segment of a region.
func (c *cut) segment(region string) (uint64, error) {
	if n, ok := c.numbers[region]; ok {
		return n, nil
	}
	var last uint64
	if err := c.tx.QueryRowContext(c.ctx, "SELECT coalesce(max(number), 0) FROM index_segments WHERE region = $1", region).Scan(&last); err != nil {
		return 0, err
	}
	c.numbers[region] = last + 1
	c.dirty[part{region, last + 1}] = true
	return last + 1, nil
}

// take gives new entries handles and segments.
func (c *cut) take() error {
	type device struct {
		name       string
		size, next uint64
	}
	var devices []device
	rows, err := c.tx.QueryContext(c.ctx, "SELECT d.name, d.size, coalesce(p.next, 0) FROM devices d LEFT JOIN index_progress p ON p.device = d.name WHERE d.size > coalesce(p.next, 0) ORDER BY d.name")
	if err != nil {
		return err
	}
	for rows.Next() {
		var d device
		if err := rows.Scan(&d.name, &d.size, &d.next); err != nil {
			return errors.Join(err, rows.Close())
		}
		devices = append(devices, d)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	room := index.MaxRows
	for _, d := range devices {
		if room == 0 {
			break // the rest is taken the next time
		}
		next, n, err := c.takeOf(d.name, d.next, d.size, room)
		if err != nil {
			return fmt.Errorf("cannot take entries of %s into the index: %w", d.name, err)
		}
		room -= n
		if _, err := c.tx.ExecContext(c.ctx, "INSERT INTO index_progress (device, next) VALUES ($1, $2) ON CONFLICT (device) DO UPDATE SET next = excluded.next", d.name, next); err != nil {
			return err
		}
	}
	return nil
}

func (c *cut) takeOf(device string, from, size uint64, room int) (next uint64, taken int, err error) {
	type found struct {
		number uint64
		body   []byte
	}
	var all []found
	rows, err := c.tx.QueryContext(c.ctx, "SELECT number, body FROM entries WHERE device = $1 AND number >= $2 AND number < $3 AND document IS NOT NULL AND body IS NOT NULL ORDER BY number LIMIT $4", device, from, size, room)
	if err != nil {
		return from, 0, err
	}
	for rows.Next() {
		var f found
		if err := rows.Scan(&f.number, &f.body); err != nil {
			return from, 0, errors.Join(err, rows.Close())
		}
		all = append(all, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return from, 0, err
	}
	next = size
	if len(all) == room {
		next = all[len(all)-1].number + 1
	}
	for _, f := range all {
		rec, err := limen.DecodeRecord(f.body)
		if err != nil || rec.Started.Time().Before(c.now.Add(-index.Keep)) || !tellable(rec) {
			continue
		}
		if _, ok := index.RowOf(rec, nil, nil); !ok {
			continue
		}
		region := c.of.of(rec.Site)
		number, err := c.segment(region)
		if err != nil {
			return from, 0, err
		}
		handle := make([]byte, index.HandleSize)
		rand.Read(handle)
		if _, err := c.tx.ExecContext(c.ctx, "INSERT INTO index_entries (handle, device, number, region, segment) VALUES ($1, $2, $3, $4, $5)", handle, device, f.number, region, number); err != nil {
			return from, 0, err
		}
	}
	return next, len(all), nil
}

// maxTold bounds a word of a record that others are told, in bytes.
const maxTold = 100

// tellable tells whether a record's words are such as others can be told. One
// device's that are not must not keep the others' from them.
func tellable(r limen.Record) bool {
	return len(r.Site) <= maxTold && len(r.ID) <= maxTold && len(r.Decision.Outcome) <= maxTold && len(r.Chip.SODMark) <= maxTold && len(r.Chip.KeyMark) <= maxTold
}

// proofOf is what a chip's key proved with; "" also for what others do not
// know, since they have room for few.
func proofOf(r limen.Record) string {
	switch r.Chip.Proof {
	case "chip_authentication", "pace_mapping", "active_authentication":
		return r.Chip.Proof
	}
	return ""
}

// remove lists what was erased in the new segments, and forgets where it was.
func (c *cut) remove() error {
	gone, err := c.tx.QueryContext(c.ctx, "SELECT handle, region, segment FROM index_entries WHERE gone = 1 ORDER BY handle LIMIT $1", index.MaxRows)
	if err != nil {
		return err
	}
	type grave struct {
		handle []byte
		part
	}
	var graves []grave
	for gone.Next() {
		var g grave
		if err := gone.Scan(&g.handle, &g.region, &g.number); err != nil {
			return errors.Join(err, gone.Close())
		}
		graves = append(graves, g)
	}
	if err := errors.Join(gone.Err(), gone.Close()); err != nil {
		return err
	}
	for _, g := range graves {
		number, err := c.segment(g.region)
		if err != nil {
			return err
		}
		c.dirty[g.part] = true
		if _, err := c.tx.ExecContext(c.ctx, "INSERT INTO index_removed (region, segment, handle) VALUES ($1, $2, $3)", g.region, number, g.handle); err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(c.ctx, "DELETE FROM index_entries WHERE handle = $1", g.handle); err != nil {
			return err
		}
	}
	return nil
}

// build makes a segment of what it has now.
func (c *cut) build(p part) error {
	var d index.Delta
	places, proofs := map[string]int{}, map[string]int{}
	name := func(in map[string]int, list *[]string, s string) int {
		if _, ok := in[s]; !ok {
			in[s] = len(*list)
			*list = append(*list, s)
		}
		return in[s]
	}
	type found struct {
		handle, body, document []byte
		device                 string
	}
	var all []found
	rows, err := c.tx.QueryContext(c.ctx, `SELECT i.handle, e.body, e.document, i.device FROM index_entries i JOIN entries e ON e.device = i.device AND e.number = i.number
		WHERE i.region = $1 AND i.segment = $2 AND i.gone = 0 AND e.body IS NOT NULL AND e.document IS NOT NULL ORDER BY i.handle`, p.region, p.number)
	if err != nil {
		return err
	}
	for rows.Next() {
		var f found
		if err := rows.Scan(&f.handle, &f.body, &f.document, &f.device); err != nil {
			return errors.Join(err, rows.Close())
		}
		all = append(all, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, f := range all {
		hashes, err := column[[]byte](c.ctx, c.tx, "SELECT hash FROM mappings WHERE device = $1 AND pseudonym = $2 ORDER BY fleet_key LIMIT 3", f.device, f.document)
		if err != nil {
			return err
		}
		rec, err := limen.DecodeRecord(f.body)
		if err != nil || len(hashes) == 0 || !tellable(rec) {
			continue
		}
		place := rec.Site + "/" + f.device // the device is who sent it, whatever it says
		if _, known := places[place]; !known && len(places) == index.MaxPlaces {
			continue
		}
		var keys [][]byte
		for _, h := range hashes {
			keys = append(keys, index.DocumentKey(h))
		}
		row, ok := index.RowOf(rec, keys, f.handle)
		if !ok {
			continue
		}
		row.Place = uint16(name(places, &d.Places, place))
		row.Proof = uint8(name(proofs, &d.Proofs, proofOf(rec)))
		d.Rows = append(d.Rows, row)
	}
	if d.Removed, err = column[[]byte](c.ctx, c.tx, "SELECT handle FROM index_removed WHERE region = $1 AND segment = $2 ORDER BY handle", p.region, p.number); err != nil {
		return err
	}
	content, err := d.Encode()
	if err != nil {
		return err
	}
	if err := dropPieces(c.ctx, c.tx, p); err != nil {
		return err
	}
	packed := set.Pack(content)
	pieces := newPieces(index.PieceName(p.region), p.number, 0, packed)
	if err := pieces.insert(c.ctx, c.tx); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	_, err = c.tx.ExecContext(c.ctx, `INSERT INTO index_segments (region, number, made, size, sha256) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (region, number) DO UPDATE SET size = excluded.size, sha256 = excluded.sha256`, p.region, p.number, c.now.UnixMilli(), len(content), sum[:])
	return err
}

func dropPieces(ctx context.Context, tx *sql.Tx, p part) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM set_pieces WHERE name = $1 AND number = $2", index.PieceName(p.region), p.number)
	return err
}

// prune drops segments of which devices keep nothing any more.
func (c *cut) prune() error {
	before := c.now.Add(-index.Keep - 24*time.Hour).UnixMilli()
	old := map[part]bool{}
	rows, err := c.tx.QueryContext(c.ctx, "SELECT region, number FROM index_segments WHERE made < $1", before)
	if err != nil {
		return err
	}
	for rows.Next() {
		var p part
		if err := rows.Scan(&p.region, &p.number); err != nil {
			return errors.Join(err, rows.Close())
		}
		old[p] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for p := range maps.Keys(old) {
		if err := dropPieces(c.ctx, c.tx, p); err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM index_entries WHERE region = $1 AND segment = $2", "DELETE FROM index_removed WHERE region = $1 AND segment = $2",
			// The newest stays: its number is to go on from.
			"DELETE FROM index_segments WHERE region = $1 AND number = $2 AND number < (SELECT max(number) FROM index_segments WHERE region = $1)",
		} {
			if _, err := c.tx.ExecContext(c.ctx, statement, p.region, p.number); err != nil {
				return err
			}
		}
	}
	return nil
}

// unindex marks an erased entry, and takes the segment with it away until it is
// made anew: from now on nobody is given what was erased.
func unindex(ctx context.Context, tx *sql.Tx, device string, number uint64) error {
	var p part
	err := tx.QueryRowContext(ctx, "UPDATE index_entries SET gone = 1 WHERE device = $1 AND number = $2 RETURNING region, segment", device, number).Scan(&p.region, &p.number)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return dropPieces(ctx, tx, p)
}

// nextPart is the centre's word about what follows in a region's index.
func (r *Records) nextPart(ctx context.Context, a *wire.IndexAsk, of regions, receipts note.Signer) ([]byte, error) {
	n := index.Next{Site: a.Site, Region: of.of(a.Site), After: a.After, Number: a.After}
	var last uint64
	if err := r.read.QueryRowContext(ctx, "SELECT coalesce((SELECT cut FROM index_state WHERE id = 1), 0), (SELECT coalesce(max(number), 0) FROM index_segments WHERE region = $1)", n.Region).Scan(&n.AsOf, &last); err != nil {
		return nil, err
	}
	var made int64
	err := r.read.QueryRowContext(ctx, "SELECT number, made, size, sha256 FROM index_segments WHERE region = $1 AND number > $2 ORDER BY number LIMIT 1", n.Region, int64(a.After)).Scan(&n.Number, &made, &n.Size, &n.SHA256)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if err == nil && n.Number != last {
		n.AsOf = made
	}
	return n.Sign(receipts)
}

// seen are a document's checks that a device asks for, newest first.
func (r *Records) seen(ctx context.Context, a *wire.SeenAsk) ([]index.Sighting, error) {
	type key struct {
		device string
		number uint64
	}
	records := map[key]limen.Record{} // each of the device that sent it, whatever it says
	for _, t := range a.Traces {
		err := r.each(ctx, func(scan func(...any) error) error {
			var k key
			var body []byte
			if err := scan(&k.device, &k.number, &body); err != nil {
				return err
			}
			if rec, err := limen.DecodeRecord(body); err == nil && tellable(rec) {
				rec.Device = k.device
				records[k] = rec
			}
			return nil
		}, `SELECT e.device, e.number, e.body FROM mappings m JOIN entries e ON e.device = m.device AND e.document = m.pseudonym
			WHERE m.fleet_key = $1 AND m.hash = $2 AND e.body IS NOT NULL ORDER BY e.sequence DESC LIMIT $3`, t[:4], t[4:], 20*wire.MaxSeen)
		if err != nil {
			return nil, err
		}
	}
	return sightings(slices.Collect(maps.Values(records)), a.Since), nil
}

func sightings(records []limen.Record, since int64) (out []index.Sighting) {
	slices.SortFunc(records, func(a, b limen.Record) int { return int(b.Started - a.Started) })
	officers, amended := map[string]limen.Outcome{}, map[string]bool{}
	for _, r := range records {
		if r.Officer != nil && officers[r.Officer.Inspection] == "" { // the last word counts
			officers[r.Officer.Inspection] = r.Decision.Outcome
		}
		if r.Correction != nil {
			amended[r.Correction.Record] = true
		}
	}
	for _, r := range records {
		if r.Kind != limen.KindInspection || r.Started.Time().UnixMilli() < since {
			continue
		}
		if len(out) == wire.MaxSeen {
			break
		}
		lost := slices.ContainsFunc(r.Checks, func(c limen.Check) bool {
			return slices.ContainsFunc(c.Reasons, func(why limen.Reason) bool { return why.Code == limen.ReportedLost })
		})
		out = append(out, index.Sighting{
			Record: r.ID, At: r.Started.Time().UnixMilli(), Site: r.Site, Device: r.Device, Outcome: string(r.Decision.Outcome), Officer: string(officers[r.ID]),
			Lost: lost, Corrected: amended[r.ID], Pseudonym: r.Document.Pseudonym[:], Proof: proofOf(r), SODMark: r.Chip.SODMark, KeyMark: r.Chip.KeyMark,
		})
	}
	return out
}

// keepIndex takes what comes into the index until ctx ends.
func (c *Centre) keepIndex(ctx context.Context) {
	look := time.NewTicker(indexEvery / 4)
	defer look.Stop()
	for {
		if _, err := c.records.cutIndex(ctx, c.cfg.Regions, indexEvery, c.cfg.Now()); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("the index is behind", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}
