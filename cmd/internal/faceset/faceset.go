// Package faceset reads the tables that a set of faces comes in: pictures and
// whose they are, pairs of pictures, properties of people. It leaves out the
// pictures themselves.
package faceset

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"limen/matcher/eval"
)

// Picture is one picture and whose it is.
type Picture struct {
	Path   string
	Person int
}

// Set is pictures and the pairs of them to compare, by their places; nil: all.
type Set struct {
	Pictures []Picture
	Pairs    []eval.Pair
}

// maxRows bounds a table: at such a size a mistake is likelier than a set.
const maxRows = 5_000_000

// Identities reads file,identity. A person's number is the place of the
// identity among names.
func Identities(path string) (set Set, names []string, err error) {
	rows, err := readTable(path, "file", 2)
	if err != nil {
		return set, nil, err
	}
	index := map[string]int{}
	seen := map[string]bool{}
	for _, row := range rows {
		p, known := index[row[1]]
		if !known {
			p = len(names)
			index[row[1]] = p
			names = append(names, row[1])
		}
		file := besides(path, row[0])
		if seen[file] {
			return set, nil, fmt.Errorf("%s names the picture %s twice: a picture compared with itself shows nothing", path, row[0])
		}
		seen[file] = true
		set.Pictures = append(set.Pictures, Picture{file, p})
	}
	return set, names, nil
}

// Pairs reads file_a,file_b,same. Who is who follows from the pairs of the
// same person: pictures that such pairs join are one person's.
func Pairs(path string) (set Set, err error) {
	rows, err := readTable(path, "file_a", 3)
	if err != nil {
		return set, err
	}
	index := map[string]int{}
	var joined []int // a picture to one it belongs with; roots to themselves
	find := func(file string) int {
		file = besides(path, file)
		i, known := index[file]
		if !known {
			i = len(joined)
			index[file] = i
			joined = append(joined, i)
			set.Pictures = append(set.Pictures, Picture{Path: file})
		}
		return i
	}
	root := func(i int) int {
		for joined[i] != i {
			joined[i] = joined[joined[i]]
			i = joined[i]
		}
		return i
	}
	set.Pairs = []eval.Pair{}
	same := make([]bool, len(rows))
	for n, row := range rows {
		if same[n], err = strconv.ParseBool(row[2]); err != nil {
			return set, fmt.Errorf("%s: same is %q, want 1 or 0", path, row[2])
		}
		pair := eval.Pair{A: find(row[0]), B: find(row[1])}
		if pair.A == pair.B {
			return set, fmt.Errorf("%s compares %s with itself", path, row[0])
		}
		if same[n] {
			joined[root(pair.A)] = root(pair.B)
		}
		set.Pairs = append(set.Pairs, pair)
	}
	for i := range set.Pictures {
		set.Pictures[i].Person = root(i)
	}
	for n, pair := range set.Pairs {
		if a, b := set.Pictures[pair.A], set.Pictures[pair.B]; !same[n] && a.Person == b.Person {
			return set, fmt.Errorf("%s: %s and %s are said to be different people, and by other pairs the same one", path, rows[n][0], rows[n][1])
		}
	}
	return set, nil
}

// People reads the properties of identities. A column fits a property
// whose beginning it is, without what stands before its last underscore:
// face_eth fits ethnicity. Ages become bands; "" and NA are no statement.
func People(path string, by []string, names []string) ([]eval.Partition, error) {
	rows, err := readTable(path, "", 1)
	if err != nil {
		return nil, err
	}
	header, rows := rows[0], rows[1:]
	index := map[string]int{}
	for i, n := range names {
		index[n] = i
	}
	var out []eval.Partition
	for _, property := range by {
		column := slices.IndexFunc(header, func(h string) bool {
			h = strings.ToLower(h[strings.LastIndexByte(h, '_')+1:])
			return len(h) >= 3 && strings.HasPrefix(strings.ToLower(property), h)
		})
		if column < 1 {
			return nil, fmt.Errorf("%s has no column for %s, only %s: name others with --by", path, property, strings.Join(header[1:], ", "))
		}
		p := eval.Partition{By: property, Of: map[int]string{}}
		for _, row := range rows {
			person, known := index[row[0]]
			value := row[column]
			if !known || value == "" || value == "NA" {
				continue
			}
			if property == "age" {
				years, err := strconv.Atoi(value)
				if err != nil {
					return nil, fmt.Errorf("%s: the age of %s is %q, want whole years", path, row[0], value)
				}
				value = eval.AgeBand(years)
			}
			p.Of[person] = value
		}
		if len(p.Of) == 0 {
			return nil, fmt.Errorf("%s says nothing about the %s of any identity at hand", path, property)
		}
		out = append(out, p)
	}
	return out, nil
}

// readTable reads a CSV file of at least so many columns; a first row that
// begins with the header's first name is skipped.
func readTable(path, header string, columns int) (rows [][]string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the table: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.TrimLeadingSpace = true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the table %s: %w", path, err)
		}
		if len(row) < columns {
			return nil, fmt.Errorf("the table %s has %d columns, want %d or more", path, len(row), columns)
		}
		if len(rows) == maxRows {
			return nil, fmt.Errorf("the table %s has more than %d rows", path, maxRows)
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 && header != "" && strings.TrimPrefix(rows[0][0], "\ufeff") == header {
		rows = rows[1:]
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("the table %s is empty", path)
	}
	return rows, nil
}

// besides is a file's path as seen from the table that names it; where there
// is none, from the working folder.
func besides(table, file string) string {
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	beside := filepath.Join(filepath.Dir(table), file)
	if _, err := os.Stat(beside); err != nil {
		if _, err := os.Stat(file); err == nil {
			return filepath.Clean(file)
		}
	}
	return beside
}
