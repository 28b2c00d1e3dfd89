package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// standIn takes the place of the cluster's API server for `kubeadm join`: TLS
// with the first node's certificate, client certificates checked against its
// ca.crt, and the few answers kubeadm asks for, to whom RBAC would give them.
type standIn struct {
	listener net.Listener
	server   *http.Server

	mu     sync.Mutex
	asked  []string // "USER PATH", in order
	said   []byte   // what the server logs: handshakes that failed
	config string   // the ClusterConfiguration of the kubeadm-config ConfigMap
}

// Write takes the server's log.
func (s *standIn) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, from.ReplaceAll(line, nil)...)
	return len(line), nil
}

var from = regexp.MustCompile(` from [0-9.]+:[0-9]+`)

// log is what the server logged since the last call.
func (s *standIn) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.said
	s.said = nil
	return string(said)
}

// newStandIn takes a port; nobody is answered before serve.
func newStandIn() (*standIn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &standIn{listener: listener}, nil
}

// port is the API server's, as the cluster's endpoint has it.
func (s *standIn) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *standIn) close() {
	if s.server != nil {
		s.server.Close()
	}
	s.listener.Close()
}

// serve answers as the API server of the node whose files are in tree.
func (s *standIn) serve(tree, clusterConfiguration string) error {
	s.config = clusterConfiguration
	pki := filepath.Join(tree, etcKubernetes, "pki")
	own, err := tls.LoadX509KeyPair(filepath.Join(pki, "apiserver.crt"), filepath.Join(pki, "apiserver.key"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s/ca.crt holds no certificate", pki)
	}
	s.server = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(s, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert},
	}
	go s.server.ServeTLS(s.listener, "", "") // ends with close
	return nil
}

// who returns what was asked since the last call.
func (s *standIn) who() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	subject := r.TLS.PeerCertificates[0].Subject
	s.mu.Lock()
	s.asked = append(s.asked, subject.CommonName+" "+r.URL.Path)
	s.mu.Unlock()
	// kubeadm init binds system:nodes to the first two, kubeadm:cluster-admins may
	// all; cluster-info is bound to anonymous alone, kube-proxy to bootstrap tokens.
	node, admin := slices.Contains(subject.Organization, "system:nodes"), slices.Contains(subject.Organization, "kubeadm:cluster-admins")
	const system = "/api/v1/namespaces/kube-system/configmaps/"
	switch {
	case r.Method == http.MethodGet && r.URL.Path == system+"kubeadm-config" && (node || admin):
		s.configMap(w, "ClusterConfiguration", s.config)
	case r.Method == http.MethodGet && r.URL.Path == system+"kubelet-config" && (node || admin):
		s.configMap(w, "kubelet", "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\n")
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/nodes/") && (node || admin):
		status(w, http.StatusNotFound, "NotFound")
	default:
		status(w, http.StatusForbidden, "Forbidden")
	}
}

func (s *standIn) configMap(w http.ResponseWriter, key, value string) {
	answerJSON(w, http.StatusOK, map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": "x", "namespace": "kube-system"}, "data": map[string]string{key: value}})
}

func status(w http.ResponseWriter, code int, reason string) {
	answerJSON(w, code, map[string]any{"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": reason})
}

func answerJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}
