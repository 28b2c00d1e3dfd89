package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Addresses inside the namespaces. Loopback holds them all.
const (
	endpointAddress   = "10.0.0.10"    // the balancer before the API servers
	serviceAddress    = "10.96.0.1"    // of the service kubernetes
	aggregatedAddress = "10.96.111.11" // of the service the aggregated stand-in is behind
)

// site is a fleet that runs.
type site struct {
	fleet
	at       paths
	machines []*machine
	before   []string  // the ceremonies before a rollover, in their order
	several  bool      // control-plane nodes
	front    *balancer // of the control plane
	service  *balancer // the address pods use
}

// newSite prepares the namespaces for a fleet of these hosts.
func newSite(o options, dir, cluster string, hosts ...host) (*site, error) {
	s := &site{at: o.programs(), before: []string{"ceremony", "ceremony-2", "ceremony-3"}, fleet: fleet{
		conduct: conduct{officiant: o.officiant, node: o.node, dir: dir}, cluster: cluster, hosts: hosts}}
	addresses := []netip.Addr{netip.MustParseAddr(endpointAddress), netip.MustParseAddr(serviceAddress), netip.MustParseAddr(aggregatedAddress)}
	file := "127.0.0.1 localhost\n"
	for _, m := range hosts {
		if m.controlPlane() {
			addresses = append(addresses, netip.MustParseAddr(m.address))
			file += m.address + " " + m.name + "\n"
		}
	}
	if err := settle(addresses...); err != nil {
		return nil, err
	}
	// A single API server has all addresses to itself: there is no room for a
	// balancer, and no need.
	s.several = len(addresses) > 4
	if s.several {
		file += endpointAddress + " " + s.endpoint() + "\n"
	} else {
		file += hosts[0].address + " " + s.endpoint() + "\n"
	}
	for _, m := range hosts {
		if !m.controlPlane() {
			continue
		}
		machine := &machine{host: m, tree: s.root(m.name), logs: s.path("logs"), at: s.at, hostsFile: file}
		if s.several {
			machine.adjust = machine.ownAddress
		}
		s.machines = append(s.machines, machine)
	}
	return s, nil
}

// ownAddress makes a command line usable beside others of its kind in one
// network namespace: every machine's 127.0.0.1 becomes its own address.
func (m *machine) ownAddress(component string, args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if !strings.Contains(arg, "127.0.0.1") {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(arg, "127.0.0.1", m.address), "=")
		var once []string // a list may have held both
		for v := range strings.SplitSeq(value, ",") {
			if !slices.Contains(once, v) {
				once = append(once, v)
			}
		}
		args[i] = name + "=" + strings.Join(once, ",")
	}
	switch component {
	case apiServer:
		args = append(args, "--bind-address="+m.address)
	case etcd:
		// etcd holds a peer's certificate against the address it calls from, which
		// on one loopback device would be that of whom it calls.
		args = withGate(args, "SetMemberLocalAddr=true")
	}
	return args
}

// withGate is the flags with a feature gate more.
func withGate(args []string, gate string) []string {
	const gates = "--feature-gates="
	for _, arg := range args {
		if strings.HasPrefix(arg, gates) {
			gate = strings.TrimPrefix(arg, gates) + "," + gate
		}
	}
	return setFlag(args, gates+gate)
}

// open begins to balance among the machines that run.
func (s *site) open(machines ...*machine) error {
	var err error
	if s.several {
		if s.front, err = balance(endpointAddress+":6443", backends(machines)...); err != nil {
			return err
		}
	}
	s.service, err = balance(serviceAddress+":443", backends(machines)...)
	return err
}

// among says which machines are balanced among from now on.
func (s *site) among(machines ...*machine) {
	s.front.set(backends(machines)...)
	s.service.set(backends(machines)...)
}

func backends(machines []*machine) []string {
	var list []string
	for _, m := range machines {
		list = append(list, m.address+":6443")
	}
	return list
}

// close stops everything.
func (s *site) close() {
	for _, b := range []*balancer{s.front, s.service} {
		if b != nil {
			b.close()
		}
	}
	for _, m := range s.machines {
		m.shutdown()
	}
}

// bind makes the bindings of the bundle's README.txt, which only super-admin.conf can.
func (s *site) bind(m *machine) func(context.Context) error {
	return func(ctx context.Context) error {
		manifest, err := s.bundleFile(m.name, "officiant/rbac.yaml")
		if err != nil {
			return err
		}
		return m.apply(ctx, "super-admin.conf", manifest)
	}
}

// trial is one line of the report. A line that begins with "not:" says what has
// been shown not to be so.
type trial struct {
	name string
	run  func(context.Context) error
}

// try carries trials out, one after the other.
func (r *report) try(ctx context.Context, trials ...trial) {
	for _, t := range trials {
		if ctx.Err() != nil {
			return
		}
		if err := t.run(ctx); ctx.Err() == nil {
			r.check(t.name, err)
		}
	}
}

// must is try for what everything after it needs.
func (r *report) must(ctx context.Context, trials ...trial) bool {
	for _, t := range trials {
		err := t.run(ctx)
		if ctx.Err() != nil {
			return false
		}
		r.check(t.name, err)
		if err != nil {
			return false
		}
	}
	return true
}

// firstCertificate is the first in a file.
func firstCertificate(path string) (*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := certificates(data)
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return list[0], nil
}
