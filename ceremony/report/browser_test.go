package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/report"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

// update writes the pictures that the documents show.
var update = flag.Bool("update", false, "write docs/images")

// browser finds Chromium, or skips; make test-browser sees to it that it is there.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("OFFICIANT_REQUIRE_BROWSER") != "" {
		t.Fatal("no chromium in PATH")
	}
	t.Skip("no chromium in PATH: make test-browser installs it")
	return ""
}

// browse runs Chromium on a page without a window and returns what it prints.
func browse(t *testing.T, path string, args ...string) []byte {
	t.Helper()
	args = append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
		"--allow-file-access-from-files"}, append(args, "file://"+path)...)
	var out, said bytes.Buffer
	c := exec.Command(browser(t), args...)
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, said.String())
	}
	return out.Bytes()
}

// papers are both pages of a ceremony with two tokens, and of its failing copy.
func papers(t *testing.T) map[string]string {
	t.Helper()
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 2,
		People:    []string{"alice administrator", "bob officer", "carol officer", "eve witness"},
		Approvals: 2, Lists: []string{"kubernetes"}})
	f.Approve(t, "alice", "bob")
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	var turns atomic.Int64
	began := cfg.Now()
	cfg.Now = func() time.Time { return began.Add(time.Duration(turns.Add(1)) * 1700 * time.Millisecond) } // people take their time
	cfg.Program = transcript.Program{Version: "1.0.0", Go: "go1.26.8", SHA256: fingerprint.Of([]byte("program")), Airgap: true}
	cfg.Host = transcript.Host{Name: "room-1", Kernel: "Linux 6.12.48", Interfaces: []string{}}
	cfg.Modules = []transcript.Module{{Path: "/usr/lib/softhsm/libsofthsm2.so", SHA256: fingerprint.Of([]byte("module")).String()}}
	steps, err := ceremony.Steps(cfg.Plan, cfg.Station)
	check(t, err)
	s := report.Script{Plan: cfg.Plan, Station: "room-1", PlanFile: "plan.yaml", Program: report.Sum{Name: "officiant 1.0.0", SHA256: fingerprint.Of([]byte("program")).String()},
		Tokens: []report.Token{{Place: "token root, serial 0011", Keys: []string{"root"}}, {Place: "token issuing, serial 0012", Keys: []string{"kubernetes", "etcd", "front-proxy", "release"}}}}
	for _, step := range steps {
		s.Steps = append(s.Steps, report.Step{N: step.N, Title: step.Title, Place: step.Place, Swap: step.Swap, Final: step.Final, People: step.People, Failure: step.Failure})
	}
	var script bytes.Buffer
	check(t, s.HTML(&script))
	_, err = ceremony.Run(t.Context(), cfg)
	check(t, err)
	whole, revoked := page(t, dir), revokedPage(t, dir)
	flip(t, filepath.Join(dir, "bundles", "worker-1.tar"))
	return map[string]string{"script": script.String(), "report": whole, "failing": page(t, dir), "revoked": revoked}
}

// revokedPage are the minutes as they are when a list has something on it.
func revokedPage(t *testing.T, dir string) string {
	t.Helper()
	m := minutesOf(t, dir)
	ca := historytest.Root(t, time.Now())
	serial, _ := new(big.Int).SetString("7f3a1bc2d4e5f60718293a4b5c6d7e8f", 16)
	for i, l := range m.Record.Lines {
		if r, ok := l.Record.(transcript.CRL); ok {
			r.List = ca.Revoke(t, 2, time.Now(), revocation.CessationOfOperation.Code(), serial, big.NewInt(0x1234)).Raw
			m.Record.Lines[i].Record = r
		}
	}
	m.Plan.Plan.Revocations = []plan.Revocation{{Serial: plan.Serial{Int: serial},
		Comment: "the node was taken out of its rack, and its disk is not to be found anywhere"}}
	var b bytes.Buffer
	check(t, m.HTML(&b))
	if !strings.Contains(b.String(), "cessationOfOperation") {
		t.Fatal("what is revoked does not stand there")
	}
	return b.String()
}

// TestInBrowser looks at the pages in a real browser: nothing is wider than a telephone,
// a screen, or a sheet of A4 or Letter, no word is broken, and something is to be seen.
func TestInBrowser(t *testing.T) {
	browser(t)
	for name, text := range papers(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, wide := range tooWide(t, dir, text) {
				t.Error(wide)
			}
			for paper, box := range map[string]string{"A4": `[0 0 59\d[.\d]* 84\d[.\d]*]`, "Letter": "[0 0 612 792]"} {
				pdf := printed(t, dir, text, paper)
				pages := regexp.MustCompile(`/Type /Page\b`).FindAll(pdf, -1)
				sizes := regexp.MustCompile(`/MediaBox \`+strings.TrimSuffix(box, "]")+`\]`).FindAll(pdf, -1)
				if len(pages) < 3 || len(pages) > 20 || len(sizes) != len(pages) {
					t.Errorf("%s: %d pages, %d of this size", paper, len(pages), len(sizes))
				}
			}
			picture := filepath.Join(dir, "screen.png")
			browse(t, write(t, dir, "screen.html", text), "--window-size=900,1150", "--screenshot="+picture)
			seen(t, picture)
			if *update && name != "revoked" {
				pictures(t, dir, name, text)
			}
		})
	}
}

// TestTooWideCanFail shows that a line that does not fit is found, on screen and
// on paper, one that is cut off, and a word that is broken.
func TestTooWideCanFail(t *testing.T) {
	browser(t)
	for name, bad := range map[string]string{
		"block":    `<div style="width:2000px">x</div>`,
		"word":     `<p style="overflow-wrap:normal">` + strings.Repeat("x", 400) + `</p>`,
		"cut off":  `<div style="width:50px;overflow:hidden;white-space:nowrap">` + strings.Repeat("x", 400) + `</div>`,
		"off left": `<div style="position:relative;left:-200px">x</div>`,
		"broken":   `<p style="width:30px;overflow-wrap:anywhere">administrator</p>`,
	} {
		text := "<!DOCTYPE html><html><head><style>@media print { body { margin: 0 } }</style></head><body>" + bad + "</body></html>"
		if found := tooWide(t, t.TempDir(), text); len(found) != len(widths) {
			t.Errorf("%s: found at %d of %d widths: %s", name, len(found), len(widths), found)
		}
	}
}

// widths are those of the pages' area in CSS pixels; paper is without its margins.
var widths = []struct {
	name  string
	width int
	paper bool
}{{"telephone", 360, false}, {"tablet", 768, false}, {"screen", 1280, false}, {"A4", 680, true}, {"Letter", 703, true}}

// measure looks at frames of several widths from outside: the pages run nothing.
const measure = `<!DOCTYPE html><html><body>%s<script>
addEventListener('load', () => {
  const out = [];
  for (const f of document.querySelectorAll('iframe')) {
    const w = f.contentWindow, d = w.document, bad = [];
    if (d.documentElement.scrollWidth > w.innerWidth) bad.push('scrolls to ' + d.documentElement.scrollWidth);
    for (const e of d.body.querySelectorAll('*')) {
      if (e.closest('svg') && e.tagName !== 'svg') continue;
      const r = e.getBoundingClientRect();
      if (r.width && (r.right > w.innerWidth + 0.5 || r.left < -0.5)) bad.push(e.tagName + '.' + e.className + ' from ' + r.left + ' to ' + r.right);
      if (e.clientWidth && e.scrollWidth > e.clientWidth + 1) bad.push(e.tagName + '.' + e.className + ' cuts ' + e.scrollWidth + ' to ' + e.clientWidth);
    }
    for (const e of d.querySelectorAll('svg text')) {
      const b = e.getBBox(), v = e.ownerSVGElement.viewBox.baseVal;
      if (b.x < 0 || b.x + b.width > v.width || b.y < 0 || b.y + b.height > v.height) bad.push('text outside its picture: ' + e.textContent);
    }
    for (const e of d.body.querySelectorAll('*')) {
      if (e.closest('svg, .mono')) continue;
      for (const n of e.childNodes) {
        if (n.nodeType !== Node.TEXT_NODE) continue;
        const sums = [...n.data.matchAll(/SHA256:\S+/g)]; // base64: what looks like a word in it is chance
        for (const word of n.data.matchAll(/(?<![\p{L}\p{N}])\p{L}{2,20}(?![\p{L}\p{N}])/gu)) {
          if (sums.some(s => word.index >= s.index && word.index < s.index + s[0].length)) continue;
          const r = d.createRange();
          r.setStart(n, word.index);
          r.setEnd(n, word.index + word[0].length);
          if (new Set([...r.getClientRects()].map(x => Math.round(x.top))).size > 1) bad.push('breaks ' + word[0]);
        }
      }
    }
    if (bad.length) out.push('TOOWIDE ' + f.name + ' (' + w.innerWidth + '): ' + bad.slice(0, 4).join('; '));
    else out.push('FITS ' + f.name);
  }
  document.body.textContent = out.join('\n');
});
</script></body></html>`

// tooWide says at which widths something does not fit.
func tooWide(t *testing.T, dir, text string) []string {
	t.Helper()
	screen := write(t, dir, "on-screen.html", text)
	// Print styles on a frame as wide as the paper's text.
	paper := write(t, dir, "on-paper.html", strings.ReplaceAll(strings.ReplaceAll(text, "@media print", "@media all"), "@media (max-width: 40rem)", "@media (max-width: 1px)"))
	var frames strings.Builder
	for _, w := range widths {
		src := screen
		if w.paper {
			src = paper
		}
		fmt.Fprintf(&frames, `<iframe name="%s" src="%s" style="border:0;width:%dpx;height:1000px"></iframe>`, w.name, filepath.Base(src), w.width)
	}
	dom := string(browse(t, write(t, dir, "measure.html", fmt.Sprintf(measure, frames.String())), "--virtual-time-budget=10000", "--dump-dom"))
	if got := strings.Count(dom, "FITS ") + strings.Count(dom, "TOOWIDE "); got != len(widths) {
		t.Fatalf("%d of %d frames were measured:\n%.2000s", got, len(widths), dom)
	}
	var out []string
	for line := range strings.Lines(dom) {
		if _, bad, ok := strings.Cut(line, "TOOWIDE "); ok {
			out = append(out, strings.TrimSpace(bad))
		}
	}
	return out
}

// printed is the page as a PDF on a kind of paper.
func printed(t *testing.T, dir, text, paper string) []byte {
	t.Helper()
	pdf := filepath.Join(dir, paper+".pdf")
	browse(t, write(t, dir, paper+".html", strings.Replace(text, "@page {", "@page { size: "+paper+";", 1)), "--no-pdf-header-footer", "--print-to-pdf="+pdf)
	data, err := os.ReadFile(pdf)
	check(t, err)
	return data
}

// seen wants a picture with something on it, and a white border on both sides.
func seen(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	check(t, err)
	b := img.Bounds()
	dark, border := 0, 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128 {
				dark++
				if x < 12 || x >= b.Max.X-12 {
					border++
				}
			}
		}
	}
	if area := b.Dx() * b.Dy(); dark < area/200 || dark > area/3 || border > 0 {
		t.Errorf("%d of %d points are dark, %d of them in the border", dark, area, border)
	}
}
