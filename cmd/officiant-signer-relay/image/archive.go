package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// program is the name of the image's only file.
const program = "officiant-signer-relay"

// Media types of the OCI image specification.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

type config struct {
	platform
	Config struct {
		User       string            `json:"User"`
		Entrypoint []string          `json:"Entrypoint"`
		Labels     map[string]string `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// blobs are the archive's files, by digest.
type blobs map[string][]byte

func (b blobs) add(mediaType string, data []byte) descriptor {
	b[sum(data)] = data
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum(data), Size: len(data)}
}

func (b blobs) encode(mediaType string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	return b.add(mediaType, data), err
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// write makes the archive, under a name that is not taken. of are ARCH=PROGRAM.
func write(path, version string, of []string) error {
	b := blobs{}
	labels := map[string]string{"org.opencontainers.image.title": program,
		"org.opencontainers.image.version": version, "org.opencontainers.image.licenses": "Apache-2.0"}
	list := index{SchemaVersion: 2, MediaType: indexType}
	slices.Sort(of)
	for _, one := range of {
		arch, file, ok := strings.Cut(one, "=")
		if !ok || machines[arch] == 0 {
			return fmt.Errorf("%s is not ARCH=PROGRAM, ARCH one of amd64 and arm64", one)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := static(content, machines[arch]); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		d, err := b.image(platform{arch, "linux"}, content, labels)
		if err != nil {
			return err
		}
		list.Manifests = append(list.Manifests, d)
	}
	all, err := b.encode(indexType, list)
	if err != nil {
		return err
	}
	all.Annotations = map[string]string{"org.opencontainers.image.ref.name": version}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{all}})
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(b.pack(out, top), out.Close())
}

// image adds what one architecture needs, and returns its manifest.
func (b blobs) image(p platform, content []byte, labels map[string]string) (descriptor, error) {
	var layer bytes.Buffer
	if err := archive(&layer, []file{{program, 0o755, content}}); err != nil {
		return descriptor{}, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // without name and time
	if err == nil {
		_, err = z.Write(layer.Bytes())
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return descriptor{}, err
	}
	c := config{platform: p}
	c.Config.User, c.Config.Entrypoint, c.Config.Labels = "65532:65532", []string{"/" + program}, labels
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{"sha256:" + sum(layer.Bytes())}
	described, err := b.encode(configType, c)
	if err != nil {
		return descriptor{}, err
	}
	d, err := b.encode(manifestType, manifest{SchemaVersion: 2, MediaType: manifestType, Config: described,
		Layers: []descriptor{b.add(layerType, packed.Bytes())}, Annotations: labels})
	d.Platform = &p
	return d, err
}

// pack writes the layout.
func (b blobs) pack(w io.Writer, top []byte) error {
	files := []file{{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {"index.json", 0o644, top}}
	for digest, data := range b {
		files = append(files, file{"blobs/sha256/" + digest, 0o644, data})
	}
	slices.SortFunc(files[2:], func(a, b file) int { return strings.Compare(a.name, b.name) })
	return archive(w, files)
}

type file struct {
	name string
	mode int64
	data []byte
}

// archive writes a tar in which nothing is of the machine it was made on.
func archive(w io.Writer, files []file) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode,
			Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	return t.Close()
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// static wants a program that runs where nothing else is.
func static(content []byte, machine elf.Machine) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if f.Machine != machine {
		return fmt.Errorf("is for %s, not %s", f.Machine, machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("is not static")
		}
	}
	return nil
}
