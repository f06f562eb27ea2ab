package console

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"limen"
	"limen/mrtd/mrz"
)

// view is the whole page as JSON; a page that joins late gets the same one.
// Texts are ready to show, codes choose icons and colors.
type view struct {
	Phase    string        `json:"phase"` // "idle", "running", "finished"
	ID       string        `json:"id,omitempty"`
	Step     string        `json:"step,omitempty"`
	Progress *float64      `json:"progress,omitempty"` // 0 to 1, of the chip file being read
	Guidance *guidanceView `json:"guidance,omitempty"` // what the traveler is told now
	Groups   []groupView   `json:"groups"`
	Outcome  *outcomeView  `json:"outcome,omitempty"`
	Record   *recordView   `json:"record,omitempty"`
	MayJudge bool          `json:"may_decide"`
	Forgot   bool          `json:"forgotten,omitempty"`
	Personal *personalView `json:"personal,omitempty"`
	Session  []pastView    `json:"session"`
	Devices  []deviceView  `json:"devices"`
	Watched  bool          `json:"watched,omitempty"` // from elsewhere, through the camera
}

type guidanceView struct {
	Code string `json:"code"`
	Says string `json:"says"`
}

type groupView struct {
	Code   string      `json:"code"`
	Title  string      `json:"title"`
	State  string      `json:"state"` // "waiting", "running", "passed", "attention", "failed"
	Says   string      `json:"says"`
	Checks []checkView `json:"checks"`
}

type checkView struct {
	Code    string     `json:"code"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text"`
	Status  string     `json:"status"`
	Says    string     `json:"says"`
	Reasons []Sentence `json:"reasons,omitempty"`
	codes   []limen.Reason
}

type outcomeView struct {
	Code   string     `json:"code"` // "admit", "refer", "refuse"
	Word   string     `json:"word"`
	Main   Sentence   `json:"main"`
	Others []Sentence `json:"others,omitempty"`
	Notes  []Sentence `json:"notes,omitempty"`
	Advice string     `json:"advice,omitempty"`
	By     string     `json:"by,omitempty"` // who decided, when an officer did
}

type recordView struct {
	Stored bool   `json:"stored"`
	Text   string `json:"text"`
	Took   string `json:"took,omitempty"`
	Slip   string `json:"slip,omitempty"`      // address of the code that the traveler takes along
	Reads  string `json:"slip_text,omitempty"` // and what it says
}

type personalView struct {
	Fields   []fieldView   `json:"fields,omitempty"`
	Portrait string        `json:"portrait,omitempty"` // address of the picture
	Live     string        `json:"live,omitempty"`
	Quality  []qualityView `json:"quality,omitempty"`
	Match    *matchView    `json:"match,omitempty"`
	Earlier  []earlierView `json:"earlier,omitempty"`
}

type fieldView struct {
	Code  string `json:"code"`
	Label string `json:"label"`
	Value string `json:"value"`
}

type matchView struct {
	Score     float64 `json:"score"`
	Threshold float64 `json:"threshold"`
	Enough    bool    `json:"enough"`
	Says      string  `json:"says"`
	Model     string  `json:"model"`
	Grade     string  `json:"grade"`
	GradeSays string  `json:"grade_says"`
}

// qualityView is the quality of one picture: a line, and what it opens to.
type qualityView struct {
	Picture    string          `json:"picture"` // "portrait", "live"
	Says       string          `json:"says"`
	Low        bool            `json:"low"` // some component misses its mark
	Components []componentView `json:"components"`
}

type componentView struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Value int    `json:"value"`
	Low   bool   `json:"low"`
}

type earlierView struct {
	At      time.Time `json:"at"`
	Place   string    `json:"place"`
	Outcome string    `json:"outcome"`
	Word    string    `json:"word"`
	// Remarks are what was found out since or besides: an officer's word, a
	// correction, a list of lost documents.
	Remarks []string `json:"remarks,omitempty"`
}

type pastView struct {
	At      time.Time `json:"at"`
	Outcome string    `json:"outcome"`
	Word    string    `json:"word"`
	Reason  string    `json:"reason,omitempty"`
	Index   *uint64   `json:"index,omitempty"`
}

type deviceView struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	State  string `json:"state"`
	Says   string `json:"says"`
	Detail string `json:"detail,omitempty"`
	Next   string `json:"next,omitempty"`
}

// group is a part of the line as officers see it.
type group struct {
	code   string
	checks []limen.CheckName
}

// groups are the parts of the line in order; a check in none of them is shown
// in the last.
var groups = []group{
	{"document", []limen.CheckName{limen.CheckMRZ, limen.CheckEligibility, limen.CheckExpiry}},
	{"chip", []limen.CheckName{limen.CheckChipAccess, limen.CheckChipRead, limen.CheckSODSignature, limen.CheckCSCAChain, limen.CheckIssuer,
		limen.CheckDGHash, limen.CheckCOM, limen.CheckCardAccess, limen.CheckMRZChip, limen.CheckChipGenuine}},
	{"face", []limen.CheckName{limen.CheckFace, limen.CheckFaceAlive, limen.CheckPortrait, limen.CheckFaceMatch, limen.CheckFaceMorph}},
	{"lookup", []limen.CheckName{limen.CheckLookup, limen.CheckHistory}},
	{"record", []limen.CheckName{limen.CheckCompleted, limen.CheckRecord}},
}

// groupOfStep says which part of the line a step enters.
var groupOfStep = map[limen.Step]string{
	limen.StepDocument: "document", limen.StepMRZ: "document", limen.StepEligibility: "document",
	limen.StepChip: "chip", limen.StepAuthenticity: "chip", limen.StepFace: "face", limen.StepMatch: "face",
	limen.StepLookup: "lookup", limen.StepHistory: "lookup", limen.StepDecision: "record", limen.StepRecord: "record",
}

// view describes the page as it is now. s.mu is held.
func (s *Server) view() view {
	v := view{Phase: "idle", Groups: []groupView{}, Session: []pastView{}, Devices: []deviceView{}, Watched: s.watched}
	for _, p := range s.session {
		v.Session = append(v.Session, s.words.past(p))
	}
	c := s.current
	if c == nil {
		v.Groups = s.words.groupViews(&inspection{})
		return v
	}
	v.Phase, v.ID, v.Step = "running", c.id, text(s.words.Steps, c.step)
	v.Groups = s.words.groupViews(c)
	if c.guidance != limen.NoGuidance {
		v.Guidance = &guidanceView{string(c.guidance), text(s.words.Guidance, c.guidance)}
	}
	if c.progress != nil && c.progress.Total > 0 {
		part := min(1, max(0, float64(c.progress.Read)/float64(c.progress.Total)))
		v.Progress = &part
	}
	if c.finished != nil {
		v.Phase, v.Step = "finished", ""
		v.Outcome = s.words.outcome(c)
		v.Record = s.words.record(c.finished)
		if text := c.slip(s.opts.Ask); text != "" {
			v.Record.Slip, v.Record.Reads = "/slip?"+url.Values{"of": {c.id}}.Encode(), text
		}
		v.MayJudge = s.opts.Officer != nil && c.decision().Outcome == limen.Refer && c.decided == nil
	}
	v.Forgot = c.personal == nil
	if c.personal != nil {
		v.Personal = s.words.personal(c)
	}
	return v
}

func (w *Words) groupViews(c *inspection) []groupView {
	var out []groupView
	for i, g := range groups {
		gv := groupView{Code: g.code, Title: text(w.Groups, g.code), Checks: []checkView{}}
		for _, check := range c.checks {
			mine := slices.Contains(g.checks, check.Name)
			if i == len(groups)-1 {
				mine = mine || !slices.ContainsFunc(groups, func(g group) bool { return slices.Contains(g.checks, check.Name) })
			}
			if mine {
				gv.Checks = append(gv.Checks, w.check(check))
			}
		}
		slices.SortStableFunc(gv.Checks, func(a, b checkView) int {
			return slices.Index(g.checks, limen.CheckName(a.Code)) - slices.Index(g.checks, limen.CheckName(b.Code))
		})
		gv.State = groupState(gv.Checks, c.reached[g.code], c.ended(g.code))
		gv.Says = text(w.GroupStates, gv.State)
		out = append(out, gv)
	}
	return out
}

// ended tells whether the line has left a part: the document's when any other
// began, for they wait for it; the others when the line came to its decision.
func (c *inspection) ended(group string) bool {
	if group == "document" && (c.reached["chip"] || c.reached["face"] || c.reached["lookup"]) {
		return true
	}
	return c.finished != nil || group != "record" && c.reached["record"]
}

// groupState sums a part of the line up. What this version cannot check
// leaves a part complete.
func groupState(checks []checkView, reached, ended bool) string {
	has := func(status ...limen.Status) bool {
		return slices.ContainsFunc(checks, func(c checkView) bool {
			excused := len(c.codes) > 0 && !slices.ContainsFunc(c.codes, func(r limen.Reason) bool {
				return r.Code != limen.NotSupported
			})
			return slices.Contains(status, limen.Status(c.Status)) && !excused
		})
	}
	switch {
	case has(limen.Failed):
		return "failed"
	case has(limen.Inconclusive, limen.NotPerformed):
		return "attention"
	case reached && !ended:
		return "running"
	case len(checks) > 0:
		return "passed"
	}
	return "waiting"
}

func (w *Words) check(c limen.Check) checkView {
	status := c.Status
	if status == "" {
		status = limen.NotPerformed
	}
	v := checkView{Code: string(c.Name), Subject: c.Subject, Text: w.Check(c.Name, c.Subject), Status: string(status), Says: text(w.Statuses, status), codes: c.Reasons}
	for _, r := range c.Reasons {
		v.Reasons = append(v.Reasons, w.Reason(r))
	}
	return v
}

func (w *Words) outcome(c *inspection) *outcomeView {
	d := c.decision()
	head := w.headline(d.Outcome)
	v := &outcomeView{Code: string(d.Outcome), Word: head.Word, Main: head.Sentence}
	if main := mainReason(d); main != nil {
		v.Main = w.Reason(*main)
		for _, r := range d.Reasons {
			if r != *main {
				v.Others = append(v.Others, w.Reason(r))
			}
		}
	}
	if d.Recommendation != limen.RecommendNone {
		v.Advice = text(w.Recommendations, d.Recommendation)
	}
	for _, r := range d.Notes {
		v.Notes = append(v.Notes, w.Reason(r))
	}
	if o := c.decided; o != nil {
		head := w.headline(o.outcome)
		v.Code, v.Word, v.Advice = string(o.outcome), head.Word, ""
		v.By = strings.NewReplacer("{outcome}", capital(strings.ToLower(head.Word)), "{officer}", o.officer, "{grounds}", text(w.Grounds, o.grounds)).Replace(w.Page["decided"])
		v.Main.Next = head.Next
	}
	return v
}

func (w *Words) headline(o limen.Outcome) Headline {
	h, ok := w.Outcomes[o]
	if !ok {
		h.Word = strings.ToUpper(string(o))
	}
	return h
}

func (w *Words) record(f *limen.Finished) *recordView {
	v := &recordView{Stored: f.Err == nil}
	if v.Stored {
		v.Text = strings.ReplaceAll(w.Page["record_stored"], "{index}", fmt.Sprint(f.Receipt.Index))
	} else {
		v.Text = w.Page["record_failed"]
	}
	if ms := f.Record.Spent.Total; ms > 0 {
		v.Took = strings.ReplaceAll(w.Page["took"], "{seconds}", fmt.Sprintf("%.1f", ms.Duration().Seconds()))
	}
	return v
}

func (w *Words) past(p past) pastView {
	outcome := p.outcome
	if p.officer != "" {
		outcome = p.officer
	}
	v := pastView{At: p.at, Outcome: string(outcome), Word: w.headline(outcome).Word}
	if p.reason != nil {
		v.Reason = w.Reason(*p.reason).Says
	}
	if p.stored {
		v.Index = &p.index
	}
	return v
}

func (w *Words) personal(c *inspection) *personalView {
	p := c.personal
	v := &personalView{Fields: w.fields(p.mrz)}
	if p.portrait != nil {
		v.Portrait = imageAddress("portrait", c.id, 1)
	}
	if p.live != nil {
		v.Live = imageAddress("live", c.id, p.lives)
	}
	for _, which := range []limen.Picture{limen.PicturePortrait, limen.PictureLive} {
		if q := p.quality[which]; len(q) > 0 {
			v.Quality = append(v.Quality, w.quality(which, q))
		}
	}
	// A score that is no number cannot be put on a scale.
	if m := p.match; m != nil && !math.IsNaN(m.Score) && !math.IsInf(m.Score, 0) && !math.IsNaN(m.Threshold) && !math.IsInf(m.Threshold, 0) {
		v.Match = &matchView{Score: m.Score, Threshold: m.Threshold, Enough: m.Score >= m.Threshold, Model: m.Model, Grade: m.Grade, Says: w.Page["not_enough"]}
		if v.Match.Enough {
			v.Match.Says = w.Page["enough"]
		}
		v.Match.GradeSays = text(w.Page, "model_"+m.Grade)
	}
	for _, e := range p.earlier {
		place := strings.Trim(e.Site+" · "+e.Device, " ·")
		v.Earlier = append(v.Earlier, earlierView{At: e.At, Place: place, Outcome: string(e.Outcome), Word: w.headline(e.Outcome).Word, Remarks: w.remarks(e)})
	}
	return v
}

func (w *Words) remarks(e limen.Earlier) (out []string) {
	if e.Officer != "" {
		out = append(out, strings.ReplaceAll(w.Page["earlier_officer"], "{outcome}", capital(strings.ToLower(w.headline(e.Officer).Word))))
	}
	if e.Lost {
		out = append(out, w.Page["earlier_lost"])
	}
	if e.Correction != "" {
		out = append(out, strings.ReplaceAll(w.Page["earlier_corrected"], "{says}", e.Correction))
	}
	return out
}

// quality names at a glance only what misses its mark.
func (w *Words) quality(which limen.Picture, components []limen.Component) qualityView {
	v := qualityView{Picture: string(which)}
	var low []string
	for _, c := range components {
		name := text(w.Components, c.Name)
		v.Components = append(v.Components, componentView{c.Name, name, c.Value, c.Low})
		if c.Low {
			low = append(low, name)
		}
	}
	v.Low = len(low) > 0
	v.Says = strings.ReplaceAll(w.Page["quality_good"], "{picture}", text(w.Pictures, which))
	if v.Low {
		v.Says = strings.NewReplacer("{picture}", text(w.Pictures, which), "{low}", strings.Join(low, ", ")).Replace(w.Page["quality_low"])
	}
	return v
}

// fields are what the MRZ says, as an officer reads it.
func (w *Words) fields(m *mrz.MRZ) []fieldView {
	if m == nil {
		return nil
	}
	var out []fieldView
	for _, f := range []fieldView{
		{Code: "name", Value: strings.TrimSpace(m.Primary + " " + m.Secondary)},
		{Code: "number", Value: m.Number},
		{Code: "nationality", Value: mrz.Alpha3(m.Nationality)},
		{Code: "birth", Value: date(m.Birth)},
		{Code: "expiry", Value: date(m.Expiry)},
		{Code: "type", Value: w.documentType(m.DocumentCode)},
		{Code: "issuer", Value: mrz.Alpha3(m.Issuer)},
		{Code: "sex", Value: text(w.Sexes, string(m.Sex))},
	} {
		if f.Label = text(w.Fields, f.Code); f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

// date is a date as the page shows it; a wholly unknown one is left out.
func date(d mrz.Date) string {
	if d == (mrz.Date{}) {
		return ""
	}
	return d.ISO()
}

func (w *Words) device(d DeviceState) deviceView {
	return deviceView{Name: d.Name, Kind: text(w.DeviceKinds, d.Kind), State: d.State, Says: text(w.DeviceStates, d.State), Detail: d.Detail, Next: d.NextAction}
}
