package main

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"

	"officiant/bundle/fingerprint"
	"officiant/cmd/internal/exit"
)

// qrStyles are how a QR code is drawn: with half blocks, which the Linux console's
// font has, in 19 lines of 37 columns; in ASCII, two columns a dot, for a terminal
// or a serial line that has no blocks; or not.
var qrStyles = []string{"blocks", "ascii", "none"}

// checkQR refuses a style there is not.
func checkQR(style string) error {
	for _, s := range qrStyles {
		if s == style {
			return nil
		}
	}
	return exit.Usagef("--qr %q: %s", style, strings.Join(qrStyles, ", "))
}

// writeQR draws a fingerprint, in capital letters, which makes a smaller code. Light
// is drawn and dark is left out, as on a dark screen.
func writeQR(w io.Writer, f fingerprint.SHA256, style string) error {
	if style == "none" {
		return nil
	}
	return drawQR(w, strings.ToUpper(f.String()), style)
}

// inkQR is how a code is drawn that is printed: dark is drawn, on white paper.
const inkQR = "ink"

// drawQR draws a text.
func drawQR(w io.Writer, text, style string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return err
	}
	const margin = 4 // ISO/IEC 18004 wants as much around a code
	light := func(x, y int) bool { return code.Black(x, y) == (style == inkQR) }
	for y := -margin; y < code.Size+margin; y++ {
		var line strings.Builder
		for x := -margin; x < code.Size+margin; x++ {
			if style == "ascii" {
				line.WriteString(map[bool]string{true: "##", false: "  "}[light(x, y)])
				continue
			}
			line.WriteString(halves[light(x, y)][y+1 < code.Size+margin && light(x, y+1)])
		}
		if style != "ascii" {
			y++ // two rows a line
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// halves are blocks by whether their upper and their lower half is light.
var halves = map[bool]map[bool]string{true: {true: "█", false: "▀"}, false: {true: "▄", false: " "}}
