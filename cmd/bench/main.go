package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
	"officiant/softhsm"
)

// bench is one run of the benchmark.
type bench struct {
	out       io.Writer
	officiant string // program
	openssl   string // why openssl ca cannot be measured; empty: it can
	softhsm   string // module
	module    string // counting module
	folder    string
	n, rounds int
	slowN     int
	renewed   int    // nodes in the plan that renews
	records   int    // certificates in the record that inventory reads
	sizes     []int  // of whole ceremonies
	disk      string // a folder on a disk
	marks     []mark
	cluster   *cluster
}

// algorithms are the kinds of CA key that are measured.
var algorithms = []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.RSA2048, signer.RSA4096}

func main() {
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	b := &bench{out: os.Stdout}
	var sizes, only string
	flag.StringVar(&b.officiant, "officiant", "build/officiant", "the `PROGRAM` to measure")
	flag.IntVar(&b.n, "n", 1000, "kubelet certificates in each round")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds for each algorithm")
	flag.StringVar(&sizes, "memory", "10,1000,10000", "`NUMBERS` of nodes of whole ceremonies; 100000 takes its time")
	flag.StringVar(&only, "only", "", "one `PART` of: rates, slow, clouds, set, whole, resume, renewal, inventory")
	flag.StringVar(&b.disk, "disk", "build", "a `FOLDER` on a disk, for whole ceremonies")
	flag.IntVar(&b.renewed, "renewed", 5000, "nodes whose certificates a renewal plan renews")
	flag.IntVar(&b.records, "records", 100000, "certificates in the record that inventory reads")
	flag.IntVar(&b.slowN, "slow", 104, "certificates by the slow token")
	flag.Parse()
	if err := b.run(sizes, only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts can be measured one by one.
var parts = []string{"rates", "slow", "clouds", "set", "whole", "resume", "renewal", "inventory"}

func (b *bench) run(sizes, only string) (err error) {
	if flag.NArg() > 0 || b.n < 1 || b.rounds < 1 || b.slowN < 1 || b.renewed < 1 || b.records < 1 ||
		only != "" && !slices.Contains(parts, only) {
		return fmt.Errorf("usage: bench [-n N] [-rounds N] [-only PART]; see -h")
	}
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("-memory %s: %q is not a number of certificates", sizes, s)
		}
		b.sizes = append(b.sizes, n)
	}
	if b.folder, err = os.MkdirTemp("", "officiant-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	if b.disk, err = filepath.Abs(b.disk); err != nil {
		return err
	}
	if b.officiant, err = filepath.Abs(b.officiant); err != nil {
		return err
	}
	if b.softhsm, err = softhsm.Find(); err != nil {
		return err
	}
	if b.module, err = buildModule(b.folder); err != nil {
		return err
	}
	b.openssl = noEngine()
	if err := b.machine(); err != nil {
		return err
	}
	most := max(b.n, b.slowN, b.renewed)
	for _, n := range b.sizes {
		most = max(most, n)
	}
	if b.cluster, err = newCluster(filepath.Join(b.folder, "cluster"), most); err != nil {
		return err
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{{"rates", b.rates}, {"slow", b.slowToken}, {"clouds", b.clouds}, {"set", b.wholeSet}, {"whole", b.whole},
		{"resume", b.resumed}, {"renewal", b.renewal}, {"inventory", b.inventory}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.measure(); err != nil {
			return err
		}
	}
	b.printMarks()
	b.printf("\nLoad after, this benchmark's own included: %s.\n", load())
	return nil
}

// noEngine says why openssl ca cannot reach a token here; nothing: it can.
func noEngine() string {
	if _, err := exec.LookPath("openssl"); err != nil {
		return "no openssl here (Debian: openssl)"
	}
	if out, err := exec.Command("openssl", "engine", "pkcs11").CombinedOutput(); err != nil ||
		!strings.Contains(string(out), "pkcs11") {
		return "openssl has no pkcs11 engine here (Debian: libengine-pkcs11-openssl)"
	}
	return ""
}

// machine prints what the figures were taken on.
func (b *bench) machine() error {
	// SoftHSM says nothing before it has read a configuration.
	if err := os.Setenv("SOFTHSM2_CONF", os.DevNull); err != nil {
		return err
	}
	version, err := moduleVersion(b.softhsm)
	if err != nil {
		return err
	}
	b.printf("%d cores, %s, %s/%s, SoftHSM %s, %s\n", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH,
		version, b.opensslVersion())
	b.printf("Files under %s, on %s.\n", os.TempDir(), fileSystem(b.folder))
	b.printf("Load before: %s processes on these cores; what is not idle is missing in what follows.\n", load())
	b.printf("%d certificates, median of %d rounds; ratios are taken within a round.\n", b.n, b.rounds)
	if b.openssl != "" {
		b.printf("Skipped: openssl ca: %s.\n", b.openssl)
	}
	b.printf("Skipped: tokens of other makers, each with a daemon to start first: see make test-tokens.\n")
	return nil
}

func (b *bench) opensslVersion() string {
	out, err := exec.Command("openssl", "version").Output()
	if err != nil {
		return "no OpenSSL"
	}
	f := strings.Fields(string(out))
	return strings.Join(f[:min(2, len(f))], " ")
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }
