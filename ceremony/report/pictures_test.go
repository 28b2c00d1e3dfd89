package report_test

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// pictures writes what the documents show of a page: the upper part of it on a
// screen, and its first sheets side by side. It takes pdftoppm (poppler-utils).
func pictures(t *testing.T, dir, name, text string) {
	t.Helper()
	to, err := filepath.Abs(filepath.Join("..", "..", "docs", "images"))
	check(t, err)
	check(t, os.MkdirAll(to, 0o755))
	browse(t, write(t, dir, "picture.html", text), "--window-size=900,1350", "--screenshot="+filepath.Join(to, name+"-screen.png"))
	if name == "failing" {
		return
	}
	printed(t, dir, text, "A4")
	out, err := exec.Command("pdftoppm", "-r", "60", "-l", "3", "-png", filepath.Join(dir, "A4.pdf"), filepath.Join(dir, "sheet")).CombinedOutput()
	if err != nil {
		t.Fatalf("pdftoppm: %v %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "sheet-*.png"))
	check(t, err)
	sideBySide(t, filepath.Join(to, name+"-print.png"), files)
}

// sideBySide puts sheets on a grey table.
func sideBySide(t *testing.T, to string, files []string) {
	t.Helper()
	const gap = 10
	var table *image.RGBA
	for i, file := range files {
		f, err := os.Open(file)
		check(t, err)
		sheet, err := png.Decode(f)
		check(t, err)
		check(t, f.Close())
		size := sheet.Bounds().Size()
		if table == nil {
			table = image.NewRGBA(image.Rect(0, 0, len(files)*(size.X+gap)+gap, size.Y+2*gap))
			draw.Draw(table, table.Bounds(), image.NewUniform(color.Gray{0x9a}), image.Point{}, draw.Src)
		}
		at := image.Pt(gap+i*(size.X+gap), gap)
		draw.Draw(table, image.Rectangle{at, at.Add(size)}, sheet, image.Point{}, draw.Src)
	}
	f, err := os.Create(to)
	check(t, err)
	check(t, png.Encode(f, table))
	check(t, f.Close())
}
