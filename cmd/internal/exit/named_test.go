package exit

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/spf13/cobra"
)

// TestFileNotThere: the flag that named a file that is not there is said, and the file
// beside it that was meant; or where a link leads that is there.
func TestFileNotThere(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"plan.yaml", "requests"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../stick/plan.yaml", "plan.link"); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[[2]string]string{
		{"plan.yml", ""}:          "prog: plan.yml: no such file or directory; did you mean plan.yaml?\n",
		{"--requests", "request"}: "prog: --requests request: no such file or directory; did you mean requests?\n",
		{"--requests", "nowhere"}: "prog: --requests nowhere: no such file or directory\n",
		{"plan.link", ""}:         "prog: plan.link: is a link to ../stick/plan.yaml, which is not there\n",
		{"--requests", "plan.link"}: "prog: --requests plan.link: is a link to ../stick/plan.yaml, " +
			"which is not there\n",
		{"elsewhere/plan.yml", ""}: "prog: elsewhere/plan.yml: no such file or directory\n",
	} {
		var requests string
		root := &cobra.Command{Use: "prog", Args: cobra.ArbitraryArgs}
		root.RunE = func(_ *cobra.Command, args []string) error {
			for _, name := range append(args, requests) {
				if _, err := os.Stat(name); name != "" && err != nil {
					return err
				}
			}
			return nil
		}
		root.Flags().StringVar(&requests, "requests", "", "folder")
		root.SetArgs(args[:])
		var out bytes.Buffer
		code := Run(context.Background(), root, &out, func(error) (int, []string) { return Failure, nil })
		if code != Usage {
			t.Errorf("%q: exit code %d", args, code)
		}
		if out.String() != want {
			t.Errorf("%q: %q, want %q", args, out.String(), want)
		}
	}
}
