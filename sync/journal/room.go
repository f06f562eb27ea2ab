package journal

import "errors"

// Full reports that the journal takes no more entries for want of disk.
func (j *Journal) Full() bool { return errors.Is(j.room(j.opts.Reserve), ErrFull) }
