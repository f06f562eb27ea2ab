package mrz

import "fmt"

// Repair of misreadings
//
// Only check digits decide. A check digit or a date holds digits by its nature,
// so a letter there has one reading at most; it is taken when the check digit
// then holds. In document numbers and optional data letters and digits both
// occur: there one character is exchanged for its look-alike, and only if
// exactly one exchange makes the check digit right. Two misread characters in
// one such field are left for a second reading, since the ten values of a check
// digit would "confirm" too many pairs. Names, states and sex have no check
// digit and are never changed.
//
// The check digit cannot tell L from 1, G from 6 and U from 0: their values
// (21, 16, 30) differ from the digits by a multiple of ten. Those pairs are
// repaired in numeric fields alone.

// asDigit is what a letter in a numeric field can only be.
func asDigit(b byte) (byte, bool) {
	switch b {
	case 'O', 'Q', 'D', 'U':
		return '0', true
	case 'I', 'L':
		return '1', true
	case 'Z':
		return '2', true
	case 'S':
		return '5', true
	case 'G':
		return '6', true
	case 'B':
		return '8', true
	}
	return 0, false
}

// alikes are the look-alikes of b that a check digit can tell from b.
func alikes(b byte) string {
	switch b {
	case '0':
		return "ODQ"
	case 'O', 'D', 'Q':
		return "0"
	case '1':
		return "I"
	case 'I':
		return "1"
	case '2':
		return "Z"
	case 'Z':
		return "2"
	case '5':
		return "S"
	case 'S':
		return "5"
	case '8':
		return "B"
	case 'B':
		return "8"
	}
	return ""
}

// repair brings the lines to the shape's width and puts misread characters right.
func repair(s shape, lines []string) (grid, []Repair, error) {
	var choices [][]fitted
	exact := true
	for i, line := range lines {
		fits := fit(line, i, s.width)
		if !checked(s, i) && len(fits) > 1 {
			fits = fits[len(fits)-1:] // nothing decides in a name's line
		}
		if len(fits) == 0 || !checked(s, i) && len(line) > s.width && line[s.width] != '<' {
			return nil, nil, fmt.Errorf("no MRZ: line %d has %d characters and no filler too many, want %d; read the document again", i+1, len(line), s.width)
		}
		exact = exact && len(line) == s.width
		choices = append(choices, fits)
	}
	var best grid
	var bestRepairs []Repair
	found := 0
	try := func(pick []int) bool {
		g, r := assemble(choices, pick)
		r = append(r, mend(s, g)...)
		ok := holds(s, g)
		if ok {
			found++
		}
		if ok && found == 1 || best == nil {
			best, bestRepairs = g, r
		}
		return ok
	}
	if !exact {
		each(choices, try)
	}
	if found != 1 {
		// The last choice of each line is the filler at its end.
		last := make([]int, len(choices))
		for i := range choices {
			last[i] = len(choices[i]) - 1
		}
		best = nil
		try(last)
	}
	return best, bestRepairs, nil
}

// checked tells whether check digits cover the line, or part of it.
func checked(s shape, line int) bool { return line != s.name.line }

// fitted is a line at its full width with the repair that made it so.
type fitted struct {
	line   string
	repair *Repair
}

// fit lists the ways to bring a line that is one character off to its width:
// a filler lost from, or added to, any run of fillers. Within a run the place
// does not matter. The line's end comes last.
func fit(line string, index, width int) []fitted {
	made := func(text string, col int, from, to byte) fitted {
		return fitted{text, &Repair{Field: FieldLine, Line: index + 1, Column: col + 1, From: from, To: to}}
	}
	var list []fitted
	switch len(line) {
	case width:
		return []fitted{{line: line}}
	case width - 1:
		for col := 1; col < len(line); col++ {
			if line[col-1] == '<' && line[col] != '<' { // the end of a run
				list = append(list, made(line[:col]+"<"+line[col:], col, 0, '<'))
			}
		}
		list = append(list, made(line+"<", width-1, 0, '<'))
	case width + 1:
		for col := range len(line) {
			if line[col] == '<' && (col+1 == len(line) || line[col+1] != '<') {
				list = append(list, made(line[:col]+line[col+1:], col, '<', 0))
			}
		}
	}
	return list
}

// assemble builds the grid of one pick of fitted lines.
func assemble(choices [][]fitted, pick []int) (grid, []Repair) {
	var g grid
	var repairs []Repair
	for i, p := range pick {
		f := choices[i][p]
		g = append(g, []byte(f.line))
		if f.repair != nil {
			repairs = append(repairs, *f.repair)
		}
	}
	return g, repairs
}

// each calls f with every pick. A line has at most half its width in runs, and
// three lines off by one are unheard of: the number is bounded all the same.
func each(choices [][]fitted, f func(pick []int) bool) {
	const most = 2048
	pick := make([]int, len(choices))
	for range most {
		f(pick)
		i := 0
		for ; i < len(pick); i++ {
			if pick[i]++; pick[i] < len(choices[i]) {
				break
			}
			pick[i] = 0
		}
		if i == len(pick) {
			return
		}
	}
}

// mend puts misread characters right in g and tells which.
func mend(s shape, g grid) []Repair {
	var repairs []Repair
	for _, c := range groups(s, g) {
		data := c.data
		if c.field == FieldComposite {
			data = unprotected(s, g)
		}
		for _, e := range decide(g, c, data) {
			repairs = append(repairs, Repair{Field: c.field, Line: e.at.line + 1, Column: e.at.col + 1, From: g.at(e.at), To: e.to})
			g[e.at.line][e.at.col] = e.to
		}
	}
	return repairs
}

// unprotected are the characters that only the composite digit covers.
func unprotected(s shape, g grid) []cell {
	if !s.optionalCD.none() {
		return nil
	}
	optional := s.optional
	if end := longEnd(s, g); end > 0 {
		optional.from = end
	}
	cells := optional.cells()
	if !s.optional2.none() {
		cells = append(cells, s.optional2.cells()...)
	}
	return cells
}

type edit struct {
	at cell
	to byte
}

// decide returns the edits that make the group's check digit right: none
// where it is right already, cannot be made right, or could be in several ways.
func decide(g grid, c group, data []cell) []edit {
	try := g.clone()
	var forced []edit
	numeric := []cell{c.digit}
	if c.digits {
		numeric = append(numeric, c.data...)
	}
	for _, at := range numeric {
		if to, ok := asDigit(g.at(at)); ok {
			forced = append(forced, edit{at, to})
			try[at.line][at.col] = to
		}
	}
	if c.holds(try) {
		return forced // even where the letter counted right, as L does for 1: a date has no letters
	}
	if c.digits {
		return nil
	}
	var only *edit
	for _, at := range data {
		was := try.at(at)
		for _, to := range []byte(alikes(was)) {
			try[at.line][at.col] = to
			if c.holds(try) {
				if only != nil {
					return nil
				}
				only = &edit{at, to}
			}
		}
		try[at.line][at.col] = was
	}
	if only == nil {
		return nil
	}
	return append(forced, *only)
}

// holds tells whether every check digit holds.
func holds(s shape, g grid) bool {
	for _, c := range groups(s, g) {
		if !c.holds(g) {
			return false
		}
	}
	return true
}
