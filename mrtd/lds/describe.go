package lds

import (
	"fmt"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// Description is what a data group is made of, without what it says of its
// bearer or document: it may be printed, logged and kept. Which fingers there
// are, and a face's color of eyes, are not in it; that they are stated is.
type Description struct {
	Group int `json:"group"`
	Bytes int `json:"bytes"` // of the whole file
	// Standard is the standard and edition of the biometric records: of the
	// first where they differ, see Pictures.
	Standard Standard `json:"standard,omitempty"`
	// Count is how many pictures, persons, elements or security infos there are.
	// It is 0 in a group of fingers or irises that its issuer left empty.
	Count    int       `json:"count"`
	Layout   string    `json:"layout,omitempty"`    // DG1's: "TD3"
	Pictures []Picture `json:"pictures,omitempty"`  // DG2 to DG5, DG7; those of DG11 and DG12
	Elements []string  `json:"elements,omitempty"`  // DG11, DG12: names of those that are there
	Unread   int       `json:"unread,omitempty"`    // DG11, DG12: elements that are not understood
	DateForm DateForm  `json:"date_form,omitempty"` // how dates are written
}

// Picture describes one picture of a group.
type Picture struct {
	Standard   Standard    `json:"standard,omitempty"`
	Format     ImageFormat `json:"format"`           // by the first bytes; "" is unknown
	Stated     ImageFormat `json:"stated,omitempty"` // as the record says
	Width      int         `json:"width,omitempty"`  // as the record says; 0 where it does not
	Height     int         `json:"height,omitempty"`
	Bytes      int         `json:"bytes"`
	Kind       string      `json:"kind,omitempty"`        // a face's: "full frontal"
	ColorSpace string      `json:"color_space,omitempty"` // a face's
	PPI        int         `json:"ppi,omitempty"`         // a finger's
	Depth      int         `json:"depth,omitempty"`       // bits of a pixel
	Points     int         `json:"points,omitempty"`      // landmarks of a face
	Quality    []int       `json:"quality,omitempty"`     // scores of 0 to 100; -1 could not be assessed
	States     []string    `json:"states,omitempty"`      // what else the record says: "gender", "pose", …
}

// Describe reads the whole file of a data group and tells what it is made of.
// The error is the one reading it gives.
func Describe(group int, file []byte) (Description, error) {
	d := Description{Group: group, Bytes: len(file)}
	describe := map[int]func([]byte) error{
		1: d.dg1, 2: d.dg2, 3: d.dg3, 4: d.dg4, 5: d.displayed(ParseDG5), 7: d.displayed(ParseDG7),
		11: d.dg11, 12: d.dg12, 14: d.dg14, 16: d.dg16,
	}[group]
	if describe == nil {
		describe = func(b []byte) error {
			_, err := ParseOpaque(group, b)
			return err
		}
	}
	if err := describe(file); err != nil {
		return Description{}, err
	}
	if len(d.Pictures) > 0 {
		d.Standard = d.Pictures[0].Standard
	}
	return d, nil
}

var layouts = map[[2]int]mrz.Layout{{3, 30}: mrz.TD1, {2, 36}: mrz.TD2, {2, 44}: mrz.TD3}

func (d *Description) dg1(b []byte) error {
	lines, err := ParseDG1(b)
	if err != nil {
		return err
	}
	d.Count, d.Layout = 1, layouts[[2]int{len(lines), len(lines[0])}].String()
	return nil
}

func (d *Description) dg2(b []byte) error {
	dg2, err := ParseDG2(b)
	if err != nil {
		return err
	}
	d.Count = len(dg2.Faces)
	for _, f := range dg2.Faces {
		m := f.Metadata
		p := Picture{
			Standard: f.Standard, Format: f.Format, Stated: f.Stated, Width: f.Width, Height: f.Height, Bytes: len(f.Image),
			Kind: m.Kind, ColorSpace: m.ColorSpace, Points: len(m.Points), Quality: scores(m.Qualities),
		}
		p.state("source", m.Source != "")
		p.state("capture_date", m.Captured != mrz.Date{})
		p.state("gender", m.Gender != "")
		p.state("eye_color", m.EyeColor != "")
		p.state("hair_color", m.HairColor != "")
		p.state("height", m.Height > 0)
		p.state("properties", len(m.Properties) > 0)
		p.state("expression", len(m.Expression) > 0)
		p.state("pose", m.Pose != nil)
		d.Pictures = append(d.Pictures, p)
	}
	return nil
}

func (p *Picture) state(name string, is bool) {
	if is {
		p.States = append(p.States, name)
	}
}

func scores(qualities []Quality) []int {
	var out []int
	for _, q := range qualities {
		out = append(out, q.Score)
	}
	return out
}

func (d *Description) dg3(b []byte) error {
	dg3, err := ParseDG3(b)
	if err != nil {
		return err
	}
	d.Count = len(dg3.Fingers)
	for _, f := range dg3.Fingers {
		p := Picture{
			Standard: f.Standard, Format: f.Format, Stated: f.Stated, Width: f.Width, Height: f.Height, Bytes: len(f.Image),
			PPI: f.PPI, Depth: f.Depth, Quality: scores(f.Qualities),
		}
		p.state("capture_date", f.Captured != mrz.Date{})
		p.state("position", f.Position != UnknownFinger)
		d.Pictures = append(d.Pictures, p)
	}
	return nil
}

func (d *Description) dg4(b []byte) error {
	dg4, err := ParseDG4(b)
	if err != nil {
		return err
	}
	d.Count = len(dg4.Irises)
	for _, i := range dg4.Irises {
		p := Picture{
			Standard: i.Standard, Format: i.Format, Stated: i.Stated, Width: i.Width, Height: i.Height, Bytes: len(i.Image),
			Depth: i.Depth, Quality: scores(i.Qualities),
		}
		p.state("capture_date", i.Captured != mrz.Date{})
		p.state("eye", i.Eye != UnknownEye)
		d.Pictures = append(d.Pictures, p)
	}
	return nil
}

func (d *Description) displayed(parse func([]byte) ([]Image, error)) func([]byte) error {
	return func(b []byte) error {
		images, err := parse(b)
		d.Count = len(images)
		for _, i := range images {
			d.picture(i.Data)
		}
		return err
	}
}

func (d *Description) picture(b []byte) {
	if len(b) > 0 {
		d.Pictures = append(d.Pictures, Picture{Format: SniffImage(b), Bytes: len(b)})
	}
}

func (d *Description) element(name string, is bool) {
	if is {
		d.Elements = append(d.Elements, name)
		d.Count++
	}
}

func (d *Description) dg11(b []byte) error {
	g, err := ParseDG11(b)
	if err != nil {
		return err
	}
	d.element("name", g.Name != Name{})
	d.element("other_names", len(g.OtherNames) > 0)
	d.element("personal_number", g.PersonalNumber != "")
	d.element("date_of_birth", g.Birth != mrz.Date{})
	d.element("place_of_birth", len(g.PlaceOfBirth) > 0)
	d.element("address", len(g.Address) > 0)
	d.element("telephone", g.Telephone != "")
	d.element("profession", g.Profession != "")
	d.element("title", g.Title != "")
	d.element("personal_summary", g.Summary != "")
	d.element("proof_of_citizenship", len(g.Citizenship) > 0)
	d.element("other_documents", len(g.OtherDocuments) > 0)
	d.element("custody", g.Custody != "")
	d.picture(g.Citizenship)
	d.Unread, d.DateForm = len(g.Unread), g.DateForm
	return nil
}

func (d *Description) dg12(b []byte) error {
	g, err := ParseDG12(b)
	if err != nil {
		return err
	}
	d.element("issuing_authority", g.Authority != "")
	d.element("date_of_issue", g.Issued != mrz.Date{})
	d.element("other_persons", len(g.OtherPersons) > 0)
	d.element("endorsements", g.Endorsements != "")
	d.element("tax_exit_requirements", g.TaxExit != "")
	d.element("image_of_front", len(g.Front) > 0)
	d.element("image_of_rear", len(g.Rear) > 0)
	d.element("personalization_time", !g.Personalized.IsZero())
	d.element("personalization_system", g.System != "")
	d.picture(g.Front)
	d.picture(g.Rear)
	d.Unread, d.DateForm = len(g.Unread), g.DateForm
	return nil
}

func (d *Description) dg14(b []byte) error {
	outer, err := ber.Parse(b, groupTags[14])
	if err != nil {
		return fmt.Errorf("DG14: %w", err)
	}
	infos, err := ParseSecurityInfos(outer.Value)
	if err != nil {
		return fmt.Errorf("DG14: %w", err)
	}
	d.Count = len(infos.PACE) + len(infos.Domains) + len(infos.ChipAuth) + len(infos.PublicKeys) + len(infos.Unknown)
	return nil
}

func (d *Description) dg16(b []byte) error {
	g, err := ParseDG16(b)
	if err != nil {
		return err
	}
	d.Count, d.DateForm = len(g.Persons), g.DateForm
	return nil
}
