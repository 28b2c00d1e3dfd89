package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes a small static program for an architecture.
func build(t *testing.T, dir, arch, cgo string) string {
	t.Helper()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() { println(\"here\") }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, arch)
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", out, source)
	c.Env = append(os.Environ(), "GOARCH="+arch, "CGO_ENABLED="+cgo, "GOFLAGS=")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func files(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.ModTime.Unix() != 0 {
			t.Errorf("%s is of this machine: %+v", h.Name, h)
		}
		if all[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwice: the same programs, built in two folders, are the same bytes.
func TestTwice(t *testing.T) {
	var made [2][]byte
	for i := range made {
		dir := t.TempDir()
		out := filepath.Join(dir, "image.tar")
		of := []string{"arm64=" + build(t, dir, "arm64", "0"), "amd64=" + build(t, dir, "amd64", "0")}
		if i == 1 {
			of[0], of[1] = of[1], of[0]
		}
		if err := write(out, "v1", of); err != nil {
			t.Fatal(err)
		}
		if err := write(out, "v1", of); !errors.Is(err, os.ErrExist) {
			t.Errorf("written over: %v", err)
		}
		var err error
		if made[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two builds differ")
	}
	whole(t, files(t, made[0]))
}

// whole follows every digest from index.json to the program.
func whole(t *testing.T, all map[string][]byte) {
	t.Helper()
	get := func(d descriptor, into any) []byte {
		t.Helper()
		data := all["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if "sha256:"+sum(data) != d.Digest || len(data) != d.Size {
			t.Fatalf("%s is not there, or not that", d.Digest)
		}
		if into != nil {
			if err := json.Unmarshal(data, into); err != nil {
				t.Fatal(err)
			}
		}
		return data
	}
	var top, list index
	if err := json.Unmarshal(all["index.json"], &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%s: %v", all["index.json"], err)
	}
	get(top.Manifests[0], &list)
	if len(list.Manifests) != 2 || list.Manifests[0].Platform.Architecture != "amd64" {
		t.Fatalf("%+v", list)
	}
	for _, d := range list.Manifests {
		var m manifest
		var c config
		get(d, &m)
		get(m.Config, &c)
		z, err := gzip.NewReader(bytes.NewReader(get(m.Layers[0], nil)))
		if err != nil {
			t.Fatal(err)
		}
		layer, err := io.ReadAll(z)
		if err != nil || c.RootFS.DiffIDs[0] != "sha256:"+sum(layer) || c.Config.User != "65532:65532" ||
			c.Architecture != d.Platform.Architecture || c.OS != "linux" {
			t.Errorf("%+v, %v", c, err)
		}
		if inside := files(t, layer); len(inside) != 1 || len(inside[program]) == 0 {
			t.Errorf("%d files in the layer", len(inside))
		}
	}
}

// TestRefused: what would not run, from scratch.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	amd64 := build(t, dir, "amd64", "0")
	for name, of := range map[string]string{"another machine's": "arm64=" + amd64, "no machine's": "x=" + amd64,
		"no program": "amd64=" + filepath.Join(dir, "main.go"), "no file": "amd64=none"} {
		out := filepath.Join(dir, "out.tar")
		if err := write(out, "v1", []string{of}); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s left an archive", name)
		}
	}
	sh, err := os.ReadFile("/bin/sh")
	if err == nil && static(sh, machines["amd64"]) == nil && static(sh, machines["arm64"]) == nil {
		t.Error("a shell is static for both machines")
	}
}

// TestSkopeo has the tool of registries read the archive: each architecture is found, copied
// out whole with every digest checked, and converted to what docker load takes.
func TestSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		if os.Getenv("OFFICIANT_REQUIRE_SKOPEO") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image.tar")
	programs := map[string]string{"amd64": build(t, dir, "amd64", "0"), "arm64": build(t, dir, "arm64", "0")}
	if err := write(image, "v1", []string{"amd64=" + programs["amd64"], "arm64=" + programs["arm64"]}); err != nil {
		t.Fatal(err)
	}
	skopeo := func(args ...string) []byte {
		t.Helper()
		c := exec.Command("skopeo", append([]string{"--insecure-policy", "--tmpdir", dir}, args...)...)
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	for arch, file := range programs {
		var config struct{ Architecture, OS string }
		out := skopeo("--override-arch", arch, "inspect", "--config", "oci-archive:"+image)
		if err := json.Unmarshal(out, &config); err != nil || config.Architecture != arch || config.OS != "linux" {
			t.Errorf("%s: %+v, %v", arch, config, err)
		}
		docker := filepath.Join(dir, arch+".docker.tar")
		skopeo("--override-arch", arch, "copy", "--quiet", "oci-archive:"+image, "docker-archive:"+docker)
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command("sh", "-c", `layer=$(tar -xOf "$0" manifest.json | sed 's/.*"Layers":\["\([^"]*\)"\].*/\1/')
tar -xOf "$0" "$layer" | tar -xO "$1"`, docker, program)
		if got, err := c.Output(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the image has %d bytes of a program of %d: %v", arch, len(got), len(want), err)
		}
	}
}
