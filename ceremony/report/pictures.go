package report

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Authority is a CA of the ceremony.
type Authority struct {
	Name, Family string
	Made         bool // here; otherwise it was there before
	Certificate  *x509.Certificate
	leaves       int
	first, last  time.Time // ends of its leaves
}

func (a Authority) Subject() string         { return a.Certificate.Subject.String() }
func (a Authority) Serial() string          { return fmt.Sprintf("%x", a.Certificate.SerialNumber) }
func (a Authority) Until() string           { return day(a.Certificate.NotAfter) }
func (a Authority) Sum() fingerprint.SHA256 { return fingerprint.Of(a.Certificate.Raw) }
func (a Authority) Key() (fingerprint.SHA256, error) {
	return fingerprint.SPKI(a.Certificate.PublicKey)
}

// Authorities are those the plan names that have a certificate, the root first.
func (m *Minutes) Authorities() []Authority {
	if m.Plan == nil {
		return nil
	}
	made := map[string]*x509.Certificate{}
	issued := m.Record.Certificates()
	for _, c := range issued {
		if c.Certificate.IsCA {
			made[c.Name] = c.Certificate
		}
	}
	var out []Authority
	for _, a := range m.Plan.Plan.Authorities {
		one := Authority{Name: a.Name, Family: string(a.Family), Certificate: made[a.Name], Made: made[a.Name] != nil}
		if !one.Made {
			one.Certificate = m.Plan.Certificates[a.Name]
		}
		if one.Certificate == nil {
			continue
		}
		for _, c := range issued {
			if end := c.Certificate.NotAfter; !c.Certificate.IsCA && c.Signer == a.Name {
				if one.leaves++; one.leaves == 1 || end.Before(one.first) {
					one.first = end
				}
				if end.After(one.last) {
					one.last = end
				}
			}
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b Authority) int {
		isRoot := func(a Authority) int {
			if a.Family == string(kubepki.Root) {
				return 0
			}
			return 1
		}
		return cmp.Compare(isRoot(a), isRoot(b))
	})
	return out
}

// Picture is what a page draws: boxes and lines, in the units of its view box.
type Picture struct {
	Width, Height int
	Boxes         []Box
	Lines         []Line
	Bars          []Bar
	Ticks         []Tick
}

// Box is a box with text in it.
type Box struct {
	X, Y, W, H   int
	Title        string
	Text         []string
	Stroke, Dash string
	Fill         string
}

func (b Box) Middle() int { return b.X + b.W/2 }

// TextY is the base line of the title, or of the text of an index below it.
func (b Box) TextY(below ...int) int {
	const title, line = 19, 18
	top := b.Y + (b.H-title-line*len(b.Text))/2
	if len(below) < 2 {
		return top + 13
	}
	return top + title + line*below[0] + 12
}

// Line is a straight line.
type Line struct{ X1, Y1, X2, Y2 int }

// Bar is a span of time.
type Bar struct {
	Y, X, W     int
	Label, Text string
	Fill        string
}

// inside says whether the bar has room for its text.
func (b Bar) inside() bool { return b.X+b.W+90 > axisRight }

func (b Bar) TextX() int {
	if b.inside() {
		return b.X + b.W - 8
	}
	return b.X + b.W + 8
}

func (b Bar) Anchor() string {
	if b.inside() {
		return "end"
	}
	return "start"
}

func (b Bar) TextFill() string {
	if b.inside() {
		return "#fff"
	}
	return "#1b2127"
}

// Axis is where the lines of the ticks end.
func (p Picture) Axis() int { return p.Height - 26 }

// Tick is a date of the axis.
type Tick struct {
	X    int
	Text string
}

const (
	pictureWidth = 900
	boxWidth     = 268
	boxHeight    = 76
	boxGap       = 45
	perRow       = 3
	accent       = "#114b5f"
	quietInk     = "#8a949d"
)

// Hierarchy draws the authorities: the root, who is below it, and how many
// certificates each of those issued. The release key stands beside them.
func (m *Minutes) Hierarchy() Picture {
	p := Picture{Width: pictureWidth}
	all := m.Authorities()
	if len(all) == 0 {
		return p
	}
	root := authorityBox(all[0], (pictureWidth-boxWidth)/2, 8)
	p.Boxes = append(p.Boxes, root)
	if m.Audit.Release != nil {
		p.Boxes = append(p.Boxes, Box{X: pictureWidth - boxWidth + 30, Y: 8, W: boxWidth - 36, H: boxHeight, Title: "release key",
			Text: []string{"signs bundles and the record", m.Audit.Release.Grouped()[:19]}, Stroke: quietInk, Dash: "5 4", Fill: "#fff"})
	}
	bottom := 8 + boxHeight
	for i, a := range all[1:] {
		inRow := min(perRow, len(all)-1-i/perRow*perRow)
		left := max(1, (pictureWidth-inRow*boxWidth-(inRow-1)*boxGap)/2)
		x, y := left+i%perRow*(boxWidth+boxGap), 8+boxHeight+52+i/perRow*(2*boxHeight+84)
		box := authorityBox(a, x, y)
		rail := root.Y + root.H + 26
		p.Lines = append(p.Lines, Line{root.Middle(), root.Y + root.H, root.Middle(), rail},
			Line{min(root.Middle(), box.Middle()), rail, max(root.Middle(), box.Middle()), rail}, Line{box.Middle(), rail, box.Middle(), box.Y})
		p.Boxes = append(p.Boxes, box)
		bottom = max(bottom, y+boxHeight)
		if a.leaves > 0 {
			leaf := Box{X: x + 24, Y: y + boxHeight + 32, W: boxWidth - 48, H: boxHeight - 20, Title: counted(a.leaves, "certificate"),
				Text: []string{ends(a.first, a.last)}, Stroke: quietInk, Fill: "#f4f6f7"}
			p.Lines = append(p.Lines, Line{box.Middle(), box.Y + box.H, box.Middle(), leaf.Y})
			p.Boxes = append(p.Boxes, leaf)
			bottom = max(bottom, leaf.Y+leaf.H)
		}
	}
	p.Height = bottom + 8
	return p
}

func authorityBox(a Authority, x, y int) Box {
	b := Box{X: x, Y: y, W: boxWidth, H: boxHeight, Title: cut(a.Name, 30), Stroke: accent, Fill: "#fff",
		Text: []string{cut(a.Certificate.Subject.CommonName, 40), "until " + a.Until()}}
	if !a.Made {
		b.Title, b.Stroke, b.Dash = cut(a.Name, 20)+", as it was", quietInk, "5 4"
	}
	return b
}

func ends(first, last time.Time) string {
	if day(first) == day(last) {
		return "until " + day(first)
	}
	return "until " + day(first) + " to " + day(last)
}

// cut shortens a text to what a box has room for; the tables have it whole.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

const (
	axisLeft, axisRight = 190, 880
	rowHeight           = 34
)

// Timeline draws when what was issued, or used, ends.
func (m *Minutes) Timeline() Picture {
	p := Picture{Width: pictureWidth}
	all := m.Authorities()
	if len(all) == 0 {
		return p
	}
	begin, end := m.Open().NotBefore, m.Open().NotBefore
	for _, a := range all {
		if a.Certificate.NotAfter.After(end) {
			end = a.Certificate.NotAfter
		}
	}
	at := func(t time.Time) int {
		part := float64(t.Sub(begin)) / float64(max(end.Sub(begin), 1))
		return axisLeft + int(part*(axisRight-axisLeft))
	}
	bar := func(label string, until time.Time, text, fill string) {
		p.Bars = append(p.Bars, Bar{Y: 14 + rowHeight*len(p.Bars), X: axisLeft, W: max(2, at(until)-axisLeft), Label: cut(label, 26), Text: text, Fill: fill})
	}
	for _, a := range all {
		fill := accent
		if !a.Made {
			fill = quietInk
		}
		bar(a.Name, a.Certificate.NotAfter, a.Until(), fill)
	}
	for _, a := range all {
		if a.leaves > 0 {
			bar(leaves(a.leaves)+" by "+a.Name, a.first, ends(a.first, a.last), "#3f8f6b")
		}
	}
	p.Ticks = ticks(begin, end, at)
	p.Height = 14 + rowHeight*len(p.Bars) + 34
	return p
}

// ticks are the beginnings of years, no more than ten of them.
func ticks(begin, end time.Time, at func(time.Time) int) []Tick {
	out := []Tick{{at(begin), day(begin)}}
	years := end.Year() - begin.Year()
	step := max(1, (years+8)/9)
	for y := begin.Year() + step; y <= end.Year(); y += step {
		t := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
		if x := at(t); x > axisLeft+75 && x < axisRight-10 {
			out = append(out, Tick{x, fmt.Sprint(y)})
		}
	}
	return out
}

// First says what ends first, of all that was issued here.
func (m *Minutes) First() string {
	var name string
	var first time.Time
	for _, c := range m.Record.Certificates() {
		if end := c.Certificate.NotAfter; name == "" || end.Before(first) {
			name, first = c.Name, end
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("The first to end is %s, on %s.", name, day(first))
}

func leaves(n int) string {
	if n == 1 {
		return "1 leaf"
	}
	return fmt.Sprintf("%d leaves", n)
}
