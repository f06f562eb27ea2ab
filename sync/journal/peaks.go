package journal

import "golang.org/x/mod/sumdb/tlog"

// Peaks are the roots of the complete subtrees of a tree (RFC 6962, 2.1), left
// to right: all that whoever adds leaves in order needs to remember of it.
type Peaks []Hash

// Add adds the leaf of entry i, which is the number of leaves so far. each is
// shown every hash that the leaf completes, lowest first; false or an error
// ends the adding, and the tree is of no further use.
func (p *Peaks) Add(i uint64, leaf Hash, each func(level int, n int64, h Hash) (bool, error)) error {
	h := tlog.RecordHash(leaf[:])
	for level := 0; ; level++ {
		n := int64(i >> level)
		if ok, err := each(level, n, h); err != nil || !ok {
			return err
		}
		if n&1 == 0 {
			*p = append(*p, h)
			return nil
		}
		last := len(*p) - 1
		h, *p = tlog.NodeHash((*p)[last], h), (*p)[:last]
	}
}

// Root is the root of the leaves so far.
func (p Peaks) Root() Hash {
	if len(p) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := p[len(p)-1]
	for k := len(p) - 2; k >= 0; k-- {
		h = tlog.NodeHash(p[k], h)
	}
	return h
}
