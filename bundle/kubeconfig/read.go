package kubeconfig

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"officiant/bundle/charset"
	"officiant/bundle/nearest"
	"officiant/bundle/privatekey"
	"officiant/bundle/yamltree"
)

// Current is what the current context of somebody's kubeconfig says.
type Current struct {
	Config
	// Where there is no data in the file but the path of a file; as written there.
	CAFile, CertificateFile, KeyFile string
	// Besides are fields of the context's cluster and user that change whom a client
	// believes and what it says it is ("tls-server-name", "token"); sorted. They are
	// not in Config, and a file that Render makes of it does not have them.
	Besides []string
	Others  int // contexts, clusters and users of the file that the current context does not use
}

// loose is a kubeconfig as client-go reads it: what is not here is passed over.
type loose struct {
	APIVersion     string `yaml:"apiVersion"`
	Kind           string `yaml:"kind"`
	CurrentContext string `yaml:"current-context"`
	Clusters       []struct {
		Name    string       `yaml:"name"`
		Cluster looseCluster `yaml:"cluster"`
	} `yaml:"clusters"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Users []struct {
		Name string    `yaml:"name"`
		User looseUser `yaml:"user"`
	} `yaml:"users"`
}

type looseCluster struct {
	Server     string `yaml:"server"`
	CAFile     string `yaml:"certificate-authority"`
	CA         string `yaml:"certificate-authority-data"`
	ServerName string `yaml:"tls-server-name"`
	Proxy      string `yaml:"proxy-url"`
	Insecure   bool   `yaml:"insecure-skip-tls-verify"`
}

type looseUser struct {
	CertificateFile string    `yaml:"client-certificate"`
	Certificate     string    `yaml:"client-certificate-data"`
	KeyFile         string    `yaml:"client-key"`
	Key             string    `yaml:"client-key-data"`
	Token           string    `yaml:"token"`
	TokenFile       string    `yaml:"tokenFile"`
	Name            string    `yaml:"username"`
	Password        string    `yaml:"password"`
	As              string    `yaml:"as"`
	Exec            *struct{} `yaml:"exec"`
	Provider        *struct{} `yaml:"auth-provider"`
}

// Read reads a kubeconfig that kubectl, a person or a cloud's tool has written, by
// client-go's rules: the current context counts, data takes precedence over a path, and
// unknown fields are ignored. Certificate authority, certificate and key may
// each be absent; when certificate and key are both in the file, they must belong
// together. Errors name file and, where there is one, line and column.
func Read(file string, data []byte) (*Current, error) {
	text, err := charset.UTF8(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	tree, bad := yamltree.Parse(text, yamltree.Small)
	if bad != nil {
		return nil, fmt.Errorf("%s:%d:%d: %s", file, bad.Line, bad.Column, blob.ReplaceAllString(bad.Problem, "…"))
	}
	i := slices.IndexFunc(tree.Docs, func(d *ast.DocumentNode) bool { return d.Body != nil })
	if i < 0 {
		return nil, fmt.Errorf("%s: is empty", file)
	}
	var d loose
	if err := yaml.NodeToValue(tree.Docs[i].Body, &d); err != nil { // client-go reads the first document alone
		return nil, place(file, err)
	}
	c, err := d.current()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func (d *loose) current() (*Current, error) {
	if d.APIVersion != "v1" && d.APIVersion != "" ||
		d.Kind != "Config" && d.Kind != "" { // client-go takes a file without
		return nil, fmt.Errorf("apiVersion %q, kind %q is not v1, Config: kubectl reads no such file", d.APIVersion, d.Kind)
	}
	contexts, clusters, users := map[string]int{}, map[string]int{}, map[string]int{}
	for i, c := range d.Contexts {
		if _, double := contexts[c.Name]; double {
			return nil, fmt.Errorf("contexts: the name %q is there twice, and kubectl reads no such file", c.Name)
		}
		contexts[c.Name] = i
	}
	for i, c := range d.Clusters {
		if _, double := clusters[c.Name]; double {
			return nil, fmt.Errorf("clusters: the name %q is there twice, and kubectl reads no such file", c.Name)
		}
		clusters[c.Name] = i
	}
	for i, u := range d.Users {
		if _, double := users[u.Name]; double {
			return nil, fmt.Errorf("users: the name %q is there twice, and kubectl reads no such file", u.Name)
		}
		users[u.Name] = i
	}
	i, ok := contexts[d.CurrentContext]
	switch {
	case d.CurrentContext == "":
		return nil, fmt.Errorf("current-context is empty, so it is not known which of the file's %d contexts is meant; "+
			"`kubectl config use-context NAME --kubeconfig FILE` sets it", len(contexts))
	case !ok:
		return nil, fmt.Errorf("current-context is %q, and there is no context of that name%s", d.CurrentContext,
			nearest.Hint(d.CurrentContext, maps.Keys(contexts)))
	}
	context := d.Contexts[i].Context
	cluster, hasCluster := clusters[context.Cluster]
	user, hasUser := users[context.User]
	switch {
	case !hasCluster:
		return nil, fmt.Errorf("context %q names the cluster %q, and there is none of that name%s",
			d.CurrentContext, context.Cluster, nearest.Hint(context.Cluster, maps.Keys(clusters)))
	case !hasUser:
		return nil, fmt.Errorf("context %q names the user %q, and there is none of that name%s",
			d.CurrentContext, context.User, nearest.Hint(context.User, maps.Keys(users)))
	}
	c := &Current{
		Config: Config{Cluster: context.Cluster, User: context.User, Context: d.CurrentContext},
		Others: len(contexts) - 1 + len(clusters) - 1 + len(users) - 1,
	}
	return c, c.take(d.Clusters[cluster].Cluster, d.Users[user].User)
}

// take takes over the context's cluster and user.
func (c *Current) take(cluster looseCluster, user looseUser) error {
	if c.Server = cluster.Server; c.Server != "" && !strings.Contains(c.Server, "://") {
		c.Server = "https://" + c.Server // as client-go does where there is a certificate
	}
	if err := checkServer(c.Server); err != nil {
		return fmt.Errorf("cluster %q: %w", c.Cluster, err)
	}
	for _, f := range []struct {
		name, text, path string
		to               *[]byte
		file             *string
	}{
		{"certificate-authority-data", cluster.CA, cluster.CAFile, &c.CA, &c.CAFile},
		{"client-certificate-data", user.Certificate, user.CertificateFile, &c.Certificate, &c.CertificateFile},
		{"client-key-data", user.Key, user.KeyFile, &c.Key, &c.KeyFile},
	} {
		if f.text == "" {
			*f.file = f.path
			continue
		}
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(f.text), ""))
		if err != nil {
			return fmt.Errorf("%s is not base64", f.name)
		}
		*f.to = data
	}
	for name, there := range map[string]bool{
		"tls-server-name": cluster.ServerName != "", "proxy-url": cluster.Proxy != "",
		"insecure-skip-tls-verify": cluster.Insecure,
		"token":                    user.Token != "", "tokenFile": user.TokenFile != "", "username": user.Name != "",
		"password": user.Password != "",
		"as":       user.As != "", "exec": user.Exec != nil, "auth-provider": user.Provider != nil,
	} {
		if there {
			c.Besides = append(c.Besides, name)
		}
	}
	slices.Sort(c.Besides)
	return c.checkRead()
}

// checkRead checks the PEM. What stands around a certificate or a key and client-go
// passes over is left out.
func (c *Current) checkRead() error {
	for _, f := range []struct {
		name string
		data *[]byte
	}{{"certificate-authority-data", &c.CA}, {"client-certificate-data", &c.Certificate}} {
		if *f.data == nil {
			continue
		}
		certs, err := onlyCertificates(*f.data)
		if err != nil {
			return inside(f.name, err)
		}
		*f.data = certs
	}
	if c.Certificate == nil && c.CertificateFile == "" && c.Key == nil && c.KeyFile == "" && len(c.Besides) > 0 {
		return fmt.Errorf("user %q of the current context has no client certificate (it has %s)", c.User,
			strings.Join(c.Besides, ", "))
	}
	if c.Key == nil {
		return c.checkPEM()
	}
	if _, err := privatekey.Parse(c.Key); err == nil {
		return c.checkPEM()
	}
	key, err := privatekey.Read(c.Key)
	if err != nil {
		return inside("client-key-data", err)
	}
	clear(c.Key)
	if c.Key, err = privatekey.PEM(key); err != nil {
		return fmt.Errorf("client-key-data: %w", err)
	}
	return c.checkPEM()
}

// inside is an error about what stands in the file as base64. A command in it is for
// a file of its own.
func inside(field string, err error) error {
	if !strings.Contains(err.Error(), "FILE") {
		return fmt.Errorf("%s: %w", field, err)
	}
	return fmt.Errorf("%s: %w (FILE is what base64 -d makes of it; put it back with base64 -w0)", field, err)
}
