package heads_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/heads"
)

const name, space = "relay", "ns"

func head(seq int64, fill string) endpoint.Head {
	return endpoint.Head{Seq: seq, Hash: strings.Repeat(fill, 64)}
}

func text(h endpoint.Head) string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// server has the ConfigMap, empty.
func server(t *testing.T) *fake.Clientset {
	return fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space}})
}

func keeper(t *testing.T, c *fake.Clientset) *heads.Keeper {
	t.Helper()
	k := heads.New(c.CoreV1().ConfigMaps(space), name, time.Now, slog.New(slog.DiscardHandler))
	if err := k.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

func data(t *testing.T, c *fake.Clientset) map[string]string {
	t.Helper()
	m, err := c.CoreV1().ConfigMaps(space).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Data
}

func set(t *testing.T, c *fake.Clientset, data map[string]string) {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: space}, Data: data}
	if err := c.Tracker().Update(corev1.SchemeGroupVersion.WithResource("configmaps"), m, space); err != nil {
		t.Fatal(err)
	}
}

func TestKeep(t *testing.T) {
	c := server(t)
	k := keeper(t, c)
	for _, h := range []endpoint.Head{head(3, "a"), head(9, "b"), head(5, "c"), {}} {
		if err := k.Keep(t.Context(), endpoint.Head{}, h); err != nil { // 5 was on its way when 9 came
			t.Errorf("%d: %v", h.Seq, err)
		}
	}
	if got := data(t, c)["head"]; got != text(head(9, "b")) || k.Newest() != head(9, "b") {
		t.Errorf("kept %s", got)
	}
	if again := keeper(t, c); again.Newest() != head(9, "b") { // another relay
		t.Errorf("read %v", again.Newest())
	}
}

// TestGoesBack: each way in which a journal is not the one it was is an alarm, which
// stands for other relays, too, and until people have removed it.
func TestGoesBack(t *testing.T) {
	for name, c := range map[string]struct{ floor, head endpoint.Head }{
		"cut":                {head(9, "b"), head(8, "a")},
		"another line":       {head(9, "b"), head(9, "c")},
		"two of one number":  {head(4, "a"), head(9, "c")},
		"cut, and signed on": {head(9, "b"), head(1, "c")},
	} {
		t.Run(name, func(t *testing.T) {
			api := server(t)
			k := keeper(t, api)
			if err := k.Keep(t.Context(), endpoint.Head{}, head(9, "b")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := k.Keep(t.Context(), c.floor, c.head); !errors.Is(err, heads.ErrAlarm) {
					t.Errorf("%v", err)
				}
			}
			if err := k.Keep(t.Context(), head(9, "b"), head(12, "d")); !errors.Is(err, heads.ErrAlarm) {
				t.Errorf("goes on: %v", err)
			}
			got := data(t, api)
			if got["head"] != text(head(9, "b")) || got["alarm"] == "" || got["alarm"] != k.Alarm() {
				t.Errorf("%v", got)
			}
			other := keeper(t, api)
			if err := other.Keep(t.Context(), other.Newest(), head(12, "d")); !errors.Is(err, heads.ErrAlarm) {
				t.Errorf("another relay: %v", err)
			}
			set(t, api, nil) // people: a new journal
			for _, k := range []*heads.Keeper{k, other} {
				if err := k.Load(t.Context()); err != nil || k.Alarm() != "" {
					t.Errorf("%v, %s", err, k.Alarm())
				}
			}
			if err := k.Keep(t.Context(), k.Newest(), head(2, "e")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAlarmIsTold: an alarm that could not be written is written later.
func TestAlarmIsTold(t *testing.T) {
	api := server(t)
	k := keeper(t, api)
	if err := k.Keep(t.Context(), endpoint.Head{}, head(9, "b")); err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	away.Store(true)
	api.PrependReactor("*", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return away.Load(), nil, apierrors.NewServiceUnavailable("away")
	})
	if err := k.Keep(t.Context(), head(9, "b"), head(8, "a")); err == nil || k.Alarm() == "" {
		t.Errorf("%v, %q", err, k.Alarm())
	}
	away.Store(false)
	if err := k.Load(t.Context()); err != nil || data(t, api)["alarm"] == "" || k.Alarm() == "" {
		t.Errorf("%v, %v", err, data(t, api))
	}
}

// TestWrites: another relay's newer head stays, and a conflict is settled.
func TestWrites(t *testing.T) {
	api := server(t)
	k := keeper(t, api)
	conflicts := 0
	api.PrependReactor("update", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		if conflicts++; conflicts == 1 {
			set(t, api, map[string]string{"head": text(head(20, "f"))})
			return true, nil, apierrors.NewConflict(corev1.Resource("configmaps"), name, errors.New("x"))
		}
		return false, nil, nil
	})
	if err := k.Keep(t.Context(), endpoint.Head{}, head(9, "b")); err != nil {
		t.Fatal(err)
	}
	if got := data(t, api)["head"]; got != text(head(20, "f")) || k.Newest() != head(20, "f") || conflicts != 1 {
		t.Errorf("%s after %d tries", got, conflicts)
	}
}

func TestNotThere(t *testing.T) {
	api := fake.NewClientset()
	k := heads.New(api.CoreV1().ConfigMaps(space), name, time.Now, slog.New(slog.DiscardHandler))
	if err := k.Load(t.Context()); err == nil || k.Loaded() {
		t.Errorf("%v", err)
	}
	if err := k.Keep(t.Context(), endpoint.Head{}, head(1, "a")); err == nil {
		t.Error("kept nowhere")
	}
	for _, bad := range []string{"x", "0:" + strings.Repeat("a", 64), "3:short", "-1:" + strings.Repeat("a", 64)} {
		api := server(t)
		set(t, api, map[string]string{"head": bad})
		k := heads.New(api.CoreV1().ConfigMaps(space), name, time.Now, slog.New(slog.DiscardHandler))
		if err := k.Load(t.Context()); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
	gone := server(t)
	k = keeper(t, gone)
	if err := gone.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("configmaps"), space, name); err != nil {
		t.Fatal(err)
	}
	if err := k.Keep(t.Context(), endpoint.Head{}, head(1, "a")); err == nil || k.Loaded() {
		t.Errorf("kept in a ConfigMap that is gone: %v", err)
	}
}

// TestTogether: who comes at once is written at once.
func TestTogether(t *testing.T) {
	api := server(t)
	k := keeper(t, api)
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := k.Keep(t.Context(), endpoint.Head{}, head(int64(i+1), "a")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := data(t, api)["head"]; got != text(head(200, "a")) {
		t.Errorf("kept %s", got)
	}
}
