// Command rotate gets and rotates a node's certificates as a kubelet does, with the
// kubelet's own code (client-go, util/certificate): a client certificate, first asked for
// with what kubelet.conf holds and then with the one before, and one to serve with. It
// uses both, and says of each new one what came of it, a JSON object a line. Acceptance
// runs it; it is part of no program.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certsv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/certificate"
	"k8s.io/klog/v2"
)

// node is whose certificates are rotated.
type node struct {
	name, address, listen, clientCA, dir string
	config                               *rest.Config
}

// said is a line.
type said struct {
	Kind   string    `json:"kind"`
	Serial string    `json:"serial"`
	Until  time.Time `json:"until"`
	User   string    `json:"user,omitempty"` // whom the API server took it for
}

func main() {
	var n node
	kubeconfig := flag.String("kubeconfig", "", "what the node has to begin with")
	flag.StringVar(&n.name, "node", "", "its name")
	flag.StringVar(&n.address, "address", "", "its address")
	flag.StringVar(&n.listen, "listen", "", "where it serves, HOST:PORT")
	flag.StringVar(&n.clientCA, "client-ca", "", "whose clients it lets in")
	flag.StringVar(&n.dir, "dir", "", "where certificates are kept")
	flag.Parse()
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	if n.config, err = clientcmd.BuildConfigFromFlags("", *kubeconfig); err == nil {
		err = n.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rotate:", err)
		os.Exit(1)
	}
}

func (n *node) run(ctx context.Context) error {
	if err := rest.LoadTLSFiles(n.config); err != nil {
		return err
	}
	subject := pkix.Name{CommonName: "system:node:" + n.name, Organization: []string{"system:nodes"}}
	client, err := n.manager("kubelet-client", &certificate.Config{
		SignerName: certsv1.KubeAPIServerClientKubeletSignerName, GetUsages: certificate.DefaultKubeletClientGetUsages,
		Template:                &x509.CertificateRequest{Subject: subject},
		ClientsetFn:             n.clientset,
		BootstrapCertificatePEM: n.config.CertData, BootstrapKeyPEM: n.config.KeyData})
	if err != nil {
		return err
	}
	serving, err := n.manager("kubelet-server", &certificate.Config{
		SignerName: certsv1.KubeletServingSignerName, GetUsages: certificate.DefaultKubeletServingGetUsages,
		Template: &x509.CertificateRequest{Subject: subject, DNSNames: []string{n.name},
			IPAddresses: []net.IP{net.ParseIP(n.address)}},
		ClientsetFn: func(*tls.Certificate) (kubernetes.Interface, error) { return n.clientset(client.Current()) }})
	if err != nil {
		return err
	}
	client.Start()
	defer client.Stop()
	serving.Start()
	defer serving.Stop()
	failed := make(chan error, 1)
	go func() { failed <- n.serve(serving) }()
	have := map[string]string{}
	for {
		n.tell(ctx, "client", client.Current(), have)
		n.tell(ctx, "serving", serving.Current(), have)
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (n *node) manager(name string, c *certificate.Config) (certificate.Manager, error) {
	store, err := certificate.NewFileStore(name, n.dir, n.dir, "", "")
	if err != nil {
		return nil, err
	}
	c.CertificateStore, c.Name = store, name
	return certificate.NewManager(c)
}

// clientset is who has that certificate; nobody, who has what kubelet.conf holds.
func (n *node) clientset(current *tls.Certificate) (kubernetes.Interface, error) {
	c := rest.CopyConfig(n.config)
	if current != nil {
		key, err := x509.MarshalPKCS8PrivateKey(current.PrivateKey)
		if err != nil {
			return nil, err
		}
		c.CertData, c.KeyData = nil, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
		for _, der := range current.Certificate {
			c.CertData = append(c.CertData, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
	}
	return kubernetes.NewForConfig(c)
}

// tell says that there is a new certificate, and for a client's, whom it is.
func (n *node) tell(ctx context.Context, kind string, current *tls.Certificate, have map[string]string) {
	if current == nil {
		return
	}
	serial := fmt.Sprintf("%x", current.Leaf.SerialNumber)
	if have[kind] == serial {
		return
	}
	line := said{Kind: kind, Serial: serial, Until: current.Leaf.NotAfter}
	if kind == "client" {
		c, err := n.clientset(current)
		if err == nil {
			var me *authenticationv1.SelfSubjectReview
			me, err = c.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{},
				metav1.CreateOptions{})
			if err == nil {
				line.User = me.Status.UserInfo.Username
			}
		}
		if err != nil {
			return // asked again
		}
	}
	have[kind] = serial
	_ = json.NewEncoder(os.Stdout).Encode(line) // who listens has ended
}

// serve answers as a kubelet whose only knowledge is who asks.
func (n *node) serve(serving certificate.Manager) error {
	text, err := os.ReadFile(n.clientCA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	s := &http.Server{Addr: n.listen, ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			fmt.Fprintf(w, "asked by %s", r.TLS.PeerCertificates[0].Subject)
		}),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs: pool, SessionTicketsDisabled: true,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if c := serving.Current(); c != nil {
					return c, nil
				}
				return nil, errors.New("there is no certificate to serve with yet")
			}}}
	return s.ListenAndServeTLS("", "")
}
