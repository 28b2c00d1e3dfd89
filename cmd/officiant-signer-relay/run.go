package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"officiant/cmd/internal/exit"
	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/manifests"
)

// runOptions are the flags of run.
type runOptions struct {
	*options
	endpoint                       string
	tls                            endpoint.Files
	signerNames                    []string
	kubeconfig, namespace, metrics string
	workers                        int
	deadline, lease, longest       time.Duration
	qps                            float32
}

func newRunCommand(o *options) *cobra.Command {
	s := &runOptions{options: o}
	c := &cobra.Command{
		Use:   "run",
		Short: "Hand requests on, and write back what the signer answers",
		Long: `Run watches the CertificateSigningRequests of the signer names given, hands each to
officiant-signer, and writes approval or denial with the signer's reason, then the
certificate. Of several relays the one that holds the Lease works; the others wait.

The newest head of the signer's journal is kept in a ConfigMap before a certificate is
handed on. A head that goes back is an alarm that stands there until it is removed by hand:
metric, log, not ready, and nothing is handed on. Lease and ConfigMap are those that
"manifests" prints; they are not made anew.

A signer or an API server that is away is a state, not an end: requests are asked again.
At SIGTERM what was begun is finished within --deadline, and the Lease given back.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context()) },
	}
	f := c.Flags()
	f.StringVar(&s.endpoint, "signer-endpoint", "", "where officiant-signer listens: unix:PATH or HOST:PORT")
	f.StringVar(&s.tls.Cert, "tls-cert", "", "this relay's certificate for HOST:PORT, a `FILE`")
	f.StringVar(&s.tls.Key, "tls-key", "", "its private key, a `FILE`")
	f.StringVar(&s.tls.CA, "signer-ca", "", "who has certified the signer at HOST:PORT, a `FILE`")
	f.StringArrayVar(&s.signerNames, "signer-name", manifests.SignerNames(),
		"a `NAME` of the API's signers; may be given several times")
	f.StringVar(&s.kubeconfig, "kubeconfig", "",
		"how the API server is reached, a `FILE`; in a pod its service account")
	f.StringVar(&s.namespace, "namespace", manifests.Namespace, "where Lease and ConfigMap are")
	f.StringVar(&s.metrics, "metrics", "", "`HOST:PORT` of /metrics, /readyz and /healthz; nowhere when left out")
	f.IntVar(&s.workers, "workers", 8, "requests handed on at once")
	f.DurationVar(&s.deadline, "deadline", 25*time.Second, "how long what was begun is finished after SIGTERM")
	f.DurationVar(&s.lease, "lease-duration", 15*time.Second, "how long another relay waits for one that is gone")
	f.DurationVar(&s.longest, "longest-wait", time.Minute, "how long a request waits at most until it is asked again")
	f.Float32Var(&s.qps, "kube-api-qps", 100, "requests a second to the API server")
	_ = c.MarkFlagRequired("signer-endpoint") // the flag is there
	return c
}

var (
	signerName = regexp.MustCompile(`^[a-z0-9.-]+/[a-zA-Z0-9.-]+$`)
	label      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// validate says what is wrong with the flags.
func (s *runOptions) validate() error {
	slices.Sort(s.signerNames)
	s.signerNames = slices.Compact(s.signerNames)
	for _, name := range s.signerNames {
		if !signerName.MatchString(name) {
			return exit.Usagef("--signer-name %s is not DOMAIN/NAME", name)
		}
	}
	switch {
	case s.workers < 1 || s.workers > 256:
		return exit.Usagef("--workers is from 1 to 256")
	case s.deadline <= 0:
		return exit.Usagef("--deadline has to be above zero")
	case s.lease < time.Second || s.lease > 10*time.Minute:
		return exit.Usagef("--lease-duration is from 1s to 10m")
	case s.longest < time.Second || s.longest > time.Hour:
		return exit.Usagef("--longest-wait is from 1s to 1h")
	case !(s.qps >= 1 && s.qps <= 10_000):
		return exit.Usagef("--kube-api-qps is from 1 to 10000")
	case !label.MatchString(s.namespace):
		return exit.Usagef("--namespace %s is no name of a namespace", s.namespace)
	}
	return nil
}

func (s *runOptions) run(ctx context.Context) error {
	if err := s.validate(); err != nil {
		return err
	}
	signer, err := endpoint.New(s.endpoint, s.tls, s.workers+1)
	if err != nil {
		var address *endpoint.BadAddress
		switch {
		case errors.As(err, &address):
			return exit.Usagef("--signer-endpoint, with --tls-cert, --tls-key and --signer-ca: %w", err)
		case errors.Is(err, fs.ErrNotExist):
			return exit.Usagef("%w", err)
		}
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("--tls-cert, --tls-key, --signer-ca: %w", err)}
	}
	config, err := s.apiServer()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	host, err := s.Hostname()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	klog.SetSlogLogger(log.With("from", "client-go"))
	log.Info("running", "endpoint", s.endpoint, "signers", strings.Join(s.signerNames, " "), "version", s.Version)
	return newDuty(s, client, signer, host, log).serve(ctx)
}

// apiServer says how it is reached.
func (s *runOptions) apiServer() (config *rest.Config, err error) {
	if s.kubeconfig == "" {
		if config, err = rest.InClusterConfig(); err != nil {
			return nil, exit.Usagef("--kubeconfig was not given, and this is no pod: %w", err)
		}
	} else {
		if _, err := os.Stat(s.kubeconfig); err != nil {
			return nil, exit.Usagef("%w", err)
		}
		if config, err = clientcmd.BuildConfigFromFlags("", s.kubeconfig); err != nil {
			return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %w", s.kubeconfig, err)}
		}
	}
	config.QPS, config.Burst = s.qps, int(2*s.qps)
	config.UserAgent = "officiant-signer-relay/" + s.Version
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = config.ContentType + ",application/json"
	return config, nil
}
