package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func example() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "A tool", Long: "A tool that does a thing."}
	cut := &cobra.Command{Use: "cut FILE... [--at N]", Short: "Cut a file", Run: func(*cobra.Command, []string) {},
		Example: "  tool cut -x .profile",
		Long:    "Cut a file with a \\ in it.\n.dots begin no request, nor\n'quotes.\n\n  $ tool cut -x\n\nThe end."}
	cut.Flags().IntP("at", "a", 0, "cut after `N` bytes")
	cut.Flags().Bool("all-of-it", false, "cut everything")
	root.AddCommand(cut, &cobra.Command{Use: "hidden", Hidden: true, Run: func(*cobra.Command, []string) {}})
	return root
}

func TestPages(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, example(), "2026-11-24", "v1"); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 || files[0].Name() != "tool-cut.1" || files[1].Name() != "tool.1" {
		t.Fatal(files, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "tool-cut.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		".TH \"TOOL-CUT\" 1 \"2026-11-24\" \"tool v1\" \"Officiant\"\n", "tool\\-cut \\- Cut a file\n", "\\fBtool cut\\fR FILE... [\\-\\-at N]\n",
		"with a \\e in it.\n\\&.dots begin", "\n\\&'quotes.\n", ".nf\n  $ tool cut \\-x\n.fi\n",
		".TP\n\\fB\\-\\-all\\-of\\-it\\fR\ncut everything\n", ".TP\n\\fB\\-a\\fR, \\fB\\-\\-at\\fR \\fIN\\fR\ncut after N bytes\n", "\\fBtool\\fR(1)",
		".SH EXAMPLES\n.nf\n  tool cut \\-x .profile\n.fi\n", ".SH EXIT STATUS\n.TP\n0\ndone\n", ".TP\n130\ninterrupted\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	// Where man is, it has nothing to say against them.
	if _, err := exec.LookPath("groff"); err == nil {
		for _, f := range files {
			out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z", filepath.Join(dir, f.Name())).CombinedOutput()
			if err != nil || len(out) > 0 {
				t.Errorf("%s: %v\n%s", f.Name(), err, out)
			}
		}
	}
}

func TestReflow(t *testing.T) {
	const text = "A paragraph\nof two lines.\n\n  $ typed\n  $ again\n\nItems:\n  one\n  two\n\nThe end."
	const want = "A paragraph of two lines.\n\n  $ typed\n  $ again\n\nItems:\n  one\n  two\n\nThe end."
	if got := reflow(text); got != want {
		t.Errorf("got\n%s", got)
	}
}
