package exit

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Names that are not there are a usage error, with the name that was meant.
func TestUnknown(t *testing.T) {
	for _, row := range []struct {
		args string
		code int
		want string
	}{
		{"ceremony check", Done, ""},
		{"ceremony --help", Done, "ceremony [command]"},
		{"help ceremony check", Done, "prog ceremony check"},
		{"help", Done, "Available Commands"},
		{"--help", Done, "Available Commands"},
		{"ceremony check --help", Done, "--station"},
		{"ceremony chek", Usage, `unknown command "chek" for "prog ceremony"; did you mean check?`},
		{"cermony", Usage, `unknown command "cermony" for "prog"; did you mean ceremony?`},
		{"fleet", Usage, `unknown command "fleet" for "prog"`},
		{"fleet --help", Usage, `unknown command "fleet" for "prog"`},
		{"ceremony --help nowhere", Usage, `unknown command "nowhere" for "prog ceremony"`},
		{"--help nowhere", Usage, `unknown command "nowhere" for "prog"`},
		{"ceremony --help check", Done, "--station"},
		{"ceremony chek", Usage, "see: prog ceremony --help"},
		{"ceremony check --zebra", Usage, "see: prog ceremony check --help"},
		{"help nowhere", Usage, "see: prog --help"},
		{"ceremony chek --help", Usage, `unknown command "chek" for "prog ceremony"; did you mean check?`},
		{"help fleet", Usage, `unknown help topic "fleet" for "prog"`},
		{"help ceremony chek", Usage, `unknown help topic "chek" for "prog ceremony"; did you mean check?`},
		{"ceremony check --statoin x", Usage, "unknown flag: --statoin; did you mean --station?"},
		{"ceremony check --zebra", Usage, "unknown flag: --zebra"},
	} {
		root := Group(&cobra.Command{Use: "prog"}, Group(&cobra.Command{Use: "ceremony"},
			&cobra.Command{Use: "check", RunE: func(*cobra.Command, []string) error { return nil }}))
		check, _, err := root.Find([]string{"ceremony", "check"})
		if err != nil {
			t.Fatal(err)
		}
		check.Flags().String("station", "", "file")
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(strings.Fields(row.args))
		code := Run(context.Background(), root, &out, func(error) (int, []string) { return Failure, nil })
		if code != row.code || !strings.Contains(out.String(), row.want) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", row.args, code, out.String(), row.code, row.want)
		}
		if strings.Contains(row.want, "unknown") && !strings.HasSuffix(row.want, "?") && strings.Contains(out.String(),
			"did you mean") {
			t.Errorf("%s: %q suggests what nobody meant", row.args, out.String())
		}
	}
}

// TestRequiredFlag: a flag that is missing is a usage error, too, and --help needs none.
func TestRequiredFlag(t *testing.T) {
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"sign":            {Usage, `sign: required flag(s) "grant" not set`},
		"sign --help":     {Done, "--grant"},
		"sign --grant x":  {Done, "signed"},
		"sign --grant= x": {Usage, "no arguments"},
	} {
		var out bytes.Buffer
		sign := &cobra.Command{Use: "sign", Args: ExactArgs(0, "no arguments"),
			PreRunE: func(*cobra.Command, []string) error { _, err := out.WriteString("sig"); return err },
			RunE:    func(*cobra.Command, []string) error { _, err := out.WriteString("ned"); return err }}
		sign.Flags().String("grant", "", "file")
		if err := sign.MarkFlagRequired("grant"); err != nil {
			t.Fatal(err)
		}
		root := Group(&cobra.Command{Use: "prog"}, sign)
		root.SetOut(&out)
		root.SetArgs(strings.Fields(args))
		code := Run(context.Background(), root, &out, func(error) (int, []string) { return Failure, nil })
		if code != want.code || !strings.Contains(out.String(), want.says) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", args, code, out.String(), want.code, want.says)
		}
	}
}
