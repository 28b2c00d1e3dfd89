// Command pdf puts a text on paper: it reads standard input and writes a PDF of A4
// pages, in a font of fixed width, for printers that print from a stick.
//
//	pdf FILE.pdf
//
// A file that is there is not overwritten.
package main

import (
	"fmt"
	"io"
	"os"

	"officiant/cmd/room-image/pdf/paper"
)

// font is where the room image has it.
const font = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pdf FILE.pdf, with the text on standard input")
		os.Exit(2)
	}
	if err := print(os.Stdin, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pdf:", err)
		os.Exit(1)
	}
}

func print(in io.Reader, path string) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	glyphs, err := os.ReadFile(font)
	if err != nil {
		return err
	}
	page, err := paper.PDF(string(text), glyphs)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err = out.Write(page); err != nil {
		out.Close()
		os.Remove(path)
		return err
	}
	return out.Close()
}
