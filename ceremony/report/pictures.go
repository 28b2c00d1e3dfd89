package report

import (
	"fmt"
	"slices"
	"time"

	"officiant/bundle/phrase"
)

// Picture is what a page draws: boxes and lines, in the units of its view box.
type Picture struct {
	Width, Height int
	Boxes         []Box
	Lines         []Line
	Bars          []Bar
	Ticks         []Tick

	rail int // of the row drawn last
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
	boxHeight    = 90
	boxGap       = 24
	margin       = 12 // on both sides of a row: a line may have to go round it
	trunk        = 2  // where that line goes down
	perRow       = 4
	widest       = 268
	accent       = "#114b5f"
	quietInk     = "#8a949d"
)

// Hierarchy draws the authorities: each root, the authorities below it, and how many
// certificates each of those issued. The release key is beside them.
func (m *Minutes) Hierarchy() Picture {
	p := Picture{Width: pictureWidth}
	all := m.Authorities()
	if len(all) == 0 {
		return p
	}
	if m.Audit.Release != nil {
		p.Boxes = append(p.Boxes, Box{X: pictureWidth - 236, Y: 8, W: 232, H: boxHeight, Title: "release key",
			Text: []string{"signs bundles and the record", m.Audit.Release.Grouped()[:19]}, Stroke: quietInk, Dash: "5 4", Fill: "#fff"})
	}
	top := 8
	for _, root := range all {
		if !root.isRoot() {
			continue
		}
		box := authorityBox(root, (pictureWidth-widest)/2, top, widest)
		p.Boxes = append(p.Boxes, box)
		top = box.Y + box.H
		var children []Authority
		for _, a := range all {
			if a.parent == root.Certificate {
				children = append(children, a)
			}
		}
		from := box.Middle() // where the line to the first row leaves the root
		for row := range slices.Chunk(children, perRow) {
			top = p.row(row, from, top)
			from = -1
		}
		top += 34
	}
	p.Height = top - 26
	return p
}

// row draws authorities side by side below top, each with its leaves, and returns
// where the row ends. from is where their line comes from; below 0: from the edge,
// round the row above.
func (p *Picture) row(row []Authority, from, top int) int {
	width := min(widest, (pictureWidth-2*margin-(len(row)-1)*boxGap)/len(row))
	gap := boxGap
	if width == widest {
		gap = min(40, (pictureWidth-2*margin-len(row)*width)/max(1, len(row)-1))
	}
	left := (pictureWidth - len(row)*width - (len(row)-1)*gap) / 2
	rail, y := top+24, top+48
	bottom := y + boxHeight
	for i, a := range row {
		box := authorityBox(a, left+i*(width+gap), y, width)
		p.Boxes = append(p.Boxes, box)
		if from >= 0 {
			p.Lines = append(p.Lines, Line{from, top, from, rail}, Line{min(from, box.Middle()), rail, max(from, box.Middle()), rail})
		} else {
			p.Lines = append(p.Lines, Line{trunk, rail, box.Middle(), rail})
		}
		p.Lines = append(p.Lines, Line{box.Middle(), rail, box.Middle(), box.Y})
		if a.leaves == 0 {
			continue
		}
		leaf := Box{X: box.X + 16, Y: box.Y + box.H + 28, W: width - 32, H: boxHeight - 32,
			Title: phrase.Count(a.leaves, "certificate"),
			Text:  []string{ends(a.first, a.last)}, Stroke: quietInk, Fill: "#f4f6f7"}
		p.Lines = append(p.Lines, Line{box.Middle(), box.Y + box.H, box.Middle(), leaf.Y})
		p.Boxes = append(p.Boxes, leaf)
		bottom = max(bottom, leaf.Y+leaf.H)
	}
	if from < 0 { // the way round, from the rail of the row above
		p.Lines = append(p.Lines, Line{trunk, p.rail, trunk, rail}, Line{trunk, p.rail, pictureWidth / 2, p.rail})
	}
	p.rail = rail
	return bottom
}

func authorityBox(a Authority, x, y, width int) Box {
	letters := width / 7
	b := Box{X: x, Y: y, W: width, H: boxHeight, Title: cut(a.Name, letters), Stroke: accent, Fill: "#fff",
		Text: []string{cut(a.Certificate.Subject.CommonName, letters), "until " + a.Until()}}
	if origin := a.Origin(); origin != "" {
		b.H, b.Text = boxHeight, append(b.Text, origin)
	}
	if !a.Made {
		b.Stroke, b.Dash = quietInk, "5 4"
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
	return fmt.Sprintf("The first to expire is %s, on %s.", name, day(first))
}

func leaves(n int) string {
	if n == 1 {
		return "1 leaf"
	}
	return fmt.Sprintf("%d leaves", n)
}
