package kubelet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"officiant/bundle/yamltree"
)

// Where a kubelet keeps the certificates it rotates. It reads Current, or, when there
// is none, the two files of before 1.8.
const (
	PKI     = "var/lib/kubelet/pki"
	Current = PKI + "/kubelet-client-current.pem"
)

// Preferred are the files that a kubelet which rotates takes before its kubeconfig.
var Preferred = []string{Current, PKI + "/kubelet-client.crt", PKI + "/kubelet-client.key"}

// Configurations are where a KubeletConfiguration may lie: kubeadm's, kubespray's.
var Configurations = []string{"var/lib/kubelet/config.yaml", "etc/kubernetes/kubelet-config.yaml"}

// Environments are the files whose variables a unit puts on the command line, in
// that order.
var Environments = []string{
	"var/lib/kubelet/kubeadm-flags.env", "etc/kubernetes/kubelet.env", "etc/default/kubelet", "etc/sysconfig/kubelet",
}

// Setting is whether the kubelet rotates its client certificate, and what says so.
type Setting struct {
	Known   bool // something says it
	Rotates bool
	By      string // the file and what in it; empty when nothing says it
}

// Rotation reads what the files say; read gives a file's content, nil when it is not
// there. Without any of them nothing is known: the kubelet's own default is not to
// rotate.
func Rotation(read func(path string) ([]byte, error)) (Setting, error) {
	var s Setting
	for _, path := range Configurations {
		data, err := read(path)
		if err != nil || data == nil {
			if err != nil {
				return s, err
			}
			continue
		}
		rotates, err := configured(data)
		if err != nil {
			return s, fmt.Errorf("%s: %w", path, err)
		}
		s = Setting{true, rotates, fmt.Sprintf("rotateCertificates: %t in %s", rotates, path)}
		break
	}
	for _, path := range Environments {
		data, err := read(path)
		if err != nil {
			return s, err
		}
		for _, value := range flags(string(data)) {
			rotates, err := strconv.ParseBool(value)
			if err != nil {
				return s, fmt.Errorf("%s: --rotate-certificates=%s is neither true nor false", path, value)
			}
			s = Setting{true, rotates, fmt.Sprintf("--rotate-certificates=%t in %s", rotates, path)}
		}
	}
	return s, nil
}

// flags lists the values of --rotate-certificates in a file of variables.
func flags(text string) []string {
	var values []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'", r) }) {
			if variable, rest, ok := strings.Cut(word, "="); ok && !strings.HasPrefix(variable, "-") {
				word = rest // KUBELET_EXTRA_ARGS=--flag
			}
			name, value, given := strings.Cut(word, "=")
			if name != "--rotate-certificates" && name != "-rotate-certificates" {
				continue
			}
			if !given {
				value = "true"
			}
			values = append(values, value)
		}
	}
	return values
}

// configured reads rotateCertificates out of a KubeletConfiguration, which is false
// unless it is said.
func configured(data []byte) (bool, error) {
	if _, err := yamltree.Parse(data, yamltree.Small); err != nil {
		return false, err
	}
	var c struct {
		Kind   string `yaml:"kind"`
		Rotate bool   `yaml:"rotateCertificates"`
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		return false, fmt.Errorf("is no KubeletConfiguration: %w", err)
	}
	if c.Kind != "KubeletConfiguration" {
		return false, fmt.Errorf("kind is %q, not KubeletConfiguration", c.Kind)
	}
	return c.Rotate, nil
}
