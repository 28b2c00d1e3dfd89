package service

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"officiant/bundle/kubepki"
)

// lockKey is where the lock lies in etcd. Kubernetes' own keys begin with /registry.
const lockKey = "/officiant/etcd-restart"

// lockTime is how long the lock stays when its holder dies, in seconds.
const lockTime = 15 * time.Minute

// Members are etcd's, as seen by the one on this machine.
type Members struct {
	Machine *Machine
	URL     string // of the local one's clients; empty: https://127.0.0.1:2379
}

// Busy says that another node restarts its etcd.
type Busy struct{ Holder string }

func (b *Busy) Error() string { return fmt.Sprintf("node %.100q restarts its etcd now", b.Holder) }

func (e *Members) url() string {
	if e.URL == "" {
		return "https://127.0.0.1:2379"
	}
	return e.URL
}

func (e *Members) client() (*http.Client, error) {
	s, _ := kubepki.ServiceNamed("etcd")
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := e.Machine.identify(settings, s.Health); err != nil {
		return nil, err
	}
	return client(settings), nil
}

// call asks etcd's JSON gateway.
func (e *Members) call(ctx context.Context, path string, question, answer any) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	said, err := ask(ctx, c, http.MethodPost, e.url()+path, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

type member struct {
	ID         string   `json:"ID"`
	Name       string   `json:"name"`
	ClientURLs []string `json:"clientURLs"`
}

// Others fails when a member other than the local one is not well, or cannot be asked.
func (e *Members) Others(ctx context.Context) error {
	var list struct {
		Header struct {
			MemberID string `json:"member_id"`
		} `json:"header"`
		Members []member `json:"members"`
	}
	if err := e.call(ctx, "/v3/cluster/member/list", struct{}{}, &list); err != nil {
		return fmt.Errorf("asking this node's etcd for its members: %w", err)
	}
	var errs []error
	for _, m := range list.Members {
		if m.ID == list.Header.MemberID {
			continue
		}
		if err := e.well(ctx, m); err != nil {
			errs = append(errs, fmt.Errorf("etcd member %.100q is not well: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

// well asks a member at each of its addresses, until one says yes.
func (e *Members) well(ctx context.Context, m member) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	err = errors.New("it has not started, or has no address")
	for _, at := range m.ClientURLs {
		u, perr := url.Parse(at)
		if perr != nil || u.Scheme != "https" {
			err = fmt.Errorf("its address %.100q is none that can be asked", at)
			continue
		}
		said, aerr := ask(ctx, c, http.MethodGet, u.JoinPath("health").String(), nil)
		var health struct {
			Health string `json:"health"`
		}
		if aerr == nil && json.Unmarshal(said, &health) == nil && health.Health == "true" {
			return nil
		}
		if err = aerr; err == nil {
			err = fmt.Errorf("it says %s", firstLine(said))
		}
	}
	return err
}

type entry struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	Lease string `json:"lease,omitempty"`
}

type compare struct {
	Key            string `json:"key"`
	Target         string `json:"target"`
	Result         string `json:"result"`
	CreateRevision string `json:"create_revision"`
}

type operation struct {
	Put   *entry `json:"requestPut,omitempty"`
	Range *entry `json:"requestRange,omitempty"`
}

// held is what etcd says of the lock.
type held struct {
	Succeeded bool
	Responses []struct {
		Range struct {
			KVs []entry `json:"kvs"`
		} `json:"response_range"`
	}
}

// Lock takes the lock in etcd for a node, or fails with a *Busy. A node that holds it,
// as after a kill, has it again.
func (e *Members) Lock(ctx context.Context, node string) (release func(context.Context) error, err error) {
	var lease struct{ ID string }
	ttl := map[string]int{"TTL": int(lockTime / time.Second)}
	if err := e.call(ctx, "/v3/lease/grant", ttl, &lease); err != nil {
		return nil, fmt.Errorf("taking the lock in etcd: %w", err)
	}
	key := base64.StdEncoding.EncodeToString([]byte(lockKey))
	question := struct {
		Compare []compare   `json:"compare"`
		Success []operation `json:"success"`
		Failure []operation `json:"failure"`
	}{
		[]compare{{key, "CREATE", "EQUAL", "0"}},
		[]operation{{Put: &entry{key, base64.StdEncoding.EncodeToString([]byte(node)), lease.ID}}},
		[]operation{{Range: &entry{Key: key}}},
	}
	var h held
	if err := e.call(ctx, "/v3/kv/txn", question, &h); err != nil {
		return nil, errors.Join(fmt.Errorf("taking the lock in etcd: %w", err), e.revoke(lease.ID)(ctx))
	}
	if h.Succeeded {
		return e.revoke(lease.ID), nil
	}
	var now entry
	if len(h.Responses) > 0 && len(h.Responses[0].Range.KVs) > 0 {
		now = h.Responses[0].Range.KVs[0]
	}
	if err := e.revoke(lease.ID)(ctx); err != nil { // it was for nothing
		return nil, err
	}
	holder, _ := base64.StdEncoding.DecodeString(now.Value)
	if string(holder) == node && now.Lease != "" {
		return e.revoke(now.Lease), nil // ours, of a run that was killed
	}
	return nil, &Busy{string(holder)}
}

// revoke ends a lease, and with it the lock.
func (e *Members) revoke(lease string) func(context.Context) error {
	return func(ctx context.Context) error {
		return e.call(ctx, "/v3/lease/revoke", map[string]string{"ID": lease}, &struct{}{})
	}
}
