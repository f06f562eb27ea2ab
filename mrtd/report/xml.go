package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Namespaces are those of the log's parts (TR-03135-1, table 6.1), and ours for
// what is left to the application.
var namespaces = [][2]string{
	{"ct", "http://trdoccheck.bsi.bund.de/ct/5"},
	{"dc", "http://trdoccheck.bsi.bund.de/dc/5"},
	{"dce", "http://trdoccheck.bsi.bund.de/dce/5"},
	{"dcc", "http://trdoccheck.bsi.bund.de/dcc/5"},
	{"base", "http://trdoccheck.bsi.bund.de/base/5"},
	{"limen", "urn:limen:report:1"},
}

// element is a part of the log.
type element struct {
	name     string
	attr     [][2]string
	text     string
	children []*element
}

func (e *element) add(name string, attr ...[2]string) *element {
	child := &element{name: name, attr: attr}
	e.children = append(e.children, child)
	return child
}

// find is the child of that name and those attributes, made where it is not there.
func (e *element) find(name string, attr ...[2]string) *element {
	for _, c := range e.children {
		if c.name == name && slices.Equal(c.attr, attr) {
			return c
		}
	}
	return e.add(name, attr...)
}

// XML is the report as a transaction log: the guideline's elements for every
// check that was made, and limen:ApplicationCheck with all that JSON has. The
// same report is the same bytes.
func (r Report) XML() ([]byte, error) {
	root := &element{name: "ct:CheckTransaction"}
	for _, ns := range namespaces {
		root.attr = append(root.attr, [2]string{"xmlns:" + ns[0], ns[1]})
	}
	r.overall(root, "ct", r.CheckMS)
	document := root.add("ct:DocumentChecks").add("dc:DocumentCheck")
	r.overall(document, "dc", r.CheckMS)

	electronic := &element{name: "dce:ElectronicCheck"}
	combined := &element{name: "dcc:CombinedCheck"} // without times: it takes none worth telling
	r.overall(electronic, "dce", r.MS).add("dce:ElectronicComponentInteractionDuration").text = duration(r.MS)
	sum := document.add("dc:Checks")
	outcomes := map[string]Outcome{"ElectronicChecks": r.section(electronic, "dce"), "CombinedCheck": r.section(combined, "dcc")}
	outcomes["OpticalChecks"], outcomes["SealChecks"] = r.Checks["optical"].Outcome, r.Checks["seal"].Outcome
	var parts []Outcome
	for _, name := range []string{"OpticalChecks", "ElectronicChecks", "SealChecks", "CombinedCheck"} {
		if o := outcomes[name]; o != "" {
			sum.add("dc:"+name, result(o, "")...)
			parts = append(parts, o)
		}
	}
	if o := aggregate(sum.name, parts); o != "" {
		sum.attr = result(o, "")
	}
	document.children = append(document.children, electronic)
	if outcomes["CombinedCheck"] != "" {
		document.children = append(document.children, combined)
	}
	r.application(root.add("limen:ApplicationCheck"))
	return root.bytes()
}

func (r Report) overall(e *element, prefix string, ms int64) *element {
	m := e.add(prefix + ":TimeMeasurement")
	o := m.add(prefix + ":Overall")
	o.add("base:StartTime").text = moment(r.Started)
	o.add("base:EndTime").text = moment(r.Started.Add(time.Duration(ms) * time.Millisecond))
	o.add("base:Duration").text = duration(ms)
	return m
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// duration is an xs:duration of milliseconds, the accuracy asked for
// (TR-03135-2, 4.1.6).
func duration(ms int64) string { return fmt.Sprintf("PT%d.%03dS", ms/1000, ms%1000) }

// result are the attributes of a check's element.
func result(o Outcome, c Check) [][2]string {
	mode := "mandatory"
	if evaluatory(c) {
		mode = "evaluatory"
	}
	return [][2]string{{"runMode", mode}, {"result", string(o)}}
}

// section adds the checks of a namespace, and tells what they come to.
func (r Report) section(to *element, prefix string) Outcome {
	top := to.add(prefix + ":Checks")
	outcomes := map[*element]Outcome{}
	leaf := func(row row, x Result, attr ...[2]string) {
		if x.Outcome == "" {
			return
		}
		e := top
		path := strings.Split(row.path, "/")[1:]
		for _, step := range path[:len(path)-1] {
			name, file, _ := strings.Cut(step, ":")
			if file == "" {
				e = e.find(prefix + ":" + name)
			} else {
				e = e.find(prefix+":"+name, [2]string{"limen:subject", file})
			}
		}
		e = e.add(prefix+":"+path[len(path)-1], slices.Concat(result(x.Outcome, row.check), attr)...)
		outcomes[e] = x.Outcome
	}
	for _, row := range checks {
		x := r.Checks[row.check]
		switch {
		case !strings.HasPrefix(row.path, prefix+"/"):
		case len(x.Parts) > 0:
			for _, name := range byNumber(x.Parts) {
				leaf(row, x.Parts[name], [2]string{"limen:subject", name})
			}
		default:
			leaf(row, x)
		}
	}
	o := total(top, prefix, outcomes)
	if r.Aborted != "" && prefix == "dce" && o != NotSuccess {
		o = Aborted
		top.attr = result(o, "")
	}
	return o
}

// total gives every element above the single checks what these come to.
func total(e *element, prefix string, outcomes map[*element]Outcome) Outcome {
	if o, single := outcomes[e]; single {
		if slices.Contains(e.attr, [2]string{"runMode", "evaluatory"}) {
			return ""
		}
		return o
	}
	var parts []Outcome
	for _, c := range e.children {
		if o := total(c, prefix, outcomes); o != "" {
			parts = append(parts, o)
		}
	}
	o := aggregate(strings.TrimPrefix(e.name, prefix+":"), parts)
	if o != "" {
		e.attr = slices.Concat(result(o, ""), e.attr)
	}
	return o
}

// byNumber puts DG2 before DG14.
func byNumber(parts map[string]Result) []string {
	return slices.SortedFunc(maps.Keys(parts), func(a, b string) int {
		if len(a) != len(b) && strings.HasPrefix(a, "DG") && strings.HasPrefix(b, "DG") {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
}

// application adds what the guideline has no published element for.
func (r Report) application(e *element) {
	n := strconv.Itoa
	e.add("limen:Software").text = r.Software
	e.add("limen:Document", fields("type", r.Document.Type, "state", r.Document.State, "format", r.Document.Format, "lds", r.Document.LDS)...)
	e.add("limen:Access", fields("name", r.Access, "protocol", r.Channel.Protocol, "pace", r.Channel.PACE, "mapping", r.Channel.Mapping,
		"password", r.Channel.Password, "domain", r.Channel.Domain, "cipher", r.Channel.Cipher)...)
	e.add("limen:Traffic", fields("apdus", n(r.APDUs), "bytes", n(r.Bytes), "returns", n(r.Returns), "aborted", r.Aborted)...)
	for _, f := range r.Files {
		e.add("limen:File", fields("name", f.Name, "bytes", n(f.Bytes), "by", f.By)...)
	}
	for _, row := range checks {
		x := r.Checks[row.check]
		c := e.add("limen:Check", checkFields(string(row.check), x)...)
		for _, name := range byNumber(x.Parts) {
			c.add("limen:Part", checkFields(name, x.Parts[name])...)
		}
		for _, s := range x.Reasons {
			c.add("limen:Reason").text = s
		}
	}
	for _, list := range []struct {
		name string
		of   []string
	}{{"Reason", r.Reasons}, {"Note", r.Notes}, {"Quirk", r.Quirks}} {
		for _, s := range list.of {
			e.add("limen:" + list.name).text = s
		}
	}
	for _, p := range r.Portraits {
		e.add("limen:Portrait", fields("standard", p.Standard, "type", p.Type, "format", p.Format, "width", n(p.Width), "height", n(p.Height), "bytes", n(p.Bytes))...)
	}
	if r.Hash != "" {
		e.add("limen:Hash").text = r.Hash
	}
	e.party("limen:Signer", r.Signer)
	e.party("limen:CSCA", r.CSCA)
	if r.Trust != nil {
		e.add("limen:Trust", fields("date", moment(r.Trust.Date), "ageHours", strconv.FormatInt(r.Trust.AgeHours, 10))...)
	}
}

func checkFields(name string, x Result) [][2]string {
	return fields("name", name, "status", string(x.Status), "result", string(x.Outcome), "code", x.Code, "subject", x.Subject)
}

func (e *element) party(name string, p *Party) {
	if p != nil {
		e.add(name, fields("country", p.Country, "subject", p.Subject, "serial", p.Serial, "notBefore", moment(p.NotBefore),
			"notAfter", moment(p.NotAfter), "key", p.Key, "algorithm", p.Algorithm)...)
	}
}

// fields are the attributes that have a value.
func fields(pairs ...string) [][2]string {
	var attr [][2]string
	for p := range slices.Chunk(pairs, 2) {
		if p[1] != "" {
			attr = append(attr, [2]string{p[0], p[1]})
		}
	}
	return attr
}

func (e *element) bytes() ([]byte, error) {
	b := bytes.NewBufferString(xml.Header)
	enc := xml.NewEncoder(b)
	enc.Indent("", "  ")
	if err := e.encode(enc); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// encode writes prefixes as they are: encoding/xml would declare a namespace at
// every element.
func (e *element) encode(enc *xml.Encoder) error {
	start := xml.StartElement{Name: xml.Name{Local: e.name}}
	for _, a := range e.attr {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: a[0]}, Value: a[1]})
	}
	if err := enc.EncodeToken(start); err != nil {
		return err
	}
	if e.text != "" {
		if err := enc.EncodeToken(xml.CharData(e.text)); err != nil {
			return err
		}
	}
	for _, c := range e.children {
		if err := c.encode(enc); err != nil {
			return err
		}
	}
	return enc.EncodeToken(start.End())
}
