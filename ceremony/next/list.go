package next

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
)

// listedNode is a node as a list names it. What a list leaves open is taken from
// the node's request.
type listedNode struct {
	name         string
	controlPlane *bool               // nil: not said
	roles        []kubepki.Role      // nil: not said
	addresses    []netip.Addr        // the request's has to be one of them; empty: not said
	fingerprint  *fingerprint.SHA256 // of the request; nil: not said
}

// parseList reads a list of nodes: CSV, or JSON as `kubectl get nodes -o json`
// prints it.
func parseList(file File) ([]listedNode, error) {
	read := readCSV
	if trimmed := bytes.TrimSpace(file.Data); len(trimmed) > 0 && trimmed[0] == '{' {
		read = readNodeList
	}
	nodes, err := read(file.Data)
	if err != nil {
		return nil, refuse("%s: %v", file.Name, err)
	}
	seen := map[string]bool{}
	for _, n := range nodes {
		if seen[n.name] {
			return nil, refuse("%s: node %s is there twice", file.Name, n.name)
		}
		seen[n.name] = true
	}
	if len(nodes) == 0 {
		return nil, refuse("%s: no node in it", file.Name)
	}
	return nodes, nil
}

// columns of a CSV list; only the name has to be there.
var columns = []string{"name", "roles", "address", "fingerprint"}

func readCSV(data []byte) ([]listedNode, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("no header with the columns %s: %w", strings.Join(columns, ", "), err)
	}
	at := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, double := at[name]; double || !slices.Contains(columns, name) {
			return nil, fmt.Errorf(
				"column %q: the columns are %s, each once, and name has to be there",
				header[i],
				strings.Join(columns, ", "),
			)
		}
		at[name] = i
	}
	if _, ok := at["name"]; !ok {
		return nil, errors.New("no column name")
	}
	var nodes []listedNode
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		cell := func(column string) string {
			if i, ok := at[column]; ok {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		n, err := csvNode(cell)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		nodes = append(nodes, n)
	}
}

func csvNode(cell func(string) string) (n listedNode, err error) {
	if n.name = cell("name"); n.name == "" {
		return n, errors.New("a node without a name")
	}
	for _, role := range strings.FieldsFunc(cell("roles"), func(r rune) bool { return strings.ContainsRune("+; ", r) }) {
		n.roles = append(n.roles, kubepki.Role(role))
	}
	for _, role := range n.roles {
		if !slices.Contains([]kubepki.Role{kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker}, role) {
			return n, fmt.Errorf("node %s: role %q is none of control-plane, etcd, worker%s", n.name, role,
				nearest.Among(role, kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker))
		}
	}
	if a := cell("address"); a != "" {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			return n, fmt.Errorf("node %s: %q is not an IP address", n.name, a)
		}
		n.addresses = []netip.Addr{ip}
	}
	if text := cell("fingerprint"); text != "" {
		f, err := fingerprint.Parse(text)
		if err != nil {
			return n, fmt.Errorf("node %s: %w", n.name, err)
		}
		n.fingerprint = &f
	}
	return n, nil
}

// readNodeList reads a v1 NodeList. It knows who is of the control plane by the
// label kubeadm sets, and does not know who runs etcd.
func readNodeList(data []byte) ([]listedNode, error) {
	var list struct {
		Kind  string `json:"kind"`
		Items []struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Status struct {
				Addresses []struct {
					Type    string `json:"type"`
					Address string `json:"address"`
				} `json:"addresses"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("not JSON of `kubectl get nodes -o json`: %w", err)
	}
	if list.Kind != "List" && list.Kind != "NodeList" {
		return nil, fmt.Errorf("kind %q: this reads what `kubectl get nodes -o json` prints", list.Kind)
	}
	var nodes []listedNode
	for _, item := range list.Items {
		if item.Metadata.Name == "" || item.Kind != "" && item.Kind != "Node" {
			return nil, fmt.Errorf("an item of kind %q without a name, or that is no Node", item.Kind)
		}
		_, controlPlane := item.Metadata.Labels["node-role.kubernetes.io/control-plane"]
		_, master := item.Metadata.Labels["node-role.kubernetes.io/master"] // before 1.24
		controlPlane = controlPlane || master
		n := listedNode{name: item.Metadata.Name, controlPlane: &controlPlane}
		for _, a := range item.Status.Addresses {
			if a.Type != "InternalIP" {
				continue
			}
			ip, err := netip.ParseAddr(a.Address)
			if err != nil {
				return nil, fmt.Errorf("node %s: InternalIP %q is not an IP address", n.name, a.Address)
			}
			n.addresses = append(n.addresses, ip)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// hold holds the requests against a list: the same nodes, in the list's order,
// and nothing in a request that the list says otherwise.
func hold(list []listedNode, nodes []requester) ([]requester, error) {
	by := map[string]requester{}
	for _, s := range nodes {
		by[s.node.Name] = s
	}
	var out []requester
	var missing, wrong []string
	for _, l := range list {
		s, ok := by[l.name]
		if !ok {
			missing = append(missing, l.name)
			continue
		}
		delete(by, l.name)
		if why := l.contradicts(s); why != "" {
			wrong = append(wrong, fmt.Sprintf("node %s: %s", l.name, why))
		}
		if l.fingerprint != nil { // better than any key that vouches for the request
			s.node.Fingerprint, s.compared = *l.fingerprint, true
		}
		out = append(out, s)
	}
	var problems []string
	if len(missing) > 0 {
		problems = append(problems, "no request of "+Some(missing))
	}
	if len(by) > 0 {
		var strangers []string
		for _, s := range nodes {
			if _, left := by[s.node.Name]; left {
				strangers = append(strangers, s.node.Name)
			}
		}
		problems = append(problems, "requests of nodes that are not in the list: "+Some(strangers))
	}
	if problems = append(problems, wrong...); len(problems) > 0 {
		return nil, refuse("%s", strings.Join(problems, "\n"))
	}
	return out, nil
}

// contradicts says what a request says otherwise than the list.
func (l listedNode) contradicts(s requester) string {
	n := s.node
	switch {
	case l.roles != nil && !sameRoles(l.roles, n.Roles):
		return fmt.Sprintf("its request asks for the roles %v, the list says %v", n.Roles, l.roles)
	case l.controlPlane != nil && *l.controlPlane != slices.Contains(n.Roles, kubepki.ControlPlane):
		return fmt.Sprintf("its request asks for the roles %v, the list says control plane: %t", n.Roles, *l.controlPlane)
	case len(l.addresses) > 0 && s.request.Node.Address.IsValid() && !slices.Contains(l.addresses, s.request.Node.Address):
		return fmt.Sprintf("its request says its address is %s, the list says %v", n.Address, l.addresses)
	case l.fingerprint != nil && *l.fingerprint != s.request.Fingerprint:
		return fmt.Sprintf("its request has the fingerprint %s, the list says %s", s.request.Fingerprint, l.fingerprint)
	}
	return ""
}

func sameRoles(a, b []kubepki.Role) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
