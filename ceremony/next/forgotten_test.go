package next_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

// TestNothingIsForgotten walks every field of a plan: each kind of plan that follows
// has what the last one had, or the table says why it has not.
func TestNothingIsForgotten(t *testing.T) {
	f, archive := held(t)
	chain, err := next.OpenChain(archive, "", os.DirFS)
	must(t, err)
	raw, err := os.ReadFile(f.PlanFile)
	must(t, err)
	was := plan.Read(report(), raw)
	follows := map[string]plan.NewOptions{}
	continued, err := next.Continue(asked(t, f), archive, os.DirFS, 0)
	must(t, err)
	follows["continue"] = continued.Document
	silent := next.File{
		Name: "kubeadm.yaml",
		Data: []byte("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"),
	}
	for kind, file := range map[string]*next.File{"renew": nil, "renew, by a file that says nothing": &silent} {
		renewed, err := next.Renew(chain, 100*24*time.Hour, next.Changes{Desk: desk(t), Kubeadm: file})
		must(t, err)
		follows[kind] = renewed.Document
	}
	revoked, err := next.Revoke(
		chain,
		next.RevokeOptions{Of: []string{"worker-1"}, Reason: revocation.Superseded},
		next.Changes{Desk: desk(t)},
	)
	must(t, err)
	follows["revoke"] = revoked.Document
	for kind, o := range stages(t, f, archive) {
		c := next.Changes{Desk: desk(t)}
		if o.Account { // what it seals needs recipients that are vouched for
			sent := requestsOf(t, f)
			c.Requests = &sent
		}
		r, err := next.RolloverStage(chain, o, c)
		must(t, err)
		follows["rollover "+kind] = r.Document
	}
	for kind, o := range follows {
		nothingForgotten(t, kind, was, o)
	}
}

// TestNothingIsForgottenAfter: nor is anything of a plan that adopted a running cluster,
// or began a chain anew.
func TestNothingIsForgottenAfter(t *testing.T) {
	for kind, f := range map[string]*ceremonytest.Fixture{
		"adopt":   ceremonytest.NewRunning(t).Adopting(t, 1, nil),
		"recover": ceremonytest.New(t, ceremonytest.Shape{Workers: 1}),
	} {
		f.Tokens(t)
		raw, err := os.ReadFile(f.PlanFile)
		must(t, err)
		for _, s := range [][2]string{
			{"previous: none", map[string]string{"adopt": "previous: none",
				"recover": "previous: {lost: {sequence: 4, reason: the safe burned}}"}[kind]},
			{".test:6443\n", ".test:6443\n  overrides: {kube-apiserver: {extraSANs: [10.0.0.99]}}\n"},
			{"leaves: {validity: 1y}", "leaves: {validity: 90d}\nknownHosts: known_hosts"},
		} {
			if !strings.Contains(string(raw), s[0]) {
				t.Fatalf("%q is not in\n%s", s[0], raw)
			}
			raw = []byte(strings.Replace(string(raw), s[0], s[1], 1))
		}
		raw = append(raw, f.People(t, 1, "alice officer", "bob officer")...)
		must(t, os.WriteFile(f.PlanFile, raw, 0o644))
		must(t, os.WriteFile(filepath.Join(f.Folder, "known_hosts"), []byte(hostKey), 0o644))
		f.Approve(t, "alice")
		dir, _ := f.Run(t)
		archive, err := history.Find(dir)
		must(t, err)
		chain, err := next.OpenChain(archive, "", os.DirFS)
		must(t, err)
		o := stages(t, f, archive)["etcd"]
		if kind == "adopt" {
			o.Authority, o.Stage = "all", next.Issue
		}
		rolled, err := next.RolloverStage(chain, o, next.Changes{Desk: desk(t)})
		must(t, err)
		nothingForgotten(t, "rollover after "+kind, plan.Read(report(), raw), rolled.Document)
	}
}

// nothingForgotten compares a plan with the one that it follows.
func nothingForgotten(t *testing.T, kind string, was *plan.Plan, o plan.NewOptions) {
	t.Helper()
	if kind == "revoke" { // refuses the keys of what is revoked after those from before
		o.Grant.RefusedKeys = o.Grant.RefusedKeys[:len(was.Grant.RefusedKeys)]
	}
	text, err := plan.New(o)
	must(t, err)
	now := plan.Read(report(), text)
	for _, path := range fields(reflect.TypeOf(*was), nil) {
		name := strings.Join(path, ".")
		if why, ok := notCarried[name]; ok {
			if why == "" {
				t.Errorf("%s: no reason is given", name)
			}
			continue
		}
		if kind == "continue" && saidByFile[name] {
			continue
		}
		had, has := map[string]string{}, map[string]string{}
		values(reflect.ValueOf(*was), path, "", had)
		values(reflect.ValueOf(*now), path, "", has)
		for key, v := range had {
			if v == "" || v == "false" || v == "0" || v == "[]" || v == "map[]" {
				continue // a default, which may be written out by now
			}
			if few := fewNodes[kind]; few != "" && strings.HasPrefix(name, "Nodes.") && has[key] == "" {
				continue
			}
			if kind == "rollover after adopt" && name == "Authorities.Use" {
				continue // the successors issue now: that is the stage
			}
			if has[key] != v {
				t.Errorf("%s: %s%s is %q, was %q", kind, name, key, has[key], v)
			}
		}
	}
}

// fewNodes says why a kind of plan has not every node.
var fewNodes = map[string]string{
	"revoke":                   "it has bundles for etcd's nodes alone, and here for none",
	"rollover etcd":            "workers have nothing of etcd's",
	"rollover after recover":   "workers have nothing of etcd's",
	"rollover service account": "control-plane nodes alone have the key",
}

// stages are rollovers that may begin after a first ceremony, of each thing there is.
func stages(t *testing.T, f *ceremonytest.Fixture, archive *history.Archive) map[string]next.RolloverOptions {
	t.Helper()
	c, err := schedule.Open(filepath.Join(archive.Found[0].Dir, "plan.yaml"),
		schedule.Options{Now: time.Now(), Held: true})
	must(t, err)
	var files []next.File
	for name := range f.Keys {
		s := fmt.Sprintf(`{"root":"/","installed":{"node":%q,"sequence":1,"ceremony":%q}}`, name, c.Digest)
		files = append(files, next.File{Name: name, Data: []byte(s)})
	}
	statuses, err := next.ParseStatuses("status", files)
	must(t, err)
	return map[string]next.RolloverOptions{
		"etcd":             {Authority: "etcd", Stage: next.Trust, Statuses: statuses},
		"all":              {Authority: "all", Stage: next.Trust, Statuses: statuses},
		"root":             {Authority: "root", Stage: next.Trust, Statuses: statuses},
		"same key":         {Authority: "kubernetes", Stage: next.SameKey, Statuses: statuses},
		"service account":  {Account: true, Stage: next.Trust, Statuses: statuses},
		"release key":      {Release: true, Stage: next.Trust, Statuses: statuses},
		"lost release key": {Release: true, Stage: next.Lost, Statuses: statuses},
	}
}

// saidByFile are facts that the kubeadm file says which a plan is continued with.
var saidByFile = map[string]bool{
	"Cluster.Name": true, "Cluster.KubernetesVersion": true, "Cluster.ControlPlaneEndpoint": true,
}

// notCarried says why a plan that follows has something else.
var notCarried = map[string]string{
	"Name":                    "each plan has its own",
	"Previous.Given":          "it names the ceremony before",
	"Previous.Ceremonies":     "it names the ceremony before",
	"Previous.Lost":           "said once, where the chain begins anew",
	"Cluster.Kubeadm":         "its facts stand in the plan, unless a newer file is given",
	"Authorities.Key":         "what was made exists, and is opened only where it signs",
	"Authorities.Certificate": "the one that was made, out of the record",
	"Authorities.Renews":      "done",
	"Authorities.Root":        "its certificate says by which root it is",
	"Authorities.Subject":     "its certificate has it; a successor takes the organization over",
	"Authorities.Validity":    "its certificate has it; a successor takes it over",
	"Authorities.Least":       "of a certificate that has come back",
	"Release.Key":             "what was made exists",
	"Release.Public":          "out of the record",
	"Release.Lost":            "done",
	"Release.Name":            "written where it is not the default",
	"Release.Successor":       "what was made exists",
	"ServiceAccount.Create":   "done: it is carried over sealed",
	"ServiceAccount.Sealed":   "out of the record",
	"ServiceAccount.Public":   "out of the record",
	"ServiceAccount.Next":     "out of the record",
	"ServiceAccount.Former":   "out of the record",
	"KnownHosts":              "a copy of the file, below another path",
	"Nodes.Keys":              "a node whose keys the ceremony makes has them made anew",
	"Nodes.Request":           "a copy, or a newer one",
	"Nodes.Renew":             "what this plan makes anew",
	"Nodes.Sealed":            "found on record when it is needed",
	"Nodes.Fingerprint":       "of a new request, or the record vouches",
	"Nodes.Host":              "of a node that sent a request",
	"Revocations":             "those that have not ended, on the list that is made",
	"CRLs":                    "the newest list of each authority is carried over on record",
	"Left":                    "on record once",
	"Journals":                "how far they have come is on record; a later one is named anew",
}

// fields lists the paths of a plan's fields down to what has a meaning of its own.
func fields(typ reflect.Type, path []string) (all [][]string) {
	for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	whole := slices.Contains(
		[]string{"Plan", "Cluster", "Previous", "Authority", "Release", "ServiceAccount", "Leaves", "Node"},
		typ.Name(),
	)
	if typ.Kind() != reflect.Struct || !whole {
		return [][]string{path}
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		all = append(all, fields(f.Type, append(slices.Clone(path), f.Name))...)
	}
	return all
}

// values finds what a plan says under a path, by the names of what is in lists.
func values(v reflect.Value, path []string, key string, out map[string]string) {
	switch {
	case len(path) == 0:
		out[key] = fmt.Sprintf("%v", v.Interface())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			values(v.Index(i), path, key+" of "+v.Index(i).FieldByName("Name").String(), out)
		}
	default:
		values(v.FieldByName(path[0]), path[1:], key, out)
	}
}
