package heads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
)

// Keys of the ConfigMap's data.
const (
	headKey  = "head"  // SEQ:HASH, as officiant-signer verify takes it
	alarmKey = "alarm" // there while an alarm stands
)

// ErrAlarm is the error of Keep while an alarm stands.
var ErrAlarm = errors.New("the signer's journal is not the one it was")

// Keeper keeps heads. It is safe for concurrent use.
type Keeper struct {
	maps corev1client.ConfigMapInterface
	name string
	now  func() time.Time
	log  *slog.Logger

	writing sync.Mutex // held while the ConfigMap is read and written

	mu     sync.Mutex
	newest endpoint.Head
	stored endpoint.Head
	alarm  string // empty: none
	told   bool   // the alarm is in the ConfigMap
	loaded bool
}

// New makes a Keeper of the ConfigMap of that name. Load comes before Keep.
func New(maps corev1client.ConfigMapInterface, name string, now func() time.Time, log *slog.Logger) *Keeper {
	return &Keeper{maps: maps, name: name, now: now, log: log}
}

// Newest is the newest head known; what is asked for from now on has no older one.
func (k *Keeper) Newest() endpoint.Head {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.newest
}

// Alarm is why no head is kept; empty when all is well. Loaded says whether the ConfigMap
// has been read.
func (k *Keeper) Alarm() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.alarm
}

func (k *Keeper) Loaded() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loaded
}

// Load reads the ConfigMap, puts an alarm there that it lacks, and ends one that people
// have removed: then what they left there holds.
func (k *Keeper) Load(ctx context.Context) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	m, err := k.maps.Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return k.unread(err)
	}
	if err := k.take(m); err != nil {
		return err
	}
	k.mu.Lock()
	untold := k.alarm != "" && !k.told
	k.mu.Unlock()
	if untold {
		return k.write(ctx, m)
	}
	return nil
}

// take goes by what the ConfigMap says.
func (k *Keeper) take(m *corev1.ConfigMap) error {
	stored, err := parse(m.Data[headKey])
	if err != nil {
		return fmt.Errorf("ConfigMap %s: %w", k.name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stored, k.loaded = stored, true
	switch there := m.Data[alarmKey]; {
	case there != "":
		k.alarm, k.told = there, true
	case k.told: // people removed it
		k.log.Warn("the alarm was removed", "head", text(stored))
		k.alarm, k.told, k.newest = "", false, stored
	}
	switch {
	case stored.Seq > k.newest.Seq:
		k.newest = stored
	case stored.Seq == k.newest.Seq && stored.Hash != k.newest.Hash:
		k.raise("line %d is %s, and %s in the ConfigMap", k.newest.Seq, k.newest.Hash, stored.Hash)
	}
	return nil
}

// Keep has a head in the ConfigMap, or a newer one, when it returns nil. floor is what
// Newest said before the signer was asked. Without a head there is nothing to keep.
func (k *Keeper) Keep(ctx context.Context, floor, head endpoint.Head) error {
	if !k.Loaded() {
		return errors.New("the newest head is not known yet")
	}
	if head.Seq > 0 {
		k.see(floor, head)
	}
	k.writing.Lock() // who waits here often finds it written
	defer k.writing.Unlock()
	for {
		if done, err := k.settled(head); done {
			return err
		}
		m, err := k.maps.Get(ctx, k.name, metav1.GetOptions{})
		if err != nil {
			return k.unread(err)
		}
		if err := k.take(m); err != nil {
			return err
		}
		if done, err := k.settled(head); done { // by another relay
			return err
		}
		if err := k.write(ctx, m); err != nil && !apierrors.IsConflict(err) {
			return err
		}
	}
}

// settled says whether a head needs no write any more, or will have none: then with the
// alarm that stands.
func (k *Keeper) settled(head endpoint.Head) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.alarm != "" {
		return k.told, fmt.Errorf("%w: %s", ErrAlarm, k.alarm)
	}
	return k.stored.Seq >= head.Seq, nil
}

// see holds a head against what is known.
func (k *Keeper) see(floor, head endpoint.Head) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case head.Seq < floor.Seq:
		k.raise("the signer's journal ends with line %d, and had line %d before", head.Seq, floor.Seq)
	case head.Seq == floor.Seq && head.Hash != floor.Hash:
		k.raise("line %d of the signer's journal is %s, and was %s before", head.Seq, head.Hash, floor.Hash)
	case head.Seq == k.newest.Seq && head.Hash != k.newest.Hash:
		k.raise("line %d of the signer's journal is %s, and %s", head.Seq, head.Hash, k.newest.Hash)
	case head.Seq > k.newest.Seq && k.alarm == "":
		k.newest = head
	}
}

// raise sets the alarm; the first one stays. k.mu is held.
func (k *Keeper) raise(format string, args ...any) {
	if k.alarm != "" {
		return
	}
	k.alarm = k.now().UTC().Format(time.RFC3339) + " " + fmt.Sprintf(format, args...)
	k.log.Error("the signer's journal is not the one it was: nothing is handed on until people have looked",
		"alarm", k.alarm)
}

// write puts newest head and alarm into m, and m back. k.writing is held.
func (k *Keeper) write(ctx context.Context, m *corev1.ConfigMap) error {
	k.mu.Lock()
	newest, alarm := k.newest, k.alarm
	k.mu.Unlock()
	m = m.DeepCopy()
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	if newest.Seq > 0 {
		m.Data[headKey] = text(newest)
	}
	if alarm != "" {
		m.Data[alarmKey] = alarm
	}
	if _, err := k.maps.Update(ctx, m, metav1.UpdateOptions{}); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stored, k.told = newest, alarm != ""
	return nil
}

// unread notes that the ConfigMap cannot be read.
func (k *Keeper) unread(err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if apierrors.IsNotFound(err) {
		k.loaded = false
	}
	return fmt.Errorf("the newest head: %w", err)
}

func text(h endpoint.Head) string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

func parse(s string) (h endpoint.Head, err error) {
	if s == "" {
		return h, nil
	}
	seq, hash, _ := strings.Cut(s, ":")
	if h.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil || h.Seq < 1 || len(hash) != 64 {
		return h, fmt.Errorf("%s is %.80q, not SEQ:HASH", headKey, s)
	}
	h.Hash = hash
	return h, nil
}
