// Package paper sets a text in a font of fixed width on A4 pages.
package paper

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
)

const (
	// Columns is how many characters a row has at most; longer lines go on in the next.
	Columns = 84
	// Rows is how many rows a page has, besides the one at its foot.
	Rows = 60

	size   = 9.2  // points, of the font
	height = 4.25 // millimetres, of a row
	left   = 18.0
	top    = 16.0
	foot   = 284.0
)

// PDF is the text on A4 pages, each with its number at its foot. font is a TrueType font
// of fixed width.
func PDF(text string, font []byte) ([]byte, error) {
	rows := rowsOf(text)
	if len(rows) == 0 {
		return nil, errors.New("there is no text to put on paper")
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the text is not UTF-8")
	}
	doc := fpdf.New("P", "mm", "A4", "")
	doc.SetAutoPageBreak(false, 0)
	doc.AddUTF8FontFromBytes("mono", "", font)
	pages := (len(rows) + Rows - 1) / Rows
	for page := range pages {
		doc.AddPage()
		doc.SetFont("mono", "", size)
		for i, row := range rows[page*Rows : min((page+1)*Rows, len(rows))] {
			doc.Text(left, top+height*float64(i+1), row)
		}
		doc.Text(left, foot, fmt.Sprintf("page %d of %d", page+1, pages))
	}
	var out bytes.Buffer
	err := doc.Output(&out)
	return out.Bytes(), err
}

// rowsOf are a text's lines, cut to the paper's width, without empty ones at its end.
func rowsOf(text string) []string {
	text = strings.TrimRight(text, " \n")
	if text == "" {
		return nil
	}
	var rows []string
	for line := range strings.SplitSeq(text, "\n") {
		runes := []rune(line)
		for len(runes) > Columns {
			rows = append(rows, string(runes[:Columns]))
			runes = runes[Columns:]
		}
		rows = append(rows, string(runes))
	}
	return rows
}
