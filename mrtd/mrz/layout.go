package mrz

// Layout is one of the five shapes of an MRZ.
type Layout int

const (
	TD1  Layout = iota + 1 // three lines of 30: identity cards (Doc 9303-5)
	TD2                    // two lines of 36 (Doc 9303-6)
	TD3                    // two lines of 44: passports (Doc 9303-4)
	MRVA                   // two lines of 44: visas, format A (Doc 9303-7)
	MRVB                   // two lines of 36: visas, format B (Doc 9303-7)
)

// String is the layout's name in Doc 9303: "TD3", "MRV-A".
func (l Layout) String() string {
	switch l {
	case TD1:
		return "TD1"
	case TD2:
		return "TD2"
	case TD3:
		return "TD3"
	case MRVA:
		return "MRV-A"
	case MRVB:
		return "MRV-B"
	}
	return "no MRZ"
}

// MarshalText writes the layout's name, as in JSON.
func (l Layout) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// cell is one character's place, both counted from 0.
type cell struct{ line, col int }

// span is a run of characters in one line, end excluded. The zero span is "none".
type span struct{ line, from, to int }

func (s span) cells() []cell {
	cells := make([]cell, 0, s.to-s.from)
	for col := s.from; col < s.to; col++ {
		cells = append(cells, cell{s.line, col})
	}
	return cells
}

func (s span) none() bool { return s.from == s.to }

// shape says where each field of a layout stands.
type shape struct {
	lines, width                                    int
	code, issuer, name                              span
	number, nationality, birth, sex, expiry         span
	optional, optional2                             span
	numberCD, birthCD, expiryCD, optionalCD, compCD span
	composite                                       []span // what the composite check digit is calculated over, in order
}

// lower is what the second lines of all two-line layouts share.
func lower(s shape) shape {
	s.lines = 2
	s.code, s.issuer, s.name = span{0, 0, 2}, span{0, 2, 5}, span{0, 5, s.width}
	s.number, s.numberCD = span{1, 0, 9}, span{1, 9, 10}
	s.nationality = span{1, 10, 13}
	s.birth, s.birthCD = span{1, 13, 19}, span{1, 19, 20}
	s.sex = span{1, 20, 21}
	s.expiry, s.expiryCD = span{1, 21, 27}, span{1, 27, 28}
	return s
}

// shape returns the layout's table: Doc 9303-4 4.2.2, 9303-5 4.2.2, 9303-6 4.2.2, 9303-7 4.2 and 5.2.
func (l Layout) shape() shape {
	switch l {
	case TD1:
		return shape{
			lines: 3, width: 30,
			code: span{0, 0, 2}, issuer: span{0, 2, 5},
			number: span{0, 5, 14}, numberCD: span{0, 14, 15}, optional: span{0, 15, 30},
			birth: span{1, 0, 6}, birthCD: span{1, 6, 7}, sex: span{1, 7, 8},
			expiry: span{1, 8, 14}, expiryCD: span{1, 14, 15},
			nationality: span{1, 15, 18}, optional2: span{1, 18, 29}, compCD: span{1, 29, 30},
			name:      span{2, 0, 30},
			composite: []span{{0, 5, 30}, {1, 0, 7}, {1, 8, 15}, {1, 18, 29}},
		}
	case TD2:
		return lower(shape{width: 36, optional: span{1, 28, 35}, compCD: span{1, 35, 36},
			composite: []span{{1, 0, 10}, {1, 13, 20}, {1, 21, 35}}})
	case TD3:
		return lower(shape{width: 44, optional: span{1, 28, 42}, optionalCD: span{1, 42, 43}, compCD: span{1, 43, 44},
			composite: []span{{1, 0, 10}, {1, 13, 20}, {1, 21, 43}}})
	case MRVA:
		return lower(shape{width: 44, optional: span{1, 28, 44}})
	case MRVB:
		return lower(shape{width: 36, optional: span{1, 28, 36}})
	}
	return shape{}
}

// grid is an MRZ's characters, line by line, each of the layout's width.
type grid [][]byte

func (g grid) at(c cell) byte { return g[c.line][c.col] }

func (g grid) text(s span) string { return string(g[s.line][s.from:s.to]) }

func (g grid) clone() grid {
	c := make(grid, len(g))
	for i, line := range g {
		c[i] = append([]byte(nil), line...)
	}
	return c
}

func (g grid) strings() []string {
	lines := make([]string, len(g))
	for i, line := range g {
		lines[i] = string(line)
	}
	return lines
}
