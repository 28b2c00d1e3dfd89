package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"officiant/bundle/privatekey"
	"officiant/bundle/yamltree"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// limits are ten times what a real file has: 6 KiB, 4 levels, 20 keys.
var limits = yamltree.Limits{Bytes: 64 << 10, Depth: 16, Entries: 100, Keys: 1000, Documents: 2}

// document is the file's form; what it does not have is refused by the decoder.
type document struct {
	APIVersion     string         `yaml:"apiVersion"`
	Kind           string         `yaml:"kind"`
	CurrentContext string         `yaml:"current-context"`
	Preferences    struct{}       `yaml:"preferences"` // written, empty, before 1.34
	Clusters       []namedCluster `yaml:"clusters"`
	Contexts       []namedContext `yaml:"contexts"`
	Users          []namedUser    `yaml:"users"`
}

type namedCluster struct {
	Name    string `yaml:"name"`
	Cluster struct {
		Server string `yaml:"server"`
		CA     string `yaml:"certificate-authority-data"`
	} `yaml:"cluster"`
}

type namedContext struct {
	Name    string `yaml:"name"`
	Context struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	} `yaml:"context"`
}

type namedUser struct {
	Name string `yaml:"name"`
	User struct {
		Certificate string `yaml:"client-certificate-data"`
		Key         string `yaml:"client-key-data"`
	} `yaml:"user"`
}

// Parse reads a kubeconfig file. Certificate authority, certificate and key may
// each be absent; when certificate and key are both there, they must belong
// together. Errors name file and, where there is one, line and column.
func Parse(file string, data []byte) (*Config, error) {
	if c, ok := rendered(data); ok && checkServer(c.Server) == nil && c.checkPEM() == nil {
		return c, nil
	}
	d, err := decode(file, data)
	if err != nil {
		return nil, err
	}
	c, err := d.config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func decode(file string, data []byte) (*document, error) {
	tree, bad := yamltree.Parse(data, limits)
	if bad != nil {
		return nil, fmt.Errorf("%s:%d:%d: %s", file, bad.Line, bad.Column, blob.ReplaceAllString(bad.Problem, "…"))
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: not one YAML document", file)
	}
	var v plainOnly
	ast.Walk(&v, tree.Docs[0].Body)
	if v.found != nil {
		return nil, fmt.Errorf("%s: anchors, aliases, merge keys and tags are not taken", at(file, v.found))
	}
	var d document
	if err := yaml.NodeToValue(tree.Docs[0].Body, &d, yaml.Strict()); err != nil {
		return nil, place(file, err)
	}
	return &d, nil
}

// plainOnly finds what makes a YAML file read otherwise than it looks.
type plainOnly struct{ found *token.Token }

func (v *plainOnly) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		if v.found == nil {
			v.found = n.GetToken()
		}
		return nil
	}
	return v
}

// blob is text that may be part of a private key; no field's name looks so.
var blob = regexp.MustCompile(`[A-Za-z0-9+/=]{20,}`)

// place keeps the place and the message of a YAML error and drops its excerpt
// of the file, and what the message quotes of it: there may be a private key in it.
func place(file string, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return fmt.Errorf("%s: not a kubeconfig", file)
	}
	return fmt.Errorf("%s: %s", at(file, y.GetToken()), blob.ReplaceAllString(y.GetMessage(), "…"))
}

func at(file string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, t.Position.Line, t.Position.Column)
}

func (d *document) config() (*Config, error) {
	if d.APIVersion != "v1" || d.Kind != "Config" {
		return nil, fmt.Errorf("apiVersion %q, kind %q is not v1, Config", d.APIVersion, d.Kind)
	}
	if len(d.Clusters) != 1 || len(d.Users) != 1 || len(d.Contexts) != 1 {
		return nil, fmt.Errorf("%d clusters, %d users and %d contexts, not one of each", len(d.Clusters), len(d.Users),
			len(d.Contexts))
	}
	cluster, user, context := d.Clusters[0], d.Users[0], d.Contexts[0]
	switch {
	case cluster.Name == "":
		return nil, errors.New("clusters[0].name is empty")
	case user.Name == "":
		return nil, errors.New("users[0].name is empty")
	case context.Context.Cluster != cluster.Name:
		return nil, fmt.Errorf("contexts[0].context.cluster is %q, the cluster's name is %q", context.Context.Cluster,
			cluster.Name)
	case context.Context.User != user.Name:
		return nil, fmt.Errorf("contexts[0].context.user is %q, the user's name is %q", context.Context.User, user.Name)
	case context.Name == "" || d.CurrentContext != context.Name:
		return nil, fmt.Errorf("current-context is %q, the context's name is %q", d.CurrentContext, context.Name)
	}
	if err := checkServer(cluster.Cluster.Server); err != nil {
		return nil, err
	}
	c := &Config{Cluster: cluster.Name, User: user.Name, Context: context.Name, Server: cluster.Cluster.Server}
	for _, f := range []struct {
		name, text string
		to         *[]byte
	}{
		{"certificate-authority-data", cluster.Cluster.CA, &c.CA},
		{"client-certificate-data", user.User.Certificate, &c.Certificate},
		{"client-key-data", user.User.Key, &c.Key},
	} {
		if f.text == "" {
			continue
		}
		data, err := base64.StdEncoding.Strict().DecodeString(f.text)
		if err != nil {
			return nil, fmt.Errorf("%s is not base64", f.name)
		}
		*f.to = data
	}
	return c, c.checkPEM()
}

func checkServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("server %q is not of the form https://HOST:PORT", server)
	}
	return nil
}

func (c *Config) checkPEM() error {
	if c.CA != nil {
		if _, err := certificates(c.CA); err != nil {
			return fmt.Errorf("certificate-authority-data: %w", err)
		}
	}
	switch {
	case c.Certificate != nil && c.Key != nil:
		return matches(c.Certificate, c.Key)
	case c.Certificate != nil:
		if _, err := certificates(c.Certificate); err != nil {
			return fmt.Errorf("client-certificate-data: %w", err)
		}
	case c.Key != nil:
		if _, err := privatekey.Parse(c.Key); err != nil {
			return fmt.Errorf("client-key-data: %w", err)
		}
	}
	return nil
}
