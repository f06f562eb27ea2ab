package fleet

import "bytes"

// index checks that the entry is found by the pseudonym its body holds. The
// tree commits to bodies; what a search goes by lies beside it.
func (w *walk) index(i uint64, body, found []byte) {
	if w.Fault != nil {
		return
	}
	want, _ := document(body).([]byte)
	if !bytes.Equal(found, want) {
		w.fault(i, "index", "it is found by another document than its body names")
	}
}
