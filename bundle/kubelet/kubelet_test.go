package kubelet

import (
	"strings"
	"testing"

	"officiant/bundle/limittest"
)

func TestRotation(t *testing.T) {
	const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	const config, flags, extra = "var/lib/kubelet/config.yaml", "var/lib/kubelet/kubeadm-flags.env", "etc/default/kubelet"
	in := func(path, text string) map[string]string { return map[string]string{path: text} }
	says := func(rotates bool, by string) Setting { return Setting{true, rotates, by} }
	for name, c := range map[string]struct {
		files   map[string]string
		want    Setting
		problem string
	}{
		"nothing": {nil, Setting{}, ""},
		"kubeadm": {in(config, head+"rotateCertificates: true\n"), says(true, "rotateCertificates: true in "+config), ""},
		"by hand": {in(config, head+"rotateCertificates: false\n"), says(false, "rotateCertificates: false in "+config), ""},
		"unsaid":  {in(config, head), says(false, "rotateCertificates: false in "+config), ""},
		"as JSON": {in(config, `{"kind":"KubeletConfiguration","rotateCertificates":true}`),
			says(true, "rotateCertificates: true in "+config), ""},
		"in other": {in(config, head+"x: |\n  rotateCertificates: true\n"),
			says(false, "rotateCertificates: false in "+config), ""},
		"the flag": {map[string]string{config: head + "rotateCertificates: true\n",
			flags: `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///x --rotate-certificates=false"` + "\n"},
			says(false, "--rotate-certificates=false in "+flags), ""},
		"the last flag": {map[string]string{flags: `KUBELET_KUBEADM_ARGS="--rotate-certificates=false --v=2"`,
			extra: "KUBELET_EXTRA_ARGS=--rotate-certificates\n"}, says(true, "--rotate-certificates=true in "+extra), ""},
		"twice in one": {in(extra, "KUBELET_EXTRA_ARGS='--rotate-certificates=true --rotate-certificates=F'\n"),
			says(false, "--rotate-certificates=false in "+extra), ""},
		"another flag": {in(extra, "KUBELET_EXTRA_ARGS=--no-rotate-certificates=false --rotate-certificates-x=true\n"),
			Setting{}, ""},
		"a comment": {in(extra, "# KUBELET_EXTRA_ARGS=--rotate-certificates=true\n"), Setting{}, ""},
		"no boolean": {in(extra, "KUBELET_EXTRA_ARGS=--rotate-certificates=maybe\n"),
			Setting{}, "neither true nor false"},
		"no YAML":                {in(config, "{"), Setting{}, config},
		"another kind":           {in(config, "kind: Pod\n"), Setting{}, `kind is "Pod"`},
		"no boolean in the file": {in(config, head+"rotateCertificates: [1]\n"), Setting{}, config},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Rotation(func(path string) ([]byte, error) {
				if text, ok := c.files[path]; ok {
					return []byte(text), nil
				}
				return nil, nil
			})
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func FuzzConfigured(f *testing.F) {
	f.Add([]byte("kind: KubeletConfiguration\nrotateCertificates: true\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if rotates, err := configured(data); rotates && err != nil {
			t.Errorf("both: %v", err)
		}
	})
}
